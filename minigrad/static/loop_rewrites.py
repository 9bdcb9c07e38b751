"""Rewrites of loops and branches: what nobody reads is not computed, and nothing twice.

A derivative may ask a loop for any of its stacks, so a Loop is built with all of them.
Once the whole graph is known, those that are not read are dropped, with the carries that
only they needed; constants move into the body, and what is the same in every round moves
out of it. So do products that need not be taken row by row: a row of xs times a matrix
that does not change is a row of one large product, which BLAS does much faster than many
small ones; so is the sum over rounds of products A^T B, which is how the derivative of a
weight comes about. Bodies are rewritten like any graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from minigrad.ops.elementwise import add
from minigrad.ops.linalg import matmul
from minigrad.ops.movement import permute, reshape
from minigrad.ops.op import on_behalf_of
from minigrad.static.loop import Branch, Loop, item, parameter
from minigrad.static.node import CONSTANT, Node, rebuilt, topological
from minigrad.static.plan import nbytes

Optimize = Callable[[Sequence[Node]], list]
Pairs = list[tuple[Node, Node]]  # a parameter and what it is given
Slim = tuple[Any, list[int], dict[int, int]]  # op, inputs that stay, new output numbers

# What may be computed although no run might come: kinds of ops that cannot fail.
STEADY = ("elementwise", "reduce", "movement", "contraction")
NEAR = 1 << 20  # bytes: beyond, row by row is faster, as the rows stay in the cache


def tidy(outputs: Sequence[Node], optimize: Optimize) -> list[Node]:
    """`outputs` over a graph whose loops and branches hold only what is needed."""
    order = topological(outputs)
    slim = _slimmed(order, outputs)
    new: dict[Node, Node] = {}
    results: dict[Node, dict[int, Node]] = {}
    for node in order:
        if node.op.kind == "item" and node.inputs[0] in results:
            x = new[node] = results[node.inputs[0]].get(node.attrs["i"], node)
            if x.op is item:  # give it the line of the one whose place it takes
                new[node] = item_of(x.inputs[0], x.attrs["i"], node)
        elif node in slim:
            op, kept, numbers = slim[node]
            inputs = [new[node.inputs[i]] for i in kept]
            rewrite = _loop if isinstance(op, Loop) else _branch
            with on_behalf_of(node.origin):
                found = rewrite(op, inputs, node, sorted(numbers.values()), optimize)
            results[node] = {old: found[i] for old, i in numbers.items()}
        elif node.op.kind == "control":
            results[node] = {}  # nobody reads any of it
        else:
            new[node] = node.on(tuple(new[x] for x in node.inputs))
    return [new[node] for node in outputs]


def _slimmed(order: Sequence[Node], outputs: Sequence[Node]) -> dict[Node, Slim]:
    """Each Loop and Branch without what is not read, found from the last to the first."""
    live = set(outputs)
    read: dict[Node, set[int]] = {}
    slim: dict[Node, Slim] = {}
    for node in reversed(order):
        if node not in live:
            continue
        if node.op.kind == "item":
            read.setdefault(node.inputs[0], set()).add(node.attrs["i"])
        if node.op.kind == "control":
            slimming = slim_loop if isinstance(node.op, Loop) else slim_branch
            slim[node] = slimming(node.op, read[node])
            live.update(node.inputs[i] for i in slim[node][1])
        else:
            live.update(node.inputs)
    return slim


def slim_branch(op: Branch, read: set[int]) -> Slim:
    kept = sorted(read)
    sides = [[side[i] for i in kept] for side in op.sides]
    used = set(topological([*sides[0], *sides[1]]))
    places = [k for k, p in enumerate(op.params) if p in used]
    new = Branch([op.params[k] for k in places], *sides)
    return new, [0, *(k + 1 for k in places)], {i: k for k, i in enumerate(kept)}


def slim_loop(op: Loop, read: set[int]) -> Slim:
    n, m = len(op.nexts), len(op.ys)
    rows = [i for i in sorted(read) if n <= i < n + m or i > op.count]
    ys = [op.row(i) for i in rows]
    live = {i for i in range(n) if i in read or op.entry(i) in read}
    while True:  # a carry that a live one is computed from is live as well
        used = set(topological([*op.test, *ys, *(op.nexts[i] for i in live)]))
        more = {i for i, p in enumerate(op.carries) if p in used} | live
        if more == live:
            break
        live = more
    carries = sorted(live)
    places = [k for k, p in enumerate(op.params) if k in live or (k >= n and p in used)]
    new = op.like(
        [op.params[k] for k in places],
        [*op.test, *(op.nexts[i] for i in carries), *ys],
        len(carries),
        sum(n <= k < n + len(op.xs) for k in places),
    )
    numbers = op.numbers(new, carries, rows)
    inputs = [*places, *([len(op.params)] if op.given else [])]
    return new, inputs, {i: k for i, k in numbers.items() if i in read}


def _once(
    given: Iterable[tuple[Node, Node]], new: dict[Node, Node], constants: bool = True
) -> Pairs:
    """The pairs that stay: what is given twice is read once, `constants` where they are."""
    first: dict[Node, Node] = {}
    for p, x in given:
        if constants and x.op is CONSTANT:
            new[p] = x
        elif first.setdefault(x, p) is not p:
            new[p] = first[x]
    return [(p, x) for x, p in first.items()]


def _branch(
    op: Branch, inputs: list[Node], node: Node, read: list[int], optimize: Optimize
) -> dict[int, Node]:
    new: dict[Node, Node] = {}
    stay = _once(zip(op.params, inputs[1:]), new)
    sides = [optimize(rebuilt(side, new)) for side in op.sides]
    used = set(topological([*sides[0], *sides[1]]))
    stay = [(p, x) for p, x in stay if p in used]
    op = Branch([p for p, _ in stay], *sides)
    arguments = (inputs[0], *(x for _, x in stay))
    made = Node(op, arguments, {}, node.shape, node.dtype, like=node)
    return {i: item_of(made, i, node) for i in read}


def _loop(
    op: Loop, inputs: list[Node], node: Node, read: list[int], optimize: Optimize
) -> dict[int, Node]:
    n, m = len(op.nexts), len(op.xs)
    final = [i for i in range(n) if op.entry(i) not in read]
    fixed = [i for i in final if op.nexts[i] is op.carries[i]]
    rounds = [i for i in range(n) if i not in fixed]
    new: dict[Node, Node] = {}
    closed = [(op.carries[i], inputs[i]) for i in fixed]
    closed = _once([*closed, *zip(op.captures, inputs[n + m :])], new)
    rows = _once(zip(op.xs, inputs[n : n + m]), new, constants=False)

    wanted = [*op.test, *(op.nexts[i] for i in rounds), *op.ys]
    body = optimize(rebuilt(wanted, new))
    body, rows, closed = _moved_out(body, rows, closed, op.length)
    test, nexts, ys = op.split(body, len(rounds))
    ends = {i: (op.carries[i], x) for i, x in zip(rounds, nexts) if i in final}
    sums = _product_sums(ends, body) if op.length else {}
    nexts = [x for i, x in zip(rounds, nexts) if i not in sums]
    rounds = [i for i in rounds if i not in sums]
    stacks = dict(rows)
    ys += dict.fromkeys(
        x for ab in sums.values() for x in ab if x not in stacks and x not in {*ys}
    )
    used = set(topological([*test, *nexts, *ys]))
    rows = [(p, x) for p, x in rows if p in used]
    given = [(op.carries[i], inputs[i]) for i in rounds]
    given += [*rows, *((p, x) for p, x in closed if p in used)]
    moved = op.like([p for p, _ in given], [*test, *nexts, *ys], len(nexts), len(rows))
    arguments = (*(x for _, x in given), *(inputs[-1:] if op.given else ()))
    made = Node(moved, arguments, {}, node.shape, node.dtype, like=node)
    numbers = op.numbers(moved, rounds, range(n, n + len(op.ys)))
    results = {i: item_of(made, numbers[i], node) for i in read if i in numbers}
    stacks |= {x: item_of(made, len(nexts) + j, node) for j, x in enumerate(ys)}
    for i, (a, b) in sums.items():  # A^T B over all rows of two stacks
        products = permute(_flat(stacks[a]), axes=(1, 0)) @ _flat(stacks[b])
        results[i] = inputs[i] + products
    return results | {i: inputs[i] for i in fixed}


def _moved_out(
    body: list[Node], rows: Pairs, closed: Pairs, height: int | None
) -> tuple[list[Node], Pairs, Pairs]:
    """Compute before the loop what depends on captures alone, or for all rows on rows."""
    stacks, fixed = dict(rows), dict(closed)
    new: dict[Node, Node] = {}
    read: list[Node] = []  # by what stays
    for node in topological(body):
        inputs = [new.get(x, x) for x in node.inputs]
        rowwise = [x in stacks for x in inputs]
        known = all(x in stacks or x in fixed or x.op is CONSTANT for x in inputs)
        given = tuple(stacks[x] if x in stacks else fixed.get(x, x) for x in inputs)
        steady = node.op.kind in STEADY and any(x in fixed for x in inputs)
        if known and steady and True not in rowwise:
            new[node] = parameter(node)
            fixed[new[node]] = node.on(given)
            continue
        read += inputs
        if known and height and True in rowwise:
            whole = _for_all_rows(node, inputs, given, rowwise, height)
            if whole is not None:
                new[node] = parameter(node)
                stacks[new[node]] = whole
    read += (new.get(x, x) for x in body)
    closed = [(p, fixed[p]) for p in (*dict(closed), *read) if p in fixed]
    return rebuilt(body, new), list(stacks.items()), list(dict(closed).items())


def _for_all_rows(
    node: Node,
    inputs: list[Node],
    given: tuple[Node, ...],
    rowwise: list[bool],
    height: int,
) -> Node | None:
    """What is computed from rows alone, as `row @ w + b`, computed from their stacks."""
    shape = (height, *node.shape)
    if node.op is matmul and rowwise == [True, False] and len(inputs[1].shape) == 2:
        return reshape(_flat(given[0]) @ given[1], shape=shape)
    if node.op.kind == "elementwise" and _aligned(node, inputs, rowwise, height):
        return Node(node.op, given, node.attrs, shape, node.dtype, like=node)
    return None


def _aligned(node: Node, inputs: list[Node], rowwise: list[bool], height: int) -> bool:
    """Does the op do the same to stacks, and is what it makes small enough to stay near?

    An op that takes shape and dtype from its first operand alone does not.
    """
    small = height * nbytes(node) <= NEAR and node.op.dtype != "first"
    return small and all(
        x.shape == node.shape if row else len(x.shape) <= len(node.shape)
        for x, row in zip(inputs, rowwise)
    )


def _product_sums(
    ends: dict[int, tuple[Node, Node]], body: Sequence[Node]
) -> dict[int, tuple[Node, Node]]:
    """Those carries among `ends` that only sum products A^T B: the rows A and B of each.

    An end is a carry of which only the last value counts, and its next value.
    """
    found = {}
    readers = Counter(x for node in topological(body) for x in node.inputs)
    readers.update(body)
    for i, (p, node) in ends.items():
        alone = readers[p] == 1 and readers[node] == 1
        if not alone or node.op is not add or p not in set(node.inputs):
            continue
        product = node.inputs[node.inputs[0] is p]
        if product.op is matmul and product.inputs[0].op is permute:
            a, b = product.inputs[0].inputs[0], product.inputs[1]
            if len(a.shape) == 2 == len(b.shape) and product.shape == p.shape:
                found[i] = a, b
    return found


def _flat(stack: Node) -> Node:
    return reshape(stack, shape=(-1, stack.shape[-1]))


def item_of(made: Node, i: int, like: Node) -> Node:
    """Output `i` of a Loop or Branch, with the origin of `like`."""
    return Node(item, (made,), {"i": i}, *made.op.output(i), like=like)
