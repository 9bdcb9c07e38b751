"""The tape: what ran, what it was fed, and the way back.

Which problem this solves: a program that runs line by line leaves nothing behind to
differentiate. So each op on a value that needs a gradient leaves a `Record`: the rules to
apply and the values those rules name. Records point backwards only, to records and
leaves, never to Tensors made in between: what the program forgets, memory forgets.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from minigrad.autodiff import Part, Pull, sweep
from minigrad.backend import SEVERAL, follow
from minigrad.errors import GradError, Origin
from minigrad.ops import movement
from minigrad.ops.op import INPUT_NAMES, MODE, Plan, on_behalf_of
from minigrad.printing import backward_name

next_seq = itertools.count().__next__

FREED = ("freed",)
SWEEP = [sweep]  # the first hook puts another one here (autograd/hooks.py)


class _Leaf:
    """Stands in a Tensor's `record` slot for "a leaf that requires grad"."""

    def __repr__(self) -> str:
        return "LEAF"


LEAF = _Leaf()


class Record:
    """One executed op on the tape.

    `plan` holds the op and its compiled rules; `parents` a record or leaf per argument,
    None where no gradient goes; `saved` the values the rules name and after them the cell
    and the version of each that can be written; `shape` and `dtype` are the output's.
    """

    __slots__ = (
        "plan", "parents", "saved", "attrs", "shape", "dtype", "seq", "origin", "hooks",
    )  # fmt: skip

    plan: Plan
    parents: tuple
    saved: tuple
    attrs: dict
    shape: tuple[int, ...]
    dtype: np.dtype
    seq: int  # the order of making
    origin: Origin | None
    next_functions: Any  # from autograd/graph.py

    @classmethod
    def of(cls, *values: Any) -> Record:
        """A record with the slots given in order, up to `dtype`."""
        record = cls()
        for name, value in zip(cls.__slots__, (*values, next_seq(), None)):
            setattr(record, name, value)
        return record

    op = property(attrgetter("plan.op"))

    def name(self) -> str:
        """PyTorch's spelling: MulBackward0."""
        return backward_name(self)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def take_saved(record: Record, keep: bool) -> tuple:
    """What the rules need, let go unless `keep`; raise if freed or overwritten since."""
    if record.saved is FREED:
        raise GradError(
            f"backward: a second time through {record.name()}, whose values are freed",
            expected="one backward() for each time the forward ran",
            got="another one",
            remedy="run the forward again, or call backward(retain_graph=True) first",
        )
    saved, count = record.saved, len(record.plan.names)
    for i in range(count, len(saved), 2):
        cell, version = saved[i], saved[i + 1]
        if cell is not None and cell.version != version:
            raise GradError(
                f"backward: a value that {record.plan.op.name} saved was changed in place",
                expected=f"version {version} of it",
                got=f"version {cell.version}",
                remedy="write x = x + y instead of x += y, or change x.clone()",
                at=[o for o in (record.origin, cell.writer) if o],
            )
    if len(saved) > count and not keep:
        record.saved = FREED
    return saved


def _pull_arrays(
    record: Record, g: Any, owned: bool, wanted: Any, keep: bool = False
) -> Sequence[Any]:
    """First derivatives: the rules on arrays."""
    op, saved = record.plan.op, record.saved
    g = follow(g) if SEVERAL else g
    if saved:
        saved = take_saved(record, keep)
    if op is movement.slice:
        return (Part(g, op, record.attrs, record.parents[0].shape),)
    pull = (owned and record.plan.pull_owned) or record.plan.pull_arrays
    return pull(g, saved, record.attrs)


def _pull_nodes(
    record: Record, g: Any, owned: bool, wanted: Any, keep: bool = False
) -> Sequence[Any]:
    """First derivatives in a trace: the rules on its Nodes."""
    with on_behalf_of(record.origin):
        return record.plan.pull(g, take_saved(record, keep), record.attrs)


def _pull_tensors(
    record: Record, g: Any, owned: bool, wanted: Any, keep: bool = False
) -> Sequence[Any]:
    """Derivatives to be differentiated again: the same rules on Tensors."""
    plan, saved = record.plan, take_saved(record, keep)
    values, cells = [], iter(saved[len(plan.names) :: 2])
    places = {"y": record, **dict(zip(INPUT_NAMES, record.parents))}
    for name, value in zip(plan.names, saved):
        if name in places:
            value = _revive(value, next(cells), places[name], g)
        elif name == "rest":
            parents = record.parents[plan.op.named :]
            value = tuple(_revive(x, None, p, g) for x, p in zip(value, parents))
        values.append(value)
    with on_behalf_of(record.origin):
        return plan.pull(g, tuple(values), record.attrs)


def _revive(value: Any, cell: Any, parent: Any, like: Any) -> Any:
    """A saved value as a Tensor in its old place on the tape."""
    if parent is None or type(parent) is Record:
        return like.revived(value, cell, parent)
    # A leaf: the guards have just held that it is what it was.
    return parent.to(value.dtype)


def run_backward(
    seeds: list[tuple[Any, Any]],
    retain_graph: bool,
    create_graph: bool,
    targets: set | None = None,
) -> dict:
    """Sweep the tape from `seeds`, pairs of an element and its cotangent."""
    mode = MODE.get()
    first = _pull_arrays if mode.trace is None else _pull_nodes
    rules = _pull_tensors if create_graph else first
    pull: Pull = partial(rules, keep=True) if retain_graph else rules
    if mode.watch is not None:
        pull = mode.watch.backward(pull)
    token = MODE.set(mode.recording(create_graph))
    try:
        return SWEEP[0](seeds, pull, targets)
    finally:
        MODE.reset(token)
