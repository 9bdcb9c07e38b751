"""Loops over elements: where values lie, and the nest of `for`s that visits them.

Broadcasting and views cost nothing here: an operand is a pointer with a stride for each
axis of the loop, 0 where it repeats. Axes that all operands walk alike become one loop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

COUNTERS = "ijklmnopqrstuvwxyz"
BLOCK = 4096  # elements that one accumulator of a long sum adds up
PARALLEL = 2_000_000  # operations from which a second thread pays for its waking up


class Operand(NamedTuple):
    """Elements in memory: a C pointer, and strides and offset counted in elements."""

    pointer: str
    strides: tuple[int, ...]
    offset: int = 0

    def at(self, counters: Sequence[str]) -> str:
        """The element where the loops stand."""
        return f"{self.pointer}[{self.position(counters)}]"

    def position(self, counters: Sequence[str]) -> str:
        terms = [
            counter if stride == 1 else f"{counter} * {stride}"
            for counter, stride in zip(counters, self.strides, strict=True)
            if stride
        ]
        if self.offset or not terms:
            terms.append(str(self.offset))
        return " + ".join(terms).replace("+ -", "- ")

    def over(self, shape: tuple[int, ...], ndim: int) -> Operand:
        """The operand, of the given shape, broadcast to `ndim` axes."""
        own = [0 if n == 1 else s for n, s in zip(shape, self.strides, strict=True)]
        missing = [0] * (ndim - len(shape))  # else there are axes of size 1 too many
        return self._replace(strides=(*missing, *own[max(0, len(own) - ndim) :]))


def operand(pointer: str, array: np.ndarray, base: np.ndarray) -> Operand:
    """How `array`, a view of what `base` shows, is reached from the pointer to `base`."""
    size = array.dtype.itemsize
    offset = (_address(array) - _address(base)) // size if array.size else 0
    return Operand(pointer, tuple(s // size for s in array.strides), offset)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def steps_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in C order."""
    return tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))


def collapse(
    shape: Sequence[int], operands: Sequence[Operand]
) -> tuple[list[int], list[Operand]]:
    """The same visits with as few loops as possible."""
    sizes: list[int] = []
    steps: list[list[int]] = []  # for each loop, a stride for each operand
    for axis, n in enumerate(shape):
        if n == 1:
            continue
        strides = [x.strides[axis] for x in operands]
        if sizes and all(o == s * n for o, s in zip(steps[-1], strides, strict=True)):
            sizes[-1] *= n
            steps[-1] = strides
        else:
            sizes.append(n)
            steps.append(strides)
    columns = list(zip(*steps)) if steps else [()] * len(operands)
    return sizes, [x._replace(strides=tuple(c)) for x, c in zip(operands, columns)]


def matrix_strides(x: Operand, shape: tuple[int, int]) -> tuple[bool, int] | None:
    """Is the matrix transposed, and how far apart are its rows? None: BLAS cannot."""
    (rows, columns), (down, along) = shape, x.strides[-2:]
    if (along == 1 or columns == 1) and (down >= columns or rows == 1):
        return False, max(down, columns)
    if (down == 1 or rows == 1) and (along >= rows or columns == 1):
        return True, max(along, rows)
    return None


class Nest:
    """Nested loops: `at[k]` are the lines inside the first k loops, before loop k.

    `closing[k]` come after loop k. `reductions` are clauses for the innermost loop. With
    `blocked`, the innermost loop walks in pieces of `block` elements, numbered `part`;
    `opening_block` and `closing_block` are the lines around a piece.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = list(sizes)
        self.depth = len(self.sizes)
        self.at: list[list[str]] = [[] for _ in range(self.depth + 1)]
        self.closing: list[list[str]] = [[] for _ in range(self.depth + 1)]
        self.reductions: list[str] = []
        self.blocked = False
        self.opening_block: list[str] = []
        self.closing_block: list[str] = []
        self.parallel = True

    @property
    def counters(self) -> str:
        return COUNTERS[: self.depth]

    @property
    def block(self) -> int:
        return max(BLOCK, -(-self.sizes[-1] // 1024))

    @property
    def parts(self) -> int:
        return -(-self.sizes[-1] // self.block)

    def lines(self, cost: int = 1) -> list[str]:
        """The C text; `cost` is the number of operations on each element."""
        threads = self.parallel and math.prod(self.sizes) * cost >= PARALLEL
        lines: list[str] = []
        for k in range(self.depth):
            inner = k == self.depth - 1
            lines += self.at[k]
            pragma = "parallel for" if threads and k == 0 else ""
            if inner and self.blocked:
                lines += [f"#pragma omp {pragma}"] if pragma else []
                lines.append(f"for (int part = 0; part < {self.parts}; part++) {{")
                lines += [*self.opening_block, *self._piece(COUNTERS[k])]
                continue
            pragma = self._simd(pragma) if inner else pragma
            if pragma:
                lines.append(pragma if "#" in pragma else f"#pragma omp {pragma}")
            i = COUNTERS[k]
            lines.append(f"for (int64_t {i} = 0; {i} < {self.sizes[k]}; {i}++) {{")
        lines += self.at[self.depth]
        for k in reversed(range(self.depth)):
            lines.append("}")
            if k == self.depth - 1 and self.blocked:
                lines += [*self.closing_block, "}"]
            lines += self.closing[k]
        return lines

    def _simd(self, pragma: str) -> str:
        words = ["#pragma omp", pragma, "simd", *self.reductions]
        return " ".join(word for word in words if word)

    def _piece(self, i: str) -> list[str]:
        n, block, last = self.sizes[-1], self.block, self.parts - 1
        return [
            f"const int64_t stop = part < {last} ? (part + 1) * {block}LL : {n};",
            self._simd(""),
            f"for (int64_t {i} = part * {block}LL; {i} < stop; {i}++) {{",
        ]


def visited(
    counters: Sequence[str], sizes: Sequence[int], body: list[str]
) -> list[str]:
    """`body` for every position, a loop for each axis."""
    heads = [
        f"for (int64_t {c} = 0; {c} < {n}; {c}++) {{"
        for c, n in zip(counters, sizes, strict=True)
    ]
    return [*heads, *body, *["}"] * len(heads)]


def indent(lines: Sequence[str], depth: int = 1) -> list[str]:
    """The lines, set in by the braces that are open."""
    out = []
    for line in lines:
        depth -= line.startswith("}")
        out.append(line if line.startswith("#") else "  " * depth + line)
        depth += line.endswith("{")
    return out
