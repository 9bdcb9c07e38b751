"""JAX: one jitted function a step, whose weights are donated to it."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.cases import Job
from benchmarks.peers.numpy_by_hand import channels_first, channels_last, kernels


def done(result):
    """Wait for it; where steps are queued and waited for together, this is replaced."""
    return result.block_until_ready()


def trained(loss_of, given, start, rate, back=lambda weights: weights):
    """A step down `loss_of(weights, *given)`; `given()` makes what the next one sees."""

    @partial(jax.jit, donate_argnums=0)
    def train(weights, *given):
        loss, gradients = jax.value_and_grad(loss_of)(weights, *given)
        return loss, [w - rate * g for w, g in zip(weights, gradients)]

    weights = [jnp.array(w) for w in start]

    def step():
        nonlocal weights
        loss, weights = train(weights, *given())
        return done(loss)

    return Job(step, lambda: back([np.asarray(w) for w in weights]))


def always(*arrays):
    arrays = [jnp.array(x) for x in arrays]
    return lambda: arrays


def chain(p):
    def last(x, c):
        y = x
        for _ in range(p.length):
            y = y * c + x
        return y.sum(), y

    f = jax.jit(jax.grad(last, has_aux=True))
    x, c = jnp.array(p.x), jnp.array(p.c)

    def step():
        g, y = f(x, c)
        return g.block_until_ready(), y

    return Job(step, lambda: [np.asarray(t) for t in reversed(step())])


def elements(p):
    def loss_of(weights, x, y):
        h = jnp.tanh(weights[0] * x + 0.5)
        h = (h * h + h) * 0.5
        h = jnp.exp(-h) + 1
        return jnp.square(1 / h - y).sum()

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def net(p):
    def loss_of(weights, x, y):
        w1, w2 = weights
        return jnp.square(jax.nn.relu(x @ w1) @ w2 - y).sum()

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def digits(p):
    def loss_of(weights, x, t):
        w1, b1, w2, b2 = weights
        return cross_entropy(jax.nn.relu(x @ w1 + b1) @ w2 + b2, t)

    batches = itertools.cycle(p.batches)

    def given():
        batch = next(batches)
        return p.images[batch], p.targets[batch]

    return trained(loss_of, given, p.start, p.rate)


def cross_entropy(z, t):
    return -(jax.nn.log_softmax(z) * t).sum(1).mean()


def scan(p):
    def loss_of(weights, xs, y):
        wx, wh, b = weights
        h = jnp.zeros_like(y)
        h, _ = lax.scan(lambda h, x: (jnp.tanh(x @ wx + h @ wh + b), None), h, xs)
        return jnp.square(h - y).sum()

    return trained(loss_of, always(p.xs, p.y), p.start, p.rate)


def lengths(p):
    """The longest length always, rows beyond the drawn one left out by `where`."""
    counts = jnp.arange(len(p.xs))

    def loss_of(weights, n, xs, y):
        wx, wh, b = weights

        def body(h, row):
            t, x = row
            return jnp.where(t < n, jnp.tanh(x @ wx + h @ wh + b), h), None

        h, _ = lax.scan(body, jnp.zeros_like(y), (counts, xs))
        return jnp.square(h - y).sum()

    drawn, fixed = itertools.cycle(p.lengths), (jnp.array(p.xs), jnp.array(p.y))
    return trained(loss_of, lambda: (next(drawn), *fixed), p.start, p.rate)


def softmax(p):
    def loss_of(weights, labels):
        z = jax.nn.log_softmax(weights[0])
        return -jnp.take_along_axis(z, labels[:, None], 1).mean()

    return trained(loss_of, always(p.labels), p.start, p.rate)


def cnn(p):
    def convolve(x, k, b):
        layout = ("NHWC", "HWIO", "NHWC")
        return jax.nn.relu(
            lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=layout) + b
        )

    def loss_of(weights, x, t):
        k1, b1, k2, b2, w, b = weights
        h = convolve(convolve(x, k1, b1), k2, b2)
        h = h.reshape(-1, 4, 2, 4, 2, 16).max((2, 4))
        return cross_entropy(h.reshape(-1, 256) @ w + b, t)

    start = kernels(channels_last(p.start))
    x = p.x.transpose(0, 2, 3, 1)
    return trained(loss_of, always(x, p.targets), start, p.rate, back=channels_first)


def call(p, given=None):
    add = jax.jit(lambda a, b, c, d: a + b + c + d)
    given = given or itertools.repeat([jnp.array(x) for x in p.sets[0]])
    return Job(
        lambda: add(*next(given)).block_until_ready(),
        lambda: [np.asarray(add(*p.sets[0]))],
    )


def call_fresh(p):
    return call(p, itertools.cycle(p.sets))
