"""C for indices that are arrays: which element a key shows, worked out as NumPy does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.native.kernels import Writer, copy_first, ctype, refuse_any, value_of
from minigrad.native.loops import COUNTERS, Operand
from minigrad.ops.indexing import ARRAY
from minigrad.static.node import Node


class Picked(NamedTuple):
    """A key as loops: over `shape`, the element at `place` plus the `picks`' offsets.

    A pick is an index operand, its place over `shape`, and the stride and the size of the
    axis that it picks from.
    """

    shape: tuple[int, ...]
    place: Operand
    picks: list[tuple[Node, Operand, int, int]]


def picked_by(w: Writer, a: Operand, sizes: tuple, key: tuple, arrays: tuple) -> Picked:
    """Sort out a key: slices walk, integers shift, arrays pick."""
    parts = _without_ellipsis(key, len(sizes))
    rest = iter(arrays)
    axis, offset = 0, a.offset
    walked: list[tuple[int, int]] = []  # size and stride of what slices and None show
    picks: list[Any] = []
    first, apart, open_run = 0, False, False
    for part in parts:
        if part is None or isinstance(part, slice):
            open_run = False
            if part is None:
                walked.append((1, 0))
                continue
            start, stop, step = part.indices(sizes[axis])
            offset += start * a.strides[axis] if len(range(start, stop, step)) else 0
            walked.append((len(range(start, stop, step)), step * a.strides[axis]))
        else:
            if not picks:
                first = len(walked)
            apart = apart or (bool(picks) and not open_run)
            open_run = True
            x = next(rest) if isinstance(part, str) and part == ARRAY else int(part)
            picks.append((x, a.strides[axis], sizes[axis]))
        axis += 1
    first = 0 if apart else first
    shape = np.broadcast_shapes(*(getattr(x, "shape", ()) for x, *_ in picks))
    full = (*(n for n, _ in walked[:first]), *shape, *(n for n, _ in walked[first:]))
    strides = [s for _, s in walked]
    own = (*strides[:first], *(0,) * len(shape), *strides[first:])
    after = (0,) * (len(walked) - first)
    placed = []
    for x, stride, size in picks:
        if isinstance(x, int):
            offset += (x + size if x < 0 else x) * stride
            continue
        at = w.read(x).over(x.shape, len(shape))
        over = at._replace(strides=((0,) * first + at.strides + after))
        placed.append((x, over, stride, size))
    return Picked(full, Operand(a.pointer, own, offset), placed)


def _without_ellipsis(key: tuple, ndim: int) -> list:
    """The key with a part for every axis."""
    parts = [x for x in key if x is not Ellipsis]
    missing = ndim - sum(x is not None for x in parts)
    at = next((i for i, x in enumerate(key) if x is Ellipsis), len(parts))
    return [*parts[:at], *[slice(None)] * missing, *parts[at:]]


def _checks(w: Writer, picked: Picked, lowest: int | None) -> list[str]:
    """Refuse the call, before anything is written, if an index is out of range."""
    lines: list[str] = []
    for x, _, _, size in picked.picks if w.early else ():
        low = -size if lowest is None else lowest
        test = f"{{x}} < {low} || {{x}} >= {size}"
        lines += refuse_any(w, w.read(x), x.shape, test)
    return lines


def visits(w: Writer, picked: Picked, lowest: int | None, body: Any) -> list[str]:
    """Loops over what the key shows; `body(element)` is what happens to each."""
    if math.prod(picked.shape) == 0:
        return []
    counters = COUNTERS[: len(picked.shape)]
    lines: list[str] = []
    terms = [picked.place.position(counters)]
    for k, (_, place, stride, size) in enumerate(picked.picks):
        lines.append(f"int64_t p{k} = {place.at(counters)};")
        if not w.early:
            low = -size if lowest is None else lowest
            lines.append(w.refuse(f"p{k} < {low} || p{k} >= {size}"))
        lines.append(f"if (p{k} < 0) p{k} += {size};")
        terms.append(f"p{k} * {stride}")
    lines += body(f"{picked.place.pointer}[{' + '.join(terms)}]", counters)
    return w.visit(counters, picked.shape, lines)


def index(w: Writer, node: Node) -> list:
    a, *arrays = node.inputs

    def write() -> list[str]:
        picked = picked_by(w, w.read(a), a.shape, node.attrs["key"], tuple(arrays))
        to = w.write(node)
        copy = lambda element, counters: [f"{to.at(counters)} = {element};"]
        lowest = node.attrs.get("lowest")
        return _checks(w, picked, lowest) + visits(w, picked, lowest, copy)

    return w.part(write, node)


Body = Callable[[str, str, tuple[int, ...], str], list[str]]


def places(w: Writer, node: Node, body: Body) -> tuple[list[str], list[str]]:
    """Checks, and `body(element, counters, shape, new value)` for all that a key picks."""
    a, b, *arrays = node.inputs
    key, lowest = node.attrs["key"], node.attrs.get("lowest")
    picked = picked_by(w, w.write(node), a.shape, key, tuple(arrays))
    value = value_of(w, b, picked.shape)

    def inside(element: str, counters: str) -> list[str]:
        new = value if isinstance(value, str) else value.at(counters)
        if node.dtype != b.dtype:
            new = f"({ctype(node)}){new}"
        return body(element, counters, picked.shape, new)

    return _checks(w, picked, lowest), visits(w, picked, lowest, inside)


def written(w: Writer, node: Node) -> list[str]:
    """index_put and index_add: a copy of a, then every element of b, one after another."""
    sign = "+=" if node.op.name == "index_add" else "="
    checks, lines = places(w, node, lambda e, c, s, new: [f"{e} {sign} {new};"])
    return checks + copy_first(w, node) + lines
