"""What is measured: a table of cases, each with the numbers it starts from.

A peer turns a case's problem into a `Job`. `kind` names the function of the peer that does
so; a peer without it sits the case out. Everything is float32 and drawn from fixed seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

Problem = SimpleNamespace


class Job(NamedTuple):
    """A case as one peer does it: `step()` is what the clock sees, `result()` what for."""

    step: Callable[[], Any]
    result: Callable[[], list[np.ndarray]]


@dataclass(frozen=True)
class Case:
    """One line of the table.

    `problem()` gives the arrays, and as `start` what `result()` would be before any step.
    A timed sample is `calls` steps; with `whole`, it is a new job and that many steps,
    after which `accepted(problem, result)` must hold. Before, the results of `gate` steps
    must be right. (Plain functions, so that a case can be sent to another process.)
    """

    name: str
    kind: str
    problem: Callable[[], Problem]
    unit: str = "us"
    calls: int = 1
    whole: int = 0
    accepted: Callable[[Problem, list], bool] | None = None
    gate: int = 20

    @property
    def small(self) -> Callable[[], Problem]:
        """A problem of the same kind that takes next to no time and memory."""
        return SMALL.get(self.kind, self.problem)


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def net(batch: int, inputs: int, hidden: int, outputs: int, rate: float) -> Problem:
    """relu(x @ w1) @ w2 against y, summed squared error, plain gradient descent."""
    rng = np.random.default_rng(0)
    x, y = _normal(rng, batch, inputs), _normal(rng, batch, outputs)
    start = [_normal(rng, inputs, hidden), _normal(rng, hidden, outputs)]
    return Problem(x=x, y=y, start=start, rate=rate)


def one_op() -> Problem:
    """a * b on four numbers, both of which want a gradient."""
    rng = np.random.default_rng(0)
    a, b = _normal(rng, 4), _normal(rng, 4)
    return Problem(a=a, b=b, start=[np.zeros_like(a)])


def chain() -> Problem:
    """25 times y = y * c + x on four numbers, then the gradient of y.sum() by x."""
    x = _normal(np.random.default_rng(0), 4)
    zero = np.zeros_like(x)
    c = np.full_like(x, 0.9)
    return Problem(x=x, c=c, length=25, start=[zero, zero])


def elements(size: int = 1_000_000) -> Problem:
    """Twelve elementwise ops on that many weights, summed, and a step down the slope."""
    rng = np.random.default_rng(0)
    x, y, w = (_normal(rng, size) for _ in range(3))
    return Problem(x=x, y=y, start=[w], rate=0.1)


def recurrent(steps: int, batch: int, inputs: int, hidden: int, rate: float) -> Problem:
    """h = tanh(x @ wx + h @ wh + b), step by step; the last h against y, squared."""
    rng = np.random.default_rng(0)
    xs, y = _normal(rng, steps, batch, inputs), _normal(rng, batch, hidden)
    start = [
        _normal(rng, inputs, hidden) * np.float32(0.5 / inputs**0.5),
        _normal(rng, hidden, hidden) * np.float32(0.7 / hidden**0.5),
        np.zeros(hidden, np.float32),
    ]
    return Problem(xs=xs, y=y, start=start, rate=rate)


def lengths(shortest: int, longest: int, *sizes: Any) -> Problem:
    """The same, but every step sees as many rows of xs as the next drawn length says."""
    problem = recurrent(longest, *sizes)
    rng = np.random.default_rng(1)
    problem.lengths = [int(n) for n in rng.integers(shortest, longest + 1, 500)]
    return problem


def images(batch: int) -> Problem:
    """Two 3 x 3 convolutions with relu, pooling and a linear layer on 8 x 8 images."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, batch)
    shapes = (8, 1, 3, 3), (8,), (16, 8, 3, 3), (16,), (10, 256), (10,)
    return Problem(
        x=_normal(rng, batch, 1, 8, 8),
        labels=labels,
        targets=np.eye(10, dtype=np.float32)[labels],
        start=[
            _normal(rng, *s) * np.float32(1 / max(1, math.prod(s[1:])) ** 0.5)
            for s in shapes
        ],
        rate=0.01,
    )


def scores(rows: int, classes: int) -> Problem:
    """Mean cross entropy of scores that are trained themselves, row by row a softmax."""
    rng = np.random.default_rng(0)
    start = [_normal(rng, rows, classes)]
    return Problem(labels=rng.integers(0, classes, rows), start=start, rate=10.0)


def four_numbers() -> Problem:
    """a + b + c + d on four numbers each, as a program that was compiled before."""
    rng = np.random.default_rng(0)
    sets = [tuple(_normal(rng, 4) for _ in range(4)) for _ in range(64)]
    return Problem(sets=sets, start=[np.zeros(4, np.float32)])


