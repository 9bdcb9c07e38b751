"""C for windows that slide over an array: pooling, and the windows alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from operator import mul
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigrad.backend import int32
from minigrad.native.expressions import literal
from minigrad.native.kernels import Writer, copied
from minigrad.native.loops import Nest, Operand, collapse, steps_of
from minigrad.native.rows import BITS, Row, called, every
from minigrad.ops.conv import Sizes, Window
from minigrad.static.node import Node


class Tap(NamedTuple):
    """A place in the window, and what it sees of an image, not of its padding.

    That is at `shape` positions of the window from `start` on, at every stride-th element
    of the image from `first` on.
    """

    at: Sizes
    start: Sizes
    first: Sizes
    shape: Sizes


def taps(window: Window, size: Sizes) -> Iterator[Tap]:
    """Each place in the window, as the window slides over an image of `size`."""
    counts = window.counts(size)
    for at in itertools.product(*map(range, window.kernel)):
        far = zip(at, window.dilation, window.padding)
        shifts = [u * d - before for u, d, (before, _) in far]
        axes = list(zip(shifts, window.stride, size, counts))
        start = tuple(max(0, -(x // s)) for x, s, _, _ in axes)
        stop = [min(count, -((x - n) // s)) for x, s, n, count in axes]
        first = tuple(i * s + x for i, (x, s, _, _) in zip(start, axes))
        yield Tap(at, start, first, tuple(max(0, z - a) for a, z in zip(start, stop)))


def along(steps: Sizes, place: Sizes) -> int:
    """How far a place is, with these strides."""
    return sum(map(mul, steps, place))


def windows(w: Writer, node: Node) -> list[str]:
    """Every window by itself, and (overlap) back in their places, adding up."""
    (a,), window = node.inputs, node.attrs["window"]
    x, y = w.read(a), w.write(node)
    image, seen = (x, y) if node.op.name == "windows" else (y, x)
    shape, dims = (a if image is x else node).shape, len(window.kernel)
    lines = copied(y, "0", node.shape)
    for tap in taps(window, shape[2:]):
        places, steps = seen.strides[2:-dims], seen.strides[-dims:]
        offset = seen.offset + along(places, tap.at) + along(steps, tap.start)
        here = Operand(seen.pointer, (*seen.strides[:2], *steps), offset)
        there = every(image, window.stride, tap.first)
        part = *shape[:2], *tap.shape
        lines += copied(here, there, part) if image is x else added(there, here, part)
    return lines


def added(to: Operand, value: Operand, shape: Sizes) -> list[str]:
    """`value` added to `to`, element by element."""
    if math.prod(shape) == 0:
        return []
    sizes, (to, value) = collapse(shape, [to, value])
    nest = Nest(sizes)
    nest.at[-1].append(f"{to.at(nest.counters)} += {value.at(nest.counters)};")
    return nest.lines()


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
    """Where, of all elements, every window has its largest one."""
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
    lines_apart = steps_of(size)
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
    before = f"(s * {channels} + c) * {math.prod(size)}"
    shape = row.images, 1, *row.counts
    return [
        f"for (int64_t s = 0; s < {batch}; s++) {{",
        f"for (int64_t c = 0; c < {channels}; c += {row.images}) {{",
        *steps,
        *called(w, "peaks", PEAKS, dtype, taps, given),
        *copied(y, before, shape),
        *added(y, found, shape),
        "}", "}",
    ]  # fmt: skip


def _places(row: Row, lines_apart: Sizes, dtype: str) -> list[np.ndarray]:
    """For each position of a row, where its window starts and its first place inside.

    It is counted from the row's first image on.
    """
    places = []
    for inside in (False, True):
        flat: Any = np.arange(row.images) * math.prod(row.size)
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
