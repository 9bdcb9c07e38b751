"""Windows that slide over an array: convolution and pooling, in any number of dims.

An array here is (batch, channels, *size). The three convolutions are bilinear and closed
under differentiation: each is what the other two have for derivatives.

    conv(x, w)              what a filter w finds at each position of x
    conv_input(g, w)        by x: every position's g, spread over its window (transposed)
    conv_weight(x, g)       by w: every window, weighted by its position's g

All are products of matrices, one for each position along the first axis. Their columns
are the positions beside each other, with the batch as the last axis: neighbours in memory
then move together from window to window. Places beside each other in a window are copied
out. Those above each other are the rows that the next product starts with, or the last
one did: the matrices overlap in memory, and need no copies.
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
Pairs = tuple[tuple[int, int], ...]  # padding before and after
Step = tuple[int, int, int]  # kernel, stride and dilation of an axis
ALL = np.s_[:]


class Window(NamedTuple):
    """How a window slides; each field has an entry for each axis after the channels."""

    kernel: Sizes
    stride: Sizes
    padding: Pairs
    dilation: Sizes

    def steps(self) -> list[Step]:
        return list(zip(self.kernel, self.stride, self.dilation))

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


# --- windows in memory -------------------------------------------------------------------


def _every(a: Any, steps: Sequence[Step], first: int = 2) -> Any:
    """A view: each place of a window, and what is seen there, (*place, *axes of `a`).

    The window's axes are those of `a` from `first` on; they hold its positions then.
    """
    places, shape, strides = [], list(a.shape), list(a.strides)
    for axis, (k, step, hole) in enumerate(steps, first):
        places.append(strides[axis] * hole)
        shape[axis] = (shape[axis] - hole * (k - 1) - 1) // step + 1
        strides[axis] *= step
    shape[:0] = [k for k, _, _ in steps]
    if type(a) is np.ndarray and a.flags.c_contiguous:  # a third of the other's time
        return np.ndarray(shape, a.dtype, a, 0, places + strides)
    return module_of(a).lib.stride_tricks.as_strided(a, shape, places + strides)


def _add(y: Any, parts: Any, steps: Sequence[Step], first: int = 2) -> None:
    """Add to `y` what `parts`, with the places from the third axis on, have for them."""
    every = _every(y, steps, first)
    for at in np.ndindex(*every.shape[: len(steps)]):
        here = every[at]
        here += parts[(ALL, ALL, *at)]


def _inner(y: Any, padding: Pairs) -> Any:
    """A view: `y` without the padding of its axes from the third on."""
    sizes = zip(padding, y.shape[2:])
    return y[(ALL, ALL, *(np.s_[before : n - after] for (before, after), n in sizes))]


def _padded(a: Any, padding: Pairs, value: float = 0) -> Any:
    """`a` in C order, with padding around its axes from the third on."""
    if not any(map(any, padding)):
        return module_of(a).ascontiguousarray(a)
    shape = list(a.shape)
    for axis, pair in enumerate(padding, 2):
        shape[axis] += sum(pair)
    y = module_of(a).full(shape, value, a.dtype)
    _inner(y, padding)[...] = a
    return y


def _own(view: Any, out: Any) -> Any:
    """A view as an array of its own, in the memory that was handed out, if any."""
    return view.copy(order="C") if out is None else into(view, out)


def _batch_last(a: Any, groups: int = 1) -> Any:
    """(batch, channels, *size) as a view, (groups, channels of one, *size, batch).

    It is turned channel by channel, so that reading it goes through little memory.
    """
    n, channels, *size = a.shape
    each = a.swapaxes(0, 1).reshape(channels, n, math.prod(size)).copy(order="C")
    return each.swapaxes(1, 2).reshape(groups, channels // groups, *size, n)


def _batch_first(y: Any, out: Any) -> Any:
    """The way back from `_batch_last`."""
    groups, channels, *size, n = y.shape
    each = y.transpose(0, 1, y.ndim - 1, *range(2, y.ndim - 1)).copy(order="C")
    return _own(each.reshape(groups * channels, n, *size).swapaxes(0, 1), out)


def _columns(a: Any, window: Window, groups: int) -> Any:
    """The windows of `a` as matrices, one for each position along the first axis.

    Their rows are the places in a window, and the channels of each; the columns are the
    positions along the other axes, and the batch at each.
    """
    (first, *others), n = window.steps(), len(window.kernel) - 1
    x = _every(_padded(_batch_last(a, groups), window.padding), others, 3)
    x = x.transpose(n, n + 2, *range(n), n + 1, *range(n + 3, x.ndim))
    matrix = map(math.prod, (x.shape[2 : n + 3], x.shape[n + 3 :]))
    return _stacked(x.reshape(*x.shape[:2], *matrix), first)


def _stacked(x: Any, first: Step) -> Any:
    """(groups, place, row, column) -> (groups, position, rows of its places, column)."""
    x = _every(x, [first], 1).transpose(1, 2, 0, 3, 4)
    groups, positions, places, rows, columns = x.shape
    return x.reshape(groups, positions, places * rows, columns)  # a view without holes


# --- convolution -------------------------------------------------------------------------

OPERANDS = {"conv": "xw", "conv_input": "gw", "conv_weight": "xg"}
SHAPES = {
    "x": "x (batch, channels, ...)",
    "w": "w (filters, channels / groups, ...)",
    "g": "g (batch, filters, ...)",
}


def _infer(op: Op, args: tuple, attrs: dict) -> tuple[Sizes, np.dtype]:
    """The rule that all three share; two of the three shapes give the third."""
    called, window, groups = user_scope() or op.name, attrs["window"], attrs["groups"]
    shapes.demand_one_dtype(called, *args)
    shapes.demand(called, "number", *args)
    given = dict(zip(OPERANDS[op.name], (tuple(a.shape) for a in args)))
    x, w, g = (given.get(name, ()) for name in "xwg")
    n, channels, *size = x or (g[0], w[1] * groups, *attrs["size"])
    filters = w[0] if w else g[1]
    whole = {
        "x": (n, channels, *size),
        "w": (filters, channels // groups, *window.kernel),
        "g": (n, filters, *window.counts(tuple(size))),
    }
    if channels % groups or filters % groups or not given.items() <= whole.items():
        named = [SHAPES[name] for name in given] + [f"groups={groups}"] * (groups != 1)
        raise ShapeError(
            f"{called}: the operands do not fit together",
            expected=", ".join(named),
            got=shapes.describe_all(args),
        )
    ((_, shape),) = whole.items() - given.items()
    return shape, args[0].dtype


def _case(size: Sizes, window: Window, groups: int) -> dict:
    """Attributes for a sample; shapes of images x, filters w, positions g, all windows a."""
    counts = window.counts(size)
    attrs = {"size": size, "window": window, "groups": groups}
    shapes = (2, 2, *size), (2, 2 // groups, *window.kernel), (2, 2, *counts)
    return attrs | dict(zip("xwga", (*shapes, (2, 2, *window.kernel, *counts))))


CASES = [
    _case((5,), Window((2,), (1,), ((0, 1),), (2,)), 1),
    _case((4, 5), Window((3, 2), (2, 1), ((1, 1), (0, 0)), (1, 2)), 2),
]


def _sample(operands: str, *names: str) -> Callable[[np.random.Generator], list]:
    return lambda rng: [
        ([rng.normal(size=case[x]) for x in operands], {x: case[x] for x in names})
        for case in CASES
    ]


convolution = kind("contraction", infer=_infer)


def _of_images(fn: Any) -> Callable:
    """`fn` for sequences too; or on a GPU what cuDNN computes, where it has a plan."""

    @functools.wraps(fn)
    def run(a: Any, b: Any, window: Window, out: Any = None, **attrs: Any) -> Any:
        if a.dtype != b.dtype or a.dtype.kind == "b":
            raise TypeError("two operands of one dtype, not bool")
        if on_device(a):
            name, library = fn.__name__, late("cuda")(device_of(a))
            shape, _ = _infer(TABLE[name], (a, b), {"window": window, **attrs})
            y = library.convolve(name, a, b, shape, window, out)
            if y is not None:
                return y
        if len(window.kernel) > 1:
            return fn(a, b, window=window, out=out, **attrs)
        # A sequence is an image of height 1: its positions are all beside each other.
        alone: Any = (1, 1, (0, 0), 1)
        window = Window(*((one, *own) for one, own in zip(alone, window)))
        if "size" in attrs:
            attrs["size"] = (1, *attrs["size"])
        a, b, y = (x if x is None else x[:, :, None] for x in (a, b, out))
        y = fn(a, b, window=window, out=y, **attrs)[:, :, 0]
        return y if out is None else out

    return run


@row(
    convolution,
    lambda g, sa, b, window, groups: conv_input(
        g, b, size=sa[2:], window=window, groups=groups
    ),
    lambda g, a, window, groups: conv_weight(a, g, window=window, groups=groups),
    sample=_sample("xw", "window", "groups"),
)
@_of_images
def conv(a: Any, b: Any, window: Window, groups: int, out: Any = None) -> Any:
    """What b's filters find at every position of a."""
    matrices = _columns(a, window, groups)
    shape = groups, 1, len(b) // groups, matrices.shape[2]
    y = np.matmul(np.moveaxis(b, 1, -1).reshape(shape), matrices).swapaxes(1, 2)
    sizes = *window.counts(a.shape[2:]), len(a)
    return _batch_first(y.reshape(*y.shape[:2], *sizes), out)


