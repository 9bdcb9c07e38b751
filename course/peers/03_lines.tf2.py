import tensorflow as tf

A = tf.constant([1.0, 2.0, 3.0])
B = tf.constant([4.0, 5.0, 6.0])
C = B * A
print("C =", C.numpy())
D = C + 1
print("D =", D.numpy())


@tf.function
def step(x):
    x = (x + B / x) / 2
    miss = tf.abs(x * x - B)
    return x, tf.reduce_max(miss)


x, rounds, off = B, 0, 9.0
while off > 1e-4:
    x, off = step(x)
    rounds += 1
print("rounds:", rounds)
