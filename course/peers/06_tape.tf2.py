import tensorflow as tf

x = tf.constant(2.0)
w, b = tf.Variable(3.0), tf.Variable(1.0)
sum_w = sum_b = 0.0

for turn in range(3):
    with tf.GradientTape() as tape:
        y = (x * w + b) ** 2
    gw, gb = tape.gradient(y, [w, b])
    sum_w += gw.numpy()
    sum_b += gb.numpy()
    print("turn", turn, sum_w, sum_b)

sum_w = 0.0
print("zeroed:", sum_w)
