"""A plan as something to read: what each step does, and how long each value lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from minigrad.eager.cell import Cell
from minigrad.static.fuse import Group
from minigrad.static.node import CONSTANT, Node
from minigrad.static.plan import FRESH, INSIDE, KEPT, VIEW, Plan, nbytes, root_of


@dataclass(frozen=True)
class Step:
    """One step of a program: `ops` run together, from what `reads` names to `writes`."""

    number: int
    ops: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    def __repr__(self) -> str:
        names = "+".join(self.ops)
        return f"{self.number:3}  {names}: {', '.join(self.reads)} -> {', '.join(self.writes)}"


class Steps(list[Step]):
    """The steps of a program as they run; printed, a line for each."""

    def __repr__(self) -> str:
        return "\n".join(map(repr, self))


class Lifetime(NamedTuple):
    """A value in memory of its own, from the step that makes it to its last reader.

    What leaves the program, or is copied to a variable at the end, lives one step longer
    than there are steps.
    """

    name: str
    place: str
    bytes: int
    first: int
    last: int


def steps_of(plan: Plan) -> Steps:
    names = _names(plan)
    return Steps(
        Step(
            i,
            tuple(node.op.name for node in step.nodes),
            tuple(names[x] for x in step.inputs),
            tuple(f"{names[x]} in {_place(x, plan)}" for x in step.outputs),
        )
        for i, step in enumerate(plan.steps)
    )


def lifetimes(plan: Plan) -> list[Lifetime]:
    """Of every value that a step leaves in memory, in the order of making."""
    names, end = _names(plan), len(plan.steps)
    last = {root_of(x): i for i, step in enumerate(plan.steps) for x in step.inputs}
    last |= {root_of(x): end for x in (*plan.outputs, *plan.updates.values())}
    return [
        Lifetime(names[x], _place(x, plan), nbytes(x), i, last.get(x, i))
        for i, step in enumerate(plan.steps)
        for x in step.outputs
        if plan.place[x] != VIEW
    ]


def _place(node: Node, plan: Plan) -> str:
    place: Any = plan.place[node]
    if isinstance(place, Cell):
        variable = place.node and place.node()
        name = getattr(variable, "name", "")
        return name or f"variable {list(plan.updates).index(place)}"
    if isinstance(place, int):
        return f"buffer {place}"
    words = {FRESH: "new memory", VIEW: "the same memory", INSIDE: "no memory"}
    words[KEPT] = "memory of its own"
    return words[place]


def _names(plan: Plan) -> dict[Node, str]:
    """A source by its name, a result by its op and the step that makes it."""
    names = {
        node: node.name or (node.op.name if node.op is not CONSTANT else _value(node))
        for node in plan.sources
    }
    for i, step in enumerate(plan.steps):
        names |= {node: node.name or f"{node.op.name}#{i}" for node in step.nodes}
    return names


def _value(node: Node) -> str:
    return str(node.value) if node.value.size == 1 else f"constant {node.shape}"


def memory_of(plan: Plan) -> dict[str, int]:
    """Bytes if each result had memory of its own, if each step's had, and as planned."""

    def total(nodes: list[Node]) -> int:
        return sum(nbytes(node) for node in nodes if not node.op.view)

    return {
        "bytes_naive": total(plan.nodes),
        "bytes_fused": total([node for step in plan.steps for node in step.outputs]),
        "bytes_planned": sum(plan.sizes),
    }


def counts_of(plan: Plan) -> dict[str, int]:
    """Steps that compute something, and how many nodes run together with others."""
    working: list[Group] = [step for step in plan.steps if not step.nodes[0].op.view]
    fused = sum(len(step.nodes) for step in working if step.fused)
    return {"steps": len(working), "fused": fused}
