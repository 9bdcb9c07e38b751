import tensorflow as tf

a = tf.constant([[1.0, -2, 3], [0.5, 4, -1]])
b = tf.constant([[2.0, 2, 1], [4, 1, 3]])
print((a @ tf.transpose(b)).numpy())
print(tf.clip_by_value(a, 0, 2).numpy())
print(tf.reduce_sum(a, axis=0).numpy())
print(a[a > 0].numpy())
print(tf.where(a > b, a, b).numpy())

t = tf.reshape(tf.range(6), (2, 3))
try:
    t[0, 1] = 99
except TypeError:
    print("a tensor cannot be changed")
print((tf.ones(3) + 1.5).dtype)
print((tf.range(3) / 2).dtype)
