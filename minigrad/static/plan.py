"""Schedule and memory plan: in which order the nodes run, and where each result lives.

Which problem this solves: a graph is known before it runs, so memory whose value is read
for the last time can be given to the next result at once, and a weight update can write
straight into the weight. The order is settled first; then one pass hands out buffers, so
whether reuse is safe is a local question.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from minigrad.eager.cell import Cell
from minigrad.ops.indexing import index_add, index_put
from minigrad.ops.movement import put
from minigrad.static.node import CONSTANT, VARIABLE, Node, topological

FRESH, VIEW = "fresh", "view"
KEPT = "kept"  # stacks of a loop that are made once, as their height is known


@dataclass(eq=False)
class Plan:
    """What `make_plan` decides.

    `order` lists the nodes; `place` says for each computed node where its result goes:
    a buffer's number, `VIEW` of its first input, `FRESH` memory (results that leave the
    program), or the Cell that it updates in place. `sizes` are the buffers' bytes.
    `copied` are the updates whose value is computed elsewhere and copied at the end.
    """

    order: list[Node]
    place: dict[Node, int | str | Cell] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    copied: dict[Cell, Node] = field(default_factory=dict)
    tail: int = 0  # from here on the order holds only updates written in place


def nbytes(node: Node) -> int:
    """The memory of a node's result."""
    size = node.dtype.itemsize
    for n in node.shape:
        size *= n
    return size


def root_of(node: Node) -> Node:
    """The node whose memory a chain of views shows."""
    while node.op.view or node.op.kind == "item":
        node = node.inputs[0]
    return node


def make_plan(
    outputs: Sequence[Node],
    updates: dict[Cell, Node],
    aside: bool = False,
    body: bool = False,
) -> Plan:
    """Order the nodes and give every result a place.

    `aside` computes every new value before any variable is written. The outputs of a
    `body` outlive its next run, so also what they are only views of is made afresh.
    """
    plan = _schedule(outputs, updates, aside)
    leaving = {root_of(node) for node in outputs} if body else set(outputs)
    pinned = {root_of(node) for node in (*outputs, *plan.copied.values())}
    last = _last_use(plan.order)
    free: dict[int, list[int]] = {}
    for step, node in enumerate(plan.order):
        if node.op.kind == "source" or node in plan.place:
            continue
        if node.op.view or node.op.kind == "item":
            plan.place[node] = VIEW
            continue
        ending = {
            x: slot
            for x in _roots(node.inputs)
            if last[x] == step and isinstance(slot := plan.place.get(x), int)
        }
        ending = {x: slot for x, slot in ending.items() if x not in pinned}
        heir = next((x for x in ending if in_place(node, x)), None)
        if node.op.kind == "control":
            plan.place[node] = FRESH if node in leaving else KEPT
        elif node in leaving:
            plan.place[node] = FRESH
        elif heir is not None:
            plan.place[node] = ending.pop(heir)
        else:
            plan.place[node] = _take(plan, free, nbytes(node))
        for x, slot in ending.items():
            free.setdefault(nbytes(x), []).append(slot)
    return plan


def _take(plan: Plan, free: dict[int, list[int]], size: int) -> int:
    if free.get(size):
        return free[size].pop()
    plan.sizes.append(size)
    return len(plan.sizes) - 1


def _roots(nodes: Iterable[Node]) -> list[Node]:
    return list(dict.fromkeys(root_of(x) for x in nodes))


def _last_use(order: Sequence[Node]) -> dict[Node, int]:
    return {root_of(x): i for i, node in enumerate(order) for x in node.inputs}


def in_place(node: Node, x: Node) -> bool:
    """May `node` overwrite its input `x`, which nobody needs afterwards?

    Element by element that is safe if every operand that shows this memory shows all of
    it, in plain order; `put` writes into a part of its first operand.
    """
    if x.shape != node.shape or x.dtype != node.dtype:
        return False
    sharing = [i for i, y in enumerate(node.inputs) if root_of(y) is x]
    if any(node.inputs[i] is not x for i in sharing):
        return False
    into_first = node.op in (put, index_put, index_add) and sharing == [0]
    return node.op.kind == "elementwise" or into_first


def _schedule(outputs: Sequence[Node], updates: dict[Cell, Node], aside: bool) -> Plan:
    """Inputs before users; updates that can write into their variable at the very end."""
    order = topological([*outputs, *updates.values()])
    readers: dict[Node, int] = {}
    for node in order:
        for x in node.inputs:
            readers[x] = readers.get(x, 0) + 1
    for node in (*outputs, *updates.values()):
        readers[node] = readers.get(node, 0) + 1
    direct = {
        node: cell
        for cell, node in updates.items()
        if readers[node] == 1 and not aside and _updates_in_place(node, cell)
    }
    # A later update may still read what an earlier one has overwritten: those are copied.
    tail = [node for node in order if node in direct]
    for i, node in enumerate(tail):
        if any(_reads(other, direct[node]) for other in tail[i + 1 :]):
            del direct[node]
    head = [node for node in order if node not in direct]
    plan = Plan([*head, *(n for n in tail if n in direct)], tail=len(head))
    plan.place.update(direct)
    plan.copied = {c: n for c, n in updates.items() if n not in direct}
    return plan


def _updates_in_place(node: Node, cell: Cell) -> bool:
    if node.op.kind == "source" or node.op.view:
        return False
    mine = [x for x in node.inputs if _reads_cell(x, cell)]
    if not mine:
        return node.op.kind == "elementwise"
    return in_place(node, root_of(mine[0]))


def _reads(node: Node, cell: Cell) -> bool:
    return any(_reads_cell(x, cell) for x in node.inputs)


def _reads_cell(node: Node, cell: Cell) -> bool:
    root = root_of(node)
    return root.op is VARIABLE and root.value is cell


def is_static(node: Node, plan: Plan) -> bool:
    """Does the node's array stay the same object from call to call?"""
    root = root_of(node)
    return root.op is CONSTANT or isinstance(plan.place.get(root), int)
