"""Ops that fold axes away. `axis` is a tuple of axes, `keepdims` keeps them as size 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import Array, get_default_dtype, int64, module_of, on_device
from minigrad.ops import shapes
from minigrad.ops.elementwise import cast, exp, into
from minigrad.ops.movement import broadcast_to
from minigrad.ops.op import Op, Rule
from minigrad.ops.shapes import kept


def _samples(*axes: tuple[int, ...]) -> Callable:
    def sample(rng: np.random.Generator) -> list:
        return [
            ([rng.normal(size=(3, 2, 4))], {"axis": axis, "keepdims": keep})
            for axis in axes
            for keep in (False, True)
        ]

    return sample


def reduction(
    name: str,
    fn: Callable[..., Any],
    vjp: Rule | None,
    *,
    doc: str,
    dtype: str = "same",
    axes: tuple[tuple[int, ...], ...] = ((0, 1, 2), (1,), (0, 2)),
) -> Op:
    return Op(
        name,
        fn,
        (vjp,),
        infer=shapes.reduction,
        kind="reduce",
        doc=doc,
        dtype=dtype,
        sample=_samples(*axes),
    )


def spread(g: Any, sa: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """Put the reduced axes of `g` back as size 1, so that it broadcasts against `a`."""
    return g.reshape(kept(sa, axis)) if g.shape else g


def _sum(a: Any, axis: Any, keepdims: bool, out: Any = None) -> Any:
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


_amax, _amin = _fold(np.maximum, "max"), _fold(np.minimum, "min")


def _logsumexp(a: Any, axis: Any, keepdims: bool, out: Any = None) -> Any:
    if a.dtype.kind != "f":
        a = a.astype(get_default_dtype())
    if a.size:
        top = _amax(a, axis, keepdims=True)
    else:
        top = module_of(a).zeros(kept(a.shape, axis), a.dtype)
    top = np.where(np.isfinite(top), top, a.dtype.type(0))  # -inf - -inf is nan
    y = np.log(_sum(np.exp(a - top), axis, keepdims))
    return np.add(y, top if keepdims else top.reshape(y.shape), out=out)


def _position(name: str, fn: Callable[..., Any], doc: str) -> Op:
    def index(a: Any, axis: Any, keepdims: bool, out: Any = None) -> Any:
        whole = len(axis) == a.ndim
        return into(fn(a, axis=None if whole else axis[0], keepdims=keepdims), out)

    axes = ((0, 1, 2), (1,))
    return reduction(name, index, None, doc=doc, dtype="index", axes=axes)


def _shared(g: Any, y: Any, a: Any, axis: tuple[int, ...]) -> Any:
    """amax and amin: elements that tie share the gradient evenly."""
    best = cast(a == spread(y, a.shape, axis), dtype=g.dtype)
    return spread(g, a.shape, axis) * best / best.sum(axis=axis, keepdims=True)


sum = reduction(
    "sum",
    _sum,
    lambda g, sa, axis: broadcast_to(spread(g, sa, axis), shape=sa),
    doc="the sum",
    dtype="sum",
)
amax = reduction("amax", _amax, _shared, doc="the largest; ties share g")
amin = reduction("amin", _amin, _shared, doc="the smallest; ties share g")
logsumexp = reduction(
    "logsumexp",
    _logsumexp,
    lambda g, y, a, axis: spread(g, a.shape, axis) * exp(a - spread(y, a.shape, axis)),
    doc="log(sum(exp(a))) without overflow",
    dtype="float",
)
argmax = _position("argmax", np.argmax, "where the largest is (the first one)")
argmin = _position("argmin", np.argmin, "where the smallest is (the first one)")
all = reduction(
    "all", _fold(np.logical_and, "all"), None, doc="every one true", dtype="bool"
)
any = reduction(
    "any", _fold(np.logical_or, "any"), None, doc="at least one true", dtype="bool"
)


def _cumsum(a: Any, axis: int, out: Any = None) -> Any:
    return np.add.accumulate(a, axis, shapes.sum_dtype(a.dtype), out)


def backwards(axis: int) -> tuple:
    """The key that turns `axis` around."""
    return (np.s_[:],) * axis + (np.s_[::-1],)


cumsum = Op(
    "cumsum",
    _cumsum,
    (lambda g, axis: cumsum(g[backwards(axis)], axis=axis)[backwards(axis)],),
    infer=lambda op, args, attrs: (args[0].shape, shapes.sum_dtype(args[0].dtype)),
    kind="reduce",
    doc="the sums of all elements up to each",
    dtype="sum",
    sample=lambda rng: [([rng.normal(size=(3, 4))], {"axis": i}) for i in (0, 1)],
)
