"""C for windows that slide over an array: pooling, and the windows alone."""

from __future__ import annotations

import math

from minigrad.native.kernels import Writer, copied, ctype
from minigrad.native.loops import COUNTERS
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


def max_at(w: Writer, node: Node) -> list[str]:
    """Where in its image every window has its largest element; a NaN is the largest."""
    if math.prod(node.shape) == 0:
        return []
    lines: list[str] = []
    (a,) = node.inputs
    x, y = _plain(w, a, lines), w.write(node).pointer
    slide = Slide(node.attrs["window"], a.shape[2:], 1)
    n = len(slide.size)
    lines.append(f"for (int64_t s = 0; s < {math.prod(a.shape[:2])}; s++) {{")
    for i, count in zip(COUNTERS, slide.counts, strict=False):
        lines.append(f"for (int64_t {i} = 0; {i} < {count}; {i}++) {{")
    lines += [f"{ctype(a)} top = 0;", "int64_t best = -1;"]
    for u, count in zip(PLACES, slide.window.kernel, strict=False):
        lines.append(f"for (int64_t {u} = 0; {u} < {count}; {u}++) {{")
    place = slide.element().replace("(c)", "(0)")
    position = Slide._flat(["s", *COUNTERS[:n]], [1, *slide.counts])
    return [
        *lines,
        f"if (!({slide.inside()})) continue;",
        f"const int64_t place = {place.replace('c *', '0 *')};",
        f"const {ctype(a)} here = {x}[s * {math.prod(slide.size)} + place];",
        "if (best < 0 || here > top || (here != here && top == top)) {",
        "top = here;", "best = place;", "}", *["}"] * n,
        f"{y}[{position}] = best;", *["}"] * n, "}",
    ]  # fmt: skip
