"""Rewrites: the graph, made smaller before it runs. Results change by rounding at most.

Each rewrite looks at one node whose inputs have been rewritten already and answers with
a better node or None. They are applied in one walk from the inputs to the outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from minigrad.ops.elementwise import add, cast, div, mul, neg, sub
from minigrad.ops.linalg import gemm, matmul
from minigrad.ops.movement import broadcast_to, is_view, permute, reshape
from minigrad.static.node import CONSTANT, VARIABLE, Node, constant, topological

Rewrite = Callable[[Node], Node | None]

FOLD_LIMIT = 1 << 16  # elements; a larger constant costs more memory than time


def fold(node: Node) -> Node | None:
    """An op whose inputs are all known is a constant."""
    known = all(x.op is CONSTANT for x in node.inputs)
    if not known or int(np.prod(node.shape, dtype=np.int64)) > FOLD_LIMIT:
        return None
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


REWRITES: Sequence[Rewrite] = (
    fold,
    implicit_broadcast,
    neutral,
    double_negation,
    idle,
)


def optimize(outputs: Sequence[Node], rewrites: Sequence[Rewrite] = REWRITES) -> list:
    """`outputs` over a graph with the rewrites applied and equal nodes merged."""
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


def accumulate(outputs: Sequence[Node]) -> list:
    """`outputs` with `w - rate * (a @ b)` as one gemm, if nobody else reads the product.

    The product is then added to what is there already: to the weight that the program
    updates, or to the sum of the products before it. A gradient that only serves to
    update its weight never takes memory of its own.
    """
    readers: Counter[Node] = Counter(outputs)
    for node in topological(outputs):
        readers.update(node.inputs)
    new: dict[Node, Node] = {}
    for node in topological(outputs):
        inputs = tuple(new[x] for x in node.inputs)
        better = node if _same(inputs, node.inputs) else _with_inputs(node, inputs)
        if node.op in (add, sub):
            places = ((0, 1), (1, 0)) if node.op is add else ((0, 1),)
            once = [readers[x] == 1 for x in node.inputs]
            for i, j in places:
                scaled = _scaled(node.inputs[j], readers) if once[j] else None
                free = inputs[i].op is VARIABLE or (
                    once[i] and inputs[i].op in (matmul, gemm)
                )
                if scaled and free and inputs[i].shape == node.inputs[j].shape:
                    better = _gemm(node, inputs[i], *scaled, new)
                    break
        new[node] = better
    return [new[node] for node in outputs]


def _scaled(node: Node, readers: Counter[Node]) -> tuple[Node, Node | None] | None:
    """`node` as a product of matrices times a number, None if it is no such thing."""
    if node.op is matmul:
        return node, None
    if node.op is mul:
        for number, product in (node.inputs, node.inputs[::-1]):
            if product.op is matmul and readers[product] == 1 and number.shape == ():
                return product, number
    return None


def _gemm(
    node: Node, start: Node, product: Node, number: Node | None, new: dict[Node, Node]
) -> Node:
    """start + alpha * product; a number known in the call only scales a factor."""
    b, c = (new[x] for x in product.inputs)
    alpha = -1.0 if node.op is sub else 1.0
    if number is not None and number.op is CONSTANT:
        alpha *= float(number.value)
    elif number is not None:
        c = Node(mul, (new[number], c), {}, c.shape, c.dtype, like=node)
    attrs = {"alpha": alpha}
    return Node(gemm, (start, b, c), attrs, node.shape, node.dtype, like=node)


def settle_reshapes(
    outputs: Sequence[Node], known: dict[Node, np.ndarray] | None = None
) -> list:
    """`outputs` over a graph in which every reshape is a view.

    A reshape of, say, a transposed result has to copy. The copy becomes a node of its
    own, so that the plan can give it memory. How arguments and variables lie in memory
    is known only in each call; a reshape of those stays as it is, but for those in
    `known`, which always lie as the array there does.
    """
    new: dict[Node, Node] = {}
    layout: dict[Node, np.ndarray | None] = dict(known or {})
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
    return None if node.op.kind == "source" else np.empty(node.shape, node.dtype)


def _improve(node: Node, rewrites: Sequence[Rewrite]) -> Node:
    again = True
    while again and node.op.kind != "source":
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
    return node.op.name, tuple(map(id, node.inputs)), repr(node.attrs)


def _source_key(node: Node) -> tuple:
    if node.op is CONSTANT and node.value.size <= 16:
        return "constant", node.dtype, node.shape, node.value.tobytes()
    return "source", id(node)
