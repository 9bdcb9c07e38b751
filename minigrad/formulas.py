"""Elementwise functions that are formulas over the table's ops: PyTorch's spelling.

None holds a derivative, because its parts do. Each one whose first parameter is `a` is
also a method of Tensor and Node, and with an underscore an in-place twin.
"""

from __future__ import annotations

import math
from typing import Any

from minigrad.errors import ArgumentError, DTypeError
from minigrad.ops import elementwise as table
from minigrad.ops import shapes
from minigrad.ops.shapes import floats

# --- arithmetic with options -----------------------------------------------------------


def add(a: Any, other: Any, *, alpha: Any = 1) -> Any:
    """a + alpha * other."""
    return a + _times("add", alpha, a, other)


def sub(a: Any, other: Any, *, alpha: Any = 1) -> Any:
    """a - alpha * other."""
    return a - _times("sub", alpha, a, other)


def _times(name: str, factor: Any, *operands: Any) -> Any:
    """The last operand times a factor that may not make integers floats."""
    if type(factor) is int and factor == 1:
        return operands[-1]
    if isinstance(factor, float) and shapes.result_dtype(operands).kind != "f":
        raise DTypeError(
            f"{name}: the factor of integers must be an integer",
            got=repr(factor),
            remedy="x.float() first",
        )
    return operands[-1] * factor


