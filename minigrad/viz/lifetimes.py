"""The memory plan as a picture: a row for each piece of memory, a bar for each value.

Where bars follow each other in one row, memory is used again.
"""

from __future__ import annotations

import itertools
from typing import Any

from ..errors import MissingPackageError
from ..static.plan import Plan
from ..static.steps import Lifetime, lifetimes, memory_of
from .chart import OKABE_ITO, chart, new_chart
from .figure import Figure

HATCHES = ("", "//", "..", "xx", "\\\\", "++")  # neighbours differ without colour
ROWS = 40  # rows that a chart can show; the listing has all


def plan_figure(
    plan: Plan, alt: str | None = None, caption: str | None = None
) -> Figure:
    """How long each value of a plan lives, and where."""
    rows = _rows(plan)
    text = _listing(plan, rows)
    memory = _memory(plan)
    words = alt or (
        f"Chart of {len(plan.steps)} steps and {len(rows)} places in memory, each with a "
        f"bar from the step that makes a value to its last reader. {memory}"
    )
    caption = memory if caption is None else caption
    try:
        drawing = _draw(plan, rows)
    except MissingPackageError as missing:
        return Figure(None, words, caption, text, missing=str(missing))
    return chart(drawing, words, caption, text)


def _rows(plan: Plan) -> dict[str, list[Lifetime]]:
    """Values by place; memory that is new in each call is shared with nobody."""
    rows: dict[str, list[Lifetime]] = {}
    number = itertools.count()
    for value in lifetimes(plan):
        fresh = value.place == "new memory"
        place = f"result {next(number)}" if fresh else value.place
        rows.setdefault(place, []).append(value)
    return rows


def _memory(plan: Plan) -> str:
    memory = memory_of(plan)
    return (
        f"A result for every node: {memory['bytes_naive']:,} bytes; "
        f"for every step: {memory['bytes_fused']:,}; "
        f"buffers as planned: {memory['bytes_planned']:,}."
    )


def _listing(plan: Plan, rows: dict[str, list[Lifetime]]) -> str:
    width = max(map(len, rows), default=0)
    end = len(plan.steps)
    lines = [f"memory over {end} steps. {_memory(plan)}"]
    for place, values in rows.items():
        spans = ", ".join(
            f"{v.name} {v.bytes:,} B, {v.first} to {'the end' if v.last == end else v.last}"
            for v in values
        )
        lines.append(f"  {place:<{width}}  {spans}")
    return "\n".join(lines)


def _draw(plan: Plan, rows: dict[str, list[Lifetime]]) -> Any:
    shown = list(rows.items())[:ROWS]
    drawing, axes = new_chart(size=(7.2, 1.2 + 0.34 * len(shown)))
    for y, (_, values) in enumerate(shown):
        for i, value in enumerate(values):
            length = max(value.last - value.first, 0.25)
            axes.barh(
                y,
                length,
                left=value.first,
                color=OKABE_ITO[i % 6],
                hatch=HATCHES[i % 6],
                edgecolor="black",
                height=0.7,
            )
            axes.text(
                value.first + length / 2,
                y,
                value.name.split("#")[0],
                ha="center",
                va="center",
                fontsize=7,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )
    axes.set_yticks(range(len(shown)), [place for place, _ in shown])
    axes.set_xlim(0, len(plan.steps) + 0.25)
    axes.set_xlabel("step")
    axes.invert_yaxis()
    return drawing
