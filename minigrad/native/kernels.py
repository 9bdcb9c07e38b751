"""C for each kind of step: fused loops, matrix products, and the ops with loops of their own.

A kernel gets the step and a `Writer`, which knows where every value lies, and answers
with lines of C. `KERNELS` lists the ops that have one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from minigrad.native.expressions import CTYPES, REFUSED, Scalars, literal
from minigrad.native.loops import COUNTERS, Nest, Operand, collapse
from minigrad.ops.movement import VIEWS
from minigrad.static.fuse import Group
from minigrad.static.node import Node

SMALL = 8192  # multiplications up to which loops beat a call of BLAS
ROWS = 4  # of a small product that are computed together
FUSIBLE = ("sum", "amax", "amin", "all", "any")  # reductions that join a group


class Writer(Protocol):
    """What a kernel asks of the program that is being written."""

    scalars: Scalars
    gemm: bool

    def read(self, node: Node) -> Operand: ...
    def write(self, node: Node) -> Operand: ...
    def view(self, node: Node, op: Any, attrs: dict) -> tuple[Operand, tuple]: ...
    def scratch(self, shape: tuple[int, ...], dtype: np.dtype) -> Operand: ...
    def constant(self, node: Node) -> str | None: ...
    def refuse(self, condition: str) -> str: ...


def ctype(node: Node) -> str:
    return CTYPES[node.dtype.name]


def joins(node: Node) -> bool:
    """May this op be a part of a fused loop?"""
    return bool(node.op.c) or node.op.name in FUSIBLE


# --- fused loops ---------------------------------------------------------------------------


class _Fused:
    """One walk over a group's elements: loads, a line for each op, stores, sums."""

    def __init__(self, w: Writer, group: Group) -> None:
        self.w, self.group = w, group
        first = group.nodes[0]
        self.shape = (first.inputs[0] if first.op.kind == "reduce" else first).shape
        self.names: dict[Node, str] = {}
        self.stored = [x for x in group.outputs if x.op.kind != "reduce"]
        self.reduced = [x for x in group.nodes if x.op.kind == "reduce"]
        self.loaded = []
        for x in group.inputs:
            known = w.constant(x)
            if known is None:
                self.loaded.append(x)
            else:
                self.names[x] = known
        ndim = len(self.shape)
        operands = [w.read(x).over(x.shape, ndim) for x in self.loaded]
        operands += [w.write(x) for x in self.stored]
        operands += [self._folded(x) for x in self.reduced]
        self.sizes, found = collapse(self.shape, operands)
        self.at = dict(zip([*self.loaded, *self.stored, *self.reduced], found))
        self.nest = Nest(self.sizes)
        self.depth = self.nest.depth
        self.cost = 0

    def _folded(self, node: Node) -> Operand:
        """Where a reduction's result goes: the strides of axes that it folds are 0."""
        place, axes = self.w.write(node), node.attrs["axis"]
        strides = iter(place.strides)
        if node.attrs["keepdims"]:
            own = [0 if i in axes else s for i, s in enumerate(place.strides)]
        else:
            own = [0 if i in axes else next(strides) for i in range(len(self.shape))]
        return place._replace(strides=tuple(own))

    def lines(self) -> list[str]:
        if math.prod(self.shape) == 0:
            return [x for node in self.reduced for x in self._start(node)]
        for x in self.loaded:
            self._load(x)
        body = self.nest.at[self.depth]
        refusals = []
        for k, node in enumerate(x for x in self.group.nodes if x.op.kind != "reduce"):
            self.names[node] = name = f"t{k}"
            operands = [self.names[x] for x in node.inputs]
            text = self.w.scalars.expression(node, operands)
            self.cost += 16 if "(" in node.op.c else 1
            body.append(f"const {ctype(node)} {name} = {text};")
            if node.op.name in REFUSED and node.dtype.kind in "iu":
                test = REFUSED[node.op.name]
                refusals.append(self.w.scalars.expression(node, operands, test))
        if refusals:
            self.nest.at[0].append("bool refused = false;")
            body.append(f"refused |= {' | '.join(f'({x})' for x in refusals)};")
            self.nest.reductions.append("reduction(|:refused)")
            self.nest.closing[0].append(self.w.refuse("refused"))
            self.nest.parallel = False
        before: list[str] = []
        for k, node in enumerate(self.reduced):
            before += self._reduce(node, f"r{k}")
        counters = self.nest.counters
        body += [f"{self.at[x].at(counters)} = {self.names[x]};" for x in self.stored]
        lines = self.nest.lines(self.cost)
        if self.depth == 0:
            lines += self.nest.closing[0]
        return [*before, *lines]

    def _load(self, x: Node) -> None:
        """Read an operand, as far out as it stays the same."""
        place = self.at[x]
        steps = [k + 1 for k, s in enumerate(place.strides) if s]
        level = max(steps, default=0)
        self.names[x] = name = f"a{len(self.names)}"
        value = place.at(self.nest.counters)
        self.nest.at[level].append(f"const {ctype(x)} {name} = {value};")

    def _start(self, node: Node) -> list[str]:
        """Set a reduction's result to what nothing gives."""
        place = self.w.write(node)
        sizes, (place,) = collapse(node.shape, [place])
        nest = Nest(sizes)
        start = _start(node)
        nest.at[-1].append(f"{place.at(nest.counters)} = {start};")
        return nest.lines()

    def _reduce(self, node: Node, name: str) -> list[str]:
        """Fold `node`'s operand; lines for before the loops are the answer."""
        nest, depth, place = self.nest, self.depth, self.at[node]
        kept = [k + 1 for k, s in enumerate(place.strides) if s]
        level = max(kept, default=0)  # from this loop on, all are folded
        value, real = self.names[node.inputs[0]], ctype(node)
        if node.op.name in ("all", "any"):
            value = f"({value} != 0)"
        out = place.at(nest.counters)
        if len(kept) == depth:
            nest.at[depth].append(f"{out} = {value};")
            return []
        outer = len(kept) < level  # folded axes outside kept ones: add up in memory
        if outer and not place.strides[0]:
            nest.parallel = False
        if level == depth:
            nest.at[depth].append(f"{out} = {_combine(node, out, value)};")
            return self._start(node)
        nest.reductions.append(f"reduction({_operator(node)}:{name})")
        nest.at[depth].append(f"{name} = {_combine(node, name, value)};")
        declare = f"{real} {name} = {_start(node)};"
        if level == depth - 1 and self.sizes[-1] > 4096:
            nest.blocked = True
            total = "double" if real == "float" and node.op.name == "sum" else real
            nest.at[level].append(f"{total} {name}s[{nest.parts}];")
            nest.opening_block.append(declare)
            nest.closing_block.append(f"{name}s[part] = {name};")
            nest.closing[level] += [
                f"{total} {name} = {_start(node)};",
                f"for (int part = 0; part < {nest.parts}; part++) "
                f"{name} = {_combine(node, name, f'{name}s[part]')};",
            ]
        else:
            nest.at[level].append(declare)
            if level == 0 and depth > 1:
                nest.parallel = False  # the outermost loop adds to one accumulator
        if outer:
            nest.closing[level].append(f"{out} = {_combine(node, out, name)};")
            return self._start(node)
        nest.closing[level].append(f"{out} = {name};")
        return []


