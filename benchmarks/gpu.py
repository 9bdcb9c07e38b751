"""`python -m benchmarks.gpu`: everything about a GPU in one call of under ten minutes.

First the tests that need one, then each case: built, checked against hand-written NumPy,
timed by the wall and by events, beside PyTorch and JAX where they are installed. What was
measured is written after each case, so a call that is cut short leaves what it had. With
`--simulate` it tries itself out on tiny cases without a GPU and writes nothing to keep.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case, Problem, elements, images, net, recurrent
from benchmarks.harness import Failed, admit, started
from benchmarks.peers.on_gpu import GPU_PEERS, SIMULATE, Sample, runner_of
from benchmarks.report import RESULTS, _rounded
from minigrad.__main__ import doctor

ROOT = Path(__file__).parents[1]
LIMIT = 540.0  # seconds for the whole call
PATIENCE, RESERVE = 120.0, 30.0  # seconds for one answer; to be left when a case begins
CHAIN, TINY_CHAIN = 100_000_000, 1000
TITLES = {name: peer.title for name, (peer, _) in GPU_PEERS.items()}
AS_IF = """\
import sys, minigrad, pytest
with minigrad.cuda.simulate():  # the tests for a real GPU, on one that is made up
    sys.exit(pytest.main(sys.argv[1:]))
"""


def repeated(size: int) -> Problem:
    """`elements` of that size; the numbers repeat, as drawing them would take minutes."""
    part = min(size, 1_000_000)
    problem = elements(part)
    problem.x, problem.y, *problem.start = (
        np.tile(a, size // part) for a in (problem.x, problem.y, *problem.start)
    )
    return problem


CASES = (
    Case("net tiny 8-16-16-4", "net", partial(net, 8, 16, 16, 4, 1e-4)),
    Case(
        "net of the article 64-1000-100-10",
        "net",
        partial(net, 64, 1000, 100, 10, 1e-6),
    ),
    Case("RNN T=50, loop", "rnn", partial(recurrent, 50, 32, 32, 64, 1e-5)),
    Case("RNN T=50, scan", "scan", partial(recurrent, 50, 32, 32, 64, 1e-5)),
    Case("CNN 8x8-conv8-conv16-pool-10, batch 64", "cnn", partial(images, 64)),
    Case(
        "net large 8192-4096-4096-1024",
        "net",
        partial(net, 8192, 4096, 4096, 1024, 1e-12),
        gate=3,
    ),
    Case(
        "elementwise chain, 12 ops on 1e8", "elements", partial(repeated, CHAIN), gate=2
    ),
    Case(
        "net large 8192-4096-4096-1024, products in TF32",
        "tf32",
        partial(net, 8192, 4096, 4096, 1024, 1e-12),
        gate=3,
    ),
)
TINY = {
    "net": partial(net, 4, 5, 6, 3, 1e-4),
    "rnn": partial(recurrent, 3, 3, 5, 6, 1e-3),
    "scan": partial(recurrent, 3, 3, 5, 6, 1e-3),
    "cnn": partial(images, 4),
    "elements": partial(repeated, TINY_CHAIN),
    "tf32": partial(net, 4, 5, 6, 3, 1e-4),
}


class Call:
    """One call of the script: what it knows so far, and the time it has left."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.end = time.monotonic() + options.limit
        self.chain = TINY_CHAIN if options.simulate else CHAIN
        self.report: dict[str, Any] = {
            "date": datetime.date.today().isoformat(),
            "simulated": options.simulate,
            "python": platform.python_version(),
            "cases": {},
        }

    @property
    def left(self) -> float:
        return self.end - time.monotonic()

    def say(self, text: str) -> None:
        spent = self.options.limit - self.left
        print(f"{spent:4.0f} s  {text}", file=sys.stderr, flush=True)

    def keep(self) -> None:
        """Write what is known, unless it was only tried out."""
        if self.options.simulate:
            return
        device = re.sub(r"\W+", "-", self.report["device"]).strip("-").lower()
        folder = Path(self.options.out)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.report['date']}-{device}.json"
        path.write_text(json.dumps(_rounded(self.report), indent=1) + "\n")


def run_tests(call: Call) -> dict[str, Any]:
    """The tests that want a GPU: how many passed, and what the others said."""
    start = ["-c", AS_IF] if call.options.simulate else ["-m", "pytest"]
    words = "-q -m gpu -p no:cacheprovider --continue-on-collection-errors"
    command = [sys.executable, *start, *words.split()]
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "course")])
    }
    limit = min(call.left, call.options.tests)
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired as late:
        text = (late.stdout or b"").decode()
        return {"status": "late", "seconds": limit, "last": text.splitlines()[-5:]}
    lines = done.stdout.strip().splitlines()
    told = [x for x in lines if x.startswith(("FAILED", "ERROR"))]
    return {"status": done.returncode, "last": lines[-1:], "failures": told[:40]}


