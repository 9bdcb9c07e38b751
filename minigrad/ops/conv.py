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
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.backend import device_of, int64, late, module_of, on_device
from minigrad.errors import ShapeError, user_scope
from minigrad.ops import shapes
from minigrad.ops.kinds import into, kind, row
from minigrad.ops.op import TABLE, Op

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


def _every(a: Any, window: Window, counts: Sizes, first: int = 1) -> Any:
    """A view: each window of the axes from `first` on, (*place in it, *position)."""
    last = first + len(window.kernel)
    steps = a.strides[first:last]
    holes = (n * d for n, d in zip(steps, window.dilation))
    strides = (n * s for n, s in zip(steps, window.stride))
    return module_of(a).lib.stride_tricks.as_strided(
        a,
        (*a.shape[:first], *window.kernel, *counts, *a.shape[last:]),
        (*a.strides[:first], *holes, *strides, *a.strides[last:]),
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
    n, channels, *size = a.shape
    (high, *wide), kernel = window.counts(size), window.kernel
    blocks = _blocks((high, *wide), n)
    every = _every(_laid(a, window), window, (high, *wide))
    split = every.reshape(channels, *kernel, blocks, high // blocks, *wide, n)
    return np.moveaxis(split, 1 + len(kernel), 0).reshape(
        blocks,
        groups,
        channels // groups * math.prod(kernel),
        high // blocks * math.prod(wide) * n,
    )


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

IMAGE, FOUND = "x (batch, channels, ...)", "g (batch, filters, ...)"
FILTERS = "w (filters, channels / groups, ...)"


def _infer(op: Op, args: tuple, attrs: dict) -> tuple[Sizes, np.dtype]:
    """The rule that all three share; two of the three shapes give the third."""
    (n, c, *size), (m, d, *places) = (x.shape for x in args)
    called, window, groups = user_scope() or op.name, attrs["window"], attrs["groups"]
    shapes.demand_one_dtype(called, *args)
    shapes.demand(called, "number", *args)
    shape: Sizes
    if op.name == "conv":
        fits, shape = c == d * groups and m % groups == 0, (n, m)
        expected = f"{IMAGE}, {FILTERS}"
    elif op.name == "conv_input":
        fits, shape = c == m and c % groups == 0, (n, d * groups, *attrs["size"])
        expected = f"{FOUND}, {FILTERS}"
    else:
        fits = n == m and c % groups == d % groups == 0
        fits = fits and window.counts(size) == tuple(places)
        shape, expected = (d, c // groups, *window.kernel), f"{IMAGE}, {FOUND}"
    if not fits:
        raise ShapeError(
            f"{called}: the operands do not fit together",
            expected=expected + f", groups={groups}" * (groups != 1),
            got=shapes.describe_all(args),
        )
    if op.name == "conv":
        shape += window.counts(size)
    return shape, args[0].dtype


CASES = (  # for samples
    ((5,), Window((2,), (1,), ((0, 1),), (2,)), 1),
    ((4, 5), Window((3, 2), (2, 1), ((1, 1), (0, 0)), (1, 2)), 2),
)


def _sample(operands: str, *names: str) -> Callable:
    """Images x, filters w, positions g or all windows a, and some of the attributes."""

    def sample(rng: np.random.Generator) -> list:
        calls = []
        for size, window, groups in CASES:
            counts = window.counts(size)
            shapes = {
                "x": (2, 2, *size),
                "w": (2, 2 // groups, *window.kernel),
                "g": (2, 2, *counts),
                "a": (2, 2, *window.kernel, *counts),
            }
            args = [rng.normal(size=shapes[x]) for x in operands]
            attrs: dict = {"size": size, "window": window, "groups": groups}
            calls.append((args, {name: attrs[name] for name in names}))
        return calls

    return sample


convolution = kind("contraction", infer=_infer)


def _by_library(fn: Any) -> Callable:
    """`fn`, or on a GPU what cuDNN computes, where it has a plan for the sizes."""

    @functools.wraps(fn)
    def run(a: Any, b: Any, out: Any = None, **attrs: Any) -> Any:
        y, op = None, TABLE[fn.__name__]
        if on_device(a):
            shape, _ = _infer(op, (a, b), attrs)
            library = late("cuda")(device_of(a))
            y = library.convolve(op.name, a, b, shape, attrs["window"], out)
        return fn(a, b, out=out, **attrs) if y is None else y

    return run


@row(
    convolution,
    lambda g, sa, b, window, groups: conv_input(
        g, b, size=sa[2:], window=window, groups=groups
    ),
    lambda g, a, window, groups: conv_weight(a, g, window=window, groups=groups),
    sample=_sample("xw", "window", "groups"),
)
@_by_library
def conv(a: Any, b: Any, window: Window, groups: int, out: Any = None) -> Any:
    """What b's filters find at every position of a."""
    _numbers_of_one_dtype(a, b)
    counts = window.counts(a.shape[2:])
    y = np.matmul(_filters(b, groups), _columns(a, window, groups))
    blocks, rest = y.shape[0], math.prod(counts) // y.shape[0]
    y = y.reshape(blocks, len(b), rest, len(a)).transpose(3, 1, 0, 2)
    out = _new((len(a), len(b), *counts), a, out)
    np.copyto(out.reshape(y.shape), y)
    return out


@row(
    convolution,
    lambda g, b, window, groups: conv(g, b, window=window, groups=groups),
    lambda g, a, window, groups: conv_weight(g, a, window=window, groups=groups),
    sample=_sample("gw", "size", "window", "groups"),
)
@_by_library
def conv_input(
    a: Any, b: Any, size: Sizes, window: Window, groups: int, out: Any = None
) -> Any:
    """What conv has for a derivative by its input: a's positions spread by b's filters."""
    _numbers_of_one_dtype(a, b)
    n, channels, (high, *wide) = len(a), b.shape[1] * groups, a.shape[2:]
    columns = np.matmul(_filters(b, groups).swapaxes(1, 2), _rows(a, groups))
    blocks, kernel = columns.shape[0], window.kernel
    parts = columns.reshape(blocks, channels, *kernel, high // blocks, *wide, n)
    y = module_of(a).zeros((channels, *window.padded(size), n), a.dtype)
    _add_windows(y, np.moveaxis(parts, 0, 1 + len(kernel)), window, (high, *wide))
    out = _new((n, channels, *size), a, out)
    np.copyto(out, np.moveaxis(y, -1, 0)[_inner(out.shape, window)])
    return out


def _add_windows(y: Any, parts: Any, window: Window, counts: Sizes) -> None:
    """Add (channels, *place in the window, *position) where the windows of `y` are."""
    every = _every(y, window, counts)
    for at in np.ndindex(*window.kernel):
        here = every[(ALL, *at)]
        here += parts[(ALL, *at)].reshape(here.shape)


@row(
    convolution,
    lambda g, sa, b, window, groups: conv_input(
        b, g, size=sa[2:], window=window, groups=groups
    ),
    lambda g, a, window, groups: conv(a, g, window=window, groups=groups),
    sample=_sample("xg", "window", "groups"),
)
@_by_library
def conv_weight(a: Any, b: Any, window: Window, groups: int, out: Any = None) -> Any:
    """What conv has for a derivative by its weight: a's windows, weighted by b."""
    _numbers_of_one_dtype(a, b)
    products = np.matmul(_rows(b, groups), _columns(a, window, groups).swapaxes(2, 3))
    out = _new((b.shape[1], a.shape[1] // groups, *window.kernel), a, out)
    flat = out.reshape(products.shape[1:])
    np.add.reduce(products, axis=0, dtype=a.dtype, out=flat)
    return out


# --- windows by themselves ---------------------------------------------------------------


@row(
    kind("movement"),
    lambda g, sa, window: overlap(g, size=sa[2:], window=window),
    infer=shapes.by_first(
        lambda sa, window: (*sa[:2], *window.kernel, *window.counts(sa[2:]))
    ),
    sample=_sample("x", "window"),
)
def windows(a: Any, window: Window, out: Any = None) -> Any:
    """Every window of a, as (batch, channels, *place in the window, *position)."""
    every = _every(_pad(a, window), window, window.counts(a.shape[2:]), first=2)
    return into(every.copy(order="C") if out is None else every, out)


@row(
    kind("movement"),
    lambda g, window: windows(g, window=window),
    infer=shapes.by_first(lambda sa, size, window: (*sa[:2], *size)),
    sample=_sample("a", "size", "window"),
)
def overlap(a: Any, size: Sizes, window: Window, out: Any = None) -> Any:
    """Windows back in their places, adding up where they overlap."""
    y = module_of(a).zeros((*a.shape[:2], *window.padded(size)), a.dtype)
    rows = a.shape[0] * a.shape[1]
    parts, flat = (x.reshape(rows, *x.shape[2:]) for x in (a, y))
    _add_windows(flat, parts, window, window.counts(size))
    out = _new((*a.shape[:2], *size), a, out)
    np.copyto(out, y[_inner(out.shape, window)])
    return out


def _position_shape(op: Op, args: tuple, attrs: dict) -> tuple[Sizes, np.dtype]:
    (a,) = args
    shapes.demand(user_scope() or op.name, "number", a)
    return (*a.shape[:2], *attrs["window"].counts(a.shape[2:])), int64


@row(kind("indexing"), None, infer=_position_shape, sample=windows.sample)
def max_at(a: Any, window: Window, out: Any = None) -> Any:
    """Where in each channel, flattened, every window has its (first) largest element."""
    xp, size, counts = module_of(a), a.shape[2:], window.counts(a.shape[2:])
    lowest = -np.inf if a.dtype.kind == "f" else np.iinfo(a.dtype).min
    every = _every(_laid(a, window, lowest), window, counts)
    real = _pad(xp.ones((1, 1, *size), bool), window)
    inside = _every(real[0], window, counts)[..., None]
    taps = [(ALL, *at) for at in np.ndindex(*window.kernel)]
    best = functools.reduce(np.maximum, (every[at] for at in taps))
    # The earlier a place in the window, the higher its rank: bytes are quick to compare.
    ranks = xp.zeros(best.shape, np.min_scalar_type(len(taps)))
    for rank, at in zip(range(len(taps), 0, -1), taps):
        here = every[at]
        found = ((here == best) | (here != here)) & inside[at]
        np.maximum(ranks, np.multiply(found, rank, dtype=ranks.dtype), out=ranks)
    steps = zip(counts, window.stride, window.padding)
    starts = _flat(size, [np.arange(n) * s - before for n, s, (before, _) in steps])
    holes = zip(window.kernel, window.dilation)
    jumps = _flat(size, [np.arange(n) * d for n, d in holes]).ravel()
    out = _new((*a.shape[:2], *counts), a, out, int64)
    first = len(taps) - np.moveaxis(ranks, -1, 0).astype(int64)
    np.take(xp.asarray(jumps), first, out=out)
    return np.add(out, xp.asarray(starts), out=out)


def _flat(size: Sizes, along: Sequence[Any]) -> Any:
    """The positions of a grid in an array of shape `size`, flattened."""
    steps = (at * math.prod(size[i + 1 :]) for i, at in enumerate(along))
    return functools.reduce(np.add.outer, steps)
