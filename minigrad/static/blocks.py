"""Loops and branches as indented Python, for the interpreter.

A body is rewritten, planned and written like a program of its own, in the same function:
its buffers are made once, its results anew in each run, since they outlive it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigrad.static.loop import Branch, Loop
from minigrad.static.node import Node, topological
from minigrad.static.plan import make_plan, root_of
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
        for x in writer.plan.order
        if x.op.kind == "item" and x.inputs[0] is node
    }
    write = _loop if isinstance(node.op, Loop) else _branch
    return write(writer, node, operands, sorted(read))


@contextmanager
def _indented(writer: Any, line: str, node: Node | None = None) -> Iterator[None]:
    before = writer.indent
    writer._line(line, node, False)
    writer.indent += "    "
    yield
    writer.indent = before


def _body(writer: Any, wanted: Sequence[Node], first: int = 0) -> Iterator[Any]:
    """Write a body in two parts: what its first `first` results need, then the rest.

    Yields after each part; in the end the caller finds the results in `writer.names`.
    """
    settled = settle_reshapes(wanted)
    plan = make_plan(settled, {}, body=True)
    cut = len(topological(settled[:first]))
    for part in (plan.order[:cut], plan.order[cut:]):
        with writer.inside(plan):
            for node in part:
                writer._step(node)
        yield settled


def _owned(writer: Any, node: Node, params: Sequence[Node]) -> str:
    """The name of a result in memory of its own; what a parameter shows is copied."""
    name = writer.names[node]
    return f"{name}.copy()" if root_of(node).op.kind == "source" else name


def _branch(
    writer: Any, node: Node, operands: list[str], read: list[int]
) -> dict[int, str]:
    op: Branch = node.op
    writer.names.update(zip(op.params, operands[1:]))
    names = {i: writer.new_name() for i in read}
    for head, side in zip((f"if {operands[0]}:", "else:"), op.sides):
        with _indented(writer, head, node):
            *_, results = _body(writer, [side[i] for i in read])
            for i, result in zip(read, results):
                writer._line(f"{names[i]} = {_owned(writer, result, op.params)}")
            if not read:
                writer._line("pass")
    return names


def _loop(
    writer: Any, node: Node, operands: list[str], read: list[int]
) -> dict[int, str]:
    op: Loop = node.op
    n, m = len(op.nexts), len(op.ys)
    writer.scope |= {"grown": grown, "asarray": np.asarray}
    trip = writer.new_name()
    carries = [writer.new_name() for _ in op.nexts]
    writer.names.update(zip(op.params, [*carries, *operands[n:]]))
    for name, operand in zip(carries, operands):
        writer._line(f"{name} = {operand}.copy()")
    names = dict(enumerate(carries))
    stacks = {i: writer.new_name() for i in read if n <= i < op.count}
    for i, name in stacks.items():
        shape, dtype = op.output(i)
        writer.scope[str(dtype)] = dtype
        height = 16 if op.pred is not None else op.length
        height = f"int({operands[-1]})" if op.given else height
        rest = "".join(f"{size}, " for size in shape[1:])
        writer._line(f"{name} = empty(({height}, {rest}), {dtype})")
    with _indented(writer, _head(writer, op, trip, operands), node):
        for p, name in zip(op.xs, operands[n:]):
            writer.names[p] = writer.new_name()
            writer._line(f"{writer.names[p]} = {name}[{trip}, ...]")
        wanted = [*op.nexts, *op.ys]
        head = [] if op.pred is None else [op.pred]
        parts = _body(writer, [*head, *wanted], len(head))
        settled = next(parts)
        if op.pred is not None:
            writer._line(f"if not {writer.names[settled[0]]}: break")
        for i, name in stacks.items():
            if i >= n + m:
                if op.pred is not None:
                    grow = f"{name} = grown({name})"
                    writer._line(f"if {trip} == len({name}): {grow}")
                writer._line(f"{name}[{trip}] = {carries[i - n - m]}")
        next(parts)
        results = settled[len(settled) - n - m :]
        for i, name in stacks.items():
            if i < n + m:
                writer._line(f"{name}[{trip}] = {writer.names[results[i]]}")
        moved = [
            (c, writer.names[x])
            for c, p, x in zip(carries, op.carries, results)
            if x is not p
        ]
        if moved:
            left, right = zip(*moved)
            writer._line(f"{', '.join(left)} = {', '.join(right)}")
        if op.pred is not None:
            writer._line(f"{trip} += 1")
        writer._line("pass")
    for c, x in zip(carries, results):  # no result may be memory of somebody else's
        if root_of(x).op.kind == "source":
            writer._line(f"{c} = {c}.copy()")
    if op.count in read:
        names[op.count] = writer.new_name()
        writer._line(f"{names[op.count]} = asarray({trip})")
    return names | stacks


def _head(writer: Any, op: Loop, trip: str, operands: list[str]) -> str:
    if op.pred is not None:
        writer._line(f"{trip} = 0")
        return f"while {f'{trip} < {op.limit}' if op.limit is not None else True}:"
    times = f"int({operands[-1]})" if op.given else op.length
    return f"for {trip} in " + (f"reversed(range({times})):" if op.reverse else f"range({times}):")
