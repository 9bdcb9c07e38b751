"""How it is measured: every peer in a process of its own, checked first, then in turns.

Processes keep one library's threads and memory out of another's figures. Turns are short
and go round and back again, so that a machine that speeds up or slows down does so for
all. Before any clock starts, 20 steps must give what hand-written NumPy gets.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, contextmanager
from importlib import import_module
from itertools import repeat
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np

from benchmarks.cases import Case, Job
from benchmarks.peers import PEERS, REFERENCE

GATE_STEPS, GATE = 20, 0.02
PAUSE = 0.03  # seconds between turns: idle threads of the last peer go to sleep
SCALE = {"us": 1e6, "ms": 1e3, "s": 1.0}


class Effort(NamedTuple):
    """How many rounds of turns, and how many seconds each turn lasts."""

    rounds: int
    seconds: float


FULL, QUICK = Effort(20, 0.15), Effort(3, 0.03)


class Runner:
    """What one peer's process does, on request."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer
        self.jobs: dict[str, Job] = {}

    def ask(self, request: str, *args: Any) -> Any:
        return getattr(self, request)(*args)

    def build(self, case: Case) -> float | None:
        """Seconds from the arrays to the end of the first step; None: sits it out."""
        make = getattr(self.peer, case.kind, None)
        if make is None:
            return None
        problem = case.problem()
        began = time.perf_counter()
        job = self.jobs[case.name] = make(problem)
        job.step()
        return time.perf_counter() - began

    def gate(self, case: Case) -> list[np.ndarray]:
        """The result after the first 20 steps."""
        job = self.jobs[case.name]
        for _ in range(GATE_STEPS - 1):
            job.step()
        return [np.array(x) for x in job.result()]

    def turn(self, case: Case, seconds: float) -> list[float]:
        """Seconds a step (or a whole training), sample by sample, for one turn."""
        if case.whole:
            return self._whole(case, seconds)
        job = self.jobs[case.name]
        _samples(job.step, case.calls, seconds / 5)  # wakes this peer's threads
        samples = _samples(job.step, case.calls, seconds)
        if not all(np.isfinite(x).all() for x in job.result()):
            raise ArithmeticError("the result is no longer finite")
        return samples

    def _whole(self, case: Case, seconds: float) -> list[float]:
        samples: list[float] = []
        problem = case.problem()
        while sum(samples) < seconds:
            began = time.perf_counter()
            job = getattr(self.peer, case.kind)(problem)
            for _ in repeat(None, case.whole):
                job.step()
            samples.append(time.perf_counter() - began)
            if case.accepted and not case.accepted(problem, job.result()):
                raise ArithmeticError("what was trained does not reach its goal")
        return samples


def _samples(step: Callable, calls: int, seconds: float) -> list[float]:
    clock, samples = time.perf_counter, []
    end = clock() + seconds
    while (began := clock()) < end:
        for _ in repeat(None, calls):
            step()
        samples.append((clock() - began) / calls)
    return samples


# --- a Runner at the other end of a pipe ---------------------------------------------------


class Failed(Exception):
    """A peer raised; the text says what."""


class Remote:
    """A `Runner` in another process."""

    def __init__(self, pipe: Any) -> None:
        self.pipe = pipe

    def ask(self, *request: Any) -> Any:
        self.pipe.send(request)
        good, answer = self.pipe.recv()
        if not good:
            raise Failed(answer)
        return answer


def _serve(pipe: Any, module: str) -> None:
    runner = Runner(import_module(f"benchmarks.peers.{module}"))
    while (request := pipe.recv()) is not None:
        try:
            pipe.send((True, runner.ask(*request)))
        except Exception as error:
            pipe.send((False, f"{type(error).__name__}: {error}".splitlines()[0]))


@contextmanager
def started(peers: Iterable[str]) -> Any:
    """The named peers as Remotes, each in a fresh interpreter, ended afterwards."""
    context = get_context("spawn")
    with ExitStack() as stack:
        remotes = {}
        for name in peers:
            here, there = context.Pipe()
            args = (there, PEERS[name].module)
            process = context.Process(target=_serve, args=args, daemon=True)
            process.start()
            stack.callback(process.join)
            stack.callback(here.send, None)
            remotes[name] = Remote(here)
        yield remotes


# --- the measurement -----------------------------------------------------------------------


def gate_error(got: list, want: list, start: list) -> float:
    """The largest error, as a share of what the steps changed."""
    if [np.shape(x) for x in got] != [np.shape(x) for x in want]:
        return float("inf")
    return max(
        float(np.linalg.norm(g - w) / np.linalg.norm(w - s))
        for g, w, s in zip(got, want, start, strict=True)
    )


def measure(case: Case, runners: dict[str, Any], effort: Effort) -> dict[str, dict]:
    """One case: build, gate, then turn about; a row of figures for each peer."""
    rows = admit(case, runners)
    samples: dict[str, list[float]] = {name: [] for name in rows}
    for round_ in range(effort.rounds):
        for name in list(rows)[:: -1 if round_ % 2 else 1]:
            if "refused" in rows[name]:
                continue
            time.sleep(PAUSE)
            try:
                samples[name] += runners[name].ask("turn", case, effort.seconds)
            except Failed as failure:
                rows[name] = {"refused": str(failure)}
    for name, row in rows.items():
        if "refused" not in row:
            row |= figures(samples[name], SCALE[case.unit])
    return with_ratios(rows)


def admit(case: Case, runners: dict[str, Any]) -> dict[str, dict]:
    """A row for each peer that has the case: how its first 20 steps went, or why not."""
    rows: dict[str, dict] = {}
    want, start = None, case.problem().start
    for name, runner in runners.items():  # the reference comes first
        try:
            first = runner.ask("build", case)
            if first is None:
                continue
            got = runner.ask("gate", case)
        except Failed as failure:
            rows[name] = {"refused": str(failure)}
            continue
        want = got if want is None else want
        error = gate_error(got, want, start)
        if error < GATE:
            rows[name] = {"first_ms": first * 1e3, "error": error}
        else:  # nan lands here as well
            rows[name] = {"refused": f"{error:.2g} off hand-written NumPy"}
    return rows


def figures(seconds: list[float], scale: float) -> dict[str, float]:
    """The mean of the fastest tenth and the median of all samples."""
    ordered = np.sort(seconds) * scale
    tenth = ordered[: max(1, len(ordered) // 10)]
    return {
        "best": float(tenth.mean()),
        "median": float(np.median(ordered)),
        "samples": len(ordered),
    }


def with_ratios(rows: dict[str, dict]) -> dict[str, dict]:
    base = rows.get(REFERENCE, {}).get("best")
    for row in rows.values():
        if base and "best" in row:
            row["ratio"] = row["best"] / base
    return rows


def measure_imports(peers: Iterable[str], effort: Effort) -> dict[str, dict]:
    """Milliseconds that `import package` adds to an interpreter that does nothing."""
    packages = {n: PEERS[n].package for n in peers if PEERS[n].import_too}
    programs = {None: "pass"} | {n: f"import {p}" for n, p in packages.items()}
    samples: dict[Any, list[float]] = {name: [] for name in programs}
    for round_ in range(effort.rounds + 1):
        for name, program in programs.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", program], check=True)
            if round_:  # the first fills the disk's cache
                samples[name].append(time.perf_counter() - began)
    bare = samples.pop(None)
    rows = {}
    for name, seconds in samples.items():
        rows[name] = figures(seconds, 1e3)
        rows[name]["best"] -= figures(bare, 1e3)["best"]
        rows[name]["median"] -= figures(bare, 1e3)["median"]
    return with_ratios(rows)
