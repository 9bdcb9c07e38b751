"""Lesson 03's pictures: which value is there after which line, and in which node.

Both are read from the learner's own tensors and nodes. `beside` puts two pictures into
one, each in a box of its own, so that they can be compared line by line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minigrad import Node
from minigrad.static.node import CONSTANT, PLACEHOLDER, topological
from minigrad.viz import Diagram

from .rounding import rounded


def ladder(lines: Mapping[str, Any], counts: Sequence[int]) -> Diagram:
    """A rung for each line: what it holds, and how many operations ran so far."""
    picture = Diagram("line by line")
    before, above = 0, None
    for (line, value), count in zip(lines.items(), counts, strict=True):
        there = not isinstance(value, Node)
        held = rounded(value) if there else value.shape
        kind = "op" if count > before or not there else "constant"
        rows = line, held, f"operations so far: {count}"
        picture.node(line, *rows, kind=kind, computed=there)
        if above is not None:
            picture.edge(above, line, kind="order")
        before, above = count, line
    return picture


def graph(
    nodes: Mapping[str, Node], values: Mapping[str, Any] | None = None
) -> Diagram:
    """The graph under named nodes; those without a value are drawn as not computed."""
    picture = Diagram("all at once")
    values = values or {}
    names = {node: name for name, node in nodes.items()}
    for node in topological(nodes.values()):
        name = names.get(node, "")
        value = node.value if node.op is CONSTANT else values.get(name)
        there = value is not None
        held = rounded(value) if there else node.shape
        source = node.op in (CONSTANT, PLACEHOLDER)
        what = [name, "" if source else node.op.name]
        label = " = ".join(word for word in what if word)
        picture.node(
            node,
            *(row for row in (label, held) if row),
            kind=node.op.name if source else "op",
            computed=there,
        )
        for parent in node.inputs:
            picture.edge(parent, node)
    return picture


def beside(title: str, *pictures: Diagram) -> Diagram:
    """The pictures in one, each in a box that bears its title."""
    both = Diagram(title)
    for number, picture in enumerate(pictures):
        for node in picture.nodes.values():
            scope = (picture.title, *node.scope)
            both.node(
                (number, node.id), *node.lines,
                kind=node.kind, scope=scope, computed=node.computed,
            )  # fmt: skip
        for edge in picture.edges:
            ends = (number, edge.source), (number, edge.target)
            both.edge(*ends, edge.label, edge.kind)
    return both
