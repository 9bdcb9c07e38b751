"""The matrix product: one contraction serves mm, bmm, mv, dot and `@`."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops import shapes
from minigrad.ops.op import Op


def _matmul(a: Any, b: Any, out: Any = None) -> Any:
    if a.dtype != b.dtype or a.ndim < 2 or b.ndim < 2:
        raise TypeError("matmul wants matrices of one dtype")
    if a.ndim == 2 and b.ndim == 2:
        # ndarray.dot reaches BLAS in a third of the time that `@` takes for small sizes.
        return a.dot(b) if out is None else a.dot(b, out)
    return np.matmul(a, b, out=out)


matmul = Op(
    "matmul",
    _matmul,
    (
        lambda g, b: matmul(g, b.swapaxes(-1, -2)),
        lambda g, a: matmul(a.swapaxes(-1, -2), g),
    ),
    infer=shapes.contraction,
    kind="contraction",
    doc="the matrix product of the last two axes",
    sample=lambda rng: [
        ([rng.normal(size=(3, 4)), rng.normal(size=(4, 2))], {}),
        ([rng.normal(size=(5, 3, 4)), rng.normal(size=(5, 4, 2))], {}),
        ([rng.normal(size=(5, 1, 3, 4)), rng.normal(size=(2, 4, 2))], {}),
    ],
)


def _gemm(a: Any, b: Any, c: Any, alpha: float, out: Any = None) -> Any:
    return np.add(a, _matmul(b, c) * a.dtype.type(alpha), out=out)


gemm = Op(
    "gemm",
    _gemm,
    (
        lambda g: g,
        lambda g, c, alpha: matmul(g, c.swapaxes(-1, -2)) * alpha,
        lambda g, b, alpha: matmul(b.swapaxes(-1, -2), g) * alpha,
    ),
    infer=shapes.accumulation,
    kind="contraction",
    doc="a + alpha * (b @ c): what BLAS does in one go, in the memory of a",
    sample=lambda rng: [
        (
            [rng.normal(size=(3, 2)), rng.normal(size=(3, 4)), rng.normal(size=(4, 2))],
            {"alpha": -0.5},
        ),
    ],
)
