"""PyTensor with its C linker, shared variables and their updates; BLAS as SciPy brings it.

From the package index PyTensor comes without a BLAS to link. SciPy's has all it needs,
under names of its own.
"""

import itertools
import os
from importlib.util import find_spec
from pathlib import Path

from benchmarks.cases import Job

NAMES = (f"{t}{n}" for t in "sd" for n in "gemm gemv ger dot scal copy axpy".split())


def flags():
    """Settings for PyTensor, which reads them when it is imported."""
    settings = ["floatX=float32", "cxx=g++", "mode=FAST_RUN", "linker=cvm"]
    scipy = find_spec("scipy")
    folder = Path(scipy.origin).parents[1] / "scipy.libs" if scipy else Path("nowhere")
    for library in folder.glob("libscipy_openblas-*.so"):
        renamed = " ".join(f"-D{n}_=scipy_{n}_" for n in NAMES)
        settings.append(f"blas__ldflags=-L{folder} -l:{library.name}")
        settings.append(f"gcc__cxxflags={renamed}")
    return ",".join(settings)


os.environ.setdefault("PYTENSOR_FLAGS", flags())

import numpy as np  # noqa: E402
import pytensor  # noqa: E402
import pytensor.tensor as pt  # noqa: E402


def compiled(inputs, outputs, **options):
    function = pytensor.function(inputs, outputs, **options)
    function.trust_input = True
    return function


def trained(loss_of, kinds, given, start, rate):
    """A step down `loss_of(weights, *inputs)`, for inputs of the given kinds."""
    inputs = [kind() for kind in kinds]
    weights = [pytensor.shared(w.copy()) for w in start]
    loss = loss_of(weights, *inputs)
    updates = {
        w: w - np.float32(rate) * g for w, g in zip(weights, pt.grad(loss, weights))
    }
    step = compiled(inputs, loss, updates=updates)
    return Job(lambda: step(*given()), lambda: [w.get_value() for w in weights])


def always(*arrays):
    return lambda: arrays


def chain(p):
    x, c = pt.fvector(), pt.fvector()
    y = x
    for _ in range(p.length):
        y = y * c + x
    run = compiled([x, c], [y, pt.grad(y.sum(), x)])
    return Job(lambda: run(p.x, p.c), lambda: run(p.x, p.c))


def elements(p):
    def loss_of(weights, x, y):
        h = pt.tanh(weights[0] * x + 0.5)
        h = (h * h + h) * 0.5
        h = pt.exp(-h) + 1
        return pt.sqr(1 / h - y).sum()

    return trained(loss_of, [pt.fvector] * 2, always(p.x, p.y), p.start, p.rate)


def net(p):
    def loss_of(weights, x, y):
        w1, w2 = weights
        return pt.sqr(pt.maximum(x @ w1, 0) @ w2 - y).sum()

    return trained(loss_of, [pt.fmatrix] * 2, always(p.x, p.y), p.start, p.rate)


def digits(p):
    def loss_of(weights, x, t):
        w1, b1, w2, b2 = weights
        z = pt.special.log_softmax(pt.maximum(x @ w1 + b1, 0) @ w2 + b2, axis=1)
        return -(z * t).sum(axis=1).mean()

    batches = itertools.cycle(p.batches)

    def given():
        batch = next(batches)
        return p.images[batch], p.targets[batch]

    return trained(loss_of, [pt.fmatrix] * 2, given, p.start, p.rate)


def recurrent(weights, xs, y):
    def cell(x, h, wx, wh, b):
        return pt.tanh(x @ wx + h @ wh + b)

    hs = pytensor.scan(
        cell, xs, pt.zeros_like(y), weights, strict=True, return_updates=False
    )
    return pt.sqr(hs[-1] - y).sum()


def scan(p):
    kinds = pt.ftensor3, pt.fmatrix
    return trained(recurrent, kinds, always(p.xs, p.y), p.start, p.rate)


def lengths(p):
    drawn = itertools.cycle(p.lengths)
    kinds = pt.ftensor3, pt.fmatrix

    def given():
        return p.xs[: next(drawn)], p.y

    return trained(recurrent, kinds, given, p.start, p.rate)


def call(p, sets=None):
    inputs = [pt.fvector() for _ in range(4)]
    add, sets = (
        compiled(inputs, sum(inputs[1:], inputs[0])),
        sets or itertools.repeat(p.sets[0]),
    )
    return Job(lambda: add(*next(sets)), lambda: [add(*p.sets[0])])


def call_fresh(p):
    return call(p, itertools.cycle(p.sets))
