"""A planned graph as one C function, and the Python that calls it.

The function takes one pointer to a block of pointers: arguments, variables, constants,
the plan's buffers, results. It returns 0, or 1 where it refuses to compute (an index out
of range, a result that is not finite): nothing has been written then, and the interpreter
runs the same call and says what is wrong, and on which of the user's lines.
"""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.eager.cell import Cell
from minigrad.native import blas, build, indexing, kernels
from minigrad.native.expressions import CTYPES, Scalars, literal
from minigrad.native.loops import Operand, indent, operand
from minigrad.ops.movement import is_view
from minigrad.static.fuse import Group
from minigrad.static.node import CONSTANT, PLACEHOLDER, VARIABLE, Node
from minigrad.static.plan import FRESH, Plan, root_of

KERNELS: dict[str, Callable[[kernels.Writer, Node], list[str]]] = {
    "matmul": kernels.matmul,
    "gemm": kernels.gemm,
    "put": kernels.put,
    "zeros": kernels.zeros,
    "cat": kernels.cat,
    "logsumexp": kernels.logsumexp,
    "argmax": kernels.argument,
    "argmin": kernels.argument,
    "cumsum": kernels.cumsum,
    "argsort": kernels.argsort,
    "index": indexing.index,
    "index_put": indexing.written,
    "index_add": indexing.written,
}


def obstacle(nodes: Sequence[Node]) -> str:
    """Why these nodes cannot become C, '' if they can."""
    for node in nodes:
        known = node.op.kind == "source" or node.op.view
        if not (known or kernels.joins(node) or node.op.name in KERNELS):
            return f"there is no C for {node.op.name}"
        if node.dtype.name not in CTYPES or not node.dtype.isnative:
            return f"there is no C for {node.dtype}"
        if node.op.kind == "indexing" and node.op.name != "argsort":
            arrays = node.inputs[1 if node.op.name == "index" else 2 :]
            if any(x.dtype.kind != "i" for x in arrays):
                return f"there is no C for {node.op.name} by {arrays[0].dtype}"
    return ""


class Native:
    """A compiled plan: its C source, and the function of the arguments' arrays."""

    def __init__(
        self,
        plan: Plan,
        inputs: Sequence[Node],
        outputs: Sequence[Node],
        check_nan: bool,
        reference: Callable[..., list],
    ) -> None:
        writer = _Writer(plan, inputs, check_nan)
        self.source = writer.write(outputs)
        library = build.load(self.source)
        for name, address in writer.addresses.items():
            ctypes.c_void_p.in_dll(library, name).value = address
        self._run = library.program
        self._run.argtypes, self._run.restype = [ctypes.c_void_p], ctypes.c_int
        self._kept = writer.arrays  # the memory that the block points to
        self._block = (ctypes.c_void_p * len(writer.arrays))(
            *(None if a is None else _address(a) for a in writer.arrays)
        )
        self._pointer = ctypes.addressof(self._block)
        self._seen: list[Any] = [lambda: None] * len(inputs)
        self._results = writer.results
        self._written = writer.written
        self._reference = reference

    def function(self, *arrays: Any) -> list:
        """Run on arrays that fit their placeholders; new arrays come back."""
        block, held = self._block, []
        for i, (array, seen) in enumerate(zip(arrays, self._seen)):
            if seen() is not array:
                held.append(self._feed(i, array))
        fresh = {}
        for i, slot, shape, dtype in self._results:
            if slot:
                fresh[i] = y = np.empty(shape, dtype)
                block[slot] = _address(y)
        if self._run(self._pointer):
            return self._reference(*arrays)
        for cell in self._written:
            cell.version += 1
        kept = self._kept
        return [
            fresh[i] if slot else kept[shape].copy()
            for i, slot, shape, _ in self._results
        ]

    def _feed(self, i: int, array: Any) -> Any:
        """Point to a new argument; the array that must live until the end of the call."""
        if array.flags.c_contiguous and array.flags.aligned:
            self._seen[i] = weakref.ref(array)
        else:
            array = array.copy()
            self._seen[i] = lambda: None
        self._block[i] = _address(array)
        return array


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


SMALL_RESULT = 4096  # bytes up to which copying costs less than asking for an address


