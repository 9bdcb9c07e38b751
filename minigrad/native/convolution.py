"""C for convolutions: filters slide over images that lie as one long row.

Which problem this solves: a matrix product with every window copied out as a column
reads and writes each element as often as windows see it. Here the images of a block are
laid, with their padding, one behind the other. Then what a tap of the window sees, as
the window takes all its positions, is that row again, shifted: no window is copied, and
registers hold the sums. Between images and lines stand positions that nobody asked for;
they are computed along and left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigrad.native.columns import by_products, divisors, operands
from minigrad.native.kernels import Writer, copied, ctype, epilogue, refuse_any
from minigrad.native.loops import Operand
from minigrad.native.rows import BITS, SLACK, Phase, Row, called, every
from minigrad.ops.conv import Sizes, Window
from minigrad.static.fuse import Group
from minigrad.static.node import Node

CONVOLUTIONS = ("conv", "conv_input", "conv_weight")
BLOCK = 1024  # positions that go together; what they need stays in the nearest cache
SHARE = 2_000_000  # multiplications that are worth a thread of their own
PARTS = 16  # at most: results do not depend on how many threads there are
# Weights from which on products of matrices are faster: in general, where the result is a
# sum for each weight, and where a window sees one element.
MANY, MANY_SUMS, MANY_ALONE = 1 << 18, 1 << 14, 1 << 12
ROWS = 4  # of sums that registers hold together

SLIDE = """\
/* y[m][p]: the sum over channels and taps of filter[m][c][t] * image[c][p + shift of t] */
FUSED static void slideROWS_T(int64_t rows, int64_t n, int64_t channels, int64_t taps,
    const int64_t (*tap)[2], const T *filter, int64_t down, int64_t deep,
    const T *image, int64_t channel, T *y, int64_t width) {
#pragma clang fp contract(fast)
  enum { LANES = VECTOR / sizeof(T) };
  for (int64_t p = 0; p < n; p += ACROSS * LANES) {
    for (int64_t start = 0; start < rows; start += ROWS) {
      const int64_t m = start < rows - ROWS ? start : rows - ROWS;
      vec_T sum[ROWS][ACROSS] = {{{0}}};
      for (int64_t c = 0; c < channels; c++) {
        for (int64_t t = 0; t < taps; t++) {
          const T *f = filter + m * down + c * deep + tap[t][0];
          const T *x = image + c * channel + tap[t][1] + p;
          UNROLLED for (int u = 0; u < ROWS; u++)
            UNROLLED for (int v = 0; v < ACROSS; v++)
              sum[u][v] += f[u * down] * *(const vec_T *)(x + v * LANES);
        }
      }
      UNROLLED for (int u = 0; u < ROWS; u++)
        UNROLLED for (int v = 0; v < ACROSS; v++)
          *(vec_T *)(y + (m + u) * width + p + v * LANES) = sum[u][v];
    }
  }
}"""

WEIGH = """\
/* sums[m][k]: in lanes, over positions p that are some, g[m][p] * image[c][p + shift of t];
   k counts channels c and their taps t */
