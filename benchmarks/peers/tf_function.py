"""TensorFlow: one tf.function a step, with the loop that AutoGraph makes of a `for`."""

import itertools

import tensorflow as tf

from benchmarks.cases import Job
from benchmarks.peers.numpy_by_hand import channels_first, channels_last, kernels


def trained(loss_of, given, start, rate, back=list, signature=None):
    """A step down `loss_of(weights, *given)`; `given()` makes what the next one sees."""
    weights = [tf.Variable(w) for w in start]

    @tf.function(input_signature=signature)
    def train(*given):
        with tf.GradientTape() as tape:
            loss = loss_of(weights, *given)
        for w, g in zip(weights, tape.gradient(loss, weights)):
            w.assign_sub(rate * g)
        return loss

    return Job(lambda: train(*given()), lambda: back([w.numpy() for w in weights]))


def always(*arrays):
    tensors = [tf.constant(x) for x in arrays]
    return lambda: tensors


def chain(p):
    x, c = tf.constant(p.x), tf.constant(p.c)

    @tf.function
    def run(x, c):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x
            for _ in range(p.length):
                y = y * c + x
        return y, tape.gradient(y, x)

    return Job(lambda: run(x, c), lambda: [t.numpy() for t in run(x, c)])


def elements(p):
    def loss_of(weights, x, y):
        h = tf.tanh(weights[0] * x + 0.5)
        h = (h * h + h) * 0.5
        h = tf.exp(-h) + 1
        return tf.reduce_sum(tf.square(1 / h - y))

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def net(p):
    def loss_of(weights, x, y):
        w1, w2 = weights
        return tf.reduce_sum(tf.square(tf.nn.relu(x @ w1) @ w2 - y))

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def digits(p):
    def loss_of(weights, x, labels):
        w1, b1, w2, b2 = weights
        return cross_entropy(tf.nn.relu(x @ w1 + b1) @ w2 + b2, labels)

    batches = itertools.cycle(p.batches)

    def given():
        batch = next(batches)
        return tf.constant(p.images[batch]), tf.constant(p.labels[batch])

    return trained(loss_of, given, p.start, p.rate)


def cross_entropy(z, labels):
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, z)
    return tf.reduce_mean(losses)


def recurrent(weights, xs, y):
    wx, wh, b = weights
    h = tf.zeros_like(y)
    for x in xs:
        h = tf.tanh(x @ wx + h @ wh + b)
    return tf.reduce_sum(tf.square(h - y))


def scan(p):
    return trained(recurrent, always(p.xs, p.y), p.start, p.rate)


def lengths(p):
    xs, y = tf.constant(p.xs), tf.constant(p.y)
    drawn = itertools.cycle(p.lengths)
    signature = [tf.TensorSpec((None, *xs.shape[1:])), tf.TensorSpec(y.shape)]
    given = lambda: (xs[: next(drawn)], y)
    return trained(recurrent, given, p.start, p.rate, signature=signature)


def cnn(p):
    def convolve(x, k, b):
        return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, k, 1, "SAME"), b))

    def loss_of(weights, x, labels):
        k1, b1, k2, b2, w, b = weights
        h = convolve(convolve(x, k1, b1), k2, b2)
        h = tf.nn.max_pool2d(h, 2, 2, "VALID")
        return cross_entropy(tf.reshape(h, (-1, 256)) @ w + b, labels)

    given = always(p.x.transpose(0, 2, 3, 1), p.labels)
    start = kernels(channels_last(p.start))
    return trained(loss_of, given, start, p.rate, back=channels_first)


def call(p):
    add = tf.function(lambda a, b, c, d: a + b + c + d)
    given = [tf.constant(x) for x in p.sets[0]]
    return Job(lambda: add(*given), lambda: [add(*given).numpy()])


def call_fresh(p):
    add, sets = tf.function(lambda a, b, c, d: a + b + c + d), itertools.cycle(p.sets)

    def step():  # as they are, each array would be a constant to compile for
        a, b, c, d = next(sets)
        return add(*map(tf.constant, (a, b, c, d)))

    return Job(step, lambda: [add(*map(tf.constant, p.sets[0])).numpy()])
