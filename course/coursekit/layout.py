"""Lesson 01's pictures: how a tensor lies in memory, and how broadcasting stretches it.

Both are read from the learner's own tensors: their strides, and their real addresses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.viz import Figure

from .drawings import INK, svg, words
from .rounding import as_array, rounded

SIDE, GAP = 46, 40
OWN, COPY = "#FFFFFF", "#E0E0E0"


def card(t: Tensor) -> str:
    """Shape, dtype and strides of `t` in one line."""
    return f"shape {t.shape}, {t.dtype}, strides {t.stride()}"


def places(t: Tensor, memory: Tensor) -> np.ndarray:
    """For each entry of `t`, its place in `memory`, or -1 if it lies elsewhere."""
    array, home = as_array(t), as_array(memory)
    if not np.shares_memory(array, home):
        return np.full(array.shape, -1)
    start = (t.data_ptr() - memory.data_ptr()) // array.itemsize
    steps = [
        index.reshape([-1 if i == axis else 1 for i in range(array.ndim)]) * step
        for axis, (index, step) in enumerate(zip(map(np.arange, t.shape), t.stride()))
    ]
    return sum(steps, np.full(array.shape, start))


def memory_card(memory: Tensor, **tensors: Tensor) -> Figure:
    """The row of numbers in `memory`, and matrices with the place of each entry in it."""
    cells = as_array(memory).ravel()
    drawn = [words(16, 22, "the memory: one row of numbers", 14, anchor="start")]
    numbers = np.arange(cells.size).reshape(1, -1)
    drawn += _grid(16, 34, cells.reshape(1, -1), lambda i, j: f"at {numbers[i, j]}")
    rows, top, width = [], 34.0 + SIDE + 48, 32.0 + SIDE * cells.size
    for name, t in tensors.items():
        where = places(t, memory)
        line = f"{name}: {card(t)}"
        drawn.append(words(16, top - 12, line, 14, anchor="start"))
        drawn += _grid(16, top, as_array(t), partial(_place_in, where))
        rows.append(line + "".join(f"\n  {_row(values)}" for values in where))
        top += SIDE * t.shape[0] + 48
        width = max(width, 32 + SIDE * t.shape[1], 24 + 7.4 * len(line))
    alt = f"One row of {cells.size} numbers in memory, and how {len(rows)} tensors read it."
    caption = "Under each number is its place in the memory."
    text = "\n".join([f"the memory: {rounded(cells)}", *rows])
    return Figure(svg(width, top - 24, drawn), alt, caption, text)


def _place(number: int) -> str:
    return f"at {number}" if number >= 0 else "own"


def _place_in(where: np.ndarray, i: int, j: int) -> str:
    return _place(where[i, j])


def _row(numbers: np.ndarray) -> str:
    return "  ".join(map(_place, numbers.tolist()))


def broadcasting(sign: str = "+", **two: Any) -> Figure:
    """Two named arrays and their sum or product, both stretched to one shape.

    What is only repeated is grey.
    """
    (left, a), (right, b) = ((name, as_array(array)) for name, array in two.items())
    total = {"+": np.add, "*": np.multiply}[sign](a, b)
    formula = f"{left} {sign} {right}"
    drawn, rows, x = [], [], 16.0
    terms = ((left, a, sign), (right, b, "="), (formula, total, ""))
    for name, array, mark in terms:
        wide, own = np.broadcast_to(array, total.shape), _own(array, total.shape)
        line = f"{name} {array.shape}"
        drawn.append(words(x, 22, line, 14, anchor="start"))
        drawn += _grid(x, 34, wide, lambda i, j: "", own)
        x += SIDE * total.shape[1] + GAP
        drawn.append(words(x - GAP / 2, 39 + SIDE * total.shape[0] / 2, mark, 18))
        rows.append(f"{line}: {rounded(array)}")
    alt = f"Shapes {a.shape} and {b.shape} are both stretched to {total.shape}: {formula}."
    caption = "Grey, dashed cells are repeated, not stored."
    return Figure(
        svg(x, 46 + SIDE * total.shape[0], drawn), alt, caption, "\n".join(rows)
    )


def _own(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """True where a stretched array has its own entries, False where it repeats them."""
    own = np.zeros(shape, bool)
    own[tuple(slice(n) for n in (1,) * (len(shape) - array.ndim) + array.shape)] = True
    return own


def _grid(
    x: float,
    y: float,
    values: np.ndarray,
    note: Callable[[int, int], str],
    own: np.ndarray | None = None,
) -> list[str]:
    """A matrix as cells, each with its value and a note under it."""
    drawn = []
    for i, j in np.ndindex(values.shape):
        there = own is None or own[i, j]
        look = f'fill="{OWN}"' if there else f'fill="{COPY}" stroke-dasharray="4 3"'
        left, top, below = x + SIDE * j, y + SIDE * i, note(i, j)
        drawn.append(
            f'<rect x="{left:.0f}" y="{top:.0f}" width="{SIDE}" height="{SIDE}" '
            f'stroke="{INK}" {look}/>'
        )
        middle = left + SIDE / 2
        drawn.append(
            words(middle, top + (22 if below else 28), rounded(values[i, j]), 14)
        )
        drawn += [words(middle, top + 39, below, 11)] if below else []
    return drawn
