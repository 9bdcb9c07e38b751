"""Loops and branches on a GPU: Python goes round, the device does what is in the body.

Which problem this solves: launches are queued, not waited for, so Python can go round a
loop of known length far ahead of the device; a graph captured meanwhile holds every round.
A `while` must know its condition before the next round: a number is fetched, and the
device stands still until Python has seen it. That is once a round, as the rounds after the
last would be computed from values that the loop never had, and could fail.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np

from minigrad.backend import int64
from minigrad.gpu.actions import Action, Get, Machine
from minigrad.native.nested import body, read_items, room
from minigrad.static.loop import Loop
from minigrad.static.node import Node
from minigrad.static.plan import nbytes
from minigrad.static.tidy import slim_branch, slim_loop

ROWS = 16  # of a stack whose height is not known, at first


@dataclass(eq=False)
class Show(Action):
    """Let a slot show what another value shows."""

    slot: int
    get: Get

    def __call__(self, machine: Machine) -> None:
        machine.arrays[self.slot] = self.get(machine.arrays)


@dataclass(eq=False)
class Choose(Action):
    """A branch: the condition is fetched, then one side runs."""

    pred: Get
    sides: list[list[Action]]
    said: str

    def __call__(self, machine: Machine) -> None:
        machine.run(self.sides[0 if machine.fetch(self.pred) else 1])

    def parts(self) -> dict[str, list[Action]]:
        return {f"if {self.said}:": self.sides[0], "else:": self.sides[1]}


@dataclass(eq=False)
class Rounds(Action):
    """A loop; `rows` are slots that show a row of something in each round."""

    op: Loop
    before: list[Action] = field(default_factory=list)
    test: list[Action] = field(default_factory=list)
    moves: list[Action] = field(default_factory=list)
    body: list[Action] = field(default_factory=list)
    rows: list[tuple[int, Get]] = field(default_factory=list)
    swaps: list[tuple[int, int]] = field(default_factory=list)
    stacks: list[int] = field(default_factory=list)  # those that may have to grow
    answer: Get | None = None
    given: Get | None = None
    count: int | None = None  # the slot of how often it was

    def __call__(self, machine: Machine) -> None:
        arrays, op = machine.arrays, self.op
        machine.run(self.before)
        height = op.length if op.pred is None else op.limit
        if self.given is not None:
            height = int(machine.fetch(self.given))
            self._grow(machine, height)
        trip = 0
        while height is None or trip < height:
            machine.run(self.test)
            if self.answer is not None and not machine.fetch(self.answer):
                break
            self._grow(machine, trip + 1)
            row = height - 1 - trip if op.reverse and height is not None else trip
            for slot, get in self.rows:
                arrays[slot] = get(arrays)[row]
            machine.run(self.moves)
            machine.run(self.body)
            for a, b in self.swaps:
                arrays[a], arrays[b] = arrays[b], arrays[a]
            trip += 1
        if self.count is not None:
            machine.note(self.count, trip)

    def parts(self) -> dict[str, list[Action]]:
        times = "while" if self.op.pred is not None else "as often as the other way"
        if self.op.length is not None:
            times = f"{self.op.length} times"
        return {"": self.before, f"{times}:": [*self.test, *self.moves, *self.body]}

    def _grow(self, machine: Machine, height: int) -> None:
        """Twice the rows, until there are enough."""
        for slot in self.stacks:
            old = machine.arrays[slot]
            if len(old) >= height:
                continue
            more = max(height, 2 * len(old))
            new = machine.arrays[slot] = machine.device.xp.empty(
                (more, *old.shape[1:]), old.dtype
            )
            new[: len(old)] = old


def branch(w: Any, node: Node) -> list:
    """One of two sides, which leave their results in the same memory."""
    found = read_items(w, node)
    op, kept, numbers = slim_branch(node.op, {x.attrs["i"] for x in found})
    pred, *inputs = (node.inputs[k] for k in kept)
    rooms = [room(w, x) for x in op.sides[0]]
    given = [_shown(w, p, x) for p, x in zip(op.params, inputs)]
    sides = [body(w, side, rooms)[0] for side in op.sides]
    for x in found:
        w.slots[x] = rooms[numbers[x.attrs["i"]]]
    w.fetches = True
    return [*given, Choose([node], w.value(pred), sides, w.named(pred))]


def loop(w: Any, node: Node) -> list:
    """Rounds around the body; its results stay in the memory of carries and stacks."""
    found = read_items(w, node)
    op, kept, numbers = slim_loop(node.op, {x.attrs["i"] for x in found})
    inputs = [node.inputs[k] for k in kept]
    n, m = len(op.nexts), len(op.xs)
    rounds = Rounds([node], op)
    slots = {i: room(w, p, p) for i, p in enumerate(op.carries)}
    rounds.before += [_shown(w, p, x) for p, x in zip(op.captures, inputs[n + m :])]
    for i, slot in slots.items():
        rounds.before += w.copy(slot, inputs[i])
    stacks = _make_stacks(w, op, set(numbers.values()))
    if op.length is None:
        rounds.stacks = list(stacks.values())
    if op.given:
        rounds.given = w.value(inputs[-1])
    if op.pred is not None:
        answer = room(w, op.pred)
        rounds.test, _, _ = body(w, [op.pred], [answer])
        rounds.answer = w.held(answer, (), np.dtype(bool))
    w.fetches = w.fetches or op.length is None
    _write_rows(w, op, inputs[n : n + m], stacks, rounds)
    _write_round(w, op, slots, rounds)
    slots |= stacks
    if op.count in numbers.values():
        rounds.count = slots[op.count] = w.room((), int64)
    for x in found:
        w.slots[x] = slots[numbers[x.attrs["i"]]]
    return [rounds]


def _shown(w: Any, param: Node, x: Node) -> Show:
    """Let a parameter show an input, without a copy."""
    return Show([], _place(w, param, w.show(x)), w.value(x))


def _place(w: Any, param: Node, shown: np.ndarray) -> int:
    """A slot for what a parameter shows, which lies in memory as `shown` does."""
    w.shown[param] = shown
    slot = w.new(param, "v", None)
    steps = zip(shown.shape, shown.strides)
    w.extent[slot] = shown.itemsize + sum((n - 1) * abs(s) for n, s in steps if n)
    return slot


def _make_stacks(w: Any, op: Loop, wanted: set[int]) -> dict[int, int]:
    """Memory for the stacks that are read."""
    slots = {}
    for i in sorted(wanted):
        if len(op.nexts) <= i < op.count:
            (height, *sizes), dtype = op.output(i)
            height = ROWS if op.length is None else height
            slots[i] = w.room((height, *sizes), dtype)
    return slots


def _write_rows(
    w: Any, op: Loop, inputs: list[Node], stacks: dict[int, int], rounds: Rounds
) -> None:
    """Rows of the xs and of the stacks; carries are written down as a round begins."""
    for param, x in zip(op.xs, inputs):
        shown = w.show(x)
        row = shown[0] if len(shown) else np.empty(param.shape, param.dtype)
        rounds.rows.append((_place(w, param, row), w.value(x)))
    for i, stack in stacks.items():
        slot = w.new((rounds, i), "v", None)
        w.extent[slot] = nbytes(op.row(i))
        rounds.rows.append((slot, itemgetter(stack)))
        if i >= op.entry(0):
            rounds.moves += w.copy(slot, op.carries[i - op.entry(0)])


def _write_round(w: Any, op: Loop, slots: dict[int, int], rounds: Rounds) -> None:
    """The body; then carries and their next values change places."""
    moving = [i for i, x in enumerate(op.nexts) if x is not op.carries[i]]
    nexts = [op.nexts[i] for i in moving]
    spare = [room(w, x) for x in nexts]
    n = len(op.nexts)
    rows = [w.slots[rounds, n + j] for j in range(len(op.ys))]
    carries = [op.carries[i] for i in moving]
    rounds.body, stay, _ = body(w, [*nexts, *op.ys], spare + rows, carries)
    rounds.swaps = [(slots[i], spare[k]) for k, i in enumerate(moving) if k not in stay]
