"""CUDA for groups that go along each row several times: softmax, normalisation.

Which problem this solves: a launch cannot wait for what its own blocks have made, so walk
after walk along the rows would be launch after launch, each through all of memory. But a
row needs only itself: its lanes, a warp or a block of threads, fold what they have seen,
all of them learn the result, and they walk on. What is known when, and what an element is,
is that of the C printer (`native/rowwise.py`).

A walk computes anew what it needs of the walks before it: the row is in a cache by then,
and what an exponential costs hides behind memory. Only the last walk writes elements, each
by the lane that has read it, so a result may lie where an operand was.

A few long rows do not keep the GPU busy with a block each. Several blocks share such a row,
and each walk is a launch: its blocks leave what they have made of their pieces, and every
block of the launches after it folds all of that, in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from minigrad.gpu.dialect import BLOCK, PARTS, WARP, power, unravelled
from minigrad.gpu.fused import reaching
from minigrad.native.kernels import combine, ctype, start_of
from minigrad.native.rowwise import Rows, walkable
from minigrad.static.fuse import Group, levels, walked
from minigrad.static.node import Node

FEW = 32  # elements of a row that a lane has at most, while a block has more of them
LONG, ROWS = 1 << 14, 32  # fewer rows that are longer are walked by several blocks each


def row_of(node: Node) -> tuple[int, ...] | None:
    """The shape whose rows this op could walk along with others; () comes after them.

    So do sums of columns, which want threads dealt out another way. Better they read once
    more what rows have left than that they part the walks along the rows.
    """
    return walkable(node) or (() if node.op.kind == "reduce" else None)


def rows(w: Any, group: Group) -> list:
    """What runs a group whose ops wait for what others make of a whole row."""
    pieces = pieces_of(walked(group.nodes, walkable))
    if pieces == 1:
        return w.block(lambda: Lanes(w, group).lines(), group.nodes)
    level, actions = levels(group.nodes), []
    made: dict[Node, int] = {}  # what launches so far have left: the slots of its parts

    def launch(wanted: list[Node], pieces: int, leave: dict[Node, int]) -> list:
        part = reaching(group, wanted, made)
        part.outputs = [x for x in wanted if x not in leave]
        return w.block(lambda: Lanes(w, part, pieces, made).lines(leave), wanted)

    reduced = [x for x in group.nodes if x.op.kind == "reduce"]
    for k in sorted({level[x] for x in reduced}):
        here = [x for x in reduced if level[x] == k]
        leave = {x: w.room((math.prod(x.shape), pieces), x.dtype) for x in here}
        actions += launch(here, pieces, leave)
        made |= leave
    # Numbers come last: they may lie where blocks of the launch before read others.
    for own in (False, True):
        wanted = [x for x in group.outputs if (x.shape[-1] == 1) is own]
        actions += launch(wanted, 1 if own else pieces, {}) if wanted else []
    return actions


def pieces_of(shape: tuple[int, ...]) -> int:
    """How many blocks share a row, if rows are few and long."""
    count, length = math.prod(shape[:-1]), shape[-1]
    if length <= LONG or not 0 < count < ROWS:
        return 1
    return min(-(-length // (8 * BLOCK)), PARTS // count)


def lanes_of(length: int) -> int:
    """How many threads walk a row: a part of a warp, a warp, or a block."""
    if length <= FEW * WARP:
        return min(WARP, power(length))
    return min(BLOCK, power(-(-length // FEW)))


class Lanes(Rows):
    """The lines of a kernel in which some threads, the lanes, walk a row together.

    With `pieces`, that many blocks walk a piece each. `made` are the slots in which launches
    before have left what they have made of the pieces, those of a row side by side.
    """

    w: Any  # the writer of CUDA

    def __init__(
        self, w: Any, group: Group, pieces: int = 1, made: dict[Node, int] | None = None
    ) -> None:
        super().__init__(w, group)
        self.pieces = pieces
        self.made = {x: slot for x, slot in (made or {}).items() if x in self.level}

    def lines(self, leave: dict[Node, int] | None = None) -> list[str]:
        """`leave` are slots for what is made of each piece."""
        if math.prod(self.shape) == 0:
            return []
        count, lanes = math.prod(self.shape[:-1]), lanes_of(self.shape[-1])
        self.kind, self.lanes = self.w.index(math.prod(self.shape)), lanes
        rows = 1  # of a block
        if lanes <= WARP:
            rows = max(WARP // lanes, min(BLOCK // lanes, power(count)))
        self.w.grid = (-(-count // rows), self.pieces), (lanes * rows,)
        walks = map(self._when, [*self._reduced(), *self._wide()])
        last = max(walks, default=0)
        lines = [*self._head(count, rows), *self._once(), *self._folded()]
        for level in range(max(self.level.values()) + 1):
            lines += self._single(level)
            lines += self._walk(level, self._wide() if level == last else [])
        stored = [self._store(x) for x in self.stored if x.shape[-1] == 1]
        for x, slot in (leave or {}).items():
            place = self._part(x, slot, "blockIdx.y")
            stored.append(f"{place} = {self.names[x]};")
        one = f"if (lane == 0 && at < {count}) {{"
        return [*lines, one, *stored, "}"] if stored else lines

    def _reduced(self) -> list[Node]:
        nodes = self.group.nodes
        return [x for x in nodes if x.op.kind == "reduce" and x not in self.made]

    def _wide(self) -> list[Node]:
        """The results that have as many elements as the rows."""
        return [x for x in self.stored if x.shape[-1] > 1]

    def _head(self, count: int, rows: int) -> list[str]:
        """Which lane a thread is, and of which row; those past the last one walk nothing."""
        kind, counters, end = self.kind, self.counters[:-1], self.shape[-1]
        first, stop = "lane", str(end)
        if self.pieces > 1:
            piece = -(-end // self.pieces)
            first = f"({kind})blockIdx.y * {piece} + lane"
            stop = f"min({end}, ((int)blockIdx.y + 1) * {piece})"
        return [
            f"const int lane = threadIdx.x % {self.lanes};",
            f"const {kind} at = ({kind})blockIdx.x * {rows} + threadIdx.x / {self.lanes};",
            f"const {kind} row = at < {count} ? at : {count - 1};",
            f"const {kind} first = {first}, stop = at < {count} ? {stop} : 0;",
            *unravelled("row", counters, self.sizes, kind),
        ]

    def _part(self, x: Node, slot: int, number: str) -> str:
        """Where what is made of a piece lies."""
        pieces = self.w.arrays[slot].shape[1]
        return f"{self.w.pointer(slot, x.dtype)}[row * {pieces} + {number}]"

    def _folded(self) -> list[str]:
        """What earlier launches have made, of all pieces of the row."""
        before, body = [], []
        for x, slot in self.made.items():
            self.names[x] = name = f"r{next(self.numbers)}"
            before.append(f"{ctype(x)} {name} = {start_of(x)};")
            body.append(f"const {ctype(x)} {name}p = {self._part(x, slot, 'p')};")
            body.append(f"{name} = {combine(x, name, f'{name}p')};")
        if not before:
            return []
        pieces = self.w.arrays[slot].shape[1]
        head = f"for (int p = lane; p < {pieces}; p += {self.lanes}) {{"
        return [*before, head, *body, "}", *self._together([*self.made])]

    def _walk(self, level: int, stored: list[Node]) -> list[str]:
        """One walk along the row: what is made of all of it, and elements to be stored."""
        made = [x for x in self._reduced() if self._when(x) == level]
        if not (made or stored):
            return []
        needed = self._elements([*made, *stored])
        inputs = dict.fromkeys(x for node in [*needed, *made] for x in node.inputs)
        body = [self._load(x) for x in inputs if self._varies(x)]
        body += [self._computed(x) for x in needed]
        body += [self._store(x) for x in stored]
        before = []
        for node in made:
            name = f"r{next(self.numbers)}"
            before.append(f"{ctype(node)} {name} = {start_of(node)};")
            value = combine(node, name, self.names[node.inputs[0]])
            body.append(f"{name} = {value};")
            self.names[node] = name
        c = self.counters[-1]
        head = f"for ({self.kind} {c} = first; {c} < stop; {c} += {self.lanes}) {{"
        together = self._together(made) if made else []
        return [*before, head, *body, "}", *together]

    def _varies(self, x: Node) -> bool:
        """Is it an operand that has an element of its own for each of the row?"""
        return x in self.loaded and bool(self.loaded[x].strides[-1])

    def _elements(self, wanted: Iterable[Node]) -> list[Node]:
        """The ops on elements that `wanted` are made from."""
        needed = set(wanted)
        for node in reversed(self.group.nodes):
            if node in needed:
                needed.update(x for x in node.inputs if x.shape == self.shape)
        return [x for x in self.group.nodes if x in needed and x.op.kind != "reduce"]

    def _together(self, made: list[Node]) -> list[str]:
        """What the lanes have, folded in an order that is always the same; all get it."""
        inside, warps = min(self.lanes, WARP), self.lanes // WARP
        real = {self.names[node]: ctype(node) for node in made}
        fold = lambda other: [
            f"{name} = {combine(node, name, other(name))};"
            for node, name in zip(made, real)
        ]
        far = "const {} {}far = __shfl_down_sync(~0u, {}, half, {});"
        lines = [
            f"for (int half = {inside // 2}; half > 0; half /= 2) {{",
            *(far.format(real[x], x, x, inside) for x in real),
            *fold(lambda name: f"{name}far"),
            "}",
        ]
        if warps <= 1:
            return lines + [f"{x} = __shfl_sync(~0u, {x}, 0, {inside});" for x in real]
        return [
            *lines,
            *(f"__shared__ {real[x]} {x}s[{warps}];" for x in real),
            *(f"if (lane % {WARP} == 0) {x}s[lane / {WARP}] = {x};" for x in real),
            "__syncthreads();",
            *(f"{x} = {x}s[0];" for x in real),
            f"for (int warp = 1; warp < {warps}; warp++) {{",
            *fold(lambda name: f"{name}s[warp]"),
            "}",
        ]
