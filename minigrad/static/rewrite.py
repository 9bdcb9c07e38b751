"""Rewrites: the graph, made smaller before it runs. Results change by rounding at most.

Each rewrite looks at one node whose inputs have been rewritten already and answers with
a better node or None. They are applied in one walk from the inputs to the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter

import numpy as np

from minigrad.ops.elementwise import add, cast, div, mul, neg, sub
from minigrad.ops.indexing import index_add
from minigrad.ops.movement import broadcast_to, is_view, permute, reshape, zeros
from minigrad.static.loop import stop_gradient
from minigrad.static.node import CONSTANT, Node, constant, topological
from minigrad.static.tidy import tidy

Rewrite = Callable[[Node], Node | None]

FOLD_LIMIT = 1 << 16  # elements; a larger constant costs more memory than time


def fold(node: Node) -> Node | None:
    """An op whose inputs are all known is a constant."""
    known = all(x.op is CONSTANT for x in node.inputs)
    if (
        not known
        or node.op.kind == "effect"
        or int(np.prod(node.shape, dtype=np.int64)) > FOLD_LIMIT
    ):
        return None
    with np.errstate(all="ignore"):  # 0 / 0 is for the call to warn of, not for us
        value = node.op.fn(*(x.value for x in node.inputs), **node.attrs)
    return constant(np.asarray(value, node.dtype))


def _is(node: Node, number: float) -> bool:
    return (
        node.op is CONSTANT
        and node.value.size > 0
        and bool((node.value == number).all())
    )


def neutral(node: Node) -> Node | None:
    """x * 1, x / 1, x + 0 and x - 0 are x."""
    identity = {mul: 1, div: 1, add: 0, sub: 0}.get(node.op)
    if identity is None:
        return None
    x, y = node.inputs
    if _is(y, identity) and x.shape == node.shape:
        return x
    if node.op in (mul, add) and _is(x, identity) and y.shape == node.shape:
        return y
    return None


def double_negation(node: Node) -> Node | None:
    """-(-x) is x."""
    (x, *_) = node.inputs
    return x.inputs[0] if node.op is neg and x.op is neg else None


def idle(node: Node) -> Node | None:
    """A reshape, broadcast, cast or permutation that changes nothing."""
    x = node.inputs[0]
    if node.op in (reshape, broadcast_to) and x.shape == node.shape:
        return x
    if node.op is cast and x.dtype == node.dtype:
        return x
    if node.op is stop_gradient:  # all derivatives are there already
        return x
    if node.op is permute and node.attrs["axes"] == tuple(range(len(node.shape))):
        return x
    return None


def implicit_broadcast(node: Node) -> Node | None:
    """Elementwise ops broadcast by themselves: no need to do it for them."""
    if node.op.kind != "elementwise" or len(node.inputs) < 2:
        return None
    inputs = tuple(
        x.inputs[0] if x.op is broadcast_to and any(
            other is not x and other.shape == node.shape for other in node.inputs
        ) else x
        for x in node.inputs
    )  # fmt: skip
    return None if _same(inputs, node.inputs) else _with_inputs(node, inputs)


def add_rows(node: Node) -> Node | None:
    """x plus zeros to which rows were added is x to which the rows are added.

    So the derivative of `x[i]` in a loop touches one row in a round, not all of x.
    """
    if node.op is not add:
        return None
    for x, y in (node.inputs, node.inputs[::-1]):
        if y.op is index_add and y.shape == x.shape == node.shape:
            into = y.inputs[0]
            if into.op is zeros or _is(into, 0):
                inputs = (x, *y.inputs[1:])
                return Node(index_add, inputs, y.attrs, y.shape, y.dtype, like=node)
    return None


REWRITES: Sequence[Rewrite] = (
    fold,
    implicit_broadcast,
    neutral,
    double_negation,
    idle,
    add_rows,
)


def in_order(outputs: Sequence[Node]) -> list:
    """`outputs` over a graph in which effects happen in the order they were written.

    Each of them reads the one before, so that whatever else is moved they are not.
    """
    nodes = sorted(topological(outputs), key=attrgetter("seq"))
    effects = [node for node in nodes if node.op.kind == "effect"]
    before = dict(zip(effects[1:], effects))
    new: dict[Node, Node] = {}
    for node in nodes if before else ():
        inputs = tuple(new[x] for x in node.inputs)
        if node in before:
            new[node] = _with_inputs(node, (*inputs, new[before[node]]))
        else:
            same = _same(inputs, node.inputs)
            new[node] = node if same else _with_inputs(node, inputs)
    return [new.get(node, node) for node in outputs]


def optimize(outputs: Sequence[Node], rewrites: Sequence[Rewrite] = REWRITES) -> list:
    """`outputs` over a graph with the rewrites applied and equal nodes merged."""
    better = _rewritten(outputs, rewrites)
    if rewrites and any(node.op.kind == "control" for node in topological(better)):
        # What moves out of a body, or into it, may meet its like there.
        better = tidy(better, partial(optimize, rewrites=rewrites))
        better = _rewritten(better, rewrites)
    return better


def _rewritten(outputs: Sequence[Node], rewrites: Sequence[Rewrite]) -> list:
    new: dict[Node, Node] = {}
    seen: dict[tuple, Node] = {}
    for node in topological(outputs):
        if node.op.kind == "source":
            new[node] = seen.setdefault(_source_key(node), node)
            continue
        inputs = tuple(new[x] for x in node.inputs)
        better = node if _same(inputs, node.inputs) else _with_inputs(node, inputs)
        better = _improve(better, rewrites)
        new[node] = seen.setdefault(_key(better), better)
    return [new[node] for node in outputs]


def settle_reshapes(outputs: Sequence[Node]) -> list:
    """`outputs` over a graph in which every reshape is a view.

    A reshape of, say, a transposed result has to copy. The copy becomes a node of its
    own, so that the plan can give it memory. How arguments and variables lie in memory
    is known only in each call; a reshape of those stays as it is.
    """
    new: dict[Node, Node] = {}
    layout: dict[Node, np.ndarray | None] = {}
    for node in topological(outputs):
        inputs = tuple(new[x] for x in node.inputs)
        better = node if _same(inputs, node.inputs) else _with_inputs(node, inputs)
        if node.op.view:
            (x,) = inputs
            seen = _layout(x, layout)
            shown = None if seen is None else node.op.fn(seen, **node.attrs)
            if seen is not None and not is_view(shown, seen):
                x = Node(cast, (x,), {"dtype": x.dtype}, x.shape, x.dtype, like=node)
                better = _with_inputs(node, (x,))
            layout[better] = shown
        new[node] = better
    return [new[node] for node in outputs]


def _layout(node: Node, layout: dict[Node, np.ndarray | None]) -> np.ndarray | None:
    """An array that lies in memory as the node's value will, None if unknown."""
    if node in layout:
        return layout[node]
    if node.op is CONSTANT:
        return node.value
    known = node.op.kind not in ("source", "item")
    return np.empty(node.shape, node.dtype) if known else None


def _improve(node: Node, rewrites: Sequence[Rewrite]) -> Node:
    again = True
    while again and node.op.kind not in ("source", "control", "item"):
        again = False
        for rewrite in rewrites:
            better = rewrite(node)
            if better is not None:
                node, again = better, True
                break
    return node


def _same(xs: tuple[Node, ...], ys: tuple[Node, ...]) -> bool:
    return all(x is y for x, y in zip(xs, ys, strict=True))


def _with_inputs(node: Node, inputs: tuple[Node, ...]) -> Node:
    return Node(node.op, inputs, node.attrs, node.shape, node.dtype, like=node)


def _key(node: Node) -> tuple:
    """Equal keys mean equal values; slices in attributes have no hash, so their repr."""
    if node.op.kind == "source":
        return _source_key(node)
    return node.op, tuple(map(id, node.inputs)), repr(node.attrs)


def _source_key(node: Node) -> tuple:
    if node.op is CONSTANT and node.value.size <= 16:
        return "constant", node.dtype, node.shape, node.value.tobytes()
    return "source", id(node)
