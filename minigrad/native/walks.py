"""C for ops that walk along axes and need more than one result so far: argmax, sort..."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from minigrad.native.kernels import Writer, ctype
from minigrad.native.loops import COUNTERS, Operand, collapse
from minigrad.static.node import Node


def sides(w: Writer, node: Node, axes: Sequence[int]) -> tuple[list[int], str, str]:
    """What a walk along `axes` reads and writes, and the sizes of the other axes.

    Read is the operand's element at counter `q` along `axes` (in C order).
    """
    (x,) = node.inputs
    free = [i for i in range(len(x.shape)) if i not in axes]
    source, to = w.read(x), w.write(node)
    strides = to.strides
    if len(strides) == len(x.shape):
        strides = tuple(strides[i] for i in free)
    counters = COUNTERS[: len(free)]
    inside = unravelled([x.shape[i] for i in axes], [source.strides[i] for i in axes])
    start = Operand("", tuple(source.strides[i] for i in free), source.offset)
    read = f"{source.pointer}[{start.position(counters)} + {inside}]"
    write = Operand(to.pointer, strides, to.offset).at(counters)
    return [x.shape[i] for i in free], read, write


def _walk(
    w: Writer, node: Node, axes: Sequence[int], body: Callable[[str, str], list[str]]
) -> list:
    """For each position off `axes`, the lines `body(read, write)`."""

    def write() -> list[str]:
        if math.prod(node.shape) == 0:
            return []
        sizes, *places = sides(w, node, axes)
        return w.visit(COUNTERS[: len(sizes)], sizes, body(*places))

    return w.part(write, node)


def unravelled(sizes: list[int], strides: list[int]) -> str:
    """The position of element `q`, counted in C order over the given axes."""
    sizes, (one,) = collapse(sizes, [Operand("", tuple(strides))])
    terms, below = [], 1
    for size, stride in reversed(list(zip(sizes, one.strides, strict=True))):
        term = "q" if below == 1 else f"q / {below}"
        term = term if below * size == math.prod(sizes) else f"({term} % {size})"
        terms.append(f"{term} * {stride}")
        below *= size
    return " + ".join(terms) or "0"


def _count(node: Node, axes: tuple[int, ...]) -> int:
    return math.prod(node.inputs[0].shape[i] for i in axes)


def argument(w: Writer, node: Node) -> list[str]:
    axes, sign = node.attrs["axis"], ">" if node.op.name == "argmax" else "<"
    real = ctype(node.inputs[0])

    def body(read: str, write: str) -> list[str]:
        return [
            "int64_t best = 0;", f"{real} top = 0;",
            f"for (int64_t q = 0; q < {_count(node, axes)}; q++) {{",
            f"const {real} here = {read};",
            f"if (q == 0 || here {sign} top || (here != here && top == top)) {{",
            "top = here;", "best = q;", "}", "}",
            f"{write} = best;",
        ]  # fmt: skip

    return _walk(w, node, axes, body)


def cumsum(w: Writer, node: Node) -> list[str]:
    axis = (node.attrs["axis"],)

    def body(read: str, write: str) -> list[str]:
        step = w.write(node).strides[axis[0]]
        return [
            f"{ctype(node)} sum = 0;",
            f"for (int64_t q = 0; q < {_count(node, axis)}; q++) {{",
            f"sum += {read};",
            f"{write[:-1]} + q * {step}] = sum;", "}",
        ]  # fmt: skip

    return _walk(w, node, axis, body)


def argsort(w: Writer, node: Node) -> list[str]:
    """Merge sort, from runs of one upwards: stable, as NumPy's is."""
    (x,), axis = node.inputs, (node.attrs["axis"],)
    n, real = _count(node, axis) if x.shape else 1, ctype(x)
    if not x.shape:
        return [f"{w.write(node).at('')} = 0;"]
    before = ">" if node.attrs["descending"] else "<"
    step = w.write(node).strides[axis[0]]
    spare = w.scratch((2, n), node.dtype).pointer
    nan = "{0} != {0}"
    one, other = f"({nan.format('b')})", f"({nan.format('a')})"
    if node.attrs["descending"]:  # a NaN counts as the largest
        one, other = other, one

    def body(read: str, write: str) -> list[str]:
        at = [read.replace("q", f"from[{side}]") for side in ("l", "r")]
        return [
            f"int64_t *from = {spare}, *to = from + {n};",
            f"for (int64_t q = 0; q < {n}; q++) from[q] = q;",
            f"for (int64_t run = 1; run < {n}; run *= 2) {{",
            f"for (int64_t start = 0; start < {n}; start += 2 * run) {{",
            f"int64_t mid = start + run < {n} ? start + run : {n};",
            f"int64_t end = mid + run < {n} ? mid + run : {n};",
            "int64_t l = start, r = mid;",
            "for (int64_t k = start; k < end; k++) {",
            "bool right = l >= mid;",
            "if (!right && r < end) {",
            f"const {real} a = {at[0]}, b = {at[1]};",
            f"right = b {before} a || ({other} && !{one});",
            "}",
            "to[k] = right ? from[r++] : from[l++];",
            "}", "}",
            "int64_t *swap = from; from = to; to = swap;", "}",
            f"for (int64_t q = 0; q < {n}; q++)",
            f"  {write[:-1]} + q * {step}] = from[q];",
        ]  # fmt: skip

    return _walk(w, node, axis, body)
