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


def rnn(p):
    step, weights = _recurrent(p)
    return Job(lambda: step(p.xs), lambda: weights)


scan = rnn


def lengths(p):
    step, weights = _recurrent(p)
    drawn = itertools.cycle(p.lengths)
    return Job(lambda: step(p.xs[: next(drawn)]), lambda: weights)


def _recurrent(p):
    """All x @ wx at once, then step by step; on the way back, the products at the end."""
    weights = wx, wh, b = [w.copy() for w in p.start]
    gx, gh, gb = gradients = [np.empty_like(w) for w in weights]
    (steps, batch, inputs), hidden = p.xs.shape, len(b)
    hs = np.zeros((steps + 1, batch, hidden), np.float32)
    zs = np.empty((steps, batch, hidden), np.float32)
    e, g, squares, slope = (np.empty_like(p.y) for _ in range(4))
    rate, turned = number(p.rate), wh.T

    def step(xs):
        n = len(xs)
        flat = n * batch
        np.dot(xs.reshape(flat, inputs), wx, zs[:n].reshape(flat, hidden))
        np.add(zs[:n], b, zs[:n])
        for t in range(n):
            h = hs[t + 1]
            np.dot(hs[t], wh, h)
            np.add(h, zs[t], h)
            np.tanh(h, h)
        np.subtract(h, p.y, e)
        np.square(e, squares)
        loss = np.add.reduce(squares, None)
        np.multiply(e, TWO, g)
        for t in range(
            n - 1, -1, -1
        ):  # zs is free: the gradients of its parts go there
            np.square(hs[t + 1], slope)
            np.subtract(ONE, slope, slope)
            np.multiply(g, slope, zs[t])
            np.dot(zs[t], turned, g)
        gz = zs[:n].reshape(flat, hidden)
        np.dot(xs.reshape(flat, inputs).T, gz, gx)
        np.dot(hs[:n].reshape(flat, hidden).T, gz, gh)
        np.add.reduce(gz, 0, None, gb)
        for w, gradient in zip(weights, gradients):
            np.multiply(gradient, rate, gradient)
            np.subtract(w, gradient, w)
        return loss

    return step, weights


def softmax(p):
    (w,) = weights = [w.copy() for w in p.start]
    n, rows = len(w), np.arange(len(w))
    g, top, total = (
        np.empty_like(w),
        np.empty((n, 1), w.dtype),
        np.empty((n, 1), w.dtype),
    )
    rate = number(p.rate / n)

    def step():
        np.maximum.reduce(w, 1, None, top, True)
        np.subtract(w, top, g)
        seen = g[rows, p.labels]
        np.exp(g, g)
        np.add.reduce(g, 1, None, total, True)
        np.multiply(g, rate / total, g)
        g[rows, p.labels] -= rate
        np.log(total, total)
        np.subtract(w, g, w)
        return np.add.reduce(total[:, 0] - seen) / n

    return Job(step, lambda: weights)


