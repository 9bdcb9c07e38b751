"""Random programs of nested loops and branches: every way of running them agrees.

Each seed makes a function of two weights and some rows. It is run eagerly (a Python loop
on the tape), under jit, and as a graph built by hand, with and without rewrites, and so
are its first, second and third derivatives; the first are held against differences too.
"""

import numpy as np
import pytest

import minigrad as mg

FEW, MANY = 25, 300


def unary(rng, x):
    kind = rng.integers(5)
    if kind == 0:
        return x.tanh()
    if kind == 1:
        return x.sin()
    if kind == 2:
        return x * 0.7
    if kind == 3:
        return (x * x).mean() - x * 0.5
    return x.sigmoid()


def binary(rng, x, y):
    kind = rng.integers(4)
    if kind == 0:
        return x * y
    if kind == 1:
        return x + y
    if kind == 2:
        return x - y * 0.5
    return (x @ y) * 0.3 + x


class Maker:
    """A program as a tree of closures; made once, it may be run on any kind of value."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def expression(self, depth):
        """A function of a list of vectors (3,) that gives a vector (3,)."""
        rng = np.random.default_rng(self.rng.integers(2**32))
        kind = rng.integers(8) if depth else rng.integers(3)
        if kind <= 2:
            i, j, seed = *rng.integers(100, size=2), rng.integers(2**32)

            def simple(v):
                rng = np.random.default_rng(seed)
                return unary(rng, binary(rng, v[i % len(v)], v[j % len(v)]))

            return simple
        maker = [self.scan, self.scan, self.loop, self.branch, self.stopped]
        return maker[kind - 3](depth - 1)

    def scan(self, depth):
        first, second, out = (self.expression(depth) for _ in range(3))
        reverse, use_ys = bool(self.rng.integers(2)), bool(self.rng.integers(2))
        length = int(self.rng.choice([1, 2, 4]))

        def run(v):
            def body(carry, row):
                h, (n, k) = carry
                new = first([*v, h, row])
                k = second([h, k, v[0]])
                return (new, (n + 1, k)), {"y": out([new, row]), "n": n}

            rows = mg.stack([v[k % len(v)] * (k + 1.0) for k in range(length)])
            (h, (n, k)), ys = mg.scan(body, (v[-1], (0, v[0])), rows, reverse=reverse)
            scale = ys["n"].sum() * 0.1 + n
            result = h * scale if not use_ys else ys["y"].sum(axis=0) + h * k
            return result * 0.3

        return run

    def loop(self, depth):
        body, stop = self.expression(depth), int(self.rng.integers(5))
        watch = bool(self.rng.integers(2))

        def run(v):
            def cond(i, x, y):
                small = (x * x).sum() < 30.0
                return (i < stop) & small if watch else i < stop

            def step(i, x, y):
                return i + 1, body([*v, x]) + y * 0.1, x

            return mg.while_loop(cond, step, (0, v[0], v[-1]))[1]

        return run

    def branch(self, depth):
        then, other = self.expression(depth), self.expression(depth)

        def run(v):
            return mg.cond(
                v[0].sum() > v[-1].sum(),
                lambda a: then([*v, a]),
                lambda a: other([a, *v]) * 0.5,
                v[-1],
            )

        return run

    def stopped(self, depth):
        inner = self.expression(depth)
        return lambda v: inner(v) * 0.5 + mg.stop_gradient(inner(v)) * 0.1


def derivatives(f, grad, values, order):
    """f and the sums of its derivatives, each with the gradients of both weights."""
    y = f(*values)
    results = [y]
    for _ in range(order):
        gs = grad(y, values)
        gs = [g if g is not None else v * 0.0 for g, v in zip(gs, values)]
        results += gs
        y = sum((g * g).sum() + g.sum() for g in gs)
    return results


def taped(y, values):
    if not y.requires_grad:
        return [None] * len(values)
    return mg.autograd.grad(y, list(values), create_graph=True, allow_unused=True)


def run_eagerly(f, arrays, order):
    values = [mg.tensor(a, requires_grad=True) for a in arrays]
    return [t.detach().cpu().numpy() for t in derivatives(f, taped, values, order)]


def run_jitted(f, arrays, order):
    values = [mg.tensor(a, requires_grad=True) for a in arrays]

    @mg.jit
    def everything(*values):
        return tuple(derivatives(f, taped, values, order))

    return [t.cpu().numpy() for t in everything(*values)]


def run_by_hand(f, arrays, order, **options):
    values = [mg.placeholder(a.shape, a.dtype) for a in arrays]
    results = derivatives(f, lambda y, v: mg.gradients(y, list(v)), values, order)
    return [t.cpu().numpy() for t in mg.compile(values, results, **options)(*arrays)]


def check(seed, order):
    maker = Maker(seed)
    inner = [maker.scan, maker.loop, maker.branch][seed % 3](1 + seed % 2)

    def f(a, b):
        return (inner([a, b, a * b]) * b).sum()

    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=3), rng.normal(size=3)]
    expected = run_eagerly(f, arrays, order)
    if not all((np.abs(y) < 1e9).all() for y in expected):
        pytest.skip("the numbers of this program grow beyond all bounds")
    for name, got in (
        ("jit", run_jitted(f, arrays, order)),
        ("graph", run_by_hand(f, arrays, order)),
        ("graph without rewrites", run_by_hand(f, arrays, order, rewrites=())),
    ):
        for k, (x, y) in enumerate(zip(got, expected, strict=True)):
            scale = 1 + np.abs(y).max()
            message = f"seed {seed}, {name}, result {k}"
            np.testing.assert_allclose(x, y, atol=1e-9 * scale, err_msg=message)


@pytest.mark.parametrize("seed", range(FEW))
def test_every_way_of_running_agrees_to_the_third_derivative(seed):
    check(seed, 3 if seed % 5 == 0 else 2)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(FEW, MANY))
def test_many_more_programs_agree(seed):
    check(seed, 3 if seed % 10 == 0 else 2)
