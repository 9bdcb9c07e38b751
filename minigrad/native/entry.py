"""The door from Python: a function in C that takes Tensors and arrays and gives Tensors.

`call.c` says how. Here are the lines of it that differ from program to program, and what
it has to know of this Python. Arguments that do not fit as they are go the long way,
through `Program._feed`, which converts them or says what is wrong.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.backend import Array
from minigrad.eager.cell import Cell
from minigrad.eager.tensor import Tensor, wrap
from minigrad.native import build
from minigrad.ops.op import MODE
from minigrad.static.node import Node

_pointer, _object = ctypes.c_void_p, ctypes.py_object
WORD = ctypes.sizeof(_pointer)
TYPE = object.__basicsize__ - WORD  # what an object begins with ends with its type
READY = 0x0101  # NumPy's flags of C order and alignment
METHOD = 4 * WORD  # what Python wants to know of a function in C
EMPTY = 184  # the place of PyArray_Empty in NumPy's table of functions
_forever: list[Any] = []  # what libraries point to: they stay until the process ends
DOOR = Path(__file__).with_name("call.c")


def entry(
    inputs: Sequence[Node],
    results: Sequence[tuple],
    written: dict[int, np.ndarray],
    slots: int,
) -> str:
    """C of the function of the arrays of `inputs`, to stand behind `program`.

    Behind the `slots` pointers of the block stand the lock, what settles a refusal, the
    dtypes of inputs and results, and the Cells of `written`: the variables that the
    program updates, by slot. An argument in their memory has to be copied first.
    """
    kinds = slots + 2
    made = kinds + len(inputs)
    tests = [_fit(i, x, kinds + i, written) for i, x in enumerate(inputs)]
    makes, places = [], [f"p[{i}] = x[{i}]->data;" for i in range(len(inputs))]
    for i, (slot, shape, _) in enumerate(results):
        sizes = ", ".join(map(str, shape)) or "0"
        new = f"empty(p[{made + i}], {len(shape)}, (intptr_t[]){{{sizes}}})"
        makes.append(f"hand_out(made, {i}, y[{i}] = {new})")
        places.append(f"p[{slot}] = y[{i}]->data;")
    return "\n".join([
        f"enum {{ TYPE = {TYPE}, GIVEN = {len(inputs)}, MADE = {len(results)},",
        f"  LOCK = {slots}, SETTLE, CELLS = {made + len(results)},",
        f"  WRITTEN = {len(written)} }};",
        DOOR.read_text(),
        "static int fits(void **p, Array **x) {",
        f"  return {' && '.join(tests) or 1};\n}}",
        "static int make(void **p, Object *made, Array **y) {",
        f"  return {' && '.join(makes) or 1};\n}}",
        "static void place(void **p, Array **x, Array **y) {",
        *places, "}\n",
    ])  # fmt: skip


def _fit(i: int, node: Node, kind: int, written: dict[int, np.ndarray]) -> str:
    """The condition that an argument can be used as it is."""
    size = int(np.prod(node.shape)) * node.dtype.itemsize
    tests = [
        f"x[{i}]",
        f"x[{i}]->dtype == p[{kind}]",
        f"x[{i}]->axes == {len(node.shape)}",
        *(f"x[{i}]->shape[{k}] == {n}" for k, n in enumerate(node.shape)),
        f"(x[{i}]->flags & {READY}) == {READY}",
    ]
    for slot, array in written.items():
        low, high = _extent(array)
        before = f"x[{i}]->data + {size} <= (char *)p[{slot}] + {low}"
        tests.append(f"({before} || (char *)p[{slot}] + {high} <= x[{i}]->data)")
    return " && ".join(tests)


def _extent(array: np.ndarray) -> tuple[int, int]:
    """The bytes of an array, counted from its first element."""
    if array.size == 0:
        return 0, 0
    steps = [s * (n - 1) for s, n in zip(array.strides, array.shape, strict=True)]
    low, high = (sum(s for s in steps if s * sign > 0) for sign in (-1, 1))
    return low, high + array.itemsize


class Native:
    """A compiled plan: its C source, and the functions of the arguments.

    `wanted` are the nodes of the graph that the plan is for. `again` takes Tensors and
    arrays that fit as they are and gives Tensors; None, and nothing has happened, where
    it cannot.
    """

    def __init__(
        self,
        writer: Any,
        source: str,
        inputs: Sequence[Node],
        wanted: list[Node],
        reference: Callable[..., list],
    ) -> None:
        self.plan = plan = writer.plan
        self.source, self.wanted = source, wanted
        self.timers, self._reference = writer.timers, reference
        cells = [*plan.copied, *(x for x in plan.place.values() if isinstance(x, Cell))]
        self._written = [cell.array for cell in cells]
        written = {writer.slots[cell]: cell.array for cell in cells}
        slots = len(writer.arrays)
        library = build.load(source + entry(inputs, writer.results, written, slots))
        known = {"from_python": ctypes.addressof(_python())}
        for name, place in {**writer.functions, **known}.items():
            _pointer.in_dll(library, name).value = place
        helper, lock = writer.helper, _from_python("PyThread_allocate_lock", _pointer)()
        settle = helper.settle if helper else None
        kinds = [x.dtype for x in inputs] + [dtype for *_, dtype in writer.results]
        words = [0 if a is None else address(a) for a in writer.arrays]
        words += [lock, id(settle) if helper else 0, *map(id, kinds), *map(id, cells)]
        block = np.array(words, np.uintp)
        free = _from_python("PyThread_free_lock", None, _pointer)
        weakref.finalize(block, free, lock).atexit = False
        if helper:
            helper.block = block
        kept = block, writer.arrays, settle, kinds, cells  # what the block points to
        methods = ctypes.addressof(_pointer.in_dll(library, "methods"))
        types = _object, _pointer, _object, _pointer
        function = _from_python("PyCFunction_NewEx", *types)
        self.again = function(methods, kept, None)
        self._run = function(methods + METHOD, kept, None)

    def function(self, *arrays: Any) -> list:
        """Run on arrays of the right shapes and dtypes; new arrays come back."""
        fit = [np.require(x, requirements=("C", "A", "E")) for x in arrays]
        for i, x in enumerate(fit):
            if any(np.may_share_memory(x, w) for w in self._written):
                fit[i] = x.copy()
        results = self._run(*fit)
        if results is None:
            return self._reference(*arrays)
        return [t.array for t in results]


def address(array: np.ndarray) -> int:
    """The first field of NumPy's array struct, read directly in a tenth of the time."""
    return _pointer.from_address(id(array) + object.__basicsize__).value or 0


