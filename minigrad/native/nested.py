"""Loops and branches as C: a body is planned like a program, inside the same function.

Which problem this solves: a body runs in memory that is another in each round, yet its
steps find all memory in the block of pointers. So the loop moves pointers: a row is an
entry of the block that goes from row to row, and a carry and its next value change places.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.native.accumulate import accumulate
from minigrad.native.kernels import ctype, joins
from minigrad.static.loop import Counted, Loop
from minigrad.static.nested import overwritten
from minigrad.static.node import CONSTANT, Node, topological
from minigrad.static.plan import FRESH, Plan, make_plan
from minigrad.static.rewrite import settle_reshapes
from minigrad.static.tidy import slim_branch, slim_loop

PATIENCE = 1 << 24  # scalar operations between two looks whether someone wants to stop
ROWS = 16  # of a stack whose height is not known, at first


class Helper:
    """What loops ask Python for while they run: higher stacks, and whether to stop.

    They call a generator. Python runs signal handlers when it resumes one, which is
    inside of its `try`: nothing that they raise is lost.
    """

    block: Any  # where C looks for the memory

    def __init__(self, arrays: list, slot: int) -> None:
        self.arrays, self.slot = arrays, slot
        self.stacks: list[list[int]] = []  # slots: how many rows there are, the stacks
        self._problems: list[BaseException] = []
        answers = self._answers()
        next(answers)
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64)
        self._call = kind(answers.send)
        address = ctypes.cast(self._call, ctypes.c_void_p).value
        arrays[slot] = np.array(address, np.uintp)

    def _answers(self) -> Generator[int, int, None]:
        """A generator of 0 for "go on" and 1 for "give up"; what is sent is a question."""
        answer = 0
        while True:
            try:
                number = yield answer
                answer = 0
                if number >= 0:
                    self._grow(*self.stacks[number])
            except GeneratorExit:
                return
            except BaseException as problem:  # for `settle`
                self._problems.append(problem)
                answer = 1

    def _grow(self, rows: int, *stacks: int) -> None:
        """Twice as many rows, so that pushing T of them copies fewer than 2 T."""
        for slot in stacks:
            old = self.arrays[slot]
            new = self.arrays[slot] = np.empty(
                (2 * len(old), *old.shape[1:]), old.dtype
            )
            new[: len(old)] = old
            self.block[slot] = new.ctypes.data
        self.arrays[rows][...] *= 2

    def settle(self) -> None:
        """Raise what made a loop give up, if it was not that it refused to compute."""
        if self._problems:
            raise self._problems.pop()


def is_counted(node: Node) -> bool:
    """Is it a stack whose height only a run will tell?"""
    return any(type(n) is Counted for n in node.shape)


# --- bodies ------------------------------------------------------------------------------


@contextmanager
def _inside(w: Any, plan: Plan, places: dict[Node, int]) -> Iterator[None]:
    """Write the steps of a body, which has a plan and buffers of its own."""
    outer = w.plan, w.slots, w.shown
    w.plan, w.shown = plan, dict(w.shown)
    w.slots = {x: slot for x, slot in w.slots.items() if not isinstance(x, int)}
    for node, place in plan.place.items():
        if place == FRESH:
            slot = places.get(node)
            w.slots[node] = _room(w, node) if slot is None else slot
    yield
    w.plan, w.slots, w.shown = outer


def _body(
    w: Any, results: Sequence[Node], rooms: Sequence[int], carries: Sequence[Node] = ()
) -> tuple[list[str], set[int], int]:
    """Lines that leave each result in the memory of its slot among `rooms`.

    With them come the results, by number, that took the memory of a carry instead, and
    about how many scalar operations all that is.
    """
    found = topological(results)
    known = {
        x: w.show(x)
        for x in found
        if x.op.kind == "item" or (x.op.kind == "source" and x.op is not CONSTANT)
    }
    results = settle_reshapes(accumulate(results), known)
    plan = make_plan(results, {}, body=True, joins=joins)
    places: dict[Node, int] = {}
    kept = overwritten(plan, carries, results)
    for i, (x, slot) in enumerate(zip(results, rooms)):
        if plan.place.get(x) == FRESH:
            places.setdefault(x, w.slots[carries[i]] if i in kept else slot)
    with _inside(w, plan, places):
        lines = w.steps(plan.steps)
        for i, (x, slot) in enumerate(zip(results, rooms)):
            if i not in kept and places.get(x) != slot:
                lines += w.copy(slot, x)
    return lines, kept, sum(map(_work, plan.nodes))


def _work(node: Node) -> int:
    """About how many scalar operations: for a product, its three sizes multiplied."""
    size = math.prod(node.shape)
    if node.op.kind != "contraction":
        return size
    a, b = (math.prod(x.shape) for x in node.inputs[-2:])
    return math.isqrt(a * b * size)


def _room(w: Any, like: Node) -> int:
    return w.new(object(), "b", np.empty(like.shape, like.dtype))


def _items(w: Any, node: Node) -> list[Node]:
    return [x for x in w.plan.nodes if x.op.kind == "item" and x.inputs[0] is node]


def _points(w: Any, param: Node, x: Node, row: str = "") -> str:
    """The line that lets a parameter show `x`, or a row of it, without a copy."""
    place, shown = w.read(x), w.show(x)
    if row and len(shown):
        shown, step = shown[0], place.strides[0]
    elif row:  # of a stack that is higher than is known here, or of none at all
        shown, step = np.empty(param.shape, param.dtype), math.prod(param.shape)
    slot = w.new(param, "v", None)
    w.shown[param] = shown
    more = f" + {row} * {step}" if row else ""
    return f"p[{slot}] = {place.pointer} + {place.offset}{more};"


def _given(w: Any, params: Sequence[Node], inputs: Sequence[Node]) -> list[str]:
    pairs = list(zip(params, inputs))
    return w.block(lambda: [_points(w, p, x) for p, x in pairs], [])


# --- branches ----------------------------------------------------------------------------


def branch(w: Any, node: Node) -> list[str]:
    items = _items(w, node)
    op, kept, numbers = slim_branch(node.op, {x.attrs["i"] for x in items})
    pred, *inputs = (node.inputs[k] for k in kept)
    rooms = [_room(w, x) for x in op.sides[0]]
    lines = _given(w, op.params, inputs)
    sides = [_body(w, side, rooms)[0] for side in op.sides]
    for x in items:
        w.slots[x] = rooms[numbers[x.attrs["i"]]]
    test = w.read(pred)
    return [
        *lines, f"if ({test.pointer}[{test.offset}]) {{", *sides[0],
        "} else {", *sides[1], "}",
    ]  # fmt: skip


# --- loops -------------------------------------------------------------------------------


def loop(w: Any, node: Node) -> list[str]:
    items = _items(w, node)
    op, kept, numbers = slim_loop(node.op, {x.attrs["i"] for x in items})
    inputs = [node.inputs[k] for k in kept]
    n, m = len(op.nexts), len(op.xs)
    wanted = set(numbers.values())
    before = _given(w, op.captures, inputs[n + m : len(op.params)])
    slots = {
        i: w.new(p, "b", np.empty(p.shape, p.dtype)) for i, p in enumerate(op.carries)
    }
    for i, slot in slots.items():
        before += w.copy(slot, inputs[i])
    stacks, grow = _make_stacks(w, op, wanted)
    before += _height(w, op, inputs)

    head: list[str] = []
    cost = 1
    if op.pred is not None:
        test = _room(w, op.pred)
        head, _, cost = _body(w, [op.pred], [test])
        head += [f"if (!*(bool *)p[{test}]) break;", *grow]
    elif grow:
        before += ["while (height > trip) {", *grow, "trip++;", "}", "trip = 0;"]
    head.append(f"const int64_t row = {'height - 1 - trip' if op.reverse else 'trip'};")
    pairs = list(zip(op.xs, inputs[n:]))
    head += w.block(lambda: [_points(w, p, x, "row") for p, x in pairs], [])
    rows = {}
    for i, stack in stacks.items():
        like = op.row(i)
        rows[i] = w.new(object(), "v", None)
        size = math.prod(like.shape)
        head.append(f"p[{rows[i]}] = ({ctype(like)} *)p[{stack}] + row * {size};")
        if i >= op.entry(0):
            head += w.copy(rows[i], op.carries[i - op.entry(0)])

    moving = [i for i in range(n) if op.nexts[i] is not op.carries[i]]
    spare = [_room(w, op.nexts[i]) for i in moving]
    body, stay, more = _body(
        w,
        [*(op.nexts[i] for i in moving), *op.ys],
        [*spare, *(rows[n + j] for j in range(len(op.ys)))],
        [op.carries[i] for i in moving],
    )
    for k, (i, slot) in enumerate(zip(moving, spare)):
        if k not in stay:
            swap = f"p[{slots[i]}] = p[{slot}]; p[{slot}] = other;"
            body.append(f"{{ void *other = p[{slots[i]}]; {swap} }}")
    slots |= stacks
    if op.count in wanted:
        slots[op.count] = w.new(object(), "b", np.empty((), np.int64))
        after = [f"*(int64_t *)p[{slots[op.count]}] = trip;"]
    for x in items:
        w.slots[x] = slots[numbers[x.attrs["i"]]]
    pause = f"if ((work += {cost + more}) > {PATIENCE} && !(work = 0)) "
    return [
        "{", "int64_t trip = 0;", *before,
        "for (; trip < height; trip++) {", pause + _ask(w, -1), *head, *body, "}",
        *(after if op.count in wanted else []), "}",
    ]  # fmt: skip


def _height(w: Any, op: Loop, inputs: list[Node]) -> list[str]:
    """How often the body runs at most."""
    if not op.given:
        limit = op.length if op.pred is None else op.limit
        return [f"const int64_t height = {'INT64_MAX' if limit is None else limit};"]
    read = lambda: [f"height = {(x := w.read(inputs[-1])).pointer}[{x.offset}];"]
    return ["int64_t height;", *w.block(read, [])]


def _make_stacks(
    w: Any, op: Loop, wanted: set[int]
) -> tuple[dict[int, int], list[str]]:
    """Memory for the stacks that are read, and the line that makes room for a row."""
    counted = op.length is None
    slots = {}
    for i in sorted(wanted):
        if len(op.nexts) <= i < op.count:
            (height, *sizes), dtype = op.output(i)
            shape = (ROWS if counted else height, *sizes)
            slots[i] = w.new(object(), "s", np.empty(shape, dtype))
    if not (slots and counted):
        return slots, []
    rows = w.new(object(), "s", np.array(ROWS, np.int64))
    helper = _helper(w)
    helper.stacks.append([rows, *slots.values()])
    ask = _ask(w, len(helper.stacks) - 1)
    return slots, [f"if (trip == *(int64_t *)p[{rows}]) {ask}"]


def _helper(w: Any) -> Helper:
    if w.helper is None:
        w.helper = Helper(w.arrays, w.new(object(), "h", None))
    return w.helper


def _ask(w: Any, number: int) -> str:
    question = f"(*(int (**)(int64_t))p[{_helper(w).slot}])({number})"
    return w.refuse(question)
