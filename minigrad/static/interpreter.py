"""The interpreter: a planned graph as Python source, one NumPy call per line.

It is always there and it is the reference that other targets are compared with. Buffers
are made once and bound to names, so a call allocates only what leaves the program.
"""

from __future__ import annotations

import builtins
import itertools
import linecache
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.eager.cell import Cell
from minigrad.errors import Origin
from minigrad.ops.linalg import matmul
from minigrad.ops.movement import permute
from minigrad.static.blocks import write_block
from minigrad.static.node import CONSTANT, VARIABLE, Node
from minigrad.static.plan import FRESH, Plan, root_of

_next_program = itertools.count().__next__


class Emitted:
    """The source, the function it defines, and which line runs which node."""

    def __init__(self, source: str, scope: dict, lines: dict[int, Node]) -> None:
        self.source, self.lines = source, lines
        self.filename = f"<minigrad program {_next_program()}>"
        # So that tracebacks and the debugger can show the generated lines.
        entry = (len(source), None, source.splitlines(True), self.filename)
        linecache.cache[self.filename] = entry
        weakref.finalize(self, linecache.cache.pop, self.filename, None)
        exec(builtins.compile(source, self.filename, "exec"), scope)
        self.function: Callable[..., list] = scope["program"]


def emit(
    plan: Plan,
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    check_nan: bool = False,
    tick: Callable[[str], None] | None = None,
) -> Emitted:
    """Write `plan` out as a function of the arrays for `inputs`.

    `tick`, if given, is called with the op's name after each step.
    """
    return _Writer(plan, inputs, check_nan, tick).write(outputs)


def check_finite(array: np.ndarray) -> None:
    """What a program compiled with `check_nan` calls after each step."""
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise FloatingPointError(f"{bad} of {array.size} results are NaN or infinite")


