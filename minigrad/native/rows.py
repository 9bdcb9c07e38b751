"""Images as one long row, so that windows slide over it as over memory.

Which problem this solves: copied out, the windows of an image overlap, and each element is
written and read as often as windows see it. Here images lie, with their padding, one
behind the other. What a place in the window (a tap) sees, as the window takes all its
positions, is then that row again, shifted, and whole vectors of positions go together.
Between lines and images stand positions that nobody asked for; they are left out later.

A stride of two sees every second element. Sorted into phases, even and odd ones apart,
these are neighbours as well.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.native.expressions import CTYPES
from minigrad.native.kernels import Writer
from minigrad.native.loops import Operand
from minigrad.ops.conv import Sizes, Window

SLACK = 256  # elements behind a row, up to which the last vectors may reach
BITS = {1: "uint8", 4: "int32", 8: "int64"}  # as wide as an element

PRELUDE = """\
#ifdef __AVX512F__ /* bytes of a vector, and how many of them stand side by side */
enum { VECTOR = 64, ACROSS = 4, TAPS = 6 };
#elif defined(__AVX__)
enum { VECTOR = 32, ACROSS = 2, TAPS = 3 };
#else
enum { VECTOR = 16, ACROSS = 2, TAPS = 3 };
#endif
#ifdef __clang__
#define UNROLLED _Pragma("clang loop unroll(full)")
#define FUSED
#else /* a * b + c rounds once, as in BLAS */
#define UNROLLED _Pragma("GCC unroll 16")
#define FUSED __attribute__((optimize("fp-contract=fast")))
#endif"""

VECTORS = """\
typedef T vec_T __attribute__((vector_size(VECTOR), aligned(sizeof(T)), may_alias));
typedef BITS bits_T __attribute__((vector_size(VECTOR), aligned(sizeof(T)), may_alias));"""


class Phase(NamedTuple):
    """Every stride-th element of an image, from one on: where these are, and who sees them.

    Along each axis, `shape` positions from `start` on lie in the image, not in its padding;
    `first` is the element at `start`. `taps` are places in the window, with their shifts.
    """

    start: Sizes
    shape: Sizes
    first: Sizes
    taps: list[tuple[Sizes, int]]


class Row:
    """The images of a block as one long row: which position stands for what."""

    def __init__(self, window: Window, size: Sizes, images: int) -> None:
        self.window, self.size, self.images = window, size, images
        self.counts = window.counts(size)
        pitch = [
            # The padding before a line serves as the padding behind the last one.
            n + max(pad) if s == 1 else -(-(n + sum(pad)) // s)
            for n, s, pad in zip(size, window.stride, window.padding)
        ]
        self.steps = tuple(math.prod(pitch[d + 1 :]) for d in range(len(pitch)))
        self.room = math.prod(pitch)  # of an image
        self.positions = self.reaching(self.counts)
        self.phases = list(self._phases())
        self.reach = max(shift for phase in self.phases for _, shift in phase.taps)
        self.width = images * self.room + self.reach + SLACK

    def reaching(self, shape: Sequence[int]) -> int:
        """How many positions there are up to the last one of this shape in each image."""
        return (self.images - 1) * self.room + self.position([n - 1 for n in shape]) + 1

    def position(self, place: Sequence[int]) -> int:
        return sum(i * step for i, step in zip(place, self.steps, strict=True))

    def _phases(self) -> Iterator[Phase]:
        """The phases that a tap sees."""
        w = self.window
        taps: dict[Sizes, list] = {}
        for at in itertools.product(*map(range, w.kernel)):
            far = [u * d for u, d in zip(at, w.dilation)]
            rest = tuple(x % s for x, s in zip(far, w.stride))
            shift = self.position([x // s for x, s in zip(far, w.stride)])
            taps.setdefault(rest, []).append((at, shift))
        for rest in taps:
            # Position q of a phase is element q * stride + rest - padding of the image.
            axes = list(zip(rest, w.stride, w.padding, self.size))
            start = [max(0, -((r - b) // s)) for r, s, (b, _), _ in axes]
            stop = [-((r - b - n) // s) for r, s, (b, _), n in axes]
            first = [q * s + r - b for q, (r, s, (b, _), _) in zip(start, axes)]
            shape = [max(0, z - a) for a, z in zip(start, stop)]
            yield Phase(tuple(start), tuple(shape), tuple(first), taps[rest])

    def inside(self, pointer: str, apart: int, phase: Phase, skip: int = 0) -> Operand:
        """What lies in the image, as (image, channel, *place); channels are `apart`."""
        strides = self.room, apart, *self.steps
        return Operand(pointer, strides, skip + self.position(phase.start))

    def shifts(self) -> list[tuple[Sizes, int]]:
        """The taps in the window's order, and how far their phase's row is shifted."""
        return sorted(
            (at, i * self.width + shift)
            for i, phase in enumerate(self.phases)
            for at, shift in phase.taps
        )


def every(x: Operand, stride: Sizes, first: Sizes) -> Operand:
    """Every stride-th element of images, from the first on."""
    own = x.strides[2:]
    steps = (n * s for n, s in zip(stride, own, strict=True))
    start = sum(i * s for i, s in zip(first, own, strict=True))
    return Operand(x.pointer, (*x.strides[:2], *steps), x.offset + start)


def called(
    w: Writer, name: str, text: str, dtype: np.dtype, taps: Any, given: Any
) -> list[str]:
    """A call of the function `text` on vectors of `dtype`, with a table of taps."""
    helpers, real = w.scalars.helpers, CTYPES[dtype.name]
    bits = f"{BITS[dtype.itemsize]}_t"
    helpers["vectors"] = PRELUDE
    for own, code in ((f"vec_{real}", VECTORS), (f"{name}_{real}", text)):
        helpers[own] = re.sub(r"\bT\b|(?<=_)T\b", real, code).replace("BITS", bits)
    pairs = ", ".join(f"{{{a}, {b}}}" for a, b in taps)
    return [
        "{",
        f"static const int64_t tap[{len(taps)}][2] = {{{pairs}}};",
        f"{name}_{real}({', '.join(map(str, given))});",
        "}",
    ]
