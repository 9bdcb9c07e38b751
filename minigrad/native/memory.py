"""Memory of a program that is being written, and the order of what it does.

Which problem this solves: where every value lies, what is copied before it is overwritten
and what is new in every call is the same for C and for CUDA. A dialect says how memory is
named in its text, and what a step becomes: a list of whatever it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.eager.cell import Cell
from minigrad.native.expressions import Scalars, literal
from minigrad.native.loops import Operand, operand, steps_of
from minigrad.static.fuse import Group, Joins, RowOf
from minigrad.static.node import CONSTANT, VARIABLE, Node, is_live, topological
from minigrad.static.plan import FRESH, Plan, make_plan, root_of
from minigrad.static.rewrite import settle_reshapes


class Memory:
    """Names for all memory, and where each value lies in it.

    Names are made here, never taken from the user: `x0` an argument, `w3` a variable,
    `k4` a constant, `b5` a buffer, `y6` a result, numbered by their slots. `arrays` holds
    what is in the slots, None for what comes with a call.
    """

    def __init__(self, plan: Plan, inputs: Sequence[Node], scalars: Scalars) -> None:
        self.plan, self.scalars = plan, scalars
        self.arrays: list[Any] = []
        self.names: list[str] = []
        self.slots: dict[Any, int] = {}  # by root node, Cell or number of the buffer
        self.shown: dict[Node, np.ndarray] = {}
        self.results: list[tuple] = []
        for x in inputs:  # a live number has a place of its own, filled before a run
            self.new(x, "x", np.empty((), x.dtype) if is_live(x) else None)

    # --- what a dialect adds ---------------------------------------------------------------
    joins: Joins  # which ops run together with others, in bodies
    row_of: RowOf  # and along which rows
    gemm: bool  # is there a BLAS?
    early: bool  # are indices looked at before anything is written?
    # What a slot is called in the present step.
    pointer: Callable[[int, np.dtype], str]
    # What runs steps, one after another.
    steps: Callable[[Sequence[Group]], list]
    # What runs the lines that a function gives, which compute nodes.
    block: Callable[[Callable[[], list[str]], Sequence[Node]], list]
    # The same within a step, of lines that wait for all before them.
    part: Callable[[Callable[[], list[str]], Node], list]
    # Lines for every position: counters, sizes, what is done there.
    visit: Callable[[Sequence[str], Sequence[int], list[str]], list[str]]
    # The lines that write an operand over a shape, or a number, to another.
    copied: Callable[[Operand, Operand | str, tuple[int, ...]], list[str]]
    # The line that gives the call up on a condition.
    refuse: Callable[[str], str]
    # What a node's random word of some number is called, and lines that draw so many.
    words: Callable[[Node, int], tuple[Callable[[str], str], list[str]]]

    @staticmethod
    def layout(array: Any) -> np.ndarray:
        """An array of NumPy's that lies in memory as this one does."""
        return array

    def runs_anyway(self, node: Node) -> bool:
        """Is it computed in a round that does not take place, too?"""
        return False

    def result(self, node: Node, keep: bool = False) -> Any:
        """Memory for a result: new in every call, unless the program is to keep it."""
        return np.empty(node.shape, node.dtype) if keep else None

    # --- memory ----------------------------------------------------------------------------
    def new(self, key: Any, prefix: str, array: Any) -> int:
        slot = self.slots[key] = len(self.arrays)
        self.arrays.append(array)
        self.names.append(f"{prefix}{slot}")
        return slot

    def _slot(self, root: Node) -> int:
        """Where the block says in which memory a node that is no view lives."""
        place = root.value if root.op is VARIABLE else self.plan.place.get(root)
        key = place if isinstance(place, (Cell, int)) else root
        if key in self.slots:
            return self.slots[key]
        if isinstance(place, Cell):
            return self.new(key, "w", place.array)
        if isinstance(place, int):
            return self.new(
                key, "b", np.empty(max(self.plan.sizes[place], 1), np.uint8)
            )
        if root.op is CONSTANT:
            return self.new(key, "k", self.show(root))
        return self.new(key, "y", self.result(root))

    def show(self, node: Node) -> np.ndarray:
        """An array that lies in memory as the node's value will."""
        array = self.shown.get(node)
        if array is None:
            place = node.value if node.op is VARIABLE else self.plan.place.get(node)
            if node.op.view:
                array = node.op.fn(self.show(node.inputs[0]), **node.attrs)
            elif isinstance(place, Cell):
                array = self.layout(place.array)
            elif node.op is CONSTANT:
                array = np.require(node.value, requirements=("C", "A"))
            else:
                array = np.empty(node.shape, node.dtype)
            self.shown[node] = array
        return array

    def read(self, node: Node) -> Operand:
        root = node
        while root.op.view:
            root = root.inputs[0]
        name = self.pointer(self._slot(root), root.dtype)
        return operand(name, self.show(node), self.show(root))

    def write(self, node: Node) -> Operand:
        return self.read(node)

    def plain(self, slot: int, shape: tuple[int, ...], dtype: np.dtype) -> Operand:
        """What is in a slot, in C order."""
        return Operand(self.pointer(slot, dtype), steps_of(shape))

    def view(self, node: Node, op: Any, attrs: dict) -> tuple[Operand, tuple]:
        whole = self.show(node)
        part = op.fn(whole, **attrs)
        return operand(self.read(node).pointer, part, whole), part.shape

    def room(self, shape: tuple[int, ...], dtype: np.dtype, key: Any = None) -> int:
        """The slot of memory that is needed within a step; `key` is whose it is."""
        own = object() if key is None else key
        return self.new(own, "b", np.empty(shape, dtype))

    def scratch(
        self, shape: tuple[int, ...], dtype: np.dtype, fill: float = 0
    ) -> Operand:
        """Memory of one step alone, and what is in it at first."""
        slot = self.new(object(), "b", np.full(shape, fill, dtype))
        return self.plain(slot, shape, dtype)

    def table(self, array: np.ndarray) -> str:
        """The pointer to an array that a step looks things up in."""
        return self.pointer(self.new(object(), "k", array), array.dtype)

    def constant(self, node: Node) -> str | None:
        if node.op is not CONSTANT or node.value.size == 0:
            return None
        first = node.value.reshape(-1)[:1]
        if node.value.tobytes() != first.tobytes() * node.value.size:
            return None
        return literal(first[0], node.dtype)

    # --- the order -------------------------------------------------------------------------
    def everything(self) -> tuple[list, list]:
        """What a call runs: what may fail, and what writes into variables after that."""
        plan, outputs = self.plan, self.plan.outputs
        lines = self.steps(plan.steps[: plan.tail])
        # What shows a variable, or an argument that may share its memory, is copied first.
        copies: dict[Any, Node] = dict(enumerate(outputs)) | plan.copied
        aside: dict[Any, int] = {}
        for key, node in copies.items():
            if root_of(node).op.kind == "source":
                aside[key] = self.new(
                    object(), "y", self.result(node, keep=key in plan.copied)
                )
                lines += self.copy(aside[key], node)
        head, lines = lines, self.steps(plan.steps[plan.tail :])
        for cell, node in plan.copied.items():
            lines += self._commit(cell, node, aside.get(cell))
        given: set[Node] = set()
        for i, node in enumerate(outputs):
            if plan.place.get(node) == FRESH and node not in given:
                given.add(node)
                aside[i] = self._slot(node)
            elif i not in aside:
                aside[i] = self.new(object(), "y", self.result(node))
                lines += self.copy(aside[i], node)
            self.results.append((aside[i], node.shape, node.dtype))
        return head, lines

    def copy(self, slot: int, node: Node) -> list:
        to = lambda: self.plain(slot, node.shape, node.dtype)
        return self.block(lambda: self._copied(to(), node), [])

    def _copied(self, to: Operand, node: Node) -> list[str]:
        known = self.constant(node)
        return self.copied(to, self.read(node) if known is None else known, node.shape)

    def _commit(self, cell: Cell, node: Node, aside: int | None) -> list:
        """Write an update that was computed elsewhere into its variable."""

        def write() -> list[str]:
            slot = self.slots.get(cell)
            slot = self.new(cell, "w", cell.array) if slot is None else slot
            to = operand(self.pointer(slot, node.dtype), *[self.layout(cell.array)] * 2)
            if aside is None:
                return self._copied(to, node)
            value = self.plain(aside, node.shape, node.dtype)
            return self.copied(to, value, node.shape)

        return self.block(write, [])


def planned(
    kind: type[Memory],
    inputs: Sequence[Node],
    wanted: Sequence[Node],
    cells: Sequence[Cell],
    check_nan: bool,
) -> tuple[list[Node], Plan]:
    """The graph as memory lies, and its plan; the last of `wanted` are for the `cells`."""
    known = {x: np.empty(x.shape, x.dtype) for x in inputs}
    variables = [x for x in topological(wanted) if x.op is VARIABLE]
    known |= {x: kind.layout(x.value.array) for x in variables}
    final = settle_reshapes(wanted, known)
    outputs = final[: len(final) - len(cells)]
    updates = dict(zip(cells, final[len(outputs) :]))
    plan = make_plan(outputs, updates, check_nan, kind.joins, row_of=kind.row_of)
    return final, plan
