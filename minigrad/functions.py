"""Operations as functions, as in `mg.exp(x)`, beside the methods of Tensor and Node."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Sequence
from typing import Any

from minigrad.errors import DTypeError, ShapeError
from minigrad.methods import Methods
from minigrad.ops import composite, elementwise, movement, shapes
from minigrad.ops.op import Value


def _function(name: str) -> Callable[..., Any]:
    method = getattr(Methods, name)

    @functools.wraps(method)
    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(input, Value):
            return getattr(input, name)(*args, **kwargs)
        if builtins.any(
            isinstance(x, Value) for x in args
        ):  # a number first: pow(2, x)
            return method(input, *args, **kwargs)
        raise DTypeError(
            f"{name}: wants a tensor or a node",
            expected="a Tensor or Node",
            got=type(input).__name__,
            remedy=f"mg.tensor(x).{name}(...)",
        )

    return function


add, sub, mul, div = map(_function, ("add", "sub", "mul", "div"))
true_divide, floor_divide = map(_function, ("true_divide", "floor_divide"))
remainder, pow, atan2 = map(_function, ("remainder", "pow", "atan2"))
maximum, minimum = map(_function, ("maximum", "minimum"))
lerp, addcmul, addcdiv = map(_function, ("lerp", "addcmul", "addcdiv"))
abs, neg, sign, square, sqrt = map(_function, ("abs", "neg", "sign", "square", "sqrt"))
rsqrt, reciprocal = map(_function, ("rsqrt", "reciprocal"))
exp, exp2, expm1, log = map(_function, ("exp", "exp2", "expm1", "log"))
log2, log10, log1p, erf = map(_function, ("log2", "log10", "log1p", "erf"))
sin, cos, tan, asin = map(_function, ("sin", "cos", "tan", "asin"))
acos, atan, sinh, cosh = map(_function, ("acos", "atan", "sinh", "cosh"))
floor, ceil, round, trunc = map(_function, ("floor", "ceil", "round", "trunc"))
frac, clamp = map(_function, ("frac", "clamp"))
clamp_min, clamp_max = map(_function, ("clamp_min", "clamp_max"))
tanh, sigmoid, relu, elu = map(_function, ("tanh", "sigmoid", "relu", "elu"))
selu, gelu, silu, mish = map(_function, ("selu", "gelu", "silu", "mish"))
leaky_relu, hardtanh = map(_function, ("leaky_relu", "hardtanh"))
softplus = _function("softplus")
eq, ne, lt, le, gt, ge = map(_function, ("eq", "ne", "lt", "le", "gt", "ge"))
isnan, isinf, isfinite = map(_function, ("isnan", "isinf", "isfinite"))
logical_and, logical_or = map(_function, ("logical_and", "logical_or"))
logical_not, logical_xor = map(_function, ("logical_not", "logical_xor"))
bitwise_and, bitwise_or = map(_function, ("bitwise_and", "bitwise_or"))
bitwise_not, bitwise_xor = map(_function, ("bitwise_not", "bitwise_xor"))
isclose, allclose, equal = map(_function, ("isclose", "allclose", "equal"))
sum, mean, prod, var, std = map(_function, ("sum", "mean", "prod", "var", "std"))
norm, logsumexp = map(_function, ("norm", "logsumexp"))
amax, amin, max, min = map(_function, ("amax", "amin", "max", "min"))
argmax, argmin = map(_function, ("argmax", "argmin"))
all, any, count_nonzero = map(_function, ("all", "any", "count_nonzero"))
cumsum, cumprod = map(_function, ("cumsum", "cumprod"))
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
