"""`mg.linalg`: the norms of vectors and matrices, as in `torch.linalg`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.errors import ArgumentError, DTypeError, ShapeError
from minigrad.ops import composite, reduce, shapes
from minigrad.ops.elementwise import cast


def vector_norm(
    x: Any,
    ord: float = 2,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    """The `ord`-norm of all elements, or along `dim` (one or several).

    inf gives the largest absolute value, -inf the smallest, 0 counts what is not 0.
    """
    x = _floats("vector_norm", x, dtype)
    return composite.norm(x, ord, dim, keepdim)


def matrix_norm(
    A: Any,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Any:
    """The norm of the matrices in the two axes `dim`: "fro", 1, -1, inf or -inf.

    2, -2 and "nuc" need singular values, which are not among the operations.
    """
    A = _floats("matrix_norm", A, dtype)
    if len(dim) != 2 or A.ndim < 2:
        raise ShapeError("matrix_norm: wants two dims", got=f"dim={dim} of {A.ndim}")
    rows, columns = (shapes.normalize_axis("matrix_norm", d, A.ndim) for d in dim)
    if rows == columns:
        raise ShapeError("matrix_norm: wants two dims", got=f"dim={dim}")
    if ord == "fro":
        return composite.norm(A, 2, (rows, columns), keepdim)
    if ord in (2, -2, "nuc"):
        raise NotImplementedError(f"matrix_norm: ord={ord!r} needs singular values")
    if ord not in (1, -1, math.inf, -math.inf):
        raise ArgumentError(
            "matrix_norm: there is no such norm",
            expected='"fro", 1, -1, inf or -inf',
            got=repr(ord),
        )
    first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = abs(A).sum(axis=(first,), keepdims=True)
    fold = reduce.amax if ord > 0 else reduce.amin
    found = fold(sums, axis=(second,), keepdims=True)
    if keepdim:
        return found
    return found.reshape(
        tuple(n for i, n in enumerate(A.shape) if i not in (rows, columns))
    )


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


def _floats(op: str, x: Any, dtype: Any) -> Any:
    x = x if dtype is None else cast(x, dtype=np.dtype(dtype))
    if x.dtype.kind != "f":
        raise DTypeError(
            f"{op}: wants floats",
            expected="a float dtype",
            got=shapes.describe_dtypes([x]),
            remedy="x.float()",
        )
    return x
