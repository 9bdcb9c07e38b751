"""The same program in several libraries, side by side.

`peers/08_net.torch.py` is a program in PyTorch's words. Under minigrad the same text runs
with another first line, live. Other files of that name, `08_net.static.py` and so on, give
further columns. What another library printed is not run again but read from `recorded/`,
with its version and the day it was made, so that a lesson reads the same where that
library is missing. `python -m coursekit record-peers` runs every program anew wherever its
library is installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import paths
from .display import Note, display

# Peers that are recorded: file ending -> (name, package, how it tells its version).
RECORDED = {
    "torch": ("PyTorch", "torch", "import torch; print(torch.__version__)"),
    "tf1": (
        "TensorFlow (version 1 style)",
        "tensorflow",
        "import tensorflow as tf; print(tf.__version__)",
    ),
    "tf2": (
        "TensorFlow",
        "tensorflow",
        "import tensorflow as tf; print(tf.__version__)",
    ),
    "jax": ("JAX", "jax", "import jax; print(jax.__version__)"),
}
# Peers that run live: file ending -> column title.
LIVE = {"static": "minigrad, graph"}
TORCH_LINE, MINIGRAD_LINE = "import torch\n", "import minigrad as torch\n"


@dataclass(frozen=True)
class Column:
    """One library's program and what it printed."""

    title: str
    program: str
    output: str


def side_by_side(name: str) -> None:
    """Show program `name` in minigrad, run just now, beside its recorded peers."""
    columns = columns_of(name)
    rows = [f"== {c.title} ==\n{c.program}-- prints --\n{c.output}" for c in columns]
    display(Note("\n".join(rows), _table(columns)))


def columns_of(name: str) -> list[Column]:
    """minigrad on the tape, its other forms, then every recorded library."""
    program = _program(name, "torch")
    under_minigrad = program.replace(TORCH_LINE, MINIGRAD_LINE)
    if under_minigrad == program:
        raise ValueError(f"peers/{name}.torch.py: there is no line 'import torch'")
    columns = [Column("minigrad, tape (run now)", under_minigrad, run(under_minigrad))]
    for peer, title in LIVE.items():
        if (paths.course() / "peers" / f"{name}.{peer}.py").exists():
            text = _program(name, peer)
            columns.append(Column(f"{title} (run now)", text, run(text)))
    for peer in RECORDED:
        if (paths.course() / "peers" / f"{name}.{peer}.py").exists():
            columns.append(_recorded_column(name, peer))
    return columns


def _program(name: str, peer: str) -> str:
    path = paths.course() / "peers" / f"{name}.{peer}.py"
    return path.read_text(encoding="utf-8")


def _recorded_column(name: str, peer: str) -> Column:
    record = load_record(name, peer)
    title = f"{record['library']} (recorded {record['date']})"
    return Column(title, _program(name, peer), record["output"])


def load_record(name: str, peer: str) -> dict[str, Any]:
    """What `record` wrote; `LookupError` if the program has changed since."""
    path = paths.course() / "recorded" / f"{name}.{peer}.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["program"] != digest(_program(name, peer)):
        raise LookupError(f"recorded/{path.name}: python -m coursekit record-peers")
    return record


def digest(program: str) -> str:
    return hashlib.sha256(program.encode()).hexdigest()


def run(program: str) -> str:
    """What the program prints, run here under names of its own."""
    printed: list[str] = []

    def note(*values: Any) -> None:
        printed.append(" ".join(map(str, values)) + "\n")

    exec(compile(program, "<side by side>", "exec"), {"print": note})
    return "".join(printed)


def record() -> list[str]:
    """Run the programs of every installed library; the names of the files written."""
    written = []
    for path in sorted((paths.course() / "peers").glob("*.py")):
        name, peer = path.stem.split(".")
        if peer in RECORDED and importlib.util.find_spec(RECORDED[peer][1]):
            target = paths.course() / "recorded" / f"{name}.{peer}.json"
            target.parent.mkdir(exist_ok=True)
            text = json.dumps(_run_peer(path, peer), indent=1) + "\n"
            target.write_text(text, encoding="utf-8")
            written.append(target.name)
    return written


def _run_peer(path: Path, peer: str) -> dict[str, str]:
    title, _, ask = RECORDED[peer]
    version, _, build = _python("-c", ask).strip().partition("+")
    return {
        "library": f"{title} {version}" + (f" ({build.upper()})" if build else ""),
        "date": date.today().isoformat(),
        "program": digest(path.read_text(encoding="utf-8")),
        "output": _python(str(path)),
    }


def _python(*arguments: str) -> str:
    """What a Python of its own prints, so that no library meets another."""
    done = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def _table(columns: list[Column]) -> str:
    """One column a library, at most three abreast, so that lines of code stay whole."""
    n, rows = len(columns), -(-len(columns) // 3)
    cuts = [row * n // rows for row in range(rows + 1)]
    return "".join(_abreast(columns[i:j]) for i, j in pairwise(cuts))


def _abreast(columns: list[Column]) -> str:
    """Lines of code never wrap: what is too wide scrolls, by keyboard too."""
    cell = 'style="text-align: left; vertical-align: top"'
    pre = '<pre style="white-space: pre; background: none">'  # the theme's own colours
    heads = "".join(f'<th scope="col" {cell}>{escape(c.title)}</th>' for c in columns)
    texts = "".join(f"<td {cell}>{pre}{escape(c.program)}</pre></td>" for c in columns)
    prints = "".join(f"<td {cell}>{pre}{escape(c.output)}</pre></td>" for c in columns)
    return (
        '<div style="overflow-x: auto" tabindex="0" role="group" '
        'aria-label="the programs side by side, and what they print">'
        f"<table><thead><tr>{heads}</tr></thead>"
        f"<tbody><tr>{texts}</tr><tr>{prints}</tr></tbody></table></div>"
    )
