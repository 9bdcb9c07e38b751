"""Plain functions over ops: they hold no derivative, because their parts do.

Each takes arrays, Tensors or Nodes. Sizes are Python integers here; axes come from
users, so they are checked before they are used.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.errors import ArgumentError, DTypeError, ShapeError
from minigrad.formulas import isclose
from minigrad.ops import elementwise, shapes
from minigrad.ops.elementwise import cast, exp, sqrt, square, where
from minigrad.ops.extents import Unknown, count, is_known, positions
from minigrad.ops.indexing import ARRAY
from minigrad.ops.indexing import index as _index
from minigrad.ops.linalg import matmul as _matmul
from minigrad.ops.movement import cat, permute
from minigrad.ops.op import Value
from minigrad.ops.reduce import amax, amin, argmax, argmin
from minigrad.ops.reduce import cumsum as running_sum
from minigrad.ops.reduce import log_softmax as _log_softmax
from minigrad.ops.shapes import floats

Axis = int | tuple[int, ...] | None


class ValuesAndIndices(NamedTuple):
    """What `max(dim)` and `min(dim)` return, named as in PyTorch."""

    values: Any
    indices: Any


# --- reductions --------------------------------------------------------------------------


def _to(a: Any, dtype: Any) -> Any:
    return a if dtype is None or a.dtype == dtype else cast(a, dtype=np.dtype(dtype))


def mean(a: Any, dim: Axis = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """The arithmetic mean."""
    a = floats("mean", _to(a, dtype))
    axis = shapes.normalize_axes("mean", dim, a.ndim)
    return a.sum(axis=axis, keepdims=keepdim) / count(a, axis)


def var(
    a: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """The mean squared distance from the mean, over count - correction (1 by default)."""
    if isinstance(dim, bool):  # PyTorch's oldest spelling: var(unbiased)
        dim, unbiased = None, dim
    if correction is None:
        correction = 0 if unbiased is False else 1
    elif unbiased is not None:
        raise ArgumentError("var: give either unbiased or correction")
    axis = shapes.normalize_axes("var", dim, floats("var", a).ndim)
    free = count(a, axis) - correction
    if isinstance(free, Value):
        free = elementwise.clamp_min(free, min=0)
    else:
        free = free if free > 0 else 0
    squares = square(a - mean(a, axis, keepdim=True))
    return squares.sum(axis=axis, keepdims=keepdim) / free


def std(a: Any, *args: Any, **options: Any) -> Any:
    """The square root of `var`, with its arguments; at 0 the gradient is 0."""
    return off_zero(sqrt, var(a, *args, **options))


def off_zero(fn: Callable[[Any], Any], a: Any) -> Any:
    """fn(a), but 0 with the gradient 0 where `a` is 0."""
    zero = a == 0
    return where(zero, 0, fn(where(zero, 1, a)))


def count_nonzero(a: Any, dim: Axis = None) -> Any:
    """How many elements are not zero."""
    return (a != 0).sum(axis=shapes.normalize_axes("count_nonzero", dim, a.ndim))


def cumsum(a: Any, dim: int, *, dtype: Any = None) -> Any:
    """The sums along `dim` of all elements up to each."""
    axis, a = shapes.normalize_axis("cumsum", dim, a.ndim), _to(a, dtype)
    return _to(running_sum(a, axis=axis) if a.ndim else a.sum(), dtype)


def cumprod(a: Any, dim: int, *, dtype: Any = None) -> Any:
    """The products along `dim` of all elements up to each.

    Each round doubles how many elements a product covers, as in the parallel prefix sum
    of Hillis and Steele (1986). Nothing is divided, so zeros keep all derivatives.
    """
    axis, y = shapes.normalize_axis("cumprod", dim, a.ndim), _factors(a, dtype)
    step = 1
    while y.ndim and step < y.shape[axis]:
        more = y[_span(axis, step, None)] * y[_span(axis, None, -step)]
        y = cat(y[_span(axis, None, step)], more, axis=axis)
        step *= 2
    return y


def prod(
    a: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """The product, half times half: nothing is divided, zeros keep all derivatives."""
    y = _factors(a if dim is not None and a.ndim else a.reshape((-1,)), dtype)
    axis = 0 if dim is None else shapes.normalize_axis("prod", dim, a.ndim)
    if y.shape[axis] == 0:
        return elementwise.fill(y.sum(axis=axis, keepdims=keepdim), value=1)
    while (n := y.shape[axis]) > 1:
        half = y[_span(axis, None, n // 2)] * y[_span(axis, n // 2, n // 2 * 2)]
        odd = y[_span(axis, n - 1, None)]
        y = cat(half, odd, axis=axis) if n % 2 else half
    return y if keepdim and a.ndim else squeeze(y, axis)


def _factors(a: Any, dtype: Any) -> Any:
    """A copy of `a` in the dtype of its products."""
    return cast(a, dtype=np.dtype(dtype or shapes.sum_dtype(a.dtype)))


def _span(axis: int, start: int | None, stop: int | None) -> tuple:
    return (slice(None),) * axis + (slice(start, stop),)


def max(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest of all, (values, indices) along `dim`, or the larger of two tensors."""
    return _extreme("max", a, dim, keepdim, (amax, argmax, elementwise.maximum))