def div(a: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """a / other; rounded down ("floor") or towards 0 ("trunc") if asked for."""
    if rounding_mode is None:
        return a / other
    if rounding_mode == "floor":
        return table.floor_divide(a, other)
    if rounding_mode != "trunc":
        raise ArgumentError(
            "div: there is no such rounding mode",
            expected="None, 'trunc' or 'floor'",
            got=repr(rounding_mode),
        )
    if shapes.result_dtype((a, other)).kind == "f":
        return table.trunc(a / other)
    y = table.floor_divide(a, other)
    return y + ((y < 0) & (y * other != a))


true_divide = div


def reciprocal(a: Any) -> Any:
    """1 / a."""
    return 1 / a


def rsqrt(a: Any) -> Any:
    """1 / sqrt(a)."""
    return 1 / table.sqrt(a)


def lerp(a: Any, end: Any, weight: Any) -> Any:
    """From `a` (weight 0) to `end` (weight 1) on a straight line."""
    way = end - floats("lerp", a, end)
    if shapes.is_number(weight):
        return a + weight * way if weight < 0.5 else end - way * (1 - weight)
    return table.where(weight < 0.5, a + weight * way, end - way * (1 - weight))


def addcmul(a: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """a + value * tensor1 * tensor2."""
    return a + _times("addcmul", value, a, tensor1 * tensor2)


def addcdiv(a: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """a + value * tensor1 / tensor2, of floats."""
    return floats("addcdiv", a) + value * (tensor1 / tensor2)


# --- limits and parts --------------------------------------------------------------------


def clamp(a: Any, min: Any = None, max: Any = None) -> Any:
    """`a` limited to the range from `min` to `max`; at a bound the gradient is 1."""
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of min and max must be given")
    if min is not None:
        plain = _is_plain_bound(a, min)
        a = table.clamp_min(a, min=min) if plain else table.where(a < min, min, a)
    if max is not None:
        plain = _is_plain_bound(a, max)
        a = table.clamp_max(a, max=max) if plain else table.where(a > max, max, a)
    return a


def _is_plain_bound(a: Any, bound: Any) -> bool:
    """A number that does not change the dtype, as 0.5 would that of integers."""
    if type(bound) is int:
        return a.dtype.kind in "fiu"
    return a.dtype.kind == "f" and shapes.is_number(bound)


def clamp_min(a: Any, min: Any) -> Any:
    """`a` where it is above `min`, else `min`."""
    return clamp(a, min=min)


def clamp_max(a: Any, max: Any) -> Any:
    """`a` where it is below `max`, else `max`."""
    return clamp(a, max=max)


def round(a: Any, *, decimals: int = 0) -> Any:
    """The nearest number with so many decimals; of two, the even one."""
    if decimals == 0:
        return table.round(a)
    scale = 10.0 ** (decimals if decimals > 0 else -decimals)
    if decimals < 0:
        return table.round(floats("round", a) / scale) * scale
    return table.round(floats("round", a) * scale) / scale


def frac(a: Any) -> Any:
    """What trunc takes away."""
    return floats("frac", a) - table.trunc(a)


# --- questions ---------------------------------------------------------------------------


def isnan(a: Any) -> Any:
    """True for not-a-number."""
    return a != a


def isinf(a: Any) -> Any:
    """True for inf and -inf."""
    return (a == math.inf) | (a == -math.inf)


def isfinite(a: Any) -> Any:
    """True for neither nan nor infinite."""
    return (a > -math.inf) & (a < math.inf)


def logical_not(a: Any) -> Any:
    """True for zero."""
    return a == 0


def logical_and(a: Any, other: Any) -> Any:
    """True where neither is zero."""
    return (a != 0) & (other != 0)


def logical_or(a: Any, other: Any) -> Any:
    """True where one is not zero."""
    return (a != 0) | (other != 0)


def logical_xor(a: Any, other: Any) -> Any:
    """True where exactly one is not zero."""
    return (a != 0) != (other != 0)


def isclose(
    a: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """True where |a - other| <= atol + rtol * |other|."""
    shapes.demand_one_dtype("isclose", a, other)
    if rtol < 0 or atol < 0:
        raise ArgumentError("isclose: a tolerance is below 0", got=f"{rtol}, {atol}")
    same = a == other
    if equal_nan:
        same = same | ((a != a) & (other != other))
    if a.dtype.kind == "b":
        return same
    away = table.abs(a - other)
    near = away <= atol + table.abs(other * rtol)
    return same | (near & (away < math.inf))


# --- activations -------------------------------------------------------------------------


def leaky_relu(a: Any, negative_slope: float = 0.01) -> Any:
    """`a` where it is positive, else negative_slope * a."""
    return table.where(floats("leaky_relu", a) > 0, a, a * negative_slope)


def elu(a: Any, alpha: float = 1.0) -> Any:
    """`a` where it is positive, else alpha * (e ** a - 1)."""
    below = table.expm1(table.clamp_max(floats("elu", a), max=0)) * alpha
    return table.where(a > 0, a, below)


def selu(a: Any) -> Any:
    """elu, scaled so that activations keep mean 0 and variance 1 (Klambauer, 2017)."""
    return elu(a, 1.6732632423543772) * 1.0507009873554805


def gelu(a: Any, approximate: str = "none") -> Any:
    """a * P(Z <= a) for a standard normal Z; with "tanh" by a formula that is close."""
    if approximate not in ("none", "tanh"):
        raise ArgumentError("gelu: approximate must be 'none' or 'tanh'")
    if approximate == "none":
        return floats("gelu", a) * (table.erf(a * math.sqrt(0.5)) + 1) * 0.5
    inner = (floats("gelu", a) + a * a * a * 0.044715) * math.sqrt(2 / math.pi)
    return a * (table.tanh(inner) + 1) * 0.5


def silu(a: Any) -> Any:
    """a * sigmoid(a), also called swish."""
    return floats("silu", a) * table.sigmoid(a)


def softplus(a: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + e ** (beta * a)) / beta; beyond `threshold` it is `a` itself."""
    z = floats("softplus", a) * beta
    bounded = table.clamp_max(z, max=threshold)  # what is hidden stays finite
    return table.where(z > threshold, a, table.log1p(table.exp(bounded)) / beta)


def mish(a: Any) -> Any:
    """a * tanh(softplus(a))."""
    return floats("mish", a) * table.tanh(softplus(a))


def hardtanh(a: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """`a` limited to a range; at a bound the gradient is 0."""
    if min_val > max_val:
        raise ArgumentError("hardtanh: min_val is greater than max_val")
    if a.dtype.kind != "f":
        min_val, max_val = int(min_val), int(max_val)
    return table.where(a <= min_val, min_val, table.where(a >= max_val, max_val, a))