# --- this Python -------------------------------------------------------------------------


@functools.cache
def _from_python(name: str, *types: Any) -> Callable[..., Any]:
    """A function of CPython's; first of `types` is that of its result."""
    return ctypes.PYFUNCTYPE(*types)((name, ctypes.pythonapi))


@functools.cache
def _python() -> ctypes.Array:
    """What `from_python` points to in call.c, the same for all programs."""
    parts = DOOR.read_text().split("(*Py")[1:-1]  # the last is NumPy's
    names = [f"Py{part.partition(')')[0]}" for part in parts]
    functions = [ctypes.cast(ctypes.pythonapi[name], _pointer).value for name in names]
    held_by = _from_python("PyCapsule_GetPointer", _pointer, _object, _pointer)
    table = held_by(import_module("numpy._core._multiarray_umath")._ARRAY_API, None)
    empty = _pointer.from_address(table + EMPTY * WORD).value
    tensor = wrap(np.empty(0))  # what new ones begin as
    cell, version = tensor.cell, _place(tensor.cell, "version")
    cell.version = 0
    places = [_place(tensor, "array"), _place(tensor, "cell"), _place(cell, "array")]
    objects = None, MODE, Array, Tensor, Cell, tensor, cell
    sizes = Tensor.__basicsize__, Cell.__basicsize__
    words = [*functions, empty, *map(id, objects), *sizes, *places, version]
    _forever.append((objects, (_pointer * len(words))(*words)))
    return _forever[-1][1]


def _place(owner: Any, slot: str) -> int:
    """How far into an object one of its slots lies, which is empty afterwards."""
    mark = object()
    setattr(owner, slot, mark)
    words = (_pointer * (type(owner).__basicsize__ // WORD)).from_address(id(owner))
    place = words[:].index(id(mark)) * WORD
    delattr(owner, slot)
    return place
