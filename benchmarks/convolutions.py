"""`python -m benchmarks.convolutions`: convolutions slid along rows, and as products by BLAS.

What `is_for_blas` in minigrad/native/convolution.py rests on: for each shape the time of
products (im2col + gemm) in that of rows, for a convolution and its two gradients, the best
of many; below 1.00 products win. A star marks what the rule chooses.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock

import numpy as np

import minigrad as mg
from benchmarks.harness import PAUSE, _samples
from minigrad.native import convolution
from minigrad.ops.conv import Window, conv, conv_input, conv_weight
from minigrad.ops.op import Op

ROUNDS = 3
OPS = (conv, conv_input, conv_weight)
ONCE = 0.02  # seconds of a turn


class Shape(NamedTuple):
    """`batch` images of `channels` x `size` x `size`, seen by `filters` of `kernel`."""

    batch: int
    channels: int
    size: int
    filters: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    groups: int = 1

    @property
    def window(self) -> Window:
        pad = self.dilation * (self.kernel - 1) // 2
        return Window(
            *zip(*[(self.kernel, self.stride, (pad, pad), self.dilation)] * 2)
        )

    def __str__(self) -> str:
        b, c, n, f, k, *rest = self
        names = zip(("stride", "holes", "groups"), rest)
        more = "".join(f" {name} {n}" for name, n in names if n != 1)
        return f"{b} x {c} x {n}x{n}, {f} of {k}x{k}{more}"


SHAPES = [
    Shape(64, 1, 8, 8, 3), Shape(64, 8, 8, 16, 3), Shape(64, 1, 28, 16, 5),
    Shape(64, 16, 28, 32, 3), Shape(1, 16, 28, 32, 3), Shape(64, 64, 14, 64, 3),
    Shape(64, 128, 7, 128, 3), Shape(8, 64, 56, 64, 3), Shape(1, 64, 56, 64, 3),
    Shape(1, 256, 14, 256, 3), Shape(16, 256, 14, 256, 3), Shape(1, 3, 224, 64, 7, 2),
    Shape(4, 3, 224, 32, 3), Shape(8, 64, 56, 128, 3, 2), Shape(8, 64, 28, 64, 3, 1, 2),
    Shape(8, 64, 56, 256, 1), Shape(8, 256, 56, 64, 1), Shape(64, 16, 8, 32, 1),
    Shape(8, 64, 56, 128, 1, 2), Shape(1, 512, 7, 512, 1), Shape(8, 32, 28, 32, 5),
    Shape(8, 64, 56, 64, 3, 1, 1, 64), Shape(8, 64, 28, 64, 3, 1, 1, 4),
]  # fmt: skip


def operands(op: Op, shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of what is convolved."""
    image = shape.batch, shape.channels, shape.size, shape.size
    filter = shape.filters, shape.channels // shape.groups, *shape.window.kernel
    seen = shape.batch, shape.filters, *shape.window.counts(image[2:])
    return {
        conv: (image, filter),
        conv_input: (seen, filter),
        conv_weight: (image, seen),
    }[op]


def convolved(op: Op, shape: Shape, x: mg.Node, y: mg.Node) -> mg.Node:
    more = {"size": (shape.size, shape.size)} if op is conv_input else {}
    return op(x, y, window=shape.window, groups=shape.groups, **more)


def program(op: Op, shape: Shape, products: bool) -> Callable[[], object]:
    """A call of a program that is one convolution."""
    rng = np.random.default_rng(0)
    sizes = operands(op, shape)
    a, b = (mg.from_numpy(rng.normal(size=s).astype("f")) for s in sizes)
    x, y = map(mg.placeholder, sizes)
    with mock.patch.object(convolution, "is_for_blas", return_value=products):
        run = mg.compile([x, y], convolved(op, shape, x, y), target="native")
    return lambda: run(a, b)


def measured(op: Op, shape: Shape) -> tuple[float, float]:
    """Seconds of both ways, which take turns: along rows, as products."""
    ways = [program(op, shape, products) for products in (False, True)]
    best = [math.inf] * 2
    for _ in range(ROUNDS):
        for i, run in enumerate(ways):
            time.sleep(PAUSE)
            best[i] = min(best[i], *_samples(run, 1, ONCE))
    return best[0], best[1]


def chosen(op: Op, shape: Shape) -> bool:
    """Does the rule take products?"""
    return convolution.is_for_blas(
        convolved(op, shape, *map(mg.placeholder, operands(op, shape)))
    )


if __name__ == "__main__":
    print(f"{'images, filters':<44}", *(f"{op.name:>20}" for op in OPS))
    for shape in SHAPES:
        cells = []
        for op in OPS:
            rows, products = measured(op, shape)
            mark = "*" if chosen(op, shape) else " "
            cells.append(f"{rows * 1e3:8.3f} ms {products / rows:7.2f}{mark}")
        print(f"{shape!s:<44}", *cells, flush=True)