DATA = Path(__file__).parents[1] / "course" / "data" / "digits.csv.gz"
TRAIN, BATCH, EPOCHS = 1437, 32, 20


@cache
def digit_images() -> tuple[np.ndarray, ...]:
    """The course's digits, split as the course does: train and test, images and labels."""
    table = np.loadtxt(DATA, delimiter=",", dtype=np.int64)
    images, labels = (table[:, :-1] / 16).astype(np.float32), table[:, -1]
    order = np.random.default_rng(0).permutation(len(labels))
    test, train = order[:-TRAIN], order[-TRAIN:]
    return images[train], labels[train], images[test], labels[test]


def digits() -> Problem:
    """relu(x @ w1 + b1) @ w2 + b2, mean cross entropy, batches in one fixed order."""
    images, labels, *test = digit_images()
    rng = np.random.default_rng(0)
    used = TRAIN // BATCH * BATCH
    orders = [rng.permutation(TRAIN)[:used] for _ in range(EPOCHS)]
    return Problem(
        images=images,
        targets=np.eye(10, dtype=np.float32)[labels],
        labels=labels,
        test=test,
        batches=np.concatenate(orders).reshape(-1, BATCH),
        start=[
            _normal(rng, 64, 32) * np.float32(0.18),
            np.zeros(32, np.float32),
            _normal(rng, 32, 10) * np.float32(0.25),
            np.zeros(10, np.float32),
        ],
        rate=0.1,
    )


def has_learned(problem: Problem, weights: list[np.ndarray]) -> bool:
    """Are at least 95 % of the held-out digits told right?"""
    w1, b1, w2, b2 = weights
    images, labels = problem.test
    told = (np.maximum(images @ w1 + b1, 0) @ w2 + b2).argmax(axis=1)
    return float((told == labels).mean()) >= 0.95


SMALL: dict[str, Callable[[], Problem]] = {
    "elements": partial(elements, 16_000),
    "net": partial(net, 4, 5, 6, 3, 1e-4),
    "rnn": partial(recurrent, 4, 3, 5, 6, 1e-3),
    "scan": partial(recurrent, 4, 3, 5, 6, 1e-3),
    "lengths": partial(lengths, 2, 5, 3, 5, 6, 1e-3),
    "cnn": partial(images, 16),
    "softmax": partial(scores, 5, 7),
}
CASES = (
    Case("one eager op on (4,) with requires_grad", "op", one_op, calls=200),
    Case("chain of 50 add/mul, forward + backward", "chain", chain),
    Case("elementwise chain, 12 ops on 1e6", "elements", elements, unit="ms"),
    Case("net tiny 8-16-16-4", "net", partial(net, 8, 16, 16, 4, 1e-4)),
    Case(
        "net of the article 64-1000-100-10",
        "net",
        partial(net, 64, 1000, 100, 10, 1e-6),
    ),
    Case(
        "net large 256-2048-2048-512",
        "net",
        partial(net, 256, 2048, 2048, 512, 1e-10),
        unit="ms",
    ),
    Case(
        "RNN 50 x 32 x 32-64, Python loop",
        "rnn",
        partial(recurrent, 50, 32, 32, 64, 1e-5),
    ),
    Case("RNN 50 x 32 x 32-64, scan", "scan", partial(recurrent, 50, 32, 32, 64, 1e-5)),
    Case(
        "RNN of length 10 to 80, drawn each step",
        "lengths",
        partial(lengths, 10, 80, 32, 32, 64, 1e-5),
    ),
    Case("CNN 8x8-conv8-conv16-pool-10, batch 64", "cnn", partial(images, 64)),
    Case("softmax cross entropy 256x1000", "softmax", partial(scores, 256, 1000)),
    Case(
        "one call of a program, 4 tensors it has seen", "call", four_numbers, calls=50
    ),
    Case("one call of a program, 4 fresh arrays", "call_fresh", four_numbers, calls=50),
    Case(
        "digits training 64-32-10",
        "digits",
        digits,
        unit="s",
        whole=EPOCHS * (TRAIN // BATCH),
        accepted=has_learned,
    ),
)
NAMED = {case.name: case for case in CASES}
NETS = (
    "net tiny 8-16-16-4",
    "net of the article 64-1000-100-10",
    "net large 256-2048-2048-512",
    "RNN 50 x 32 x 32-64, scan",
    "CNN 8x8-conv8-conv16-pool-10, batch 64",
)
MEMORY = {
    f"peak memory, {name}": NAMED[name]
    for name in ("elementwise chain, 12 ops on 1e6", "net large 256-2048-2048-512")
}
FIRST = {
    f"first call, {name}": NAMED[name]
    for name in ("net of the article 64-1000-100-10", "RNN 50 x 32 x 32-64, scan")
}
IMPORT = "import beyond the interpreter"
