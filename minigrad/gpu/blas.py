"""Products of matrices through cuBLAS: transposes, batches and the update in one call.

To cuBLAS a matrix lies column by column. Ours lie row by row, so each is to cuBLAS the
transpose of what it is to us, and y = a @ b becomes y.T = b.T @ a.T: the operands change
places. `arrange` works that out from strides alone, so it can be tested anywhere.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.gpu.precision import matmul
from minigrad.native.loops import Operand, collapse, matrix_strides


class Call(NamedTuple):
    """A call of cuBLAS: C = alpha * op(A) @ op(B) + beta * C, all lying column by column.

    A and B are our b and a if `swapped`. `turn_a` makes op(A) the transpose of A; `lda` is
    from column to column, `step_a` from matrix to matrix of a batch.
    """

    swapped: bool
    turn_a: bool
    turn_b: bool
    m: int
    n: int
    k: int
    lda: int
    step_a: int
    ldb: int
    step_b: int
    ldc: int
    step_c: int
    batch: int


Strides = Sequence[int]
Execute = Callable[[Call, Any, Any, Any, float, float], None]


def arrange(shape: Sequence[int], a: Strides, b: Strides, y: Strides) -> Call | None:
    """The call that computes y = a @ b; None if the batch takes more than one.

    `shape` is the batch's, then m, n, k for a (m, k), b (k, n), y (m, n). Strides count
    elements, 0 where an operand repeats. Raises `ValueError` for a matrix whose rows and
    columns both have holes, which cuBLAS cannot read.
    """
    *batch, m, n, k = shape
    heads = [Operand("", tuple(x[:-2])) for x in (a, b, y)]
    if batch and not any(heads[1].strides):  # the same b for all: they are more rows
        rows = [Operand("", tuple(x[:-1])) for x in (a, y)]
        sizes, (ra, ry) = collapse((*batch, m), rows)
        if len(sizes) == 1:
            whole = (*ra.strides, a[-1]), b[-2:], (*ry.strides, y[-1])
            return arrange((*sizes, n, k), *whole)
    sides = [
        matrix_strides(Operand("", tuple(x[-2:])), size)
        for x, size in ((a, (m, k)), (b, (k, n)), (y, (m, n)))
    ]
    if None in sides:
        raise ValueError("gemm: neither rows nor columns lie together; copy it first")
    (turn_a, lda), (turn_b, ldb), (turn_y, ldc) = (x or (False, 0) for x in sides)
    sizes, heads = collapse(batch, heads)
    if len(sizes) > 1:
        return None
    of_a, of_b, of_y = (sum(x.strides) for x in heads)  # of one axis or none
    end = (ldc, of_y, *(sizes or [1]))
    if turn_y:
        return Call(False, not turn_a, not turn_b, m, n, k, lda, of_a, ldb, of_b, *end)
    return Call(True, turn_b, turn_a, n, m, k, ldb, of_b, lda, of_a, *end)


def gemm(
    a: Any, b: Any, y: Any, alpha: float = 1, beta: float = 0, *, execute: Execute
) -> None:
    """y = alpha * (a @ b) + beta * y, in place; leading axes are a batch and broadcast.

    Operands may be views, transposed ones too. Raises `TypeError` for dtypes that differ
    or are no floats, `ValueError` for a layout that must be copied first.
    """
    if not (a.dtype == b.dtype == y.dtype) or y.dtype.kind != "f":
        raise TypeError(
            f"gemm: floats of one dtype, not {a.dtype}, {b.dtype}, {y.dtype}"
        )
    (m, k), n, batch = a.shape[-2:], b.shape[-1], y.shape[:-2]
    if 0 in y.shape:
        return
    if k == 0:
        y[...] = y * beta if beta else 0
        return
    strides = [
        Operand("", tuple(s // x.itemsize for s in x.strides)).over(x.shape, y.ndim)
        for x in (a, b, y)
    ]
    call = arrange((*batch, m, n, k), *(x.strides for x in strides))
    if call:
        execute(call, *((b, a) if call.swapped else (a, b)), y, alpha, beta)
        return
    for i in range(len(y)):
        one, other = (x[min(i, len(x) - 1)] if x.ndim == y.ndim else x for x in (a, b))
        gemm(one, other, y[i], alpha, beta, execute=execute)


def cublas(call: Call, a: Any, b: Any, c: Any, alpha: float, beta: float) -> None:
    """Let cuBLAS do it, on CuPy's arrays and CuPy's current stream."""
    lib, handle, types = _library()
    kind, compute = types[c.dtype.name]
    if kind == types["float32"][0] and matmul.allow_tf32:
        compute = lib.CUBLAS_COMPUTE_32F_FAST_TF32
    factors = np.array([alpha, beta], "f8" if c.dtype.name == "float64" else "f4")
    first = factors.ctypes.data
    second = first + factors.itemsize
    sizes = handle(), int(call.turn_a), int(call.turn_b), call.m, call.n, call.k
    end = compute, lib.CUBLAS_GEMM_DEFAULT
    pa, pb, pc = (x.data.ptr for x in (a, b, c))
    if call.batch == 1:
        lib.gemmEx(
            *sizes, first, pa, kind, call.lda, pb, kind, call.ldb,
            second, pc, kind, call.ldc, *end,
        )  # fmt: skip
        return
    lib.gemmStridedBatchedEx(
        *sizes, first, pa, kind, call.lda, call.step_a, pb, kind, call.ldb, call.step_b,
        second, pc, kind, call.ldc, call.step_c, call.batch, *end,
    )  # fmt: skip


def absence() -> str:
    """Why there is no cuBLAS, '' if there is; it needs no GPU to be there."""
    from minigrad.gpu.device import CUPY  # which knows this file

    try:
        _library()
    except ImportError:
        return f"CuPy or cuBLAS is not installed: {CUPY}"
    return ""


def version() -> str:
    """Of the package that brings cuBLAS; it may come with a toolkit instead."""
    try:
        return importlib.metadata.version("nvidia-cublas")
    except importlib.metadata.PackageNotFoundError:
        return "the toolkit's"


@functools.cache
def _library() -> tuple[Any, Any, dict[str, tuple[int, int]]]:
    """cuBLAS, the handle of the current device, and its names for a dtype."""
    from cupy.cuda import runtime
    from cupy.cuda.device import get_cublas_handle
    from cupy_backends.cuda.libs import cublas as lib

    types = {
        "float16": (runtime.CUDA_R_16F, lib.CUBLAS_COMPUTE_32F),
        "float32": (runtime.CUDA_R_32F, lib.CUBLAS_COMPUTE_32F),
        "float64": (runtime.CUDA_R_64F, lib.CUBLAS_COMPUTE_64F),
    }
    return lib, get_cublas_handle, types


def reference(call: Call, a: Any, b: Any, c: Any, alpha: float, beta: float) -> None:
    """What cuBLAS promises, in NumPy: reads and writes only what the call describes."""
    size, m, n, k = c.itemsize, call.m, call.n, call.k

    def columns(x: Any, ld: int, step: int, rows: int, count: int) -> np.ndarray:
        strides = (step * size, size, ld * size)
        return np.lib.stride_tricks.as_strided(x, (call.batch, rows, count), strides)

    left = columns(a, call.lda, call.step_a, *((k, m) if call.turn_a else (m, k)))
    right = columns(b, call.ldb, call.step_b, *((n, k) if call.turn_b else (k, n)))
    left = left.swapaxes(1, 2) if call.turn_a else left
    right = right.swapaxes(1, 2) if call.turn_b else right
    out = columns(c, call.ldc, call.step_c, m, n)
    product = c.dtype.type(alpha) * (left @ right)
    out[...] = product + c.dtype.type(beta) * out if beta else product
