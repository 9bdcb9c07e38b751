"""Pooling: one number for each window of a channel, or for each part of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.composite import ValuesAndIndices
from minigrad.errors import ArgumentError
from minigrad.nn.functional.convolution import Sizes, batched, each, sliding, unbatched
from minigrad.ops.conv import Window, max_at, windows
from minigrad.ops.indexing import ARRAY, index
from minigrad.rearrange import stack


def max_pool1d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of each window of a sequence; see `max_pool2d`."""
    window = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool1d", 1, input, window, return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest of each window of an image, (values, indices) if asked for.

    Windows lie side by side unless `stride` is given; `padding` never wins; with
    `ceil_mode` the last window may reach over the edge. An index counts within its
    channel. Of equal elements the first one gets the gradient.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.max_pool2d(mg.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    window = kernel_size, stride, padding, dilation, ceil_mode
    return _max_pool("max_pool2d", 2, input, window, return_indices)


def _max_pool(
    name: str, dims: int, input: Any, how: tuple, return_indices: bool
) -> Any:
    x, alone = batched(name, input, dims)
    size = tuple(x.shape[2:])
    at = max_at(x, window=_window(name, size, *how))
    y = index(x.reshape((-1,)), at.reshape((-1,)), key=(ARRAY,))
    values = unbatched(y.reshape(tuple(at.shape)), alone)
    if return_indices:
        return ValuesAndIndices(values, unbatched(at % math.prod(size), alone))
    return values


def _window(
    name: str, size: tuple, kernel: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> Window:  # fmt: skip
    if stride in (None, (), []):  # an empty one is PyTorch's oldest spelling of None
        stride = kernel
    window = sliding(name, len(size), kernel, stride, padding, dilation)
    reach = window.extent()
    if any(2 * p > n for (p, _), n in zip(window.padding, reach)):
        raise ArgumentError(
            f"{name}: a window may not lie in the padding",
            expected=f"padding of at most half the window, {reach}",
            got=str(padding),
        )
    if not ceil_mode:
        return window
    pairs = []
    for n, span, step, (p, _) in zip(size, reach, window.stride, window.padding):
        count = -(-(n + 2 * p - span) // step) + 1
        if (count - 1) * step >= n + p:  # it would start behind the edge
            count -= 1
        pairs.append((p, max(p, (count - 1) * step + span - n - p)))
    return window._replace(padding=tuple(pairs))


def avg_pool1d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window of a sequence; see `avg_pool2d`."""
    how = kernel_size, stride, padding, 1, ceil_mode
    return _avg_pool("avg_pool1d", 1, input, how, count_include_pad, None)


def avg_pool2d(
    input: Any,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window of an image.

    Zeros of the padding count unless `count_include_pad` is False; what reaches over the
    padded edge (`ceil_mode`) never does. `divisor_override` replaces the count.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.avg_pool2d(mg.arange(4.0).reshape(1, 2, 2), 2)
    tensor([[[1.5000]]])
    """
    how = kernel_size, stride, padding, 1, ceil_mode
    return _avg_pool("avg_pool2d", 2, input, how, count_include_pad, divisor_override)


def _avg_pool(
    name: str, dims: int, input: Any, how: tuple, padded: bool, divisor: int | None
) -> Any:
    x, alone = batched(name, input, dims)
    size = tuple(x.shape[2:])
    window = _window(name, size, *how)
    if divisor == 0:
        raise ArgumentError(f"{name}: divisor_override is 0")
    total = windows(x, window=window).sum(axis=tuple(range(2, 2 + dims)))
    if divisor is None:
        edges = tuple(before if padded else 0 for before, _ in window.padding)
        counts = _counts(size, window, edges)
        same = counts.size and (counts == counts.flat[0]).all()
        divisor = int(counts.flat[0]) if same else counts.astype(x.dtype)
    return unbatched(total / divisor, alone)


def _counts(size: tuple, window: Window, edges: tuple) -> Any:
    """How many elements, and zeros up to `edges`, each window covers."""
    covered = []
    for i, n in enumerate(window.counts(size)):
        start = np.arange(n) * window.stride[i] - window.padding[i][0]
        end = np.minimum(start + window.kernel[i], size[i] + edges[i])
        covered.append(end - np.maximum(start, -edges[i]))
    return functools.reduce(np.multiply, np.ix_(*covered))


def adaptive_avg_pool1d(input: Any, output_size: Sizes) -> Any:
    """The means of `output_size` parts of a sequence."""
    x, alone = batched("adaptive_avg_pool1d", input, 1)
    return unbatched(_parts("adaptive_avg_pool1d", x, output_size, 1, _mean), alone)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """The means of parts of an image, `output_size` of them whatever its size is.

    None as one of the two sizes leaves that dim as it is.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.adaptive_avg_pool2d(mg.ones(2, 3, 7, 5), (2, None)).shape
    (2, 3, 2, 5)
    """
    x, alone = batched("adaptive_avg_pool2d", input, 2)
    return unbatched(_parts("adaptive_avg_pool2d", x, output_size, 2, _mean), alone)


def adaptive_max_pool2d(
    input: Any, output_size: Any, return_indices: bool = False
) -> Any:
    """The largest of parts of an image; see `adaptive_avg_pool2d`."""
    if return_indices:
        raise NotImplementedError(
            "adaptive_max_pool2d: return_indices is not supported"
        )
    x, alone = batched("adaptive_max_pool2d", input, 2)
    return unbatched(_parts("adaptive_max_pool2d", x, output_size, 2, _max), alone)


def _mean(x: Any, axis: int) -> Any:
    return x.mean(axis)


def _max(x: Any, axis: int) -> Any:
    return x.max(axis).values


def _parts(
    name: str, x: Any, output_size: Any, dims: int, reduce: Callable[[Any, int], Any]
) -> Any:
    """Reduce axis by axis, the last one first; parts overlap where sizes do not divide."""
    given = output_size if isinstance(output_size, (tuple, list)) else [output_size]
    given = list(given) * (dims if len(given) == 1 else 1)
    known = [x.shape[i - dims] if n is None else n for i, n in enumerate(given)]
    for i, m in enumerate(each(name, "output_size", known, dims)[::-1], 1):
        n, axis = x.shape[-i], x.ndim - i
        spans = [np.s_[k * n // m : -(-(k + 1) * n // m)] for k in range(m)]
        if m != n:
            key = (np.s_[:],) * axis
            x = stack([reduce(x[(*key, span, ...)], axis) for span in spans], axis)
    return x


__all__ = """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d avg_pool1d avg_pool2d
    max_pool1d max_pool2d
""".split()
