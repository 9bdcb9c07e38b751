"""Storage, views of it, and the one `write` that every change goes through.

Which problem this solves: several Tensors can show the same memory, and the tape must
stay right when one of them changes it. A `Cell` is the identity they share. Writing
through a view replaces the *base's* record by `put(base, view, new)`; a view that has
fallen behind its cell's version takes its record afresh from its base when next read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minigrad.backend import is_writable
from minigrad.eager.tape import LEAF, Record
from minigrad.errors import DTypeError, GradError, Origin, name_of, user_origin
from minigrad.ops.movement import put
from minigrad.ops.op import MODE, Op, mode

if TYPE_CHECKING:
    from minigrad.eager.tensor import Tensor


REBOUND = [0]  # counts new Cells of Tensors and changes to modules, which programs hold


class Cell:
    """A storage: the array, how often it was written, and the node that stands for it.

    Every view of a storage holds the same Cell, so it is at once what aliasing, checks of
    saved values, weight sharing and graph updates are about. It never points to a record.
    """

    __slots__ = ("array", "version", "writer", "node", "__weakref__")
    written: int  # the version, also of what inference_mode made

    array: Any
    version: int
    writer: Origin | None  # the line of the last write
    node: Any  # weak reference to this cell's variable node

    @classmethod
    def of(cls, array: Any) -> Cell:
        # Ops do the same themselves (eager/stamp.py): a call of `__init__` is dear.
        cell = cls()
        cell.array, cell.version, cell.writer, cell.node = array, 0, None, None
        return cell


_VERSION: Any = vars(Cell)["version"]
Cell.written = _VERSION


class InferenceCell(Cell):
    """A storage made under `inference_mode`: without a version once that mode is left."""

    __slots__ = ()

    def _version(self) -> int:
        if MODE.get().grad is not None:
            raise GradError(
                "a tensor made under inference_mode cannot be saved or written later",
                expected="a tensor that the tape can follow",
                got=f"one of shape {self.array.shape}",
                remedy="x.clone() makes an ordinary tensor of it",
            )
        return self.written

    version = property(_version, _VERSION.__set__)


class View:
    """How a Tensor is seen from another: `op(base, **attrs)`, sharing its storage."""

    __slots__ = ("_base", "_as", "op", "attrs", "tracked")

    def __init__(self, base: Tensor, op: Op, attrs: dict, tracked: bool) -> None:
        self._base, self._as = base, base.view_of
        self.op, self.attrs = op, attrs
        self.tracked = tracked  # made with grad on?

    @property
    def base(self) -> Tensor:
        """The Tensor seen, as it was then: `unsqueeze_` turns it into a view of that."""
        base = self._base
        while base.view_of is not None and base.view_of is not self._as:
            base = base.view_of.base
        return base


def parent_of(t: Tensor) -> Any:
    """What stands for `t` on the tape: its record, itself if a leaf, or None."""
    if t.view_of is not None and t.version != t.cell.written:
        _rederive(t)
    record = t.record
    return t if record is LEAF else record


def _rederive(t: Tensor) -> None:
    """Take the records of views that are older than their storage from their bases."""
    stale = []
    while t.view_of is not None and t.version != t.cell.written:
        if t.record is LEAF:  # detached first, then told to require a gradient
            t.version = t.cell.written
            break
        stale.append(t)
        t = t.view_of.base
    parent = t if t.record is LEAF else t.record
    for t in reversed(stale):
        view = t.view_of
        assert view is not None
        if parent is not None and not view.tracked:
            raise _untracked_view(t, "read after its base was written")
        journal(t)
        parent = t.record = None if parent is None else _view_record(view, parent)
        t.version = t.cell.written


def _view_record(view: View, parent: Any) -> Record:
    plan = view.op.plan((True,))
    shape = tuple(view.base.shape)
    values = tuple(shape for _ in plan.names)  # view rules name nothing but `sa`
    out = view.op.fn(view.base.array, **view.attrs)
    return Record.of(plan, (parent,), values, view.attrs, out.shape, out.dtype)


def _untracked_view(t: Tensor, what: str) -> GradError:
    return GradError(
        f"a view made under no_grad was {what}",
        got=f"{name_of(t, 'the view')} {t.shape}",
        remedy="make the view again with grad on",
        at=[o for o in (user_origin(), t.cell.writer) if o],
    )


def views_of(t: Tensor) -> list[View]:
    """The views that lead from `t` to the Tensor that shows the whole storage."""
    views = []
    while (view := t.view_of) is not None:
        views.append(view)
        t = view.base
    return views


def check_writable(t: Tensor, op: str) -> None:
    """Raise, before anything changes, where memory or tape could not follow a write."""
    state = MODE.get()
    state.tell("check_write", t, op)
    if not is_writable(t.array):
        copied = t.view_of is None and state.trace is not None
        why = "a copy made by a traced index" if copied else "expanded or read-only"
        raise GradError(
            f"{op}_: this memory cannot be written",
            got=f"{name_of(t, 'the tensor')} {t.shape}, {why}",
            remedy="x[i] = x[i] + y" if copied else "x.clone() has its own memory",
        )
    t.cell.version  # noqa: B018 - raises for what inference_mode made
    if state.grad:
        check_rebase(t, op)


def check_rebase(t: Tensor, op: str, mark: str = "_") -> None:
    """Raise where the tape could not follow a write."""
    views = views_of(t)
    root = views[-1].base if views else t
    if any(part.record is LEAF for part in (t, *(view.base for view in views))):
        raise GradError(
            f"{op}{mark}: a leaf that requires grad would be written in place",
            got=f"{name_of(t, 'the tensor')} {t.shape}, "
            + ("a view of a leaf" if views else "a leaf"),
            remedy="update weights under `with mg.no_grad():`",
        )
    if root.record is not None and not all(view.tracked for view in views):
        raise _untracked_view(t, "written with grad on")


def write(t: Tensor, value: Any, record: Callable[[], Any]) -> None:
    """Make `t` show `value`, for which `record()` gives the record, or None.

    Every in-place operation, indexed assignment and optimizer step ends here. `value` is
    an array, a number, or under a trace a Node: there, the same `put` is the write.
    """
    mode = MODE.get()
    views, cell = views_of(t), t.cell
    root = views[-1].base if views else t
    # Records of the bases as they were: taken before the version moves.
    olds = [parent_of(view.base) for view in views] if mode.grad else []
    journal(root)
    if mode.trace is None:
        t.array[...] = value
    else:
        mode.trace.write(root, views, value)
    cell.version += 1
    cell.writer = user_origin()
    if mode.grad:
        rebase(t, views, olds, record())


def rebase(t: Tensor, views: list[View], olds: list, record: Any) -> None:
    """Let the storage that `t` shows carry `record`, put into its bases' old records."""
    for view, old in zip(views, olds, strict=True):
        record = _put_record(old, record, view)
    root = views[-1].base if views else t
    journal(root)
    root.record = record


def _put_record(base: Any, new: Any, view: View) -> Record | None:
    if base is None and new is None:
        return None
    plan = put.plan((base is not None, new is not None))
    attrs = {"view": view.op.name, "attrs": view.attrs}
    whole = view.base
    return Record.of(plan, (base, new), (), attrs, whole.shape, whole.dtype)


def set_data(t: Tensor, value: Tensor) -> None:
    """`t.data = value`: `t` shows the storage of `value` and keeps its place on the tape."""
    if value.dtype.kind != "f" and t.requires_grad:
        raise DTypeError(
            "data: only floats can require a gradient",
            expected="a float dtype",
            got=str(value.dtype),
        )
    if MODE.get().trace is not None:
        with mode(grad=False):
            t.copy_(value)  # the program writes the storage that it knows
        return
    record = parent_of(t)
    value = value.detach()
    t.array, t.cell, t.view_of = value.array, value.cell, value.view_of
    t.record, t.version = LEAF if record is t else record, t.cell.written
    REBOUND[0] += 1


def journal(t: Tensor) -> None:
    """Let the running trace note how `t` was, so that it can put everything back."""
    trace = MODE.get().trace
    if trace is not None:
        trace.journal(t)
