"""C for a step: fused loops over elements, and copies.

A kernel gets the step and a `Writer`, which knows where every value lies, and answers
with lines of C. In CUDA, where each `part` of an answer is a launch, it answers with those.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from minigrad.native.expressions import CTYPES, REFUSED, literal
from minigrad.native.loops import Nest, Operand, collapse
from minigrad.native.memory import Memory
from minigrad.ops.movement import VIEWS
from minigrad.static.fuse import Group
from minigrad.static.node import Node

Writer = Memory  # where values lie, and what the dialect says
FUSIBLE = ("sum", "amax", "amin", "all", "any")  # reductions that join a group


def ctype(node: Node) -> str:
    return CTYPES[node.dtype.name]


def joins(node: Node) -> bool:
    """May this op be a part of a fused loop?"""
    return node.op.name in FUSIBLE or (
        node.op.kind == "elementwise" and bool(node.op.c)
    )


# --- fused loops ---------------------------------------------------------------------------


class Fused:
    """One walk over a group's elements: loads, a line for each op, stores, sums."""

    def __init__(
        self, w: Writer, group: Group, given: Operand | None = None, images: int = 0
    ) -> None:
        """`given` holds what the group's first node gave, of `images` from number `s` on."""
        self.w, self.group = w, group
        first = group.nodes[0]
        self.shape = (first.inputs[0] if first.op.kind == "reduce" else first).shape
        self.nodes = group.nodes[1:] if given else group.nodes
        self.names: dict[Node, str] = {}
        self.stored = [x for x in group.outputs if x.op.kind != "reduce"]
        self.reduced = [x for x in self.nodes if x.op.kind == "reduce"]
        read = {x for node in self.nodes for x in node.inputs}
        self.loaded = []
        for x in filter(read.__contains__, group.inputs):
            known = w.constant(x)
            if known is None:
                self.loaded.append(x)
            else:
                self.names[x] = known
        ndim = len(self.shape)
        places = [w.read(x).over(x.shape, ndim) for x in self.loaded]
        places += [w.write(x) for x in self.stored]
        if images:
            self.shape = (images, *self.shape[1:])
            places = [from_row(x, "s") for x in places]
        operands = [*places, *(self._folded(x) for x in self.reduced)]
        operands += [given] if given else []
        self.sizes, found = collapse(self.shape, operands)
        self.at = dict(zip([*self.loaded, *self.stored, *self.reduced], found))
        self.given = found[-1] if given else None
        self.nest = Nest(self.sizes)
        self.depth = self.nest.depth
        self.cost = 0

    def _folded(self, node: Node) -> Operand:
        """Where a reduction's result goes: the strides of axes that it folds are 0."""
        place, axes = self.w.write(node), node.attrs["axis"]
        strides = iter(place.strides)
        if node.attrs["keepdims"]:
            own = [0 if i in axes else s for i, s in enumerate(place.strides)]
        else:
            own = [0 if i in axes else next(strides) for i in range(len(self.shape))]
        return place._replace(strides=tuple(own))

    def lines(self) -> list[str]:
        if math.prod(self.shape) == 0:
            return [x for node in self.reduced for x in self._start(node)]
        if self.given:
            self._named(self.group.nodes[0], self.given)
        for x in self.loaded:
            self._load(x)
        body = self.nest.at[self.depth]
        computed, refusals = self._computed()
        body += computed
        if refusals:
            self.nest.at[0].append("bool refused = false;")
            body.append(f"refused |= {' | '.join(f'({x})' for x in refusals)};")
            self.nest.reductions.append("reduction(|:refused)")
            self.nest.closing[0].append(self.w.refuse("refused"))
            self.nest.parallel = False
        before: list[str] = []
        for k, node in enumerate(self.reduced):
            before += self._reduce(node, f"r{k}")
        counters = self.nest.counters
        body += [f"{self.at[x].at(counters)} = {self.names[x]};" for x in self.stored]
        lines = self.nest.lines(self.cost)
        if self.depth == 0:
            lines += self.nest.closing[0]
        return [*before, *lines]

    def _computed(self) -> tuple[list[str], list[str]]:
        """A line for each op on an element; when its result is refused."""
        lines, refusals = [], []
        for k, node in enumerate(x for x in self.nodes if x.op.kind != "reduce"):
            self.names[node] = name = f"t{k}"
            operands = [self.names[x] for x in node.inputs]
            text = self.w.scalars.expression(node, operands)
            self.cost += 16 if "(" in node.op.c else 1
            lines.append(f"const {ctype(node)} {name} = {text};")
            if node.op.name in REFUSED and node.dtype.kind in "iu":
                test = REFUSED[node.op.name]
                refusals.append(self.w.scalars.expression(node, operands, test))
        return lines, refusals

    def _load(self, x: Node) -> None:
        self._named(x, self.at[x])

    def _named(self, x: Node, place: Operand) -> None:
        """Read an element, as far out as it stays the same."""
        steps = [k + 1 for k, s in enumerate(place.strides) if s]
        level = max(steps, default=0)
        self.names[x] = name = f"a{len(self.names)}"
        value = place.at(self.nest.counters)
        self.nest.at[level].append(f"const {ctype(x)} {name} = {value};")

    def _start(self, node: Node) -> list[str]:
        """Set a reduction's result to what nothing gives."""
        return self.w.copied(self.w.write(node), start_of(node), node.shape)

    def _reduce(self, node: Node, name: str) -> list[str]:
        """Fold `node`'s operand; lines for before the loops are the answer."""
        nest, depth, place = self.nest, self.depth, self.at[node]
        kept = [k + 1 for k, s in enumerate(place.strides) if s]
        level = max(kept, default=0)  # from this loop on, all are folded
        value, real = self.names[node.inputs[0]], ctype(node)
        if node.op.name in ("all", "any"):
            value = f"({value} != 0)"
        out = place.at(nest.counters)
        if len(kept) == depth:
            nest.at[depth].append(f"{out} = {value};")
            return []
        outer = len(kept) < level  # folded axes outside kept ones: add up in memory
        if outer and not place.strides[0]:
            nest.parallel = False
        if level == depth:
            nest.at[depth].append(f"{out} = {combine(node, out, value)};")
            return self._start(node)
        fold = folding(node, name, value)
        nest.reductions += fold.clauses
        nest.at[depth] += fold.step
        if level == depth - 1 and self.sizes[-1] > 4096:
            nest.blocked = True
            total = "double" if real == "float" and node.op.name == "sum" else real
            nest.at[level].append(f"{total} {name}s[{nest.parts}];")
            nest.opening_block += fold.start
            nest.closing_block += [*fold.end, f"{name}s[part] = {name};"]
            nest.closing[level] += [
                f"{total} {name} = {start_of(node)};",
                f"for (int part = 0; part < {nest.parts}; part++) "
                f"{name} = {combine(node, name, f'{name}s[part]')};",
            ]
        else:
            nest.at[level] += fold.start
            nest.closing[level] += fold.end
            if level == 0 and depth > 1:
                nest.parallel = False  # the outermost loop adds to one accumulator
        if outer:
            nest.closing[level].append(f"{out} = {combine(node, out, name)};")
            return self._start(node)
        nest.closing[level].append(f"{out} = {name};")
        return []


