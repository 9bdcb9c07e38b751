"""Rewrites: the graph, made smaller before it runs. Results change by rounding at most.

Each rewrite looks at one node whose inputs have been rewritten already and answers with
a better node or None. Each stage is one walk from the inputs to the outputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter

import numpy as np

from minigrad.ops import reduce
from minigrad.ops.elementwise import (
    abs,
    add,
    cast,
    clamp_max,
    div,
    exp,
    expm1,
    log,
    log1p,
    mul,
    neg,
    sigmoid,
    sub,
)
from minigrad.ops.indexing import index_add
from minigrad.ops.movement import broadcast_to, is_view, permute, reshape, zeros
from minigrad.ops.op import Op, on_behalf_of
from minigrad.static.loop import stop_gradient
from minigrad.static.loop_rewrites import tidy
from minigrad.static.node import CONSTANT, Node, constant, rebuilt, topological

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


def is_all(node: Node, number: float) -> bool:
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
    if is_all(y, identity) and x.shape == node.shape:
        return x
    if node.op in (mul, add) and is_all(x, identity) and y.shape == node.shape:
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
    return _smaller(node, lambda x: x.inputs[0] if x.op is broadcast_to else x)


def uniform(node: Node) -> Node | None:
    """A constant of equal elements is one element, where another operand has the shape."""
    one = lambda x: constant(x.value.reshape(-1)[0])
    return _smaller(node, lambda x: one(x) if _all_equal(x) else x)


def _smaller(node: Node, shrunk: Callable[[Node], Node]) -> Node | None:
    """Shrink an operand, where another one is as large as the result."""
    if node.op.kind != "elementwise" or len(node.inputs) < 2:
        return None
    if node.op.dtype == "first":  # `copy` takes the shape of its first
        return None
    inputs = [shrunk(x) for x in node.inputs]
    for i, x in enumerate(node.inputs):
        others = (y for y in node.inputs if y is not x)
        if inputs[i] is not x and all(y.shape != node.shape for y in others):
            inputs[i] = x
    better = node.on(tuple(inputs))
    return None if better is node else better


def _all_equal(node: Node) -> bool:
    if node.op is not CONSTANT or node.value.size < 2:
        return False
    data = node.value.tobytes()
    return data == data[: node.dtype.itemsize] * node.value.size


def two_factors(node: Node) -> Node | None:
    """(x * 2) * 3 is x * 6 and -(x * 2) is x * -2, to the last bit.

    One factor is a power of two, and the product of both an ordinary number: neither
    infinite nor tiny.
    """
    inner, b = _scaled(node)
    x, a = _scaled(inner)
    if a is None or b is None or 0.5 not in np.abs(np.frexp([a.value, b.value])[0]):
        return None
    with np.errstate(all="ignore"):
        factor = a.value * b.value
    ordinary = np.isfinite(factor) and np.abs(factor) >= np.finfo(node.dtype).tiny
    return x * constant(factor) if ordinary else None


def _scaled(node: Node) -> tuple[Node, Node | None]:
    """What a number multiplies, and the number; None if `node` is no such product."""
    if node.op is neg and node.dtype.kind == "f":
        return node.inputs[0], constant(node.dtype.type(-1))
    if node.op is mul and node.dtype.kind == "f":
        for x, factor in itertools.permutations(node.inputs):
            if factor.op is CONSTANT and factor.shape == () and x.shape == node.shape:
                return x, factor
    return node, None


def transposed_twice(node: Node) -> Node | None:
    """A permutation of a permutation is one; x.T.T becomes one that is `idle`."""
    if node.op is not permute or node.inputs[0].op is not permute:
        return None
    (inner,) = node.inputs
    axes = tuple(inner.attrs["axes"][i] for i in node.attrs["axes"])
    attrs = {"axes": axes}
    return Node(permute, inner.inputs, attrs, node.shape, node.dtype, like=node)


def add_rows(node: Node) -> Node | None:
    """x plus zeros to which rows were added is x to which the rows are added.

    So the derivative of `x[i]` in a loop touches one row in a round, not all of x.
    """
    if node.op is not add:
        return None
    for x, y in (node.inputs, node.inputs[::-1]):
        if y.op is index_add and y.shape == x.shape == node.shape:
            into = y.inputs[0]
            if into.op is zeros or is_all(into, 0):
                inputs = (x, *y.inputs[1:])
                return Node(index_add, inputs, y.attrs, y.shape, y.dtype, like=node)
    return None


# --- the same number, computed where less is lost ------------------------------------------


def parts(node: Node | None, *path: Op) -> Node | None:
    """The operand found by following first operands through these ops, or None."""
    for op in path:
        if node is None or node.op is not op:
            return None
        node = node.inputs[0]
    return node


def log_of_exp(node: Node) -> Node | None:
    """log(exp(x)) is x, and so log(softmax(x)) is log_softmax(x)."""
    return parts(node, log, exp)


def log_of_softmax(node: Node) -> Node | None:
    """log(exp(x) / sum(exp(x))), written by hand, is log_softmax(x)."""
    x = parts(node, log, div, exp)
    if x is None:
        return None
    total = node.inputs[0].inputs[1]
    if parts(total, reduce.sum, exp) is not x or not total.attrs["keepdims"]:
        return None
    return reduce.log_softmax(x, axis=total.attrs["axis"])


def log_of_sum_of_exp(node: Node) -> Node | None:
    """log(sum(exp(x))) is logsumexp(x), which does not overflow."""
    x = parts(node, log, reduce.sum, exp)
    return None if x is None else reduce.logsumexp(x, **node.inputs[0].attrs)


def log_of_sigmoid(node: Node) -> Node | None:
    """log(sigmoid(x)) is min(x, 0) - log(1 + exp(-|x|)), which does not underflow."""
    x = parts(node, log, sigmoid)
    return None if x is None else clamp_max(x, max=0) - log1p(exp(-abs(x)))


def log_near_one(node: Node) -> Node | None:
    """log(1 + x) is log1p(x), which keeps the digits of a small x."""
    if node.op is not log or node.inputs[0].op is not add:
        return None
    for one, x in itertools.permutations(node.inputs[0].inputs):
        if is_all(one, 1) and x.shape == node.shape:
            return log1p(x)
    return None


def exp_near_zero(node: Node) -> Node | None:
    """exp(x) - 1 is expm1(x), which keeps the digits of a small x."""
    x = parts(node, sub, exp)
    if x is None or not is_all(node.inputs[1], 1) or x.shape != node.shape:
        return None
    return expm1(x)


# --- the stages ----------------------------------------------------------------------------

STAGES: dict[str, tuple[Rewrite, ...]] = {
    "merge": (),  # of equal nodes, in every stage
    "fold": (fold,),
    "simplify": (
        implicit_broadcast,
        uniform,
        neutral,
        double_negation,
        two_factors,
        idle,
        transposed_twice,
        add_rows,
    ),
    "stabilise": (
        log_of_exp,
        log_of_softmax,
        log_of_sum_of_exp,
        log_of_sigmoid,
        log_near_one,
        exp_near_zero,
    ),
}
REWRITES: Sequence[Rewrite] = tuple(itertools.chain(*STAGES.values()))


def rewritten(
    outputs: Sequence[Node], rewrites: Sequence[Rewrite] = REWRITES
) -> dict[str, list[Node]]:
    """`outputs` after each stage; the last one, "optimized", applies all rewrites once more.

    So what one stage makes possible for an earlier one is not missed, and rewrites of
    the user's own have their turn.
    """
    stages = {}
    for stage, members in STAGES.items():
        chosen = [rewrite for rewrite in rewrites if rewrite in members]
        outputs = stages[stage] = walked(outputs, chosen)
    return stages | {"optimized": optimize(outputs, rewrites)}


def in_order(outputs: Sequence[Node]) -> list:
    """`outputs` over a graph in which effects happen in the order they were written.

    Each of them reads the one before, so that whatever else is moved they are not.
    """
    nodes = sorted(topological(outputs), key=attrgetter("seq"))
    effects = [node for node in nodes if node.op.kind == "effect"]
    before = {node: (last,) for node, last in zip(effects[1:], effects)}
    new: dict[Node, Node] = {}
    for node in nodes if before else ():
        inputs = tuple(new[x] for x in node.inputs)
        new[node] = node.on((*inputs, *(new[x] for x in before.get(node, ()))))
    return [new.get(node, node) for node in outputs]


def optimize(outputs: Sequence[Node], rewrites: Sequence[Rewrite] = REWRITES) -> list:
    """`outputs` over a graph with the rewrites applied and equal nodes merged."""
    better = walked(outputs, rewrites)
    if rewrites and any(node.op.kind == "control" for node in topological(better)):
        # What moves out of a body, or into it, may meet its like there.
        better = tidy(better, partial(optimize, rewrites=rewrites))
        better = walked(better, rewrites)
    return better


def walked(outputs: Sequence[Node], rewrites: Sequence[Rewrite]) -> list:
    """`outputs` over a graph that was improved from inputs to users; equal nodes are one."""
    seen: dict[tuple, Node] = {}

    def better(node: Node) -> Node:
        if rewrites and node.op.kind != "source":
            with on_behalf_of(node.origin):
                node = _improve(node, rewrites)
        return seen.setdefault(_key(node), node)

    return rebuilt(outputs, {}, better)


def settle_reshapes(
    outputs: Sequence[Node], known: dict[Node, np.ndarray] | None = None
) -> list:
    """`outputs` over a graph in which every reshape is a view.

    A reshape of, say, a transposed result has to copy. The copy becomes a node of its
    own, so that the plan can give it memory. How arguments and variables lie in memory
    is known only in each call; a reshape of those stays as it is, but for those in
    `known`, which always lie as the array there does.
    """
    layout: dict[Node, np.ndarray | None] = dict(known or {})

    def better(node: Node) -> Node:
        if not node.op.view:
            return node
        (x,) = node.inputs
        seen = _layout(x, layout)
        shown = None if seen is None else node.op.fn(seen, **node.attrs)
        if seen is not None and not is_view(shown, seen):
            x = Node(cast, (x,), {"dtype": x.dtype}, x.shape, x.dtype, like=node)
            node = node.on((x,))
        layout[node] = shown
        return node

    return rebuilt(outputs, {}, better)


def _layout(node: Node, layout: dict[Node, np.ndarray | None]) -> np.ndarray | None:
    """An array that lies in memory as the node's value will, None if unknown."""
    if node in layout:
        return layout[node]
    if node.op is CONSTANT:
        return node.value
    known = node.op.kind != "source"
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


def _key(node: Node) -> tuple:
    """Equal keys mean equal values; slices in attributes have no hash, so their repr."""
    if node.op.kind != "source":
        return node.op, tuple(map(id, node.inputs)), repr(node.attrs)
    if node.op is CONSTANT and node.value.size <= 16:
        return "constant", node.dtype, node.shape, node.value.tobytes()
    return "source", id(node)
