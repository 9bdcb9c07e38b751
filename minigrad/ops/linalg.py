"""The matrix product, which serves mm, bmm, mv, dot and `@`; and singular values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.backend import Array, device_of, late, on_device
from minigrad.errors import ShapeError
from minigrad.ops import shapes
from minigrad.ops.elementwise import square, where
from minigrad.ops.kinds import draw, into, kind, on_cpu, row
from minigrad.ops.op import Op
from minigrad.ops.shapes import floats

contraction = kind("contraction")


@row(
    contraction,
    lambda g, b: matmul(g, b.swapaxes(-1, -2)),
    lambda g, a: matmul(a.swapaxes(-1, -2), g),
    infer=shapes.contraction,
    sample=lambda rng: [
        ([rng.normal(size=(*m, 3, 4)), rng.normal(size=(*n, 4, 2))], {})
        for m, n in (((), ()), ((5,), (5,)), ((5, 1), (2,)))
    ],
)
def matmul(a: Any, b: Any, out: Any = None) -> Any:
    """The matrix product of the last two axes."""
    if a.dtype != b.dtype or a.ndim < 2 or b.ndim < 2:
        raise TypeError("matmul wants matrices of one dtype")
    if type(a) is not Array and on_device(a):
        device = late("cuda")(device_of(a))
        if device.rounds(a):
            return device.product(a, b, out)
    if a.ndim == 2 and b.ndim == 2:
        # ndarray.dot reaches BLAS in a third of the time that `@` takes for small sizes.
        return a.dot(b) if out is None else a.dot(b, out)
    return np.matmul(a, b, out=out)


@row(
    contraction,
    lambda g: g,
    lambda g, c, alpha: matmul(g, c.swapaxes(-1, -2)) * alpha,
    lambda g, b, alpha: matmul(b.swapaxes(-1, -2), g) * alpha,
    infer=shapes.like_first,
    sample=draw((3, 2), (3, 4), (4, 2), alpha=[-0.5]),
)
def gemm(a: Any, b: Any, c: Any, alpha: float, out: Any = None) -> Any:
    """What BLAS does in one go, in the memory of a: a + alpha * (b @ c)."""
    return np.add(a, matmul.fn(b, c) * a.dtype.type(alpha), out=out)


# --- singular values: a = u @ diag(s) @ vh, the values in s falling ----------------------


def _turned(g: Any, u: Any, s: Any, vh: Any) -> Any:
    """The cotangent of a for `g`, that of u (J. Townsend, Differentiating the SVD, 2016).

    Vectors whose values are equal are not determined; no cotangent goes through their gap.
    """
    row = s[..., None, :]
    gap = square(row) - square(s[..., None])
    inner = matmul(u.swapaxes(-1, -2), g)
    skew = (inner - inner.swapaxes(-1, -2)) / where(gap == 0, math.inf, gap)
    within = matmul(u, skew * row)
    square_u = g.shape[-2] == g.shape[-1]  # then there is nothing outside its columns
    whole = within if square_u else within + (g - matmul(u, inner)) / row
    return matmul(whole, vh)


def _svd(name: str, part: int, rule: Any, doc: str) -> Op:
    @on_cpu  # other algorithms choose other signs
    def compute(a: Any, out: Any = None) -> Any:
        if a.dtype.kind != "f":
            raise TypeError(f"{name} wants floats")
        return into(np.linalg.svd(a, full_matrices=False)[part], out)

    def infer(op: Op, args: tuple, attrs: dict) -> tuple:
        a = floats(name, args[0])
        if len(a.shape) < 2:
            got = shapes.describe(a, "a")
            raise ShapeError(f"{name}: wants a matrix", expected="ndim >= 2", got=got)
        *batch, m, n = a.shape
        k = min(m, n)
        return ((*batch, m, k), (*batch, k), (*batch, k, n))[part], a.dtype

    def sample(rng: np.random.Generator) -> list:
        return [([rng.normal(size=size)], {}) for size in ((3, 3), (2, 4, 3), (2, 3))]

    return kind("matrix")(name, compute, rule, infer=infer, doc=doc, sample=sample)


def _u_rule(g: Any, y: Any, a: Any) -> Any:
    return _turned(g, y, svd_s(a), svd_vh(a))


def _s_rule(g: Any, a: Any) -> Any:
    return matmul(svd_u(a) * g[..., None, :], svd_vh(a))


def _vh_rule(g: Any, y: Any, a: Any) -> Any:
    """It turns as the left vectors of the transposed matrix do."""
    turned = _turned(
        g.swapaxes(-1, -2), y.swapaxes(-1, -2), svd_s(a), svd_u(a).swapaxes(-1, -2)
    )
    return turned.swapaxes(-1, -2)


svd_u = _svd("svd_u", 0, _u_rule, "the left singular vectors, as columns")
svd_s = _svd("svd_s", 1, _s_rule, "the singular values, the largest first")
svd_vh = _svd("svd_vh", 2, _vh_rule, "the right singular vectors, as rows")
