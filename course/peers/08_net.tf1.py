import numpy as np
import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
rng = np.random.default_rng(0)


def draw(*size):
    return rng.standard_normal(size, "f")


a, b = draw(64, 1000), draw(64, 10)
w1 = tf.Variable(draw(1000, 100))
w2 = tf.Variable(draw(100, 10))

x = tf.placeholder(tf.float32, (64, 1000))
y = tf.placeholder(tf.float32, (64, 10))
h = tf.maximum(tf.matmul(x, w1), 0)
loss = tf.reduce_sum((tf.matmul(h, w2) - y) ** 2)
g1, g2 = tf.gradients(loss, [w1, w2])
with tf.control_dependencies([loss, g1, g2]):
    new1 = w1.assign_sub(1e-6 * g1)
    new2 = w2.assign_sub(1e-6 * g2)

session = tf.Session()
session.run(tf.global_variables_initializer())
for t in range(101):
    feed = {x: a, y: b}
    value, *_ = session.run([loss, new1, new2], feed)
    if t in (0, 10, 50, 100):
        print(t, f"{value:.2e}")
