"""The graph as loops like it: what walks along rows is spelt out, and shared.

Which problem this solves: some ops are one NumPy call and yet several walks along a row,
with much in common. A softmax takes the exponentials that its logsumexp has taken. A label
picks one element of a row; its gradient needs no memory for a matrix of zeros, it is where
the position is the label. Spelt out, all of that joins the loops around it. Results change
by rounding at most.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

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
from minigrad.ops.op import on_behalf_of
from minigrad.ops.reduce import amax, log_softmax, logsumexp, sum
from minigrad.static.loop_rewrites import tidy
from minigrad.static.node import CONSTANT, Node, constant, topological
from minigrad.static.rewrite import Rewrite, is_all, parts, walked

SPELT_OUT = logsumexp, log_softmax
MANY = 8  # elements of a row, beside which one number more does not count


def lowered(outputs: Sequence[Node], *more: Rewrite, longest: int = LONGEST) -> list:
    """`outputs` over a graph that says what loops do, in bodies as well.

    `more` are the rewrites into ops that only one language has; a walk goes along rows of
    up to `longest` elements.
    """
    labels, numbers = compared(outputs, longest), kept_rows()
    rewrites = unfolded, shared, squared, labels, numbers, *more
    outputs = walked(outputs, rewrites)
    if any(node.op.kind == "control" for node in topological(outputs)):
        outputs = tidy(outputs, lambda inner: lowered(inner, *more, longest=longest))
    readers = Counter(x for node in topological(outputs) for x in node.inputs)
    return [_leaving(y, readers) for y in outputs]


# --- what is computed already ------------------------------------------------------------


def unfolded(node: Node) -> Node | None:
    """logsumexp(x) is log(sum(exp(x - top))) + top, where top is the largest.

    log_softmax(x) is x - top, less the logarithm of the same sum.
    """
    if node.op not in SPELT_OUT:
        return None
    (x,), axis = node.inputs, node.attrs["axis"]
    x = x if x.dtype == node.dtype else cast(x, dtype=node.dtype)
    if math.prod(x.shape) == 0:
        return x if node.op is log_softmax else log(sum(exp(x), **node.attrs))
    last = float(np.finfo(node.dtype).max)  # so infinity - infinity is nowhere
    top = clamp_max(clamp_min(amax(x, axis=axis, keepdims=True), min=-last), max=last)
    x = x - top
    y = log(sum(exp(x), axis=axis, keepdims=True))
    if node.op is log_softmax:
        return x - y
    return y + top if node.attrs["keepdims"] else (y + top).reshape(node.shape)


def shared(node: Node) -> Node | None:
    """exp(x - logsumexp(x)) is exp(x - top) divided by its sum: one exponential, not two."""
    x, y = _difference(parts(node, exp))
    if x is None:
        return None
    given_back = y.op is add  # the largest, by logsumexp
    total = parts(y, add, log) if given_back else parts(y, log)
    taken = parts(total, sum)
    power, top = parts(taken, exp), y.inputs[-1]
    if given_back:
        power, top = _difference(power)
    if taken is None or total is None or power is not x or top is not y.inputs[-1]:
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


def picked(node: Node, longest: int) -> tuple[Node, int] | None:
    """The labels of an index that picks one element of each row, and of how many.

    They come as (*lead, 1), as `gather` has them, or as (*lead,).
    """
    if node.op not in (index, index_add):
        return None
    *lead, n = node.inputs[0].shape or (0,)
    whole = [x for x in node.attrs["key"] if x is not ...] == [ARRAY] * (len(lead) + 1)
    if not whole or not lead or n > longest:
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


def compared(outputs: Sequence[Node], longest: int) -> Rewrite:
    """One element of each row is where the position is the row's label.

    Labels are looked up in 0, 1, 2... first: one that is out of range is refused there, and
    one that counts from the end turns around. index_add becomes a choice. What is picked of
    x - r, with one r for a row, is a sum along x, which somebody walks along to make r.
    """
    order = topological(outputs)
    upwards = {  # labels that may not count from the end
        picked(x, longest)
        for x in order
        if x.op is index and x.attrs.get("lowest") == 0
    }
    tests: dict[tuple[Node, int], Node] = {}
    # Zeros but for one element in each row, and that element.
    placed: dict[Node, Node] = {}

    def here(found: tuple[Node, int], kept: tuple[int, ...]) -> Node:
        if found not in tests:
            labels, n = found
            positions = constant(np.arange(n, dtype=np.int32))
            bound = {"lowest": 0} if found in upwards else {}
            at = _shaped(index(positions, labels, key=(ARRAY,), **bound), kept)
            tests[found] = positions == at
        return tests[found]

    def put(here: Node, b: Node) -> Node:
        y = where(here, b, constant(b.dtype.type(0)))
        placed[y] = b
        return y

    def choice(node: Node) -> Node | None:
        x, found = node.inputs[0], picked(node, longest)
        if found is not None and node.op is index_add:
            kept = (*node.shape[:-1], 1)
            test, b = here(found, kept), _shaped(node.inputs[1], kept)
            return put(test, b) if x.op is zeros else where(test, x + b, x)
        if found is not None:
            return of_difference(node, found)
        if x in placed and node.op is neg:
            return put(x.inputs[0], -placed[x])
        if x in placed and node.op is sum and node.attrs["axis"] == (len(x.shape) - 1,):
            return _shaped(placed[x], node.shape)
        return None

    def of_difference(node: Node, found: tuple[Node, int]) -> Node | None:
        (x, r), whole = _difference(node.inputs[0]), node.inputs[0].shape
        kept = (*whole[:-1], 1)
        if x is None or r.shape != kept or x.shape != whole or x.dtype.kind != "f":
            return None
        alone = where(here(found, kept), x, constant(x.dtype.type(0)))
        y = sum(alone, axis=(len(whole) - 1,), keepdims=True) - r
        return _shaped(y, node.shape)

    return choice


def _shaped(x: Node, shape: tuple[int, ...]) -> Node:
    return x if x.shape in (shape, ()) else x.reshape(shape)


# --- one number for each row ---------------------------------------------------------------


def kept_rows() -> Rewrite:
    """A number for each row keeps its axis, so that it is made in a walk along the row.

    Of rows so short that a copy of the numbers would count, only where somebody gives it
    back anyway.
    """
    twin: dict[Node, Node] = {}

    def kept(node: Node) -> Node | None:
        """The same with an axis more, if that goes back to rows."""
        (x, *_), shape = node.inputs, (*node.shape, 1)
        if node.op is reshape and x.shape == shape:
            return x
        if _is_along(node):
            return node.op(x, axis=node.attrs["axis"], keepdims=True)
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
        if (better := kept(node)) is None:
            return None
        twin[node] = better
        many = _is_along(node) and node.inputs[0].shape[-1] >= MANY
        return better.reshape(node.shape) if many else None

    return rewrite


def _leaving(y: Node, readers: Counter[Node]) -> Node:
    """A result: without a copy for its shape alone, if no walk makes anything else of it."""
    (r, *_) = y.inputs or (y,)
    alone = y.op is reshape and not readers[y] and readers[r] == 1
    if not alone or r.op not in ALONG:
        return y
    (x,) = r.inputs
    if readers[x] > 1 and r.attrs["axis"] == (len(x.shape) - 1,):
        return y
    with on_behalf_of(r.origin):
        whole = r.op(x, axis=r.attrs["axis"], keepdims=False)
    return whole if whole.shape == y.shape else y


def _is_along(node: Node) -> bool:
    """Does it make a number of each row, and drop the axis?"""
    if node.op not in ALONG or node.attrs["keepdims"] or not node.shape:
        return False
    return node.attrs["axis"] == (len(node.shape),)


def _only_reshapes(node: Node) -> bool:
    """Does it show the same elements, one after another?"""
    if node.op is VIEWS["slice"]:
        return all(x in (None, ..., slice(None)) for x in node.attrs["key"])
    return node.op is reshape
