"""C for windows that slide over an array: pooling, and the windows alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigrad.backend import int32
from minigrad.native.expressions import literal
from minigrad.native.kernels import Writer, copied, ctype
from minigrad.native.loops import COUNTERS, Operand
from minigrad.native.rows import BITS, Row, called, every
from minigrad.ops.conv import Window
from minigrad.static.node import Node

PLACES = "uvwxyz"  # counters for the place in a window; positions take COUNTERS


class Slide:
    """A window over `channels` arrays of `size`, as loops."""

    def __init__(self, window: Window, size: tuple[int, ...], channels: int) -> None:
        self.window, self.size, self.channels = window, tuple(size), channels
        self.counts = window.counts(self.size)
        self.places = channels * math.prod(window.kernel)
        self.positions = math.prod(self.counts)

    def loops(self) -> list[str]:
        """Over channels, places in the window, and positions of the window."""
        lines = [f"for (int64_t c = 0; c < {self.channels}; c++) {{"]
        for u, n in zip(PLACES, self.window.kernel):
            lines.append(f"for (int64_t {u} = 0; {u} < {n}; {u}++) {{")
        return lines + self.walk()

    def walk(self) -> list[str]:
        """Over positions of the window."""
        last = len(self.counts) - 1
        lines = []
        for k, (i, n) in enumerate(zip(COUNTERS, self.counts)):
            lines += ["#pragma omp simd"] if k == last else []
            lines.append(f"for (int64_t {i} = 0; {i} < {n}; {i}++) {{")
        return lines

    @property
    def ends(self) -> list[str]:
        return ["}"] * (1 + 2 * len(self.size))

    def inside(self) -> str:
        """Is the element not in the padding?"""
        tests = [
            f"{at} >= 0 && {at} < {n}"
            for at, n, pad in zip(self._at(), self.size, self.window.padding)
            if any(pad)
        ]
        return " && ".join(tests) or "1"

    def element(self) -> str:
        """Where an element is, counted from the start of an image, C order."""
        return self._flat(["c", *self._at()], [self.channels, *self.size])

    def column(self) -> str:
        """Where its copy is among the columns, C order."""
        counters = ["c", *PLACES[: len(self.size)], *COUNTERS[: len(self.size)]]
        return self._flat(counters, [self.channels, *self.window.kernel, *self.counts])

    def _at(self) -> list[str]:
        steps = zip(
            COUNTERS,
            PLACES,
            self.window.stride,
            self.window.dilation,
            self.window.padding,
        )
        return [
            f"({i} * {s} + {u} * {d} - {before})" for i, u, s, d, (before, _) in steps
        ]

    @staticmethod
    def _flat(counters: list[str], sizes: list[int]) -> str:
        text = counters[0]
        for counter, n in zip(counters[1:], sizes[1:], strict=True):
            text = f"({text}) * {n} + {counter}"
        return text


def _plain(w: Writer, node: Node, lines: list[str]) -> str:
    """The pointer to an operand in C order; lines that copy it first, if it is not."""
    place, step = w.read(node), 1
    for n, stride in zip(reversed(node.shape), reversed(place.strides), strict=True):
        if n != 1 and stride != step:
            fresh = w.scratch(node.shape, node.dtype)
            lines += copied(fresh, place, node.shape)
            return fresh.pointer
        step *= n
    return f"({place.pointer} + {place.offset})" if place.offset else place.pointer


def windows(w: Writer, node: Node) -> list[str]:
    """Every window by itself, and (overlap) back in their places, adding up."""
    if math.prod(node.shape) == 0:
        return []
    lines: list[str] = []
    (a,), y = node.inputs, w.write(node).pointer
    x = _plain(w, a, lines)
    image, seen = (a, node) if node.op.name == "windows" else (node, a)
    images, windows = (x, y) if image is a else (y, x)
    slide = Slide(node.attrs["window"], image.shape[2:], image.shape[1])
    if image is node:
        lines += copied(w.write(node), "0", node.shape)
    lines += [
        f"for (int64_t s = 0; s < {image.shape[0]}; s++) {{",
        f"{ctype(node)} *image = {images} + s * {math.prod(image.shape[1:])};",
        f"{ctype(node)} *seen = {windows} + s * {math.prod(seen.shape[1:])};",
        *slide.loops(),
    ]
    here, there = f"image[{slide.element()}]", f"seen[{slide.column()}]"
    if image is a:
        lines.append(f"{there} = {slide.inside()} ? {here} : 0;")
    else:
        lines.append(f"if ({slide.inside()}) {here} += {there};")
    return [*lines, *slide.ends, "}"]


PEAKS = """\
/* best[p]: which of its taps is the largest of image[p + shift of t], counted from start[p];
   a NaN is the largest of all, and `first` stays where nothing is larger than the padding */