class _Writer:
    """Names for all memory, and the lines that compute.

    Names are made here, never taken from the user: `x0` an argument, `w0` a variable,
    `k0` a constant, `b0` a buffer, `y0` a result. `arrays` is the block in order.
    """

    def __init__(self, plan: Plan, inputs: Sequence[Node], check_nan: bool) -> None:
        self.plan, self.check_nan = plan, check_nan
        self.scalars = Scalars()
        self.blas = blas.find()
        self.gemm = self.blas is not None
        self.addresses: dict[str, int] = {}
        self.arrays: list[Any] = [None for _ in inputs]
        self.names = [f"x{i}" for i in range(len(inputs))]
        self.slot_of: dict[Any, int] = {x: i for i, x in enumerate(inputs)}
        self.memory: dict[Node, np.ndarray] = {
            x: np.empty(x.shape, x.dtype) for x in inputs
        }
        self.shown: dict[Node, np.ndarray] = dict(self.memory)
        self.used: dict[str, str] = {}  # pointers that the present step declares
        self.results: list[tuple] = []
        self.written: list[Cell] = []
        self.lines: list[str] = []
        self.said = ""

    # --- memory ----------------------------------------------------------------------------
    def _new(self, key: Any, prefix: str, array: Any) -> int:
        slot = self.slot_of[key] = len(self.arrays)
        self.arrays.append(array)
        self.names.append(f"{prefix}{slot}")
        return slot

    def _slot(self, node: Node) -> int:
        """The block's entry for the memory that a root node lives in."""
        place = self.plan.place.get(node)
        if node.op is VARIABLE:
            place = node.value
        if isinstance(place, Cell):
            slot = self.slot_of.get(place)
            return self._new(place, "w", place.array) if slot is None else slot
        if isinstance(place, int):
            slot = self.slot_of.get(place)
            if slot is None:
                size = self.plan.sizes[place]
                slot = self._new(place, "b", np.empty(max(size, 1), np.uint8))
            return slot
        slot = self.slot_of.get(node)
        if slot is None:
            small = node.op is not CONSTANT
            array = np.empty(node.shape, node.dtype) if small else _plain(node.value)
            slot = self._new(node, "y" if small else "k", array)
        return slot

    def _show(self, node: Node) -> np.ndarray:
        """An array that lies in memory as the node's value does."""
        if node in self.shown:
            return self.shown[node]
        if node.op.view:
            array = node.op.fn(self._show(node.inputs[0]), **node.attrs)
        else:
            place = self.plan.place.get(node)
            cell = node.value if node.op is VARIABLE else place
            if isinstance(cell, Cell):
                array = cell.array
            elif node.op is CONSTANT:
                array = self.arrays[self._slot(node)]
            else:
                array = np.empty(node.shape, node.dtype)
        self.shown[node] = array
        return array

    def _pointer(self, node: Node) -> str:
        """The C pointer to a root's memory, declared in the present step."""
        slot = self._slot(node)
        name, real = self.names[slot], CTYPES[node.dtype.name]
        if self.used.get(name, real) != real:  # a buffer that changes its type here
            name = f"{name}_{real}"
        self.used[name] = real
        self.slots_used[name] = slot
        return name

    def read(self, node: Node) -> Operand:
        root = root_of(node)
        return operand(self._pointer(root), self._show(node), self._show(root))

    write = read

    def view(self, node: Node, op: Any, attrs: dict) -> tuple[Operand, tuple]:
        whole = self._show(node)
        part = op.fn(whole, **attrs)
        return operand(self._pointer(node), part, whole), part.shape

    def scratch(self, shape: tuple[int, ...], dtype: np.dtype) -> Operand:
        array = np.empty(shape, dtype)
        name = self.names[slot := self._new(object(), "b", array)]
        self.used[name], self.slots_used[name] = CTYPES[dtype.name], slot
        return operand(name, array, array)

    def constant(self, node: Node) -> str | None:
        """A constant whose elements are all the same, as a number in the source."""
        if node.op is not CONSTANT or node.value.size == 0:
            return None
        first = node.value.reshape(-1)[:1]
        same = node.value.size == 1 or (
            node.value.tobytes() == first.tobytes() * node.value.size
        )
        return literal(first[0], node.dtype) if same else None

    def refuse(self, condition: str) -> str:
        return f"if ({condition}) return 1;"

    # --- the text --------------------------------------------------------------------------
    def write_out(self) -> None: ...

    def write(self, outputs_or_node: Any) -> Any:  # type: ignore[no-redef]
        raise NotImplementedError