def min(a: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The least of all, (values, indices) along `dim`, or the lesser of two tensors."""
    return _extreme("min", a, dim, keepdim, (amin, argmin, elementwise.minimum))


def _extreme(name: str, a: Any, dim: Any, keepdim: bool, ops: tuple) -> Any:
    whole, position, of_two = ops
    if dim is None:
        return whole(a, axis=tuple(range(a.ndim)), keepdims=keepdim)
    if isinstance(dim, Value):
        return of_two(a, dim)
    axis = shapes.normalize_axis(name, dim, a.ndim)
    return picked(a, axis, position(a, axis=(axis,), keepdims=True), keepdim)


def picked(a: Any, axis: int, at: Any, keepdim: bool = True) -> ValuesAndIndices:
    """The elements at `at` along `axis`: each gives its gradient to that index alone."""
    found = gather(a, axis, at), at
    return ValuesAndIndices(*(found if keepdim else (squeeze(x, axis) for x in found)))


def allclose(a: Any, other: Any, *args: Any, **options: Any) -> bool:
    """Are all elements close, in the sense of `isclose`?"""
    return bool(isclose(a, other, *args, **options).all())


def equal(a: Any, other: Any) -> bool:
    """The same shape and the same elements?"""
    return tuple(a.shape) == tuple(other.shape) and bool((a == other).all())


def softmax(a: Any, dim: int, dtype: Any = None) -> Any:
    """exp(a) over its sum along `dim`; adds up to 1."""
    return exp(log_softmax(a, dim, dtype))


def log_softmax(a: Any, dim: int, dtype: Any = None) -> Any:
    """log(softmax(a)) without overflow."""
    a = floats("softmax", _to(a, dtype))
    axis = (shapes.normalize_axis("softmax", dim, a.ndim),) if a.ndim else ()
    return _log_softmax(a, axis=axis)


# --- products and shapes -----------------------------------------------------------------


def mm(a: Any, b: Any) -> Any:
    """The product of two matrices; nothing else is accepted."""
    if a.ndim != 2 or b.ndim != 2:
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


def sizes(given: tuple, named: dict | None = None) -> tuple[Any, ...]:
    """Sizes given one by one, or as one tuple, or under the name it has in PyTorch."""
    if named:
        if given or not named.keys() <= {"dims", "shape", "size", "sizes", "repeats"}:
            raise TypeError(f"unexpected keyword: {', '.join(named)}")
        given = tuple(named.values())
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    try:
        return tuple(n if isinstance(n, Unknown) else operator.index(n) for n in given)
    except TypeError:
        raise DTypeError("sizes are integers", got=str(given)) from None


def unsqueeze(a: Any, dim: int) -> Any:
    """A new axis of size 1 at `dim`."""
    axis = shapes.normalize_axis("unsqueeze", dim, a.ndim + 1)
    return a.reshape(a.shape[:axis] + (1,) + a.shape[axis:])


def squeeze(a: Any, dim: Axis = None) -> Any:
    """Without the axes of size 1 (all of them, or those named)."""
    axes = () if dim == () else shapes.normalize_axes("squeeze", dim, a.ndim)
    if not is_known(a.shape[i] for i in axes):
        raise ShapeError(
            "squeeze: whether a size is 1 is not known before the program is called",
            expected="dims of a known size",
            got=shapes.describe(a, "the node"),
            remedy="name the dims: x.squeeze(1)",
        )
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
    shapes.demand(op, "index", index)
    if ndim != a.ndim:
        raise ShapeError(
            f"{op}: the index has another number of dims",
            expected=f"{a.ndim} dims, the size along dim {dim} free",
            got=shapes.describe(index, "index"),
            remedy="index.unsqueeze(dim)",
        )
    grid = [positions(index, i) for i in range(ndim)]
    return axis, (*grid[:axis], index, *grid[axis + 1 :])
