"""Products of matrices on a GPU: calls of cuBLAS, and for integers a thread an element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from minigrad.gpu.actions import Get, Product
from minigrad.native.kernels import copy_first, ctype
from minigrad.native.loops import COUNTERS, Operand, matrix_strides
from minigrad.static.node import Node


def multiplied(w: Any, node: Node) -> list:
    """matmul, and gemm: a + alpha * (b @ c), in the memory of a where that is possible."""
    a, b = node.inputs[-2:]
    added = node.op.name == "gemm"
    if math.prod(node.shape) == 0:
        return []
    actions = copy_first(w, node) if added else []
    alpha = node.attrs.get("alpha", 1.0)
    if node.dtype.kind != "f":
        ndim = len(node.shape)

        def write() -> list[str]:
            sides = (w.read(x).over(x.shape, ndim) for x in (a, b))
            places = (w.write(node), *sides)
            return _by_loops(w, node, places, node.shape, a.shape[-1], alpha, added)

        return actions + w.block(write, [node])
    left, right = (_laid(w, node, x, actions) for x in (a, b))
    factor = "" if alpha == 1 else f"{alpha} * "
    names = f"{w.named(a)} @ {w.named(b)}"
    said = f"{w.named(node)} {'+=' if added else '='} {factor}{names}"
    y, to = w.value(node), w.slot_of(node)
    return [*actions, Product([node], left, right, y, alpha, float(added), to, said)]


def _laid(w: Any, node: Node, x: Node, actions: list) -> Get:
    """An operand, copied first if neither its rows nor its columns lie together."""
    shown = w.show(x)
    strides = Operand("", tuple(s // shown.itemsize for s in shown.strides))
    if matrix_strides(strides, x.shape[-2:]) is not None:
        return w.value(x)
    return in_order(w, node, x, actions)


def in_order(w: Any, node: Node, x: Node, actions: list) -> Get:
    """An operand in C order, copied first if it does not lie so."""
    if w.show(x).flags.c_contiguous:
        return w.value(x)
    slot = w.room(x.shape, x.dtype)
    copy = lambda: w.copied(w.plain(slot, x.shape, x.dtype), w.read(x), x.shape)
    actions += w.block(copy, [node])
    return w.held(slot, x.shape, x.dtype)


def product(w: Any, node: Node, y: int, a: int, b: int, turned: str = "") -> list:
    """A product of what is in slots, in batches; `turned` is the transposed one."""
    shapes = [w.arrays[slot].shape for slot in (y, a, b)]
    if node.dtype.kind != "f":
        return w.block(partial(_in_slots, w, node, (y, a, b), shapes, turned), [node])
    get = [w.held(slot, s, node.dtype) for slot, s in zip((y, a, b), shapes)]
    left, right = (
        _transposed(get[k]) if turned == name else get[k]
        for k, name in enumerate("ab", 1)
    )
    names = [w.names[s] + ".T" * (turned == name) for s, name in ((a, "a"), (b, "b"))]
    said = f"{w.names[y]} = {' @ '.join(names)}"
    return [Product([node], left, right, get[0], 1.0, 0.0, y, said)]


def _transposed(get: Get) -> Callable[[list], Any]:
    return lambda arrays: get(arrays).swapaxes(-1, -2)


def _in_slots(
    w: Any, node: Node, slots: Sequence[int], shapes: list, turned: str
) -> list[str]:
    places = []
    for slot, shape, name in zip(slots, shapes, "yab"):
        place = w.plain(slot, shape, node.dtype)
        if turned == name:
            *batch, down, along = place.strides
            place = place._replace(strides=(*batch, along, down))
        places.append(place)
    inner = shapes[1][-2 if turned == "a" else -1]
    return _by_loops(w, node, places, shapes[0], inner, 1.0, False)


def _by_loops(
    w: Any,
    node: Node,
    places: Sequence[Operand],
    shape: Sequence[int],
    inner: int,
    alpha: float,
    added: bool,
) -> list[str]:
    """y = alpha * (a @ b), or added to it: a thread for each element."""
    y, a, b = places
    real, batch = ctype(node), COUNTERS[: len(shape) - 2]
    left, right = a.at([*batch, "r", "q"]), b.at([*batch, "q", "c"])
    here = y.at([*batch, "r", "c"])
    factor = "" if alpha == 1 else f"({real}){alpha} * "
    lines = [
        f"{real} sum = 0;",
        f"for (int64_t q = 0; q < {inner}; q++) sum += {left} * {right};",
        f"{here} {'+=' if added else '='} {factor}sum;",
    ]
    return w.visit([*batch, "r", "c"], shape, lines)