def measure(case: Case, runners: dict[str, Any], seconds: float) -> dict[str, dict]:
    """Build, check, time: a row of figures for each peer that has the case."""
    rows = admit(case, runners)
    rows.pop("numpy", None)  # its figures on the CPU say nothing here
    for name in rows:
        if "refused" in rows[name]:
            continue
        samples, failures = ask(runners, [name], "samples", case, seconds)
        if samples is None:
            rows[name] = failures[name]
            continue
        rows[name] |= figures(samples)
    base = rows.get("torch", {}).get("wall_us")
    for row in rows.values():
        if base and "wall_us" in row:
            row["to_torch"] = row["wall_us"] / base
    return rows


def figures(samples: list[Sample]) -> dict[str, Any]:
    """Medians and bests in microseconds."""
    wall = np.array([x.wall for x in samples]) * 1e6
    row = {"wall_us": float(np.median(wall)), "best_us": float(wall.min())}
    if samples[0].event is not None:
        events = [x.event for x in samples]
        row["event_us"] = float(np.median(events)) * 1e6
    return row | {"samples": len(samples)}


def ask(runners: dict[str, Any], names: Any, *request: Any) -> tuple[Any, dict]:
    """The first answer of those named, None if nobody has one, and who failed how."""
    failures = {}
    for name in names:
        try:
            return runners[name].ask(*request), failures
        except Failed as failure:
            failures[name] = {"refused": str(failure)}
    return None, failures


def describe(call: Call, runners: dict[str, Any]) -> None:
    """Device, versions and how fast it copies, whoever does it fastest."""
    about = {}
    for name in runners:
        answer, failures = ask(runners, [name], "describe")
        about[name] = answer or failures[name]
    gpus = [n for n in ("eager", "torch") if "device" in about.get(n, {})]
    copies = [ask(runners, [name], "bandwidth", call.chain)[0] for name in gpus]
    call.report["peers"] = about
    call.report["versions"] = doctor().splitlines()
    call.report["device"] = about[gpus[0]]["device"] if gpus else "no GPU"
    call.report["copy_gb_s"] = max(copy or 0.0 for copy in [0.0, *copies]) / 1e9


def add_bandwidth(rows: dict[str, dict], size: int, copy: float) -> None:
    """What share of the copy's speed the chain has: w, x, y are read and w is written."""
    for row in rows.values():
        if "wall_us" in row and copy:
            row["of_copy"] = 4 * 4 * size / (row["wall_us"] * 1e3) / copy


def run(call: Call) -> dict[str, Any]:
    """All of it; the report."""
    options = call.options
    installed = [n for n, (peer, _) in GPU_PEERS.items() if peer.installed]
    wanted = [n for n in installed if n in options.peers or n == "numpy"]
    call.say(f"peers: {', '.join(wanted)}")
    if options.tests:
        call.report["tests"] = run_tests(call)
        call.say(f"tests: {call.report['tests']}")
    with started(wanted, make=runner_of) as runners:
        allow(runners, call.left)
        describe(call, runners)
        call.say(f"{call.report['device']}: copies {call.report['copy_gb_s']:.0f} GB/s")
        for case in tiny_cases() if options.simulate else CASES:
            allow(runners, call.left)
            call.report["cases"][case.name] = rows = row_of(call, case, runners)
            call.say(table(case.name, rows))
            call.keep()
    return call.report


def allow(runners: dict[str, Any], left: float) -> None:
    """No answer may take longer than is left for the whole call."""
    for runner in runners.values():
        runner.limit = max(1.0, min(PATIENCE, left))


def row_of(call: Call, case: Case, runners: dict[str, Any]) -> dict[str, dict]:
    if call.left < RESERVE:
        return {}
    rows = measure(case, runners, call.options.seconds)
    if case.kind == "elements":
        add_bandwidth(rows, call.chain, call.report["copy_gb_s"])
    return rows


def tiny_cases() -> list[Case]:
    """One of each kind, as small as can be."""
    kinds: dict[str, Case] = {}
    for case in CASES:
        kinds.setdefault(case.kind, replace(case, problem=TINY[case.kind]))
    return list(kinds.values())


def table(name: str, rows: dict[str, dict]) -> str:
    lines = [name]
    for peer, row in rows.items():
        told = {k: f"{x:.4g}" if type(x) is float else x for k, x in row.items()}
        lines.append(f"        {TITLES[peer]:<28} {told}")
    return "\n".join(lines)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__
    )
    add = parser.add_argument
    add(
        "--simulate",
        action="store_true",
        help="try it out on tiny cases, without a GPU",
    )
    add("--limit", type=float, default=LIMIT, help="seconds for everything")
    add("--seconds", type=float, default=1.0, help="that a peer's case is timed for")
    add("--tests", type=float, default=180.0, help="seconds for the tests; 0: none")
    add("--out", default=str(RESULTS / "gpu"), help="the folder for the figures")
    add(
        "--peers", nargs="+", choices=GPU_PEERS, default=list(GPU_PEERS), metavar="PEER"
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    call = Call(parse(argv))
    if call.options.simulate:
        os.environ[SIMULATE] = "1"
        call.options.seconds = 0.0
    report = run(call)
    print(json.dumps(_rounded(report), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
