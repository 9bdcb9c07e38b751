import tensorflow.compat.v1 as tf

tf.disable_eager_execution()

a = tf.placeholder(tf.float32, (3,))
b = tf.placeholder(tf.float32, (3,))
c = b * a
d = c + 1

session = tf.Session()
A, B = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
C, D = session.run([c, d], {a: A, b: B})
print("C =", C)
print("D =", D)

better = (a + b / a) / 2
miss = tf.abs(better * better - b)
error = tf.reduce_max(miss)

x, rounds, off = B, 0, 9.0
while off > 1e-4:
    feed = {a: x, b: B}
    x, off = session.run([better, error], feed)
    rounds += 1
print("rounds:", rounds)
