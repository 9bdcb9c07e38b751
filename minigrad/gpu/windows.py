"""CUDA for windows that slide over an array: convolution, pooling, the windows alone.

A convolution is one product for each group, with all windows of the batch as columns:
the batch lies beside the positions, so that filters meet one wide matrix. Where windows
overlap, each element of the image collects what is its own: nothing is added to by two
threads, and sums come out the same in every run.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad.backend import uint8
from minigrad.gpu import cudnn
from minigrad.gpu.actions import Convolution
from minigrad.gpu.products import in_order, product
from minigrad.native.kernels import ctype
from minigrad.native.loops import COUNTERS, Operand
from minigrad.ops.conv import Window
from minigrad.static.node import Node

PLACES = "uvwxyz"  # counters for the place in a window; positions take COUNTERS


def _steps(sizes: list[int]) -> tuple[int, ...]:
    """Strides of memory in C order."""
    return tuple(math.prod(sizes[k + 1 :]) for k in range(len(sizes)))


class Slide:
    """A window over images of `channels` and `size`: where its elements are."""

    def __init__(self, window: Window, channels: int, size: tuple[int, ...]) -> None:
        self.window, self.channels, self.size = window, channels, size
        self.counts, self.dims = window.counts(size), len(size)
        self.places, self.positions = PLACES[: self.dims], COUNTERS[: self.dims]

    def seen(self) -> list[str]:
        """Where on each axis the window's place lies at its position."""
        w = self.window
        steps = zip(self.positions, self.places, w.stride, w.dilation, w.padding)
        return [f"({i} * {s} + {u} * {d} - {pad})" for i, u, s, d, (pad, _) in steps]

    def inside(self) -> str:
        """Is that not in the padding?"""
        tests = [
            f"{at} >= 0 && {at} < {n}"
            for at, n, pad in zip(self.seen(), self.size, self.window.padding)
            if any(pad)
        ]
        return " && ".join(tests) or "1"

    def collect(self, w: Any, image: Operand, columns: Operand, images: int) -> list:
        """Every window's elements, written to `columns`: (s, c, *place, *position)."""
        counters = ["s", "c", *self.places, *self.positions]
        sizes = [images, self.channels, *self.window.kernel, *self.counts]
        there = image.at(["s", "c", *self.seen()])
        line = f"{columns.at(counters)} = {self.inside()} ? {there} : 0;"
        return w.visit(counters, sizes, [line])

    def spread(
        self, w: Any, image: Operand, columns: Operand, images: int, real: str
    ) -> list:
        """Every element of the images: the sum of what windows have in its place."""
        here = [f"h{k}" for k in range(self.dims)]
        lines = [f"{real} sum = 0;"]
        window = self.window
        for k, (u, i) in enumerate(zip(self.places, self.positions)):
            step, hole, pad = window.stride[k], window.dilation[k], window.padding[k][0]
            end = self.counts[k] * step
            lines += [
                f"for (int {u} = 0; {u} < {window.kernel[k]}; {u}++) {{",
                f"int {i} = h{k} + {pad} - {u} * {hole};",
                f"if ({i} < 0 || {i} % {step} != 0 || {i} >= {end}) continue;",
                f"{i} /= {step};",
            ]
        there = columns.at(["s", "c", *self.places, *self.positions])
        lines += [f"sum += {there};", *["}"] * self.dims]
        lines.append(f"{image.at(['s', 'c', *here])} = sum;")
        return w.visit(["s", "c", *here], [images, self.channels, *self.size], lines)


def windows(w: Any, node: Node) -> list:
    """Every window by itself, and (overlap) back in their places, adding up."""
    (a,) = node.inputs
    image = a if node.op.name == "windows" else node
    slide = Slide(node.attrs["window"], image.shape[1], image.shape[2:])

    def write() -> list[str]:
        if image is a:
            return slide.collect(w, w.read(a), w.write(node), a.shape[0])
        return slide.spread(w, w.write(node), w.read(a), node.shape[0], ctype(node))

    return w.block(write, [node]) if math.prod(node.shape) else []


