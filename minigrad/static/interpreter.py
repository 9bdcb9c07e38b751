"""The interpreter: a planned graph as Python source, one NumPy call per line.

It is always there and it is the reference that other targets are compared with. Buffers
are made once and bound to names, so a call allocates only what leaves the program.
"""

from __future__ import annotations

import builtins
import itertools
import linecache
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.eager.cell import Cell
from minigrad.errors import Origin
from minigrad.ops.linalg import matmul
from minigrad.ops.movement import permute
from minigrad.static.fuse import Group
from minigrad.static.node import CONSTANT, VARIABLE, Node
from minigrad.static.plan import FRESH, Plan, root_of

_next_program = itertools.count().__next__


class Emitted:
    """The plan, its source, the function it defines, and which line runs which node."""

    def __init__(
        self, plan: Plan, source: str, scope: dict, lines: dict[int, Node]
    ) -> None:
        self.plan, self.source, self.lines = plan, source, lines
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

    `tick`, if given, is called with the ops' names after each step.
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
            "copyto": np.copyto,
            "empty": np.empty,
            "check_finite": check_finite,
            "tick": tick,
        }
        self.names: dict[Node, str] = {x: f"in{i}" for i, x in enumerate(inputs)}
        self.head = f"def program({', '.join(self.names.values())}):"
        self.lines = [self.head]
        self.said = ""
        self.made_by: dict[int, Node] = {}
        self.slots = [np.empty(size, np.uint8) for size in plan.sizes]
        self.buffers: dict[tuple, str] = {}
        self.cells: dict[Cell, str] = {}

    def write(self, outputs: Sequence[Node]) -> Emitted:
        plan = self.plan
        direct = [c for c in plan.place.values() if isinstance(c, Cell)]
        variables = [node.value for node in plan.sources if node.op is VARIABLE]
        for cell in dict.fromkeys([*variables, *plan.copied, *direct]):
            self._cell(cell)
        for node in plan.sources:
            self._source(node)
        for step in plan.steps[: plan.tail]:
            self._step(step)
        # What shows a variable is copied before the variable changes.
        returned = {i: self._copy(x) for i, x in enumerate(outputs) if _is_state(x)}
        kept = {c: self._copy(x) for c, x in plan.copied.items() if _is_state(x)}
        for step in plan.steps[plan.tail :]:
            self._step(step)
        for cell, node in plan.copied.items():
            self._line(
                f"copyto({self.cells[cell]}, {kept.get(cell) or self.names[node]})"
            )
        for cell in (*plan.copied, *direct):
            self._line(f"{self.cells[cell].replace('w', 'cell')}.version += 1")
        given: set[Node] = set()  # memory of the call's own leaves as it is, but once
        for i, node in enumerate(outputs):
            if plan.place.get(node) == FRESH and node not in given:
                given.add(node)
                returned[i] = self.names[node]
            elif i not in returned:
                returned[i] = self._copy(node)
        names = (returned[i] for i in range(len(outputs)))
        self._line(f"return [{', '.join(names)}]")
        source = "\n".join(self.lines) + "\n"
        return Emitted(plan, source, self.scope, self.made_by)

    def _line(self, text: str, node: Node | None = None) -> None:
        if node is not None:
            comment = f"# {_comment(node.origin)}" if node.origin else ""
            if comment != self.said:  # once for all that one line of the user's made
                self.said = comment
                text = f"{text:<46}  {comment}".rstrip()
        self.lines.append(f"    {text}")
        if node is not None:
            self.made_by[len(self.lines)] = node

    def _cell(self, cell: Cell) -> str:
        name = self.cells.get(cell)
        if name is None:
            i = len(self.cells)
            name = self.cells[cell] = f"w{i}"
            self.scope[f"cell{i}"] = cell
            self._line(f"{name} = cell{i}.array")
        return name

    def _source(self, node: Node) -> None:
        if node.op is VARIABLE:
            self.names[node] = self.cells[node.value]
        elif node.op is CONSTANT:
            self._bind(node, "k", node.value)

    def _step(self, step: Group) -> None:
        before = len(self.lines)
        if step.fused:
            raise NotImplementedError
        elif step.nodes[0].op.view:
            self._view(step.nodes[0])
        else:
            self._compute(step.nodes[0])
        if self.tick is not None and len(self.lines) > before:
            self._line(f"tick({step.label!r})")

    def _view(self, node: Node) -> None:
        (operand,) = (self.names[x] for x in node.inputs)
        if operand in self.scope:  # the same array in every call: view it once
            array = node.op.fn(self.scope[operand], **node.attrs)
            self._bind(node, "b", array)
        elif _is_transpose(node):
            self.names[node] = f"{operand}.T"
        else:
            self.names[node] = f"v{len(self.names)}"
            call = self._call(node, [operand], "")
            self._line(f"{self.names[node]} = {call}", node)

    def _compute(self, node: Node) -> None:
        operands = [self.names[x] for x in node.inputs]
        if self.plan.place[node] == FRESH:
            self.names[node] = f"v{len(self.names)}"
            call = self._call(node, operands, self._empty(node))
            self._line(f"{self.names[node]} = {call}", node)
        else:
            self.names[node] = out = self._place(node)
            self._line(self._call(node, operands, out), node)
        if self.check_nan and node.dtype.kind == "f":
            self._line(f"check_finite({self.names[node]})", node)

    def _empty(self, node: Node) -> str:
        self.scope[str(node.dtype)] = node.dtype
        return f"empty({node.shape}, {node.dtype})"

    def _place(self, node: Node) -> str:
        place = self.plan.place[node]
        return self.cells[place] if isinstance(place, Cell) else self._buffer(node)

    def _bind(self, node: Node, prefix: str, array: Any) -> None:
        name = f"{prefix}{len(self.scope)}"
        self.scope[name] = array
        self.names[node] = name

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

    def _copy(self, node: Node) -> str:
        name = f"c{len(self.lines)}"
        self._line(f"{name} = {self.names[node]}.copy('C')")
        return name


def _is_state(node: Node) -> bool:
    return root_of(node).op is VARIABLE


def _is_transpose(node: Node) -> bool:
    backwards = tuple(range(len(node.shape)))[::-1]
    return node.op is permute and node.attrs["axes"] == backwards


def _comment(origin: Origin) -> str:
    """The user's line, without anything that could end a comment."""
    return "".join(c if c.isprintable() else " " for c in repr(origin))
