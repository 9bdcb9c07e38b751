"""The reference, 1.00: gradients derived on paper, every result in memory made before."""

import itertools

import numpy as np

from benchmarks.cases import Job


def number(value):
    """As a 0-d array: NumPy takes it in half the time of a scalar."""
    return np.array(value, np.float32)


ZERO, HALF, ONE, TWO = number(0), number(0.5), number(1), number(2)


def op(p):
    y = np.empty_like(p.a)
    return Job(lambda: np.multiply(p.a, p.b, y), lambda: [y])


def chain(p):
    y, g, gx = np.empty_like(p.x), np.empty_like(p.x), np.empty_like(p.x)

    def step():
        np.multiply(p.x, p.c, y)
        np.add(y, p.x, y)
        for _ in range(p.length - 1):
            np.multiply(y, p.c, y)
            np.add(y, p.x, y)
        total = np.add.reduce(y)
        np.add(p.c, ONE, gx)  # of the last two terms: g is 1, then c
        np.multiply(p.c, p.c, g)
        np.add(gx, g, gx)
        for _ in range(p.length - 2):
            np.multiply(g, p.c, g)
            np.add(gx, g, gx)
        return total

    return Job(step, lambda: [y, gx])


def elements(p):
    x, y, w = p.x, p.y, p.start[0].copy()
    t, h, e, s, slope = (np.empty_like(w) for _ in range(5))
    rate = number(p.rate)

    def step():
        np.multiply(w, x, t)
        np.add(t, HALF, t)
        np.tanh(t, t)
        np.multiply(t, t, h)
        np.add(h, t, h)
        np.multiply(h, HALF, h)
        np.negative(h, h)
        np.exp(h, h)
        np.add(h, ONE, s)
        np.divide(ONE, s, s)
        np.subtract(s, y, e)
        np.square(e, slope)
        loss = np.add.reduce(slope)
        np.multiply(e, TWO, e)
        np.multiply(s, s, s)  # of 1 / (1 + exp(-h)): exp(-h) times its square
        np.multiply(s, h, s)
        np.multiply(e, s, e)
        np.add(t, HALF, slope)  # of (t * t + t) / 2
        np.multiply(e, slope, e)
        np.multiply(t, t, t)
        np.subtract(ONE, t, t)
        np.multiply(e, t, e)
        np.multiply(e, x, e)
        np.multiply(e, rate, e)
        np.subtract(w, e, w)
        return loss

    return Job(step, lambda: [w])


def net(p):
    x, y = p.x, p.y
    w1, w2 = (w.copy() for w in p.start)
    g1, g2 = np.empty_like(w1), np.empty_like(w2)
    h = np.empty((len(x), w1.shape[1]), np.float32)
    e, squares = np.empty_like(y), np.empty_like(y)
    gh, slope = np.empty_like(h), np.empty_like(h)
    rate = number(p.rate)

    def step():
        np.dot(x, w1, h)
        np.maximum(h, ZERO, out=h)
        np.dot(h, w2, e)
        np.subtract(e, y, e)
        np.square(e, squares)
        loss = np.add.reduce(squares, None)
        np.multiply(e, TWO, e)
        np.dot(h.T, e, g2)
        np.dot(e, w2.T, gh)
        np.sign(h, slope)  # 0 or 1, and cheaper than a comparison that must be cast
        np.multiply(gh, slope, gh)
        np.dot(x.T, gh, g1)
        np.multiply(g1, rate, g1)
        np.subtract(w1, g1, w1)
        np.multiply(g2, rate, g2)
        np.subtract(w2, g2, w2)
        return loss

    return Job(step, lambda: [w1, w2])


def digits(p):
    weights = [w.copy() for w in p.start]
    gradients = [np.empty_like(w) for w in weights]
    (w1, b1, w2, b2), (g1, c1, g2, c2) = weights, gradients
    n = p.batches.shape[1]
    x, t = np.empty((n, 64), np.float32), np.empty((n, 10), np.float32)
    h, gh, slope = (np.empty((n, 32), np.float32) for _ in range(3))
    z, g = np.empty_like(t), np.empty_like(t)
    top, total = np.empty((n, 1), np.float32), np.empty((n, 1), np.float32)
    share, rate = number(1 / n), number(p.rate)
    batches = itertools.cycle(p.batches)

    def step():
        batch = next(batches)
        np.take(p.images, batch, 0, x, "clip")
        np.take(p.targets, batch, 0, t, "clip")
        np.dot(x, w1, h)
        np.add(h, b1, h)
        np.maximum(h, ZERO, out=h)
        np.dot(h, w2, z)
        np.add(z, b2, z)
        np.maximum.reduce(z, 1, None, top, True)
        np.subtract(z, top, z)
        np.exp(z, g)
        np.add.reduce(g, 1, None, total, True)
        np.divide(g, total, g)
        np.log(total, total)
        np.subtract(z, total, z)
        np.multiply(z, t, z)
        loss = -np.add.reduce(z, None) * share
        np.subtract(g, t, g)
        np.multiply(g, share, g)
        np.dot(h.T, g, g2)
        np.add.reduce(g, 0, None, c2)
        np.dot(g, w2.T, gh)
        np.sign(h, slope)
        np.multiply(gh, slope, gh)
        np.dot(x.T, gh, g1)
        np.add.reduce(gh, 0, None, c1)
        for w, gradient in zip(weights, gradients):
            np.multiply(gradient, rate, gradient)
            np.subtract(w, gradient, w)
        return loss

    return Job(step, lambda: weights)
