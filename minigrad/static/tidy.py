"""Rewrites of loops and branches: what nobody reads is not computed, and nothing twice.

A derivative may ask a loop for any of its stacks, so a Loop is built with all of them.
Once the whole graph is known, those that are not read are dropped, with the carries that
only they needed; constants move into the body, and what is the same in every run moves
out of it. Bodies are rewritten like any graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.ops.op import on_behalf_of
from minigrad.static.batch import batch_rows, product_sums, sum_of_products
from minigrad.static.loop import Branch, Loop, item, parameter, substitute
from minigrad.static.node import CONSTANT, Node, topological

Optimize = Callable[[Sequence[Node]], list]
Slim = tuple[Any, list[int], dict[int, int]]  # op, inputs that stay, new output numbers

# What may be computed although no run might come: kinds of ops that cannot fail.
STEADY = ("elementwise", "reduce", "movement", "contraction")


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
            same = all(new[x] is x for x in node.inputs)
            new[node] = node if same else node.on(tuple(new[x] for x in node.inputs))
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
    seeds = [*([] if op.pred is None else [op.pred]), *ys]
    live = {i for i in range(n) if i in read or op.entry(i) in read}
    while True:  # a carry that a live one is computed from is live as well
        used = set(topological([*seeds, *(op.nexts[i] for i in live)]))
        more = {i for i, p in enumerate(op.carries) if p in used} | live
        if more == live:
            break
        live = more
    carries = sorted(live)
    places = [k for k, p in enumerate(op.params) if k in live or (k >= n and p in used)]
    new = Loop(
        [op.params[k] for k in places],
        [op.nexts[i] for i in carries],
        ys,
        sum(n <= k < n + len(op.xs) for k in places),
        pred=op.pred, length=op.length, limit=op.limit, reverse=op.reverse,
    )  # fmt: skip
    numbers = {i: k for k, i in enumerate(carries)}
    numbers |= {i: len(carries) + k for k, i in enumerate(rows)}
    numbers |= {op.entry(i): new.entry(k) for k, i in enumerate(carries)}
    numbers[op.count] = new.count
    inputs = [*places, *([len(op.params)] if op.given else [])]
    return new, inputs, {i: k for i, k in numbers.items() if i in read}


def _known(
    params: Sequence[Node], inputs: Sequence[Node], new: dict[Node, Node]
) -> list[tuple[Node, Node]]:
    """The parameters that stay; constants and what is given twice take their places."""
    first: dict[Node, Node] = {}
    stay = []
    for p, x in zip(params, inputs):
        if x.op is CONSTANT:
            new[p] = x
        elif x in first:
            new[p] = first[x]
        else:
            first[x] = p
            stay.append((p, x))
    return stay


def _branch(
    op: Branch, inputs: list[Node], node: Node, read: list[int], optimize: Optimize
) -> dict[int, Node]:
    new: dict[Node, Node] = {}
    stay = _known(op.params, inputs[1:], new)
    sides = [optimize(substitute(side, new)) for side in op.sides]
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
    new: dict[Node, Node] = {}
    fixed = [
        i
        for i, (p, x) in enumerate(zip(op.carries, op.nexts))
        if x is p and op.entry(i) not in read
    ]
    rounds = [i for i in range(n) if i not in fixed]
    closed = [*((op.carries[i], inputs[i]) for i in fixed)]
    closed += zip(op.captures, inputs[n + m :])
    rows = list(zip(op.xs, inputs[n : n + m]))
    closed = _known(*_columns(closed), new)
    rows = _same(rows, new)

    head = [] if op.pred is None else [op.pred]
    wanted = [*head, *(op.nexts[i] for i in rounds), *op.ys]
    body = optimize(substitute(wanted, new))
    body, closed = _hoist(body, closed)
    h, k = len(head), len(head) + len(rounds)
    pred, nexts, ys = body[:h], body[h:k], body[k:]
    sums: dict[int, tuple[Node, Node]] = {}
    if op.length:
        body, rows = batch_rows(body, rows, closed, op.length)
        nexts, ys = body[:k], body[k:]
        final = {i for i in rounds if op.entry(i) not in read}
        sums = product_sums([op.carries[i] for i in rounds], nexts, ys)
        sums = {rounds[at]: ab for at, ab in sums.items() if rounds[at] in final}
        nexts = [x for i, x in zip(rounds, nexts) if i not in sums]
        rounds = [i for i in rounds if i not in sums]
        known = {p for p, _ in rows}
        for x in dict.fromkeys(x for ab in sums.values() for x in ab):
            ys += [] if x in known or x in set(ys) else [x]
    used = set(topological([*pred, *nexts, *ys]))
    stacks = dict(rows)
    rows = [(p, x) for p, x in rows if p in used]
    closed = [(p, x) for p, x in closed if p in used]
    moved = Loop(
        [*(op.carries[i] for i in rounds), *(p for p, _ in (*rows, *closed))],
        nexts, ys, len(rows), pred=pred[0] if pred else None,
        length=op.length, limit=op.limit, reverse=op.reverse,
    )  # fmt: skip
    arguments = [*(inputs[i] for i in rounds), *(x for _, x in (*rows, *closed))]
    arguments += inputs[-1:] if op.given else []
    numbers = {i: at for at, i in enumerate(rounds)}
    numbers |= {n + j: len(rounds) + j for j in range(len(op.ys))}
    numbers |= {op.entry(i): moved.entry(at) for at, i in enumerate(rounds)}
    numbers[op.count] = moved.count
    made = Node(moved, tuple(arguments), {}, node.shape, node.dtype, like=node)
    results = {i: item_of(made, numbers[i], node) for i in read if i in numbers}
    stacks |= {x: item_of(made, len(nexts) + j, node) for j, x in enumerate(ys)}
    for i, (a, b) in sums.items():
        results[i] = sum_of_products(inputs[i], stacks[a], stacks[b])
    return results | {i: inputs[i] for i in fixed}


def _columns(pairs: Sequence[tuple]) -> tuple[list, list]:
    return [p for p, _ in pairs], [x for _, x in pairs]


def _same(rows: list[tuple[Node, Node]], new: dict[Node, Node]) -> list:
    """Rows of one stack are read once."""
    first: dict[Node, Node] = {}
    for p, x in rows:
        if first.setdefault(x, p) is not p:
            new[p] = first[x]
    return [(p, x) for p, x in rows if p not in new]


def _hoist(body: list[Node], closed: list[tuple[Node, Node]]) -> tuple[list, list]:
    """Compute outside what depends on captures alone; it becomes a capture."""
    outer: dict[Node, Node] = dict(closed)
    steady: set[Node] = set()
    new: dict[Node, Node] = {}
    for node in topological(body):
        if node.op.kind in STEADY and node.inputs:
            known = all(x in outer or x.op is CONSTANT for x in node.inputs)
            if known and any(x in outer for x in node.inputs):
                outer[node] = node.on(tuple(outer.get(x, x) for x in node.inputs))
                steady.add(node)
    readers = [
        x for node in topological(body) if node not in steady for x in node.inputs
    ]
    for node in dict.fromkeys([*readers, *body]):
        if node in steady:
            new[node] = parameter(node)
            closed = [*closed, (new[node], outer[node])]
    return substitute(body, new), closed


def item_of(made: Node, i: int, like: Node) -> Node:
    """Output `i` of a Loop or Branch, with the origin of `like`."""
    return Node(item, (made,), {"i": i}, *made.op.output(i), like=like)
