"""Ops that treat every element alike: value and derivative side by side.

Operands broadcast; the engine, not the rule, sums a cotangent back to its operand's
shape. Read a row as mathematics: `y = fn(a, b)`, then one line per argument for the slope
dy/da, which `g`, the cotangent of `y`, is to be multiplied by; or, where a product is not
what is wanted, for the argument's own cotangent, given `g`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import device as place
from minigrad.backend import moved, on_device
from minigrad.ops import shapes
from minigrad.ops.kinds import draw, into, row
from minigrad.ops.op import Op, Rule

ONE, TWO = ((3, 4),), ((3, 4), (4,))
positive = draw(*TWO, low=0.5)


def elementwise(
    name: str, fn: Callable[..., Any], *vjp: Rule | None, c: str = "", **own: Any
) -> Op:
    """A row of this page; where nothing else is said, `c` says what it computes."""
    usual = {"doc": c, "sample": draw(*(ONE if len(vjp) == 1 else TWO))}
    infer = shapes.elementwise
    return Op(name, fn, vjp, infer=infer, kind="elementwise", c=c, **{**usual, **own})


def function(
    name: str, fn: Any, rule: Rule, doc: str, low: float = -2.0, c: str = ""
) -> Op:
    """A row for a function of one float, sampled from `low` to `-low`, or upwards."""
    sample = draw(*ONE, low=low, high=2.0 if low > 0 else -low)
    c = c or f"{name}(a)"
    return elementwise(name, fn, rule, doc=doc, c=c, dtype="float", sample=sample)


number = functools.partial(elementwise, dtype="number")  # not of bools


def zero(g: Any) -> Any:
    """The derivative of a step function."""
    return fill(g, value=0)


# --- arithmetic ------------------------------------------------------------------------

add = elementwise("add", np.add, lambda g: g, lambda g: g, c="a + b")
sub = number("sub", np.subtract, lambda g: g, lambda g: -g, c="a - b")
mul = elementwise("mul", np.multiply, lambda b: b, lambda a: a, c="a * b")
div = elementwise(
    "div",
    np.true_divide,
    lambda g, b: g / b,
    # A graph may merge the sign with a factor of g.
    lambda g, a, b: -g * ((a / b) / b),
    c="a / b",
    dtype="float",
    sample=positive,
)
pow = number(
    "pow",
    np.power,
    # Where the answer is 0, the other branch is kept finite: it is differentiated too.
    lambda g, a, b: where(b == 0, 0, g * (b * a ** where(b == 0, 1, b - 1))),
    lambda g, y, a, b: where(
        (a == 0) & (b >= 0), 0, g * (y * log(where((a == 0) & (b >= 0), 1, a)))
    ),
    doc="a ** b",
    c="pow(a, b)",
    sample=positive,
)
neg = number("neg", np.negative, lambda g: -g, c="-a")
square = number("square", np.square, lambda a: a * 2, c="a * a")
abs = number("abs", np.absolute, lambda a: sign(a), doc="|a|", c="abs(a)")


@row(number, zero, c="(a > 0) - (a < 0)")
def sign(a: Any, out: Any = None) -> Any:
    """-1, 0 or 1; 0 for nan."""
    return np.subtract(a > 0, a < 0, out=out, dtype=a.dtype, casting="unsafe")


def _whole_division(fn: Callable[..., Any]) -> Callable:
    def divide(a: Any, b: Any, out: Any = None) -> Any:
        if a.dtype.kind != "f" and not np.all(b):
            raise ValueError("an integer is divided by 0")
        return fn(a, b, out=out)

    return divide


floor_divide = number(
    "floor_divide",
    _whole_division(np.floor_divide),
    zero,
    zero,
    doc="a / b rounded down",
    c="floor_divide(a, b)",
    sample=positive,
)
remainder = number(
    "remainder",
    _whole_division(np.remainder),
    lambda g: g,
    lambda g, a, b: -g * floor_divide(a, b),
    doc="what floor_divide leaves over; it has the sign of b",
    c="remainder(a, b)",
    sample=positive,
)

# --- exponentials and their inverses ----------------------------------------------------


@row(function, lambda y: y * (1 - y), c="1 / (1 + exp(-a))")
def sigmoid(a: Any, out: Any = None) -> Any:
    """1 / (1 + e ** -a)."""
    # Where exp overflows, the result is 0. By tanh, small results would lose their digits.
    one = a.dtype.type(1)
    y = np.exp(np.negative(a, out=out), out=out)
    return np.divide(one, np.add(y, one, out=out), out=out)


LN2, LN10 = math.log(2), math.log(10)
ERF_SLOPE = 2 / math.sqrt(math.pi)

exp = function("exp", np.exp, lambda y: y, "e ** a")
exp2 = function("exp2", np.exp2, lambda y: y * LN2, "2 ** a")
expm1 = function("expm1", np.expm1, lambda y: y + 1, "e ** a - 1, near 0 too")
log = function("log", np.log, lambda g, a: g / a, "the natural logarithm", 0.5)
log2 = function("log2", np.log2, lambda g, a: g / (a * LN2), "log to base 2", 0.5)
log10 = function("log10", np.log10, lambda g, a: g / (a * LN10), "log to base 10", 0.5)
log1p = function(
    "log1p", np.log1p, lambda g, a: g / (a + 1), "log(1 + a), near 0 too", -0.9
)
sqrt = function("sqrt", np.sqrt, lambda g, y: g / (y * 2), "the square root", 0.5)
sin = function("sin", np.sin, lambda a: cos(a), "the sine")
cos = function("cos", np.cos, lambda g, a: -g * sin(a), "the cosine")
tan = function("tan", np.tan, lambda y: 1 + y * y, "the tangent", -1.4)
asin = function(
    "asin", np.arcsin, lambda g, a: g / sqrt(1 - a * a), "the arc sine", -0.9
)
acos = function(
    "acos", np.arccos, lambda g, a: -g / sqrt(1 - a * a), "the arc cosine", -0.9
)
atan = function("atan", np.arctan, lambda g, a: g / (1 + a * a), "the arc tangent")
sinh = function("sinh", np.sinh, lambda a: cosh(a), "the hyperbolic sine")
cosh = function("cosh", np.cosh, lambda a: sinh(a), "the hyperbolic cosine")
tanh = function("tanh", np.tanh, lambda y: 1 - y * y, "the hyperbolic tangent")


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    return functools.reduce(lambda y, c: y * x + c, coefficients)  # Horner's scheme


# W. J. Cody, Rational Chebyshev approximations for the error function, 1969: within 5 ulp
# in float64. From |a| = 6 on the result is 1; up to there the middle one of his three
# formulas is good enough for erf, and it saves the third.
# fmt: off
_ERF_P = (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2,
          3.77485237685302021e2, 3.20937758913846947e3)
_ERF_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
          2.84423683343917062e3)
_ERFC_P = (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594,
           6.61191906371416295e1, 2.98635138197400131e2, 8.81952221241769090e2,
           1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3)
_ERFC_Q = (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
           1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3,
           3.43936767414372164e3, 1.23033935480374942e3)
# fmt: on


@row(function, lambda a: ERF_SLOPE * exp(-(a * a)))
def erf(a: Any, out: Any = None) -> Any:
    """The error function."""
    x = np.minimum(np.absolute(a, dtype=np.float64), 6.0)
    near = np.minimum(x, 0.46875)
    square = near * near
    y = near * _polynomial(_ERF_P, square) / _polynomial(_ERF_Q, square)
    far = 1 - np.exp(-x * x) * _polynomial(_ERFC_P, x) / _polynomial(_ERFC_Q, x)
    y = np.copysign(np.where(x > 0.46875, far, y), a)
    return into(y.astype(a.dtype), out)


def _per_square(x: Any, a: Any, b: Any) -> Any:
    """x / (a*a + b*b), and 0 at the origin."""
    square = a * a + b * b
    return where(square == 0, 0, x / where(square == 0, 1, square))


atan2 = elementwise(
    "atan2",
    np.arctan2,
    lambda a, b: _per_square(b, a, b),
    lambda g, a, b: -g * _per_square(a, a, b),
    doc="the angle of the point (b, a)",
    c="atan2(a, b)",
    dtype="float",
)

# --- kinks: the subgradients are PyTorch's ----------------------------------------------


@row(number, lambda y: y > 0, c="a <= 0 ? 0 : a")
def relu(a: Any, out: Any = None) -> Any:
    """The larger of a and 0."""
    return np.maximum(a, a.dtype.type(0), out=out)


@row(
    elementwise,
    lambda a, min: a >= min,
    c="a < min ? min : a",
    sample=draw(*ONE, min=[-0.5]),
)
def clamp_min(a: Any, min: Any, out: Any = None) -> Any:
    """Where a >= min a, else min."""
    return np.maximum(a, a.dtype.type(min), out=out)


@row(
    elementwise,
    lambda a, max: a <= max,
    c="a > max ? max : a",
    sample=draw(*ONE, max=[0.5]),
)
def clamp_max(a: Any, max: Any, out: Any = None) -> Any:
    """Where a <= max a, else max."""
    return np.minimum(a, a.dtype.type(max), out=out)


def _of_larger(g: Any, a: Any, b: Any) -> Any:
    return where(a == b, g / 2, g * (a > b))


def _of_smaller(g: Any, a: Any, b: Any) -> Any:
    return where(a == b, g / 2, g * (a < b))


def _extreme(name: str, fn: Any, rules: tuple, word: str, sign: str) -> Op:
    doc = f"the {word} of a and b; a tie shares the gradient"
    return elementwise(name, fn, *rules, doc=doc, c=f"a {sign} b || a != a ? a : b")


maximum = _extreme("maximum", np.maximum, (_of_larger, _of_smaller), "larger", ">=")
minimum = _extreme("minimum", np.minimum, (_of_smaller, _of_larger), "smaller", "<=")


def _step(name: str, fn: Callable[..., Any], doc: str) -> Op:
    def step(a: Any, out: Any = None) -> Any:  # before 2.1 NumPy makes integers floats
        return fn(a, out=out) if a.dtype.kind == "f" else np.positive(a, out=out)

    return number(name, step, zero, doc=doc, c=f"{name}(a)")


floor = _step("floor", np.floor, "the next whole number below")
ceil = _step("ceil", np.ceil, "the next whole number above")
round = _step("round", np.rint, "the nearest whole number; of two, the even one")
trunc = _step("trunc", np.trunc, "the next whole number towards 0")

# --- comparisons and logic --------------------------------------------------------------


def _comparison(name: str, fn: Callable[..., Any], sign: str) -> Op:
    return elementwise(name, fn, None, None, c=f"a {sign} b", dtype="bool")


eq = _comparison("eq", np.equal, "==")
ne = _comparison("ne", np.not_equal, "!=")
lt = _comparison("lt", np.less, "<")
le = _comparison("le", np.less_equal, "<=")
gt = _comparison("gt", np.greater, ">")
ge = _comparison("ge", np.greater_equal, ">=")


def _bitwise(name: str, fn: Callable[..., Any], c: str, count: int = 2) -> Op:
    def flags(rng: np.random.Generator) -> list:
        return [(list(rng.uniform(-1, 1, (count, 3, 4)) > 0), {})]

    rules = (None,) * count
    return elementwise(name, fn, *rules, c=c, dtype="integral", sample=flags)


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, "a & b")
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, "a | b")
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, "a ^ b")
bitwise_not = _bitwise("bitwise_not", np.invert, "~a", count=1)

# --- choosing, casting, overwriting -----------------------------------------------------


@row(
    elementwise,
    None,
    lambda g, a: where(a, g, 0),
    lambda g, a: where(a, 0, g),
    c="a ? b : c",
    sample=lambda rng: [([rng.uniform(size=(3, 1)) > 0.5, *draw(*TWO)(rng)[0][0]], {})],
)
def where(a: Any, b: Any, c: Any, out: Any = None) -> Any:
    """Where a is true b, else c."""
    y = np.where(a, b, c)
    return into(y[()] if isinstance(a, np.generic) else y, out)  # a number stays one


@row(
    elementwise,
    lambda g: g,  # the engine gives every cotangent the dtype of its value
    c="a",
    dtype="given",
    sample=draw(*ONE, dtype=[np.dtype("float64")]),
)
def cast(a: Any, dtype: np.dtype, out: Any = None) -> Any:
    """The same numbers in another dtype."""
    if out is None:
        return a.astype(dtype, order="C")
    np.copyto(out, a, casting="unsafe")
    return out


@row(
    elementwise,
    lambda g, device, back: transfer(g, device=back, back=device, waits=True),
    c="a",
    dtype="first",
    sample=draw(*ONE, device=["cpu"], back=["cpu"], waits=[True]),
)
def transfer(a: Any, device: str, back: str, waits: bool, out: Any = None) -> Any:
    """What a holds, on another device; a program computes it where it runs."""
    y = moved(a, place(device), waits)
    return into(y.copy() if y is a and out is None else y, out)


@row(elementwise, zero, lambda g: g, c="b", dtype="first")
def copy(a: Any, b: Any, out: Any = None) -> Any:
    """What `a.copy_(b)` leaves in a: b in the shape and dtype of a."""
    if np.ndim(b) > a.ndim:
        raise ValueError("the new value has more dims")
    out = np.empty_like(a, order="C") if out is None else out
    if on_device(out) and on_device(b) and np.may_share_memory(out, b):
        b = b.copy()  # a device copies all elements at once
    np.copyto(out, b, casting="unsafe")
    return out


@row(elementwise, zero, c="value", dtype="first", sample=draw(*ONE, value=[1.5]))
def fill(a: Any, value: Any, out: Any = None) -> Any:
    """A constant in the shape and dtype of a."""
    out = np.empty_like(a, order="C") if out is None else out
    out[...] = value
    return out
