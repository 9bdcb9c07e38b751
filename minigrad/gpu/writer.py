"""A planned graph as CUDA: the text of its kernels, and the launches that use them.

Which problem this solves: on a GPU a program is a list of launches, and what a launch may
compute is limited by who needs whose results. The plan's steps become launches, products
calls of cuBLAS; an op without a kernel is left to the array module. Kernels that read
alike have one text; memory is passed to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from minigrad.backend import int32, int64
from minigrad.gpu import (
    control,
    fused,
    kernels,
    products,
    randomness,
    rowwise,
    windows,
)
from minigrad.gpu.actions import Action, Call, Launch
from minigrad.gpu.dialect import HEAD, CudaScalars, dealt, over_elements, unravelled
from minigrad.native import codegen
from minigrad.native.expressions import CTYPES
from minigrad.native.kernels import joins
from minigrad.native.loops import COUNTERS, Operand, collapse, indent
from minigrad.native.memory import Memory
from minigrad.native.nested import is_counted
from minigrad.native.rowwise import walks_again
from minigrad.static.fuse import Group
from minigrad.static.node import Node
from minigrad.static.plan import Plan, nbytes

KERNELS: dict[str, Callable[[Any, Node], list | None]] = {
    **codegen.KERNELS,  # put, zeros, cat, index and random numbers are what they are in C
    "matmul": products.multiplied,
    "gemm": products.multiplied,
    "index_put": kernels.written,
    "index_add": kernels.written,
    "cumsum": kernels.cumsum,
    "argmax": kernels.argument,
    "argmin": kernels.argument,
    "argsort": kernels.argsort,
    "conv": windows.convolution,
    "conv_input": windows.convolution,
    "conv_weight": windows.convolution,
    "windows": windows.windows,
    "overlap": windows.windows,
    "max_at": windows.max_at,
    "loop": control.loop,
}
SMALL = 1 << 31  # bytes, and elements, up to which 32 bits count them


class Writer(Memory):
    """The text of the kernels, by name, and what a call does, action by action.

    `grid`, while a kernel is written, says in how many blocks of how many threads it is
    launched. `params` are the memory that it is passed. `device` is asked for cuDNN's
    plans; without it there are none.
    """

    early = False  # an index is looked at where it is used, and noted if it is bad
    gemm = True
    joins = staticmethod(joins)
    row_of = staticmethod(rowwise.row_of)
    given, choice, words = control.given, control.choice, randomness.words

    def __init__(
        self,
        plan: Plan,
        inputs: Sequence[Node],
        check_nan: bool,
        device: Any = None,
    ) -> None:
        super().__init__(plan, inputs, CudaScalars())
        self.check_nan, self.device = check_nan, device
        self.texts: dict[str, str] = {}  # of kernels: their bodies to their names
        self.kernels: list[str] = []
        self.params: dict[tuple[int, str], str] = {}
        self.grid: tuple = ((1,), (1,))
        self.refused: int | None = None  # the slot of the flag that there is no result
        self.refuses = False  # does any kernel raise it?
        self.guard: int | None = None  # the slot that says whether a loop is over
        self.left: dict[str, None] = {}  # ops that have no kernel
        self.fetches = False  # does Python have to see a number before it can go on?
        self.extent = {self.slots[x]: nbytes(x) for x in inputs}

    # --- memory ----------------------------------------------------------------------------
    def pointer(self, slot: int, dtype: np.dtype) -> str:
        """A parameter of the present kernel; its number says its place, not the slot."""
        key = slot, dtype.name
        if key not in self.params:
            self.params[key] = f"{self.names[slot][0]}{len(self.params)}"
        return self.params[key]

    def new(self, key: Any, prefix: str, array: Any) -> int:
        if isinstance(key, int):  # a buffer holds values of several types
            array = np.empty(-(-array.nbytes // 16) * 16, np.uint8)
        return super().new(key, prefix, array)

    def slot_of(self, node: Node) -> int:
        """The slot of the memory in which a value lies."""
        while node.op.view:
            node = node.inputs[0]
        return self._slot(node)

    @staticmethod
    def layout(array: Any) -> np.ndarray:
        if isinstance(array, np.ndarray):
            return array
        steps = [s * (n - 1) for s, n in zip(array.strides, array.shape)]
        low = sum(s for s in steps if s < 0)
        size = sum(map(abs, steps)) + array.itemsize if array.size else 0
        ghost = np.empty(size, np.uint8)
        return np.ndarray(array.shape, array.dtype, ghost, -low, array.strides)

    def is_aligned(self, x: Node) -> bool:
        """Does the value surely begin where four elements can be read at once?"""
        slot = self.slot_of(x)
        return self.names[slot][0] in "bkyxs" or (
            self.names[slot][0] == "w" and self.arrays[slot].data.ptr % 16 == 0
        )

    def index(self, count: int) -> str:
        """The type that numbers elements: 32 bits, which divide faster, if they do."""
        sizes = [self._size(slot) for slot, _ in self.params]
        return "int" if max([count, *sizes]) < SMALL // 2 else "int64_t"

    def _size(self, slot: int) -> int:
        array = self.arrays[slot]
        return self.extent.get(slot, SMALL) if array is None else array.nbytes

    def runs_anyway(self, node: Node) -> bool:
        return self.guard is not None and node.op.kind == "contraction"

    def result(self, node: Node, keep: bool = False) -> Any:
        return np.empty(node.shape, node.dtype)

    # --- kernels ---------------------------------------------------------------------------
    def visit(
        self,
        counters: Sequence[str],
        sizes: Sequence[int],
        body: list[str],
        step: int = 1,
    ) -> list[str]:
        """`body` for every position, each of which a thread takes."""
        count = math.prod(sizes)
        kind, axes = self.index(count), len(sizes)
        self.grid = tuple((n,) for n in over_elements(-(-count // step)))
        at = counters[0] if axes == 1 else "at"
        where = [] if axes < 2 else unravelled(at, counters, sizes, kind)
        return [dealt(count, kind, at, step), *where, *body, "}"]

    def refuse(self, condition: str) -> str:
        return f"if ({condition}) {{ {self._flagged()} continue; }}"

    def flag(self, condition: str) -> str:
        """The line that notes that there is no result, and goes on."""
        return f"if ({condition}) {self._flagged()}"

    def _flagged(self) -> str:
        self.refuses = True
        return f"{self.refusal()} = 1;"

    def refusal(self) -> str:
        """The flag that says that there is no result."""
        if self.refused is None:
            self.refused = self.new("refused", "f", np.zeros(1, int32))
        return f"*{self.pointer(self.refused, int32)}"

    def copied(self, to: Operand, value: Operand | str, shape: tuple) -> list[str]:
        if math.prod(shape) == 0:
            return []
        operands = [to] if isinstance(value, str) else [to, value]
        sizes, (to, *rest) = collapse(shape, operands)
        counters = COUNTERS[: len(sizes)]
        text = rest[0].at(counters) if rest else value
        return self.visit(counters, sizes, [f"{to.at(counters)} = {text};"])

    def part(self, write: Callable[[], list[str]], node: Node) -> list[Action]:
        return self.block(write, [node])

    def block(
        self, write: Callable[[], list[str]], nodes: Sequence[Node]
    ) -> list[Action]:
        """The launch of a kernel with the lines that `write` gives."""
        outer, self.params = self.params, {}
        lines = [x for x in write() if not x.startswith("#pragma omp")]
        if lines and self.guard is not None:
            over = self.pointer(self.guard, int64)
            lines.insert(0, f"if (*{over} < 0) return;")
        params, self.params = self.params, outer
        if not lines:
            return []
        declared = ", ".join(
            f"{CTYPES[dtype]} *{name}" for (_, dtype), name in params.items()
        )
        text = "\n".join([f"({declared}) {{", *indent(lines), "}"])
        name = self.texts.get(text)
        if name is None:
            label = "_".join(dict.fromkeys(x.op.name for x in nodes[:3])) or "copy"
            name = self.texts[text] = f"{label}_{len(self.texts)}"
            head = f'extern "C" __global__ void {name}'
            self.kernels.append("\n".join([*codegen.comments(nodes), head + text, ""]))
        grid, block = self.grid
        places = [(slot, np.dtype(dtype)) for slot, dtype in params]
        passed = ", ".join(self.names[slot] for slot, _ in places)
        return [Launch(nodes, name, grid, block, places, passed)]

    # --- what is not a kernel of ours ------------------------------------------------------
    def value(self, node: Node) -> Callable[[list], Any]:
        """How to get the device array that a node stands for, among all arrays."""
        if node.op.view:
            whole, op, attrs = self.value(node.inputs[0]), node.op, node.attrs
            return lambda arrays: op.fn(whole(arrays), **attrs)
        if is_counted(node):  # as high as a loop has made it
            return itemgetter(self._slot(node))
        return self.held(self._slot(node), node.shape, node.dtype)

    def held(self, slot: int, shape: tuple, dtype: Any) -> Callable[[list], Any]:
        """How to get what is in a slot, as an array of this shape."""
        size, dtype = math.prod(shape) * dtype.itemsize, np.dtype(dtype)

        def get(arrays: list) -> Any:
            array = arrays[slot]
            if array.shape == shape and array.dtype == dtype:
                return array
            return array.reshape(-1).view(np.uint8)[:size].view(dtype).reshape(shape)

        return get

    def named(self, node: Node) -> str:
        """What the memory of a node is called in the list of what runs."""
        name, turned = self.names[self.slot_of(node)], ""
        while node.op.view:
            turned = ".T" if node.op.name == "permute" else turned
            node = node.inputs[0]
        return name + turned

    def _called(self, node: Node) -> list:
        """An op without a kernel: the table's function on device arrays."""
        self.left[node.op.name] = None
        get = [self.value(x) for x in node.inputs]
        names = ", ".join(map(self.named, node.inputs))
        said = f"{self.named(node)} = {node.op.name}({names})"
        return [Call([node], get, self.value(node), said)]

    # --- steps -----------------------------------------------------------------------------
    def steps(self, steps: Sequence[Group]) -> list[Action]:
        return [action for step in steps for action in self._step(step)]

    def _step(self, step: Group) -> list[Action]:
        first = step.nodes[0]
        if first.op.view or first.op.kind == "item":
            return []
        actions = self._actions(step, first)
        if self.check_nan:
            for node in step.outputs:
                if node.dtype.kind == "f" and node.op.kind != "control":
                    actions += self.block(partial(self._finite, node), [node])
        return actions

    def _actions(self, step: Group, first: Node) -> list[Action]:
        everything = [x for node in step.nodes for x in (node, *node.inputs)]
        known = all(x.dtype.name in CTYPES for x in everything)
        if first.op.kind == "control":
            return KERNELS[first.op.name](self, first) or []
        kernel = KERNELS.get(first.op.name)
        if known and kernel is not None and _indices_fit(first):
            actions = kernel(self, first)
            return self._called(first) if actions is None else actions
        if known and joins(first):
            write = rowwise.rows if walks_again(step) else fused.fused
            return write(self, step)
        return [action for node in step.nodes for action in self._called(node)]

    def _finite(self, node: Node) -> list[str]:
        place = self.read(node)
        size = math.prod(node.shape)
        line = self.flag(f"!isfinite({place.pointer}[i + {place.offset}])")
        return self.visit("i", (size,), [line])

    def text(self) -> str:
        """All kernels, ready for the compiler."""
        helpers = "\n".join(self.scalars.declarations())
        return "\n".join([HEAD, helpers, *self.kernels])


def _indices_fit(node: Node) -> bool:
    """Are index arrays numbers, as the kernels want them?"""
    if node.op.name not in ("index", "index_put", "index_add"):
        return True
    arrays = node.inputs[1 if node.op.name == "index" else 2 :]
    return all(x.dtype.kind == "i" for x in arrays)
