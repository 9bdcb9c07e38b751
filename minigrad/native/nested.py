"""Loops and branches as C: a body is planned like a program, inside the same function.

Which problem this solves: a body runs in memory that is another in each round, yet its
steps find all memory in the block of pointers. So the loop moves pointers: a row is an
entry of the block that goes from row to row, and a carry and its next value change places.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.backend import int64
from minigrad.native.accumulate import accumulate
from minigrad.native.kernels import ctype
from minigrad.static.interpreter_loops import grown
from minigrad.static.loop import Counted, Loop
from minigrad.static.loop_rewrites import slim_branch, slim_loop
from minigrad.static.node import Node, topological
from minigrad.static.plan import FRESH, Plan, make_plan, overwritten
from minigrad.static.rewrite import settle_reshapes

PATIENCE = 1 << 24  # scalar operations between two looks whether someone wants to stop
ROWS = 16  # of a stack whose height is not known, at first


class Helper:
    """What loops ask Python for while they run: higher stacks, and whether to stop.

    They call a generator. Python runs signal handlers when it resumes one, which is
    inside of its `try`: nothing that they raise is lost.
    """

    STOP = -1  # the question whether to stop; others are numbers of `stacks`
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

    @property
    def declarations(self) -> list[str]:
        """What stands at the head of the function that asks."""
        pointer = "int (*ask)(int64_t)"
        return ["int64_t work = 0;", f"{pointer} = *(int (**)(int64_t))p[{self.slot}];"]

    def _answers(self) -> Generator[int, int, None]:
        """A generator of 0 for "go on" and 1 for "give up"; what is sent is a question."""
        answer = 0
        while True:
            try:
                number = yield answer
                answer = 0
                if number != self.STOP:
                    self._grow(*self.stacks[number])
            except GeneratorExit:
                return
            except BaseException as problem:  # `settle` raises it
                self._problems.append(problem)
                answer = 1

    def _grow(self, rows: int, *stacks: int) -> None:
        for slot in stacks:
            new = grown(self.arrays[slot])
            # Two stores without a call between them: no signal handler can part them.
            self.arrays[slot], self.block[slot] = new, new.ctypes.data
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
            w.slots[node] = w.room(node.shape, node.dtype) if slot is None else slot
    yield
    w.plan, w.slots, w.shown = outer


def body(
    w: Any, results: Sequence[Node], rooms: Sequence[int], carries: Sequence[Node] = ()
) -> tuple[list, set[int], int]:
    """Lines that leave each result in the memory of its slot among `rooms`.

    With them come the results, by number, that took the memory of a carry instead, and
    about how many scalar operations all that is.
    """
    sources = [x for x in topological(results) if x.op.kind == "source"]
    known = {x: w.show(x) for x in sources}
    results = settle_reshapes(accumulate(results), known)
    plan = make_plan(results, {}, body=True, joins=w.joins, row_of=w.row_of)
    places: dict[Node, int] = {}
    aside = {i for i, x in enumerate(results[: len(carries)]) if w.runs_anyway(x)}
    kept = overwritten(plan, carries, results) - aside
    for i, (x, slot) in enumerate(zip(results, rooms)):
        if plan.place.get(x) == FRESH and i not in aside:
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


def read_items(w: Any, node: Node) -> list[Node]:
    """The results of a loop or a branch that something reads."""
    return [x for x in w.plan.nodes if x.op.kind == "item" and x.inputs[0] is node]


def given(
    w: Any, pairs: Iterable[tuple[Node, Node]], by_row: bool = False
) -> list[str]:
    """The lines that let parameters show inputs, or a row of each, without a copy."""
    return w.block(lambda: [_shows(w, p, x, by_row) for p, x in pairs], [])


def _shows(w: Any, param: Node, x: Node, by_row: bool) -> str:
    place, shown, more = w.read(x), w.show(x), ""
    if by_row:  # of a stack that is higher than is known here, if it has none
        step = place.strides[0] if len(shown) else math.prod(param.shape)
        shown = shown[0] if len(shown) else np.empty(param.shape, param.dtype)
        more = f" + row * {step}"
    slot = w.new(param, "v", None)
    w.shown[param] = shown
    start = f" + {place.offset}" if place.offset else ""
    return f"p[{slot}] = {place.pointer}{start}{more};"


# --- branches ----------------------------------------------------------------------------


def branch(w: Any, node: Node) -> list:
    """One of two sides, which leave their results in the same memory."""
    items = read_items(w, node)
    op, kept, numbers = slim_branch(node.op, {x.attrs["i"] for x in items})
    pred, *inputs = (node.inputs[k] for k in kept)
    rooms = [w.room(x.shape, x.dtype) for x in op.sides[0]]
    lines = w.given(zip(op.params, inputs))
    sides = [body(w, side, rooms)[0] for side in op.sides]
    for x in items:
        w.slots[x] = rooms[numbers[x.attrs["i"]]]
    return [*lines, *w.choice(node, pred, sides)]


# --- loops -------------------------------------------------------------------------------


def loop(w: Any, node: Node) -> list[str]:
    """A `for` around the body; its results stay in the memory of carries and stacks."""
    items = read_items(w, node)
    op, kept, numbers = slim_loop(node.op, {x.attrs["i"] for x in items})
    inputs = [node.inputs[k] for k in kept]
    n = len(op.nexts)
    slots = {i: w.room(p.shape, p.dtype, p) for i, p in enumerate(op.carries)}
    before = _captured(w, op, inputs[n + len(op.xs) : len(op.params)])
    for i, slot in slots.items():
        before += w.copy(slot, inputs[i])
    stacks = make_stacks(w, op, set(numbers.values()))
    grow = _growing(w, op, stacks)
    before += _height(w, op, inputs)

    test: list[str] = []
    work = 1
    if op.pred is None:
        before += grow
    else:  # on its own, so that nothing else is computed if it says no
        answer = w.room((), op.pred.dtype)
        test, _, work = body(w, [op.pred], [answer])
        test += [f"if (!*(bool *)p[{answer}]) break;", *grow]
    rows, moves = _rows(w, op, inputs[n:], stacks)
    lines, swaps, more = a_round(w, op, slots, [rows[n + j] for j in range(len(op.ys))])
    for a, b in swaps:
        lines.append(f"{{ void *old = p[{a}]; p[{a}] = p[{b}]; p[{b}] = old; }}")
    slots |= stacks
    slots[op.count] = w.room((), int64)
    for x in items:
        w.slots[x] = slots[numbers[x.attrs["i"]]]
    tired = f"(work += {work + more}) > {PATIENCE} && !(work = 0)"
    pause = w.refuse(f"{tired} && ask({_helper(w).STOP})")
    return [
        "{", "int64_t trip = 0;", *before,
        "for (; trip < height; trip++) {", pause, *test, *moves, *lines, "}",
        f"*(int64_t *)p[{slots[op.count]}] = trip;", "}",
    ]  # fmt: skip


def _captured(w: Any, op: Loop, inputs: list[Node]) -> list[str]:
    """The lines that show the captures to the body.

    Those that products read are laid out row by row: BLAS would do it in every run (a
    32 x 64 @ 64 x 64 takes 5.4 us with the right factor transposed, 2.8 us otherwise).
    """
    products = [x for x in op.nodes if x.op.kind == "contraction"]
    factors = {x for node in products for x in node.inputs}
    lines, shown = [], []
    for p, x in zip(op.captures, inputs):
        if p in factors and not w.show(x).flags.c_contiguous:
            slot = w.room(p.shape, p.dtype, p)
            w.shown[p] = w.arrays[slot]
            lines += w.copy(slot, x)
        else:
            shown.append((p, x))
    return lines + given(w, shown)


def _rows(
    w: Any, op: Loop, inputs: list[Node], stacks: dict[int, int]
) -> tuple[dict[int, int], list[str]]:
    """Slots for a row of each stack, and the lines that move them and all rows of xs.

    The carries are written down as they are when a run of the body begins.
    """
    rows = {i: w.new(object(), "v", None) for i in stacks}
    lines = [f"const int64_t row = {'height - 1 - trip' if op.reverse else 'trip'};"]
    lines += given(w, zip(op.xs, inputs), by_row=True)
    for i, stack in stacks.items():
        size, real = math.prod(op.row(i).shape), ctype(op.row(i))
        lines.append(f"p[{rows[i]}] = ({real} *)p[{stack}] + row * {size};")
        if i >= op.entry(0):
            lines += w.copy(rows[i], op.carries[i - op.entry(0)])
    return rows, lines


def a_round(
    w: Any, op: Loop, slots: dict[int, int], rows: Sequence[int]
) -> tuple[list, list[tuple[int, int]], int]:
    """The body, which leaves the ys in `rows`; then who change places, and its work.

    These are carries and their next values, unless the one has the other's memory.
    """
    moving = [i for i, x in enumerate(op.nexts) if x is not op.carries[i]]
    nexts = [op.nexts[i] for i in moving]
    spare = [w.room(x.shape, x.dtype) for x in nexts]
    carries = [op.carries[i] for i in moving]
    lines, stay, work = body(w, [*nexts, *op.ys], [*spare, *rows], carries)
    pairs = zip((slots[i] for i in moving), spare)
    return lines, [pair for k, pair in enumerate(pairs) if k not in stay], work


def _height(w: Any, op: Loop, inputs: list[Node]) -> list[str]:
    """How often the body runs at most."""
    if not op.given:
        limit = op.length if op.pred is None else op.limit
        return [f"const int64_t height = {'INT64_MAX' if limit is None else limit};"]
    read = lambda: [f"height = {w.read(inputs[-1]).at(())};"]
    return ["int64_t height;", *w.block(read, [])]


def make_stacks(w: Any, op: Loop, wanted: set[int]) -> dict[int, int]:
    """Memory for the stacks that are read."""
    slots = {}
    for i in sorted(wanted):
        if len(op.nexts) <= i < op.count:
            (height, *sizes), dtype = op.output(i)
            shape = (ROWS if op.length is None else height, *sizes)
            slots[i] = w.new(object(), "s", np.empty(shape, dtype))
    return slots


def _growing(w: Any, op: Loop, stacks: dict[int, int]) -> list[str]:
    """The line that makes room in stacks whose height is not known."""
    if op.length is not None or not stacks:
        return []
    rows = w.new(object(), "s", np.array(ROWS, np.int64))
    there = f"*(int64_t *)p[{rows}]"
    helper = _helper(w)
    helper.stacks.append([rows, *stacks.values()])
    test = f"while (height > {there})" if op.given else f"if (trip == {there})"
    return [f"{test} {w.refuse(f'ask({len(helper.stacks) - 1})')}"]


def _helper(w: Any) -> Helper:
    if w.helper is None:
        w.helper = Helper(w.arrays, w.new(object(), "h", None))
    return w.helper