def _start(node: Node) -> str:
    """What a reduction of no elements at all is."""
    name, dtype = node.op.name, node.dtype
    if name in ("sum", "any"):
        return "0"
    if name == "all":
        return "1"
    if dtype.kind == "f":
        return "-INFINITY" if name == "amax" else "INFINITY"
    if dtype.kind == "b":
        return "0" if name == "amax" else "1"
    info = np.iinfo(dtype)
    return literal(info.min if name == "amax" else info.max, dtype)


def _combine(node: Node, a: str, b: str) -> str:
    name = node.op.name
    if name in ("amax", "amin"):  # a NaN stays
        sign = ">" if name == "amax" else "<"
        return f"{b} {sign} {a} || {b} != {b} ? {b} : {a}"
    return f"{a} {'+' if name == 'sum' else '&' if name == 'all' else '|'} {b}"


def _operator(node: Node) -> str:
    name = node.op.name
    if name in ("amax", "amin"):
        return f"{name}_{ctype(node)}"
    return "+" if name == "sum" else "&" if name == "all" else "|"


def declared_reductions(nodes: Sequence[Node]) -> list[str]:
    """amax and amin are not OpenMP's max and min: a NaN has to stay."""
    found = {_operator(x): x for x in nodes if x.op.name in ("amax", "amin")}
    return [
        f"#pragma omp declare reduction({name} : {ctype(x)} : "
        f"omp_out = {_combine(x, 'omp_out', 'omp_in')}) "
        f"initializer(omp_priv = {_start(x)})"
        for name, x in found.items()
    ]


