"""CUDA for a step: copies, indices and walks along axes.

A kernel gets the writer and the step, and answers with what runs it: launches, one or
more. Which element a key shows, and what is done to it, is said once, in `native`.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from minigrad.backend import int32
from minigrad.gpu.dialect import BLOCK, Share, share, unravelled
from minigrad.native import indexing, walks
from minigrad.native.kernels import copy_first, ctype
from minigrad.native.loops import COUNTERS, Operand
from minigrad.static.node import Node

ROWS = 1 << 12  # from which a thread for each keeps the GPU busy
RANKED = 1 << 13  # elements up to which each one counts those that go before it


# --- indices -------------------------------------------------------------------------------


def written(w: Any, node: Node) -> list:
    """index_put and index_add.

    Sums of floats are added in any order where positions repeat, so their last digits may
    differ from run to run. Of what is put in one place the last one stays, as in NumPy:
    who is the last is found out first.
    """
    if node.op.name == "index_add":
        return copy_first(w, node) + w.block(partial(_added, w, node), [node])
    slot = w.new(object(), "b", np.empty(max(1, math.prod(node.shape)), int32))
    size = math.prod(node.shape)

    def start() -> list[str]:
        return w.copied(Operand(w.pointer(slot, int32), (1,)), "-1", (size,))

    def who(element: str, counters: str, shape: tuple, _: str) -> list[str]:
        last = w.pointer(slot, int32)
        return [
            f"atomicMax(&{last}[{_position(element)}], {_number(counters, shape)});"
        ]

    def win(element: str, counters: str, shape: tuple, new: str) -> list[str]:
        last = w.pointer(slot, int32)
        test = f"{last}[{_position(element)}] == {_number(counters, shape)}"
        return [f"if ({test}) {element} = {new};"]

    return [
        *copy_first(w, node),
        *w.block(start, [node]),
        *w.block(lambda: indexing.places(w, node, who)[1], [node]),
        *w.block(lambda: indexing.places(w, node, win)[1], [node]),
    ]


def _added(w: Any, node: Node) -> list[str]:
    real = ctype(node)
    if real in ("bool", "uint8_t"):  # no device adds those at once: one thread does all
        _, lines = indexing.places(w, node, lambda e, c, s, new: [f"{e} += {new};"])
        w.grid = (1,), (1,)
        return lines
    cast = "unsigned long long" if real == "int64_t" else real
    atomically = lambda e, c, s, new: [f"atomicAdd(({cast} *)&{e}, ({cast}){new});"]
    return indexing.places(w, node, atomically)[1]


def _position(element: str) -> str:
    return element[element.index("[") + 1 : -1]


def _number(counters: str, shape: tuple[int, ...]) -> str:
    """The how manieth position it is, in C order."""
    text = ""
    for counter, n in zip(counters, shape, strict=True):
        text = f"({text}) * {n} + {counter}" if text else counter
    return f"(int32_t)({text or 0})"


# --- walks along axes ----------------------------------------------------------------------


def cumsum(w: Any, node: Node) -> list:
    """A thread for each row; where rows are few and long, a block for each."""
    n, axis = math.prod(node.shape), node.attrs["axis"]
    along = node.shape[axis] if node.shape else 1
    if along <= BLOCK or n // along >= ROWS:
        return walks.cumsum(w, node)
    return w.block(lambda: _scanned(w, node, axis), [node])


def _scanned(w: Any, node: Node, axis: int) -> list[str]:
    """Each thread of a block adds up a piece of a row; what comes before it is added."""
    source, to = w.read(node.inputs[0]), w.write(node)
    free = [i for i in range(len(node.shape)) if i != axis]
    sizes = [node.shape[i] for i in free]
    n, real = node.shape[axis], ctype(node)
    counters = COUNTERS[: len(free)]
    at = [*counters]
    at.insert(axis, "q")
    w.grid = (max(1, math.prod(sizes)),), (BLOCK,)
    each = "for (int64_t q = threadIdx.x * piece; q < stop; q++)"
    return [
        f"const int64_t at = blockIdx.x, piece = {-(-n // BLOCK)};",
        *unravelled("at", counters, sizes, "int64_t"),
        f"const int64_t end = (threadIdx.x + 1) * piece, stop = end < {n} ? end : {n};",
        f"__shared__ {real} sums[{BLOCK}];",
        f"{real} sum = 0, before = 0;",
        f"{each} sum += {source.at(at)};",
        "sums[threadIdx.x] = sum;",
        "__syncthreads();",
        "for (int t = 0; t < threadIdx.x; t++) before += sums[t];",
        f"{each} {to.at(at)} = before += {source.at(at)};",
    ]


def _rows(w: Any, node: Node) -> tuple[Share, str, list[str], str, str]:
    """How threads share a walk: the share, the index type, where a thread is, what it
    reads at `q` and where the result goes."""
    (x,), axes = node.inputs, node.attrs["axis"]
    sizes, read, out = walks.sides(w, node, axes)
    kept, last = math.prod(sizes), len(x.shape) - 1 in axes or not sizes
    how = share(kept, math.prod(x.shape[i] for i in axes), along=last, splits=False)
    kind = w.index(math.prod(x.shape))
    w.grid = how.grid, (how.threads,)
    head = [*how.head(kind), *unravelled("at", COUNTERS[: len(sizes)], sizes, kind)]
    return how, kind, head, read, out


def argument(w: Any, node: Node) -> list:
    """argmax and argmin: of equal ones the first, and a NaN before all."""
    if math.prod(node.shape) == 0:
        return []
    real, sign = ctype(node.inputs[0]), ">" if node.op.name == "argmax" else "<"

    def write() -> list[str]:
        how, kind, head, read, out = _rows(w, node)

        def merge(here: str, there: str) -> list[str]:
            a, b = f"tops[{here}]", f"tops[{there}]"
            i, j = f"bests[{here}]", f"bests[{there}]"
            tie = f"({b} == {a} || ({b} != {b} && {a} != {a})) && {j} < {i}"
            better = f"{b} {sign} {a} || ({b} != {b} && {a} == {a}) || ({tie})"
            return [
                f"if ({j} >= 0 && ({i} < 0 || {better})) {{",
                f"{a} = {b}; {i} = {j};",
                "}",
            ]

        return [
            *head,
            f"__shared__ {real} tops[{how.threads}];",
            f"__shared__ int64_t bests[{how.threads}];",
            f"{real} top = 0;",
            "int64_t best = -1;",
            f"if (at < {how.kept}) {{",
            *how.loop(kind),
            f"const {real} here = {read};",
            f"if (best < 0 || here {sign} top || (here != here && top == top)) {{",
            "top = here; best = q;", "}", "}", "}",
            "tops[threadIdx.x] = top;", "bests[threadIdx.x] = best;",
            *how.tree(merge),
            f"if (lane == 0 && at < {how.kept}) {out} = bests[threadIdx.x];",
        ]  # fmt: skip

    return w.block(write, [node])


def argsort(w: Any, node: Node) -> list | None:
    """Each element counts how many go before it; long rows are for the array module."""
    (x,), axis = node.inputs, node.attrs["axis"]
    n = x.shape[axis] if x.shape else 1
    if n > RANKED:
        return None
    sign = ">" if node.attrs["descending"] else "<"
    real = ctype(x)

    def write() -> list[str]:
        if not x.shape:
            return w.visit("", (), [f"{w.write(node).at('')} = 0;"])
        if math.prod(x.shape) == 0:
            return []
        source, to = w.read(x), w.write(node)
        counters = COUNTERS[: len(x.shape)]
        i = counters[axis]
        along = lambda place, name: place.at([name if c == i else c for c in counters])
        nan = {">": "(b != b && a == a)", "<": "(a != a && b == b)"}[sign]
        same = "(b == a || (a != a && b != b))"
        return w.visit(
            counters, x.shape,
            [
                f"const {real} a = {source.at(counters)};",
                "int64_t rank = 0;",
                f"for (int q = 0; q < {n}; q++) {{",
                f"const {real} b = {along(source, 'q')};",
                f"rank += b {sign} a || {nan} || ({same} && q < {i});",
                "}",
                f"{along(to, 'rank')} = {i};",
            ],
        )  # fmt: skip

    return w.block(write, [node])
