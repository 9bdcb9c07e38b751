"""Operations as functions, as in `mg.exp(x)`, beside the methods of Tensor and Node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigrad.errors import DTypeError, ShapeError
from minigrad.methods import Methods
from minigrad.ops import composite, elementwise, movement, shapes
from minigrad.ops.op import Value


def _function(name: str) -> Callable[..., Any]:
    method = getattr(Methods, name)

    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(_value(input, name), name)(*args, **kwargs)

    function.__name__ = name
    function.__doc__ = f"`input.{name}(...)`: {method.__doc__}"
    return function


def _value(input: Any, name: str) -> Any:
    if isinstance(input, Value):
        return input
    raise DTypeError(
        f"{name}: wants a tensor or a node",
        expected="a Tensor or Node",
        got=type(input).__name__,
        remedy=f"mg.tensor(x).{name}(...)",
    )


abs, neg, sign, square, sqrt = map(_function, ("abs", "neg", "sign", "square", "sqrt"))
exp, log, sin, cos, tanh = map(_function, ("exp", "log", "sin", "cos", "tanh"))
sigmoid, relu, clamp, pow = map(_function, ("sigmoid", "relu", "clamp", "pow"))
add, sub, mul, div = map(_function, ("add", "sub", "mul", "div"))
maximum, minimum = map(_function, ("maximum", "minimum"))
sum, mean, amax, amin = map(_function, ("sum", "mean", "amax", "amin"))
max, min, argmax, argmin = map(_function, ("max", "min", "argmax", "argmin"))
all, any, logsumexp = map(_function, ("all", "any", "logsumexp"))
softmax, log_softmax = map(_function, ("softmax", "log_softmax"))
reshape, flatten, permute, transpose = map(
    _function, ("reshape", "flatten", "permute", "transpose")
)
squeeze, unsqueeze, gather = map(_function, ("squeeze", "unsqueeze", "gather"))
matmul, mm, bmm, mv, dot = map(_function, ("matmul", "mm", "bmm", "mv", "dot"))


def where(condition: Any, input: Any, other: Any) -> Any:
    """`input` where `condition` is true, else `other`."""
    return elementwise.where(condition, input, other)


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors joined along an existing dim."""
    if not tensors:
        raise ShapeError("cat: nothing to join", expected="at least one tensor")
    axis = shapes.normalize_axis("cat", dim, tensors[0].ndim)
    return movement.cat(*tensors, axis=axis)


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Tensors of one shape joined along a new dim."""
    return composite.stack(tensors, dim)