def start_of(node: Node) -> str:
    """What a reduction of no elements at all is."""
    name, dtype = node.op.name, node.dtype
    if name in ("sum", "any"):
        return "0"
    if name == "all":
        return "1"
    if dtype.kind == "f":
        return "-INFINITY" if name == "amax" else "INFINITY"
    if dtype.kind == "b":
        return "0" if name == "amax" else "1"
    info = np.iinfo(dtype)
    return literal(info.min if name == "amax" else info.max, dtype)


def combine(node: Node, a: str, b: str) -> str:
    name = node.op.name
    if name in ("amax", "amin"):  # a NaN stays
        sign = ">" if name == "amax" else "<"
        return f"{b} {sign} {a} || {b} != {b} ? {b} : {a}"
    return f"{a} {'+' if name == 'sum' else '&' if name == 'all' else '|'} {b}"


class Folding(NamedTuple):
    """Lines for an accumulator: before the loop, in it, behind it; and OpenMP's clauses."""

    start: list[str]
    clauses: list[str]
    step: list[str]
    end: list[str]


def folding(node: Node, name: str, value: str) -> Folding:
    """How a loop folds `value` into the accumulator `name`.

    A NaN stays. So that the largest needs one instruction an element and not three, each
    of which waits for the one before, what NaN there is gets an accumulator of its own.
    """
    start, op = f"{ctype(node)} {name} = {start_of(node)};", node.op.name
    if op not in ("amax", "amin"):
        sign = {"sum": "+", "all": "&", "any": "|"}[op]
        step = f"{name} = {combine(node, name, value)};"
        return Folding([start], [f"reduction({sign}:{name})"], [step], [])
    clause = f"reduction({op[1:]}:{name})"
    step = f"{name} = {value} {'>' if op == 'amax' else '<'} {name} ? {value} : {name};"
    if node.dtype.kind != "f":
        return Folding([start], [clause], [step], [])
    return Folding(
        [start, f"int{8 * node.dtype.itemsize}_t {name}_nan = 0;"],
        [clause, f"reduction(|:{name}_nan)"],
        [step, f"{name}_nan |= {value} != {value};"],
        [f"if ({name}_nan) {name} = NAN;"],
    )


