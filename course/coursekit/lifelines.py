"""How long values live: a row for each value, coloured by the memory that it lies in.

Written as SVG here, so that it is the same everywhere and stays compared. The number in
each bar says what its colour says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigrad.viz import Figure

from .drawings import INK, svg, words

FILLS = (
    "#E69F00", "#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#D55E00", "#BBBBBB", "#FFFFFF",
)  # fmt: skip
STEP, WIDEST, ROW, LEFT, TOP = 26, 620, 24, 96, 16


def lifelines(
    lives: Iterable[tuple[str, Any, int, int]], alt: str, caption: str = ""
) -> Figure:
    """Bars from the step that makes a value to the last one that reads it.

    `lives` holds `(name, box, first, last)`; values in one box share its memory. A box
    that is None is memory of the value's own.
    """
    rows = list(lives)
    end = max(last for *_, last in rows)
    wide, apart = min(STEP, WIDEST / end), 2 if end < 24 else 8
    boxes = list(dict.fromkeys(box for _, box, *_ in rows if box is not None))
    parts, bottom = [], TOP + ROW * len(rows)
    for step in range(end + 1):
        x = round(LEFT + wide * step)
        parts.append(
            f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" stroke="#DDDDDD"/>'
        )
        if step % apart == 0:
            parts.append(words(x, bottom + 18, str(step), 12))
    for row, (name, box, first, last) in enumerate(rows):
        fill = "#FFFFFF" if box is None else FILLS[boxes.index(box) % len(FILLS)]
        left, y, width = (
            LEFT + wide * first,
            TOP + ROW * row,
            wide * max(last - first, 0.5),
        )
        parts.append(
            f'<rect x="{left:.0f}" y="{y + 3}" width="{width:.0f}" height="{ROW - 6}" '
            f'fill="{fill}" stroke="{INK}"/>'
        )
        label = "own" if box is None else str(box)
        parts.append(words(left + width / 2, y + 16, label, 12))
        parts.append(words(LEFT / 2 - 4, y + 16, name, 12))
    parts.append(words(LEFT + wide * end / 2, bottom + 38, "step", 13))
    return Figure(
        svg(LEFT + wide * end + 24, bottom + 52, parts), alt, caption, _listing(rows)
    )


def _listing(rows: list[tuple[str, Any, int, int]]) -> str:
    width = max(len(name) for name, *_ in rows)
    return "\n".join(
        f"{name:<{width}}  {'own memory' if box is None else f'box {box}'}, "
        f"from step {first} to {last}"
        for name, box, first, last in rows
    )


def boxes_of(program: Any) -> list[tuple[str, int | None, int, int]]:
    """The lives of a program's values, as `lifelines` wants them."""
    return [
        (
            life.name,
            int(life.place.split()[1]) if life.place.startswith("buffer") else None,
            life.first,
            life.last,
        )
        for life in program.lifetimes
    ]
