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
NOW = "run now"
WIDE = 126  # letters of code on a page of 1,200 pixels
TORCH_LINE, MINIGRAD_LINE = "import torch\n", "import minigrad as torch\n"


@dataclass(frozen=True)
class Column:
    """One library's program and what it printed."""

    title: str
    when: str
    program: str
    output: str


def compare(name: str, live: bool = False) -> None:
    """Show program `name` in minigrad, run just now, beside its peers in other libraries.

    What those printed is read from the records; `live=True` runs them here instead, each
    where its library is installed.
    """
    columns = columns_of(name, live)
    rows = [
        f"== {c.title} ({c.when}) ==\n{c.program}-- prints --\n{c.output}"
        for c in columns
    ]
    display(Note("\n".join(rows), _table(columns)))


def columns_of(name: str, live: bool = False) -> list[Column]:
    """minigrad on the tape, its other forms, then every recorded library."""
    program = _program(name, "torch")
    under_minigrad = program.replace(TORCH_LINE, MINIGRAD_LINE)
    if under_minigrad == program:
        raise ValueError(f"peers/{name}.torch.py: there is no line 'import torch'")
    columns = [Column("minigrad, tape", NOW, under_minigrad, run(under_minigrad))]
    for peer, title in LIVE.items():
        if _path(name, peer).exists():
            text = _program(name, peer)
            columns.append(Column(title, NOW, text, run(text)))
    for peer in RECORDED:
        if _path(name, peer).exists():
            here = live and _is_installed(peer)
            columns.append((_live_column if here else _recorded_column)(name, peer))
    return columns


def _path(name: str, peer: str) -> Path:
    return paths.course() / "peers" / f"{name}.{peer}.py"


def _program(name: str, peer: str) -> str:
    return _path(name, peer).read_text(encoding="utf-8")


def _is_installed(peer: str) -> bool:
    return importlib.util.find_spec(RECORDED[peer][1]) is not None


def _live_column(name: str, peer: str) -> Column:
    program = _program(name, peer)
    return Column(_library(peer), NOW, program, _python(str(_path(name, peer))))


def _recorded_column(name: str, peer: str) -> Column:
    record = load_record(name, peer)
    when = f"recorded {record['date']}"
    return Column(record["library"], when, _program(name, peer), record["output"])


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
        if peer in RECORDED and _is_installed(peer):
            target = paths.course() / "recorded" / f"{name}.{peer}.json"
            target.parent.mkdir(exist_ok=True)
            text = json.dumps(_run_peer(path, peer), indent=1) + "\n"
            target.write_text(text, encoding="utf-8")
            written.append(target.name)
    return written


def _run_peer(path: Path, peer: str) -> dict[str, str]:
    return {
        "library": _library(peer),
        "date": date.today().isoformat(),
        "program": digest(path.read_text(encoding="utf-8")),
        "output": _python(str(path)),
    }


def _library(peer: str) -> str:
    """Its name and the version that is installed."""
    title, _, ask = RECORDED[peer]
    version, _, build = _python("-c", ask).strip().partition("+")
    return f"{title} {version}" + (f" ({build.upper()})" if build else "")


def _python(*arguments: str) -> str:
    """What a Python of its own prints, so that no library meets another."""
    done = subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout


def _table(columns: list[Column]) -> str:
    """In as few rows as a page of `WIDE` letters takes, so that lines of code stay whole."""
    n = len(columns)
    for rows in range(1, n + 1):
        cuts = [-(-row * n // rows) for row in range(rows + 1)]
        strips = [columns[i:j] for i, j in pairwise(cuts)]
        if max(map(_letters, strips)) <= WIDE:
            break
    return "".join(map(_abreast, strips))


def _letters(columns: list[Column]) -> int:
    """How many letters these columns need beside each other, with two for the gaps."""
    texts = [f"{c.title}\n{c.program}{c.output}" for c in columns]
    return sum(2 + max(map(len, text.splitlines())) for text in texts)


def _abreast(columns: list[Column]) -> str:
    """Lines of code never wrap: on a narrow page they scroll, by keyboard too."""
    cell = 'style="text-align: left; vertical-align: top"'
    pre = '<pre style="white-space: pre; background: none">'  # the theme's own colours
    heads = "".join(
        f'<th scope="col" {cell}>{escape(c.title)}<br>{escape(c.when)}</th>'
        for c in columns
    )
    texts = "".join(f"<td {cell}>{pre}{escape(c.program)}</pre></td>" for c in columns)
    prints = "".join(f"<td {cell}>{pre}{escape(c.output)}</pre></td>" for c in columns)
    return (
        '<div style="overflow-x: auto" tabindex="0" role="group" '
        'aria-label="the programs side by side, and what they print">'
        f"<table><thead><tr>{heads}</tr></thead>"
        f"<tbody><tr>{texts}</tr><tr>{prints}</tr></tbody></table></div>"
    )
