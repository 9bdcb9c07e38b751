"""Loops and branches on a GPU: Python goes round, the device does what is in the body.

Which problem this solves: launches are queued, not waited for, so Python can go round a
loop of known length far ahead of the device; a graph captured meanwhile holds every round.
A `while` goes round as long as a condition holds, which only the device knows: to fetch it
is to stand still until all that is queued has run. So Python looks ever more rarely, after
the 1st, 2nd, 4th, 8th ... round, and later after every 32nd, and queues the rounds in
between without knowing whether they take place. A number on the device does: how often it
was, and below 0 once it is over. Every kernel of a round looks there first, and a round
that does not take place writes nothing that is read later. A product is no kernel of ours
and runs in any case, so its result lies in memory of the round alone, or in a row of a
stack that nobody will count; what the loop carries on is copied from there by a kernel.

Python looks before each round where a body has an op without a kernel, which could fail or
be an effect. So it does where a body has a branch, or a loop that itself must be looked at:
those wait for the device in every round anyway, and a look then costs less than a round in
vain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from minigrad.backend import int64
from minigrad.gpu.actions import Action, Convolution, Get, Launch, Machine, Product
from minigrad.native.nested import a_round, body, make_stacks, read_items
from minigrad.static.loop import Loop
from minigrad.static.loop_rewrites import slim_loop
from minigrad.static.node import Node
from minigrad.static.plan import nbytes

AHEAD = 31  # rounds, at most, that are queued before it is known that they take place


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
    state: int | None = None  # of a while: how often it was, ~ of it once it is over
    ahead: bool = False  # may rounds be queued that perhaps do not take place?
    given: Get | None = None
    count: int | None = None  # the slot of how often it was

    def __call__(self, machine: Machine) -> None:
        arrays, op = machine.arrays, self.op
        machine.run(self.before)
        height = op.length if op.pred is None else op.limit
        if self.given is not None:
            height = int(machine.fetch(self.given))
            self._grow(machine, height)
        if self.state is not None:
            arrays[self.state].fill(0)
        trip = blind = seen = 0  # rounds queued; not looked at up to; known of at last
        while height is None or trip < height:
            machine.run(self.test)
            if self.state is not None and trip >= blind:
                seen = machine.fetch(itemgetter(self.state))
                if seen < 0:
                    break
                blind = trip + 1 + (min(trip, AHEAD) if self.ahead else 0)
            self._grow(machine, trip + 1)
            row = height - 1 - trip if op.reverse and height is not None else trip
            for slot, get in self.rows:
                arrays[slot] = get(arrays)[row]
            machine.run(self.moves)
            machine.run(self.body)
            self._swap(arrays)
            trip += 1
        if self.state is not None and 0 <= seen < trip:
            seen = machine.fetch(itemgetter(self.state))
        times = trip if self.state is None else max(seen, ~seen)
        if (trip - times) % 2:
            self._swap(arrays)  # as the last round that took place has left them
        if self.count is not None:
            machine.note(self.count, times)

    def _swap(self, arrays: list) -> None:
        """Carries and their next values change places."""
        for a, b in self.swaps:
            arrays[a], arrays[b] = arrays[b], arrays[a]

    def parts(self) -> dict[str, list[Action]]:
        times = "as often as the other way"
        if self.op.pred is not None:
            times = f"while, looked at {'now and then' if self.ahead else 'each round'}"
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


def given(w: Any, pairs: Iterable[tuple[Node, Node]]) -> list[Action]:
    """Let parameters show inputs, without a copy."""
    return [Show([], _place(w, p, w.show(x)), w.value(x)) for p, x in pairs]


def choice(w: Any, node: Node, pred: Node, sides: list[list[Action]]) -> list[Action]:
    """One side runs, which one Python has to see."""
    w.fetches = True
    return [Choose([node], w.value(pred), sides, w.named(pred))]


def loop(w: Any, node: Node) -> list:
    """Rounds around the body; its results stay in the memory of carries and stacks."""
    found = read_items(w, node)
    op, kept, numbers = slim_loop(node.op, {x.attrs["i"] for x in found})
    inputs = [node.inputs[k] for k in kept]
    n, m = len(op.nexts), len(op.xs)
    rounds = Rounds([node], op)
    slots = {i: w.room(p.shape, p.dtype, p) for i, p in enumerate(op.carries)}
    rounds.before += given(w, zip(op.captures, inputs[n + m :]))
    for i, slot in slots.items():
        rounds.before += w.copy(slot, inputs[i])
    stacks = make_stacks(w, op, set(numbers.values()))
    if op.length is None:
        rounds.stacks = list(stacks.values())
    if op.given:
        rounds.given = w.value(inputs[-1])
    w.fetches = w.fetches or op.length is None
    outer = w.guard
    if op.pred is not None:
        w.guard = rounds.state = w.room((), int64)
        rounds.test = _test(w, op.pred, rounds.state)
    _write_rows(w, op, inputs[n : n + m], stacks, rounds)
    rows = [w.slots[rounds, n + j] for j in range(len(op.ys))]
    rounds.body, rounds.swaps, _ = a_round(w, op, slots, rows)
    w.guard = outer
    lasting = {*slots.values(), *chain(*rounds.swaps)}
    around = rounds.test, rounds.moves, rounds.body
    rounds.ahead = all(_is_idle(x, lasting) for x in chain(*around))
    slots |= stacks
    if op.count in numbers.values():
        rounds.count = slots[op.count] = w.room((), int64)
    for x in found:
        w.slots[x] = slots[numbers[x.attrs["i"]]]
    return [rounds]


def _is_idle(action: Action, lasting: Collection[int]) -> bool:
    """Does it leave those slots alone, once the `while` around it is over?"""
    if isinstance(action, Rounds):
        inside = chain(action.before, action.moves, action.body)
        return action.op.length is not None and all(
            _is_idle(x, lasting) for x in inside
        )
    if isinstance(action, (Product, Convolution)):
        return action.to not in lasting
    return isinstance(action, (Launch, Show))


def _test(w: Any, pred: Node, state: int) -> list[Action]:
    """Whether there is one more round; a refused one is the last."""
    answer = w.room((), pred.dtype)
    actions, _, _ = body(w, [pred], [answer])

    def count() -> list[str]:
        times, more = (
            w.pointer(s, d) for s, d in ((state, int64), (answer, pred.dtype))
        )
        w.grid = (1,), (1,)
        return [f"*{times} = *{more} && !{w.refusal()} ? *{times} + 1 : ~*{times};"]

    return [*actions, *w.block(count, [pred])]


def _place(w: Any, param: Node, shown: np.ndarray) -> int:
    """A slot for what a parameter shows, which lies in memory as `shown` does."""
    w.shown[param] = shown
    slot = w.new(param, "v", None)
    steps = zip(shown.shape, shown.strides)
    w.extent[slot] = shown.itemsize + sum((n - 1) * abs(s) for n, s in steps if n)
    return slot


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
