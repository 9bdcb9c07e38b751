"""How it is measured: every peer in a process of its own, checked first, then in turns.

Processes keep one library's threads and memory out of another's figures. Turns are short
and go round and back again, so that a machine that speeds up or slows down does so for
all. Before any clock starts, 20 steps must give what hand-written NumPy gets.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from benchmarks.cases import Case, Job
from benchmarks.peers import PEERS, REFERENCE

GATE = 0.02
LIMIT, PATIENCE = (
    100.0,
    2,
)  # seconds an answer may take, and how often it may take longer
PAUSE = 0.03  # seconds between turns: idle threads of the last peer go to sleep
SCALE = {"us": 1e6, "ms": 1e3, "s": 1.0}


class Effort(NamedTuple):
    """How many rounds of turns, seconds of a turn, and seconds that an answer may take."""

    rounds: int
    seconds: float
    limit: float = LIMIT


FULL, QUICK = Effort(10, 0.1), Effort(3, 0.03)


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
        self.wait()
        return time.perf_counter() - began

    def wait(self) -> None:
        """Let what has been started come to its end; here it has."""

    def peak(self, case: Case) -> float | None:
        """MiB that making the job and three steps take, at the highest.

        Of the process's resident memory. A small job of the same kind goes first, so that
        neither libraries nor compilers nor threads count.
        """
        make = getattr(self.peer, case.kind, None)
        if make is None:
            return None
        _three_steps(make(case.small()))
        problem = case.problem()
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # what was freed does not hide what is taken
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        before = _resident("VmRSS")
        _three_steps(make(problem))
        return (_resident("VmHWM") - before) / 1024

    def gate(self, case: Case) -> list[np.ndarray]:
        """The result after the first steps."""
        job = self.jobs[case.name]
        for _ in range(case.gate - 1):
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


def _three_steps(job: Job) -> None:
    for _ in range(3):
        job.step()


def _resident(field: str) -> int:
    """KiB of memory, as Linux counts them."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(field))


def _samples(step: Callable, calls: int, seconds: float) -> list[float]:
    clock, samples = time.perf_counter, []
    end = clock() + seconds
    while (began := clock()) < end:
        for _ in repeat(None, calls):
            step()
        samples.append((clock() - began) / calls)
    return samples


# --- a Runner at the other end of a pipe ---------------------------------------------------


Make = Callable[[], Runner]  # called in the other process


class Failed(Exception):
    """A peer raised; the text says what."""