@row(
    convolution,
    lambda g, b, window, groups: conv(g, b, window=window, groups=groups),
    lambda g, a, window, groups: conv_weight(g, a, window=window, groups=groups),
    sample=_sample("gw", "size", "window", "groups"),
)
@_of_images
def conv_input(
    a: Any, b: Any, size: Sizes, window: Window, groups: int, out: Any = None
) -> Any:
    """What conv has for a derivative by its input: a's positions spread by b's filters."""
    # Along the first axis each row collects what is its own, by filters upside down; along
    # the others the places of a window are added up where they overlap.
    (tall, step, hole), *others = window.steps()
    (before, _), *padding = window.padding
    (high, *wide), zeros = window.padded(size), module_of(a).zeros
    # The positions are `step` rows apart, with nothing in between and around them.
    x, reach = _batch_last(a, groups).swapaxes(1, 2), hole * (tall - 1)
    rows = zeros((groups, high + reach, *x.shape[2:]), a.dtype)
    rows[:, reach::step][:, : x.shape[1]] = x
    rows = rows.reshape(*rows.shape[:3], math.prod(rows.shape[3:]))
    rows = _stacked(rows, (tall, 1, hole))[:, before : before + size[0]]
    filters = b.reshape(groups, x.shape[2], *b.shape[1:])[:, :, :, ::-1]
    filters = filters.transpose(0, 2, *range(4, filters.ndim), 3, 1)
    places = filters.shape[1:-2]
    y = np.matmul(filters.reshape(groups, 1, math.prod(places), rows.shape[2]), rows)
    parts = y.swapaxes(1, 2).reshape(groups, *places, size[0], *x.shape[3:])
    y = zeros((groups, places[0], size[0], *wide, len(a)), a.dtype)
    _add(y, parts, others, 3)
    return _batch_first(_inner(y, ((0, 0), *padding)), out)


