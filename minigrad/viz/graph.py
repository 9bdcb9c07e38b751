"""Graphs: Nodes as they were written, and Programs at each stage of being compiled.

A graph that is only built has computed nothing. That is its whole point, so what has no
value yet is drawn grey and dashed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..eager.cell import Cell
from ..static.loop import PARAMETER
from ..static.node import CONSTANT, PLACEHOLDER, VARIABLE, Node, topological
from ..static.program import Program
from .diagram import Diagram
from .names import Names, short, size

SOURCE_KINDS = {
    PLACEHOLDER: "placeholder",
    VARIABLE: "variable",
    CONSTANT: "constant",
    PARAMETER: "placeholder",
}


def program_diagram(
    program: Program, stage: str = "graph", filled: bool = True
) -> Diagram:
    """A program's outputs and updates as they stand at `stage`."""
    if stage not in program.stages:
        stages = ", ".join(program.stages)
        raise ValueError(f"show: stage must be one of {stages}, not {stage!r}")
    if stage in ("fuse", "schedule"):
        return _plan_diagram(program, stage, filled)
    roots = program.stages[stage]
    count = len(program.build.outputs)
    updates = dict(zip(program.build.updates, roots[count:]))
    return _with_updates(program, stage, filled, roots[:count], updates)


def _plan_diagram(program: Program, stage: str, filled: bool) -> Diagram:
    """Each step that runs several ops as a box; for "schedule" with the steps' numbers."""
    plan = program.plan
    boxes = {
        node: (f"step {i}: {step.label}",) if step.fused else ()
        for i, step in enumerate(plan.steps)
        for node in step.nodes
    }
    picture = _with_updates(program, stage, filled, plan.outputs, plan.updates, boxes)
    if stage == "schedule":
        number = {id(n): i for i, step in enumerate(plan.steps) for n in step.nodes}
        for key, node in picture.nodes.items():
            if key in number:
                lines = (f"{number[key]}. {node.lines[0]}", *node.lines[1:])
                picture.nodes[key] = replace(node, lines=lines)
    return picture


def _with_updates(
    program: Program,
    stage: str,
    filled: bool,
    outputs: list[Node],
    updates: dict[Cell, Node],
    boxes: dict | None = None,
) -> Diagram:
    names = Names()
    picture = graph_diagram(
        [*outputs, *updates.values()],
        outputs,
        f"{_called(outputs, names)}, stage {stage}",
        filled=filled,
        inputs=program.inputs,
        boxes=boxes,
    )
    for cell, value in updates.items():
        variable = cell.node() if cell.node else None
        word = "a variable" if variable is None else names.of(variable, "a variable")
        update = ("update", id(cell))
        lines = (f"update of {word}", size(value))
        picture.node(update, *lines, kind="update", computed=filled)
        picture.edge(id(value), update, kind="update")
    return picture


def graph_diagram(
    roots: Iterable[Node],
    outputs: Sequence[Node] | None = None,
    title: str = "",
    *,
    filled: bool = False,
    inputs: Sequence[Node] = (),
    boxes: dict[Node, tuple[str, ...]] | None = None,
) -> Diagram:
    """Everything that `roots` need; `outputs` (else all roots) are marked as such.

    `filled` says that there are values; `inputs` are a program's arguments in order;
    nodes stand in `boxes`, by default in those of the composites that made them.
    """
    roots = list(roots)
    outputs = roots if outputs is None else outputs
    order, ends, names = topological(roots), set(outputs), Names()
    after = _after_gradients(order, set(topological(outputs)))
    scopes = _scopes([node for node in order if node not in after])
    picture = Diagram(title or f"the graph of {_listed(roots, names)}")
    for node in order:
        kind = SOURCE_KINDS.get(node.op, "grad" if node in after else "op")
        lines = _source_lines(node, names, inputs)
        if node.op.kind == "control":
            kind, lines = "control", [node.op.name]  # its results have the sizes
        elif node.op.kind != "source":
            kind = "output" if node in ends else kind
            lines = _op_lines(node, names, scopes)
        elif node in ends:
            lines.append("output")
        known = filled or kind in ("variable", "constant")
        scope = (scopes if boxes is None else boxes).get(node, ())
        picture.node(id(node), *lines, kind=kind, scope=scope, computed=known)
        for source in node.inputs:
            picture.edge(id(source), id(node))
        if node.op.kind == "control":
            _draw_bodies(picture, node, names, scope, filled)
    return picture


