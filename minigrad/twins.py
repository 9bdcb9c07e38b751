"""In-place twins of what is no elementwise op: `x.tril_()`, `x.unsqueeze_(0)`, `h.detach_()`.

Those that move elements overwrite their tensor with a result. Those that only look at it
differently move nothing: the handle becomes a view of the tensor it was.
"""

from __future__ import annotations

from typing import Any

from minigrad import rearrange
from minigrad.eager.cell import check_rebase, journal
from minigrad.eager.inplace import copy_
from minigrad.eager.tape import LEAF
from minigrad.eager.tensor import Tensor
from minigrad.errors import GradError, GraphError, name_of
from minigrad.ops.op import MODE, mode


def _overwriting(name: str) -> Any:
    change = getattr(rearrange, name)

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        return copy_(self, change(self, *args, **options))

    method.__name__, method.__doc__ = f"{name}_", f"In place: {change.__doc__}"
    return method


def _turned(name: str) -> Any:
    """The method `name` in place: the handle becomes a view of what it was."""

    def method(self: Tensor, *dims: Any) -> Tensor:
        state = MODE.get()
        if state.grad:
            check_rebase(self, name)
        if state.trace is not None and state.trace.from_outside(self):
            raise GraphError(
                f"{name}_: a traced function cannot change the shape of its state",
                got=f"{name_of(self, 'the tensor')} {self.shape}, from outside",
                remedy=f"y = x.{name}(...), which is a view as well",
            )
        was = self.detach()
        was.view_of, was.version = self.view_of, self.version
        was.record = None if self.record is LEAF else self.record
        with mode(grad=True):
            view = getattr(was, name)(*dims)
        self.array, self.view_of, self.version = view.array, view.view_of, view.version
        self.record = view.record if self.record is not LEAF else LEAF
        return self

    method.__name__, method.__doc__ = f"{name}_", f"In place: {name}; nothing moves."
    return method


def detach_(self: Tensor) -> Tensor:
    """Cut this tensor from the tape: from here on it is a leaf."""
    if self.view_of is not None:
        raise GradError("detach_: this is a view", remedy="x = x.detach()")
    journal(self)
    self.record = None
    return self


for _name in ("masked_fill", "scatter", "scatter_add", "index_add", "tril", "triu"):
    setattr(Tensor, f"{_name}_", _overwriting(_name))
for _name in ("unsqueeze", "squeeze", "t", "transpose", "swapaxes", "swapdims"):
    setattr(Tensor, f"{_name}_", _turned(_name))
Tensor.detach_ = detach_  # type: ignore[attr-defined]
