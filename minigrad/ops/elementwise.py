"""Ops that treat every element alike: value and derivative side by side.

Operands broadcast; the engine, not the rule, sums a cotangent back to its operand's
shape. Read a row as mathematics: `y = fn(a, b)`, then one line per argument for what
its cotangent is, given `g`, the cotangent of `y`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.ops import shapes
from minigrad.ops.op import Op, Rule


def normal(*sizes: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> Callable:
    """A sample maker: one float64 array per shape, uniform between `low` and `high`."""

    def sample(rng: np.random.Generator) -> list:
        return [([rng.uniform(low, high, size) for size in sizes], {})]

    return sample


ONE = ((3, 4),)
TWO = ((3, 4), (4,))


def elementwise(
    name: str,
    fn: Callable[..., Any],
    *vjp: Rule | None,
    doc: str,
    dtype: str = "same",
    sample: Callable[..., Any] | None = None,
) -> Op:
    default = normal(*(ONE if len(vjp) == 1 else TWO))
    return Op(
        name,
        fn,
        vjp,
        infer=shapes.elementwise,
        kind="elementwise",
        doc=doc,
        dtype=dtype,
        sample=sample or default,
    )


def zero(g: Any) -> Any:
    """The derivative of a step function."""
    return fill(g, value=0)


def positive(*sizes: tuple[int, ...]) -> Callable:
    return normal(*sizes, low=0.5, high=2.0)


# --- arithmetic ------------------------------------------------------------------------

add = elementwise("add", np.add, lambda g: g, lambda g: g, doc="a + b")
sub = elementwise(
    "sub", np.subtract, lambda g: g, lambda g: -g, doc="a - b", dtype="number"
)
mul = elementwise(
    "mul", np.multiply, lambda g, b: g * b, lambda g, a: g * a, doc="a * b"
)
div = elementwise(
    "div",
    np.true_divide,
    lambda g, b: g / b,
    lambda g, a, b: -g * ((a / b) / b),
    doc="a / b; integers give floats",
    dtype="float",
    sample=positive(*TWO),
)
pow = elementwise(
    "pow",
    np.power,
    # Where the answer is 0, the other branch is kept finite: it is differentiated too.
    lambda g, a, b: where(b == 0, 0, g * (b * a ** where(b == 0, 1, b - 1))),
    lambda g, y, a, b: where(
        (a == 0) & (b >= 0), 0, g * (y * log(where((a == 0) & (b >= 0), 1, a)))
    ),
    doc="a ** b",
    dtype="number",
    sample=positive(*TWO),
)
neg = elementwise("neg", np.negative, lambda g: -g, doc="-a", dtype="number")
square = elementwise(
    "square", np.square, lambda g, a: g * (a * 2), doc="a * a", dtype="number"
)
abs = elementwise("abs", np.absolute, lambda g, a: g * sign(a), doc="|a|")
sign = elementwise("sign", np.sign, zero, doc="-1, 0 or 1", dtype="number")

# --- exponentials and their inverses ----------------------------------------------------


def _sigmoid(a: Any, out: Any = None) -> Any:
    # tanh saturates without overflow, so no branch on the sign is needed.
    half = a.dtype.type(0.5)
    y = np.tanh(np.multiply(a, half, out=out), out=out)
    return np.add(np.multiply(y, half, out=out), half, out=out)


exp = elementwise("exp", np.exp, lambda g, y: g * y, doc="e ** a", dtype="float")
log = elementwise(
    "log",
    np.log,
    lambda g, a: g / a,
    doc="the natural logarithm",
    dtype="float",
    sample=positive(*ONE),
)
sqrt = elementwise(
    "sqrt",
    np.sqrt,
    lambda g, y: g / (y * 2),
    doc="the square root",
    dtype="float",
    sample=positive(*ONE),
)
tanh = elementwise(
    "tanh",
    np.tanh,
    lambda g, y: g * (1 - y * y),
    doc="the hyperbolic tangent",
    dtype="float",
)
sigmoid = elementwise(
    "sigmoid",
    _sigmoid,
    lambda g, y: g * (y * (1 - y)),
    doc="1 / (1 + e ** -a)",
    dtype="float",
)
sin = elementwise("sin", np.sin, lambda g, a: g * cos(a), doc="the sine", dtype="float")
cos = elementwise(
    "cos", np.cos, lambda g, a: -g * sin(a), doc="the cosine", dtype="float"
)

# --- kinks: the subgradients are PyTorch's ----------------------------------------------


def _relu(a: Any, out: Any = None) -> Any:
    return np.maximum(a, a.dtype.type(0), out=out)


def _clamp_min(a: Any, min: Any, out: Any = None) -> Any:
    return np.maximum(a, a.dtype.type(min), out=out)


def _clamp_max(a: Any, max: Any, out: Any = None) -> Any:
    return np.minimum(a, a.dtype.type(max), out=out)


def _bounded(**bound: float) -> Callable:
    return lambda rng: [([rng.uniform(-2, 2, (3, 4))], bound)]


relu = elementwise("relu", _relu, lambda g, y: g * (y > 0), doc="max(a, 0)")
clamp_min = elementwise(
    "clamp_min",
    _clamp_min,
    lambda g, a, min: g * (a >= min),
    doc="a where a >= min, else min",
    sample=_bounded(min=-0.5),
)
clamp_max = elementwise(
    "clamp_max",
    _clamp_max,
    lambda g, a, max: g * (a <= max),
    doc="a where a <= max, else max",
    sample=_bounded(max=0.5),
)
maximum = elementwise(
    "maximum",
    np.maximum,
    lambda g, a, b: where(a == b, g / 2, g * (a > b)),
    lambda g, a, b: where(a == b, g / 2, g * (b > a)),
    doc="the larger of a and b; a tie shares the gradient",
)
minimum = elementwise(
    "minimum",
    np.minimum,
    lambda g, a, b: where(a == b, g / 2, g * (a < b)),
    lambda g, a, b: where(a == b, g / 2, g * (b < a)),
    doc="the smaller of a and b; a tie shares the gradient",
)

# --- comparisons and logic --------------------------------------------------------------


def _comparison(name: str, fn: Callable[..., Any], sign: str) -> Op:
    return elementwise(name, fn, None, None, doc=f"a {sign} b", dtype="bool")


eq = _comparison("eq", np.equal, "==")
ne = _comparison("ne", np.not_equal, "!=")
lt = _comparison("lt", np.less, "<")
le = _comparison("le", np.less_equal, "<=")
gt = _comparison("gt", np.greater, ">")
ge = _comparison("ge", np.greater_equal, ">=")


def _flags(count: int) -> Callable:
    return lambda rng: [([rng.uniform(-1, 1, (3, 4)) > 0 for _ in range(count)], {})]


bitwise_and = elementwise(
    "bitwise_and",
    np.bitwise_and,
    None,
    None,
    doc="a & b",
    dtype="integral",
    sample=_flags(2),
)
bitwise_or = elementwise(
    "bitwise_or",
    np.bitwise_or,
    None,
    None,
    doc="a | b",
    dtype="integral",
    sample=_flags(2),
)
bitwise_not = elementwise(
    "bitwise_not",
    np.invert,
    None,
    doc="~a",
    dtype="integral",
    sample=_flags(1),
)

# --- choosing, casting, overwriting -----------------------------------------------------


def _where(a: Any, b: Any, c: Any, out: Any = None) -> Any:
    y = np.where(a, b, c)
    if out is None:
        return y
    np.copyto(out, y)
    return out


def _cast(a: Any, dtype: np.dtype, out: Any = None) -> Any:
    if out is None:
        return a.astype(dtype, order="C")
    np.copyto(out, a, casting="unsafe")
    return out


def _copy(a: Any, b: Any, out: Any = None) -> Any:
    if np.ndim(b) > a.ndim:
        raise ValueError("the new value has more dims")
    out = np.empty(a.shape, a.dtype) if out is None else out
    np.copyto(out, b, casting="unsafe")
    return out


def _fill(a: Any, value: Any, out: Any = None) -> Any:
    out = np.empty(a.shape, a.dtype) if out is None else out
    out[...] = value
    return out


where = elementwise(
    "where",
    _where,
    None,
    lambda g, a: where(a, g, 0),
    lambda g, a: where(a, 0, g),
    doc="b where a is true, else c",
    sample=lambda rng: [
        (
            [
                rng.uniform(-1, 1, (3, 1)) > 0,
                rng.normal(size=(3, 4)),
                rng.normal(size=4),
            ],
            {},
        )
    ],
)
cast = elementwise(
    "cast",
    _cast,
    lambda g: g,  # the engine gives every cotangent the dtype of its value
    doc="a in another dtype",
    dtype="given",
    sample=lambda rng: [([rng.normal(size=(3, 4))], {"dtype": np.dtype("float64")})],
)
copy = elementwise(
    "copy",
    _copy,
    zero,
    lambda g: g,
    doc="b in the shape and dtype of a: what `a.copy_(b)` leaves in a",
    dtype="first",
)
fill = elementwise(
    "fill",
    _fill,
    zero,
    doc="a constant in the shape and dtype of a",
    dtype="first",
    sample=lambda rng: [([rng.normal(size=(3, 4))], {"value": 1.5})],
)
