import tensorflow.compat.v1 as tf

tf.disable_eager_execution()
tf.disable_control_flow_v2()

w = tf.Variable(0.5)
xs = tf.placeholder(tf.float32, (5,))
n = tf.placeholder(tf.int32, ())


def more(i, h):
    return i < n


def body(i, h):
    return i + 1, tf.tanh(w * h + xs[i])


i, h = tf.while_loop(more, body, (0, 0.0))
(dw,) = tf.gradients(h, [w])

session = tf.Session()
session.run(tf.global_variables_initializer())
for steps in 2, 5:
    feed = {xs: [0.1, 0.2, 0.3, 0.4, 0.5], n: steps}
    a, b = session.run([h, dw], feed)
    print(steps, "steps: h =", round(float(a), 4))
    print("  dh/dw =", round(float(b), 4))
