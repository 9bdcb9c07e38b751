"""CUDA for a step of elementwise ops and reductions: a walk that threads share.

The walk itself, which operand lies where and what one element becomes, is that of the C
printer (`native/kernels.py`). What is summed up decides how threads share it: rows, where
neighbours are in one sum; columns, where each is in its own; or few long sums, which are
folded in pieces by many blocks, and then once more.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import Any

from minigrad.gpu.dialect import Share, share, unravelled
from minigrad.native.kernels import Fused, combine, ctype, start_of
from minigrad.native.loops import Operand
from minigrad.static.fuse import Group
from minigrad.static.node import PLACEHOLDER, Node

WIDE = 1 << 18  # elements from which a thread reads and writes four at a time


def fused(w: Any, group: Group) -> list:
    """What runs a step of one or more elementwise ops and reductions."""
    first = group.nodes[0]
    shape = (first.inputs[0] if first.op.kind == "reduce" else first).shape
    if math.prod(shape) == 0:
        reduced = [x for x in group.nodes if x.op.kind == "reduce"]
        return [line for x in reduced for line in _nothing(w, x)]
    return [action for part in _parts(group, shape) for action in _run(w, part)]


def _nothing(w: Any, node: Node) -> list:
    """A reduction of no elements at all."""
    fill = lambda: w.copied(w.write(node), start_of(node), node.shape)
    return w.block(fill, [node])


def _parts(group: Group, shape: tuple[int, ...]) -> list[Group]:
    """The step as launches: one for each choice of axes to fold.

    Each computes anew what it needs; results as large as the walk are written by the last,
    which may overwrite operands that the others have read by then.
    """
    patterns: dict[frozenset, list[Node]] = {}
    for node in group.nodes:
        if node.op.kind == "reduce":
            axes = frozenset(i for i in node.attrs["axis"] if shape[i] != 1)
            patterns.setdefault(axes, []).append(node)
    stored = [x for x in group.outputs if x.op.kind != "reduce"]
    wanted = list(patterns.values()) or [[]]
    wanted[-1] = wanted[-1] + stored
    return [reaching(group, nodes) for nodes in wanted]


def reaching(
    group: Group, wanted: Sequence[Node], known: Container[Node] = ()
) -> Group:
    """The part of a step that `wanted` needs, where some is known already."""
    needed = set(wanted)
    for node in reversed(group.nodes):
        if node in needed and node not in known:
            needed.update(node.inputs)
    nodes = [x for x in group.nodes if x in needed]
    return Group(nodes, [x for x in group.inputs if x in needed], list(wanted))


def _run(w: Any, part: Group) -> list:
    reduced = [x for x in part.nodes if x.op.kind == "reduce"]
    if not reduced:
        return w.block(lambda: Threads(w, part).spread(), part.nodes)
    pieces: dict[Node, int] = {}
    actions = w.block(lambda: Threads(w, part).folded(pieces), part.nodes)
    return actions + (w.block(lambda: _finish(w, pieces), [*pieces]) if pieces else [])


class Threads(Fused):
    """A walk over elements, shared by threads."""

    w: Any  # the writer of CUDA

    def _load(self, x: Node) -> None:
        """Read an operand where the element is worked on: the caches know the rest."""
        self.names[x] = name = f"a{len(self.names)}"
        value = self.at[x].at(self.nest.counters)
        self.nest.at[self.depth].append(f"const {ctype(x)} {name} = {value};")

    def _element(self) -> list[str]:
        """The lines for one element."""
        for x in self.loaded:
            self._load(x)
        computed, refused = self._computed()
        lines = self.nest.at[self.depth] + computed
        if refused:
            lines.append(self.w.flag(" || ".join(f"({x})" for x in refused)))
        counters = self.nest.counters
        return lines + [
            f"{self.at[x].at(counters)} = {self.names[x]};" for x in self.stored
        ]

    def spread(self) -> list[str]:
        """Every element by itself."""
        if self._is_wide():
            return self._by_four()
        return self.w.visit(self.nest.counters, self.sizes, self._element())

    def _is_wide(self) -> bool:
        """May four elements be read and written at once?"""
        operands = [*self.loaded, *self.stored]
        places = [self.at[x] for x in operands]
        return (
            self.depth == 1
            and self.sizes[0] >= WIDE
            and self.sizes[0] % 4 == 0
            and all(p.strides[0] in (0, 1) and p.offset % 4 == 0 for p in places)
            and all(self.w.is_aligned(x) for x in operands)
        )

    def _by_four(self) -> list[str]:
        wide = [x for x in self.loaded if self.at[x].strides[0]]
        lines = []
        for x in self.loaded:
            self.names[x] = name = f"a{len(self.names)}"
            place = self.at[x]
            if x in wide:
                lines.append(f"const {_four(x)} {name}s = {_fours(x, place)};")
                self.nest.at[1].append(f"const {ctype(x)} {name} = {name}s.at[e];")
            else:
                lines.append(f"const {ctype(x)} {name} = {place.at('i')};")
        computed, refused = self._computed()
        body = self.nest.at[1] + computed
        if refused:
            body.append(self.w.flag(" || ".join(f"({x})" for x in refused)))
        for k, x in enumerate(self.stored):
            lines.append(f"{_four(x)} y{k};")
            body.append(f"y{k}.at[e] = {self.names[x]};")
        lines += ["#pragma unroll", "for (int e = 0; e < 4; e++) {", *body, "}"]
        for k, x in enumerate(self.stored):
            lines.append(f"{_fours(x, self.at[x])} = y{k};")
        return self.w.visit("i", self.sizes, lines, step=4)

    def folded(self, pieces: dict[Node, int] | None = None) -> list[str]:
        """Reductions, all over the same axes; `pieces` get the slots of parts."""
        w, counters = self.w, self.nest.counters
        steps = self.at[self.reduced[0]].strides
        kept = [k for k in range(self.depth) if steps[k]]
        fold = [k for k in range(self.depth) if not steps[k]]
        sizes = [math.prod(self.sizes[k] for k in axes) for axes in (kept, fold)]
        along = self.depth - 1 in fold or not kept
        how = share(sizes[0], sizes[1], along, splits=pieces is not None)
        w.grid = how.grid, (how.threads,)
        element = self._element()
        kind = w.index(math.prod(self.sizes))
        declared, folds, results = [], [], []
        for k, node in enumerate(self.reduced):
            value = self.names[node.inputs[0]]
            if node.op.name in ("all", "any"):
                value = f"({value} != 0)"
            declared.append(f"{ctype(node)} r{k} = {start_of(node)};")
            folds.append(f"r{k} = {combine(node, f'r{k}', value)};")
            place = self.at[node].at(counters)
            if how.splits > 1 and pieces is not None:
                pieces[node] = slot = w.room((how.splits, how.kept), node.dtype)
                pointer = w.pointer(slot, node.dtype)
                place = f"{pointer}[({kind})blockIdx.y * {how.kept} + at]"
            results.append((node, f"r{k}", place))
        return [
            *how.head(kind),
            *declared,
            f"if (at < {how.kept}) {{",
            *self._position("at", kept, kind),
            *how.loop(kind),
            *self._position("q", fold, kind),
            *element,
            *folds,
            "}",
            "}",
            *_gathered(how, results, self._position("at", kept, kind)),
        ]

    def _position(self, at: str, axes: list[int], kind: str) -> list[str]:
        names = [self.nest.counters[k] for k in axes]
        return unravelled(at, names, [self.sizes[k] for k in axes], kind)


def _four(x: Node) -> str:
    return f"Four<{ctype(x)}>"


def _fours(x: Node, place: Operand) -> str:
    """Four elements in memory from where the loop stands."""
    return f"*({_four(x)} *)({place.pointer} + {place.position('i')})"


def _gathered(how: Share, results: list[tuple], position: list[str]) -> list[str]:
    """The lanes' parts put together, and written by lane 0."""
    shared, lines, merged = [], [], []
    for node, name, place in results:
        if how.lanes == 1:
            lines.append(f"{place} = {name};")
            continue
        shared += [
            f"__shared__ {ctype(node)} {name}s[{how.threads}];",
            f"{name}s[threadIdx.x] = {name};",
        ]
        merged.append((node, f"{name}s"))
        lines.append(f"{place} = {name}s[threadIdx.x];")

    def merge(here: str, there: str) -> list[str]:
        return [
            f"{s}[{here}] = {combine(node, f'{s}[{here}]', f'{s}[{there}]')};"
            for node, s in merged
        ]

    test = "lane == 0 && " if how.lanes > 1 else ""
    return [
        *shared,
        *how.tree(merge),
        f"if ({test}at < {how.kept}) {{",
        *position,
        *lines,
        "}",
    ]


def _finish(w: Any, pieces: dict[Node, int]) -> list[str]:
    """Fold the results of pieces once more."""
    parts, wholes, attrs = [], [], {"axis": (0,), "keepdims": False}
    for node, slot in pieces.items():
        shape, dtype = w.arrays[slot].shape, node.dtype
        part = Node(PLACEHOLDER, (), {}, shape, dtype)
        whole = Node(node.op, (part,), attrs, shape[1:], dtype, like=node)
        w.slots |= {part: slot, whole: w.slot_of(node)}
        parts.append(part)
        wholes.append(whole)
    return Threads(w, Group(wholes, parts, wholes)).folded()
