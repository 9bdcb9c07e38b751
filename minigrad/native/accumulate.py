"""Products that are added to something: one call of BLAS, in the memory of the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from minigrad.ops.elementwise import add, mul, sub
from minigrad.ops.linalg import gemm, matmul
from minigrad.static.node import CONSTANT, VARIABLE, Node, constant, topological


def accumulate(outputs: Sequence[Node]) -> list:
    """`outputs` with `w - rate * (a @ b)` as one gemm, if nobody else reads the product.

    The product is then added to what is there already: to the weight that the program
    updates, or to the sum of the products before it. A gradient that only serves to
    update its weight never takes memory of its own. Facts of shapes become constants.
    """
    readers: Counter[Node] = Counter(outputs)
    for node in topological(outputs):
        readers.update(node.inputs)
    new: dict[Node, Node] = {}
    for node in topological(outputs):
        inputs = tuple(new[x] for x in node.inputs)
        better = node.on(inputs)
        if node.op.kind == "fact":  # every shape is known by now
            ghost = np.broadcast_to(np.empty((), inputs[0].dtype), inputs[0].shape)
            better = constant(node.op.fn(ghost, **node.attrs))
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
