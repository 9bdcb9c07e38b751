"""Anything with structure, ready to be drawn and to be read aloud.

A tape, a graph and a memory plan differ in what their nodes are, not in how they are
shown. An adapter fills a `Diagram`; the diagram gives DOT, a text listing and an alt
text that all say the same thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from . import render
from .figure import Figure

SHAPES = {"invhouse": "pointed box", "component": "tabbed box"}
STYLES = {"diagonals": "cut-cornered"}


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
        words = [STYLES.get(w, w) for w in self.style.split(",") if w != "filled"]
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
    "grad": Kind("gradient part", "#CC79A7", style="filled,diagonals"),
    "saved": Kind("saved value", "#FFFFFF", shape="note"),
    "control": Kind("control flow", "#0072B2", ink="#FFFFFF", shape="component"),
    "pending": Kind("not computed", "#E0E0E0", style="filled,dashed"),
    "ghost": Kind("not used", "#FFFFFF", ink="#595959", style="filled,dotted"),
    "rest": Kind("left out of the picture", "#FFFFFF", shape="folder"),
}
# A leaf of the tape and a variable of a graph are the same storage: they look the same.
KINDS["leaf"] = replace(KINDS["variable"], meaning="leaf")
EDGE_STYLES = {"data": "solid", "grad": "bold", "update": "dashed", "order": "dotted"}

LARGE = 150  # nodes; of a larger diagram the part nearest the result is drawn
NEAREST = 40

FONT = "Helvetica,Arial,sans-serif"
# One white card under everything keeps dark themes legible.
GRAPH = {
    "bgcolor": "white", "pad": "0.2", "nodesep": "0.3", "ranksep": "0.35",
    "fontname": FONT, "fontsize": "12",
}  # fmt: skip
NODE = {"fontname": FONT, "fontsize": "12", "margin": "0.2,0.08", "height": "0.4"}
# Slanting sides leave room enough; cut corners need more of it.
MARGINS = {
    "hexagon": "0.05,0.02",
    "invhouse": "0.05,0.02",
    "filled,diagonals": "0.27,0.08",
}
EDGE = {"fontname": FONT, "fontsize": "11", "arrowsize": "0.7"}


@dataclass(frozen=True)
class DiagramNode:
    id: Any
    lines: tuple[str, ...]
    kind: str
    scope: tuple[str, ...]
    computed: bool = True


@dataclass(frozen=True)
class DiagramEdge:
    source: Any
    target: Any
    label: str
    kind: str


@dataclass
class Diagram:
    """Nodes and edges in the order they were added; `node` and `edge` chain.

    `notes` are sentences for the caption, `summary` a second line for the listing.

    >>> d = Diagram("C = B * A").node("A", "A", "(3,)", kind="placeholder")
    >>> _ = d.node("C", "mul", "(3,)").edge("A", "C")
    """

    title: str
    direction: str = "TB"
    nodes: dict[Any, DiagramNode] = field(default_factory=dict)
    edges: list[DiagramEdge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: str = ""

    def node(
        self,
        id: Any,
        *lines: object,
        kind: str = "op",
        scope: tuple[str, ...] = (),
        computed: bool = True,
    ) -> Diagram:
        """Add a node. `id` is any hashable; `scope` names the boxes it stands in.

        One that is not `computed` has no value yet: it is drawn grey and dashed.
        """
        if kind not in KINDS:
            raise ValueError(f"diagram: kind {kind!r} is none of {', '.join(KINDS)}")
        if id in self.nodes:
            raise ValueError(f"diagram: node {id!r} is there already")
        text = tuple(str(line) for line in lines) or (str(id),)
        self.nodes[id] = DiagramNode(id, text, kind, tuple(scope), computed)
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
        shown = self.nearest() if len(self.nodes) > LARGE else self
        try:
            drawing = render.svg(shown.dot())
        except ImportError:
            drawing = None
        return Figure(
            drawing,
            alt=shown.alt() if alt is None else alt,
            caption=shown.legend() if caption is None else caption,
            text=shown.listing(),
            missing="" if drawing else render.REMEDY,
        )

    def nearest(self, count: int = NEAREST) -> Diagram:
        """The `count` nodes nearest the ends, and one that stands for all others."""
        near = self._nearest(count)
        left = len(self.nodes) - len(near)
        part = Diagram(self.title, self.direction, notes=list(self.notes))
        part.node(near, f"{left:,} more", kind="rest")
        part.nodes |= {id: node for id, node in self.nodes.items() if id in near}
        cut = {e.target: None for e in self.edges if e.source not in near}
        part.edges = [DiagramEdge(near, id, "", "data") for id in cut if id in near]
        part.edges += [e for e in self.edges if {e.source, e.target} <= near]
        part.notes.append(
            f"Only the {len(near)} nodes nearest the end of {len(self.nodes):,} are drawn"
        )
        ops = Counter(
            node.lines[0].split(" = ")[-1]
            for node in self.nodes.values()
            if node.kind in ("op", "output", "grad")
        )
        common = ", ".join(f"{op} {n:,}" for op, n in ops.most_common(8))
        kinds = self._kinds(self.nodes.values())
        part.summary = (
            f"{len(self.nodes):,} nodes, {len(self.edges):,} edges in all: {kinds}; "
            f"most often {common}\nthe part nearest the end:"
        )
        return part

    def _nearest(self, count: int) -> frozenset:
        """Ids found walking against the arrows, breadth first from the ends."""
        made_from: dict[Any, list] = {id: [] for id in self.nodes}
        sources = set()
        for edge in self.edges:
            made_from[edge.target].append(edge.source)
            sources.add(edge.source)
        near = {id: None for id in self.nodes if id not in sources}
        for id in (walk := list(near)):
            for source in made_from[id]:
                if source not in near and len(near) < count:
                    near[source] = None
                    walk.append(source)
        return frozenset(list(near)[:count])

    # -- words -----------------------------------------------------------------------

    def listing(self) -> str:
        """Every node on a line of its own, with what it is made from."""
        number = {id: i for i, id in enumerate(self.nodes, 1)}
        made_from: dict[Any, list[str]] = {id: [] for id in self.nodes}
        for edge in self.edges:
            words = [edge.kind] if edge.kind != "data" else []
            words += [edge.label] if edge.label else []
            note = f" ({' '.join(words)})" if words else ""
            made_from[edge.target].append(f"{number[edge.source]}{note}")
        rows = [
            self._row(number[node.id], node, made_from[node.id])
            for node in self.nodes.values()
        ]
        columns = list(zip(*(row[:-1] for row in rows)))
        widths = [max(len(cell) for cell in column) for column in columns]
        head = f"{self.title} ({_count(len(self.nodes), 'node')}, "
        lines = [head + f"{_count(len(self.edges), 'edge')})"]
        if self.summary:
            lines = [f"{self.title}: {self.summary}"]
        for row in rows:
            padded = [cell.ljust(width) for cell, width in zip(row, widths)]
            lines.append("  ".join(["", *padded, row[-1]]).rstrip())
        return "\n".join(lines)

    def _row(self, number: int, node: DiagramNode, sources: list[str]) -> list[str]:
        scope = f"in {' > '.join(node.scope)}" if node.scope else ""
        made_from = f"from {', '.join(sources)}" if sources else ""
        label, rest = node.lines[0], [*node.lines[1:]]
        rest += [] if node.computed else ["no value yet"]
        tail = "  ".join(part for part in (made_from, scope) if part)
        index = str(number).rjust(len(str(len(self.nodes))))
        return [index, label, KINDS[node.kind].meaning, ", ".join(rest), tail]

    def alt(self) -> str:
        """One sentence for a reader who does not see the picture."""
        sources = {edge.source for edge in self.edges}
        ends = [n.lines[0] for n in self.nodes.values() if n.id not in sources]
        ending = f", ending in {', '.join(ends)}" if self.edges and ends else ""
        arrows = _count(len(self.edges), "arrow")
        kinds = self._kinds(self.nodes.values())
        empty = sum(not node.computed for node in self.nodes.values())
        yet = f"; {empty} without a value yet" if empty else ""
        return f"Diagram of {self.title}; {kinds}; {arrows}{ending}{yet}."

    def _kinds(self, nodes: Iterable[DiagramNode]) -> str:
        counts = Counter(KINDS[node.kind].meaning for node in nodes)
        parts = ", ".join(f"{meaning} {n:,}" for meaning, n in counts.items())
        return parts or "no nodes"

    def legend(self) -> str:
        """The caption: what each shape in this picture stands for."""
        present = dict.fromkeys(node.kind for node in self.nodes.values())
        looks = [f"{KINDS[kind].meaning}: {KINDS[kind].look}" for kind in present]
        if not all(node.computed for node in self.nodes.values()):
            looks.append("grey and dashed: no value yet")
        sentences = [self.title, "; ".join(looks), *self.notes]
        return " ".join(f"{s[:1].upper()}{s[1:]}." for s in sentences if s)

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
            label = _escape([f"  {edge.label}  "]) if edge.label else None
            style = EDGE_STYLES[edge.kind]
            graph.edge(name[edge.source], name[edge.target], label, style=style)
        return graph.source

    def _draw_scope(
        self, graph: Any, scope: tuple[str, ...], name: dict[Any, str]
    ) -> None:
        depth = len(scope)
        inner: dict[tuple[str, ...], None] = {}
        for node in self.nodes.values():
            if node.scope == scope:
                look = KINDS[node.kind]
                empty = not node.computed
                graph.node(
                    name[node.id],
                    _escape(node.lines),
                    shape=look.shape,
                    margin=MARGINS.get(look.shape) or MARGINS.get(look.style),
                    style=f"{look.style},dashed" if empty else look.style,
                    fillcolor=KINDS["pending"].fill if empty else look.fill,
                    fontcolor="#000000" if empty else look.ink,
                    peripheries=str(look.peripheries),
                )
            elif node.scope[:depth] == scope:
                inner[node.scope[: depth + 1]] = None
        for child in inner:
            with graph.subgraph(name="cluster_" + "/".join(child)) as box:
                box.attr(
                    label=_escape([f"    {child[-1]}    "]),
                    style="rounded",
                    color="#595959",
                    labeljust="l",
                )
                self._draw_scope(box, child, name)


def _escape(lines: Any) -> str:
    """A label of several lines in which no character has a meaning to Graphviz.

    The spaces around a long line are not drawn. They widen its box, for fonts that are
    wider than the renderer believes: DejaVu Sans by a sixth.
    """
    import graphviz

    room = [" " * (len(line) // 8) for line in lines]
    padded = (f"{space}{line}{space}" for space, line in zip(room, lines))
    return graphviz.nohtml("\\n".join(graphviz.escape(line) for line in padded))


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
