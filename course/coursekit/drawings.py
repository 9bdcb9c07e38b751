"""Drawings that several lessons need: matrices to scale, small images, curves, bars.

Matrices and images are written as SVG here, so that they are the same everywhere and stay
compared; curves and bars go through Matplotlib in the house style.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from minigrad.viz import Figure, chart, new_chart

from .rounding import rounded

FONT = "Helvetica,Arial,sans-serif"
INK, FILL = "#000000", "#56B4E9"
Matrix = tuple[str, int, int]


def matrices(
    terms: Sequence[str | Matrix], alt: str, caption: str = "", scale: float = 0.24
) -> Figure:
    """A formula whose matrices, `(name, rows, columns)`, are drawn to one scale.

    The strings between them are signs such as "@" or words such as "clamp".
    """
    boxes = [t for t in terms if not isinstance(t, str)]
    height = max(scale * rows for _, rows, _ in boxes)
    parts, x, middle = [], 16.0, 16 + height / 2
    for term in terms:
        if isinstance(term, str):
            width = 12 + 8.0 * len(term)
            parts.append(words(x + width / 2, middle + 5, term, 15))
        else:
            parts.append(_matrix(term, scale, x, middle))
            width = _room(term, scale)
        x += width + 8
    text = "  ".join(t if isinstance(t, str) else f"{t[0]} {t[1:]}" for t in terms)
    return Figure(svg(x + 8, height + 72, parts), alt, caption, text)


def _room(term: Matrix, scale: float) -> float:
    """As wide as the matrix, or as the words under it."""
    return max(scale * term[2], 8.0 * len(str(term[1:])), 8.0 * len(term[0]))


def _matrix(term: Matrix, scale: float, x: float, middle: float) -> str:
    name, rows, columns = term
    width, height = max(scale * columns, 3), max(scale * rows, 3)
    centre, top = x + _room(term, scale) / 2, middle - height / 2
    return (
        f'<rect x="{centre - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" fill="{FILL}" stroke="{INK}"/>'
        + words(centre, top + height + 18, name, 14)
        + words(centre, top + height + 36, str((rows, columns)), 13)
    )


def gallery(
    images: Iterable[Any],
    titles: Sequence[str],
    alt: str,
    caption: str = "",
    columns: int = 3,
) -> Figure:
    """Small grey images (values 0 to 1, dark is 1), each with a title under it."""
    side, dot, parts = 96, 12, []
    for i, (image, title) in enumerate(zip(images, titles, strict=True)):
        x, y = 16 + i % columns * 136, 16 + i // columns * 136
        for row, column in np.argwhere(np.asarray(image) > 0).tolist():
            grey = f"{round(255 * (1 - float(image[row, column]))):02x}"
            parts.append(
                f'<rect x="{x + dot * column}" y="{y + dot * row}" width="{dot}" '
                f'height="{dot}" fill="#{3 * grey}"/>'
            )
        parts.append(
            f'<rect x="{x}" y="{y}" width="{side}" height="{side}" fill="none" '
            'stroke="#595959"/>' + words(x + side / 2, y + side + 20, title, 14)
        )
    rows = -(-len(titles) // columns)
    drawing = svg(136 * columns - 8, 136 * rows + 8, parts)
    return Figure(drawing, alt, caption, "\n".join(titles))


def words(x: float, y: float, text: str, size: int, anchor: str = "middle") -> str:
    """A line of text; `anchor` says which of its points stands at `x`."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="{FONT}" font-size="{size}" '
        f'text-anchor="{anchor}" fill="{INK}">{escape(text)}</text>'
    )


def svg(width: float, height: float, parts: list[str]) -> str:
    """On a white card, legible in dark themes as well."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>'
    )


def curves(
    x: Any,
    ys: Mapping[str, Any],
    alt: str,
    caption: str = "",
    text: str | None = None,
    **settings: Any,
) -> Figure:
    """Lines over one x, each with its label; `settings` are Matplotlib's for the axes.

    `text` stands in for the listing of the curves where their numbers vary.
    """
    drawing, axes = new_chart()
    for label, y in ys.items():
        axes.plot(x, y, label=label)
    axes.set(**settings)
    if len(ys) > 1:
        # Above the axes, where no curve runs; in one row where the figure is wide enough.
        wide = sum(len(label) + 6 for label in ys) > 64
        columns = -(-len(ys) // 2) if wide else len(ys)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=columns)
    return chart(drawing, alt, caption, text)


def bars(
    values: Mapping[str, float],
    alt: str,
    caption: str = "",
    text: str | None = None,
    **settings: Any,
) -> Figure:
    """A bar a label, from top to bottom; `settings` are Matplotlib's for the axes."""
    drawing, axes = new_chart(size=(6.4, 0.8 + 0.4 * len(values)))
    axes.barh(list(values), list(values.values()))
    axes.invert_yaxis()
    axes.set(**settings)
    listing = "\n".join(f"{label}: {rounded(v)}" for label, v in values.items())
    return chart(drawing, alt, caption, listing if text is None else text)
