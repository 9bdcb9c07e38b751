"""Lesson 09's picture: the way that an `if` took for good, and the way it lost.

Both ways are the learner's own nodes. What only the lost way needs is drawn as a ghost:
no program made of the taken way will ever compute it.
"""

from __future__ import annotations

from dataclasses import replace

from minigrad import Node
from minigrad.static.node import topological
from minigrad.viz import Diagram
from minigrad.viz.graph import graph_diagram

__tracebackhide__ = True  # pictures use the names of the learner's frames, not ours


def frozen(question: str, answer: str, taken: Node, lost: Node) -> Diagram:
    """Both ways of an `if` that Python decided by `answer`, the lost one as a ghost."""
    both = graph_diagram([taken, lost], [taken], "an if that ran once", filled=True)
    kept = {id(node) for node in topological([taken])}
    picture = Diagram(both.title)
    for node in both.nodes.values():
        ghost = node if node.id in kept else replace(node, kind="ghost")
        picture.nodes[node.id] = ghost
    for edge in both.edges:
        kind = "data" if edge.target in kept else "order"
        picture.edge(edge.source, edge.target, edge.label, kind)
    picture.node("if", question, answer, kind="control")
    picture.edge("if", id(taken), "taken, for good")
    picture.edge("if", id(lost), "lost", "order")
    return picture
