"""How far one has come: kept on this machine, and only if one asks for it."""

from __future__ import annotations

import json

from . import paths
from .claims import write_atomically
from .display import Note, display

FILE = "progress.json"


def note(id: str) -> None:
    """Exercise or question `id` was answered rightly; forgotten unless one opted in."""
    done = _done()
    if done is not None and id not in done:
        _keep([*done, id])


def progress(keep: bool | None = None) -> None:
    """Show what is solved, lesson by lesson.

    `progress(True)` begins to keep it, in `course/.state/progress.json` and nowhere
    else; `progress(False)` deletes that file.
    """
    if keep is False:
        (paths.state() / FILE).unlink(missing_ok=True)
    elif keep and _done() is None:
        _keep([])
    done = _done()
    if done is None:
        print("Nothing is kept. progress(True) keeps what you solve, on this machine.")
    else:
        display(_bars(done))


def _bars(done: list[str]) -> Note:
    from .exercises import lessons

    rows, html = [], []
    for lesson, ids in lessons().items():
        solved = sum(id in done for id in ids)
        bar = "#" * solved + "." * (len(ids) - solved)
        rows.append(f"{lesson}  {bar}  {solved} of {len(ids)}")
        html.append(
            f'<tr><th scope="row">{lesson}</th><td><meter aria-label="lesson {lesson}" '
            f'max="{len(ids)}" value="{solved}">{bar}</meter></td>'
            f"<td>{solved} of {len(ids)}</td></tr>"
        )
    head = "<tr><th>Lesson</th><th>Solved</th><th>Exercises and questions</th></tr>"
    return Note("\n".join(rows), f"<table>{head}{''.join(html)}</table>")


def _done() -> list[str] | None:
    path = paths.state() / FILE
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def _keep(done: list[str]) -> None:
    write_atomically(paths.state() / FILE, json.dumps(done, indent=1) + "\n")
