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
from minigrad.ops import reduce
from minigrad.ops.elementwise import cast, clamp_max, clamp_min, relu
from minigrad.ops.linalg import matmul
from minigrad.ops.movement import permute, reshape, slice
from minigrad.static.fuse import Group
from minigrad.static.interpreter_loops import write_block
from minigrad.static.node import CONSTANT, VARIABLE, Node
from minigrad.static.pieces import Pieces
from minigrad.static.plan import FRESH, Plan, is_given, root_of

# What NumPy does in one call, if the operands are right: a function of the table that
# asks what it was given takes twice as long on small arrays.
BOUNDS = {
    relu: (np.maximum, ""),
    clamp_min: (np.maximum, "min"),
    clamp_max: (np.minimum, "max"),
}
FOLDS = {reduce.sum: np.add, reduce.amax: np.maximum, reduce.amin: np.minimum}

ARRAY_VIEWS = {
    reshape: "{}.reshape({})",
    permute: "{}.transpose({})",
    slice: "{}[{}]",
}

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
    tick: Callable[[int, str], None] | None = None,
) -> Emitted:
    """Write `plan` out as a function of the arrays for `inputs`.

    `tick`, if given, is called with its number and the ops' names after each step.
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
        self.comments: dict[tuple[int, int], str] = {}
        self.made_by: dict[int, Node] = {}
        self.slots = [np.empty(size, np.uint8) for size in plan.sizes]
        self.buffers: dict[tuple, str] = {}
        self.cells: dict[Cell, str] = {}
        self.room: dict[tuple, np.ndarray] = {}  # what loops over pieces share

    def write(self, outputs: Sequence[Node]) -> Emitted:
        plan = self.plan
        direct = [c for c in plan.place.values() if isinstance(c, Cell)]
        variables = [node.value for node in plan.sources if node.op is VARIABLE]
        for cell in dict.fromkeys([*variables, *plan.copied, *direct]):
            self._cell(cell)
        for node in plan.sources:
            self.source(node)
        for i, step in enumerate(plan.steps[: plan.tail]):
            self._ticking(i, step)
        # What shows a variable, or an argument in its memory, is copied before it changes.
        returned = {i: self._copy(x) for i, x in enumerate(outputs) if is_given(x)}
        shown = {c: x for c, x in plan.copied.items() if root_of(x).op is VARIABLE}
        kept = {c: self._copy(x) for c, x in shown.items()}
        for i, step in enumerate(plan.steps[plan.tail :], plan.tail):
            self._ticking(i, step)
        for cell, node in plan.copied.items():
            self.line(
                f"copyto({self.cells[cell]}, {kept.get(cell) or self.names[node]})"
            )
        for cell in (*plan.copied, *direct):
            self.line(f"{self.cells[cell].replace('w', 'cell')}.version += 1")
        given: set[Node] = set()  # memory of the call's own leaves as it is, but once
        for i, node in enumerate(outputs):
            if plan.place.get(node) == FRESH and node not in given:
                given.add(node)
                returned[i] = self.names[node]
            elif i not in returned:
                returned[i] = self._copy(node)
        names = (returned[i] for i in range(len(outputs)))
        self.line(f"return [{', '.join(names)}]")
        source = "\n".join(self.lines) + "\n"
        return Emitted(plan, source, self.scope, self.made_by)

    def body(self, plan: Plan, steps: Sequence[Group]) -> None:
        """Write steps of a body, which has a plan and buffers of its own."""
        outer = self.plan, self.slots, self.buffers
        if plan not in self.inner:
            self.inner[plan] = [np.empty(size, np.uint8) for size in plan.sizes], {}
        self.plan, (self.slots, self.buffers) = plan, self.inner[plan]
        for node in plan.sources:
            self.source(node)
        for step in steps:
            self.step(step)
        self.plan, self.slots, self.buffers = outer

    def line(self, text: str, node: Node | None = None) -> None:
        if node is not None:
            comment = self._comment(node.origin) if node.origin else ""
            if comment != self.said:  # once for all that one line of the user's made
                self.said = comment
                text = f"{text:<{50 - len(self.indent)}}  {comment}".rstrip()
        self.lines.append(f"{self.indent}{text}")
        if node is not None:
            self.made_by[len(self.lines)] = node

    def _comment(self, origin: Origin) -> str:
        """The user's line, without anything that could end a comment."""
        key = id(origin.code), origin.lasti
        if key not in self.comments:  # most lines make several nodes
            line = "".join(c if c.isprintable() else " " for c in repr(origin))
            self.comments[key] = f"# {line}"
        return self.comments[key]

    def _cell(self, cell: Cell) -> str:
        name = self.cells.get(cell)
        if name is None:
            i = len(self.cells)
            name = self.cells[cell] = f"w{i}"
            self.scope[f"cell{i}"] = cell
            self.line(f"{name} = cell{i}.array")
        return name

    def new_name(self) -> str:
        """A name for a value that a call makes, unlike all others."""
        self.made += 1
        return f"v{self.made}"

    def source(self, node: Node) -> None:
        """Name what is there before the first step."""
        if node.op is VARIABLE:
            self.names[node] = self.cells[node.value]
        elif node.op is CONSTANT:
            self.names[node] = self.bind("k", node.value)

    def _ticking(self, number: int, step: Group) -> None:
        before = len(self.lines)
        self.step(step)
        if self.tick is not None and len(self.lines) > before:
            self.line(f"tick({number}, {step.label!r})")

    def step(self, step: Group) -> None:
        """The lines that compute a step; there are none for parts of what is there."""
        if step.fused:
            self._fused(step)
            return
        (node,) = step.nodes
        if node.op.kind == "item":
            self.names[node] = self.results[node.inputs[0]][node.attrs["i"]]
            return
        operands = [self.names[x] for x in node.inputs]
        if node.op.kind == "control":
            self.results[node] = write_block(self, node, operands)
        elif node.op.view:
            self._view(node)
        else:
            self._compute(node, operands, node.attrs)

    def _view(self, node: Node) -> None:
        (operand,) = (self.names[x] for x in node.inputs)
        if operand in self.scope:  # the same array in every call: view it once
            array = node.op.fn(self.scope[operand], **node.attrs)
            self.names[node] = self.bind("b", array)
        elif _is_transpose(node):
            self.names[node] = f"{operand}.T"
        else:
            self.names[node] = self.new_name()
            if node.op in ARRAY_VIEWS:
                ((_, value),) = node.attrs.items()
                call = ARRAY_VIEWS[node.op].format(operand, self._literal(value))
            else:
                call = self._call(node, [operand], "")
            self.line(f"{self.names[node]} = {call}", node)

    def _compute(self, node: Node, operands: list[str], attrs: dict) -> None:
        self.names[node] = out = self._place(node)
        place = self.plan.place[node]
        if place == FRESH or _is_row(place):
            room = self._empty(node) if place == FRESH else str(place)
            call = self._call(node, operands, room, attrs)
            self.line(f"{out} = {call}", node)
        else:
            self.line(self._call(node, operands, out, attrs), node)
        if self.check_nan and node.dtype.kind == "f":
            self.line(f"check_finite({out})", node)

    def _fused(self, step: Group) -> None:
        """A loop over pieces that stay in the cache, with all ops of the step inside."""
        loop = Pieces(step, self.room)
        names = {x: self._piece(loop, x) for x in step.inputs}
        partial = {}
        for node in step.outputs:
            if node.op.kind == "reduce":
                names[node], partial[node] = loop.partial(node)
                continue
            self.names[node] = self._place(node)
            if self.plan.place[node] == FRESH:
                self.line(f"{self.names[node]} = {self._empty(node)}", node)
            names[node] = self._piece(loop, node)
        names = loop.names(names)
        pieces = f"pieces{len(self.scope)}"
        self.scope[pieces] = list(zip(*loop.columns.values()))
        self.line(f"for {', '.join(loop.columns)}, in {pieces}:")
        for piece, name in loop.head.items():
            self.line(f"    {name} = {piece}")
        for node in step.nodes:
            call = self._call(node, [names[x] for x in node.inputs], names[node])
            self.line(f"    {call}", node)
        for node, array in partial.items():
            name = self.bind("r", array)
            self._compute(node, [name], node.attrs | {"axis": (0,), "keepdims": False})

    def _piece(self, loop: Pieces, node: Node) -> str:
        name = self.names[node]
        return loop.cut(name, node.shape, self.scope.get(name))

    def _empty(self, node: Node) -> str:
        self.scope[str(node.dtype)] = node.dtype
        return f"empty({node.shape}, {node.dtype})"

    def _place(self, node: Node) -> str:
        place = self.plan.place[node]
        if place == FRESH or _is_row(place):
            return self.new_name()
        if isinstance(place, str):  # where a loop wants it
            return place
        return self.cells[place] if isinstance(place, Cell) else self._buffer(node)

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

    def _call(
        self, node: Node, operands: list[str], out: str, attrs: dict | None = None
    ) -> str:
        attrs = node.attrs if attrs is None else attrs
        if node.op in BOUNDS:
            ufunc, key = BOUNDS[node.op]
            bound = self.bind("k", np.asarray(attrs.get(key, 0), node.dtype))
            self.scope[ufunc.__name__] = ufunc
            return f"{ufunc.__name__}({operands[0]}, {bound}, out={out})"
        if node.op in FOLDS and node.dtype == node.inputs[0].dtype:
            name = f"{FOLDS[node.op].__name__}_reduce"
            self.scope[name] = FOLDS[node.op].reduce
            return f"{name}({operands[0]}, {attrs['axis']}, None, {out}, {attrs['keepdims']})"
        place = self.plan.place[node]
        if node.op is cast and not (place == FRESH or _is_row(place)):
            return f"copyto({out}, {operands[0]}, 'unsafe')"
        fn = node.op.fn
        if node.op is matmul and all(len(x.shape) == 2 for x in node.inputs):
            fn = np.dot  # no need to ask again in every call
        plain = isinstance(fn, np.ufunc) and fn not in (np.maximum, np.minimum)
        positional = plain or fn is np.dot  # the two want out= by name since NumPy 2.4
        name = fn.__name__ if positional else node.op.name
        self.scope[name] = fn
        args = list(operands)
        args += [f"{key}={self._literal(value)}" for key, value in attrs.items()]
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
        self.line(f"{name} = {self.names[node]}.copy('C')")
        return name


def _is_row(place: Any) -> bool:
    """Is it a part of a loop's stack, such as `v3[v1, ...]`?"""
    return isinstance(place, str) and not place.isidentifier()


def _is_transpose(node: Node) -> bool:
    backwards = tuple(range(len(node.shape)))[::-1]
    return node.op is permute and node.attrs["axes"] == backwards
