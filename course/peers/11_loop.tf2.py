import tensorflow as tf

w = tf.Variable(0.5)


@tf.function
def read(xs, n):
    i, h = 0, 0.0
    while i < n:
        h = tf.tanh(w * h + xs[i])
        i += 1
    return h


xs = tf.constant([0.1, 0.2, 0.3, 0.4, 0.5])
for steps in 2, 5:
    with tf.GradientTape() as tape:
        h = read(xs, tf.constant(steps))
    dw = tape.gradient(h, w)
    print(steps, "steps: h =", round(float(h), 4))
    print("  dh/dw =", round(float(dw), 4))
