"""Pictures: `show`, the diagrams and charts behind it, and the one helper, `Figure`.

The renderer and Matplotlib are imported when something is drawn, not before.
"""

from __future__ import annotations

from typing import Any

from ..eager.tensor import Tensor
from ..static.node import Node
from ..static.program import Program
from .chart import chart, new_chart
from .diagram import Diagram
from .figure import AltTextError, Figure
from .graph import graph_diagram, program_diagram
from .lifetimes import plan_figure
from .tape import tape, tape_diagram


def show(
    x: Any,
    alt: str | None = None,
    caption: str | None = None,
    *,
    stage: str = "graph",
    filled: bool | None = None,
) -> Figure:
    """The picture of what `x` really is, with its listing and a text for who hears it.

    For a Tensor that is its tape; for a Node, or a list of Nodes, the graph; for a
    Program (or a function that `jit` has traced) its graph at one of its `stages`, with
    its updates, or at stage "plan" how long which values are in memory. Parts of a graph that have no value are grey and
    dashed: all but variables and constants, unless `filled`, which is the default for
    programs. `alt` and `caption` are written where none is given. In a terminal the
    listing is printed. Raises `TypeError` for anything else.

        >>> import minigrad as mg
        >>> w = mg.tensor([2.0], requires_grad=True)
        >>> print(mg.show((w * w).sum()).text)
        the tape of the result (3 nodes, 3 edges)
          1  w    leaf       (1,), grad: not computed
          2  mul  operation  (1,), saved: a, b         from 1 (a), 1 (b)
          3  sum  output     (), saved: shape of a     from 2
    """
    x = getattr(x, "program", x)
    if isinstance(x, Program) and stage == "plan":
        return plan_figure(x.plan, alt, caption)
    return _picture(x, stage, filled).figure(alt, caption)


def _picture(x: Any, stage: str, filled: bool | None) -> Diagram:
    if isinstance(x, Tensor):
        return tape_diagram(x)
    if isinstance(x, Program):
        return program_diagram(x, stage, filled is not False)
    nodes = [x] if isinstance(x, Node) else x
    listed = isinstance(nodes, (list, tuple)) and len(nodes) > 0
    if listed and all(isinstance(node, Node) for node in nodes):
        return graph_diagram(nodes, filled=bool(filled))
    raise TypeError(
        "show: there is a picture of a Tensor's tape, of a Node or a list of Nodes, "
        f"and of a Program, not of {type(x).__name__}"
    )


__all__ = ["AltTextError", "Diagram", "Figure", "chart", "new_chart", "show", "tape"]
