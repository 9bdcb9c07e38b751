"""C for max pooling where windows lie side by side: values alone, and the way back.

Which problem this solves: PyTorch's pooling also says where each largest element was, so
it is a search, a look-up by index and, on the way back, an addition by index. Where no
element lies in two windows, none of that is needed: a walk over the windows finds their
largest elements, and another one, later, finds again who gets the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from minigrad.native.kernels import Writer, copied, ctype, value_of
from minigrad.native.loops import Nest, Operand, collapse, steps_of
from minigrad.native.rows import every
from minigrad.native.windows import taps
from minigrad.ops.conv import Sizes, Window, max_at
from minigrad.ops.indexing import index, index_add
from minigrad.ops.movement import reshape, zeros
from minigrad.static.node import CONSTANT, Node


class Pooling(NamedTuple):
    """An op of native code alone, of images and, on the way back, what windows get."""

    name: str
    kind: str = "movement"
    view: bool = False
    c: str = ""


LARGEST, SPREAD = Pooling("largest"), Pooling("spread_to_largest")


def pooled(node: Node) -> Node | None:
    """What is picked, or added to, where windows have their largest element."""
    place = _place(node) if node.op in (index, index_add) else None
    if place is None:
        return None
    op, given = (LARGEST, ()) if node.op is index else (SPREAD, node.inputs[1:2])
    read = (*place.inputs, *given)
    return Node(op, read, place.attrs, node.shape, node.dtype, like=node)


def _flat(node: Node) -> Node:
    """The node whose elements these are, one after another."""
    while node.op is reshape:
        (node,) = node.inputs
    return node


def _place(node: Node) -> Node | None:
    """The search that found the places of an index in flattened images, if there is one."""
    source, *given, at = node.inputs
    place = _flat(at)
    if place.op is not max_at or not _lie_apart(place):
        return None
    (image,) = place.inputs
    fits = _is_zero(source) if given else _flat(source) is _flat(image)
    whole = (source.shape, source.dtype) == ((math.prod(image.shape),), image.dtype)
    return place if fits and whole and len(node.shape) == 1 else None


def _is_zero(node: Node) -> bool:
    return node.op is zeros or (node.op is CONSTANT and not node.value.any())


def _lie_apart(place: Node) -> bool:
    window: Window = place.attrs["window"]
    pairs = zip(window.extent(), window.stride, strict=True)
    return not any(map(any, window.padding)) and all(n <= s for n, s in pairs)


# --- their C -----------------------------------------------------------------------------


def _taps(x: Operand, window: Window, size: Sizes) -> list[Operand]:
    """For each place in the window, what is there as the window slides."""
    return [every(x, window.stride, tap.first) for tap in taps(window, size)]


def _search(seen: Sequence[Operand], counters: str, real: str) -> list[str]:
    """The lines that find the largest `top` of a0, a1...; a NaN is the largest of all."""
    lines = [f"const {real} a{k} = {x.at(counters)};" for k, x in enumerate(seen)]
    lines.append(f"{real} top = a0;")
    for x in (f"a{k}" for k in range(1, len(seen))):
        lines.append(f"top = (({x} > top) | ({x} != {x})) ? {x} : top;")
    return lines


def _spread_out(flat: Operand, shape: tuple[int, ...]) -> Operand:
    """What lies one behind the other, as an array of this shape."""
    return flat._replace(strides=tuple(n * flat.strides[0] for n in steps_of(shape)))


def largest(w: Writer, node: Node) -> list[str]:
    """The largest element of each window."""
    (image,), window = node.inputs, node.attrs["window"]
    shape = *image.shape[:2], *window.counts(image.shape[2:])
    seen = _taps(w.read(image), window, image.shape[2:])
    sizes, [*seen, y] = collapse(shape, [*seen, _spread_out(w.write(node), shape)])
    nest = Nest(sizes)
    search = _search(seen, nest.counters, ctype(image))
    nest.at[-1] = [*search, f"{y.at(nest.counters)} = top;"]
    return nest.lines(len(seen))


def spread(w: Writer, node: Node) -> list[str]:
    """What each window is given, at the first of its largest elements; 0 elsewhere."""
    (image, given), window = node.inputs, node.attrs["window"]
    shape, real = (*image.shape[:2], *window.counts(image.shape[2:])), ctype(image)
    whole = w.write(node)
    covered = math.prod(node.shape) == math.prod((*shape, *window.kernel))
    lines = [] if covered else copied(whole, "0", node.shape)
    value = value_of(w, given, given.shape)
    seen = _taps(w.read(image), window, image.shape[2:])
    places = _taps(_spread_out(whole, image.shape), window, image.shape[2:])
    some = [] if isinstance(value, str) else [_spread_out(value, shape)]
    sizes, found = collapse(shape, [*seen, *places, *some])
    nest, n = Nest(sizes), len(seen)
    counters = nest.counters
    give = value if isinstance(value, str) else found[-1].at(counters)
    body = [*_search(found[:n], counters, real), f"{real} rest = {give};"]
    for k in range(n):
        first = f"((a{k} == top) | (a{k} != a{k}))"
        body.append(f"const {real} y{k} = {first} ? rest : 0;")
        body.append(f"rest = {first} ? 0 : rest;")
    for k, place in enumerate(found[n : 2 * n]):
        body.append(f"{place.at(counters)} = y{k};")
    nest.at[-1] = body
    return lines + nest.lines(3 * n)
