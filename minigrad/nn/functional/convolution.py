"""Convolutions, windows by themselves, and padding."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from minigrad.errors import ArgumentError, ShapeError
from minigrad.ops import shapes
from minigrad.ops.conv import Window, conv, conv_input, overlap, windows
from minigrad.ops.elementwise import fill
from minigrad.ops.indexing import ARRAY, index
from minigrad.ops.movement import put, zeros

Sizes = Any  # an int, or one for each dim
WORDS = ("same", "valid")  # that padding may be


def each(name: str, what: str, value: Any, dims: int, least: int = 1) -> tuple:
    """`value` for each of `dims` dims, every one an integer not below `least`."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    try:
        sizes = tuple(map(operator.index, given))
    except TypeError:
        sizes = ()
    if len(sizes) == 1:
        sizes *= dims
    if len(sizes) != dims or min(sizes) < least:
        raise ArgumentError(
            f"{name}: this {what} does not do",
            expected=f"an integer >= {least}, or {dims} of them",
            got=repr(value),
        )
    return sizes


def batched(name: str, input: Any, dims: int) -> tuple[Any, bool]:
    """`input` as (batch, channels, *size), and whether the batch was missing."""
    if input.ndim not in (dims + 1, dims + 2):
        raise ShapeError(
            f"{name}: wrong number of dims",
            expected=f"{dims + 2} dims, or {dims + 1} without a batch",
            got=shapes.describe(input, "input"),
        )
    if input.ndim == dims + 2:
        return input, False
    return input.reshape((1, *input.shape)), True


def unbatched(y: Any, alone: bool) -> Any:
    return y.reshape(tuple(y.shape[1:])) if alone else y


