import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)


def draw(*size):
    return tf.constant(rng.standard_normal(size, "f"))


x, y = draw(64, 1000), draw(64, 10)
w1 = tf.Variable(draw(1000, 100))
w2 = tf.Variable(draw(100, 10))


@tf.function
def step(x, y):
    with tf.GradientTape() as tape:
        h = tf.maximum(x @ w1, 0)
        loss = tf.reduce_sum((h @ w2 - y) ** 2)
    g1, g2 = tape.gradient(loss, [w1, w2])
    w1.assign_sub(1e-6 * g1)
    w2.assign_sub(1e-6 * g2)
    return loss


for t in range(101):
    value = step(x, y)
    if t in (0, 10, 50, 100):
        print(t, f"{value.numpy():.2e}")
