"""Questions with an explanation for every option, right or wrong.

Plain HTML and a second call: it works where scripts do not run, and reads the same in a
terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from .display import Note, display, marked
from .progress import note


@dataclass(frozen=True)
class Question:
    """`options` maps a letter to (what it says, why it is right or wrong)."""

    id: str
    text: str
    options: dict[str, tuple[str, str]]
    right: str


def quiz(id: str, answer: Any = ...) -> None:
    """Ask question `id`; with a letter, explain that option."""
    from .exercises import question

    asked = question(id)
    if str(answer).strip().lower() == asked.right:
        note(id)
    display(_ask(asked) if answer in (..., None) else _explain(asked, answer))


def _ask(asked: Question) -> Note:
    first = next(iter(asked.options))
    call = f'quiz("{asked.id}", "{first}")'
    rows = [f"  {letter}) {says}" for letter, (says, _) in asked.options.items()]
    text = "\n".join([f"{asked.id}  {asked.text}", *rows, f"Answer with {call}."])
    items = "".join(
        f"<li>{letter}) {marked(says)}</li>"
        for letter, (says, _) in asked.options.items()
    )
    html = (
        f"<p><strong>{asked.id}</strong> {marked(asked.text)}</p>"
        f'<ul style="list-style-type: none">{items}</ul>'
        f"<p>Answer with <code>{escape(call)}</code>.</p>"
    )
    return Note(text, html)


def _explain(asked: Question, answer: Any) -> Note:
    letter = str(answer).strip().lower()
    if letter not in asked.options:
        text = f"{asked.id}: choose one of {', '.join(asked.options)}."
        return Note(text, f"<p>{escape(text)}</p>")
    says, why = asked.options[letter]
    verdict = "right" if letter == asked.right else "not so"
    html = (
        f"<p><strong>{asked.id}</strong> {letter}) {marked(says)}</p>"
        f"<p><strong>{verdict.capitalize()}.</strong> {marked(why)}</p>"
    )
    return Note(f"{asked.id}  {letter}) {says}\n{verdict.capitalize()}. {why}", html)
