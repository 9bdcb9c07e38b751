"""Where the time of one eager step goes: `python -m benchmarks.eager_step [CASE]`.

CASE is tiny, article or large, the nets of the table, or elements, its elementwise chain.
The step is taken apart. Its NumPy calls alone, each with memory of its own for the result,
are what no engine of this kind can go below; what the same lines take on Tensors without a
tape, on the tape, on the way back and in the update is the engine's. Beside each part: how
many Python functions and how many C functions it calls, and the page faults of a step.
Times are the thread's own on the CPU, with one BLAS thread: who shares the machine matters
less.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

if __name__ == "__main__":  # before NumPy loads its BLAS
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import minigrad as mg
from benchmarks.cases import Problem, elements, net
from benchmarks.peers import numpy_by_hand
from benchmarks.peers.define_by_run import descend, leaf, twelve_ops
from minigrad.eager.tape import Record

Parts = dict[str, Callable[[], Any]]

CASES: dict[str, tuple[Callable[[], Parts], int, int]] = {  # parts, turns, calls a turn
    "tiny": (lambda: net_parts(net(8, 16, 16, 4, 1e-4)), 30, 200),
    "article": (lambda: net_parts(net(64, 1000, 100, 10, 1e-6)), 20, 40),
    "large": (lambda: net_parts(net(256, 2048, 2048, 512, 1e-10)), 10, 2),
    "elements": (lambda: element_parts(elements()), 20, 4),
}


def net_parts(p: Problem) -> Parts:
    """The step of a two-layer net and its parts."""
    plain1, plain2 = (w.copy() for w in p.start)
    x, y = mg.from_numpy(p.x), mg.from_numpy(p.y)
    rate, zero, two = (np.array(v, np.float32) for v in (p.rate, 0, 2))

    def loss(w1: Any, w2: Any) -> Any:
        return (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()

    def arrays_forward() -> tuple:
        a = p.x.dot(plain1)
        h = np.maximum(a, zero)
        e = np.subtract(h.dot(plain2), p.y)
        return a, h, e, np.add.reduce(np.square(e), (0, 1))

    def arrays_step() -> list:
        a, h, e, _ = arrays_forward()
        g = np.multiply(e, two)
        g2 = h.T.dot(g)
        g = np.multiply(g.dot(plain2.T), np.greater_equal(a, zero))
        for w, gradient in ((plain1, p.x.T.dot(g)), (plain2, g2)):
            np.subtract(w, np.multiply(gradient, rate), w)
        return [plain1, plain2]

    by_hand = numpy_by_hand.net(p).step
    return _parts(p, loss, by_hand, arrays_forward, arrays_step, straight=True)


def element_parts(p: Problem) -> Parts:
    """The step of the elementwise chain and its parts."""
    x, y, plain = mg.from_numpy(p.x), mg.from_numpy(p.y), p.start[0].copy()
    rate, half, one, two = (np.array(v, np.float32) for v in (p.rate, 0.5, 1, 2))

    def loss(w: Any) -> Any:
        return twelve_ops(w, x, y).sum()

    def arrays_forward() -> tuple:
        t = np.tanh(np.add(np.multiply(plain, p.x), half))
        h = np.multiply(np.add(np.multiply(t, t), t), half)
        e = np.exp(np.negative(h))
        s = np.add(e, one)
        d = np.subtract(np.divide(one, s), p.y)
        return t, e, s, d, np.add.reduce(np.square(d))

    def arrays_step() -> list:
        t, e, s, d, _ = arrays_forward()
        g, q = np.multiply(d, two), np.divide(one, s)
        g = np.multiply(np.negative(g), np.divide(q, s, q), q)
        g = np.multiply(np.negative(np.multiply(g, e, g)), half)
        h1, h2 = np.multiply(g, t), np.multiply(g, t)
        g = np.add(np.add(h1, g, h1), h2, h1)
        slope = np.multiply(t, t)
        g = np.multiply(g, np.subtract(one, slope, slope), g)
        np.subtract(plain, np.multiply(np.multiply(g, p.x, g), rate), plain)
        return [plain]

    by_hand = numpy_by_hand.elements(p).step
    return _parts(p, loss, by_hand, arrays_forward, arrays_step, straight=False)


def _parts(
    p: Problem, loss: Callable[..., Any], by_hand: Any, arrays_forward: Any,
    arrays_step: Any, straight: bool,
) -> Parts:  # fmt: skip
    """What is timed; a tape without branches can be walked rule by rule."""
    weights = [leaf(mg, w) for w in p.start]
    untaped = [w.detach() for w in weights]

    def forward() -> Any:
        return loss(*weights)

    def forward_without_tape() -> Any:
        return loss(*untaped)

    def pulled() -> None:
        record, g = forward().record, np.array(1, np.float32)
        while record is not None:
            cotangents = record.plan.pull_arrays(g, record.saved, record.attrs)
            way = zip(record.parents, cotangents)
            record, g = next((x for x in way if type(x[0]) is Record), (None, g))

    def there_and_back() -> None:
        forward().backward()
        for w in weights:
            w.grad = None

    def step() -> None:
        forward().backward()
        descend(mg, weights, p.rate)

    parts = {
        "by hand": by_hand,
        "arrays forward": arrays_forward,
        "arrays": arrays_step,
        "no tape": forward_without_tape,
        "forward": forward,
        "rules": pulled,
        "back": there_and_back,
        "step": step,
    }
    if not straight:
        del parts["rules"]
    return parts


def best_tenths(parts: Parts, turns: int, calls: int) -> dict[str, float]:
    """Microseconds of each, measured in turns."""
    samples: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(turns):
        for name, run in parts.items():
            run()
            for _ in range(calls):
                began = time.thread_time()
                run()
                samples[name].append(time.thread_time() - began)
    tenth = max(1, turns * calls // 10)
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


def faults_of(run: Callable[[], Any]) -> int | None:
    """How many pages one run asks the system for; None where nobody counts them."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    run()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def main() -> None:
    case = sys.argv[1] if len(sys.argv) > 1 else "tiny"
    make, turns, each = CASES[case]
    parts = make()
    for run in parts.values():
        run()
    us = best_tenths(parts, turns, each)
    calls = {name: calls_of(run) for name, run in parts.items()}
    before_back = "rules" if "rules" in parts else "forward"
    rows = (
        ("NumPy's calls, each with memory of its own", "arrays", None),
        ("of these: the forward ones", "arrays forward", None),
        ("forward: a handle and a storage around each", "no tape", "arrays forward"),
        ("forward: a record for each", "forward", "no tape"),
        ("the way back: the rules, NumPy's calls in them", "rules", "forward"),
        ("the way back: order, checks, sums, .grad", "back", before_back),
        ("the update, its NumPy calls in it", "step", "back"),
        ("the whole step", "step", None),
        ("by hand, into memory made before", "by hand", None),
    )
    print(f"{case:46}{'us':>9}{'of hand':>9}{'Python':>8}{'C':>6}  calls")
    for text, name, less in rows:
        if name not in parts:
            continue
        spent = us[name] - (us[less] if less else 0)
        python, c = (
            calls[name][event] - (calls[less][event] if less else 0)
            for event in ("call", "c_call")
        )
        print(f"{text:46}{spent:9.1f}{spent / us['by hand']:9.2f}{python:8}{c:6}")
    print(f"page faults of a step: {faults_of(parts['step'])}")


if __name__ == "__main__":
    main()
