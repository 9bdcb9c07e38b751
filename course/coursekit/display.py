"""Show anything through the one accessible figure, and text without JavaScript."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from html import escape
from typing import Any

from minigrad import viz
from minigrad.viz import Diagram, Figure

__tracebackhide__ = True  # pictures use the names of the learner's frames, not ours


def figure(
    thing: Any,
    alt: str | None = None,
    caption: str | None = None,
    text: str | None = None,
) -> Figure:
    """A `Figure` of a tensor, graph, program, diagram, Matplotlib chart or SVG text."""
    if isinstance(thing, Figure):
        return thing
    if isinstance(thing, Diagram):
        return thing.figure(alt, caption)
    if hasattr(thing, "savefig"):
        return viz.chart(thing, alt or "", caption or "", text)
    if isinstance(thing, str):
        return Figure(thing, alt or "", caption or "", text or "")
    return viz.show(thing, alt, caption)


def show(
    thing: Any,
    alt: str | None = None,
    caption: str | None = None,
    text: str | None = None,
) -> None:
    """Display `figure(...)`. Returns None, so that a last line shows it once."""
    display(figure(thing, alt, caption, text))


def marked(text: str) -> str:
    """Plain text as HTML, with `code` between backticks."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


@dataclass(frozen=True, repr=False)
class Note:
    """A message with a plain and a rich form."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def display(thing: Any) -> None:
    """In a notebook the rich form; elsewhere the text."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        ipython.display.display(thing)
    else:
        print(thing)
