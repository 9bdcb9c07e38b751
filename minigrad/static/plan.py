"""Schedule and memory plan: in which order the steps run, and where each result lives.

Which problem this solves: a graph is known before it runs, so memory whose value is read
for the last time can be given to the next result at once, and a weight update can write
straight into the weight. What runs as one step is settled first, then the order; then
one pass hands out buffers, so whether reuse is safe is a local question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from minigrad.eager.cell import Cell
from minigrad.ops.conv import conv_input
from minigrad.ops.elementwise import floor_divide, pow, remainder
from minigrad.ops.indexing import index_add, index_put
from minigrad.ops.linalg import gemm
from minigrad.ops.movement import put
from minigrad.static.fuse import Group, Joins, RowOf, fuse
from minigrad.static.node import VARIABLE, Node, topological

FRESH, VIEW, INSIDE = "fresh", "view", "inside"
KEPT = "kept"  # stacks of a loop that are made once, as their height is known


@dataclass(eq=False)
class Plan:
    """What `make_plan` decides.

    `steps` are the groups as they run, `sources` what is there before, `outputs` what
    leaves the program. `place` says for
    each computed node where its result goes: a buffer's number, `VIEW` of its first
    input, `FRESH` memory (results that leave the program), the Cell that it updates in
    place, or `INSIDE`: no memory, as its own group alone reads it. `sizes` are the
    buffers' bytes. `copied` are the updates that are computed elsewhere and copied at
    the end. From `tail` on, steps may write into variables.
    """

    outputs: list[Node]
    sources: list[Node]
    steps: list[Group]
    tail: int
    place: dict[Node, int | str | Cell] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    copied: dict[Cell, Node] = field(default_factory=dict)

    @property
    def updates(self) -> dict[Cell, Node]:
        """Every variable that changes, and its new value."""
        direct = ((x, node) for node, x in self.place.items() if isinstance(x, Cell))
        return self.copied | dict(direct)

    @property
    def nodes(self) -> list[Node]:
        """The computed nodes as they run."""
        return [node for step in self.steps for node in step.nodes]


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


def is_given(node: Node) -> bool:
    """Does it show memory that was there before the first step?"""
    return root_of(node).op.kind == "source"


def make_plan(
    outputs: Sequence[Node],
    updates: dict[Cell, Node],
    aside: bool = False,
    joins: Joins | None = None,
    body: bool = False,
    row_of: RowOf | None = None,
) -> Plan:
    """Fuse what `joins` allows, order the steps and give every result a place.

    `aside` computes every new value before any variable is written. The outputs of a
    `body` outlive its next run, so also what they are only views of is made afresh.
    """
    wanted = [*outputs, *updates.values()]
    order = topological(wanted)
    plan = _schedule(order, fuse(order, wanted, joins, row_of), outputs, updates, aside)
    leaving = {root_of(node) for node in outputs} if body else set(outputs)
    pinned = {root_of(node) for node in (*outputs, *plan.copied.values())}
    last = {root_of(x): i for i, step in enumerate(plan.steps) for x in step.inputs}
    free: dict[int, list[int]] = {}
    for i, step in enumerate(plan.steps):
        ending = {
            x: slot
            for x in dict.fromkeys(map(root_of, step.inputs))
            if last[x] == i and isinstance(slot := plan.place.get(x), int)
        }
        ending = {x: slot for x, slot in ending.items() if x not in pinned}
        for node in step.outputs:
            if node in plan.place:
                continue
            heir = next((x for x in ending if takes_over(step, node, x)), None)
            if node.op.view or node.op.kind == "item":
                plan.place[node] = VIEW
            elif node.op.kind == "control":
                plan.place[node] = FRESH if node in leaving else KEPT
            elif node in leaving:
                plan.place[node] = FRESH
            elif heir is not None:
                plan.place[node] = ending.pop(heir)
            else:
                plan.place[node] = _take(plan, free, nbytes(node))
        for node in step.nodes:
            plan.place.setdefault(node, INSIDE)
        for x, slot in ending.items():
            free.setdefault(nbytes(x), []).append(slot)
    return plan


def _take(plan: Plan, free: dict[int, list[int]], size: int) -> int:
    if free.get(size):
        return free[size].pop()
    plan.sizes.append(size)
    return len(plan.sizes) - 1


def takes_over(step: Group, node: Node, x: Node) -> bool:
    """May `node`, of this step, overwrite the input `x`, which nobody needs afterwards?

    Element by element that is safe if all operands of the step that show this memory
    show all of it, in plain order, and none is read after `node` is computed. So the
    step may run in blocks, if each block runs its nodes in order; a step that reads rows
    more than once must finish a row before it writes one. `put` and its like write
    into a part of their first operand, `gemm` adds to it.
    """
    if x.shape != node.shape or x.dtype != node.dtype:
        return False
    if any(root_of(y) is x and y is not x for y in step.inputs):
        return False
    first = step.nodes[0]
    more_than_once = first.op.kind == "contraction" and any(
        y is x for y in first.inputs
    )
    if more_than_once and first is not node:
        return False
    if node.op in (put, index_put, index_add, gemm):
        return [i for i, y in enumerate(node.inputs) if y is x] == [0]
    return node.op.kind == "elementwise" and step.times[x] <= step.times[node]


def overwritten(
    plan: Plan, carries: Sequence[Node], results: Sequence[Node]
) -> set[int]:
    """The carries that their next value, the result of that number, may overwrite.

    Nothing else ever shows them.
    """
    readers = Counter(x for node in plan.nodes for x in node.inputs)
    steps = {node: step for step in plan.steps for node in step.nodes}
    roots = Counter(map(root_of, results))
    found = set()
    for i, (p, x) in enumerate(zip(carries, results)):
        alone = readers[p] == 1 and roots[x] == 1 and roots[p] == 0
        alone = alone and any(y is p for y in x.inputs)
        if alone and plan.place.get(x) == FRESH and takes_over(steps[x], x, p):
            found.add(i)
    return found


# --- the order ---------------------------------------------------------------------------


def _schedule(
    order: Sequence[Node],
    steps: Sequence[Group],
    outputs: Sequence[Node],
    updates: dict[Cell, Node],
    aside: bool,
) -> Plan:
    """Steps after those that they read; those that write into variables at the very end.

    What reads the other results of such a step must run after it, and may not fail any
    more: a failed call leaves every variable as it was.
    """
    home = {node: step for step in steps for node in step.nodes}
    readers: dict[Group, list[Group]] = {step: [] for step in steps}
    for step in steps:
        for x in step.inputs:
            if x in home:
                readers[home[x]].append(step)
    direct = {} if aside else _writable(steps, outputs, updates)
    safe: set[Group] = set()
    for step in reversed(steps):
        if all(map(_cannot_fail, step.nodes)) and safe.issuperset(readers[step]):
            safe.add(step)
    late = {step for step in safe if any(node in direct for node in step.outputs)}
    for step in steps:
        if step in late:
            late.update(readers[step])
    head = [step for step in steps if step not in late]
    tail = [step for step in steps if step in late]
    # A later step may still read what an earlier one has overwritten: those are copied.
    read = {cell: i for i, step in enumerate(tail) for cell in _cells(step)}
    place: dict[Node, Any] = {
        node: direct[node]
        for i, step in enumerate(tail)
        for node in step.outputs
        if node in direct and read.get(direct[node], i) <= i
    }
    copied = {cell: node for cell, node in updates.items() if node not in place}
    sources = [node for node in order if node.op.kind == "source"]
    return Plan(list(outputs), sources, [*head, *tail], len(head), place, copied=copied)


def _cells(step: Group) -> list[Cell]:
    """The storages of the variables that a step reads, itself or through views."""
    return [x.value for x in map(root_of, step.inputs) if x.op is VARIABLE]


def _writable(
    steps: Sequence[Group], outputs: Sequence[Node], updates: dict[Cell, Node]
) -> dict[Node, Cell]:
    """The new values that their own step could write straight into their variable."""
    claims = Counter([*outputs, *updates.values()])
    for step in steps:
        claims.update(step.inputs)
    cells = {node: cell for cell, node in updates.items() if claims[node] == 1}
    return {
        node: cells[node]
        for step in steps
        for node in step.outputs
        if node in cells and _updates_in_place(step, node, cells[node])
    }


def _updates_in_place(step: Group, node: Node, cell: Cell) -> bool:
    for x in map(root_of, step.inputs):
        if x.op is VARIABLE and x.value is cell:
            return takes_over(step, node, x)
    return node.op.kind == "elementwise"


def _cannot_fail(node: Node) -> bool:
    """Is there a result, whatever the values are?"""
    if node.op in (floor_divide, remainder, pow):
        return node.dtype.kind == "f"
    if node.op is conv_input:  # in C it leaves infinite filters to the interpreter
        return False
    return node.op.kind in ("elementwise", "reduce", "movement", "contraction")
