"""Plain functions over ops: they hold no derivative, because their parts do.

Each takes arrays, Tensors or Nodes. Sizes are Python integers here; axes come from
users, so they are checked before they are used.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import ArgumentError, DTypeError, ShapeError
from minigrad.ops import shapes
from minigrad.ops.elementwise import clamp_max, clamp_min, exp, where
from minigrad.ops.indexing import ARRAY
from minigrad.ops.indexing import index as _index
from minigrad.ops.linalg import matmul as _matmul
from minigrad.ops.movement import permute
from minigrad.ops.reduce import argmax, argmin, logsumexp

Axis = int | tuple[int, ...] | None


class ValuesAndIndices(NamedTuple):
    """What `max(dim)`, `sort` and `topk` return, named as in PyTorch."""

    values: Any
    indices: Any


def mean(a: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """The arithmetic mean over `axis`."""
    if a.dtype.kind != "f":
        raise DTypeError(
            "mean: the mean of integers is not an integer",
            expected="a float dtype",
            got=shapes.describe_dtypes([a]),
            remedy="x.float().mean()",
        )
    count = math.prod(a.shape[i] for i in axis)
    return a.sum(axis=axis, keepdims=keepdims) / count


def softmax(a: Any, dim: int) -> Any:
    """exp(a) over its sum along `dim`; adds up to 1."""
    return exp(log_softmax(a, dim))


def log_softmax(a: Any, dim: int) -> Any:
    """log(softmax(a)) without overflow."""
    axis = (shapes.normalize_axis("softmax", dim, a.ndim),)
    return a - logsumexp(a, axis=axis, keepdims=True)


def clamp(a: Any, min: Any = None, max: Any = None) -> Any:
    """`a` limited to the range from `min` to `max`; at a bound the gradient is 1."""
    if min is None and max is None:
        raise ArgumentError("clamp: at least one of min and max must be given")
    if min is not None:
        plain = _is_plain_bound(a, min)
        a = clamp_min(a, min=min) if plain else where(a < min, min, a)
    if max is not None:
        plain = _is_plain_bound(a, max)
        a = clamp_max(a, max=max) if plain else where(a > max, max, a)
    return a


def _is_plain_bound(a: Any, bound: Any) -> bool:
    """A number that does not change the dtype, as 0.5 would that of integers."""
    keeps = a.dtype.kind == "f" or (a.dtype.kind in "iu" and type(bound) is int)
    return shapes.is_number(bound) and keeps


def mm(a: Any, b: Any) -> Any:
    """The product of two matrices; nothing else is accepted."""
    demand_ndim("mm", (a, b), (2, 2), "a (m, k) @ b (k, n)")
    return _matmul(a, b)


def bmm(a: Any, b: Any) -> Any:
    """A batch of matrix products."""
    demand_ndim("bmm", (a, b), (3, 3), "a (batch, m, k) @ b (batch, k, n)")
    return _matmul(a, b)


def mv(a: Any, b: Any) -> Any:
    """A matrix times a vector."""
    demand_ndim("mv", (a, b), (2, 1), "a (m, k) @ b (k,)")
    return matmul(a, b)


def dot(a: Any, b: Any) -> Any:
    """The inner product of two vectors."""
    demand_ndim("dot", (a, b), (1, 1), "a (k,) . b (k,)")
    return matmul(a, b)


def matmul(a: Any, b: Any) -> Any:
    """PyTorch's and NumPy's `@`: vectors are rows on the left, columns on the right."""
    if a.ndim >= 2 and b.ndim >= 2:
        return _matmul(a, b)
    if a.ndim == 0 or b.ndim == 0:
        demand_ndim("matmul", (a, b), (1, 1), "operands with at least one dim")
    left = a.reshape((1, -1)) if a.ndim == 1 else a
    right = b.reshape((-1, 1)) if b.ndim == 1 else b
    y = _matmul(left, right)
    shape = y.shape[:-2]
    shape += () if a.ndim == 1 else y.shape[-2:-1]
    shape += () if b.ndim == 1 else y.shape[-1:]
    return y.reshape(shape)


def demand_ndim(op: str, args: tuple, ndims: tuple, expected: str) -> None:
    if tuple(x.ndim for x in args) != ndims:
        raise ShapeError(
            f"{op}: wrong number of dims",
            expected=expected,
            got=shapes.describe_all(args, " @ "),
            remedy="use @ (matmul) for other ranks, or reshape",
        )


def unsqueeze(a: Any, dim: int) -> Any:
    """A new axis of size 1 at `dim`."""
    axis = shapes.normalize_axis("unsqueeze", dim, a.ndim + 1)
    return a.reshape(a.shape[:axis] + (1,) + a.shape[axis:])


def squeeze(a: Any, dim: Axis = None) -> Any:
    """Without the axes of size 1 (all of them, or those named)."""
    axes = shapes.normalize_axes("squeeze", dim, a.ndim)
    keep = [n for i, n in enumerate(a.shape) if i not in axes or n != 1]
    return a.reshape(tuple(keep))


def swapaxes(a: Any, dim0: int, dim1: int) -> Any:
    """Two axes exchanged."""
    i = shapes.normalize_axis("transpose", dim0, a.ndim)
    j = shapes.normalize_axis("transpose", dim1, a.ndim)
    axes = list(range(a.ndim))
    if axes:
        axes[i], axes[j] = j, i
    return permute(a, axes=tuple(axes))


def gather(a: Any, dim: int, index: Any) -> Any:
    """`a`'s elements at `index` along `dim`: y[i][j] = a[index[i][j]][j] for dim 0."""
    if a.ndim == 0 or not index.shape:
        shape = tuple(index.shape)
        a, index = (x if x.ndim else x.reshape((1,)) for x in (a, index))
        return gather(a, dim, index).reshape(shape)
    _, arrays = along("gather", a, dim, index)
    return _index(a, *arrays, key=(ARRAY,) * a.ndim, lowest=0)


def along(op: str, a: Any, dim: int, index: Any) -> tuple[int, tuple]:
    """The axis `dim`, and index operands that pick `index` along it."""
    axis, ndim = shapes.normalize_axis(op, dim, a.ndim), len(index.shape)
    demand_dtype(op, index)
    if ndim != a.ndim:
        raise ShapeError(
            f"{op}: the index has another number of dims",
            expected=f"{a.ndim} dims, the size along dim {dim} free",
            got=shapes.describe(index, "index"),
            remedy="index.unsqueeze(dim)",
        )
    grid = [
        np.arange(n).reshape((-1,) + (1,) * (ndim - 1 - i))
        for i, n in enumerate(index.shape)
    ]
    return axis, (*grid[:axis], index, *grid[axis + 1 :])


def demand_dtype(op: str, index: Any, kind: str = "i") -> None:
    if getattr(index, "dtype", np.dtype(object)).kind != kind:
        raise DTypeError(
            f"{op}: the {'mask' if kind == 'b' else 'index'} has another dtype",
            expected="bool" if kind == "b" else "int64",
            got=shapes.describe_dtypes([index]) if hasattr(index, "dtype") else "none",
        )


def max_along(a: Any, dim: int, keepdim: bool, least: bool = False) -> ValuesAndIndices:
    """The largest (or least) along `dim` and where it is; one index gets the gradient."""
    axis = shapes.normalize_axis("max", dim, a.ndim)
    at = (argmin if least else argmax)(a, axis=(axis,), keepdims=True)
    values = gather(a, axis, at)
    if keepdim:
        return ValuesAndIndices(values, at)
    return ValuesAndIndices(squeeze(values, axis), squeeze(at, axis))