static void peaks_T(int64_t n, int64_t taps, const int64_t (*tap)[2], T lowest,
    const T *image, const BITS *start, const BITS *first, BITS *best) {
  for (int64_t p = 0; p < n; p += VECTOR / sizeof(T)) {
    vec_T top = lowest + (vec_T){0};
    bits_T at = *(const bits_T *)(first + p);
    for (int64_t t = 0; t < taps; t++) {
      const vec_T here = *(const vec_T *)(image + p + tap[t][1]);
      const bits_T place = *(const bits_T *)(start + p) + (BITS)tap[t][0];
      const bits_T larger = ~(here <= top) & (top == top);
      top = (vec_T)((larger & (bits_T)here) | (~larger & (bits_T)top));
      at = (larger & place) | (~larger & at);
    }
    *(bits_T *)(best + p) = at;
  }
}"""


def max_at(w: Writer, node: Node) -> list[str]:
    """Where in its image every window has its largest element."""
    if math.prod(node.shape) == 0:
        return []
    (a,), window = node.inputs, node.attrs["window"]
    batch, channels, *size = a.shape
    dtype = a.dtype if a.dtype.itemsize > 1 else np.dtype(int32)  # a byte is no place
    lowest = -np.inf if dtype.kind == "f" else np.iinfo(dtype).min
    one = Row(window, tuple(size), 1).room
    together = [
        n for n in range(1, channels + 1) if channels % n == 0 and n * one <= 4096
    ]
    row = Row(window, tuple(size), max(together, default=1))
    lines_apart = [math.prod(size[k + 1 :]) for k in range(len(size))]
    start, first = (w.table(x) for x in _places(row, lines_apart, BITS[dtype.itemsize]))
    image = w.scratch((len(row.phases), row.width), dtype, lowest).pointer
    best = w.scratch((row.width,), np.dtype(BITS[dtype.itemsize])).pointer
    x, y = (
        Operand(f"({z.pointer} + s * {z.strides[0]} + c * {z.strides[1]})",
                (z.strides[1], 0, *z.strides[2:]), z.offset)
        for z in (w.read(a), w.write(node))
    )  # fmt: skip
    steps = []
    for i, phase in enumerate(row.phases):
        to = row.inside(image, 0, phase, i * row.width)
        source = every(x, window.stride, phase.first)
        steps += copied(to, source, (row.images, 1, *phase.shape))
    taps = [
        (sum(u * d * n for u, d, n in zip(at, window.dilation, lines_apart)), shift)
        for at, shift in row.shifts()
    ]
    given = [
        row.positions, len(taps), "tap", literal(lowest, dtype), image, start, first, best,
    ]  # fmt: skip
    found = Operand(best, (row.room, 0, *row.steps))
    return [
        f"for (int64_t s = 0; s < {batch}; s++) {{",
        f"for (int64_t c = 0; c < {channels}; c += {row.images}) {{",
        *steps,
        *called(w, "peaks", PEAKS, dtype, taps, given),
        *copied(y, found, (row.images, 1, *row.counts)),
        "}", "}",
    ]  # fmt: skip


def _places(row: Row, lines_apart: list[int], dtype: str) -> list[np.ndarray]:
    """For each position of a row, where its window starts and its first place inside."""
    places = []
    for inside in (False, True):
        flat: Any = 0
        axes = zip(
            row.counts, row.window.stride, row.window.dilation, row.window.padding
        )
        for (n, s, d, (before, _)), step in zip(axes, lines_apart):
            at = np.arange(n) * s - before
            if inside:
                at = at + np.maximum(0, -(at // d)) * d
            flat = np.add.outer(flat, at * step)
        table = np.zeros(row.width, dtype)
        strides = [table.itemsize * step for step in (row.room, *row.steps)]
        as_strided(table, (row.images, *row.counts), strides)[...] = flat
        places.append(table)
    return places
