"""MyGrad, without the locks on arrays that a tape has seen, as it advises for speed."""

import itertools

import mygrad as mg
from mygrad.nnet.activations import relu
from mygrad.nnet.layers import conv_nd, max_pool
from mygrad.nnet.losses import softmax_crossentropy

from benchmarks.cases import Job

mg.turn_memory_guarding_off()


def trained(loss_of, given, start, rate):
    """A step down `loss_of(weights, *given())`."""
    weights = [mg.tensor(w) for w in start]

    def step():
        loss = loss_of(weights, *given())
        loss.backward()
        for w in weights:
            w.data -= rate * w.grad
            w.null_grad()
        return loss

    return Job(step, lambda: [w.data for w in weights])


def always(*arrays):
    return lambda: arrays


def op(p):
    a, b = mg.tensor(p.a), mg.tensor(p.b)
    return Job(lambda: a * b, lambda: [(a * b).data])


def chain(p):
    x = mg.tensor(p.x)

    def step():
        y = x
        for _ in range(p.length):
            y = y * p.c + x
        y.sum().backward()
        return y.data, x.grad

    return Job(step, lambda: list(step()))


def elements(p):
    def loss_of(weights, x, y):
        h = mg.tanh(weights[0] * x + 0.5)
        h = (h * h + h) * 0.5
        h = mg.exp(-h) + 1
        return mg.square(1 / h - y).sum()

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def net(p):
    def loss_of(weights, x, y):
        w1, w2 = weights
        return mg.square(relu(x @ w1) @ w2 - y).sum()

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def digits(p):
    def loss_of(weights, x, labels):
        w1, b1, w2, b2 = weights
        return softmax_crossentropy(relu(x @ w1 + b1) @ w2 + b2, labels)

    batches = itertools.cycle(p.batches)

    def given():
        batch = next(batches)
        return p.images[batch], p.labels[batch]

    return trained(loss_of, given, p.start, p.rate)


def recurrent(weights, xs, y):
    wx, wh, b = weights
    h = 0 * y
    for x in xs:
        h = mg.tanh(x @ wx + h @ wh + b)
    return mg.square(h - y).sum()


def rnn(p):
    return trained(recurrent, always(p.xs, p.y), p.start, p.rate)


def lengths(p):
    drawn = itertools.cycle(p.lengths)
    return trained(recurrent, lambda: (p.xs[: next(drawn)], p.y), p.start, p.rate)


def cnn(p):
    def loss_of(weights, x, labels):
        k1, b1, k2, b2, w, b = weights
        h = relu(conv_nd(x, k1, stride=1, padding=1) + b1.reshape(8, 1, 1))
        h = relu(conv_nd(h, k2, stride=1, padding=1) + b2.reshape(16, 1, 1))
        h = max_pool(h, (2, 2), 2).reshape(-1, 256)
        return softmax_crossentropy(h @ w.T + b, labels)

    return trained(loss_of, always(p.x, p.labels), p.start, p.rate)
