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
from typing import Any, NamedTuple

import numpy as np

from minigrad.autodiff import Part, Pull, sweep
from minigrad.backend import Array, module_of, on_device
from minigrad.errors import GradError, Origin, ShapeError, name_of
from minigrad.ops import movement
from minigrad.ops.op import INPUT_NAMES, MODE, Mode, Plan, on_behalf_of
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
    None where no gradient goes; `saved` the values the rules name and `guards` the cell
    and version each of these had, one after the other; `shape` and `dtype` are the
    output's.
    """

    __slots__ = (
        "plan", "parents", "saved", "guards", "attrs", "shape", "dtype", "seq", "origin",
        "hooks",
    )  # fmt: skip

    plan: Plan
    parents: tuple
    saved: tuple
    guards: tuple
    attrs: dict
    shape: tuple[int, ...]
    dtype: np.dtype
    seq: int  # the order of making
    origin: Origin | None

    @classmethod
    def of(cls, *values: Any) -> Record:
        """A record with the slots given in order, up to `dtype`."""
        record = cls()
        for name, value in zip(cls.__slots__, (*values, next_seq(), None)):
            setattr(record, name, value)
        return record

    @property
    def op(self) -> Any:
        return self.plan.op

    def name(self) -> str:
        """PyTorch's spelling: MulBackward0."""
        return backward_name(self)

    @property
    def next_functions(self) -> tuple:
        """Where this one passes cotangents to, as in PyTorch: pairs of a record and 0."""
        records = (
            p if p is None or type(p) is Record else AccumulateGrad(p)
            for p in self.parents
        )
        return tuple((record, 0) for record in records)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class AccumulateGrad(NamedTuple):
    """What stands for a leaf among `next_functions`: its `variable` gets the gradient."""

    variable: Any
    next_functions: tuple = ()

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


def take_saved(record: Record, keep: bool) -> tuple:
    """What the rules need, let go unless `keep`; raise if freed or overwritten since."""
    if record.saved is FREED:
        raise GradError(
            f"backward: a second time through {record.name()}, whose values are freed",
            expected="one backward() for each time the forward ran",
            got="another one",
            remedy="run the forward again, or call backward(retain_graph=True) first",
        )
    guards = iter(record.guards)
    for cell, version in zip(guards, guards):
        if cell is not None and cell.version != version:
            raise GradError(
                f"backward: a value that {record.plan.op.name} saved was changed in place",
                expected=f"version {version} of it",
                got=f"version {cell.version}",
                remedy="write x = x + y instead of x += y, or change x.clone()",
                at=[o for o in (record.origin, cell.writer) if o],
            )
    saved = record.saved
    if record.guards and not keep:
        record.saved, record.guards = FREED, ()
    return saved


def _pull_arrays(
    record: Record, g: Any, owned: bool, wanted: Any, keep: bool = False
) -> Sequence[Any]:
    """First derivatives: the rules on arrays (or on a trace's Nodes)."""
    plan, saved = record.plan, record.saved
    op = plan.op
    if saved:
        saved = take_saved(record, keep)
    if owned and op.vjp_inplace is not None:
        return op.vjp_inplace(g, **record.attrs)
    if op is movement.slice and (type(g) is Array or on_device(g)):
        return (Part(g, op, record.attrs, record.parents[0].shape),)
    if record.origin is None:
        return plan.pull(g, saved, record.attrs)
    with on_behalf_of(record.origin):
        return plan.pull(g, saved, record.attrs)


def _pull_tensors(
    record: Record, g: Any, owned: bool, wanted: Any, keep: bool = False
) -> Sequence[Any]:
    """Derivatives to be differentiated again: the same rules on Tensors."""
    plan, cells = record.plan, iter(record.guards[::2])
    values = []
    for name, value in zip(plan.names, take_saved(record, keep), strict=True):
        if name == "y":
            value = _revive(value, next(cells), record, g)
        elif name in INPUT_NAMES:
            parent = record.parents[INPUT_NAMES.index(name)]
            value = _revive(value, next(cells), parent, g)
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
    rules = _pull_tensors if create_graph else _pull_arrays
    pull: Pull = partial(rules, keep=True) if retain_graph else rules
    _, trace, watch = MODE.get()
    if watch is not None:
        pull = watch.backward(pull)
    token = MODE.set(Mode(create_graph, trace, watch))
    try:
        return SWEEP[0](seeds, pull, targets)
    finally:
        MODE.reset(token)


def seed_for(t: Any, gradient: Any) -> Any:
    """The cotangent a sweep starts with: given, or 1 for a scalar."""
    if gradient is None:
        if t.numel() != 1:
            raise GradError(
                "backward: the gradient of something that is not a scalar",
                expected="a tensor with one element, such as a loss",
                got=f"{name_of(t, 'the tensor')} {tuple(t.shape)}",
                remedy="reduce it first, as in .sum(), or pass gradient=",
            )
        if t.shape == () and not t.is_cuda:
            return np.array(1, t.dtype)
        return module_of(t.array).ones(t.shape, t.dtype)
    if tuple(gradient.shape) != tuple(t.shape):
        raise ShapeError(
            "backward: the gradient passed in has another shape",
            expected=str(tuple(t.shape)),
            got=str(tuple(gradient.shape)),
        )
    return gradient
