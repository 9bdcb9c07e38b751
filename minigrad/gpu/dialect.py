"""CUDA's words where they are not C's: functions, threads, and sums over a block.

Which problem this solves: the printer of C says what happens to each element; here is who
does it. Elements that do not need each other are dealt out to threads; what is summed up
goes to the threads of one block, which fold their parts together in shared memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from minigrad.gpu.nvrtc import PRELUDE
from minigrad.native.expressions import Scalars

BLOCK = 256  # threads that run together and may share memory
BLOCKS = 4096  # of one launch over elements; each thread then takes several
WARP = 32  # threads whose neighbouring reads are one access to memory
PARTS = 1024  # blocks from which a sum is not split up any further

HEAD = (
    PRELUDE
    + """
template <class T> struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) Four {
  T at[4]; /* read and written together */
};
"""
)


class CudaScalars(Scalars):
    """Expressions in CUDA: functions of a float are the device's own."""

    def declarations(self) -> list[str]:
        text = "\n".join(self.helpers.values())
        text = text.replace("copysign(0,", "copysign(0.0,")  # C++ asks which one
        return text.replace("static inline", "static __device__ inline").splitlines()


# --- one thread for each element -----------------------------------------------------------


def unravelled(
    at: str, counters: Sequence[str], sizes: Sequence[int], kind: str
) -> list[str]:
    """The lines that tell the position along each axis from the number `at` of it."""
    lines, below, total = [], 1, math.prod(sizes)
    for counter, n in reversed(list(zip(counters, sizes, strict=True))):
        text = at if below == 1 else f"{at} / {below}"
        text += "" if below * n == total else f" % {n}"
        lines.append(f"const {kind} {counter} = {text};")
        below *= n
    return lines[::-1]


def dealt(count: int, kind: str, at: str, step: int = 1) -> str:
    """The head of the loop in which a thread takes every so manieth number up to `count`."""
    first = f"({kind})blockIdx.x * blockDim.x + threadIdx.x"
    each = f"({kind})gridDim.x * blockDim.x"
    if step > 1:
        first, each = f"{step} * ({first})", f"{step} * ({each})"
    return f"for ({kind} {at} = {first}; {at} < {count}; {at} += {each}) {{"


def over_elements(count: int) -> tuple[int, int]:
    """Blocks, and threads of a block, for a launch over so many elements."""
    threads = max(WARP, min(BLOCK, -(-count // WARP) * WARP))
    return max(1, min(-(-count // threads), BLOCKS)), threads


def power(n: int) -> int:
    """The next power of two."""
    return 1 << max(0, n - 1).bit_length()


# --- threads of a block that fold together -------------------------------------------------


class Share(NamedTuple):
    """How the threads of a block share `kept` results that `folded` elements each make.

    `lanes` threads work on a result, `columns` results are worked on; where `along`,
    neighbours are lanes of one result, else they are columns. In `splits` pieces, a block
    each, are a result's elements folded; more than one leave partial results.
    """

    kept: int
    folded: int
    lanes: int
    columns: int
    splits: int
    along: bool

    @property
    def threads(self) -> int:
        return self.lanes * self.columns

    @property
    def grid(self) -> tuple[int, int]:
        return -(-self.kept // self.columns), self.splits

    def head(self, kind: str) -> list[str]:
        """Which lane a thread is, and of which result `at`."""
        n = self.lanes if self.along else self.columns
        parts = [f"threadIdx.x % {n}", f"threadIdx.x / {n}"]
        lane, column = parts if self.along else parts[::-1]
        return [
            f"const int lane = {lane};",
            f"const {kind} at = ({kind})blockIdx.x * {self.columns} + {column};",
        ]

    def loop(self, kind: str) -> list[str]:
        """The head of a lane's loop over its elements, which are numbered `q`."""
        if self.splits == 1:
            head = f"{kind} q = lane; q < {self.folded}"
            return [f"for ({head}; q += {self.lanes}) {{"]
        piece = -(-self.folded // self.splits)
        stop = f"({kind})(blockIdx.y + 1) * {piece}"
        return [
            f"const {kind} stop = {stop} < {self.folded} ? {stop} : {self.folded};",
            f"for ({kind} q = ({kind})blockIdx.y * {piece} + lane; "
            f"q < stop; q += {self.lanes}) {{",
        ]

    def tree(self, merge: Callable[[str, str], list[str]]) -> list[str]:
        """Fold what the lanes have, half of them into the other half, again and again.

        The result is where lane 0 stands: each step has an order, so sums always come out
        the same. A barrier comes before each step, and none after the last.
        """
        if self.lanes == 1:
            return []
        far = "half" if self.along else f"half * {self.columns}"
        return [
            f"for (int half = {self.lanes // 2}; half > 0; half /= 2) {{",
            "__syncthreads();",
            "if (lane < half) {",
            *merge("threadIdx.x", f"threadIdx.x + {far}"),
            "}",
            "}",
        ]


def share(kept: int, folded: int, along: bool, splits: bool = True) -> Share:
    """Enough threads for each result, and for neighbours neighbouring elements."""
    if along:
        lanes = min(BLOCK, power(folded))
        columns = min(BLOCK // lanes, power(kept))
    else:
        columns = min(BLOCK if kept >= 1 << 16 else WARP, power(kept))
        lanes = min(BLOCK // columns, power(folded))
    blocks = -(-kept // columns)
    pieces = 1
    if splits and folded > 8 * lanes:
        pieces = max(1, min(-(-folded // (8 * lanes)), PARTS // blocks))
    return Share(kept, folded, lanes, columns, pieces, along)
