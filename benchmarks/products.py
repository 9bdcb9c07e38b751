"""`python -m benchmarks.products`: matrix products as loops, and by each BLAS that is there.

What `SMALL` in minigrad/native/products.py and the advice about `MINIGRAD_BLAS` rest on.
Microseconds for m x k @ k x n in float32, the best of many; a call of about 2 included.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable
from unittest import mock

import numpy as np

import minigrad as mg
from benchmarks.harness import PAUSE, _samples
from minigrad.native import blas, products

SIZES = (
    (8, 16, 16), (16, 8, 16), (16, 16, 16), (32, 16, 16), (16, 32, 32), (32, 32, 32),
    (32, 64, 10), (32, 32, 64), (32, 64, 64), (128, 128, 64), (64, 1000, 100),
    (1000, 64, 100), (1600, 32, 64), (256, 2048, 2048), (2048, 256, 2048),
)  # fmt: skip
ROUNDS = 5
LOOPS_UP_TO = 1 << 17  # multiplications; beyond, loops are out of the question


def product(m: int, k: int, n: int, loops: bool) -> Callable[[], object]:
    """A call of a program that is one product."""
    rng = np.random.default_rng(0)
    a, b = (mg.from_numpy(rng.normal(size=s).astype("f")) for s in ((m, k), (k, n)))
    x, y = (mg.placeholder(t.shape) for t in (a, b))
    with mock.patch.object(products, "SMALL", 1 << 62 if loops else 0):
        program = mg.compile([x, y], x @ y, target="native")
    return lambda: program(a, b)


def is_there(name: str) -> bool:
    """Is this BLAS installed? From now on it is the one in use."""
    os.environ["MINIGRAD_BLAS"] = name
    blas.find.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = blas.find()
    return found is not None and found.name == name


def measured(sizes: tuple[int, int, int], columns: list[str]) -> dict[str, float]:
    """Microseconds of each way, which take turns."""
    ways: dict[str, Callable[[], object]] = {}
    for name in columns:
        if name == "loops" and math.prod(sizes) <= LOOPS_UP_TO:
            ways[name] = product(*sizes, loops=True)
        elif name != "loops" and is_there(name):
            ways[name] = product(*sizes, loops=False)
    best = dict.fromkeys(ways, math.inf)
    for _ in range(ROUNDS):
        for name, run in ways.items():
            time.sleep(PAUSE)
            best[name] = min(best[name], *_samples(run, 20, 0.03))
    return {name: seconds * 1e6 for name, seconds in best.items()}


if __name__ == "__main__":
    columns = ["loops", *filter(is_there, blas.SOURCES)]
    print(f"{'m x k x n':<16} {'multiplications':>15}", *(f"{c:>9}" for c in columns))
    for sizes in SIZES:
        found = measured(sizes, columns)
        cells = (f"{found[c]:9.1f}" if c in found else f"{'-':>9}" for c in columns)
        title = " x ".join(map(str, sizes))
        print(f"{title:<16} {math.prod(sizes):15,}", *cells, flush=True)
