"""`python -m benchmarks`: measure, print the table, and with --save keep it."""

from __future__ import annotations

import argparse
import sys

from benchmarks import report as reports
from benchmarks.cases import CASES, IMPORT
from benchmarks.harness import FULL, QUICK, measure, measure_imports, started
from benchmarks.peers import PEERS, REFERENCE


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough look in seconds")
    parser.add_argument(
        "--cases", nargs="+", default=[""], metavar="TEXT", help="whose name has TEXT"
    )
    parser.add_argument(
        "--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER",
        help=f"of {', '.join(PEERS)}; {REFERENCE} is always there",
    )  # fmt: skip
    parser.add_argument(
        "--save", action="store_true", help="write results/ and the table in README.md"
    )
    options = parser.parse_args(argv)
    if options.save and (options.quick or options.cases != [""]):
        parser.error("what is saved is measured in full: not with --quick or --cases")
    return options


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    effort = QUICK if options.quick else FULL
    wanted = {REFERENCE, *options.peers}
    peers = [name for name in PEERS if name in wanted and PEERS[name].installed]

    def chosen(name: str) -> bool:
        return any(text in name for text in options.cases)

    report = reports.describe(peers, effort) | {"cases": {}}
    if report["load"] > 0.5:
        busy = (
            f"other programs keep {report['load']:.1f} CPUs busy: distrust what follows"
        )
        print(busy, file=sys.stderr)
    with started(peers) as runners:
        for case in filter(lambda case: chosen(case.name), CASES):
            print(f"{case.name} ...", file=sys.stderr, flush=True)
            rows = measure(case, runners, effort)
            report["cases"][case.name] = {"unit": case.unit, "peers": rows}
    if chosen(IMPORT):
        print(f"{IMPORT} ...", file=sys.stderr, flush=True)
        rows = measure_imports(peers, effort)
        report["cases"][IMPORT] = {"unit": "ms", "peers": rows}
    print(reports.table(report))
    if options.save:
        print(f"\nwritten: {reports.save(report).relative_to(reports.HERE.parent)}")
        reports.update_readme(reports.newest() or report)
    refused = [r for c in report["cases"].values() for r in c["peers"].values()]
    return any("refused" in row for row in refused)


if __name__ == "__main__":
    sys.exit(main())
