"""Windows that slide over an array: convolution and pooling, in any number of dims.

An array here is (batch, channels, *size). The three convolutions are bilinear and closed
under differentiation: each is what the other two have for derivatives.

    conv(x, w)              what a filter w finds at each position of x
    conv_input(g, w)        by x: every position's g, spread over its window (transposed)
    conv_weight(x, g)       by w: every window, weighted by its position's g

All are one matrix product with the windows as columns. Inside, the batch is the last axis:
neighbours in memory then move together from window to window, and collecting the windows
of 64 small images takes an eighth of the time that it takes with the batch first.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minigrad.backend import int64, module_of, on_device
from minigrad.errors import DTypeError, ShapeError, user_scope
from minigrad.ops import shapes
from minigrad.ops.op import Op

Sizes = tuple[int, ...]
ALL = np.s_[:]


class Window(NamedTuple):
    """How a window slides; each field has an entry for each axis after the channels."""

    kernel: Sizes
    stride: Sizes
    padding: tuple[tuple[int, int], ...]  # before and after
    dilation: Sizes

    def padded(self, size: Sizes) -> Sizes:
        return tuple(n + sum(pad) for n, pad in zip(size, self.padding))

    def extent(self) -> Sizes:
        """How far a window reaches, its holes included."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation))

    def counts(self, size: Sizes) -> Sizes:
        """How many positions the window takes along each axis."""
        steps = zip(self.padded(size), self.extent(), self.stride)
        counts = tuple((n - reach) // step + 1 for n, reach, step in steps)
        if len(size) != len(self.kernel) or min(counts) < 1:
            raise ShapeError(
                f"{user_scope() or 'window'}: the window does not fit into the input",
                expected=f"at least {self.extent()}, padding included",
                got=f"an input of {size}, padded to {self.padded(size)}",
            )
        return counts

    def taps(self, counts: Sizes) -> Iterator[tuple[Sizes, tuple[slice, ...]]]:
        """Each place in the window, with what is there as the window slides."""
        for at in itertools.product(*map(range, self.kernel)):
            steps = zip(at, self.dilation, self.stride, counts)
            yield (
                at,
                tuple(
                    np.s_[i * d : i * d + s * (n - 1) + 1 : s] for i, d, s, n in steps
                ),
            )


# --- batch last --------------------------------------------------------------------------


def _batch_last(a: Any, axes: Sizes) -> Any:
    """A copy of `a` with its axes in another order, the first one last."""
    n, row = a.shape[0], math.prod(a.shape[1:])
    host = not on_device(a)
    if host and n > 1 and row and row * a.itemsize % 2048 == 0:
        # Rows a power of two apart fall into the same few lines of the cache.
        wide = np.empty((n, row + 16), a.dtype)
        wide[:, :row] = a.reshape(n, row)
        a = wide[:, :row].reshape(a.shape)
    return module_of(a).ascontiguousarray(a.transpose(axes))


def _pad(a: Any, window: Window, value: float = 0) -> Any:
    if not any(map(any, window.padding)):
        return a
    shape = (*a.shape[:2], *window.padded(a.shape[2:]))
    y = module_of(a).full(shape, value, a.dtype)
    y[_inner(a.shape, window)] = a
    return y


def _inner(shape: Sizes, window: Window) -> tuple[slice, ...]:
    """Where in the padded array the array itself is."""
    size = zip(window.padding, shape[2:])
    return (ALL, ALL, *(np.s_[before : before + n] for (before, _), n in size))


def _laid(a: Any, window: Window, value: float = 0) -> Any:
    """`a` padded, as (channels, *size, batch)."""
    return _batch_last(_pad(a, window, value), (*range(1, a.ndim), 0))


def _blocks(counts: Sizes, batch: int) -> int:
    """In how many matrix products a product is done: small factors stay in the cache."""
    return counts[0] if math.prod(counts[1:]) * batch >= 128 else 1


def _columns(a: Any, window: Window, groups: int) -> Any:
    """The windows of `a` as (blocks, groups, place in the window, position * batch)."""
    counts, laid = window.counts(a.shape[2:]), _laid(a, window)
    blocks, kernel = _blocks(counts, len(a)), window.kernel
    rows = counts[0] // blocks
    s, *inner, last = laid.strides
    steps = tuple(n * step for n, step in zip(inner, window.stride))
    holes = tuple(n * d for n, d in zip(inner, window.dilation))
    every = module_of(laid).lib.stride_tricks.as_strided(
        laid,
        (blocks, a.shape[1], *kernel, rows, *counts[1:], len(a)),
        (steps[0] * rows, s, *holes, *steps, last),
    )
    places = a.shape[1] // groups * math.prod(kernel)
    return every.reshape(blocks, groups, places, rows * math.prod(counts[1:]) * len(a))


def _rows(g: Any, groups: int) -> Any:
    """An array of positions as (blocks, groups, channel, position * batch)."""
    n, channels, *counts = g.shape
    blocks = _blocks(tuple(counts), n)
    rest = math.prod(counts) // blocks
    split = _batch_last(g.reshape(n, channels, blocks, rest), (2, 1, 3, 0))
    return split.reshape(blocks, groups, channels // groups, rest * n)


def _filters(b: Any, groups: int) -> Any:
    """A weight as a matrix for each group."""
    return b.reshape(groups, len(b) // groups, math.prod(b.shape[1:]))


def _numbers_of_one_dtype(a: Any, b: Any) -> None:
    if a.dtype != b.dtype or a.dtype.kind == "b":
        raise TypeError("two operands of one dtype, not bool")


def _new(shape: Sizes, like: Any, out: Any, dtype: Any = None) -> Any:
    if out is not None:
        return out
    return module_of(like).empty(shape, dtype or like.dtype)


# --- convolution -------------------------------------------------------------------------


def _conv(a: Any, b: Any, window: Window, groups: int, out: Any = None) -> Any:
    _numbers_of_one_dtype(a, b)
    counts = window.counts(a.shape[2:])
    y = np.matmul(_filters(b, groups), _columns(a, window, groups))
    blocks, rest = y.shape[0], math.prod(counts) // y.shape[0]
    y = y.reshape(blocks, len(b), rest, len(a)).transpose(3, 1, 0, 2)
    out = _new((len(a), len(b), *counts), a, out)
    np.copyto(out.reshape(y.shape), y)
    return out


def _conv_input(
    a: Any, b: Any, size: Sizes, window: Window, groups: int, out: Any = None
) -> Any:
    _numbers_of_one_dtype(a, b)
    n, channels, counts = len(a), b.shape[1] * groups, a.shape[2:]
    columns = np.matmul(_filters(b, groups).swapaxes(1, 2), _rows(a, groups))
    blocks = columns.shape[0]
    columns = columns.reshape(
        blocks, channels, *window.kernel, counts[0] // blocks, *counts[1:], n
    )
    y = module_of(a).zeros((channels, *window.padded(size), n), a.dtype)
    for at, seen in window.taps(counts):
        part = columns[(ALL, ALL, *at)].swapaxes(0, 1)
        y[(ALL, *seen)] += part.reshape(channels, *counts, n)
    out = _new((n, channels, *size), a, out)
    np.copyto(out, np.moveaxis(y, -1, 0)[_inner(out.shape, window)])
    return out


def _conv_weight(a: Any, b: Any, window: Window, groups: int, out: Any = None) -> Any:
    _numbers_of_one_dtype(a, b)
    products = np.matmul(_rows(b, groups), _columns(a, window, groups).swapaxes(2, 3))
    out = _new((b.shape[1], a.shape[1] // groups, *window.kernel), a, out)
    flat = out.reshape(products.shape[1:])
    np.add.reduce(products, axis=0, dtype=a.dtype, out=flat)
    return out


def _expect(op: Op, fits: bool, expected: str, args: tuple, groups: int) -> None:
    if not fits:
        raise ShapeError(
            f"{user_scope() or op.name}: the operands do not fit together",
            expected=expected + f", groups={groups}" * (groups != 1),
            got=shapes.describe_all(args),
        )


def _wants_numbers(op: Op, args: tuple) -> DTypeError:
    return DTypeError(
        f"{user_scope() or op.name}: wants numbers",
        expected="an integer or float dtype",
        got=shapes.describe_dtypes(args),
        remedy="x.float()",
    )


def _infer(shape: Callable[..., Sizes]) -> Callable[..., tuple]:
    """The rule that all three share; `shape` gives what is different."""

    def infer(op: Op, args: tuple, attrs: dict) -> tuple[Sizes, np.dtype]:
        a, b = args
        if a.dtype != b.dtype:
            raise DTypeError(
                f"{user_scope() or op.name}: the dtypes differ",
                expected="two operands of one dtype",
                got=shapes.describe_dtypes(args),
            )
        if a.dtype.kind == "b":
            raise _wants_numbers(op, args)
        return shape(op, args, **attrs), a.dtype

    return infer


def _conv_shape(op: Op, args: tuple, window: Window, groups: int) -> Sizes:
    a, b = args
    fits = groups > 0 and a.shape[1] == b.shape[1] * groups and b.shape[0] % groups == 0
    expected = "x (batch, channels, ...), w (filters, channels / groups, ...)"
    _expect(op, fits, expected, args, groups)
    return a.shape[0], b.shape[0], *window.counts(a.shape[2:])


def _input_shape(
    op: Op, args: tuple, size: Sizes, window: Window, groups: int
) -> Sizes:
    a, b = args
    fits = groups > 0 and a.shape[1] == b.shape[0] and b.shape[0] % groups == 0
    expected = "x (batch, channels, ...), w (channels, filters / groups, ...)"
    _expect(op, fits, expected, args, groups)
    return a.shape[0], b.shape[1] * groups, *size


def _weight_shape(op: Op, args: tuple, window: Window, groups: int) -> Sizes:
    a, b = args
    fits = a.shape[0] == b.shape[0] and a.shape[1] % groups == b.shape[1] % groups == 0
    fits = fits and window.counts(a.shape[2:]) == tuple(b.shape[2:])
    expected = "x (batch, channels, ...), g (batch, filters, a number each position)"
    _expect(op, fits, expected, args, groups)
    return b.shape[1], a.shape[1] // groups, *window.kernel


WINDOWS = {  # for samples: (size, window)
    1: ((5,), Window((2,), (1,), ((0, 1),), (2,))),
    2: ((4, 5), Window((3, 2), (2, 1), ((1, 1), (0, 0)), (1, 2))),
}


def _sample(name: str) -> Callable:
    """The operands of one of the three for windows of one and two dims, and groups."""

    def sample(rng: np.random.Generator) -> list:
        calls = []
        for dims, batch, groups in ((1, 2, 1), (2, 1, 2)):
            size, window = WINDOWS[dims]
            x = rng.normal(size=(batch, 2, *size))
            w = rng.normal(size=(2, 2 // groups, *window.kernel))
            g = rng.normal(size=(batch, 2, *window.counts(size)))
            args = {"conv": [x, w], "conv_input": [g, w], "conv_weight": [x, g]}[name]
            more = {"size": size} if name == "conv_input" else {}
            calls.append((args, {**more, "window": window, "groups": groups}))
        return calls

    return sample


def _convolution(
    name: str, fn: Any, shape: Any, first: Any, second: Any, doc: str
) -> Op:
    return Op(
        name,
        fn,
        (first, second),
        infer=_infer(shape),
        kind="contraction",
        doc=doc,
        sample=_sample(name),
    )


conv = _convolution(
    "conv",
    _conv,
    _conv_shape,
    lambda g, sa, b, window, groups: conv_input(
        g, b, size=sa[2:], window=window, groups=groups
    ),
    lambda g, a, window, groups: conv_weight(a, g, window=window, groups=groups),
    "b's filters at every position of a",
)
conv_input = _convolution(
    "conv_input",
    _conv_input,
    _input_shape,
    lambda g, b, window, groups: conv(g, b, window=window, groups=groups),
    lambda g, a, window, groups: conv_weight(g, a, window=window, groups=groups),
    "what conv has for a derivative by its input: a's positions spread by b's filters",
)
conv_weight = _convolution(
    "conv_weight",
    _conv_weight,
    _weight_shape,
    lambda g, sa, b, window, groups: conv_input(
        b, g, size=sa[2:], window=window, groups=groups
    ),
    lambda g, a, window, groups: conv(a, g, window=window, groups=groups),
    "what conv has for a derivative by its weight: a's windows, weighted by b",
)

# --- windows by themselves ---------------------------------------------------------------


def _windows(a: Any, window: Window, out: Any = None) -> Any:
    counts, padded = window.counts(a.shape[2:]), _pad(a, window)
    out = _new((*a.shape[:2], *window.kernel, *counts), a, out)
    for at, seen in window.taps(counts):
        out[(ALL, ALL, *at)] = padded[(ALL, ALL, *seen)]
    return out


def _overlap(a: Any, size: Sizes, window: Window, out: Any = None) -> Any:
    y = module_of(a).zeros((*a.shape[:2], *window.padded(size)), a.dtype)
    for at, seen in window.taps(window.counts(size)):
        y[(ALL, ALL, *seen)] += a[(ALL, ALL, *at)]
    out = _new((*a.shape[:2], *size), a, out)
    np.copyto(out, y[_inner(out.shape, window)])
    return out


def _max_at(a: Any, window: Window, out: Any = None) -> Any:
    size, counts = a.shape[2:], window.counts(a.shape[2:])
    lowest = -np.inf if a.dtype.kind == "f" else np.iinfo(a.dtype).min
    laid, taps = _laid(a, window, lowest), list(window.taps(counts))
    best = functools.reduce(np.maximum, (laid[(ALL, *seen)] for _, seen in taps))
    # The earlier a place in the window, the higher its rank: bytes are quick to compare.
    xp = module_of(a)
    ranks = xp.zeros(best.shape, np.min_scalar_type(len(taps)))
    starts, insides = _places(size, window, counts)
    for rank, (_, seen), inside in zip(range(len(taps), 0, -1), taps, insides):
        here = laid[(ALL, *seen)]
        found = ((here == best) | (here != here)) & xp.asarray(inside)
        np.maximum(ranks, np.multiply(found, rank, dtype=ranks.dtype), out=ranks)
    jumps = xp.array([_flat(size, at, window.dilation) for at, _ in taps])
    out = _new((*a.shape[:2], *counts), a, out, int64)
    np.take(jumps, len(taps) - np.moveaxis(ranks, -1, 0).astype(int64), out=out)
    return np.add(out, xp.asarray(starts), out=out)


def _flat(size: Sizes, at: Any, scale: Sizes) -> Any:
    """The position `at` (times `scale`) in an array of shape `size`, flattened."""
    flat: Any = 0
    for n, i, times in zip(size, at, scale):
        flat = flat * n + i * times
    return flat


def _places(size: Sizes, window: Window, counts: Sizes) -> tuple[Any, list]:
    """Where in the flattened input windows start; which places in them are inside."""
    grid = np.ix_(
        *(
            np.arange(n) * step - before
            for n, step, (before, _) in zip(counts, window.stride, window.padding)
        )
    )
    insides = [
        functools.reduce(
            np.logical_and,
            (
                (start + i * d >= 0) & (start + i * d < n)
                for start, i, d, n in zip(grid, at, window.dilation, size)
            ),
        )[..., None]
        for at, _ in window.taps(counts)
    ]
    return _flat(size, grid, (1,) * len(size)), insides


def _position_shape(op: Op, args: tuple, attrs: dict) -> tuple[Sizes, np.dtype]:
    (a,) = args
    if a.dtype.kind == "b":
        raise _wants_numbers(op, args)
    return (*a.shape[:2], *attrs["window"].counts(a.shape[2:])), int64


windows = Op(
    "windows",
    _windows,
    (lambda g, sa, window: overlap(g, size=sa[2:], window=window),),
    infer=lambda op, args, attrs: (
        (
            *args[0].shape[:2],
            *attrs["window"].kernel,
            *attrs["window"].counts(args[0].shape[2:]),
        ),
        args[0].dtype,
    ),
    kind="movement",
    doc="every window of a, as (batch, channels, *place in the window, *position)",
    sample=lambda rng: [
        ([rng.normal(size=(2, 2, *size))], {"window": window})
        for size, window in WINDOWS.values()
    ],
)
overlap = Op(
    "overlap",
    _overlap,
    (lambda g, window: windows(g, window=window),),
    infer=lambda op, args, attrs: (
        (*args[0].shape[:2], *attrs["size"]),
        args[0].dtype,
    ),
    kind="movement",
    doc="windows back in their places, adding up where they overlap",
    sample=lambda rng: [
        (
            [rng.normal(size=(2, 2, *window.kernel, *window.counts(size)))],
            {"size": size, "window": window},
        )
        for size, window in WINDOWS.values()
    ],
)
max_at = Op(
    "max_at",
    _max_at,
    (None,),
    infer=_position_shape,
    kind="indexing",
    doc="where in each channel, flattened, every window has its (first) largest element",
    sample=windows.sample,
)