def fused(w: Writer, group: Group) -> list[str]:
    return _Fused(w, group).lines()


# --- copies --------------------------------------------------------------------------------


def copied(to: Operand, value: Operand | str, shape: tuple[int, ...]) -> list[str]:
    """`value`, an operand over `shape` or a number, written to `to`."""
    if math.prod(shape) == 0:
        return []
    operands = [to] if isinstance(value, str) else [to, value]
    sizes, (to, *rest) = collapse(shape, operands)
    nest = Nest(sizes)
    text = rest[0].at(nest.counters) if rest else value
    nest.at[-1].append(f"{to.at(nest.counters)} = {text};")
    return nest.lines()


def _value(w: Writer, node: Node, shape: tuple[int, ...]) -> Operand | str:
    """An operand broadcast to `shape`, or the number it is."""
    known = w.constant(node)
    return known if known is not None else w.read(node).over(node.shape, len(shape))


def _copy_first(w: Writer, node: Node) -> list[str]:
    """Start from a copy of the first operand, unless the result is in its place."""
    (a, *_), to = node.inputs, w.write(node)
    known = w.constant(a)
    source = w.read(a) if known is None else known
    return [] if source == to else copied(to, source, node.shape)


def put(w: Writer, node: Node) -> list[str]:
    lines = _copy_first(w, node)
    part, shape = w.view(node, VIEWS[node.attrs["view"]], node.attrs["attrs"])
    return lines + copied(part, _value(w, node.inputs[1], shape), shape)


def zeros(w: Writer, node: Node) -> list[str]:
    return copied(w.write(node), "0", node.shape)


def cat(w: Writer, node: Node) -> list[str]:
    to, axis, lines = w.write(node), node.attrs["axis"], []
    at = to.offset
    for x in node.inputs:
        lines += copied(to._replace(offset=at), _value(w, x, x.shape), x.shape)
        at += x.shape[axis] * to.strides[axis]
    return lines


# --- matrix products -----------------------------------------------------------------------


def matmul(w: Writer, node: Node) -> list[str]:
    return _product(w, node, *node.inputs, alpha=1.0, beta=0)


def gemm(w: Writer, node: Node) -> list[str]:
    """a + alpha * (b @ c), in the memory of a where the plan has found that possible."""
    _, b, c = node.inputs
    lines = _copy_first(w, node)
    return lines + _product(w, node, b, c, alpha=node.attrs["alpha"], beta=1)


def _product(
    w: Writer, node: Node, a: Node, b: Node, alpha: float, beta: int
) -> list[str]:
    m, n, k = *node.shape[-2:], a.shape[-1]
    if math.prod(node.shape) == 0:
        return []
    if k == 0:
        return [] if beta else copied(w.write(node), "0", node.shape)
    batch = node.shape[:-2]
    to = w.write(node)
    left, right = (w.read(x).over(x.shape, len(node.shape)) for x in (a, b))
    sides = [_matrix_strides(x, s) for x, s in ((left, (m, k)), (right, (k, n)))]
    small = m * n * k <= SMALL or not w.gemm or node.dtype.kind != "f"
    lines: list[str] = []
    if not small and None in sides:
        for i, x in enumerate((a, b)):
            if (
                sides[i] is None
            ):  # neither rows nor columns lie together: BLAS wants that
                fresh = w.scratch(x.shape, x.dtype)
                lines += copied(fresh, w.read(x), x.shape)
                fresh = fresh.over(x.shape, len(node.shape))
                left, right = (fresh, right) if i == 0 else (left, fresh)
    sizes, (to, left, right) = _batched(batch, [to, left, right])
    outer = COUNTERS[: len(sizes)]
    for i, size in zip(outer, sizes, strict=True):
        lines.append(f"for (int64_t {i} = 0; {i} < {size}; {i}++) {{")
    names = [x._replace(strides=x.strides[: len(sizes)]) for x in (to, left, right)]
    places = [f"{x.pointer} + {x.position(outer)}" for x in names]
    steps = [x.strides[len(sizes) :] for x in (to, left, right)]
    if small:
        lines += _small_product(node, places, steps, (m, n, k), alpha, beta)
    else:
        lines += _blas_call(node, places, steps, (m, n, k), alpha, beta)
    return lines + ["}"] * len(sizes)


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


