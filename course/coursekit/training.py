"""Watch a training run: a bar while it goes on, and its curves as they grow.

Where notebooks are built or tested nobody watches. There only the finished curves are
shown, which are what is stored and compared.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from html import escape
from typing import Any

from minigrad.viz import Figure

from .display import Note, display
from .drawings import curves

# The first is set by `coursekit.build`, the second by pytest, nbval's too.
UNWATCHED = ("COURSEKIT_UNWATCHED", "PYTEST_CURRENT_TEST")


class Training:
    """Goes through the rounds of a training run; see `training`."""

    def __init__(self, rounds: int, alt: str, caption: str, axes: dict) -> None:
        self.rounds, self.alt, self.caption, self.axes = rounds, alt, caption, axes
        self.noted: dict[str, list[float]] = {}

    def note(self, name: str, value: float) -> None:
        """One number of this round, for the curve called `name`."""
        self.noted.setdefault(name, []).append(float(value))

    def figure(self) -> Figure:
        """The curves so far, on axes that have room for all rounds."""
        count = max(map(len, self.noted.values()))
        ticks = range(1, self.rounds + 1, -(-self.rounds // 10))
        axes = {"xlabel": "round", "xlim": (1, self.rounds), "xticks": ticks}
        xs = range(1, count + 1)
        return curves(xs, self.noted, self.alt, self.caption, **axes | self.axes)

    def __iter__(self) -> Iterator[int]:
        if not is_watched():
            yield from range(self.rounds)
            display(self.figure())
            return
        from IPython.display import display as place
        from tqdm import tqdm

        bar = tqdm(range(self.rounds), file=io.StringIO())  # shown with the curves
        shown = place(Note(str(bar), f"<pre>{bar}</pre>"), display_id=True)
        for number in bar:
            yield number
            drawn = self.figure()._repr_html_()
            shown.update(Note(str(bar), f"<pre>{escape(str(bar))}</pre>{drawn}"))
        shown.update(self.figure())


def training(rounds: int, alt: str, caption: str = "", **axes: Any) -> Training:
    """`range(rounds)` that draws what is noted in each round: `run.note("loss", x)`."""
    return Training(rounds, alt, caption, axes)


def is_watched() -> bool:
    """Is there somebody in front of a notebook?"""
    ipython = sys.modules.get("IPython")
    if ipython is None or ipython.get_ipython() is None:
        return False
    return not any(name in os.environ for name in UNWATCHED)
