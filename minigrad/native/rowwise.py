"""C for groups that go along each row several times: softmax, normalisation.

Which problem this solves: a row's maximum must be known before its exponentials are taken,
and their sum before they are divided. Walk after walk over a large array, each one fetches
all of it from memory anew. Here all walks along one row follow each other while the cache
has it, and what one leaves for the next takes the room of a row.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from minigrad.native.expressions import REFUSED
from minigrad.native.kernels import Writer, ctype, folding
from minigrad.native.loops import COUNTERS, PARALLEL, collapse, visited
from minigrad.ops.reduce import amax, amin, sum
from minigrad.static.fuse import Group, levels, walked
from minigrad.static.node import CONSTANT, Node

ALONG = sum, amax, amin
LONGEST = 4096  # elements of a row: what it leaves fits the cache, and sums stay exact


def row_of(node: Node) -> tuple[int, ...] | None:
    """The shape whose rows this op could walk along together with others."""
    shape = walkable(node)
    return shape if shape and shape[-1] <= LONGEST else None


def walkable(node: Node) -> tuple[int, ...] | None:
    """The shape whose rows this op could walk along, were they of any length."""
    reduces = node.op.kind == "reduce"
    shape = node.inputs[0].shape if reduces else node.shape
    if not shape or node.op.name in REFUSED:
        return None
    if reduces:
        last = node.attrs["axis"] == (len(shape) - 1,) and node.attrs["keepdims"]
        return shape if last and shape[-1] > 1 and node.op in ALONG else None
    return shape if node.op.kind == "elementwise" and node.op.c else None


def walks_again(group: Group) -> bool:
    """Does an op of the group wait for what another one makes of a whole row?"""
    made = {x for x in group.nodes if x.op.kind == "reduce"}
    return any(x in made for node in group.nodes for x in node.inputs)


def rows(w: Writer, group: Group) -> list[str]:
    return Loops(w, group).lines()


class Rows:
    """A group's walks along a row: what is read, when each value is known, how it is called.

    `level` says of a value after how many walks it is known. A name stands for an element
    in one walk, or for what there is one of in a row. Each dialect says who walks.
    """

    def __init__(self, w: Writer, group: Group) -> None:
        self.w, self.group = w, group
        self.shape = walked(group.nodes, walkable)
        self.level = levels(group.nodes)
        self.names: dict[Node, str] = {}
        self.numbers = itertools.count()
        loaded, counted = [], []
        for x in group.inputs:
            known = w.constant(x)
            if known is not None:
                self.names[x] = known
            elif self._counts(x):
                counted.append(x)
            else:
                loaded.append(x)
        ndim = len(self.shape)
        places = [w.read(x).over(x.shape, ndim) for x in loaded]
        places += [w.write(x).over(x.shape, ndim) for x in group.outputs]
        heads = [x._replace(strides=x.strides[:-1]) for x in places]
        self.sizes, heads = collapse(self.shape[:-1], heads)
        found = [
            head._replace(strides=(*head.strides, place.strides[-1]))
            for head, place in zip(heads, places, strict=True)
        ]
        self.loaded = dict(zip(loaded, found))
        self.stored = dict(zip(group.outputs, found[len(loaded) :], strict=True))
        self.counters = COUNTERS[: len(self.sizes) + 1]
        self.names |= {x: f"({ctype(x)}){self.counters[-1]}" for x in counted}
        self.cost = 0

    def _counts(self, x: Node) -> bool:
        """Does the constant hold what the loop's own counter says?"""
        own = x.op is CONSTANT and x.shape == self.shape[-1:] and x.dtype.kind == "i"
        return own and np.array_equal(x.value, np.arange(len(x.value)))

    def _once(self) -> list[str]:
        """What is read once in a row."""
        lines = []
        for x, place in self.loaded.items():
            if not place.strides[-1]:
                lines.append(self._load(x))
        return lines

    def _when(self, node: Node) -> int:
        """The walk that a node takes part in."""
        return self.level[node] - (node.op.kind == "reduce")

    def _computed(self, node: Node) -> str:
        self.names[node] = name = f"t{next(self.numbers)}"
        self.cost += 16 if "(" in node.op.c else 1
        text = self.w.scalars.expression(node, [self.names[x] for x in node.inputs])
        return f"const {ctype(node)} {name} = {text};"

    def _single(self, level: int) -> list[str]:
        """What there is one of in a row, known as soon as `level` walks are over."""
        return [
            self._computed(x)
            for x in self.group.nodes
            if self.level[x] == level and x.shape[-1] == 1 and x.op.kind != "reduce"
        ]

    def _load(self, x: Node) -> str:
        """Read an element of an operand."""
        self.names[x] = name = f"a{next(self.numbers)}"
        return f"const {ctype(x)} {name} = {self.loaded[x].at(self.counters)};"

    def _store(self, x: Node) -> str:
        """Write an element, or what there is one of in a row."""
        last = self.counters[-1] if x.shape[-1] > 1 else "0"
        return f"{self.stored[x].at([*self.counters[:-1], last])} = {self.names[x]};"


