"""Ops that fold axes away. `axis` is a tuple of axes, `keepdims` keeps them as size 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import Array, get_default_dtype, int64, module_of, on_device
from minigrad.ops import shapes
from minigrad.ops.elementwise import cast, exp
from minigrad.ops.kinds import draw, into, kind, row
from minigrad.ops.movement import broadcast_to
from minigrad.ops.op import Op
from minigrad.ops.shapes import kept

KEEP = [False, True] * 3
AXES = [(0, 1, 2), (0, 1, 2), (1,), (1,), (0, 2), (0, 2)]

reduction = kind(
    "reduce",
    infer=shapes.reduction,
    sample=draw((3, 2, 4), axis=AXES, keepdims=KEEP),
)


def spread(g: Any, sa: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """Put the reduced axes of `g` back as size 1, so that it broadcasts against `a`."""
    return g.reshape(kept(sa, axis)) if g.shape else g


@row(
    reduction,
    lambda g, sa, axis: broadcast_to(spread(g, sa, axis), shape=sa),
    dtype="sum",
)
def sum(a: Any, axis: Any, keepdims: bool, out: Any = None) -> Any:
    """The sum."""
    # Integers and bools add up in int64, as in PyTorch (NumPy would pick uint64).
    dtype = None if a.dtype.kind == "f" else int64
    if not axis and on_device(a):  # over no axes: CuPy's own answer is not relied on
        return into(a.astype(dtype or a.dtype), out)
    return np.add.reduce(a, axis, dtype, out, keepdims)


def _fold(ufunc: np.ufunc, name: str) -> Callable:
    """`ufunc.reduce`, which CuPy has as the method `name` of its arrays."""

    def fold(a: Any, axis: Any, keepdims: bool, out: Any = None) -> Any:
        if type(a) is Array:
            return ufunc.reduce(a, axis=axis, keepdims=keepdims, out=out)
        if not axis:
            return into(a.astype(bool if name in ("all", "any") else a.dtype), out)
        return getattr(a, name)(axis=axis, keepdims=keepdims, out=out)

    return fold


def _shared(g: Any, y: Any, a: Any, axis: tuple[int, ...]) -> Any:
    """amax and amin: elements that tie share the gradient evenly."""
    best = cast(a == spread(y, a.shape, axis), dtype=g.dtype)
    return spread(g, a.shape, axis) * best / best.sum(axis=axis, keepdims=True)


def _position(name: str, fn: Callable[..., Any], doc: str) -> Op:
    def index(a: Any, axis: Any, keepdims: bool, out: Any = None) -> Any:
        whole = len(axis) == a.ndim
        return into(fn(a, axis=None if whole else axis[0], keepdims=keepdims), out)

    sample = draw((3, 2, 4), axis=AXES[:4], keepdims=KEEP)
    return reduction(name, index, None, doc=doc, dtype="index", sample=sample)


amax = reduction(
    "amax", _fold(np.maximum, "max"), _shared, doc="the largest; ties share g"
)
amin = reduction(
    "amin", _fold(np.minimum, "min"), _shared, doc="the smallest; ties share g"
)
argmax = _position("argmax", np.argmax, "where the largest is (the first one)")
argmin = _position("argmin", np.argmin, "where the smallest is (the first one)")
all = reduction(
    "all", _fold(np.logical_and, "all"), None, doc="every one true", dtype="bool"
)
any = reduction(
    "any", _fold(np.logical_or, "any"), None, doc="at least one true", dtype="bool"
)


@row(
    reduction,
    lambda g, y, a, axis: spread(g, a.shape, axis) * exp(a - spread(y, a.shape, axis)),
    dtype="float",
)
def logsumexp(a: Any, axis: Any, keepdims: bool, out: Any = None) -> Any:
    """log(sum(exp(a))) without overflow."""
    a, top = _and_top(a, axis)
    y = np.log(sum.fn(np.exp(a - top), axis, keepdims))
    return np.add(y, top if keepdims else top.reshape(y.shape), out=out)


def _and_top(a: Any, axis: Any) -> tuple[Any, Any]:
    """Floats, and the largest of them along `axis`, or 0 where -inf - -inf would be nan."""
    if a.dtype.kind != "f":
        a = a.astype(get_default_dtype())
    if not a.size:
        return a, module_of(a).zeros(kept(a.shape, axis), a.dtype)
    top = amax.fn(a, axis, keepdims=True)
    return a, np.where(np.isfinite(top), top, a.dtype.type(0))


@row(
    reduction,
    lambda g, y, axis: g - exp(y) * g.sum(axis=axis, keepdims=True),
    infer=shapes.like_first,
    dtype="float",
    sample=draw((3, 2, 4), axis=[(0,), (2,)]),
)
def log_softmax(a: Any, axis: Any, out: Any = None) -> Any:
    """a - logsumexp(a), with the digits that a large logsumexp has no room for."""
    y = np.subtract(*_and_top(a, axis), out=out)
    total = sum.fn(np.exp(y), axis, True)
    return np.subtract(y, np.log(total), out=y if y.ndim else out)


def backwards(axis: int) -> tuple:
    """The key that turns `axis` around."""
    return (np.s_[:],) * axis + (np.s_[::-1],)


@row(
    reduction,
    lambda g, axis: cumsum(g[backwards(axis)], axis=axis)[backwards(axis)],
    infer=shapes.like_first,
    dtype="sum",
    sample=draw((3, 4), axis=[0, 1]),
)
def cumsum(a: Any, axis: int, out: Any = None) -> Any:
    """The sums of all elements up to each."""
    return np.add.accumulate(a, axis, shapes.sum_dtype(a.dtype), out)
