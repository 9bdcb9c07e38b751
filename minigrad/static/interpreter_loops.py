"""Loops and branches as indented Python, for the interpreter.

A body is rewritten, planned and written like a program of its own, in the same function:
its buffers are made once, its results anew in each run, since they outlive it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.static.loop import Branch, Loop
from minigrad.static.loop_rewrites import slim_branch, slim_loop
from minigrad.static.node import Node, topological
from minigrad.static.plan import FRESH, KEPT, Plan, is_given, make_plan, overwritten
from minigrad.static.rewrite import settle_reshapes


def grown(stack: np.ndarray) -> np.ndarray:
    """`stack` with twice the rows, so that pushing T rows copies fewer than 2 T."""
    new = np.empty((2 * len(stack), *stack.shape[1:]), stack.dtype)
    new[: len(stack)] = stack
    return new


def write_block(writer: Any, node: Node, operands: list[str]) -> dict[int, str]:
    """The lines of a Loop or a Branch; the names of those outputs that are read."""
    read = {
        x.attrs["i"]
        for x in writer.plan.nodes
        if x.op.kind == "item" and x.inputs[0] is node
    }
    slim, write = (
        (slim_loop, _loop) if isinstance(node.op, Loop) else (slim_branch, _branch)
    )
    op, kept, numbers = slim(node.op, read)
    names = write(writer, op, node, [operands[k] for k in kept], set(numbers.values()))
    return {old: names[new] for old, new in numbers.items()}


@contextmanager
def _indented(writer: Any, line: str, node: Node | None = None) -> Iterator[None]:
    before = writer.indent
    writer.line(line, node)
    writer.indent += "    "
    count = len(writer.lines)
    yield
    if len(writer.lines) == count:
        writer.line("pass")
    writer.indent = before


def _branch(
    writer: Any, op: Branch, node: Node, operands: list[str], read: set[int]
) -> dict[int, str]:
    writer.names.update(zip(op.params, operands[1:]))
    names = {i: writer.new_name() for i in read}
    for head, side in zip((f"if {operands[0]}:", "else:"), op.sides):
        with _indented(writer, head, node):
            results = settle_reshapes(side)
            plan = make_plan(results, {}, body=True)
            writer.body(plan, plan.steps)
            for i, name in names.items():
                value = writer.names[results[i]]
                copy = ".copy()" if is_given(results[i]) else ""
                writer.line(f"{name} = {value}{copy}")
    return names


def _loop(
    writer: Any, op: Loop, node: Node, operands: list[str], read: set[int]
) -> dict[int, str]:
    n = len(op.nexts)
    writer.scope |= {"grown": grown, "asarray": np.asarray}
    trip = writer.new_name()
    carries = [writer.new_name() for _ in op.nexts]
    for name, operand in zip(carries, operands):
        writer.line(f"{name} = {operand}.copy()")
    stacks = _make_stacks(writer, op, node, operands, read)
    settled = settle_reshapes(op.results)
    test, nexts, ys = op.split(settled, n)
    plan = make_plan(settled, {}, body=True)
    rows = [f"{stacks[n + j]}[{trip}, ...]" for j in range(len(ys))]
    _place_results(plan, op, nexts, ys, carries, rows)
    cut = sum(x.op.kind != "source" for x in topological(test))

    if test:
        writer.line(f"{trip} = 0")
    with _indented(writer, _head(op, trip, operands), node):
        writer.names.update(zip(op.params, [*carries, *operands[n:]]))
        for p, name in zip(op.xs, operands[n:]):
            writer.names[p] = writer.new_name()
            writer.line(f"{writer.names[p]} = {name}[{trip}, ...]")
        for name in stacks.values() if test else ():
            writer.line(f"if {trip} == len({name}): {name} = grown({name})")
        writer.body(plan, plan.steps[:cut])
        for x in test:
            writer.line(f"if not {writer.names[x]}: break")
        for i, name in stacks.items():
            if i >= op.entry(0):
                writer.line(f"{name}[{trip}] = {carries[i - op.entry(0)]}")
        writer.body(plan, plan.steps[cut:])
        for x, row in zip(ys, rows):
            if plan.place.get(x) != row:
                writer.line(f"{row} = {writer.names[x]}")
        moved = {c: writer.names[x] for c, x in zip(carries, nexts)}
        moved = {c: name for c, name in moved.items() if c != name}
        if moved:
            writer.line(f"{', '.join(moved)} = {', '.join(moved.values())}")
        if test:
            writer.line(f"{trip} += 1")
    for c, x in zip(carries, nexts):  # no result may be memory of somebody else's
        if is_given(x):
            writer.line(f"{c} = {c}.copy()")
    names = dict(enumerate(carries)) | stacks
    if op.count in read:
        names[op.count] = writer.new_name()
        writer.line(f"{names[op.count]} = asarray({trip})")
    return names


def _make_stacks(
    writer: Any, op: Loop, node: Node, operands: list[str], read: set[int]
) -> dict[int, str]:
    height = f"int({operands[-1]})" if op.given else op.length
    stacks = {}
    for i in sorted(read):
        if len(op.nexts) <= i < op.count:
            shape, dtype = op.output(i)
            if op.length is not None and writer.plan.place[node] == KEPT:
                stacks[i] = writer.bind("b", np.empty(shape, dtype))
                continue
            writer.scope[str(dtype)] = dtype
            sizes = ", ".join(map(str, (16 if height is None else height, *shape[1:])))
            stacks[i] = writer.new_name()
            writer.line(f"{stacks[i]} = empty(({sizes},), {dtype})")
    return stacks


def _place_results(
    plan: Plan, op: Loop, nexts: list, ys: list, carries: list[str], rows: list[str]
) -> None:
    """Let results be computed where they are to be: in their stack, or in their carry."""
    stay = overwritten(plan, op.carries, [*nexts, *ys])
    for x, row in zip(ys, rows):
        if plan.place.get(x) == FRESH and x.op.kind != "control":
            plan.place[x] = row
    for i in stay:
        plan.place[nexts[i]] = carries[i]


def _head(op: Loop, trip: str, operands: list[str]) -> str:
    if op.pred is not None:
        return f"while {f'{trip} < {op.limit}' if op.limit is not None else True}:"
    times = f"range(int({operands[-1]}))" if op.given else f"range({op.length})"
    return f"for {trip} in {f'reversed({times})' if op.reverse else times}:"
