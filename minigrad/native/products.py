"""C for products of matrices: calls of BLAS, and loops where those are faster."""

from __future__ import annotations

import math

from minigrad.native.expressions import literal
from minigrad.native.kernels import Writer, copied, copy_first, ctype
from minigrad.native.loops import COUNTERS, Operand, collapse, matrix_strides
from minigrad.static.node import Node

SMALL = 8192  # multiplications up to which loops beat a call of BLAS
ROWS = 4  # of a small product that are computed together
Sizes = tuple[int, int, int]  # rows and columns of y, and the inner size
Steps = list[tuple[int, ...]]  # strides of y, a and b


def multiplied(w: Writer, node: Node) -> list[str]:
    """matmul, and gemm: a + alpha * (b @ c), in the memory of a where that is possible."""
    a, b = node.inputs[-2:]
    added, alpha = node.op.name == "gemm", node.attrs.get("alpha", 1.0)
    lines = copy_first(w, node) if added else []
    (m, n), k = node.shape[-2:], a.shape[-1]
    if math.prod(node.shape) == 0 or (k == 0 and added):
        return lines
    if k == 0:
        return copied(w.write(node), "0", node.shape)
    batch = node.shape[:-2]
    to = w.write(node)
    left, right = (w.read(x).over(x.shape, len(node.shape)) for x in (a, b))
    sides = [matrix_strides(x, s) for x, s in ((left, (m, k)), (right, (k, n)))]
    small = _is_small(w, node, (m, n, k))
    if not small and None in sides:  # BLAS wants rows or columns that lie together
        copies = []
        for x, place, side in zip((a, b), (left, right), sides, strict=True):
            if side is None:
                fresh = w.scratch(x.shape, x.dtype)
                lines += copied(fresh, w.read(x), x.shape)
                place = fresh.over(x.shape, len(node.shape))
            copies.append(place)
        left, right = copies
    sizes, (to, left, right) = _batched(batch, [to, left, right])
    outer = COUNTERS[: len(sizes)]
    for c, size in zip(outer, sizes, strict=True):
        lines.append(f"for (int64_t {c} = 0; {c} < {size}; {c}++) {{")
    names = [x._replace(strides=x.strides[: len(sizes)]) for x in (to, left, right)]
    places = [
        x.pointer if (at := x.position(outer)) == "0" else f"({x.pointer} + {at})"
        for x in names
    ]
    steps = [x.strides[len(sizes) :] for x in (to, left, right)]
    lines += multiply(w, node, places, steps, (m, n, k), int(added), alpha)
    return lines + ["}"] * len(sizes)


def is_large(node: Node) -> bool:
    """Would loops take long for this product?"""
    dot = node.op.name in ("matmul", "gemm")
    return dot and math.prod(node.shape) * node.inputs[-1].shape[-2] > 8 * SMALL


def _is_small(w: Writer, node: Node, sizes: Sizes) -> bool:
    return math.prod(sizes) <= SMALL or not w.gemm or node.dtype.kind != "f"


def multiply(
    w: Writer,
    node: Node,
    places: list[str],
    steps: Steps,
    sizes: Sizes,
    beta: int,
    alpha: float = 1.0,
) -> list[str]:
    """One product: y = alpha * (a @ b) + beta * y, for pointers and strides of y, a, b.

    `sizes` are the rows and columns of y, and the inner size.
    """
    if _is_small(w, node, sizes):
        return _small_product(node, places, steps, sizes, alpha, beta)
    return _blas_call(node, places, steps, sizes, alpha, beta)


def _batched(
    batch: tuple[int, ...], operands: list[Operand]
) -> tuple[list[int], list[Operand]]:
    """The loops over a batch; the strides within a matrix stay last."""
    heads = [x._replace(strides=x.strides[:-2]) for x in operands]
    sizes, heads = collapse(batch, heads)
    full = [
        h._replace(strides=h.strides + x.strides[-2:])
        for h, x in zip(heads, operands, strict=True)
    ]
    return sizes, full


def _blas_call(
    node: Node, places: list[str], steps: Steps, sizes: Sizes, alpha: float, beta: int
) -> list[str]:
    m, n, k = sizes
    shapes = ((m, k), (k, n))
    (ta, lda), (tb, ldb) = (
        matrix_strides(Operand("", s), shape) or (False, shape[1])
        for s, shape in zip(steps[1:], shapes, strict=True)
    )
    name = "blas_sgemm" if node.dtype.name == "float32" else "blas_dgemm"
    factor = literal(alpha, node.dtype)
    flags = f"ROWS, {'TURNED' if ta else 'PLAIN'}, {'TURNED' if tb else 'PLAIN'}"
    y, a, b = places
    return [
        f"{name}({flags}, {m}, {n}, {k}, {factor}, {a}, {lda}, {b}, {ldb}, "
        f"{beta}, {y}, {n});"
    ]


def _small_product(
    node: Node, places: list[str], steps: Steps, sizes: Sizes, alpha: float, beta: int
) -> list[str]:
    """Loops whose innermost one walks along memory: columns of b, or the inner axis.

    In the first case a few rows go together, so that additions need not wait for each
    other.
    """
    m, n, k = sizes
    real = ctype(node)
    (down, along), (i_a, k_a), (k_b, j_b) = steps
    y, a, b = places
    along_columns = j_b == 1 or k_b != 1
    factor = "" if alpha == 1 else f"{literal(alpha, node.dtype)} * "
    sign = "+=" if beta else "="
    if not along_columns:
        return [
            f"for (int64_t r = 0; r < {m}; r++) {{",
            f"for (int64_t c = 0; c < {n}; c++) {{",
            f"{real} sum = 0;",
            "#pragma omp simd reduction(+:sum)",
            f"for (int64_t q = 0; q < {k}; q++)",
            f"  sum += {_at(a, ('r', i_a), ('q', k_a))} * {_at(b, ('q', k_b), ('c', j_b))};",
            f"{_at(y, ('r', down), ('c', along))} {sign} {factor}sum;", "}", "}",
        ]  # fmt: skip
    lines = []
    for start, stop, rows in ((0, m - m % ROWS, ROWS), (m - m % ROWS, m, m % ROWS)):
        if start == stop:
            continue
        each = [f"#pragma GCC unroll {rows}", f"for (int u = 0; u < {rows}; u++) {{"]
        lines += [
            f"for (int64_t r = {start}; r < {stop}; r += {rows}) {{",
            f"{real} row[{rows}][{n}] = {{{{0}}}};",
            f"for (int64_t q = 0; q < {k}; q++) {{", *each,
            f"const {real} f = {factor}{_at(a, ('(r + u)', i_a), ('q', k_a))};",
            "#pragma omp simd", f"for (int64_t c = 0; c < {n}; c++)",
            f"  row[u][c] += f * {_at(b, ('q', k_b), ('c', j_b))};", "}", "}", *each,
            "#pragma omp simd", f"for (int64_t c = 0; c < {n}; c++)",
            f"  {_at(y, ('(r + u)', down), ('c', along))} {sign} row[u][c];", "}", "}",
        ]  # fmt: skip
    return lines


def _at(pointer: str, *steps: tuple[str, int]) -> str:
    """An element, from counters and their strides."""
    counters, strides = zip(*steps, strict=True)
    return Operand(pointer, strides).at(counters)
