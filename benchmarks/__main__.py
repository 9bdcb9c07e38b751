"""`python -m benchmarks`: measure, print the table, and with --save keep it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator

from benchmarks import report as reports
from benchmarks.cases import CASES, FIRST, IMPORT, MEMORY
from benchmarks.harness import (
    FULL,
    QUICK,
    Effort,
    measure,
    measure_first_calls,
    measure_imports,
    measure_once,
    started,
)
from benchmarks.peers import PEERS, REFERENCE


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough look in seconds")
    parser.add_argument("--rounds", type=int, default=FULL.rounds, help="of turns")
    parser.add_argument(
        "--seconds", type=float, default=FULL.seconds, help="that each turn lasts"
    )
    parser.add_argument(
        "--limit", type=float, default=FULL.limit, metavar="SECONDS",
        help="that a peer may take for an answer, or it is refused",
    )  # fmt: skip
    parser.add_argument(
        "--cases", nargs="+", default=[""], metavar="TEXT", help="whose name has TEXT"
    )
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER",
        help=f"of {', '.join(PEERS)}; {REFERENCE} is always there",
    )  # fmt: skip
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="for every library, and not the default",
    )
    parser.add_argument(
        "--save", action="store_true", help="write results/ and the tables made of them"
    )
    parser.add_argument(
        "--readme", action="store_true",
        help="measure nothing: make the tables anew from the newest in results/",
    )  # fmt: skip
    options = parser.parse_args(argv)
    if options.save and (options.quick or options.cases != [""]):
        parser.error("what is saved is measured in full: not with --quick or --cases")
    return options


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def figures(texts: list[str], peers: list[str], effort: Effort) -> Iterator[tuple]:
    """Name, unit and rows of every case that is asked for; are they no ratios?"""

    began = time.monotonic()

    def chosen(name: str) -> bool:
        if any(text in name for text in texts):
            say(f"{time.monotonic() - began:4.0f} s  {name} ...")
            return True
        return False

    with started(peers, effort.limit) as runners:
        for case in CASES:
            if chosen(case.name):
                yield case.name, case.unit, measure(case, runners, effort), False
    for name, case in MEMORY.items():
        if chosen(name):
            yield name, "MiB", measure_once("peak", case, peers, effort.limit), True
    for name, case in FIRST.items():
        if chosen(name):
            cold, cached = measure_first_calls(case, peers, effort.limit)
            yield f"{name}, cold", "s", cold, True
            yield f"{name}, compiled before", "s", cached, True
    if chosen(IMPORT):
        yield IMPORT, "ms", measure_imports(peers, effort), True


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    if options.readme:
        reports.update_readmes(reports.newest())
        return 0
    chosen = Effort(options.rounds, options.seconds, options.limit)
    if options.threads:  # read by the libraries in processes that are yet to start
        os.environ.update(dict.fromkeys(reports.THREADS, str(options.threads)))
    effort = QUICK._replace(limit=options.limit) if options.quick else chosen
    wanted = {REFERENCE, *options.peers}
    peers = [name for name in PEERS if name in wanted and PEERS[name].installed]
    absent = ", ".join(PEERS[x].title for x in options.peers if x not in peers)
    if absent:
        say(f"not installed, so left out: {absent}")
    report = reports.describe(peers, effort) | {"cases": {}}
    if report["load"] > 0.5:
        say(
            f"other programs keep {report['load']:.1f} CPUs busy: distrust what follows"
        )
    for name, unit, rows, whole in figures(options.cases, peers, effort):
        report["cases"][name] = {"unit": unit, "peers": rows}
        if whole:
            report["cases"][name]["absolute"] = True
    print(reports.table(report))
    if options.save:
        print(f"\nwritten: {reports.save(report).relative_to(reports.HERE.parent)}")
        reports.update_readmes(reports.newest() or report)
    refused = [r for c in report["cases"].values() for r in c["peers"].values()]
    return any("refused" in row for row in refused)


if __name__ == "__main__":
    sys.exit(main())