@row(
    convolution,
    lambda g, sa, b, window, groups: conv_input(
        b, g, size=sa[2:], window=window, groups=groups
    ),
    lambda g, a, window, groups: conv(a, g, window=window, groups=groups),
    sample=_sample("xg", "window", "groups"),
)
@_of_images
def conv_weight(a: Any, b: Any, window: Window, groups: int, out: Any = None) -> Any:
    """What conv has for a derivative by its weight: a's windows, weighted by b."""
    matrices, x = _columns(a, window, groups).swapaxes(2, 3), _batch_last(b, groups)
    x = x.reshape(*x.shape[:3], matrices.shape[2]).swapaxes(1, 2)
    y = np.matmul(x, matrices).sum(1, dtype=a.dtype)
    y = y.reshape(b.shape[1], *window.kernel, a.shape[1] // groups)
    return _own(np.moveaxis(y, -1, 1), out)


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
    dims = len(window.counts(a.shape[2:]))
    every = _every(_padded(a, window.padding), window.steps())
    return _own(np.moveaxis(every, range(dims), range(2, 2 + dims)), out)


@row(
    kind("movement"),
    lambda g, window: windows(g, window=window),
    infer=shapes.by_first(lambda sa, size, window: (*sa[:2], *size)),
    sample=_sample("a", "size", "window"),
)
def overlap(a: Any, size: Sizes, window: Window, out: Any = None) -> Any:
    """Windows back in their places, adding up where they overlap."""
    y = module_of(a).zeros((*a.shape[:2], *window.padded(size)), a.dtype)
    _add(y, a, window.steps())
    return _own(_inner(y, window.padding), out)


def _position_shape(op: Op, args: tuple, attrs: dict) -> tuple[Sizes, np.dtype]:
    (a,) = args
    shapes.demand(user_scope() or op.name, "number", a)
    return (*a.shape[:2], *attrs["window"].counts(a.shape[2:])), int64


@row(kind("indexing"), None, infer=_position_shape, sample=windows.sample)
def max_at(a: Any, window: Window, out: Any = None) -> Any:
    """Where in a, flattened, every window has its (first) largest element."""
    xp, steps, (n, channels, *size) = module_of(a), window.steps(), a.shape
    window.counts(size)
    lowest = -np.inf if a.dtype.kind == "f" else np.iinfo(a.dtype).min
    every = _every(_padded(_batch_last(a), window.padding, lowest), steps)
    # The earlier a place is, the more of its channel is left; of padding nothing is.
    total = math.prod(size)
    left = xp.arange(total, 0, -1, dtype=np.min_scalar_type(total))
    left = _every(_padded(left.reshape(1, 1, *size, 1), window.padding), steps)
    places = list(np.ndindex(*window.kernel))
    best = functools.reduce(np.maximum, (every[at] for at in places))
    most, unordered = xp.zeros(best.shape, left.dtype), (best != best).any()
    for at in places:
        found = every[at] == best
        if unordered:  # what is not a number is the largest
            found |= every[at] != every[at]
        np.maximum(most, found * left[at], out=most)
    ends = xp.arange(total, n * channels * total + 1, total)
    ends = ends.reshape(n, channels, *(1 for _ in size))
    return np.subtract(ends, _batch_first(most, None), out=out, dtype=int64)
