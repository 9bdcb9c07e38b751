"""Pieces that stay in the processor's cache: how the interpreter runs a fused step.

Which problem this solves: NumPy computes op by op, so each op on a large array fetches
it from memory and stores it there again. Cut into pieces that the cache can hold, all
ops of a step run on one piece before the next piece is fetched, and what only they read
needs room for one piece.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from minigrad.ops import reduce
from minigrad.static.fuse import Group
from minigrad.static.node import Node

PIECE = 1 << 16  # elements; a quarter of it is as fast, but for the more calls
LARGE = 1 << 18  # elements; below, op by op is as fast
SPREAD = 16  # so many pieces' results of a reduction take no more room than one piece

Shape = tuple[int, ...]
Key = tuple[slice, ...]

# Reductions whose results of the pieces are reduced in turn.
BY_PIECES = (reduce.sum, reduce.amax, reduce.amin, reduce.all, reduce.any)


def fuses(node: Node) -> bool:
    """Does it pay to run this op in pieces, together with its neighbours?"""
    if node.op.kind == "elementwise":
        return math.prod(node.shape) >= LARGE
    if node.op not in BY_PIECES:
        return False
    (x,) = node.inputs
    size = math.prod(x.shape)
    return (
        size >= LARGE
        and math.prod(node.shape) * SPREAD <= PIECE
        and {*range(_cut_axis(x.shape) + 1)} <= {*node.attrs["axis"]}
    )


def _cut_axis(shape: Shape) -> int:
    """The first axis whose rows fit into a piece."""
    axis = len(shape) - 1
    while axis > 0 and math.prod(shape[axis:]) <= PIECE:
        axis -= 1
    return max(axis, 0)


def pieces(shape: Shape) -> list[Key]:
    """Keys that cut an array of this shape into pieces of about one size."""
    axis = _cut_axis(shape)
    row = math.prod(shape[axis + 1 :])
    count = max(1, math.ceil(shape[axis] * row / PIECE))
    step = math.ceil(shape[axis] / count)
    cuts = [slice(i, min(i + step, shape[axis])) for i in range(0, shape[axis], step)]
    keys: list[Key] = [()]
    for n in shape[:axis]:
        keys = [(*key, slice(i, i + 1)) for key in keys for i in range(n)]
    return [(*key, cut) for key in keys for cut in cuts]


def part(key: Key, shape: Shape, whole: Shape) -> Any:
    """`key` for an operand that broadcasts into `whole`; None where it is read whole."""
    own = key[len(whole) - len(shape) :] if shape else ()
    cuts = tuple(cut if n > 1 else slice(None) for n, cut in zip(shape, own))
    if all(cut == slice(None) for cut in cuts):
        return None
    return cuts[0] if len(cuts) == 1 else cuts


class Pieces:
    """The loop over a step's pieces: a name for each thing that changes from turn to turn.

    `columns` holds, by name, what can be made beforehand: keys, pieces of arrays that
    are the same in every call, room for what is only read inside. `head` names the pieces
    that each call must cut. All loops of a program share the arrays in `room`.
    """

    def __init__(self, step: Group, room: dict[tuple, np.ndarray]) -> None:
        self.step, self.keys, self.room = step, pieces(step.shape), room
        self.columns: dict[str, list] = {}
        self.head: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    def cut(self, name: str, shape: Shape, array: Any = None) -> str:
        """The piece of what is called `name`; `array` if it is the same in every call."""
        cuts = [part(key, shape, self.step.shape) for key in self.keys]
        if cuts[0] is None:
            return name
        if array is not None:
            return self._column("p", [array[cut] for cut in cuts])
        pattern = repr(cuts[0])
        if pattern not in self._keys:
            self._keys[pattern] = self._column("at", cuts)
        piece = f"{name}[{self._keys[pattern]}]"
        return self.head.setdefault(piece, f"x{len(self.head)}")

    def partial(self, node: Node) -> tuple[str, np.ndarray]:
        """Room for a reduction's results of the pieces: one of them, and all."""
        whole = np.empty((len(self.keys), *node.shape), node.dtype)
        return self._column("r", [whole[i, ...] for i in range(len(self.keys))]), whole

    def names(self, given: dict[Node, str]) -> dict[Node, str]:
        """Where each node of the step puts its piece: as `given`, else in scratch."""
        names, free = dict(given), dict[np.dtype, list[str]]()
        times = {x: i for i, node in enumerate(self.step.nodes) for x in node.inputs}
        for i, node in enumerate(self.step.nodes):
            ending = [x for x in dict.fromkeys(node.inputs) if times[x] == i]
            for x in ending:  # element by element, an operand may be overwritten
                if x not in given:
                    free.setdefault(x.dtype, []).append(names[x])
            if node not in names:
                room = free.get(node.dtype)
                names[node] = room.pop() if room else self._scratch(node.dtype)
        return names

    def _scratch(self, dtype: np.dtype) -> str:
        size = max(map(math.prod, self._shapes))
        key = (dtype, sum(name.startswith("s") for name in self.columns))
        if key not in self.room or self.room[key].size < size:
            self.room[key] = np.empty(size, dtype)
        flat = self.room[key]
        views = [flat[: math.prod(shape)].reshape(shape) for shape in self._shapes]
        return self._column("s", views)

    @cached_property
    def _shapes(self) -> list[Shape]:
        whole = np.broadcast_to(np.empty(()), self.step.shape)
        return [whole[key].shape for key in self.keys]

    def _column(self, prefix: str, values: list) -> str:
        name = f"{prefix}{len(self.columns)}"
        self.columns[name] = values
        return name
