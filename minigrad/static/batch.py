"""Products over all rows at once: what a loop need not do row by row.

A row of xs times a matrix that does not change is a row of one large product, which BLAS
does much faster than many small ones; so does the sum over rounds of products A^T B,
which is how the derivative of a weight comes about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from minigrad.ops.elementwise import add
from minigrad.ops.linalg import matmul
from minigrad.ops.movement import permute, reshape
from minigrad.static.loop import parameter, substitute
from minigrad.static.node import CONSTANT, Node, topological
from minigrad.static.plan import nbytes

NEAR = 1 << 20  # bytes: beyond, row by row is faster, as the rows stay in the cache
Pairs = list[tuple[Node, Node]]  # a parameter and what it is given


def batch_rows(
    body: list[Node], rows: Pairs, closed: Pairs, height: int
) -> tuple[list, Pairs]:
    """What is computed from rows alone, as `row @ w + b`, is done once for all rows."""
    stacks, fixed = dict(rows), dict(closed)
    new: dict[Node, Node] = {}
    for node in topological(body):
        inputs = [new.get(x, x) for x in node.inputs]
        rowwise = [x in stacks for x in inputs]
        known = all(x in stacks or x in fixed or x.op is CONSTANT for x in inputs)
        if not known or True not in rowwise:
            continue
        given = [stacks[x] if x in stacks else fixed.get(x, x) for x in inputs]
        if node.op is matmul and rowwise == [True, False] and len(inputs[1].shape) == 2:
            whole = _flat(given[0]) @ given[1]
            whole = reshape(whole, shape=(height, *node.shape))
        elif node.op.kind == "elementwise" and _aligned(node, inputs, rowwise, height):
            shape = (height, *node.shape)
            whole = Node(
                node.op, tuple(given), node.attrs, shape, node.dtype, like=node
            )
        else:
            continue
        new[node] = parameter(node)
        stacks[new[node]] = whole
    return substitute(body, new), list(stacks.items())


def _aligned(node: Node, inputs: list[Node], rowwise: list[bool], height: int) -> bool:
    """Does the op do the same to stacks, and is what it makes small enough to stay near?

    An op that takes shape and dtype from its first operand alone does not.
    """
    small = height * nbytes(node) <= NEAR and node.op.dtype != "first"
    return small and all(
        x.shape == node.shape if row else len(x.shape) <= len(node.shape)
        for x, row in zip(inputs, rowwise)
    )


def product_sums(
    carries: Sequence[Node], nexts: Sequence[Node], ys: Sequence[Node]
) -> dict[int, tuple[Node, Node]]:
    """The carries that only sum products A^T B, with the two rows A and B of each."""
    found = {}
    order = topological([*nexts, *ys])
    readers = Counter(x for node in order for x in node.inputs)
    readers.update((*nexts, *ys))
    for i, (p, node) in enumerate(zip(carries, nexts)):
        alone = readers[p] == 1 and readers[node] == 1
        if not alone or node.op is not add or p not in set(node.inputs):
            continue
        product = node.inputs[node.inputs[0] is p]
        if product.op is matmul and product.inputs[0].op is permute:
            a, b = product.inputs[0].inputs[0], product.inputs[1]
            if len(a.shape) == 2 == len(b.shape) and product.shape == p.shape:
                found[i] = a, b
    return found


def sum_of_products(start: Node, a: Node, b: Node) -> Node:
    """`start` plus A^T B over all rows of two stacks."""
    return start + permute(_flat(a), axes=(1, 0)) @ _flat(b)


def _flat(stack: Node) -> Node:
    return reshape(stack, shape=(-1, stack.shape[-1]))