class Loops(Rows):
    """The lines of C: one loop over rows, and in it a loop for each walk along a row."""

    def lines(self) -> list[str]:
        if math.prod(self.shape) == 0:
            return []
        body = self._once()
        kept = {x: f"kept{k}" for k, x in enumerate(self._kept())}
        for node, name in kept.items():
            body.append(f"{ctype(node)} {name}[{self.shape[-1]}];")
        for level in range(max(self.level.values()) + 1):
            body += [*self._single(level), *self._walk(level, kept)]
        body += [self._store(x) for x in self.stored if x.shape[-1] == 1]
        threads = math.prod(self.shape) * self.cost >= PARALLEL and len(self.sizes) > 0
        pragma = ["#pragma omp parallel for"] if threads else []
        return pragma + visited(self.counters[:-1], self.sizes, body)

    def _kept(self) -> list[Node]:
        """The elements that a later walk reads again."""
        return list(
            dict.fromkeys(
                x
                for node in self.group.nodes
                for x in node.inputs
                if x in self.level
                and x.shape[-1] > 1
                and self._when(node) > self.level[x]
                and not self._is_free(x)
            )
        )

    def _is_free(self, node: Node) -> bool:
        """Is an element sooner computed anew than kept: a position compared with a label?"""
        return node.dtype.kind == "b" and all(
            x in self.names if x not in self.loaded else not self.loaded[x].strides[-1]
            for x in node.inputs
        )

    def _walk(self, level: int, kept: dict[Node, str]) -> list[str]:
        """One walk along the row: elements, and what is made of all of them."""
        members = [
            x for x in self.group.nodes
            if self._when(x) == level and (x.op.kind == "reduce" or x.shape[-1] > 1)
        ]  # fmt: skip
        if not members:
            return []
        c = self.counters[-1]
        before, body, after, clauses = [], [], [], []
        for x in dict.fromkeys(x for node in members for x in node.inputs):
            if x in self.loaded and self.loaded[x].strides[-1]:
                body.append(self._load(x))
            elif x in kept and self.level[x] < level:
                self.names[x] = name = f"a{next(self.numbers)}"
                body.append(f"const {ctype(x)} {name} = {kept[x]}[{c}];")
            elif x in self.level and self.level[x] < level and self._is_free(x):
                body.append(self._computed(x))
        for node in members:
            if node.op.kind == "reduce":
                name = f"r{next(self.numbers)}"
                fold = folding(node, name, self.names[node.inputs[0]])
                before += fold.start
                clauses += fold.clauses
                body += fold.step
                after += fold.end
                self.names[node] = name
                continue
            body.append(self._computed(node))
            if node in kept:
                body.append(f"{kept[node]}[{c}] = {self.names[node]};")
            if node in self.stored:
                body.append(self._store(node))
        n, pragma = self.shape[-1], " ".join(["#pragma omp simd", *clauses])
        head = f"for (int64_t {c} = 0; {c} < {n}; {c}++) {{"
        return [*before, pragma, head, *body, "}", *after]
