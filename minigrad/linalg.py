"""`mg.linalg`: norms and singular values, as in `torch.linalg`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import rearrange
from minigrad.composite import off_zero
from minigrad.errors import ArgumentError, ShapeError
from minigrad.ops import linalg, reduce, shapes
from minigrad.ops.elementwise import cast, sqrt, square, where
from minigrad.ops.shapes import floats


def vector_norm(
    x: Any,
    ord: float = 2,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    """The `ord`-norm of all elements, or along `dim` (one or several).

    sum(|x| ** ord) ** (1 / ord); inf gives the largest absolute value, -inf the smallest,
    0 counts what is not 0. Where the norm is 0 the gradient is 0.
    """
    x = _floats("norm", x, dtype)
    if not shapes.is_number(ord):
        raise ArgumentError("norm: wants a number or 'fro'", got=repr(ord))
    axis = shapes.normalize_axes("norm", dim, x.ndim)
    if ord < 0 and any(x.shape[i] == 0 for i in axis):
        raise ShapeError(f"norm: of nothing there is no {ord}-norm", got=str(x.shape))
    fold = {"axis": axis, "keepdims": keepdim}
    if ord == 2:
        return off_zero(sqrt, square(x).sum(**fold))
    if math.isinf(ord):
        return (reduce.amax if ord > 0 else reduce.amin)(abs(x), **fold)
    if ord == 0:
        return cast((x != 0).sum(**fold), dtype=x.dtype)
    if ord == 1:
        return abs(x).sum(**fold)
    powers = off_zero(lambda a: a**ord, abs(x))
    if ord < 0:  # one zero makes the whole 0
        powers = where(x == 0, math.inf, powers)
    return off_zero(lambda a: a ** (1 / ord), powers.sum(**fold))


def svdvals(A: Any) -> Any:
    """The singular values of each matrix, the largest first.

    >>> import minigrad as mg
    >>> mg.linalg.svdvals(mg.tensor([[3.0, 0.0], [0.0, -4.0]]))
    tensor([4., 3.])
    """
    return linalg.svd_s(A)


def matrix_norm(
    A: Any,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    """The norm of the matrices in the two axes `dim`.

    "fro" is the root of the sum of squares; 1 and -1 the largest and smallest sum of a
    column, inf and -inf of a row; 2, -2 and "nuc" the largest, the smallest and the sum
    of the singular values.
    """
    A = _floats("matrix_norm", A, dtype)
    if len(dim) != 2 or A.ndim < 2:
        raise ShapeError("matrix_norm: wants two dims", got=f"dim={dim} of {A.ndim}")
    axes = [shapes.normalize_axis("matrix_norm", d, A.ndim) for d in dim]
    if axes[0] == axes[1]:
        raise ShapeError("matrix_norm: wants two dims", got=f"dim={dim}")
    if ord not in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise ArgumentError(
            "matrix_norm: there is no such norm",
            expected='"fro", "nuc", 1, -1, 2, -2, inf or -inf',
            got=repr(ord),
        )
    if ord == "fro":
        return vector_norm(A, 2, axes, keepdim)
    kept, A = shapes.kept(A.shape, tuple(axes)), rearrange.movedim(A, axes, (-2, -1))
    if ord in ("nuc", 2, -2):
        values = svdvals(A)
    else:
        values = abs(A).sum(
            axis=(A.ndim - (2 if abs(ord) == 1 else 1),), keepdims=False
        )
    last = {"axis": (A.ndim - 2,), "keepdims": False}
    if ord == "nuc" or (ord > 0 and values.shape[-1] == 0):  # of nothing the norm is 0
        found = values.sum(**last)
    else:
        found = (reduce.amax if ord > 0 else reduce.amin)(values, **last)
    return found.reshape(kept) if keepdim else found


def norm(
    A: Any,
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    """A vector norm or, with two dims, a matrix norm.

    Without `ord` it is the root of the sum of squares, whatever the shape.
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    dims = tuple(range(A.ndim)) if dim is None else dim
    if isinstance(dims, int) or len(dims) == 1:
        return vector_norm(A, ord, dims, keepdim, dtype=dtype)
    if len(dims) != 2:
        raise ShapeError(
            "norm: with ord the tensor must be a vector or a matrix",
            expected="1 or 2 dims",
            got=shapes.describe(A, "A"),
            remedy="mg.linalg.vector_norm(A, ord)",
        )
    return matrix_norm(A, ord, dims, keepdim, dtype=dtype)


def tensor_norm(
    a: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    """The `p`-norm of the elements as one vector; "nuc" is that of a matrix."""
    if p == "nuc":
        dims = tuple(range(a.ndim)) if dim is None else dim
        dims = (dims,) if isinstance(dims, int) else dims
        return matrix_norm(a, "nuc", dims, keepdim, dtype=dtype)
    p = 2 if p in ("fro", None) else p
    return vector_norm(a, p, dim, keepdim, dtype=dtype)


def _floats(op: str, x: Any, dtype: Any) -> Any:
    return floats(op, x if dtype is None else cast(x, dtype=np.dtype(dtype)))
