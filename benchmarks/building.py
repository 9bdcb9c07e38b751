"""`python -m benchmarks.building`: how long building and compiling take.

First where the first call of a process goes when its C was compiled before, then graphs by
size.
"""

from __future__ import annotations

import importlib
import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from benchmarks.cases import NAMED, net
from benchmarks.peers import minigrad_static


def first_call() -> None:
    """The RNN as a scan in native code: loading, building and running it, then again."""
    case = next(x for name, x in NAMED.items() if "scan" in name)
    problem, clock = case.problem(), time.process_time
    times = [clock()]
    importlib.import_module("minigrad.native.codegen")
    for _ in range(2):
        times.append(clock())
        job = minigrad_static.scan(problem, "native")
        times.append(clock())
        job.step()
    loading, building, step, again = (b - a for a, b in itertools.pairwise(times))
    print(
        f"first call, RNN scan {loading * 1e3:.1f} ms to load the modules of native code, "
        f"{building * 1e3:.1f} to build, {step * 1e3:.1f} to run; {again * 1e3:.1f} to build again"
    )


def article() -> int:
    """The article's net, its gradients and updates."""
    problem = net(64, 1000, 100, 10, 1e-6)
    minigrad_static.net(problem)
    return 32


def deep(steps: int) -> int:
    """A recurrent net without a loop; each step adds about fifteen nodes."""
    x, w = mg.placeholder((4, 4)), mg.variable(np.ones((4, 4), np.float32))
    y = x
    for _ in range(steps):
        y = (y @ w).tanh() * 0.5 + x
    new = w - 0.1 * mg.gradients(y.sum(), w)
    return mg.compile([x], y, updates={w: new}).stats["nodes"]


def report(title: str, build: Callable[..., int], *args: Any) -> None:
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        nodes = build(*args)
        seconds.append(time.perf_counter() - began)
    best = min(seconds)
    print(
        f"{title:<20} {nodes:7,} nodes {best * 1e3:9.1f} ms {best / nodes * 1e6:7.1f} us a node"
    )


if __name__ == "__main__":
    first_call()
    report("net of the article", article)
    for steps in (70, 700, 1400):
        report(f"{steps} recurrent steps", deep, steps)
