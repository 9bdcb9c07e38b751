"""The graph as loops like it: what walks along rows is spelt out, and shared.

Which problem this solves: some ops are one NumPy call and yet several walks along a row,
with much in common. A softmax takes the exponentials that its logsumexp has taken. A label
picks one element of a row; its gradient needs no memory for a matrix of zeros, it is where
the position is the label. Spelt out, all of that joins the loops around it. Results change
by rounding at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigrad.native.pooling import pooled
from minigrad.native.rowwise import ALONG, LONGEST
from minigrad.ops.elementwise import (
    add,
    cast,
    clamp_max,
    clamp_min,
    div,
    exp,
    log,
    neg,
    sub,
    where,
)
from minigrad.ops.indexing import ARRAY, index, index_add
from minigrad.ops.movement import VIEWS, reshape, zeros
from minigrad.ops.reduce import amax, logsumexp, sum
from minigrad.static.node import CONSTANT, Node, constant, topological
from minigrad.static.rewrite import Rewrite, is_all, parts, walked
from minigrad.static.tidy import tidy

SPELT_OUT = (logsumexp,)


def lowered(outputs: Sequence[Node]) -> list:
    """`outputs` over a graph that says what loops do, in bodies as well."""
    labels, numbers = compared(outputs), kept_rows()
    rewrites = unfolded, shared, squared, of_difference, labels, numbers, pooled
    outputs = walked(outputs, rewrites)
    if any(node.op.kind == "control" for node in topological(outputs)):
        outputs = tidy(outputs, lowered)
    return outputs


# --- what is computed already ------------------------------------------------------------


def unfolded(node: Node) -> Node | None:
    """logsumexp(x) is log(sum(exp(x - top))) + top, where top is the largest."""
    if node.op is not logsumexp:
        return None
    (x,), axis = node.inputs, node.attrs["axis"]
    x = x if x.dtype == node.dtype else cast(x, dtype=node.dtype)
    if math.prod(x.shape) == 0:
        return log(sum(exp(x), **node.attrs))
    last = float(np.finfo(node.dtype).max)  # so infinity - infinity is nowhere
    top = clamp_max(clamp_min(amax(x, axis=axis, keepdims=True), min=-last), max=last)
    y = log(sum(exp(x - top), axis=axis, keepdims=True)) + top
    return y if node.attrs["keepdims"] else y.reshape(node.shape)


def shared(node: Node) -> Node | None:
    """exp(x - logsumexp(x)) is exp(x - top) divided by its sum: one exponential, not two."""
    x, y = _difference(parts(node, exp))
    total = parts(y, add, log)
    taken = parts(total, sum)
    same, top = _difference(parts(taken, exp))
    if x is None or total is None or x is not same or top is not y.inputs[1]:
        return None
    return taken * (1 / total)


def squared(node: Node) -> Node | None:
    """(1 / x) / x, which a derivative asks for, is (1 / x) ** 2: one division, not two."""
    if node.op is not div or node.inputs[0].op is not div:
        return None
    y, x = node.inputs
    return y * y if is_all(y.inputs[0], 1) and y.inputs[1] is x else None


def _difference(node: Node | None) -> tuple:
    return node.inputs if node is not None and node.op is sub else (None, None)


# --- one element of each row ---------------------------------------------------------------


def picked(node: Node) -> tuple[Node, int] | None:
    """The labels of an index that picks one element of each row, and of how many.

    They come as (*lead, 1), as `gather` has them, or as (*lead,).
    """
    if node.op not in (index, index_add):
        return None
    *lead, n = node.inputs[0].shape or (0,)
    whole = [x for x in node.attrs["key"] if x is not ...] == [ARRAY] * (len(lead) + 1)
    if not whole or not lead or n > LONGEST:
        return None
    *rows, labels = node.inputs[-len(lead) - 1 :]
    if labels.shape not in ((*lead,), (*lead, 1)):
        return None
    ones = (1,) * (len(labels.shape) - 1)
    shapes = [(*ones[:i], m, *ones[i:]) for i, m in enumerate(lead)]
    ordered = all(
        x.op is CONSTANT and x.shape == s and (x.value.ravel() == np.arange(m)).all()
        for x, s, m in zip(rows, shapes, lead, strict=True)
    )
    return (labels, n) if ordered else None


def of_difference(node: Node) -> Node | None:
    """What is picked of x - r, with one r for a row, is picked of x: who wants x - r?"""
    x, r = _difference(node.inputs[0])
    if node.op is not index or x is None or not picked(node):
        return None
    kept = (*node.inputs[0].shape[:-1], 1)
    if r.shape != kept or x.shape != node.inputs[0].shape:
        return None
    return node.on((x, *node.inputs[1:])) - _shaped(r, node.shape)


def compared(outputs: Sequence[Node]) -> Rewrite:
    """index_add of one element in each row is a choice by comparison with its label.

    Only of labels that some `index` of the graph looks at as well: a comparison would not
    notice that one is out of range.
    """
    looked_at: dict[tuple[Node, int], bool] = {}  # may they count from the end?
    for node in topological(outputs):
        if node.op is index and (found := picked(node)):
            back = node.attrs.get("lowest") != 0
            looked_at[found] = looked_at.get(found, True) and back
    placed: dict[
        Node, Node
    ] = {}  # zeros but for one element in each row, and that element

    def put(here: Node, b: Node) -> Node:
        y = where(here, b, constant(b.dtype.type(0)))
        placed[y] = b
        return y

    def choice(node: Node) -> Node | None:
        (x, *_), found = node.inputs, picked(node)
        if found in looked_at and node.op is index_add:
            kept, n = (*node.shape[:-1], 1), found[1]
            at, b = _shaped(found[0], kept), _shaped(node.inputs[1], kept)
            at = where(at < 0, at + n, at) if looked_at[found] else at
            here = constant(np.arange(n, dtype=np.int32)) == cast(at, dtype=np.int32)
            return put(here, b) if x.op is zeros else where(here, x + b, x)
        if x in placed and node.op is neg:
            return put(x.inputs[0], -placed[x])
        if x in placed and node.op is sum and node.attrs["axis"] == (len(x.shape) - 1,):
            return _shaped(placed[x], node.shape)
        return None

    return choice


def _shaped(x: Node, shape: tuple[int, ...]) -> Node:
    return x if x.shape in (shape, ()) else x.reshape(shape)


# --- one number for each row ---------------------------------------------------------------


def kept_rows() -> Rewrite:
    """A number for each row keeps its axis, where it is given it back later on anyway."""
    twin: dict[Node, Node] = {}

    def kept(node: Node) -> Node | None:
        """The same with an axis more, if that goes back to rows."""
        (x, *_), shape = node.inputs, (*node.shape, 1)
        if node.op is reshape and x.shape == shape:
            return x
        if node.op in ALONG and node.shape == x.shape[:-1]:
            return node.op(x, axis=(len(x.shape) - 1,), keepdims=True)
        if node.op.kind != "elementwise" or twin.keys().isdisjoint(node.inputs):
            return None
        if any(y.shape not in (node.shape, ()) for y in node.inputs):
            return None
        inputs = tuple(twin[y] if y in twin else _shaped(y, shape) for y in node.inputs)
        return Node(node.op, inputs, node.attrs, shape, node.dtype, like=node)

    def rewrite(node: Node) -> Node | None:
        found = twin.get(node.inputs[0])
        if found is not None and found.shape == node.shape and _only_reshapes(node):
            return found
        if (better := kept(node)) is not None:
            twin[node] = better
        return None

    return rewrite


def _only_reshapes(node: Node) -> bool:
    """Does it show the same elements, one after another?"""
    if node.op is VIEWS["slice"]:
        return all(x in (None, ..., slice(None)) for x in node.attrs["key"])
    return node.op is reshape
