import tensorflow.compat.v1 as tf

tf.disable_eager_execution()

x = tf.placeholder(tf.float32, ())
w, b = tf.Variable(3.0), tf.Variable(1.0)
y = (x * w + b) ** 2
gw, gb = tf.gradients(y, [w, b])

sum_w = tf.Variable(0.0)
sum_b = tf.Variable(0.0)
more = sum_w.assign_add(gw), sum_b.assign_add(gb)

session = tf.Session()
session.run(tf.global_variables_initializer())
for turn in range(3):
    a, z = session.run(more, {x: 2.0})
    print("turn", turn, a, z)

session.run(sum_w.assign(0.0))
print("zeroed:", session.run(sum_w))