def fused(w: Writer, group: Group) -> list[str]:
    return Fused(w, group).lines()


def epilogue(w: Writer, group: Group, given: Operand, images: int = 0) -> list[str]:
    """What a group does with each element that its first node has `given`."""
    return Fused(w, group, given, images).lines()


def from_row(x: Operand, counter: str) -> Operand:
    """The operand from a row of its first axis on."""
    if not x.strides[0]:
        return x
    return x._replace(pointer=f"({x.pointer} + {counter} * {x.strides[0]})")


# --- copies --------------------------------------------------------------------------------


def copied(to: Operand, value: Operand | str, shape: tuple[int, ...]) -> list[str]:
    """`value`, an operand over `shape` or a number, written to `to`."""
    if math.prod(shape) == 0:
        return []
    operands = [to] if isinstance(value, str) else [to, value]
    sizes, (to, *rest) = collapse(shape, operands)
    nest = Nest(sizes)
    text = rest[0].at(nest.counters) if rest else value
    nest.at[-1].append(f"{to.at(nest.counters)} = {text};")
    return nest.lines()


def refuse_any(w: Writer, x: Operand, shape: Sequence[int], test: str) -> list[str]:
    """Refuse the call if `test` holds for any element, which it calls {x}."""
    if math.prod(shape) == 0:
        return []
    sizes, (x,) = collapse(shape, [x])
    nest = Nest(sizes)
    nest.parallel = False
    element = x.at(nest.counters)
    nest.at[-1].append(f"refused |= {test.replace('{x}', element)};")
    nest.reductions.append("reduction(|:refused)")
    return ["{", "bool refused = false;", *nest.lines(), w.refuse("refused"), "}"]


def value_of(w: Writer, node: Node, shape: tuple[int, ...]) -> Operand | str:
    """An operand broadcast to `shape`, or the number it is."""
    known = w.constant(node)
    return known if known is not None else w.read(node).over(node.shape, len(shape))


def copy_first(w: Writer, node: Node) -> list:
    """Start from a copy of the first operand, unless the result is in its place."""

    def write() -> list[str]:
        (a, *_), to = node.inputs, w.write(node)
        known = w.constant(a)
        source = w.read(a) if known is None else known
        return [] if source == to else w.copied(to, source, node.shape)

    return w.part(write, node)


def put(w: Writer, node: Node) -> list:
    def write() -> list[str]:
        part, shape = w.view(node, VIEWS[node.attrs["view"]], node.attrs["attrs"])
        return w.copied(part, value_of(w, node.inputs[1], shape), shape)

    return [*copy_first(w, node), *w.part(write, node)]


def zeros(w: Writer, node: Node) -> list:
    return w.part(lambda: w.copied(w.write(node), "0", node.shape), node)


def cat(w: Writer, node: Node) -> list:
    axis, at, lines = node.attrs["axis"], 0, []

    def write(x: Node, at: int) -> list[str]:
        to = w.write(node)
        to = to._replace(offset=to.offset + at * to.strides[axis])
        return w.copied(to, value_of(w, x, x.shape), x.shape)

    for x in node.inputs:
        lines += w.part(partial(write, x, at), node)
        at += x.shape[axis]
    return lines