def _matrix_strides(x: Operand, shape: tuple[int, int]) -> tuple[bool, int] | None:
    """Is the matrix transposed, and how far apart are its rows? None: BLAS cannot."""
    (rows, columns), (down, along) = shape, x.strides[-2:]
    if (along == 1 or columns == 1) and (down >= columns or rows == 1):
        return False, max(down, columns)
    if (down == 1 or rows == 1) and (along >= rows or columns == 1):
        return True, max(along, rows)
    return None


def _blas_call(
    node: Node,
    places: list[str],
    steps: list[tuple[int, ...]],
    sizes: tuple[int, int, int],
    alpha: float,
    beta: int,
) -> list[str]:
    m, n, k = sizes
    shapes = ((m, k), (k, n))
    (ta, lda), (tb, ldb) = (
        _matrix_strides(Operand("", s), shape) or (False, shape[1])
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
    node: Node,
    places: list[str],
    steps: list[tuple[int, ...]],
    sizes: tuple[int, int, int],
    alpha: float,
    beta: int,
) -> list[str]:
    """Loops whose innermost one walks along memory: columns of b, or the inner axis.

    In the first case a few rows go together, so that additions need not wait for each
    other.
    """
    m, n, k = sizes
    real = ctype(node)
    (down, along), (i_a, k_a), (k_b, j_b) = steps
    y, a, b = (
        f"({place})" if "+ 0" not in place else place.split(" ")[0] for place in places
    )
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


# --- walks along one axis ------------------------------------------------------------------


def _walk(
    w: Writer, node: Node, axes: tuple[int, ...], body: Callable[[str, str], list[str]]
) -> list[str]:
    """For each position off `axes`, the lines `body(read, write)`.

    `read` is the operand's element at counter `q` along `axes` (in C order), `write` the
    place of the result.
    """
    (x,) = node.inputs
    if math.prod(node.shape) == 0:
        return []
    shape = x.shape
    free = [i for i in range(len(shape)) if i not in axes]
    source, to = w.read(x), w.write(node)
    strides = to.strides if len(to.strides) == len(shape) else _spread(to.strides, axes)
    counters = COUNTERS[: len(free)]
    inside = _unravelled([shape[i] for i in axes], [source.strides[i] for i in axes])
    start = Operand(
        source.pointer, tuple(source.strides[i] for i in free), source.offset
    )
    goal = Operand(to.pointer, tuple(strides[i] for i in free), to.offset)
    lines = [
        f"for (int64_t {c} = 0; {c} < {shape[i]}; {c}++) {{"
        for c, i in zip(counters, free, strict=True)
    ]
    read = f"{source.pointer}[{start.position(counters)} + {inside}]"
    lines += body(read, f"{to.pointer}[{goal.position(counters)}]")
    return lines + ["}"] * len(free)


def _spread(strides: tuple[int, ...], axes: tuple[int, ...]) -> list[int]:
    own = list(strides)
    for axis in sorted(axes):
        own.insert(axis, 0)
    return own


def _unravelled(sizes: list[int], strides: list[int]) -> str:
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


def logsumexp(w: Writer, node: Node) -> list[str]:
    axes, real = node.attrs["axis"], ctype(node)
    exp, log = (w.scalars.function(f, node.dtype) for f in ("exp", "log"))
    n = _count(node, axes)

    def body(read: str, write: str) -> list[str]:
        return [
            f"{real} top = -INFINITY, sum = 0;",
            f"for (int64_t q = 0; q < {n}; q++)",
            f"  top = {read} > top || {read} != {read} ? {read} : top;",
            "top = isfinite(top) ? top : 0;",
            "#pragma omp simd reduction(+:sum)",
            f"for (int64_t q = 0; q < {n}; q++)",
            f"  sum += {exp}(({real}){read} - top);",
            f"{write} = {log}(sum) + top;",
        ]

    return ["{", *_walk(w, node, axes, body), "}"]


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

    return ["{", *_walk(w, node, axes, body), "}"]


def cumsum(w: Writer, node: Node) -> list[str]:
    axis = (node.attrs["axis"],)
    step = w.write(node).strides[axis[0]]

    def body(read: str, write: str) -> list[str]:
        return [
            f"{ctype(node)} sum = 0;",
            f"for (int64_t q = 0; q < {_count(node, axis)}; q++) {{",
            f"sum += {read};",
            f"{write[:-1]} + q * {step}] = sum;", "}",
        ]  # fmt: skip

    return ["{", *_walk(w, node, axis, body), "}"]


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

    return ["{", *_walk(w, node, axis, body), "}"]
