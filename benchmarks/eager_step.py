"""Where the time of one eager step goes: `python -m benchmarks.eager_step`.

The step is that of the tiny net, taken apart. Its NumPy calls alone, each with memory of
its own for the result, are what no engine of this kind can go below; what the same lines
take on Tensors without a tape, on the tape, on the way back and in the update is the
engine's. Beside each part: how many Python functions and how many C functions it calls.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from benchmarks.cases import Problem, net
from benchmarks.peers import numpy_by_hand
from benchmarks.peers.define_by_run import descend, leaf
from minigrad.eager.tape import Record

ROUNDS, CALLS = 30, 200  # a turn is that many calls; the parts take turns


def parts_of(p: Problem) -> dict[str, Callable[[], Any]]:
    """The step and its parts, each from what the ones before have left."""
    x, y = mg.from_numpy(p.x), mg.from_numpy(p.y)
    weights = w1, w2 = [leaf(mg, w) for w in p.start]
    plain1, plain2 = (w.copy() for w in p.start)
    rate, zero, two = (np.array(v, np.float32) for v in (p.rate, 0, 2))

    untaped = [w.detach() for w in weights]

    def loss(w1: Any, w2: Any) -> Any:
        return (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()

    def forward() -> Any:
        return loss(w1, w2)

    def forward_without_tape() -> Any:
        return loss(*untaped)

    def pulled() -> None:
        record, g = forward().record, np.array(1, np.float32)
        while record is not None:
            cotangents = record.plan.pull(g, record.saved, record.attrs)
            way = zip(record.parents, cotangents)
            record, g = next((x for x in way if type(x[0]) is Record), (None, g))

    def there_and_back() -> None:
        forward().backward()
        w1.grad = w2.grad = None

    def step() -> None:
        forward().backward()
        descend(mg, weights, p.rate)

    def arrays_forward() -> tuple:
        a = p.x.dot(plain1)
        h = np.maximum(a, zero)
        e = np.subtract(h.dot(plain2), p.y)
        return a, h, e, np.add.reduce(np.square(e), (0, 1))

    def arrays_step() -> None:
        a, h, e, _ = arrays_forward()
        g = np.multiply(e, two)
        g2 = h.T.dot(g)
        g = np.multiply(g.dot(plain2.T), np.greater_equal(a, zero))
        for w, gradient in ((plain1, p.x.T.dot(g)), (plain2, g2)):
            np.subtract(w, np.multiply(gradient, rate), w)

    by_hand = numpy_by_hand.net(p).step
    return {
        "by hand": by_hand,
        "arrays forward": arrays_forward,
        "arrays": arrays_step,
        "no tape": forward_without_tape,
        "forward": forward,
        "rules": pulled,
        "back": there_and_back,
        "step": step,
    }


def best_tenths(parts: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Microseconds of each, measured in turns."""
    samples: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, run in parts.items():
            run()
            for _ in range(CALLS):
                began = time.perf_counter()
                run()
                samples[name].append(time.perf_counter() - began)
    tenth = ROUNDS * CALLS // 10
    return {name: 1e6 * sum(sorted(s)[:tenth]) / tenth for name, s in samples.items()}


def calls_of(run: Callable[[], Any]) -> Counter:
    """How many Python functions ("call") and C functions ("c_call") one run enters."""
    counts: Counter = Counter()
    sys.setprofile(lambda frame, event, arg: counts.update([event]))
    try:
        run()
    finally:
        sys.setprofile(None)
    return counts


def main() -> None:
    parts = parts_of(net(8, 16, 16, 4, 1e-4))
    for run in parts.values():
        run()
    us, calls = best_tenths(parts), {name: calls_of(run) for name, run in parts.items()}
    rows = (
        ("NumPy's calls, each with memory of its own", "arrays", None),
        ("of these: the forward ones", "arrays forward", None),
        ("forward: a handle and a storage around each", "no tape", "arrays forward"),
        ("forward: a record for each", "forward", "no tape"),
        ("the way back: the rules, NumPy's calls in them", "rules", "forward"),
        ("the way back: order, checks, sums, .grad", "back", "rules"),
        ("the update, its NumPy calls in it", "step", "back"),
        ("the whole step", "step", None),
        ("by hand, into memory made before", "by hand", None),
    )
    print(f"{'':46}{'us':>7}{'of hand':>9}{'Python':>8}{'C':>6}  calls")
    for text, name, less in rows:
        spent = us[name] - (us[less] if less else 0)
        python, c = (
            calls[name][event] - (calls[less][event] if less else 0)
            for event in ("call", "c_call")
        )
        print(f"{text:46}{spent:7.1f}{spent / us['by hand']:9.2f}{python:8}{c:6}")


if __name__ == "__main__":
    main()