class _Writer:
    """Names for every value, and the lines that compute them.

    Names are made here, never taken from the user: `in0` an argument, `w0` a variable's
    array, `k0` a constant, `b0` a buffer, `v0` memory made in the call.
    """

    def __init__(
        self, plan: Plan, inputs: Sequence[Node], check_nan: bool, tick: Any
    ) -> None:
        self.plan = plan
        self.check_nan, self.tick = check_nan, tick
        self.scope: dict[str, Any] = {
            "__name__": __name__,
            "copyto": np.copyto,
            "empty": np.empty,
            "check_finite": check_finite,
            "tick": tick,
        }
        self.names: dict[Node, str] = {x: f"in{i}" for i, x in enumerate(inputs)}
        self.head = f"def program({', '.join(self.names.values())}):"
        self.lines = [self.head]
        self.said = ""
        self.indent = "    "
        self.made = 0
        self.inner: dict[Plan, tuple[list, dict]] = {}
        self.results: dict[Node, dict[int, str]] = {}  # of loops and branches
        self.made_by: dict[int, Node] = {}
        self.slots = [np.empty(size, np.uint8) for size in plan.sizes]
        self.buffers: dict[tuple, str] = {}
        self.cells: dict[Cell, str] = {}

    def write(self, outputs: Sequence[Node]) -> Emitted:
        plan = self.plan
        direct = [c for c in plan.place.values() if isinstance(c, Cell)]
        for cell in dict.fromkeys([*self._variables(), *plan.copied, *direct]):
            self._cell(cell)
        for node in plan.order[: plan.tail]:
            self._step(node)
        returned = self._returns(outputs)
        kept = {c: self._kept(node) for c, node in plan.copied.items()}
        for node in plan.order[plan.tail :]:
            self._step(node)
        for cell, value in kept.items():
            self._line(f"copyto({self.cells[cell]}, {value})")
        for cell in (*kept, *direct):
            self._line(f"{self.cells[cell].replace('w', 'cell')}.version += 1")
        self._line(f"return [{', '.join(returned)}]")
        return Emitted("\n".join(self.lines) + "\n", self.scope, self.made_by)

    @contextmanager
    def inside(self, plan: Plan) -> Iterator[None]:
        """Write the steps of a body, which has a plan and buffers of its own."""
        outer = self.plan, self.slots, self.buffers
        if plan not in self.inner:
            self.inner[plan] = [np.empty(size, np.uint8) for size in plan.sizes], {}
        self.plan, (self.slots, self.buffers) = plan, self.inner[plan]
        yield
        self.plan, self.slots, self.buffers = outer

    def _line(self, text: str, node: Node | None = None, ticks: bool = True) -> None:
        if node is not None:
            comment = f"# {_comment(node.origin)}" if node.origin else ""
            if comment != self.said:  # once for all that one line of the user's made
                self.said = comment
                text = f"{text:<46}  {comment}".rstrip()
        self.lines.append(f"{self.indent}{text}")
        if node is not None:
            self.made_by[len(self.lines)] = node
            if ticks and self.tick is not None:
                self.lines.append(f"{self.indent}tick({node.op.name!r})")

    def _variables(self) -> list[Cell]:
        return [node.value for node in self.plan.order if node.op is VARIABLE]

    def new_name(self) -> str:
        """A name for a value that a call makes, unlike all others."""
        self.made += 1
        return f"v{self.made}"

    def _cell(self, cell: Cell) -> str:
        name = self.cells.get(cell)
        if name is None:
            i = len(self.cells)
            name = self.cells[cell] = f"w{i}"
            self.scope[f"cell{i}"] = cell
            self._line(f"{name} = cell{i}.array")
        return name

    def _step(self, node: Node) -> None:
        if node.op.kind == "source":
            if node.op is VARIABLE:
                self.names[node] = self.cells[node.value]
            elif node.op is CONSTANT:
                self.names[node] = self.bind("k", node.value)
            return
        if node.op.kind == "item":
            self.names[node] = self.results[node.inputs[0]][node.attrs["i"]]
            return
        operands = [self.names[x] for x in node.inputs]
        if node.op.kind == "control":
            self.results[node] = write_block(self, node, operands)
            return
        if node.op.view:
            if operands[0] in self.scope:  # the same array in every call: view it once
                array = node.op.fn(self.scope[operands[0]], **node.attrs)
                self.names[node] = self.bind("b", array)
            elif _is_transpose(node):
                self.names[node] = f"{operands[0]}.T"
            else:
                self.names[node] = self.new_name()
                call = self._call(node, operands, "")
                self._line(f"{self.names[node]} = {call}", node)
            return
        place = self.plan.place[node]
        if place == FRESH:
            self.names[node] = self.new_name()
            dtype = str(node.dtype)
            self.scope[dtype] = node.dtype
            call = self._call(node, operands, f"empty({node.shape}, {dtype})")
            self._line(f"{self.names[node]} = {call}", node)
        elif isinstance(place, str) and not place.isidentifier():  # a row of a stack
            self.names[node] = self.new_name()
            call = self._call(node, operands, place)
            self._line(f"{self.names[node]} = {call}", node)
        else:
            if isinstance(place, Cell):
                place = self.cells[place]
            out = place if isinstance(place, str) else self._buffer(node)
            self.names[node] = out
            self._line(self._call(node, operands, out), node)
        if self.check_nan and node.dtype.kind == "f":
            self._line(f"check_finite({self.names[node]})", node)

    def bind(self, prefix: str, array: Any) -> str:
        """The name of an array that is there in every call."""
        name = f"{prefix}{len(self.scope)}"
        self.scope[name] = array
        return name

    def _buffer(self, node: Node) -> str:
        """The array over a slot in the node's shape and dtype; one object for each."""
        slot = self.plan.place[node]
        key = (slot, node.shape, node.dtype)
        if key not in self.buffers:
            array = self.slots[slot].view(node.dtype).reshape(node.shape)  # type: ignore[index]
            self.buffers[key] = f"b{len(self.scope)}"
            self.scope[self.buffers[key]] = array
        return self.buffers[key]

    def _call(self, node: Node, operands: list[str], out: str) -> str:
        fn = node.op.fn
        if node.op is matmul and all(len(x.shape) == 2 for x in node.inputs):
            fn = np.dot  # no need to ask again in every call
        ufunc = isinstance(fn, np.ufunc) and fn not in (np.maximum, np.minimum)
        positional = ufunc or fn is np.dot  # the two want out= by name since NumPy 2.4
        name = fn.__name__ if positional else node.op.name
        self.scope[name] = fn
        args = list(operands)
        args += [f"{key}={self._literal(value)}" for key, value in node.attrs.items()]
        if out:
            args.append(out if positional else f"out={out}")
        return f"{name}({', '.join(args)})"

    def _literal(self, value: Any) -> str:
        """An attribute in the source: written out if that says the same, else bound."""
        if isinstance(value, (bool, int, str, type(None))) or (
            isinstance(value, tuple) and all(type(x) is int for x in value)
        ):
            return repr(value)
        name = f"a{len(self.scope)}"
        self.scope[name] = value
        return name

    def _returns(self, outputs: Sequence[Node]) -> list[str]:
        """Outputs in memory that nothing else holds; the rest is copied."""
        given: set[Node] = set()
        names = []
        for node in outputs:
            if self.plan.place.get(node) == FRESH and node not in given:
                given.add(node)
                names.append(self.names[node])
            else:
                name = self.new_name()
                self._line(f"{name} = {self.names[node]}.copy('C')")
                names.append(name)
        return names

    def _kept(self, node: Node) -> str:
        """A new value that must survive until the commit: variables may change before."""
        if root_of(node).op is not VARIABLE:
            return self.names[node]
        name = self.new_name()
        self._line(f"{name} = {self.names[node]}.copy()")
        return name


def _is_transpose(node: Node) -> bool:
    backwards = tuple(range(len(node.shape)))[::-1]
    return node.op is permute and node.attrs["axes"] == backwards


def _comment(origin: Origin) -> str:
    """The user's line, without anything that could end a comment."""
    return "".join(c if c.isprintable() else " " for c in repr(origin))
