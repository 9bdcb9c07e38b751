"""Parameter: the Tensor that a Module counts among its weights."""

from __future__ import annotations

from typing import Any

from minigrad.creation import empty
from minigrad.eager.tensor import Tensor
from minigrad.ops.op import mode


class Parameter(Tensor):
    """A leaf that requires a gradient and shows the memory of `data`.

    Assigned to an attribute of a Module it becomes one of its parameters.

        >>> import minigrad as mg
        >>> mg.nn.Parameter(mg.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Any:
        t: Any = (empty(0) if data is None else data).detach()
        t.__class__ = cls  # the slots are the same
        return t.requires_grad_(requires_grad)

    def __copy__(self) -> Any:
        """Another Parameter on the same memory."""
        return type(self)(self, self.requires_grad)

    def __deepcopy__(self, memo: dict) -> Any:
        """A Parameter in memory of its own, without the gradient."""
        with mode(grad=False):
            copied = type(self)(self.clone(), self.requires_grad)
        return memo.setdefault(id(self), copied)

    def __reduce_ex__(self, protocol: Any) -> tuple:
        """Content, and whether a gradient is required, for another process."""
        return type(self), (self.detach(), self.requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"