def sliding(
    name: str, dims: int, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Window:
    """How a window slides, from what a user may give for it."""
    return Window(
        each(name, "kernel_size", kernel, dims),
        each(name, "stride", stride, dims),
        tuple((n, n) for n in each(name, "padding", padding, dims, least=0)),
        each(name, "dilation", dilation, dims),
    )


# --- convolution -------------------------------------------------------------------------


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Any = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """A filter bank moved over sequences; see `conv2d`, with one size less."""
    return _conv("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Any = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Any:
    """A filter bank moved over images (cross-correlation, as every library has it).

    `input` is (batch, channels, height, width) or without the batch, `weight` (filters,
    channels / groups, height, width), `bias` (filters,), all of one dtype. `padding` is
    also "valid" (none) or "same" (the output has the input's size; stride 1 only). Raises
    `ShapeError`, `DTypeError`, `ArgumentError`.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.conv2d(mg.ones(1, 3, 8, 8), mg.ones(16, 3, 3, 3), padding=1).shape
    (1, 16, 8, 8)
    """
    return _conv("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Any:
    """Each position of `input` spread over its window by the filters in `weight`.

    It undoes what `conv2d` of the same arguments does to the shape; `output_padding` says
    by how much the size exceeds the smallest such. `weight` is (channels, filters /
    groups, height, width).
    """
    name = "conv_transpose2d"
    x, alone = batched(name, input, 2)
    _check_weight(name, 2, weight, groups)
    window = sliding(name, 2, tuple(weight.shape[2:]), stride, padding, dilation)
    more = each(name, "output_padding", output_padding, 2, least=0)
    if any(n >= step for n, step in zip(more, window.stride)):
        raise NotImplementedError(
            f"{name}: output_padding {more} must be smaller than stride {window.stride}"
        )
    ends = zip(x.shape[2:], window.stride, window.padding, window.extent(), more)
    size = tuple((n - 1) * s - sum(p) + reach + rest for n, s, p, reach, rest in ends)
    if min(size) < 1:
        raise ShapeError(
            f"{name}: nothing would be left of the output",
            expected="a size of at least 1",
            got=f"{size} from {shapes.describe(input, 'input')}",
            remedy="less padding",
        )
    y = conv_input(x, weight, size=size, window=window, groups=groups)
    return unbatched(_biased(name, y, bias), alone)


def _conv(
    name: str, dims: int, input: Any, weight: Any, bias: Any,
    stride: Any, padding: Any, dilation: Any, groups: int,
) -> Any:  # fmt: skip
    x, alone = batched(name, input, dims)
    _check_weight(name, dims, weight, groups)
    kernel, least = tuple(weight.shape[2:]), 0 if padding in WORDS else padding
    window = sliding(name, dims, kernel, stride, least, dilation)
    if padding == "same":
        window = _of_the_same_size(name, window)
    y = conv(x, weight, window=window, groups=groups)
    return unbatched(_biased(name, y, bias), alone)


def _of_the_same_size(name: str, window: Window) -> Window:
    """A window that takes as many positions as there are elements."""
    if set(window.stride) != {1}:
        raise ArgumentError(
            f"{name}: padding='same' needs a stride of 1",
            got=f"stride {window.stride}",
            remedy=f"padding={tuple(k // 2 for k in window.kernel)}",
        )
    pairs = (((n - 1) // 2, n // 2) for n in window.extent())  # an odd one goes behind
    return window._replace(padding=tuple(pairs))


def _check_weight(name: str, dims: int, weight: Any, groups: int) -> None:
    if weight.ndim != dims + 2 or type(groups) is not int or groups < 1:
        raise ShapeError(
            f"{name}: weight or groups does not do",
            expected=f"a weight of {dims + 2} dims, and at least 1 group",
            got=f"{shapes.describe(weight, 'weight')}, groups={groups}",
        )


def _biased(name: str, y: Any, bias: Any) -> Any:
    if bias is None:
        return y
    if tuple(bias.shape) != (y.shape[1],) or bias.dtype != y.dtype:
        raise ShapeError(
            f"{name}: the bias does not fit",
            expected=f"({y.shape[1]},) {y.dtype}",
            got=f"{shapes.describe(bias, 'bias')} {bias.dtype}",
        )
    return y + bias.reshape((-1,) + (1,) * (y.ndim - 2))


# --- windows -----------------------------------------------------------------------------


def unfold(
    input: Any,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Any:
    """Every window of images as a column: (batch, channels * window, positions)."""
    x, alone = batched("unfold", input, 2)
    window = sliding("unfold", 2, kernel_size, stride, padding, dilation)
    y = windows(x, window=window)
    shape = (y.shape[0], math.prod(y.shape[1:4]), math.prod(y.shape[4:]))
    return unbatched(y.reshape(shape), alone)


def fold(
    input: Any,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Any:
    """`unfold`'s columns back as images, adding up where windows overlap."""
    x, alone = batched("fold", input, 1)
    size = each("fold", "output_size", output_size, 2)
    window = sliding("fold", 2, kernel_size, stride, padding, dilation)
    counts, places = window.counts(size), math.prod(window.kernel)
    if x.shape[1] % places or x.shape[2] != math.prod(counts):
        raise ShapeError(
            "fold: the columns do not make these images",
            expected=f"channels * {places} rows, {math.prod(counts)} columns",
            got=shapes.describe(input, "input"),
        )
    shape = (x.shape[0], x.shape[1] // places, *window.kernel, *counts)
    return unbatched(overlap(x.reshape(shape), size=size, window=window), alone)


# --- padding -----------------------------------------------------------------------------


def pad(
    input: Any, pad: Any, mode: str = "constant", value: float | None = None
) -> Any:
    """`input` with more on its edges: `pad` is (before, after) for the last dim, then the
    one in front of it, and so on. Negative numbers cut off.

    `mode` is "constant" (filled with `value`), "reflect", "replicate" or "circular".

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.pad(mg.tensor([1.0, 2.0, 3.0]), (1, 2))
    tensor([0., 1., 2., 3., 0., 0.])
    """
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ArgumentError(
            "pad: wants (before, after) for each dim, the last one first",
            expected=f"an even number of integers, at most {2 * input.ndim}",
            got=str(tuple(pad)),
        )
    pairs = [(0, 0)] * input.ndim
    for i in range(0, len(pad), 2):
        pairs[-1 - i // 2] = (pad[i], pad[i + 1])
    if mode == "constant":
        return _constant(input, pairs, value or 0)
    if mode not in _SOURCES or value is not None or len(pad) > 2 * (input.ndim - 1):
        raise ArgumentError(
            "pad: this mode does not do here",
            expected="'constant', 'reflect', 'replicate' or 'circular'; all but the "
            "first take no value and leave the channels as they are",
            got=f"{mode!r}, value={value}, pad={tuple(pad)}",
        )
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            at = _SOURCES[mode](input.shape[axis], before, after)
            input = index(input, at, key=(np.s_[:],) * axis + (ARRAY,))
    return input


def _constant(input: Any, pairs: list, value: float) -> Any:
    part, size, key = input, list(input.shape), [np.s_[:]] * input.ndim
    for axis, (front, back) in enumerate(pairs):
        if not (front or back):  # so its size need not be known
            continue
        n = size[axis]
        size[axis] = n + front + back
        if size[axis] < 0:
            got = f"a size of {tuple(size)}"
            raise ShapeError("pad: more is cut off than there is", got=got)
        kept = np.s_[max(-front, 0) : n - max(-back, 0)]
        part = part[(np.s_[:],) * axis + (kept,)]
        start = max(front, 0)
        key[axis] = np.s_[start : start + part.shape[axis]]
    whole = fill(zeros(input, shape=tuple(size)), value=value)
    return put(whole, part, view="slice", attrs={"key": (*key, ...)})


def _reflected(n: int, before: int, after: int) -> Any:
    if max(before, after) >= n:
        raise ArgumentError(
            "pad: a mirror shows no more than there is",
            expected=f"padding below the size, {n}",
            got=str((before, after)),
        )
    return (n - 1) - np.abs((n - 1) - np.abs(np.arange(-before, n + after)))


def _circular(n: int, before: int, after: int) -> Any:
    if max(before, after) > n:
        raise ArgumentError(
            "pad: a circle goes round once",
            expected=f"padding of the size at most, {n}",
            got=str((before, after)),
        )
    rest = np.arange(max(-before, 0), n - max(-after, 0))
    return rest[np.arange(-max(before, 0), len(rest) + max(after, 0)) % len(rest)]


_SOURCES = {  # where each element of a padded axis comes from
    "reflect": _reflected,
    "replicate": lambda n, before, after: np.arange(-before, n + after).clip(0, n - 1),
    "circular": _circular,
}

__all__ = """
    conv1d conv2d conv_transpose2d fold pad unfold
""".split()