def max_at(w: Any, node: Node) -> list:
    """Where, of all elements, every window has its largest; a NaN is the largest."""
    (a,) = node.inputs
    slide = Slide(node.attrs["window"], a.shape[1], a.shape[2:])

    def write() -> list[str]:
        real, seen = ctype(a), slide.seen()
        lines = [f"{real} top = 0;", "int64_t best = -1;"]
        for u, n in zip(slide.places, slide.window.kernel):
            lines.append(f"for (int {u} = 0; {u} < {n}; {u}++) {{")
        place = f"(int64_t)s * {a.shape[1]} + c"
        for at, n in zip(seen, slide.size):
            place = f"({place}) * {n} + {at}"
        counters = ["s", "c", *slide.positions]
        lines += [
            f"if (!({slide.inside()})) continue;",
            f"const {real} here = {w.read(a).at(['s', 'c', *seen])};",
            "if (best < 0 || here > top || (here != here && top == top)) {",
            f"top = here; best = {place};",
            *["}"] * (1 + slide.dims),
            f"{w.write(node).at(counters)} = best;",
        ]
        return w.visit(counters, [*a.shape[:2], *slide.counts], lines)

    return w.block(write, [node]) if math.prod(node.shape) else []


# --- convolution ---------------------------------------------------------------------------


def convolution(w: Any, node: Node) -> list:
    """All three: what is known of image, filters and positions gives the third."""
    if math.prod(node.shape) == 0:
        return []
    if (planned := _by_library(w, node)) is not None:
        return planned
    kind, (a, b) = node.op.name, node.inputs
    image, filters, found = {
        "conv": (a, b, node), "conv_input": (node, b, a), "conv_weight": (a, node, b),
    }[kind]  # fmt: skip
    groups, dtype = node.attrs["groups"], node.dtype
    slide = Slide(node.attrs["window"], image.shape[1], image.shape[2:])
    images, many = image.shape[0], math.prod(slide.counts)
    rows = image.shape[1] // groups * math.prod(slide.window.kernel)
    out = filters.shape[0] // groups
    columns = w.room((groups, rows, images * many), dtype)
    beside = w.room((groups, out, images * many), dtype)  # positions, batch and all
    weights = w.room((groups, out, rows), dtype)
    memory = [image.shape[1], *slide.window.kernel, images, *slide.counts]
    steps = _steps(memory)
    d = slide.dims

    def at_columns() -> Operand:
        own = (steps[d + 1], steps[0], *steps[1 : d + 1], *steps[d + 2 :])
        return Operand(w.pointer(columns, dtype), own)

    def at_beside() -> Operand:
        own = _steps([filters.shape[0], images, *slide.counts])
        return Operand(w.pointer(beside, dtype), (own[1], own[0], *own[2:]))

    def at_weights() -> Operand:
        return Operand(w.pointer(weights, dtype), _steps(list(filters.shape)))

    collect = lambda: slide.collect(w, w.read(image), at_columns(), images)
    lay = lambda: w.copied(at_beside(), w.read(found), found.shape)
    lift = lambda: w.copied(w.write(found), at_beside(), found.shape)
    load = lambda: w.copied(at_weights(), w.read(filters), filters.shape)
    keep = lambda: w.copied(w.write(filters), at_weights(), filters.shape)
    spread = lambda: slide.spread(w, w.write(image), at_columns(), images, ctype(node))
    do = lambda write: w.block(write, [node])
    if kind == "conv":
        multiply = product(w, node, beside, weights, columns)
        return [*do(collect), *do(load), *multiply, *do(lift)]
    if kind == "conv_weight":
        multiply = product(w, node, weights, beside, columns, turned="b")
        return [*do(collect), *do(lay), *multiply, *do(keep)]
    multiply = product(w, node, columns, weights, beside, turned="a")
    return [*do(load), *do(lay), *multiply, *do(spread)]


def _by_library(w: Any, node: Node) -> list | None:
    """The convolution by cuDNN, which wants memory in C order; None without a plan."""
    if node.dtype.kind != "f" or w.device is None:
        return None
    a, b, y = (x.shape for x in (*node.inputs, node))
    name, window = node.op.name, node.attrs["window"]
    what = cudnn.describe(name, a, b, y, node.dtype.name, window)
    plan = w.device.convolution(what)
    if plan is None:
        return None
    actions: list = []
    left, right = (in_order(w, node, x, actions) for x in node.inputs)
    room = w.room((max(1, plan.workspace),), uint8)
    names = ", ".join(map(w.named, node.inputs))
    said = f"{w.named(node)} = {name}({names})"
    space = w.held(room, w.arrays[room].shape, uint8)
    y, to = w.value(node), w.slot_of(node)
    return [*actions, Convolution([node], plan, left, right, y, space, to, said)]
