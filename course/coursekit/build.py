"""Build the notebooks: `python -m coursekit.build [--check] [NN ...]`.

One text file a lesson, `source/NN_name.py` in jupytext's percent format, is the source
of truth. Each gives two notebooks, executed and committed:

- `notebooks/NN_name.ipynb` has the cells tagged `exercise`, without their solutions;
- `solutions/NN_name.ipynb` has the cell tagged `solution` that follows each instead.

`--check` builds again and fails where anything but a chart's pixels differs.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from . import paths

METADATA = {
    "kernelspec": {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    },
    "language_info": {"name": "python"},
}
VARIANTS = ("notebooks", "solutions")
CELL_SECONDS = 60
IGNORED = "nbval-ignore-output"
UNWATCHED = "COURSEKIT_UNWATCHED"  # no bars and live curves among the outputs


def assemble(source: Path, variant: str) -> NotebookNode:
    """The notebook that `source` describes, not yet executed."""
    cells = jupytext.read(source, fmt="py:percent").cells
    notebook = nbformat.v4.new_notebook(metadata=copy.deepcopy(METADATA))
    for cell in cells:
        tags = cell.metadata.get("tags", [])
        if "solution" not in tags:
            notebook.cells.append(_clean(cell, tags))
        elif not _follows_an_exercise(notebook):
            raise ValueError(f"{source.name}: a solution without its exercise cell")
        elif variant == "solutions":
            exercise = notebook.cells[-1]
            notebook.cells[-1] = _clean(cell, tags)
            notebook.cells[-1].id = exercise.id
    _identify(notebook)
    return notebook


def _clean(cell: NotebookNode, tags: list[str]) -> NotebookNode:
    """The cell with nothing but its source, tags and name; the name becomes its id."""
    make = getattr(nbformat.v4, f"new_{cell.cell_type}_cell")
    new = make(cell.source, metadata={"tags": tags} if tags else {})
    new.id = cell.metadata.get("title") or cell.source.partition("\n")[0]
    return new


def _follows_an_exercise(notebook: NotebookNode) -> bool:
    last = notebook.cells[-1] if notebook.cells else None
    return last is not None and "exercise" in last.metadata.get("tags", [])


def _identify(notebook: NotebookNode) -> None:
    """Give each cell an id that says what it is and survives edits of other cells."""
    taken: set[str] = set()
    for cell in notebook.cells:
        slug = re.sub(r"[^a-z0-9]+", "-", cell.id.lower()).strip("-")[:40] or "cell"
        number = 1
        while (name := slug if number == 1 else f"{slug}-{number}") in taken:
            number += 1
        taken.add(name)
        cell.id = name


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run every cell in a fresh kernel inside `folder` and strip what varies."""
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        coalesce_streams=True,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**os.environ, "PYTHONHASHSEED": "0", UNWATCHED: "1"})
    notebook.metadata = copy.deepcopy(nbformat.from_dict(METADATA))
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = {}
    return notebook


def text_of(notebook: NotebookNode) -> str:
    """The file's text, the same for the same notebook."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4)


def comparable(notebook: NotebookNode) -> dict:
    """The notebook without what may differ: chart pixels, outputs tagged as ignored."""
    plain = json.loads(text_of(notebook))
    for cell in plain["cells"]:
        if IGNORED in cell["metadata"].get("tags", []):
            cell["outputs"] = []
    rules = (paths.course() / "nbval_sanitize.cfg").read_text(encoding="utf-8")
    return _mask(
        plain, re.findall(r"^regex: (.*)\nreplace: (.*)$", rules, re.MULTILINE)
    )


def _mask(value: Any, rules: list[tuple[str, str]]) -> Any:
    """Apply to every string what nbval applies to it, from the same file."""
    if isinstance(value, dict):
        return {key: _mask(item, rules) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, rules) for item in value]
    if isinstance(value, str):
        for pattern, replacement in rules:
            value = re.sub(pattern, replacement, value)
    return value


def sources(course: Path, numbers: list[str]) -> list[Path]:
    """The lessons asked for, or all of them."""
    found = sorted((course / "source").glob("[0-9][0-9]_*.py"))
    return [path for path in found if not numbers or path.name[:2] in numbers]


def rebuild(course: Path, numbers: list[str]) -> Iterator[tuple[Path, NotebookNode]]:
    """Each target path with its notebook, executed just now."""
    for source in sources(course, numbers):
        for variant in VARIANTS:
            target = course / variant / f"{source.stem}.ipynb"
            target.parent.mkdir(exist_ok=True)
            print(f"running {target.relative_to(course)}", file=sys.stderr)
            yield target, execute(assemble(source, variant), target.parent)


def write(course: Path, numbers: list[str]) -> None:
    """Write what was rebuilt."""
    for target, notebook in rebuild(course, numbers):
        target.write_text(text_of(notebook), encoding="utf-8")


def differences(course: Path, numbers: list[str]) -> list[str]:
    """Which cells of the committed notebooks a rebuild would change."""
    found = []
    for target, notebook in rebuild(course, numbers):
        name = target.relative_to(course)
        if not target.exists():
            found.append(f"{name} is not built")
            continue
        old, new = comparable(nbformat.read(target, as_version=4)), comparable(notebook)
        ids = [[cell["id"] for cell in book["cells"]] for book in (old, new)]
        if ids[0] != ids[1]:
            found.append(f"{name}: other cells")
        elif old != new:
            pairs = zip(old["cells"], new["cells"])
            changed = [one["id"] for one, other in pairs if one != other]
            found.append(f"{name}: {', '.join(changed) or 'metadata'}")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m coursekit.build")
    parser.add_argument("numbers", nargs="*", metavar="NN", help="only these lessons")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args(arguments)
    course = paths.course()
    if not options.check:
        write(course, options.numbers)
        return 0
    with tempfile.TemporaryDirectory() as state:
        os.environ["COURSEKIT_STATE"] = state  # a check leaves no verdicts behind
        found = differences(course, options.numbers)
    print("\n".join(found) if found else "the notebooks are what their sources say")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
