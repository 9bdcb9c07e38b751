"""The learner's own tape or graph as a `Diagram`: what `mg.show` draws.

Both are read from the real objects, never from a copy kept for drawing: records for a
tape, Nodes for a graph, and for a Program the stage asked for and its updates.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from types import FrameType
from typing import Any

from ..eager.tape import Record
from ..eager.tensor import Tensor
from ..static.node import CONSTANT, PLACEHOLDER, VARIABLE, Node, topological
from ..static.program import Program
from .diagram import Diagram
from .figure import Figure

SOURCE_KINDS = {
    PLACEHOLDER: "placeholder",
    VARIABLE: "variable",
    CONSTANT: "constant",
}


def show(
    thing: Any,
    alt: str | None = None,
    caption: str | None = None,
    stage: str = "graph",
) -> Figure:
    """The picture of a tensor's tape, a node's graph, or a program at `stage`."""
    return diagram(thing, stage).figure(alt, caption)


def diagram(thing: Any, stage: str = "graph") -> Diagram:
    """The `Diagram` behind `show`."""
    if isinstance(thing, Tensor):
        return tape_diagram(thing)
    if isinstance(thing, Node):
        return graph_diagram(
            [thing], title=f"the graph of {_Names().of(thing, 'the result')}"
        )
    if isinstance(thing, Program):
        return program_diagram(thing, stage)
    if isinstance(thing, (list, tuple)) and thing:
        return graph_diagram(thing)
    raise TypeError(f"show: there is no picture of a {type(thing).__name__}")


class _Names:
    """What the learner calls a value; the outermost caller's name for it wins."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            inside = frame.f_globals.get("__name__", "").startswith("minigrad.")
            if not inside and "__tracebackhide__" not in frame.f_globals:
                # Backwards, so that of two names for one value the first wins.
                for name, value in reversed(list(frame.f_locals.items())):
                    if isinstance(value, (Tensor, Node)) and not name.startswith("_"):
                        self._known[id(value)] = name
            frame = frame.f_back

    def of(self, value: Any, default: str) -> str:
        return getattr(value, "name", "") or self._known.get(id(value), default)


def _size(value: Any) -> str:
    return f"{value.dtype} {tuple(value.shape)}"


# -- the tape --------------------------------------------------------------------------


def tape_diagram(tensor: Tensor) -> Diagram:
    """Every record that `tensor.backward()` would walk, and the leaves it reaches."""
    names = _Names()
    picture = Diagram(f"the tape of {names.of(tensor, 'the result')}")
    root = tensor.grad_fn
    if root is None:
        return picture.node(id(tensor), *_leaf_lines(tensor, names), kind="variable")
    for record in _records(root):
        for parent in record.parents:
            is_leaf = parent is not None and not isinstance(parent, Record)
            if is_leaf and id(parent) not in picture.nodes:
                picture.node(id(parent), *_leaf_lines(parent, names), kind="variable")
        kept = f"keeps {', '.join(record.plan.names)}" if record.plan.names else ""
        lines = [line for line in (record.op.name, _size(record), kept) if line]
        picture.node(id(record), *lines, kind="output" if record is root else "op")
        for parent in record.parents:
            if parent is not None:
                picture.edge(id(parent), id(record))
    return picture


def _records(root: Record) -> list[Record]:
    """All records under `root`, in the order in which they ran."""
    found, stack = {id(root): root}, [root]
    while stack:
        for parent in stack.pop().parents:
            if isinstance(parent, Record) and id(parent) not in found:
                found[id(parent)] = parent
                stack.append(parent)
    return sorted(found.values(), key=lambda record: record.seq)


def _leaf_lines(leaf: Tensor, names: _Names) -> tuple[str, ...]:
    lines = (names.of(leaf, "leaf"), _size(leaf))
    if not leaf.requires_grad:
        return lines
    # Never 0: a gradient that was not computed yet is not a number.
    return (*lines, "grad: not computed" if leaf.grad is None else "grad: computed")


# -- the graph -------------------------------------------------------------------------


def program_diagram(program: Program, stage: str = "graph") -> Diagram:
    """A program's outputs and updates as they stand at `stage`."""
    roots = program.stages[stage]
    count = len(program.outputs)
    cells = list(program.updates)
    title = f"a program, stage {stage}"
    picture = graph_diagram(roots, roots[:count], title)
    names = _Names()
    for cell, value in zip(cells, roots[count:]):
        variable = cell.node() if cell.node else None
        word = "a variable" if variable is None else names.of(variable, "a variable")
        picture.node(id(cell), f"{word} :=", _size(value), kind="update")
        picture.edge(id(value), id(cell))
        if variable is not None and id(variable) in picture.nodes:
            picture.edge(id(cell), id(variable), "next call", kind="update")
    return picture


def graph_diagram(
    roots: Iterable[Node], outputs: Iterable[Node] | None = None, title: str = "a graph"
) -> Diagram:
    """Everything that `roots` need; `outputs` (else all roots) are drawn as such."""
    roots = list(roots)
    ends = {id(node) for node in (roots if outputs is None else outputs)}
    order = topological(roots)
    names, scopes = _Names(), _scopes(order)
    picture = Diagram(title)
    for node in order:
        kind = SOURCE_KINDS.get(node.op, "output" if id(node) in ends else "op")
        scope = scopes.get(id(node), ())
        picture.node(id(node), *_node_lines(node, names), kind=kind, scope=scope)
        for source in node.inputs:
            picture.edge(id(source), id(node))
    return picture


def _node_lines(node: Node, names: _Names) -> tuple[str, ...]:
    if node.op is CONSTANT:
        value = f"{node.value.item():.4g}" if node.value.size == 1 else "constant"
        return value, _size(node)
    if node.op in SOURCE_KINDS:
        return names.of(node, node.op.name), _size(node)
    name = names.of(node, "")
    return (f"{name} = {node.op.name}" if name else node.op.name), _size(node)


def _scopes(order: list[Node]) -> dict[int, tuple[str, ...]]:
    """A box for each call of a composite (softmax, ...) that made several nodes."""
    calls: dict[tuple, list[Node]] = {}
    for node in order:
        if node.scope and node.op not in SOURCE_KINDS:
            place = node.origin and (id(node.origin.code), node.origin.lasti)
            calls.setdefault((node.scope, place), []).append(node)
    boxes: dict[int, tuple[str, ...]] = {}
    seen = Counter[str]()
    for (scope, _), nodes in calls.items():
        if len(nodes) > 1:
            seen[scope] += 1
            label = scope if seen[scope] == 1 else f"{scope} #{seen[scope]}"
            boxes.update({id(node): (label,) for node in nodes})
    return boxes
