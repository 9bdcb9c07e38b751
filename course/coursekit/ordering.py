"""Pictures of a graph being run: in which order, how far it has come, what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minigrad import Node
from minigrad.static.node import CONSTANT, PLACEHOLDER, topological
from minigrad.viz import Diagram

from .rounding import rounded


def numbered(
    nodes: Mapping[str, Node],
    order: Sequence[Node],
    values: Mapping[Node, Any] | None = None,
    title: str = "a graph and an order",
) -> Diagram:
    """The graph under named nodes, each with its place in `order` and its value.

    A node that is not in `order` is drawn as not used, one without a value as empty.
    """
    picture = Diagram(title)
    names = {node: name for name, node in nodes.items()}
    place = {node: f"{i}." for i, node in enumerate(order, 1)}
    values = values or {}
    for node in topological(nodes.values()):
        source = node.op in (CONSTANT, PLACEHOLDER)
        known = node.value if node.op is CONSTANT else values.get(node)
        value = "" if known is None else rounded(known)
        name = names.get(node, value)
        what = name if source else f"{name} = {node.op.name}"
        rows = [" ".join([*filter(None, [place.get(node)]), what])]
        rows += [value] if value and value != name else []
        kind = node.op.name if source else "op"
        picture.node(
            node,
            *rows,
            kind=kind if node in place else "ghost",
            computed=known is not None or node not in place,
        )
        for parent in node.inputs:
            picture.edge(parent, node)
    return picture
