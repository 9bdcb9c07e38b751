import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
run = tf.Session().run

a = tf.constant([[1.0, -2, 3], [0.5, 4, -1]])
b = tf.constant([[2.0, 2, 1], [4, 1, 3]])
print(run(tf.matmul(a, tf.transpose(b))))
print(run(tf.clip_by_value(a, 0, 2)))
print(run(tf.reduce_sum(a, axis=0)))
print(run(tf.boolean_mask(a, a > 0)))
print(run(tf.where(a > b, a, b)))

t = tf.reshape(tf.range(6), (2, 3))
try:
    t[0, 1] = 99
except TypeError:
    print("a node cannot be changed")
print((tf.ones(3) + 1.5).dtype)
print((tf.range(3) / 2).dtype)
