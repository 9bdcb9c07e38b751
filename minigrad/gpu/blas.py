"""Products of matrices through cuBLAS: transposes, batches and the update in one call.

To cuBLAS a matrix lies column by column. Ours lie row by row, so each is to cuBLAS the
transpose of what it is to us, and y = a @ b becomes y.T = b.T @ a.T: the operands change
places. `arrange` works that out from strides alone, so it can be tested anywhere.

cuBLAS itself is called by `ctypes`: CuPy's binding refuses every product while a graph is
captured (https://github.com/cupy/cupy/issues/6290).
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import sys
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


# What cuBLAS calls the type of an array, and the one that it adds up in.
TYPES = {"float16": (2, 68), "float32": (0, 68), "float64": (1, 70)}
TF32, ANY_ALGORITHM = 77, -1


def cublas(
    call: Call, a: Any, b: Any, c: Any, alpha: float, beta: float, room: Any = None
) -> None:
    """Let cuBLAS do it, on CuPy's arrays and CuPy's current stream.

    It works in `room`, an array of bytes, where one is given: a captured program has its
    own, as what cuBLAS allocates by itself belongs to the stream, not to the graph.
    """
    lib, handle, stream = _library()
    kind, compute = TYPES[c.dtype.name]
    if c.dtype.name == "float32" and matmul.allow_tf32:
        compute = TF32
    real = ctypes.c_double if c.dtype.name == "float64" else ctypes.c_float
    one, other = (ctypes.byref(real(x)) for x in (alpha, beta))
    own = handle()
    _done(lib.cublasSetStream_v2(own, stream()))  # forgets the room of the last call
    if room is not None:
        _done(lib.cublasSetWorkspace_v2(own, room.data.ptr, room.nbytes))
    sizes = own, int(call.turn_a), int(call.turn_b), call.m, call.n, call.k
    pa, pb, pc = (x.data.ptr for x in (a, b, c))
    if call.batch == 1:
        status = lib.cublasGemmEx(
            *sizes, one, pa, kind, call.lda, pb, kind, call.ldb,
            other, pc, kind, call.ldc, compute, ANY_ALGORITHM,
        )  # fmt: skip
    else:
        status = lib.cublasGemmStridedBatchedEx(
            *sizes, one, pa, kind, call.lda, call.step_a, pb, kind, call.ldb, call.step_b,
            other, pc, kind, call.ldc, call.step_c, call.batch, compute, ANY_ALGORITHM,
        )  # fmt: skip
    _done(status)


def _done(status: int) -> None:
    if status:
        raise RuntimeError(f"cuBLAS answers with status {status}")


def workspace(major: int) -> int:
    """How many bytes cuBLAS wants to work in, on a GPU of compute capability `major`.

    Source: cublasSetWorkspace in NVIDIA's manual of cuBLAS.
    """
    return 32 << 20 if major >= 9 else 4 << 20


def absence() -> str:
    """Why there is no cuBLAS, '' if there is; it needs no GPU to be there."""
    from minigrad.gpu.device import CUPY  # which knows this file

    try:
        _library()
    except (ImportError, OSError):
        return f"CuPy or cuBLAS is not installed: {CUPY}"
    return ""


def version() -> str:
    """Of the package that brings cuBLAS; it may come with a toolkit instead."""
    from importlib import metadata  # 15 ms that nobody else needs

    try:
        return metadata.version("nvidia-cublas")
    except metadata.PackageNotFoundError:
        return "the toolkit's"


@functools.cache
def _library() -> tuple[Any, Callable[[], int], Callable[[], int]]:
    """cuBLAS, its handle for the current device, and the current stream's address."""
    from cupy.cuda import get_current_stream, runtime
    from cupy.cuda.device import get_cublas_handle

    importlib.import_module("cupy_backends.cuda.libs.cublas")  # loads the library
    version = runtime.runtimeGetVersion() // 1000
    windows = sys.platform == "win32"
    lib = ctypes.CDLL(
        f"cublas64_{version}.dll" if windows else f"libcublas.so.{version}"
    )
    declare(lib)
    return lib, get_cublas_handle, lambda: get_current_stream().ptr


def declare(lib: Any) -> None:
    """Tell `ctypes` what the functions take: i an int, l a long one, p an address."""
    kinds = {"i": ctypes.c_int, "l": ctypes.c_longlong, "p": ctypes.c_void_p}
    for name, letters in {
        "SetStream_v2": "pp",
        "SetWorkspace_v2": "ppl",
        "GemmEx": "piiiiippiipiippiiii",
        "GemmStridedBatchedEx": "piiiiippiilpiilppiiliii",
    }.items():
        function = getattr(lib, f"cublas{name}")
        function.argtypes = [kinds[letter] for letter in letters]


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
