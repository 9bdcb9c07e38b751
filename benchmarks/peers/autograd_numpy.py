"""HIPS autograd: `value_and_grad` of a function written in its NumPy."""

import itertools

import autograd.numpy as np
from autograd import value_and_grad

from benchmarks.cases import Job


def trained(loss_of, given, start, rate):
    """A step down `loss_of(weights, *given())`."""
    weights = [w.copy() for w in start]
    run = value_and_grad(loss_of)

    def step():
        loss, gradients = run(weights, *given())
        for w, g in zip(weights, gradients):
            w -= rate * g
        return loss

    return Job(step, lambda: weights)


def always(*arrays):
    return lambda: arrays


def chain(p):
    def total(x):
        y = x
        for _ in range(p.length):
            y = y * p.c + x
        last[0] = y._value
        return np.sum(y)

    last = [None]
    run = value_and_grad(total)
    return Job(lambda: run(p.x), lambda: [run(p.x)[1], last[0]][::-1])


def elements(p):
    def loss_of(weights, x, y):
        h = np.tanh(weights[0] * x + 0.5)
        h = (h * h + h) * 0.5
        h = np.exp(-h) + 1
        return np.sum((1 / h - y) ** 2)

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def net(p):
    def loss_of(weights, x, y):
        w1, w2 = weights
        return np.sum((np.maximum(x @ w1, 0) @ w2 - y) ** 2)

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def recurrent(weights, xs, y):
    wx, wh, b = weights
    h = np.zeros_like(y)
    for x in xs:
        h = np.tanh(x @ wx + h @ wh + b)
    return np.sum((h - y) ** 2)


def rnn(p):
    return trained(recurrent, always(p.xs, p.y), p.start, p.rate)


def lengths(p):
    drawn = itertools.cycle(p.lengths)
    return trained(recurrent, lambda: (p.xs[: next(drawn)], p.y), p.start, p.rate)
