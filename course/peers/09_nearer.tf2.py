import tensorflow as tf


@tf.function
def nearer(x):
    if x > 0:
        return x - 1
    return x + 1


for value in 3.0, -3.0:
    print(nearer(tf.constant(value)).numpy())


@tf.function
def walk(x, rounds):
    for _ in tf.range(rounds):
        x = nearer(x)
    return x


for rounds in 2, 4:
    x, n = tf.constant(9.0), tf.constant(rounds)
    print(walk(x, n).numpy())