FUSED static void weigh_T(int64_t rows, int64_t n, int64_t all, int64_t taps,
    const int64_t (*tap)[2], const T *g, int64_t width,
    const T *image, int64_t channel, const BITS *some, T *sums) {
#pragma clang fp contract(fast)
  enum { LANES = VECTOR / sizeof(T), ROWS = 4 };
  for (int64_t m = 0; m < rows; m += ROWS) {
    for (int64_t k = 0; k < all; k += TAPS) {
      const T *row[ROWS], *x[TAPS];
      vec_T sum[ROWS][TAPS] = {{{0}}};
      UNROLLED for (int u = 0; u < ROWS; u++)
        row[u] = g + (m + u < rows ? m + u : rows - 1) * width;
      UNROLLED for (int v = 0; v < TAPS; v++) {
        const int64_t here = k + v < all ? k + v : all - 1;
        x[v] = image + here / taps * channel + tap[here % taps][1];
      }
      for (int64_t p = 0; p < n; p += LANES) {
        const bits_T known = *(const bits_T *)(some + p);
        UNROLLED for (int v = 0; v < TAPS; v++) {
          const vec_T a = (vec_T)(*(const bits_T *)(x[v] + p) & known);
          UNROLLED for (int u = 0; u < ROWS; u++)
            sum[u][v] += *(const vec_T *)(row[u] + p) * a;
        }
      }
      UNROLLED for (int u = 0; u < ROWS; u++)
        UNROLLED for (int v = 0; v < TAPS; v++)
          if (m + u < rows && k + v < all)
            *(vec_T *)(sums + ((m + u) * all + k + v) * 64 / sizeof(T)) += sum[u][v];
    }
  }
}"""


def _row(window: Window, size: Sizes, batch: int, threads: int) -> Row:
    """A row of as many images as leave the fewest positions to compute for nothing."""
    one = Row(window, size, 1)

    def waste(images: int) -> tuple[float, int]:
        vectors = -(-((images - 1) * one.room + one.positions) // 64)
        return vectors / images, -images

    most = max(1, min(BLOCK // one.room, batch // threads))
    return Row(window, size, min(divisors(batch, most), key=waste))


def convolution(w: Writer, group: Group) -> list[str]:
    """A convolution, and what its group does with each element of the result."""
    node = group.nodes[0]
    if any(math.prod(x.shape) == 0 for x in (*node.inputs, node)):
        zero = w.scratch((1,), node.dtype)
        return epilogue(w, group, zero._replace(strides=(0,) * len(node.shape)))
    if w.gemm and node.dtype.kind == "f" and is_for_blas(node):
        return by_products(w, group)
    own = _Lines(w, group)
    lines = getattr(own, node.op.name)()
    return lines + (epilogue(w, group, own.whole) if own.whole else [])


def is_for_blas(node: Node) -> bool:
    """Are products of matrices faster? `benchmarks/convolutions.py` measures it.

    They are where there are many weights: a window of one element needs no copy; a
    gradient by weights keeps a vector of sums for each, which must stay in the cache.
    """
    weights = math.prod(operands(node)[1].shape) // node.attrs["groups"]
    if math.prod(node.attrs["window"].kernel) == 1:
        return weights >= MANY_ALONE
    return weights >= (MANY_SUMS if node.op.name == "conv_weight" else MANY)


class _Lines:
    """The lines for one of the three ops: two of image, filter and seen give the third.

    `s` counts images, in steps of a block; `t` counts groups of channels. The memory
    `image` and `seen` holds a block: a row for each channel and phase, or each filter.
    """

    def __init__(self, w: Writer, group: Group) -> None:
        self.w, self.group = w, group
        self.node = node = group.nodes[0]
        self.image, self.filter, self.seen = operands(node)
        self.batch, _, *size = self.image.shape
        self.groups = node.attrs["groups"]
        self.filters = self.filter.shape[0] // self.groups
        self.channels, *kernel = self.filter.shape[1:]
        self.taps = math.prod(kernel)
        work = math.prod(self.seen.shape) * self.channels * self.taps
        threads = min(PARTS, max(1, work // SHARE))
        self.row = row = _row(node.attrs["window"], tuple(size), self.batch, threads)
        self.parts = max(divisors(self.batch // row.images, threads))
        self.apart = len(row.phases) * row.width  # from one channel to the next
        self.whole: Operand | None = None  # the result, if ops cannot follow at once

    # --- the three -------------------------------------------------------------------------
    def conv(self) -> list[str]:
        f, row = self.w.read(self.filter), self.row
        if self.groups > 1:
            self._gather()
        taps = [(_at(f, at), shift) for at, shift in self.row.shifts()]
        rows = self.filters, f.strides[0]
        depth = self.channels, f.strides[1], self.apart
        value = Operand("seen", (row.room, row.width, *row.steps))
        return self._blocks([
            *self._lay_image(),
            *self._slide(f, taps, rows, depth, ("image", "seen"), row.positions),
            *self._given(value, self.filters, row.counts),
        ])  # fmt: skip

    def conv_input(self) -> list[str]:
        """Each phase of the image, from what the taps that see it have seen."""
        f, row = self.w.read(self.filter), self.row
        before: list[str] = []
        if self.node.dtype.kind == "f":
            # Which zeros around the windows they meet differs: the interpreter's count.
            before = refuse_any(self.w, f, self.filter.shape, "!isfinite({x})")
        if self.groups > 1 or max(row.window.stride) > 1:
            before += copied(self._gather(), "0", self.node.shape)
        rows = self.channels, f.strides[1]
        depth = self.filters, f.strides[0], row.width
        steps = self._lay_seen(row.reach)
        for phase in row.phases:
            if 0 in phase.shape:
                continue
            start = row.reach + row.position(phase.start)
            taps = [(_at(f, at), start - shift) for at, shift in phase.taps]
            n = row.reaching(phase.shape)
            steps += self._slide(f, taps, rows, depth, ("seen", "image"), n)
            value = Operand("image", (row.room, row.width, *row.steps))
            steps += self._given(value, self.channels, phase.shape, phase)
        return before + self._blocks(steps)

    def conv_weight(self) -> list[str]:
        """Sums over a block's positions stay in their lanes, and are added at the end."""
        row, node, size = self.row, self.node, self.node.dtype.itemsize
        lanes, count = 64 // size, math.prod(self.node.shape)
        sums = self.w.scratch((self.parts, count, lanes), self.node.dtype)
        known = np.zeros(row.images * row.room + SLACK, BITS[size])
        strides = [size * step for step in (row.room, *row.steps)]
        as_strided(known, (row.images, *row.counts), strides)[...] = ~known[0]
        rows, depth = self.filters, self.channels * self.taps
        taps = [(0, shift) for _, shift in row.shifts()]
        steps = [
            *self._lay_image(),
            *self._lay_seen(0),
            *called(self.w, "weigh", WEIGH, node.dtype, taps, [
                rows, row.positions, depth, self.taps, "tap", "seen", row.width, "image",
                self.apart, self.w.table(known), ("sums" if self.groups == 1 else _group("sums", rows * depth * lanes)),
            ]),
        ]  # fmt: skip
        whole, real = self._gather(), ctype(self.node)
        totals = whole.pointer
        if self.parts > 1:
            totals = self.w.scratch((self.parts, count), node.dtype).pointer
        more = [
            f"{real} *sums = {sums.pointer} + part * {count * lanes};",
            *copied(Operand("sums", (1,)), "0", (count * lanes,)),
        ]
        after = [
            f"for (int64_t i = 0; i < {count}; i++) {{",
            f"{real} sum = 0;", "#pragma omp simd reduction(+:sum)",
            f"for (int64_t l = 0; l < {lanes}; l++) sum += sums[i * {lanes} + l];",
            f"{totals}[part * {count} + i] = sum;", "}",
        ]  # fmt: skip
        add = [
            f"for (int64_t i = 0; i < {count}; i++) {{", f"{real} sum = 0;",
            f"for (int part = 0; part < {self.parts}; part++)",
            f"  sum += {totals}[part * {count} + i];",
            f"{whole.pointer}[i] = sum;", "}",
        ]  # fmt: skip
        return self._blocks(steps, more, after) + (add if self.parts > 1 else [])

    # --- their parts -----------------------------------------------------------------------
    def _blocks(
        self, steps: list[str], before: Sequence[str] = (), after: Sequence[str] = ()
    ) -> list[str]:
        """The steps for block after block, some of them at the same time."""
        more = list(before)
        row, real = self.row, ctype(self.node)
        phases = 1 if self.node.op.name == "conv_input" else len(row.phases)
        memory = {"image": self.channels * phases, "seen": self.filters}
        for name, rows in memory.items():
            shape = self.parts, rows * row.width
            pointer = self.w.scratch(shape, self.node.dtype).pointer
            more.append(f"{real} *{name} = {pointer} + part * {shape[1]};")
        if self.groups > 1:
            steps = [f"for (int64_t t = 0; t < {self.groups}; t++) {{", *steps, "}"]
        share = self.batch // self.parts
        return [
            *(["#pragma omp parallel for"] if self.parts > 1 else []),
            f"for (int part = 0; part < {self.parts}; part++) {{",
            *more,
            f"for (int64_t s = part * {share}; s < (part + 1) * {share}; s += {row.images}) {{",
            *steps, "}", *after, "}",
        ]  # fmt: skip

    def _gather(self) -> Operand:
        """Room for all of the result, where the group's ops have to wait for it."""
        shape, dtype = self.node.shape, self.node.dtype
        self.whole = self.w.scratch(shape, dtype)
        return self.whole

    def _given(
        self, value: Operand, channels: int, shape: Sizes, phase: Phase | None = None
    ) -> list[str]:
        """What becomes of a block of the result."""
        row = self.row
        if self.whole is None:
            return epilogue(self.w, self.group, value, row.images)
        to = self._here(self.whole, channels)
        if phase:
            to = every(to, row.window.stride, phase.first)
        return copied(to, value, (row.images, channels, *shape))

    def _here(self, x: Operand, channels: int) -> Operand:
        """An operand from the block's first image and the group's first channel on."""
        place = f"{x.pointer} + s * {x.strides[0]}"
        if self.groups > 1:
            place = _group(place, channels * x.strides[1])
        return x._replace(pointer=f"({place})")

    def _lay_image(self) -> list[str]:
        row, lines = self.row, []
        x = self._here(self.w.read(self.image), self.channels)
        for i, phase in enumerate(row.phases):
            to = row.inside("image", self.apart, phase, i * row.width)
            source = every(x, row.window.stride, phase.first)
            lines += copied(to, source, (row.images, self.channels, *phase.shape))
        return lines

    def _lay_seen(self, skip: int) -> list[str]:
        row = self.row
        to = Operand("seen", (row.room, row.width, *row.steps), skip)
        source = self._here(self.w.read(self.seen), self.filters)
        return copied(to, source, (row.images, self.filters, *row.counts))

    def _slide(
        self, f: Operand, taps: list[tuple[int, int]], rows: tuple[int, int],
        depth: tuple[int, int, int], names: tuple[str, str], n: int,
    ) -> list[str]:  # fmt: skip
        """y = the filter slid over x; `rows` and `depth` are numbers with their strides."""
        (x, y), (n_rows, down), (deep, along, apart) = names, rows, depth
        most = min(ROWS, n_rows)
        filters = f"{f.pointer} + {f.offset}" if f.offset else f.pointer
        if self.groups > 1:
            filters = _group(filters, self.filters * f.strides[0])
        given = [
            n_rows, n, deep, len(taps), "tap", filters, down, along, x, apart, y, self.row.width
        ]  # fmt: skip
        text = SLIDE.replace("ROWS", str(most))
        return called(self.w, f"slide{most}", text, self.node.dtype, taps, given)


def _at(f: Operand, place: Sizes) -> int:
    """Where in a filter the tap of a place is."""
    return sum(u * step for u, step in zip(place, f.strides[2:], strict=True))


def _group(pointer: str, size: int) -> str:
    return f"{pointer} + t * {size}"