class Remote:
    """A `Runner` in a process of its own, which may hang or die without harm.

    It starts with the first question, and anew with the first after it has died. One
    that was too slow several times is not asked again.
    """

    def __init__(
        self, peer: str, limit: float = LIMIT, make: Callable[[str], Make] | None = None
    ) -> None:
        self.runner, self.limit = (make or runner_of)(peer), limit
        self.process: Any = None
        self.late = 0

    def ask(self, *request: Any) -> Any:
        if self.late >= PATIENCE:
            raise Failed(f"given up after more than {self.limit:g} s, twice")
        if self.process is None:
            self._start()
        try:
            self.pipe.send(request)
            if not self.pipe.poll(self.limit):
                self.late += 1
                self.end()
                raise Failed(f"took more than {self.limit:g} s")
            good, answer = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join(1)
            code = self.process.exitcode
            self.end()
            raise Failed(f"its process died with status {code}") from None
        if not good:
            raise Failed(answer)
        return answer

    def _start(self) -> None:
        context = get_context("spawn")
        self.pipe, there = context.Pipe()
        args = there, self.runner
        self.process = context.Process(target=_serve, args=args, daemon=True)
        self.process.start()
        there.close()

    def end(self) -> None:
        """End the process with all that it started."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (AttributeError, OSError):  # not its own group yet, or not there at all
            self.process.kill()
        self.process.join()
        self.pipe.close()
        self.process = None


def runner_of(peer: str) -> Make:
    return partial(_load, PEERS[peer].module)


def _load(module: str) -> Runner:
    return Runner(import_module(f"benchmarks.peers.{module}"))


def _serve(pipe: Any, make: Make) -> None:
    if hasattr(os, "setsid"):
        os.setsid()  # a group, so that helpers end with their peer
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # libraries talk; what matters goes through the pipe
    os.dup2(nowhere, 2)
    sys.dont_write_bytecode = False  # as Python does for its users
    runner = None
    while (request := pipe.recv()) is not None:
        try:
            runner = runner or make()
            pipe.send((True, runner.ask(*request)))
        except Exception as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0]
            pipe.send((False, text[:200]))


@contextmanager
def started(
    peers: Iterable[str],
    limit: float = LIMIT,
    make: Callable[[str], Make] | None = None,
) -> Any:
    """The named peers as Remotes, each in a fresh interpreter, ended afterwards."""
    remotes = {name: Remote(name, limit, make) for name in peers}
    try:
        yield remotes
    finally:
        for remote in remotes.values():
            remote.end()


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
    spent = dict.fromkeys(rows, 0.0)
    enough = 3 * effort.rounds * effort.seconds  # whose steps outlast turns gets fewer
    for round_ in range(effort.rounds):
        for name in list(rows)[:: -1 if round_ % 2 else 1]:
            if "refused" in rows[name] or spent[name] > enough:
                continue
            time.sleep(PAUSE)
            began = time.perf_counter()
            try:
                samples[name] += runners[name].ask("turn", case, effort.seconds)
            except Failed as failure:
                rows[name] = {"refused": str(failure)}
            spent[name] += time.perf_counter() - began
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
    programs = {None: "pass"} | {
        n: f"{PEERS[n].before}import {PEERS[n].package}"
        for n in peers
        if PEERS[n].import_too
    }
    samples: dict[Any, list[float]] = {name: [] for name in programs}
    refused: dict[Any, dict] = {}
    env = {k: x for k, x in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for round_ in range(effort.rounds // 2 + 1):
        for name, program in programs.items():
            began = time.perf_counter()
            command = [sys.executable, "-c", program]
            done = subprocess.run(command, env=env, capture_output=True, text=True)
            if done.returncode:
                refused[name] = {"refused": (done.stderr.splitlines() or ["?"])[-1]}
            if round_:  # the first fills the disk's cache and writes bytecode
                samples[name].append(time.perf_counter() - began)
    bare = samples.pop(None)
    rows = {}
    for name, seconds in samples.items():
        rows[name] = figures(seconds, 1e3)
        rows[name]["best"] -= figures(bare, 1e3)["best"]
        rows[name]["median"] -= figures(bare, 1e3)["median"]
    return with_ratios(rows | refused)


def measure_once(
    request: str, case: Case, peers: Iterable[str], limit: float = LIMIT
) -> dict[str, dict]:
    """What one answer of a fresh process says: `peak` in MiB, `build` in seconds."""
    rows = {}
    for name in peers:
        if not PEERS[name].once:
            continue
        with started([name], limit) as runners:
            try:
                value = runners[name].ask(request, case)
            except Failed as failure:
                rows[name] = {"refused": str(failure)}
                continue
        if value is not None:
            rows[name] = {"best": value, "median": value, "samples": 1}
    return rows


def measure_first_calls(
    case: Case, peers: Iterable[str], limit: float = LIMIT
) -> list[dict[str, dict]]:
    """Seconds from arrays to the first result: with nothing compiled before, and again."""
    cold: dict[str, dict] = {}
    cached: dict[str, dict] = {}
    for name in peers:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            places = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), folder)
            with mock.patch.dict(os.environ, places):
                cold |= measure_once("build", case, [name], limit)
                if "best" in cold.get(name, {}):
                    cached |= measure_once("build", case, [name], limit)
    return [cold, cached]
