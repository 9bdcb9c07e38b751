"""The door from Python: C that looks at the arrays of a call before the program runs.

Python hands over where the arrays' objects are. C reads shape, dtype and flags where NumPy
keeps them, in nanoseconds and anew in every call: nothing is remembered between calls that
a freed, resized or written array could make wrong. What does not fit goes the long way,
through `Program._feed`, which converts or says what is wrong.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.backend import Array
from minigrad.eager.cell import Cell
from minigrad.eager.tensor import Tensor
from minigrad.native import build
from minigrad.ops.op import MODE
from minigrad.static.node import Node, is_live

TYPE = ctypes.sizeof(ctypes.c_void_p)  # what an object begins with ends with its type
READY = 0x0101  # NumPy's flags of C order and alignment

HEAD = f"""
typedef struct {{ /* how NumPy keeps an array */
  char count[{object.__basicsize__ - TYPE}];
  void *type;
  char *data;
  int axes;
  int64_t *shape, *strides;
  void *base, *dtype;
  int flags;
}} Array;
"""


def entry(inputs: Sequence[Node], written: dict[int, np.ndarray], slots: int) -> str:
    """C of `call(p)`: the program on the arrays of `inputs`, or 2 if they do not fit.

    Behind the `slots` pointers of the block stand the tuple of the inputs' objects, the
    type of arrays, and the inputs' dtypes. `written` are the variables that the program
    updates, by slot: an argument in their memory has to be copied first.
    """
    lines = []
    for i, node in enumerate(inputs):
        size = int(np.prod(node.shape)) * node.dtype.itemsize
        tests = [
            f"x->type != p[{slots + 1}]",
            f"x->dtype != p[{slots + 2 + i}]",
            f"x->axes != {len(node.shape)}",
            *(f"x->shape[{k}] != {n}" for k, n in enumerate(node.shape)),
            f"(x->flags & {READY}) != {READY}",
        ]
        for slot, array in written.items():
            low, high = _extent(array)
            shared = f"x->data < (char *)p[{slot}] + {high} && "
            tests.append(f"{shared}(char *)p[{slot}] + {low} < x->data + {size}")
        lines += [
            f"  x = given[{i}];",
            f"  if ({' || '.join(tests)}) return 2;",
            f"  p[{i}] = x->data;",
        ]
    items = f"(Array **)((char *)p[{slots}] + {tuple.__basicsize__})"
    declare = [f"  Array *x, **given = {items};"] if inputs else []
    head = "int call(void **p) {"
    return HEAD + "\n".join([head, *declare, *lines, "  return program(p);", "}\n"])


def _extent(array: np.ndarray) -> tuple[int, int]:
    """The bytes of an array, counted from its first element."""
    if array.size == 0:
        return 0, 0
    steps = [s * (n - 1) for s, n in zip(array.strides, array.shape, strict=True)]
    low, high = (sum(s for s in steps if s * sign > 0) for sign in (-1, 1))
    return low, high + array.itemsize


class Native:
    """A compiled plan: its C source, and the function of the arguments' arrays.

    `wanted` are the nodes of the graph that the plan is for.
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
        self.timers = writer.timers
        fed = inputs[: len(inputs) - sum(map(is_live, inputs))]  # live ones come last
        self._given, self._live = len(fed), inputs[len(fed) :]
        self._cells = [
            *plan.copied,
            *(x for x in plan.place.values() if type(x) is Cell),
        ]
        slots = len(writer.arrays)
        written = {writer.slots[cell]: cell.array for cell in self._cells}
        library = build.load(self.source + entry(fed, written, slots))
        for name, function in writer.functions.items():
            ctypes.c_void_p.in_dll(library, name).value = function
        self._kept = writer.arrays  # the memory that the block points to
        self._block = (ctypes.c_void_p * (slots + 2 + len(fed)))(
            *(None if a is None else address(a) for a in writer.arrays),
            None,
            id(Array),
            *(id(x.dtype) for x in fed),
        )
        self._helper = writer.helper
        if self._helper:
            self._helper.block = self._block
        self._reference = reference
        self._go, self.again = self._calls(library, writer.results)

    def _calls(self, library: Any, results: list[tuple]) -> tuple[Callable, Callable]:
        """Two functions without loops or branches that this program does not need.

        `go()` runs the program on what the block points to; `again(args)` on arguments
        that are Tensors or arrays and fit as they are, which C finds out. Both answer None, and nothing has
        happened, where they cannot.
        """
        scope: dict[str, Any] = {
            "mode": MODE.get, "Tensor": Tensor, "empty": np.empty,
            "address": address, "program": library.program, "call": library.call,
            "block": self._block, "pointer": ctypes.byref(self._block),
        }  # fmt: skip
        names = [f"x{i}" for i in range(self._given)]
        check = [
            "state = mode()",
            "if state.trace is not None or state.watch is not None: return None",
            f"if len(args) != {len(names)}: return None",
            f"[{', '.join(names)}] = args",
        ]
        check += [f"if type({x}) is Tensor: {x} = {x}.array" for x in names]
        check.append(f"held = ({' '.join(f'{x},' for x in names)})")  # until it has run
        check.append(f"block[{len(self._kept)}] = id(held)")
        run, given = [], []
        for i, node in enumerate(self._live):
            scope[f"live{i}"], scope[f"read{i}"] = (
                self._kept[self._given + i],
                node.value,
            )
            run.append(f"live{i}[()] = read{i}()")
        for i, (slot, shape, dtype) in enumerate(results):
            scope[f"y{i}"], scope[f"dtype{i}"] = self._kept[slot], dtype
            if self._kept[slot] is None:  # large: memory of its own in each call
                run.append(
                    f"y{i} = empty({shape}, dtype{i}); block[{slot}] = address(y{i})"
                )
            given.append(f"y{i}" if self._kept[slot] is None else f"y{i}.copy()")
        scope["settle"] = self._helper.settle if self._helper else lambda: None
        run.append("if program(pointer): return settle()")
        for i, cell in enumerate(self._cells):
            scope[f"cell{i}"] = cell
            run.append(f"cell{i}.version += 1")
        run.append(f"return [{', '.join(given)}]")
        called = [line.replace("program(", "call(") for line in run]
        text = ["def go():", *run, "def again(args):", *check, *called]
        exec("\n".join(x if x[:4] == "def " else f"  {x}" for x in text), scope)
        return scope["go"], scope["again"]

    def function(self, *arrays: Any) -> list:
        """Run on arrays that fit their placeholders; new arrays come back."""
        held = [np.require(x, requirements=("C", "A")) for x in arrays[: self._given]]
        for i, array in enumerate(held):
            self._block[i] = address(array)
        results = self._go()
        return self._reference(*arrays) if results is None else results


def address(array: np.ndarray) -> int:
    """The first field of NumPy's array struct, read directly in a tenth of the time."""
    return ctypes.c_void_p.from_address(id(array) + object.__basicsize__).value or 0
