"""C for convolutions with many channels: every window a column, then one product.

Which problem this solves: sums that slide along a row (convolution.py) copy no window out,
but read the images anew for every few filters. With many channels and filters the
multiplications are so many that copying each window out as a column costs little beside
them, and a product of matrices is what BLAS does best. A window of one element needs no
copy at all: an image is its own columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from minigrad.native.kernels import Writer, copied, epilogue, from_row, refuse_any
from minigrad.native.loops import Operand, steps_of
from minigrad.native.products import multiply
from minigrad.native.rows import every
from minigrad.native.windows import added, along, taps
from minigrad.ops.conv import Sizes
from minigrad.static.fuse import Group
from minigrad.static.node import Node

TOGETHER = 512  # positions of several images that make one product


def operands(node: Node) -> tuple[Node, Node, Node]:
    """The image, the filter and what is seen: two of them are given, `node` is the third."""
    a, b = node.inputs
    by_op = {
        "conv": (a, b, node),
        "conv_input": (node, b, a),
        "conv_weight": (a, node, b),
    }
    return by_op[node.op.name]


def divisors(n: int, most: int) -> list[int]:
    return [k for k in range(1, min(n, most) + 1) if n % k == 0]


def by_products(w: Writer, group: Group) -> list[str]:
    """A convolution as products, block after block of images, and what its group does."""
    return getattr(_Columns(w, group), group.nodes[0].op.name)()


class _Columns:
    """The lines for one of the three ops.

    The matrix `columns` has a row for each channel and place in the window, a column for
    each of a block's positions; `seen` has a row for each filter. `s` counts images, in
    steps of a block, `t` groups of channels.
    """

    def __init__(self, w: Writer, group: Group) -> None:
        self.w, self.group = w, group
        self.node = node = group.nodes[0]
        self.image, self.filter, self.seen = operands(node)
        self.window, self.groups = node.attrs["window"], node.attrs["groups"]
        self.size, self.counts = self.image.shape[2:], self.seen.shape[2:]
        self.places = math.prod(self.window.kernel)
        self.inner = math.prod(self.filter.shape[1:])
        self.filters = self.filter.shape[0] // self.groups
        batch, positions = self.image.shape[0], math.prod(self.counts)
        self.images = max(divisors(batch, max(1, TOGETHER // positions)))
        self.n = self.images * positions
        self.alone = self.images == 1 and self.size == self.counts == (
            self.window.padded(self.size)
        ) and self.places == 1  # fmt: skip

    # --- the three -------------------------------------------------------------------------
    def conv(self) -> list[str]:
        before: list[str] = []
        f = plain(self.w, self.filter, before)
        lay, columns = self._lay_columns(before)
        y = self._memory(self.seen.shape[1])
        sizes = self.filters, self.n, self.inner
        product = self._product((y, f, columns), (self.inner, 1), (self.n, 1), 0, sizes)
        after = epilogue(self.w, self.group, self._positions(y), self.images)
        return [*before, *self._blocks([*lay, *product, *after])]

    def conv_input(self) -> list[str]:
        # Infinite filters would meet fewer zeros than they do in the interpreter.
        place, shape = self.w.read(self.filter), self.filter.shape
        before = refuse_any(self.w, place, shape, "!isfinite({x})")
        f = plain(self.w, self.filter, before)
        lay, seen = self._lay_seen(before)
        columns = self._memory(self.groups * self.inner)
        sizes, places = (self.inner, self.n, self.filters), (columns, f, seen)
        lines = self._product(places, (1, self.inner), (self.n, 1), 0, sizes)
        value = self._positions(columns)
        if not self.alone:
            channels, size = self.image.shape[1], math.prod(self.size)
            room = self.w.scratch((channels, self.images, size), self.node.dtype)
            steps = size, self.images * size, *steps_of(self.size)
            value = Operand(room.pointer, steps)
            lines += copied(room, "0", (channels, self.images, size))
            for place, first, shape in self._taps(columns):
                lines += added(every(value, self.window.stride, first), place, shape)
        after = epilogue(self.w, self.group, value, self.images)
        return [*before, *self._blocks([*lay, *lines, *after])]

    def conv_weight(self) -> list[str]:
        before: list[str] = []
        lay, columns = self._lay_columns(before)
        more, seen = self._lay_seen(before)
        whole = self.w.scratch(self.node.shape, self.node.dtype)
        before += copied(whole, "0", self.node.shape)
        sizes = self.filters, self.inner, self.n
        places = whole.pointer, seen, columns
        lines = self._product(places, (self.n, 1), (1, self.n), 1, sizes)
        after = epilogue(self.w, self.group, whole)
        return [*before, *self._blocks([*lay, *more, *lines]), *after]

    # --- their parts -----------------------------------------------------------------------
    def _blocks(self, lines: list[str]) -> list[str]:
        batch = self.image.shape[0]
        head = f"for (int64_t s = 0; s < {batch}; s += {self.images}) {{"
        return [head, *lines, "}"]

    def _product(
        self,
        places: Sequence[str],
        a: Sizes,
        b: Sizes,
        beta: int,
        sizes: tuple[int, int, int],
    ) -> list[str]:
        """For each group y = a @ b, of which a and b come with their strides."""
        m, n, k = sizes
        if self.groups == 1:
            return multiply(
                self.w, self.node, list(places), [(n, 1), a, b], sizes, beta
            )
        sized = zip(places, (m * n, m * k, k * n), strict=True)
        places = [f"({x} + t * {size})" for x, size in sized]
        lines = multiply(self.w, self.node, places, [(n, 1), a, b], sizes, beta)
        return [f"for (int64_t t = 0; t < {self.groups}; t++) {{", *lines, "}"]

    def _memory(self, rows: int) -> str:
        """A matrix with a column for each position of a block."""
        return self.w.scratch((rows, self.n), self.node.dtype).pointer

    def _positions(self, pointer: str) -> Operand:
        """Such a matrix, as (image, row, *position)."""
        apart = math.prod(self.counts)
        return Operand(pointer, (apart, self.n, *steps_of(self.counts)))

    def _taps(self, columns: str) -> Iterator[tuple[Operand, Sizes, Sizes]]:
        """For each place in the window: the columns' rows, from which element, a shape."""
        steps = steps_of(self.counts)
        for number, tap in enumerate(taps(self.window, self.size)):
            strides = math.prod(self.counts), self.places * self.n, *steps
            here = Operand(columns, strides, number * self.n + along(steps, tap.start))
            yield here, tap.first, (self.images, self.image.shape[1], *tap.shape)

    def _lay_columns(self, before: list[str]) -> tuple[list[str], str]:
        """The lines that copy out a block's windows, and the matrix of them."""
        if self.alone:
            return [], self._own(self.image, before)
        columns, lines = self._memory(self.groups * self.inner), []
        x = from_row(self.w.read(self.image), "s")
        for place, first, shape in self._taps(columns):
            lines += copied(place, every(x, self.window.stride, first), shape)
        return lines, columns

    def _lay_seen(self, before: list[str]) -> tuple[list[str], str]:
        if self.images == 1:
            return [], self._own(self.seen, before)
        seen = self._memory(self.seen.shape[1])
        shape = self.images, *self.seen.shape[1:]
        x = from_row(self.w.read(self.seen), "s")
        return copied(self._positions(seen), x, shape), seen

    def _own(self, x: Node, before: list[str]) -> str:
        """One image after another as it lies there."""
        return f"({plain(self.w, x, before)} + s * {math.prod(x.shape[1:])})"


def plain(w: Writer, node: Node, lines: list[str]) -> str:
    """The pointer to an operand in C order; lines that copy it first, if it is not."""
    place = w.read(node)
    own = zip(node.shape, place.strides, steps_of(node.shape), strict=True)
    if any(n != 1 and a != b for n, a, b in own):
        fresh = w.scratch(node.shape, node.dtype)
        lines += copied(fresh, place, node.shape)
        return fresh.pointer
    return f"({place.pointer} + {place.offset})" if place.offset else place.pointer
