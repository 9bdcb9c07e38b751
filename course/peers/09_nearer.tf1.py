import tensorflow.compat.v1 as tf

tf.disable_eager_execution()


def nearer(x):
    return tf.cond(
        x > 0,
        lambda: x - 1,
        lambda: x + 1,
    )


session = tf.Session()
x = tf.placeholder(tf.float32, ())
y = nearer(x)
for value in 3.0, -3.0:
    print(session.run(y, {x: value}))

n = tf.placeholder(tf.int32, ())
_, y = tf.while_loop(
    lambda n, x: n > 0,
    lambda n, x: (n - 1, nearer(x)),
    (n, x),
)
for rounds in 2, 4:
    print(session.run(y, {x: 9.0, n: rounds}))
