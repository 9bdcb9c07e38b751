"""Fusion: which nodes run together as one step.

Which problem this solves: an elementwise op mostly waits for memory. Where several walk
over the same elements, one walk can do them all, and a value that only they read never
needs memory of its own. The graph stays as it is; a `Group` says what runs as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from minigrad.static.node import Node

Joins = Callable[[Node], bool]
RowOf = Callable[[Node], tuple[int, ...] | None]


@dataclass(eq=False)
class Group:
    """Nodes that run as one step; every step of a schedule is one, often of one node.

    `nodes` stand in running order. `inputs` are read from outside; `outputs` are the
    members that somebody outside reads, that leave the program or update a variable. In
    a group of several, elementwise ops share one shape, into which `inputs` broadcast,
    and reductions read one of those ops and are read outside only. A contraction may come
    first, of that shape as well; then there are no reductions. Where rows are walked again
    and again, ops also read reductions along the rows, and what there is one of in a row.
    """

    nodes: list[Node]
    inputs: list[Node]
    outputs: list[Node]

    @cached_property
    def times(self) -> dict[Node, int]:
        """At which of `nodes` a member is made, and an input read for the last time."""
        read = {x: i for i, node in enumerate(self.nodes) for x in node.inputs}
        return read | {node: i for i, node in enumerate(self.nodes)}

    @property
    def fused(self) -> bool:
        return len(self.nodes) > 1

    @property
    def shape(self) -> tuple[int, ...]:
        """What a group of several walks over."""
        return self.nodes[0].shape

    @property
    def label(self) -> str:
        names = [node.op.name for node in self.nodes]
        more = f"+{len(names) - 3} more" if len(names) > 4 else ""
        return "+".join(names[:3] if more else names) + more

    def __repr__(self) -> str:
        return f"<Group {self.label} {self.shape}>"


def fuse(
    order: Sequence[Node],
    wanted: Iterable[Node],
    joins: Joins | None = None,
    row_of: RowOf | None = None,
) -> list[Group]:
    """The computed nodes of `order` in groups, each after those that it reads.

    `wanted` are the outputs and new values; `joins` says of an elementwise op, a
    reduction or a contraction whether it may run together with others; without it none
    does. `row_of` gives the shape whose rows an op may walk along with others, again and
    again; then what reads a reduction may join it.

    Groups are numbered as they run, and a node joins only where its group still reads
    from lower numbers alone. So no path ever leaves a group and comes back, and nothing
    must be searched: two walks over the nodes are all.
    """
    if joins is None:  # each on its own, in the order given
        joins = lambda node: False
    else:
        order = _early_first(order, row_of)
    members = _join_sources(_join_readers(order, joins), joins)
    if row_of:
        members = _join_rows(members, row_of)
    return _described(members, set(wanted))


def _walks(node: Node, joins: Joins) -> bool:
    return node.op.kind == "elementwise" and joins(node)


def _early_first(order: Sequence[Node], row_of: RowOf | None) -> list[Node]:
    """What only shows a source is there from the start: no group has to wait for it.

    Nor shall rows wait for what has no need of any, as labels and their number.
    """
    early: set[Node] = set()
    late: set[Node] = set()
    for node in order:
        if node.op.kind == "source" or (node.op.view and early.issuperset(node.inputs)):
            early.add(node)
        row = row_of(node) if row_of else None
        if (row and len(row) > 1 < row[-1]) or not late.isdisjoint(node.inputs):
            late.add(node)
    return sorted(order, key=lambda node: (node not in early, node in late))


def _leads(node: Node, joins: Joins) -> bool:
    """May elementwise ops follow this product, on what it gives?"""
    return node.op.kind == "contraction" and joins(node)


def _join_readers(order: Sequence[Node], joins: Joins) -> list[list[Node]]:
    """From the end: an op goes to its first reader, if that walks over the same shape.

    What only the backward pass reads is thus computed there, from values kept anyway.
    """
    groups: list[list[Node]] = []  # the last one to run comes first
    open_for: list[tuple[int, ...] | None] = []  # the shape that a group walks over
    first: dict[Node, int] = {}  # of a node's readers the group that runs first
    for node in reversed(order):
        if node.op.kind == "source":
            continue
        walks = _walks(node, joins)
        place = first.get(node)
        if place is None or not walks or open_for[place] != node.shape:
            place = len(groups)
            groups.append([])
            open_for.append(node.shape if walks else None)
        groups[place].append(node)
        for x in node.inputs:
            first[x] = max(first.get(x, place), place)
    return [nodes[::-1] for nodes in reversed(groups)]


def _join_sources(groups: list[list[Node]], joins: Joins) -> list[list[Node]]:
    """From the start: a group goes to the last one that it reads, if they walk alike."""
    home: dict[Node, int] = {}
    for i, nodes in enumerate(groups):
        home.update(dict.fromkeys(nodes, i))
        inputs = [x for node in nodes for x in node.inputs if x in home]
        last = max((home[x] for x in inputs if home[x] != i), default=i)
        walks = _walks(nodes[0], joins)
        reduces = nodes[0].op.kind == "reduce" and joins(nodes[0])
        shape = nodes[0].inputs[0].shape if reduces else nodes[0].shape
        led = last != i and _leads(groups[last][0], joins)
        fits = (walks or (reduces and not led)) and all(
            (_walks(x, joins) or _leads(x, joins)) and x.shape == shape
            for x in inputs
            if home[x] == last
        )
        if last != i and fits:
            groups[last] += nodes
            home.update(dict.fromkeys(nodes, last))
            groups[i] = []
    return [nodes for nodes in groups if nodes]


def _join_rows(groups: list[list[Node]], row_of: RowOf) -> list[list[Node]]:
    """From the start: a group goes to the last one that it reads, if their rows agree.

    What there is one of in a row, a mean or its root, goes along. A group that makes
    something of whole rows may also go to a later one that reads the same rows. What has
    () for its rows stays behind, and reads what the rows have left.
    """
    home: dict[Node, int] = {}
    rows: dict[int, tuple[int, ...]] = {}  # the shape whose rows a group walks

    def agree(nodes: list[Node], shape: tuple[int, ...]) -> bool:
        return all(row_of(x) in (shape, (*shape[:-1], 1)) for x in nodes)

    def meet(nodes: list[Node], k: int) -> bool:
        seen = {x for node in groups[k] for x in node.inputs if x.shape == rows[k]}
        shared = any(x in seen for node in nodes for x in node.inputs)
        return shared and any(node.op.kind == "reduce" for node in nodes)

    for i, nodes in enumerate(groups):
        home.update(dict.fromkeys(nodes, i))
        places = [home[x] for node in nodes for x in node.inputs if x in home]
        last = max((place for place in places if place != i), default=-1)
        going = [x for x in nodes if row_of(x) != ()]
        later = (k for k in rows if k == last or (k > last and meet(going, k)))
        fit = next((k for k in later if agree(going, rows[k])), None)
        if fit is not None:
            joined = groups[fit] + going
            groups[fit] = sorted(joined, key=levels(joined).__getitem__)
            home.update(dict.fromkeys(going, fit))
            groups[i] = [x for x in nodes if row_of(x) == ()]
            continue
        shape = walked(nodes, row_of)
        if shape and agree(nodes, shape):
            rows[i] = shape
    return [nodes for nodes in groups if nodes]


def walked(nodes: Sequence[Node], row_of: RowOf) -> tuple[int, ...]:
    """The shape along whose rows these nodes walk, () if there is none."""
    shapes = [row_of(x) or () for x in nodes]
    return next((s for s in shapes if s and s[-1] > 1), ())


def levels(nodes: Sequence[Node]) -> dict[Node, int]:
    """After how many walks along a row each of these values is known.

    An element that only a later walk reads is left to that one, if nothing or one element
    at most has to be kept for it.
    """
    level: dict[Node, int] = {}
    first: dict[Node, int] = {}  # the walk that reads a value first
    for node in nodes:
        before = max((level.get(x, 0) for x in node.inputs), default=0)
        level[node] = before + (node.op.kind == "reduce")
    for node in reversed(nodes):
        wide = [x for x in node.inputs if x in level and x.shape == node.shape]
        if node.op.kind != "reduce" and node in first and len(wide) < 2:
            level[node] = first[node]
        walk = level[node] - (node.op.kind == "reduce")
        first.update((x, min(first.get(x, walk), walk)) for x in node.inputs)
    return level


def _described(members: list[list[Node]], wanted: set[Node]) -> list[Group]:
    home = {node: i for i, nodes in enumerate(members) for node in nodes}
    groups, read_outside = [], set(wanted)
    for i, nodes in enumerate(members):
        inputs = dict.fromkeys(
            x for node in nodes for x in node.inputs if home.get(x) != i
        )
        read_outside.update(inputs)
        groups.append(Group(nodes, list(inputs), []))
    for group in groups:
        group.outputs = [node for node in group.nodes if node in read_outside]
    return groups
