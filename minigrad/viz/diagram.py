"""Anything with structure, ready to be drawn and to be read aloud.

A tape, a graph and a memory plan differ in what their nodes are, not in how they are
shown. An adapter fills a `Diagram`; the diagram gives DOT, a text listing and an alt
text that all say the same thing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from . import render
from .figure import Figure

SHAPES = {"invhouse": "pointed box", "component": "tabbed box"}


@dataclass(frozen=True)
class Kind:
    """How one kind of node looks. No two kinds share a shape, border and line style."""

    meaning: str
    fill: str
    ink: str = "#000000"
    shape: str = "box"
    style: str = "filled"
    peripheries: int = 1

    @property
    def cue(self) -> tuple[str, str, int]:
        """What tells the kind without colour."""
        return self.shape, self.style, self.peripheries

    @property
    def look(self) -> str:
        """The same cue in words, for the legend."""
        words = [word for word in self.style.split(",") if word != "filled"]
        words += ["double"] if self.peripheries == 2 else []
        return " ".join([*words, SHAPES.get(self.shape, self.shape)])


# Fills are the Okabe-Ito colours (Okabe and Ito, 2008); ink keeps a contrast of 4.5:1.
KINDS = {
    "variable": Kind("variable", "#E69F00", shape="cylinder"),
    "placeholder": Kind("placeholder", "#56B4E9", shape="invhouse"),
    "constant": Kind("constant", "#FFFFFF", shape="ellipse"),
    "op": Kind("operation", "#F0E442", style="filled,rounded"),
    "output": Kind("output", "#009E73", peripheries=2),
    "update": Kind("update", "#D55E00", shape="hexagon"),
    "grad": Kind("gradient", "#CC79A7", shape="octagon"),
    "saved": Kind("saved value", "#FFFFFF", shape="note"),
    "control": Kind("control flow", "#0072B2", ink="#FFFFFF", shape="component"),
    "pending": Kind("not computed", "#FFFFFF", style="filled,dashed"),
    "ghost": Kind("not used", "#FFFFFF", ink="#595959", style="filled,dotted"),
}
EDGE_STYLES = {"data": "solid", "grad": "dashed", "update": "bold", "order": "dotted"}

FONT = "Helvetica,Arial,sans-serif"
# One white card under everything keeps dark themes legible; the margins are wide, as
# the renderer's label widths are tighter than those of common browser fonts.
GRAPH = {
    "bgcolor": "white", "pad": "0.2", "nodesep": "0.3", "ranksep": "0.35",
    "fontname": FONT, "fontsize": "12",
}  # fmt: skip
NODE = {"fontname": FONT, "fontsize": "12", "margin": "0.2,0.08", "height": "0.4"}
EDGE = {"fontname": FONT, "fontsize": "11", "arrowsize": "0.7"}


@dataclass(frozen=True)
class DiagramNode:
    id: Any
    lines: tuple[str, ...]
    kind: str
    scope: tuple[str, ...]


@dataclass(frozen=True)
class DiagramEdge:
    source: Any
    target: Any
    label: str
    kind: str


@dataclass
class Diagram:
    """Nodes and edges in the order they were added; `node` and `edge` chain.

    >>> d = Diagram("C = B * A").node("A", "A", "(3,)", kind="placeholder")
    >>> _ = d.node("C", "mul", "(3,)").edge("A", "C")
    """

    title: str
    direction: str = "TB"
    nodes: dict[Any, DiagramNode] = field(default_factory=dict)
    edges: list[DiagramEdge] = field(default_factory=list)

    def node(
        self, id: Any, *lines: object, kind: str = "op", scope: tuple[str, ...] = ()
    ) -> Diagram:
        """Add a node. `id` is any hashable; `scope` names the boxes it stands in."""
        if kind not in KINDS:
            raise ValueError(f"diagram: kind {kind!r} is none of {', '.join(KINDS)}")
        if id in self.nodes:
            raise ValueError(f"diagram: node {id!r} is there already")
        text = tuple(str(line) for line in lines) or (str(id),)
        self.nodes[id] = DiagramNode(id, text, kind, tuple(scope))
        return self

    def edge(
        self, source: Any, target: Any, label: str = "", kind: str = "data"
    ) -> Diagram:
        """Add an arrow between two nodes that are there already."""
        for end in (source, target):
            if end not in self.nodes:
                raise ValueError(f"diagram: an edge names the unknown node {end!r}")
        if kind not in EDGE_STYLES:
            styles = ", ".join(EDGE_STYLES)
            raise ValueError(f"diagram: edge kind {kind!r} is none of {styles}")
        self.edges.append(DiagramEdge(source, target, label, kind))
        return self

    def figure(self, alt: str | None = None, caption: str | None = None) -> Figure:
        """The diagram as a `Figure`, with an alt and a caption where none is given."""
        try:
            drawing = render.svg(self.dot())
        except ImportError:
            drawing = None
        return Figure(
            drawing,
            alt=self.alt() if alt is None else alt,
            caption=self.legend() if caption is None else caption,
            text=self.listing(),
            missing="" if drawing else render.REMEDY,
        )

    # -- words -----------------------------------------------------------------------

    def listing(self) -> str:
        """Every node on a line of its own, with what it is made from."""
        number = {id: i for i, id in enumerate(self.nodes, 1)}
        rows = [self._row(node, number) for node in self.nodes.values()]
        columns = list(zip(*(row[:-1] for row in rows)))
        widths = [max(len(cell) for cell in column) for column in columns]
        head = f"{self.title} ({_count(len(self.nodes), 'node')}, "
        lines = [head + f"{_count(len(self.edges), 'edge')})"]
        for row in rows:
            padded = [cell.ljust(width) for cell, width in zip(row, widths)]
            lines.append("  ".join(["", *padded, row[-1]]).rstrip())
        return "\n".join(lines)

    def _row(self, node: DiagramNode, number: dict[Any, int]) -> list[str]:
        sources = []
        for edge in self.edges:
            if edge.target == node.id:
                words = [edge.kind] if edge.kind != "data" else []
                words += [edge.label] if edge.label else []
                note = f" ({' '.join(words)})" if words else ""
                sources.append(f"{number[edge.source]}{note}")
        scope = f"in {' > '.join(node.scope)}" if node.scope else ""
        made_from = f"from {', '.join(sources)}" if sources else ""
        label, rest = node.lines[0], ", ".join(node.lines[1:])
        tail = "  ".join(part for part in (made_from, scope) if part)
        index = str(number[node.id]).rjust(len(str(len(self.nodes))))
        return [index, label, KINDS[node.kind].meaning, rest, tail]

    def alt(self) -> str:
        """One sentence for a reader who does not see the picture."""
        counts = Counter(KINDS[node.kind].meaning for node in self.nodes.values())
        parts = ", ".join(f"{meaning} {n}" for meaning, n in counts.items())
        sources = {edge.source for edge in self.edges}
        ends = [n.lines[0] for n in self.nodes.values() if n.id not in sources]
        ending = f", ending in {', '.join(ends)}" if self.edges and ends else ""
        arrows = _count(len(self.edges), "arrow")
        return f"Diagram of {self.title}; {parts or 'no nodes'}; {arrows}{ending}."

    def legend(self) -> str:
        """The caption: what each shape in this picture stands for."""
        present = dict.fromkeys(node.kind for node in self.nodes.values())
        looks = [f"{KINDS[kind].meaning}: {KINDS[kind].look}" for kind in present]
        return f"{self.title}. {'; '.join(looks).capitalize()}."

    # -- DOT -------------------------------------------------------------------------

    def dot(self) -> str:
        """The diagram in Graphviz's language (needs the `graphviz` package)."""
        import graphviz

        graph = graphviz.Digraph(
            graph_attr={**GRAPH, "rankdir": self.direction},
            node_attr=NODE,
            edge_attr=EDGE,
        )
        name = {id: f"n{i}" for i, id in enumerate(self.nodes, 1)}
        self._draw_scope(graph, (), name)
        for edge in self.edges:
            # Spaces keep a label in a wider font than the renderer's off its arrow.
            label = _escape([f"  {edge.label}  "]) if edge.label else None
            # What happens between calls must not turn the flow of one call round.
            graph.edge(
                name[edge.source],
                name[edge.target],
                label,
                style=EDGE_STYLES[edge.kind],
                constraint="false" if edge.kind == "update" else "true",
            )
        return graph.source

    def _draw_scope(
        self, graph: Any, scope: tuple[str, ...], name: dict[Any, str]
    ) -> None:
        depth = len(scope)
        inner: dict[tuple[str, ...], None] = {}
        for node in self.nodes.values():
            if node.scope == scope:
                look = KINDS[node.kind]
                graph.node(
                    name[node.id],
                    _escape(node.lines),
                    shape=look.shape,
                    style=look.style,
                    fillcolor=look.fill,
                    fontcolor=look.ink,
                    peripheries=str(look.peripheries),
                )
            elif node.scope[:depth] == scope:
                inner[node.scope[: depth + 1]] = None
        for child in inner:
            with graph.subgraph(name="cluster_" + "/".join(child)) as box:
                box.attr(label=_escape([child[-1]]), style="rounded", color="#595959")
                self._draw_scope(box, child, name)


def _escape(lines: Any) -> str:
    """A label of several lines in which no character has a meaning to Graphviz."""
    import graphviz

    return graphviz.nohtml("\\n".join(graphviz.escape(line) for line in lines))


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
