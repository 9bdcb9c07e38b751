"""`Variable`, the older name of a Tensor that requires a gradient."""

from __future__ import annotations

from typing import Any

from minigrad.eager.tensor import Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, other: Any) -> bool:
        return isinstance(other, Tensor)


class Variable(metaclass=_VariableMeta):
    """The tensor itself, on the tape if `requires_grad`: since 2018 they are one.

    >>> import minigrad as mg
    >>> mg.autograd.Variable(mg.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False) -> Any:
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Variable: wants a tensor, not {type(data).__name__}; "
                "mg.tensor(data, requires_grad=True) makes one from numbers"
            )
        return data.detach().requires_grad_(requires_grad)
