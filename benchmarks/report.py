"""What is kept: the figures with what they were measured on, and the table made of them."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from benchmarks.cases import NETS
from benchmarks.harness import Effort
from benchmarks.peers import PEERS, REFERENCE

HERE = Path(__file__).parent
RESULTS, README = HERE / "results", HERE / "README.md"
FRONT = HERE.parent / "README.md"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"


def describe(peers: list[str], effort: Effort) -> dict:
    """The circumstances: versions, processor, threads; nothing that names the machine."""
    packages = dict.fromkeys(PEERS[name].package for name in peers)
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu_model(),
        "cpus": cpu_count(),
        "load": load(),
        "threads": {n: os.environ[n] for n in THREADS if n in os.environ} or "default",
        "python": platform.python_version(),
        "versions": {p: version(p) for p in packages},
        "effort": effort._asdict(),
    }


def version(package: str) -> str:
    """Of the distribution that brings it, which may go by another name."""
    names = metadata.packages_distributions().get(package)
    return metadata.version(names[0]) if names else "(checkout)"


def cpu_count() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def load() -> float:
    """How many CPUs were busy in the last minute, before anything was measured."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


def cpu_model() -> str:
    """The processor's model and its widest vector unit, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    text = info.read_text()
    model = re.search(r"model name\s*:\s*(.+)", text)
    wide = next(
        (f for f in ("avx512f", "avx2", "avx", "asimd") if f" {f} " in text), ""
    )
    name = model[1].strip() if model else platform.machine()
    return f"{name}, {platform.machine()}, {wide.upper()}".rstrip(", ")


def save(report: dict, folder: Path = RESULTS) -> Path:
    """Write the figures, four digits each, as `<date>-<n>cpu.json`."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{report['date']}-{report['cpus']}cpu.json"
    path.write_text(json.dumps(_rounded(report), indent=1) + "\n")
    return path


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(x) for key, x in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def newest(folder: Path = RESULTS) -> dict | None:
    paths = sorted(folder.glob("*.json"))
    return json.loads(paths[-1].read_text()) if paths else None


# --- the table -----------------------------------------------------------------------------


def table(report: dict | None) -> str:
    """The figures as Markdown: ratios at a glance, then every figure."""
    if report is None:
        return "No figures yet: `python -m benchmarks --save`."
    parts = _circumstances(report), _ratios(report), _others(report), _all(report)
    return "\n\n".join(part for part in parts if part)


def _circumstances(report: dict) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
    threads = report["threads"]
    if isinstance(threads, dict):
        threads = ", ".join(f"{k}={v}" for k, v in threads.items())
    effort = Effort(**report["effort"])
    return (
        f"Measured {report['date']} on {report['cpus']} CPUs ({report['cpu']}), Python "
        f"{report['python']}, {versions}; threads: {threads}; float32; "
        f"{effort.rounds} rounds of {effort.seconds} s a turn."
    )


def _ratios(report: dict) -> str:
    """One row a case, one column a peer, in multiples of hand-written NumPy."""
    cases = [(n, c["peers"]) for n, c in report["cases"].items() if not _absolute(c)]
    return _glance("ratio to NumPy by hand", cases, _ratio)


def _others(report: dict) -> str:
    """What is better read as it was measured."""
    cases = [
        (f"{n}, {c['unit']}", c["peers"])
        for n, c in report["cases"].items()
        if _absolute(c)
    ]
    return _glance("other figures", cases, _figure) if cases else ""


def _absolute(case: dict) -> bool:
    return case.get("absolute", False)


def _glance(title: str, cases: list, show: Callable) -> str:
    peers = [n for n in PEERS if any(n in rows for _, rows in cases)]
    lines = [f"| {title} | " + " | ".join(PEERS[n].title for n in peers) + " |"]
    lines += ["|---|" + "---:|" * len(peers)]
    for name, rows in cases:
        cells = (show(rows.get(peer)) for peer in peers)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ratio(row: dict | None) -> str:
    if row is None or "refused" in row:
        return "-" if row is None else "refused"
    return f"{row['ratio']:.2f}" if "ratio" in row else ""


def _figure(row: dict | None) -> str:
    if row is None or "refused" in row:
        return "-" if row is None else "refused"
    return f"{row['best']:.3g}"


def front(report: dict | None) -> str:
    """The five nets in short: the best other library beside ours."""
    if report is None:
        return table(None)
    used: dict[str, None] = {}
    lines = [
        "| one training step | NumPy by hand | C by hand | best other library "
        "| minigrad native | static | eager |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in NETS:
        rows = report["cases"].get(name, {}).get("peers", {})
        others = [n for n in rows if PEERS[n].is_other and "ratio" in rows[n]]
        best = min(others, key=lambda n: rows[n]["ratio"], default=None)
        used |= {best: None} if best else {}
        cells = [
            _ratio(rows.get(n)) for n in (REFERENCE, "c", "native", "static", "eager")
        ]
        cells.insert(2, f"{_ratio(rows[best])} {PEERS[best].title}" if best else "-")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    packages = "minigrad", "numpy", *(PEERS[n].package for n in used)
    versions = ", ".join(
        f"{p} {report['versions'].get(p, '')}".rstrip() for p in dict.fromkeys(packages)
    )
    lines += [
        "",
        f"Time in multiples of hand-written NumPy, less is faster; measured {report['date']} "
        f"on {report['cpus']} CPUs ({report['cpu']}), Python {report['python']}, {versions}.",
    ]
    return "\n".join(lines)


def _all(report: dict) -> str:
    lines = [
        "| case | peer | best tenth | median | ratio | first step, ms |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, case in report["cases"].items():
        for peer, row in case["peers"].items():
            title = PEERS[peer].title
            if "refused" in row:
                lines.append(f"| {name} | {title} | refused: {row['refused']} | | | |")
                continue
            best, median = (f"{row[k]:.4g} {case['unit']}" for k in ("best", "median"))
            first = f"{row['first_ms']:.3g}" if "first_ms" in row else ""
            lines.append(
                f"| {name} | {title} | {best} | {median} | {_ratio(row)} | {first} |"
            )
    return "\n".join(lines)


def insert(text: str, generated: str) -> str:
    """`text` with what stands between the markers replaced."""
    before, _, rest = text.partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise ValueError(f"the text lacks the markers {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{generated}\n{END}{after}"


def update_readmes(report: dict | None) -> None:
    for path, text in ((README, table(report)), (FRONT, front(report))):
        path.write_text(insert(path.read_text(), text))
