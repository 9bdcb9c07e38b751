"""DeZero, as its book writes it."""

import itertools

import numpy as np

from benchmarks.cases import Job

np.int = int  # which it needs to be imported, and NumPy no longer has

import dezero.functions as F  # noqa: E402
from dezero import Variable  # noqa: E402


def trained(loss_of, given, start, rate):
    """A step down `loss_of(weights, *given())`."""
    weights = [Variable(w.copy()) for w in start]

    def step():
        loss = loss_of(weights, *given())
        loss.backward()
        for w in weights:
            w.data -= rate * w.grad.data
            w.cleargrad()
        return loss

    return Job(step, lambda: [w.data for w in weights])


def always(*arrays):
    return lambda: arrays


def op(p):
    a, b = Variable(p.a), Variable(p.b)
    return Job(lambda: a * b, lambda: [(a * b).data])


def chain(p):
    x = Variable(p.x)

    def step():
        x.cleargrad()
        y = x
        for _ in range(p.length):
            y = y * p.c + x
        F.sum(y).backward()
        return y.data, x.grad.data

    return Job(step, lambda: list(step()))


def elements(p):
    def loss_of(weights, x, y):
        h = F.tanh(weights[0] * x + 0.5)
        h = (h * h + h) * 0.5
        h = F.exp(-h) + 1
        return F.sum((1 / h - y) ** 2)

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def net(p):
    def loss_of(weights, x, y):
        w1, w2 = weights
        return F.sum((F.matmul(F.relu(F.matmul(x, w1)), w2) - y) ** 2)

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def digits(p):
    def loss_of(weights, x, labels):
        w1, b1, w2, b2 = weights
        z = F.linear(F.relu(F.linear(x, w1, b1)), w2, b2)
        return F.softmax_cross_entropy(z, labels)

    batches = itertools.cycle(p.batches)

    def given():
        batch = next(batches)
        return p.images[batch], p.labels[batch]

    return trained(loss_of, given, p.start, p.rate)


def recurrent(weights, xs, y):
    wx, wh, b = weights
    h = 0 * y
    for x in xs:
        h = F.tanh(F.linear(x, wx, b) + F.matmul(h, wh))
    return F.sum((h - y) ** 2)


def rnn(p):
    return trained(recurrent, always(p.xs, p.y), p.start, p.rate)


def lengths(p):
    drawn = itertools.cycle(p.lengths)
    return trained(recurrent, lambda: (p.xs[: next(drawn)], p.y), p.start, p.rate)


def cnn(p):
    def loss_of(weights, x, labels):
        k1, b1, k2, b2, w, b = weights
        h = F.relu(F.conv2d(x, k1, b1, pad=1))
        h = F.pooling(F.relu(F.conv2d(h, k2, b2, pad=1)), 2, 2)
        z = F.linear(F.flatten(h), F.transpose(w), b)
        return F.softmax_cross_entropy(z, labels)

    return trained(loss_of, always(p.x, p.labels), p.start, p.rate)
