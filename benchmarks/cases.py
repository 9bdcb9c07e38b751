"""What is measured: a table of cases, each with the numbers it starts from.

A peer turns a case's problem into a `Job`. `kind` names the function of the peer that does
so; a peer without it sits the case out. Everything is float32 and drawn from fixed seeds.
"""

from __future__ import annotations

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
    after which `accepted(problem, result)` must hold. (Plain functions, so that a case can
    be sent to another process.)
    """

    name: str
    kind: str
    problem: Callable[[], Problem]
    unit: str = "us"
    calls: int = 1
    whole: int = 0
    accepted: Callable[[Problem, list], bool] | None = None


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


def elements() -> Problem:
    """Twelve elementwise ops on a million weights, summed, and a step down the slope."""
    rng = np.random.default_rng(0)
    x, y, w = (_normal(rng, 1_000_000) for _ in range(3))
    return Problem(x=x, y=y, start=[w], rate=0.1)


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
        "digits training 64-32-10",
        "digits",
        digits,
        unit="s",
        whole=EPOCHS * (TRAIN // BATCH),
        accepted=has_learned,
    ),
)
IMPORT = "import beyond the interpreter"