def _draw_bodies(
    picture: Diagram, node: Node, names: Names, scope: tuple[str, ...], filled: bool
) -> None:
    """A box for the body of a loop, two for a branch, on the way into the node itself."""
    number = len(picture.nodes)  # of the node, in the listing
    for label, results in node.op.bodies().items():
        box = (*scope, f"{label} of {number}")
        for x in topological(results):
            place = (id(node), label, id(x))
            lines = [names.of(x) or x.op.name, size(x)]
            if x.op is CONSTANT:
                lines = _source_lines(x, names, ())
            kind = SOURCE_KINDS.get(x.op, "op")
            picture.node(place, *lines, kind=kind, scope=box, computed=filled)
            for source in x.inputs:
                picture.edge((id(node), label, id(source)), place)
        for x in dict.fromkeys(results):
            picture.edge((id(node), label, id(x)), id(node))


def _called(outputs: Sequence[Node], names: Names) -> str:
    known = outputs and all(names.of(node) for node in outputs)
    return f"the program for {_listed(outputs, names)}" if known else "a program"


def _listed(nodes: Sequence[Node], names: Names) -> str:
    found = [names.of(node) for node in nodes]
    if all(found) and len(found) <= 4:
        return ", ".join(found)
    return "the result" if len(nodes) == 1 else f"{len(nodes)} results"


def _source_lines(node: Node, names: Names, inputs: Sequence[Node]) -> list[str]:
    if node.op is CONSTANT:
        value = short(node.value)
        label = names.of(node) or value or "constant"
        return [label] if node.shape == () and label == value else [label, size(node)]
    place = next((i for i, x in enumerate(inputs) if x is node), None)
    default = node.op.name if place is None else f"argument {place}"
    return [names.of(node, default), size(node)]


def _op_lines(node: Node, names: Names, scopes: dict) -> list[str]:
    label = node.op.name
    if node.scope not in ("", label) and scopes.get(node) == ():
        label = f"{node.scope}: {label}"  # the call that became this one op
    name = names.of(node)
    return [f"{name} = {label}" if name else label, size(node)]


def _after_gradients(order: Sequence[Node], needed: set[Node]) -> set[Node]:
    """What derivative rules made, and all that is computed from it.

    A rule's nodes carry the very origin of the node that they differentiate. Of nodes
    that share one, the result needs the original first, and it was made first.
    """
    original: dict[int, Node] = {}
    for node in sorted(order, key=lambda node: (node not in needed, node.seq)):
        if node.origin is not None:
            original.setdefault(id(node.origin), node)
    found: set[Node] = set()
    for node in order:
        made = node.origin is not None and original[id(node.origin)] is not node
        if node.op.kind != "source" and (made or any(x in found for x in node.inputs)):
            found.add(node)
    return found


def _scopes(order: Iterable[Node]) -> dict[Node, tuple[str, ...]]:
    """The box of each node that a composite made; `()` where it is the only one.

    Nodes of one call read each other and come from the same place in the user's code.
    """
    calls: list[list[Node]] = []
    call_of: dict[Node, list[Node]] = {}
    for node in order:
        if not node.scope or node.op.kind == "source":
            continue
        near = [call_of[x] for x in node.inputs if x in call_of and _same_call(x, node)]
        if not near:
            calls.append([])
        call_of[node] = near[0] if near else calls[-1]
        call_of[node].append(node)
    boxes: dict[Node, tuple[str, ...]] = {}
    seen: dict[str, int] = {}
    for nodes in calls:
        scope = nodes[0].scope
        label: tuple[str, ...] = ()
        if len(nodes) > 1:
            seen[scope] = seen.get(scope, 0) + 1
            label = (scope if seen[scope] == 1 else f"{scope} #{seen[scope]}",)
        boxes.update(dict.fromkeys(nodes, label))
    return boxes


def _same_call(x: Node, y: Node) -> bool:
    if x.scope != y.scope or x.origin is None or y.origin is None:
        return False
    return x.origin.code is y.origin.code and x.origin.lasti == y.origin.lasti
