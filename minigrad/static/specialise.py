"""A graph with sizes that were `None`, built again with the sizes of one call.

The ops of the graph are replayed one by one, in the order in which they were made, with
placeholders of the shapes that were fed. Every size is known then, so this is also when
`gradients` that had to wait are taken: the sweep undoes broadcasting, and where a value
was broadcast depends on the sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from minigrad.errors import FeedError, MinigradError
from minigrad.ops.elementwise import fill
from minigrad.ops.extents import Unknown
from minigrad.ops.op import on_behalf_of
from minigrad.static.node import (
    GRADIENT,
    GRADIENTS,
    Node,
    constant,
    gradients,
    stand_in,
    topological,
)

Shapes = tuple[tuple[int, ...], ...]


def specialise(
    inputs: Sequence[Node], wanted: Sequence[Node], shapes: Shapes
) -> tuple[list[Node], list[Node]]:
    """`inputs` with the given shapes, and what `wanted` becomes over them."""
    extents = _extents(inputs, shapes)
    new: dict[Node, Any] = {}
    for node, shape in zip(inputs, shapes, strict=True):
        new[node] = stand_in(node, shape)
    return [new[x] for x in inputs], replay(wanted, new, extents)


def replay(
    wanted: Sequence[Node], new: dict[Node, Any], extents: dict[Unknown, int]
) -> list[Node]:
    """`wanted` over a graph in which the keys of `new` are replaced by their values."""
    for node in sorted(topological(wanted), key=attrgetter("seq")):
        if node not in new:
            new[node] = _replayed(node, [new[x] for x in node.inputs], extents)
    return [new[x] for x in wanted]


def _extents(inputs: Sequence[Node], shapes: Shapes) -> dict[Unknown, int]:
    """What each unknown size is in this call."""
    extents: dict[Unknown, int] = {}
    for node, shape in zip(inputs, shapes, strict=True):
        for n, m in zip(node.shape, shape, strict=True):
            if isinstance(n, Unknown) and extents.setdefault(n, m) != m:
                raise FeedError(
                    "program: two sizes that must be the same differ",
                    expected=f"{extents[n]}, as in the arguments before",
                    got=f"{m}, in {node.name or 'an argument'} {shape}",
                    remedy="give each placeholder a None of its own if they may differ",
                )
    return extents


def _replayed(node: Node, inputs: list[Any], extents: dict[Unknown, int]) -> Any:
    """The node again, over other inputs; for a group of gradients the list of them."""
    if node.op is GRADIENT:
        return inputs[0][node.attrs["i"]]
    attrs = _resolved(node.attrs, extents)
    if attrs == node.attrs and all(x is y for x, y in zip(inputs, node.inputs)):
        return node
    try:
        with on_behalf_of(node.origin):
            if node.op is GRADIENTS:
                return _taken(node, inputs)
            if node.op.kind == "fact":
                (x,) = inputs
                ghost = np.broadcast_to(np.empty((), x.dtype), x.shape)
                return constant(node.op.fn(ghost, **attrs))
            op = node.op
            if op.kind == "control":
                op = op.over(inputs, partial(replay, extents=extents))
            shape, dtype = op.infer(op, tuple(inputs), attrs)
    except MinigradError as error:
        raise error.also_at(node.origin) from None
    again = Node(op, tuple(inputs), attrs, shape, dtype, like=node)
    for n, m in zip(node.shape, shape, strict=True):
        if isinstance(n, Unknown):
            extents.setdefault(n, m)
    return again


def _resolved(value: Any, extents: dict[Unknown, int]) -> Any:
    """`value`, an attribute, with every Unknown in it replaced by its size."""
    if isinstance(value, Unknown):
        if value.rule is None:
            return extents[value]
        return value.rule(_resolved(value.sizes, extents))
    if isinstance(value, dict):
        return {key: _resolved(part, extents) for key, part in value.items()}
    if type(value) is tuple:
        return tuple(_resolved(part, extents) for part in value)
    if isinstance(value, slice):
        return slice(*_resolved((value.start, value.stop, value.step), extents))
    return value


def _taken(node: Node, inputs: list[Node]) -> list[Node]:
    """The gradients that a group of them stands for, now that the sizes are known."""
    given = iter(inputs)
    ys = [next(given) for _ in node.attrs["seeded"]]
    seeds = [next(given) if seeded else None for seeded in node.attrs["seeded"]]
    xs = list(given)
    found = gradients(ys, xs, seeds)
    return [fill(x, value=0) if g is None else g for x, g in zip(xs, found)]
