"""A planned graph on a GPU: memory laid out once, then launch after launch, or one replay.

Which problem this solves: a launch costs Python microseconds, and a tiny step has fifty of
them. The first call runs them one by one; from the second on the whole program is one CUDA
graph, started at once. Not where Python must see a number in between (a `while`, a
branch), or where an op has no kernel.

A graph knows addresses. Arguments and results of up to `SMALL` bytes are copied to and
from memory of the program's own. Larger ones stay where they are: when all of them are for
the second time where they were before, as in a training loop, that set of addresses gets a
graph. So a program holds the buffers of its plan, its small arguments, what cuBLAS works
in if it multiplies (32 MiB from Hopper on, 4 before) and up to `capture.KEPT` graphs; of
large arguments and results it keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from minigrad.backend import CPU, SEVERAL, device, device_of, moved, on_device
from minigrad.eager.cell import Cell
from minigrad.errors import DeviceError
from minigrad.gpu.actions import Action, Product
from minigrad.gpu.capture import Captured
from minigrad.gpu.control import Rounds
from minigrad.gpu.device import current
from minigrad.gpu.streams import Event
from minigrad.gpu.writer import Writer
from minigrad.native.accumulate import accumulate
from minigrad.native.lower import lowered
from minigrad.native.memory import planned
from minigrad.native.nested import is_counted
from minigrad.static.node import (
    CONSTANT,
    VARIABLE,
    Node,
    is_live,
    rebuilt,
    stand_in,
    topological,
)
from minigrad.static.plan import nbytes

LONGEST = 1 << 30  # elements of a row that a walk goes along: 32 bits number them
SMALL = 1 << 20  # bytes of an argument or a result that may be copied once more


def emit(
    inputs: Sequence[Node],
    wanted: Sequence[Node],
    cells: Sequence[Cell],
    check_nan: bool,
    reference: Callable[..., list],
) -> Cuda:
    """Plan a graph for the GPU; the last of `wanted` are the new values of `cells`.

    `reference` is told of a call that the kernels refuse, and says what is wrong with it.
    Raises `DeviceError` where there is no GPU, or the graph has a part that needs the CPU.
    """
    device, host = _where(wanted), Host(wanted, cells)
    if any(map(is_counted, wanted)):
        raise DeviceError(
            "program: a stack of unknown height leaves the program",
            expected="results of a loop that have a shape",
            remedy="mg.scan, whose stacks are as high as its xs",
        )
    inputs = [*inputs, *host.inputs.values()]
    wanted, cells = host.left(wanted, cells)
    wanted = accumulate(rebuilt(wanted, host.inputs))
    wanted = lowered(wanted, longest=LONGEST)
    final, plan = planned(Writer, inputs, wanted, cells, check_nan)
    writer = Writer(plan, inputs, check_nan, device)
    actions = writer.everything()
    program = Cuda(device, writer, actions, inputs, host, reference)
    program.wanted = final
    return program


def _where(wanted: Sequence[Node]) -> Any:
    """The GPU on which all variables are, the chosen one if there are none."""
    variables = [x for x in topological(wanted) if x.op is VARIABLE]
    there = {x.value.array.device.id: x for x in variables if on_device(x.value.array)}
    if len(there) > 1:
        raise DeviceError(
            "program: its variables are on different devices",
            expected="all on one GPU",
            got=", ".join(f"{x.name or 'one'} on cuda:{i}" for i, x in there.items()),
        )
    return current(device("cuda", *there) if there else None)


class Host:
    """Small state that stays on the CPU: numbers without dims, generators' counters.

    A run is fed it. What it becomes is computed on the CPU, if that depends on nothing
    else; such results of the GPU as are to be kept over here are copied back.
    """

    def __init__(self, wanted: Sequence[Node], cells: Sequence[Cell]) -> None:
        states = [x for x in topological(wanted) if x.op is VARIABLE]
        self.inputs = {x: stand_in(x) for x in states if not on_device(x.value.array)}
        self.cells = [x.value for x in self.inputs]
        new = dict(zip(cells, wanted[len(wanted) - len(cells) :]))
        new = {cell: x for cell, x in new.items() if not on_device(cell.array)}
        self.alone = {cell: x for cell, x in new.items() if self._knows(x)}
        self.copied = {cell: x for cell, x in new.items() if cell not in self.alone}

    def _knows(self, node: Node) -> bool:
        simple = ("elementwise", "movement")
        return all(
            x in self.inputs or x.op is CONSTANT or x.op.kind in simple
            for x in topological([node])
        )

    def left(
        self, wanted: Sequence[Node], cells: Sequence[Cell]
    ) -> tuple[list[Node], list[Cell]]:
        """What the GPU has to compute, and which variables it writes."""
        count = len(wanted) - len(cells)
        there = [(c, x) for c, x in zip(cells, wanted[count:]) if on_device(c.array)]
        return (
            [*wanted[:count], *self.copied.values(), *(x for _, x in there)],
            [c for c, _ in there],
        )

    def next(self) -> list[tuple[Cell, Any]]:
        """What the state becomes that depends on nothing but such state."""
        values: dict[Node, Any] = {x: x.value.array for x in self.inputs}
        for node in topological(self.alone.values()):
            if node.op is CONSTANT:
                values[node] = node.value
            elif node not in values:
                inputs = [values[x] for x in node.inputs]
                values[node] = np.asarray(node.op.fn(*inputs, **node.attrs))
        return [(cell, values[node]) for cell, node in self.alone.items()]


class Cuda:
    """A program on the GPU: its CUDA text, its memory, and what a call does.

    `function` runs it on arrays of either side; the results are device arrays.
    """

    wanted: list[Node]

    def __init__(
        self,
        device: Any,
        writer: Writer,
        actions: tuple[list[Action], list[Action]],
        inputs: Sequence[Node],
        host: Host,
        reference: Callable[..., list],
    ) -> None:
        self.device, self.plan, self.host = device, writer.plan, host
        self._reference = reference
        text = writer.text()
        self.source = text + "\n".join(["/* The program:", *_listed(actions), "*/", ""])
        self.kernels = {n: device.kernel(text, n) for n in writer.texts.values()}
        names = ", ".join(writer.left)
        self.fallback = f"left to the array module: {names}" if names else ""
        state = set(host.inputs.values())
        self._small = [is_live(x) or x in state for x in inputs]
        self._held: dict[int, bytes] = {}  # small inputs as they are on the device
        self._cells = list(self.plan.updates)
        self._results = writer.results
        self._refused = writer.refused if writer.refuses else None
        self._known: dict[int, int] = {}  # numbers of arrays that Python knows as well
        self._large = {
            slot: (shape, dtype)
            for slot, shape, dtype in self._results
            if np.dtype(dtype).itemsize * int(np.prod(shape)) > SMALL
        }
        self.captured = not (writer.left or writer.fetches)
        small = SMALL if self.captured else 0
        self._there = [  # are read where they lie
            i for i, x in enumerate(inputs) if nbytes(x) > small and not self._small[i]
        ]
        self._after: Callable[[Action], None] | None = None
        head, tail = actions
        if self._refused is None:  # nothing has to be looked at in between
            head, tail = [*head, *tail], []
        self._actions = head, tail
        self.arrays = [
            x if x is None or on_device(x) else device.put(x) for x in writer.arrays
        ]
        for i, x in enumerate(inputs):
            if i not in self._there:
                self.arrays[i] = device.xp.empty(x.shape, x.dtype)
        self._parts = [self._part(actions) for actions in self._actions]

    def _part(self, actions: list[Action]) -> Captured:
        flat = list(_flat(actions))
        pairs = [pair for x in flat if isinstance(x, Rounds) for pair in x.swaps]
        home = {slot: self.arrays[slot] for pair in pairs for slot in pair}
        multiplies = self.captured and any(isinstance(x, Product) for x in flat)
        room = self.device.workspace() if multiplies else None

        def run() -> None:
            # Rounds of a loop exchange buffers: every run, and so every graph, begins with
            # the same ones, and all leave their results in the same ones.
            for slot, array in home.items():
                self.arrays[slot] = array
            self.device.room = room
            try:
                self.run(actions)
            finally:
                self.device.room = None

        part = Captured(self.device, run)
        if not (self.captured and actions):
            part.refused = "Python has to see every run, or there is nothing to do"
        return part

    # --- a call ----------------------------------------------------------------------------
    def function(self, *arrays: Any) -> list:
        """Run on arrays that fit their placeholders; new device arrays come back."""
        return self._call(arrays, *self._parts)

    def timed(self, add: Callable[[str, str, int, float], None]) -> Callable[..., list]:
        """`function`, launch by launch; `add` is told of each its number, its line in the
        listing, how often it ran and the seconds by the GPU's own clock."""
        order = list(_flat([*self._actions[0], *self._actions[1]]))
        numbers = {id(action): str(i) for i, action in enumerate(order)}

        def run(*arrays: Any) -> list:
            marks: list[tuple[Action | None, Event]] = [(None, _mark())]
            self._after = lambda action: marks.append((action, _mark()))
            try:
                parts = (part.run for part in self._parts)
                results = self._call(
                    arrays, *(lambda _, run=run: run() for run in parts)
                )
            finally:
                self._after = None
            marks[-1][1].synchronize()
            for (_, began), (action, ended) in pairwise(marks):
                if text := str(action):
                    seconds = began.elapsed_time(ended) / 1000
                    add(numbers[id(action)], text.split("<<<")[0], 1, seconds)
            return results

        return run

    def _call(self, arrays: Sequence[Any], head: Callable, tail: Callable) -> list:
        if SEVERAL:
            self._come_home(arrays)
        self._feed([*arrays, *(cell.array for cell in self.host.cells)])
        for slot, (shape, dtype) in self._large.items():
            self.arrays[slot] = self.device.xp.empty(shape, dtype)
        elsewhere = [*self._there, *self._large]
        key = tuple(self.arrays[slot].data.ptr for slot in elsewhere)
        try:
            head(key)
            if self._refused is not None and self._was_refused():
                return self._reference(*arrays)
            tail(key)
            results = [
                self.arrays[slot] if slot in self._large else self.arrays[slot].copy()
                for slot, _, _ in self._results
            ]
        finally:
            for slot in elsewhere:
                self.arrays[slot] = None
        for cell in self._cells:
            cell.version += 1
        given = len(results) - len(self.host.copied)
        back = zip(self.host.copied, results[given:])
        for cell, array in (*self.host.next(), *back):
            cell.array[...] = moved(array, CPU)
            cell.version += 1
        return results[:given]

    def _come_home(self, arrays: Sequence[Any]) -> None:
        """Run where the variables are; a `DeviceError` for an argument of another GPU."""
        home = f"cuda:{self.device.index}"
        for i, array in enumerate(arrays):
            if on_device(array) and device_of(array) != home:
                raise DeviceError(
                    f"program: argument {i} is on another device than the program",
                    expected=f"a tensor on {home}",
                    got=f"{array.shape} on {device_of(array)}",
                    remedy=f'x.to("{home}")',
                )
        self.device.use()

    def _feed(self, arrays: Sequence[Any]) -> None:
        """Put inputs where the program reads them; what lies on the host comes over."""
        for i, array in enumerate(arrays):
            if i in self._there:
                held = array if on_device(array) else self.device.put(array)
                # Kernels read row by row, and four elements at once.
                fits = held.flags.c_contiguous and held.data.ptr % 16 == 0
                self.arrays[i] = held if fits else held.copy()
            elif self._small[i]:
                if self._held.get(i) != array.tobytes():
                    self._held[i] = array.tobytes()
                    self.device.write(self.arrays[i], array)
            elif on_device(array):
                self.arrays[i][...] = array
            else:
                self.device.write(self.arrays[i], array)

    def _was_refused(self) -> bool:
        flag = self.arrays[self._refused]  # type: ignore[index]
        if not self.device.get(flag)[0]:
            return False
        flag.fill(0)
        return True

    # --- what actions ask for --------------------------------------------------------------
    def run(self, actions: Sequence[Action]) -> None:
        for action in actions:
            action(self)
            if self._after is not None and not action.parts():
                self._after(action)

    def fetch(self, get: Callable[[list], Any]) -> Any:
        """A number as Python's, which waits for the device, unless it is known here."""
        array = get(self.arrays)
        known = self._known.get(id(array))
        return self.device.get(array).item() if known is None else known

    def note(self, slot: int, number: int) -> None:
        """Write a number down, on both sides."""
        self.arrays[slot].fill(number)
        self._known[id(self.arrays[slot])] = number


def _mark() -> Event:
    event = Event(enable_timing=True)
    event.record()
    return event


def _flat(actions: Sequence[Action]) -> Iterator[Action]:
    """Every action, those inside others too."""
    for action in actions:
        yield action
        for inner in action.parts().values():
            yield from _flat(inner)


def _listed(actions: Sequence[Sequence[Action]], depth: int = 1) -> list[str]:
    """The launches in their order, a line each, as a comment below the kernels."""
    lines = []
    for action in (x for part in actions for x in part):
        if text := str(action):
            lines.append("  " * depth + text)
        for heading, inner in action.parts().items():
            lines += ["  " * depth + heading] if heading else []
            lines += _listed([inner], depth + bool(heading))
    return lines