def cnn(p):
    """Channels last, so that a convolution is one product of windows and kernels."""
    n = len(p.x)
    weights = channels_last(p.start)
    gradients = [np.empty_like(w) for w in weights]
    (k1, b1, k2, b2, w, b), (g1, c1, g2, c2, gw, gb) = weights, gradients

    def zeros(*shape):
        return np.zeros(shape, np.float32)

    x, h1, g1_wide = zeros(n, 10, 10, 1), zeros(n, 10, 10, 8), zeros(n, 10, 10, 8)
    windows1, windows2 = zeros(n, 8, 8, 3, 3, 1), zeros(n, 8, 8, 3, 3, 8)
    a1, a2, mask = zeros(n, 8, 8, 8), zeros(n, 8, 8, 16), zeros(n, 8, 8, 16)
    pooled, g_pooled = zeros(n, 4, 4, 16), zeros(n, 4, 4, 16)
    z, g, top, total = zeros(n, 10), zeros(n, 10), zeros(n, 1), zeros(n, 1)
    share, rate = number(1 / n), number(p.rate)
    inside = np.s_[:, 1:-1, 1:-1]
    views1, views2 = _windows(x), _windows(h1)
    flat1, flat2 = windows1.reshape(-1, 9), windows2.reshape(-1, 72)
    rows1, rows2, features = (
        a1.reshape(-1, 8),
        a2.reshape(-1, 16),
        pooled.reshape(n, 256),
    )
    corners, masks = _corners(a2), _corners(mask)

    def step():
        x[inside] = p.x.reshape(n, 8, 8, 1)
        np.copyto(windows1, views1)
        np.dot(flat1, k1, rows1)
        np.add(rows1, b1, rows1)
        np.maximum(a1, ZERO, out=h1[inside])
        np.copyto(windows2, views2)
        np.dot(flat2, k2, rows2)
        np.add(rows2, b2, rows2)
        np.maximum(a2, ZERO, out=a2)
        np.maximum(corners[0], corners[1], pooled)
        np.maximum(pooled, corners[2], pooled)
        np.maximum(pooled, corners[3], pooled)
        np.dot(features, w, z)
        np.add(z, b, z)
        np.maximum.reduce(z, 1, None, top, True)
        np.subtract(z, top, z)
        np.exp(z, g)
        np.add.reduce(g, 1, None, total, True)
        np.divide(g, total, g)
        np.log(total, total)
        np.subtract(z, total, z)
        np.multiply(z, p.targets, z)
        loss = -np.add.reduce(z, None) * share
        np.subtract(g, p.targets, g)
        np.multiply(g, share, g)
        np.dot(features.T, g, gw)
        np.add.reduce(g, 0, None, gb)
        np.dot(g, w.T, g_pooled.reshape(n, 256))
        for corner, chosen in zip(corners, masks):
            np.equal(corner, pooled, chosen)
        np.sign(pooled, pooled)  # of the relu, which may as well come after the pooling
        np.multiply(g_pooled, pooled, g_pooled)
        for chosen in masks:
            np.multiply(chosen, g_pooled, chosen)
        g2_rows = mask.reshape(-1, 16)
        np.dot(flat2.T, g2_rows, g2)
        np.add.reduce(g2_rows, 0, None, c2)
        np.dot(g2_rows, k2.T, flat2)
        g1_wide.fill(0)
        for i in range(3):
            for j in range(3):
                part = g1_wide[:, i : i + 8, j : j + 8]
                np.add(part, windows2[:, :, :, i, j], part)
        np.sign(h1[inside], a1)
        np.multiply(a1, g1_wide[inside], a1)
        np.dot(flat1.T, rows1, g1)
        np.add.reduce(rows1, 0, None, c1)
        for weight, gradient in zip(weights, gradients):
            np.multiply(gradient, rate, gradient)
            np.subtract(weight, gradient, weight)
        return loss

    return Job(step, lambda: channels_first(weights))


def _corners(x):
    """Each of the four pixels that are pooled into one."""
    four = x.reshape(len(x), 4, 2, 4, 2, -1)
    return [four[:, :, i, :, j] for i in (0, 1) for j in (0, 1)]


def _windows(x):
    """All 3 x 3 windows, as a view: (n, 8, 8, 3, 3, channels)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3)


def channels_last(weights):
    """The kernels as matrices for windows (3, 3, channels), the linear layer to suit."""
    k1, b1, k2, b2, w, b = weights
    k1, k2 = (k.transpose(2, 3, 1, 0).reshape(-1, len(k)) for k in (k1, k2))
    w = w.reshape(10, 16, 4, 4).transpose(2, 3, 1, 0).reshape(256, 10)
    return [np.array(x, order="C") for x in (k1, b1, k2, b2, w, b)]


def kernels(weights):
    """The matrices for windows as kernels: height, width, channels in and out."""
    k1, b1, k2, b2, w, b = weights
    return [k1.reshape(3, 3, 1, 8), b1, k2.reshape(3, 3, 8, 16), b2, w, b]


def channels_first(weights):
    """The way back."""
    k1, b1, k2, b2, w, b = weights
    k1, k2 = (k.reshape(3, 3, -1, k.shape[-1]).transpose(3, 2, 0, 1) for k in (k1, k2))
    w = w.reshape(4, 4, 16, 10).transpose(3, 2, 0, 1).reshape(10, 256)
    return [k1, b1, k2, b2, w, b]


def call(p):
    a, b, c, d = p.sets[0]
    y = np.empty_like(a)

    def step():
        np.add(a, b, y)
        np.add(y, c, y)
        np.add(y, d, y)

    return Job(step, lambda: [y])


def call_fresh(p):
    """The same with other arrays each time."""
    y, sets = np.empty_like(p.sets[0][0]), itertools.cycle(p.sets)

    def step():
        a, b, c, d = next(sets)
        np.add(a, b, y)
        np.add(y, c, y)
        np.add(y, d, y)

    return Job(step, lambda: [sum(p.sets[0])])


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
