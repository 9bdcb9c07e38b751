"""`python -m benchmarks.sizes`: native code against the interpreter, from 1 to 1e7 elements.

Both run the same program in turns in one process, in the memory of one another's results;
the best of many calls counts. The ratio is native's time to the interpreter's.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

SIZES = [10**k for k in range(8)]
SECONDS = 0.4  # for a case of one size


def elementwise(n: int) -> tuple[list, Any]:
    x, y = mg.placeholder((n,)), mg.placeholder((n,))
    return [x, y], ((x * y + 0.5).tanh() - x).square()


def copy(n: int) -> tuple[list, Any]:
    x = mg.placeholder((n,))
    return [x], x + 1


def reduce(n: int) -> tuple[list, Any]:
    x, y = mg.placeholder((n,)), mg.placeholder((n,))
    return [x, y], (x - y).square().sum()


def columns(n: int) -> tuple[list, Any]:
    x = mg.placeholder((max(1, n // 100), min(n, 100)))
    return [x], x.sum(0)


def rows(n: int) -> tuple[list, Any]:
    x = mg.placeholder((max(1, n // 100), min(n, 100)))
    return [x], x.softmax(1)


def product(n: int) -> tuple[list, Any]:
    """With bias and relu; n counts the result's elements, the inner size is the root."""
    side = max(1, round(n**0.5))
    a, b, c = (mg.placeholder(s) for s in ((side, side), (side, side), (side,)))
    return [a, b, c], (a @ b + c).relu()


CASES = {
    "elementwise, 5 ops": (elementwise, SIZES),
    "one addition": (copy, SIZES),
    "sum of squares": (reduce, SIZES),
    "sums of columns": (columns, SIZES),
    "softmax of rows": (rows, SIZES),
    "product, bias, relu": (product, SIZES[:-1]),
}


def ratio(make: Callable, n: int) -> float:
    """The best time of native code by the best time of the interpreter."""
    inputs, output = make(n)
    rng = np.random.default_rng(0)
    given = [
        mg.from_numpy(rng.standard_normal(x.shape, dtype=np.float32)) for x in inputs
    ]
    programs = [mg.compile(inputs, output, target=t) for t in ("native", "interpreter")]
    best, clock = [np.inf, np.inf], time.perf_counter
    end, calls = clock() + SECONDS, max(1, 1000 // n)
    while clock() < end or np.inf in best:
        for i, program in enumerate(programs):
            program(*given)
            began = clock()
            for _ in range(calls):
                program(*given)
            best[i] = min(best[i], (clock() - began) / calls)
    return best[0] / best[1]


def main() -> int:
    print("| native / interpreter |" + "".join(f" {n:.0e} |" for n in SIZES))
    print("|---|" + "---:|" * len(SIZES))
    slower = 0
    for name, (make, sizes) in CASES.items():
        ratios = [ratio(make, n) for n in sizes]
        slower += sum(r > 1.15 for r in ratios)  # less is chance
        print(f"| {name} |" + "".join(f" {r:.2f} |" for r in ratios), flush=True)
    return min(slower, 1)


if __name__ == "__main__":
    sys.exit(main())
