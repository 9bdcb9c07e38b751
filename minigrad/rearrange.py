"""Shapes and positions changed by composites: split, flip, scatter, sort and the like.

What only looks at elements differently is made of views and stays a view: `split`,
`unbind`, `narrow`, `movedim` share memory with their tensor. The rest copies. Each function is
a method of Tensor and Node as it stands, `a` being the tensor.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from minigrad.backend import int32
from minigrad.composite import ValuesAndIndices, along, gather, picked, sizes
from minigrad.errors import ArgumentError, IndexingError, ShapeError
from minigrad.ops import indexing, movement, shapes
from minigrad.ops.elementwise import cast, where
from minigrad.ops.extents import product
from minigrad.ops.indexing import ARRAY
from minigrad.ops.movement import broadcast_to, permute, reshape
from minigrad.ops.shapes import describe, normalize_axis

ALL = np.s_[:]


# --- views -------------------------------------------------------------------------------


def view(a: Any, *shape: Any, **named: Any) -> Any:
    """Like `reshape`, but never a copy: refused where the memory does not allow a view."""
    y = reshape(a, shape=sizes(shape, named))
    if getattr(y, "cell", None) is not getattr(a, "cell", None):
        raise ShapeError(
            "view: this memory cannot be seen in that shape without a copy",
            got=f"{describe(a, 'the tensor')} -> {y.shape}",
            remedy="x.reshape(...), which copies where it must",
        )
    return y


def flatten(a: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """The dims from `start_dim` to `end_dim` as one."""
    first = normalize_axis("flatten", start_dim, a.ndim)
    last = normalize_axis("flatten", end_dim, a.ndim)
    if first > last:
        raise ShapeError("flatten: start_dim comes after end_dim")
    return reshape(a, shape=(*a.shape[:first], -1, *a.shape[last + 1 :]))


def unflatten(a: Any, dim: int, sizes: Any) -> Any:
    """The axis `dim` as several, whose sizes have its size as their product."""
    axis = normalize_axis("unflatten", dim, a.ndim)
    whole = np.broadcast_to(0, a.shape[axis : axis + 1])
    parts, _ = shapes.reshaped(reshape, (whole,), {"shape": tuple(sizes)})
    return reshape(a, shape=(*a.shape[:axis], *parts, *a.shape[axis + 1 :]))


def t(a: Any) -> Any:
    """The transpose of a matrix."""
    if a.ndim > 2:
        raise ShapeError(
            "t: wants a matrix",
            expected="at most 2 dims",
            got=describe(a, "the tensor"),
            remedy="x.transpose(0, 1), or x.T for all dims reversed",
        )
    return a.T


def expand(a: Any, *shape: Any, **named: Any) -> Any:
    """Dims of size 1 repeated without copying; -1 leaves a size as it is."""
    new = sizes(shape, named)
    added = len(new) - a.ndim
    old = (-1,) * added + tuple(a.shape)
    known = tuple(o if n == -1 else n for n, o in zip(new, old))
    if added < 0 or -1 in known:
        raise ShapeError(
            "expand: the sizes do not fit",
            expected=f"at least {a.ndim} sizes; -1 only for a dim that is there",
            got=f"{describe(a, 'the tensor')} -> {new}",
        )
    return broadcast_to(a, shape=known)


def expand_as(a: Any, other: Any) -> Any:
    """Axes of size 1 repeated without copying, up to the shape of `other`."""
    return broadcast_to(a, shape=tuple(other.shape))


def movedim(a: Any, source: Any, destination: Any) -> Any:
    """The axes `source` moved to the places `destination`, the others in their order."""
    starts, ends = (
        [normalize_axis("movedim", d, a.ndim) for d in ([x] if type(x) is int else x)]
        for x in (source, destination)
    )
    distinct = len(set(starts)) == len(starts) and len(set(ends)) == len(ends)
    if not distinct or len(starts) != len(ends):
        raise ShapeError(
            "movedim: every dim moves once, to a place of its own",
            expected="as many places as dims, none of them twice",
            got=f"{source} -> {destination}",
        )
    axes = [i for i in range(a.ndim) if i not in starts]
    for end, start in sorted(zip(ends, starts, strict=True)):
        axes.insert(end, start)
    return permute(a, axes=tuple(axes[: a.ndim]))


def diagonal(a: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """The elements where `dim2`'s index is `dim1`'s plus `offset`, as a last axis."""
    axes = [normalize_axis("diagonal", d, a.ndim) for d in (dim1, dim2)]
    if axes[0] == axes[1]:
        raise ShapeError(
            "diagonal: two different dims are needed", got=str((dim1, dim2))
        )
    return movement.diagonal(a, offset=offset, axis1=axes[0], axis2=axes[1])


def select(a: Any, dim: int, index: int) -> Any:
    """The slice at `index` of the axis `dim`."""
    axis = _axis("select", a, dim)
    n = a.shape[axis]
    if not -n <= index < n:
        raise IndexingError(
            f"select: index {index} is out of range",
            expected=f"an index from {-n} to {n - 1}",
            got=describe(a, "the tensor"),
        )
    return a[(ALL,) * axis + (index,)]


def narrow(a: Any, dim: int, start: int, length: int) -> Any:
    """The `length` slices of the axis `dim` from `start` on."""
    axis = _axis("narrow", a, dim)
    n = a.shape[axis]
    first = start + n if start < 0 else start
    if first < 0 or not 0 <= length <= n - first:
        raise IndexingError(
            f"narrow: {length} from {start} on is out of range",
            expected=f"a part of the {n} along dim {dim}",
            got=describe(a, "the tensor"),
        )
    return a[(ALL,) * axis + (np.s_[first : first + length],)]


def split(a: Any, split_size_or_sections: Any, dim: int = 0) -> tuple:
    """Views of `a`, cut along `dim` into pieces of one size or of the sizes listed."""
    axis, given = _axis("split", a, dim), split_size_or_sections
    n = a.shape[axis]
    if isinstance(given, (tuple, list)):
        pieces = sizes((given,))
    elif given > 0:
        pieces = tuple(min(given, n - i) for i in range(0, max(n, 1), given))
    else:
        pieces = (given,)
    if n - sum(pieces) or min(pieces, default=0) < 0:
        raise ShapeError(
            "split: the pieces do not add up",
            expected=f"a positive size, or sizes whose sum is {n}",
            got=f"{given} for dim {dim} of {describe(a, 'the tensor')}",
        )
    before, starts = (ALL,) * axis, itertools.accumulate(pieces, initial=0)
    return tuple(a[(*before, np.s_[i : i + k])] for i, k in zip(starts, pieces))


def chunk(a: Any, chunks: int, dim: int = 0) -> tuple:
    """Views of `a`, cut along `dim` into at most `chunks` pieces of one size."""
    axis = _axis("chunk", a, dim)
    if chunks <= 0:
        raise ArgumentError("chunk: how many?", expected="at least 1", got=str(chunks))
    n = a.shape[axis]
    return split(a, -(-n // chunks) if n else [0] * chunks, axis)


def unbind(a: Any, dim: int = 0) -> tuple:
    """The slices along `dim`, one by one, as views."""
    axis = _axis("unbind", a, dim)
    before = (ALL,) * axis
    return tuple(a[(*before, i)] for i in range(a.shape[axis]))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple:
    """Coordinates of a grid: each vector spread over the axes of all the others."""
    vectors = tensors[0] if isinstance(tensors[0], (tuple, list)) else tensors
    whole = tuple(product(v.shape) for v in vectors)
    if any(v.ndim > 1 or v.dtype != vectors[0].dtype for v in vectors):
        got = ", ".join(f"{describe(v, 'a tensor')} {v.dtype}" for v in vectors)
        raise ShapeError("meshgrid: wants vectors of one dtype", got=got)
    grids = tuple(
        broadcast_to(reshape(v, shape=(-1,) + (1,) * (len(whole) - 1 - i)), shape=whole)
        for i, v in enumerate(vectors)
    )
    if indexing not in ("ij", "xy"):
        raise ArgumentError("meshgrid: indexing is 'ij' or 'xy'", got=repr(indexing))
    swapped = indexing == "xy" and len(whole) > 1
    return tuple(g.swapaxes(0, 1) for g in grids) if swapped else grids


def _axis(op: str, a: Any, dim: int) -> int:
    if a.ndim == 0:
        raise IndexingError(f"{op}: a 0-d tensor has no dims", got=f"dim {dim}")
    return normalize_axis(op, dim, a.ndim)


def demand_dims(op: str, a: Any, least: int) -> Any:
    if a.ndim < least:
        got = describe(a, "the tensor")
        raise ShapeError(f"{op}: too few dims", expected=f"at least {least}", got=got)
    return a


# --- copies in another order -------------------------------------------------------------


def repeat(a: Any, *repeats: Any, **named: Any) -> Any:
    """Copies of `a` side by side, a number for each axis; new axes come in front."""
    counts = sizes(repeats, named)
    demand_dims("repeat", np.broadcast_to(0, (1,) * len(counts)), a.ndim)
    old = (1,) * (len(counts) - a.ndim) + tuple(a.shape)
    pairs = list(zip(counts, old, strict=True))
    spread = reshape(a, shape=tuple(n for _, m in pairs for n in (1, m)))
    spread = broadcast_to(spread, shape=tuple(n for pair in pairs for n in pair))
    # A copy of its own even where nothing repeats.
    return reshape(cast(spread, dtype=a.dtype), shape=tuple(map(product, pairs)))


def tile(a: Any, *dims: Any, **named: Any) -> Any:
    """Like `repeat`, numbers for the last axes being enough."""
    counts = sizes(dims, named)
    return repeat(a, (1,) * (a.ndim - len(counts)) + counts)


def flip(a: Any, *dims: Any, **named: Any) -> Any:
    """A copy with the axes `dims` reversed."""
    dims = sizes(dims, named)
    axes = shapes.normalize_axes("flip", dims, a.ndim) if dims else ()
    key = tuple(np.s_[::-1] if i in axes else ALL for i in range(a.ndim))
    return cast(a[(*key, ...)], dtype=a.dtype)


def roll(a: Any, shifts: Any, dims: Any = None) -> Any:
    """A copy with the elements moved by `shifts` along `dims`, round the end."""
    if dims is None:
        return reshape(roll(reshape(a, shape=(-1,)), shifts, 0), shape=tuple(a.shape))
    steps, axes = (([x] if type(x) is int else list(x)) for x in (shifts, dims))
    if len(steps) != len(axes):
        raise ShapeError("roll: a shift for each dim", got=f"{shifts} for dims {dims}")
    for step, dim in zip(steps, axes, strict=True):
        n = a.shape[_axis("roll", a, dim)]
        at = -step % n if n else 0
        a = cat([narrow(a, dim, at, n - at), narrow(a, dim, 0, at)], dim)
    return a


def tril(a: Any, diagonal: int = 0) -> Any:
    """The lower triangle of each matrix, zeros above it."""
    demand_dims("tril", a, 2)
    lower = np.tri(*a.shape[-2:], diagonal, dtype=bool)
    return where(lower, a, a.dtype.type(0))


def triu(a: Any, diagonal: int = 0) -> Any:
    """The upper triangle of each matrix, zeros below it."""
    demand_dims("triu", a, 2)
    below = np.tri(*a.shape[-2:], diagonal - 1, dtype=bool)
    return where(below, a.dtype.type(0), a)


def diag(a: Any, diagonal: int = 0) -> Any:
    """A vector as the diagonal of a matrix of zeros, or the diagonal of a matrix."""
    if a.ndim == 2:
        found = movement.diagonal(a, offset=diagonal, axis1=0, axis2=1)
        return cast(found, dtype=a.dtype)
    if a.ndim != 1:
        got = describe(a, "the tensor")
        raise ShapeError("diag: wants a vector or a matrix", got=got)
    n = a.shape[0] + abs(diagonal)
    attrs = {"offset": diagonal, "axis1": 0, "axis2": 1}
    return movement.put(
        movement.zeros(a, shape=(n, n)), a, view="diagonal", attrs=attrs
    )


def cat(tensors: Any, dim: int = 0) -> Any:
    """Tensors joined along an existing axis."""
    kept = [t for t in tensors if tuple(t.shape) != (0,)] or list(tensors)[:1]
    if not kept:
        raise ShapeError("cat: nothing to join", expected="at least one tensor")
    return movement.cat(*kept, axis=_axis("cat", kept[0], dim))


def stack(tensors: Any, dim: int = 0) -> Any:
    """Tensors of one shape joined along a new axis `dim`."""
    shape = tuple(tensors[0].shape) if tensors else None
    if shape is None or any(tuple(t.shape) != shape for t in tensors):
        raise ShapeError(
            "stack: the shapes differ" if tensors else "stack: nothing to join",
            expected="at least one tensor, all of one shape",
            got=shapes.describe_all(tensors),
        )
    axis = normalize_axis("stack", dim, len(shape) + 1)
    new = (*shape[:axis], 1, *shape[axis:])
    return movement.cat(*[reshape(t, shape=new) for t in tensors], axis=axis)


def hstack(tensors: Any) -> Any:
    """Vectors joined end to end, other tensors along axis 1."""
    whole = [t if t.ndim else reshape(t, shape=(1,)) for t in tensors]
    return cat(whole, 1 if whole and whole[0].ndim > 1 else 0)


def vstack(tensors: Any) -> Any:
    """Vectors as the rows of a matrix, other tensors joined along axis 0."""
    return cat([t if t.ndim > 1 else reshape(t, shape=(1, -1)) for t in tensors])


# --- by position -------------------------------------------------------------------------


def take_along_dim(a: Any, indices: Any, dim: int | None = None) -> Any:
    """`gather`, the other axes broadcast; without `dim` both are flattened."""
    if dim is None:
        return gather(reshape(a, shape=(-1,)), 0, reshape(indices, shape=(-1,)))
    axis = normalize_axis("take_along_dim", dim, a.ndim)
    if a.ndim:
        indices = where(indices < 0, indices + a.shape[axis], indices)
    if a.ndim == indices.ndim:
        pairs = [shapes.kept(x.shape, (axis,)) for x in (a, indices)]
        whole = list(shapes.broadcast(indexing.index, [np.empty(s) for s in pairs]))
        whole[axis] = a.shape[axis]
        a = broadcast_to(a, shape=tuple(whole))
        whole[axis] = indices.shape[axis]
        indices = broadcast_to(indices, shape=tuple(whole))
    return gather(a, axis, indices)


def scatter(a: Any, dim: int, index: Any, src: Any) -> Any:
    """A copy of `a` with `src` at the places where `gather` would read."""
    return _scatter("scatter", indexing.index_put, a, dim, index, src)


def scatter_add(a: Any, dim: int, index: Any, src: Any) -> Any:
    """A copy of `a` with `src` added where `gather` would read; what repeats adds up."""
    return _scatter("scatter_add", indexing.index_add, a, dim, index, src)


def _scatter(name: str, op: Any, a: Any, dim: int, index: Any, src: Any) -> Any:
    _, arrays = along(name, a, dim, index)
    if not shapes.is_number(src):
        shapes.demand_one_dtype(name, a, src)
        fits = src.ndim == len(index.shape)
        if not fits or any(n < m for n, m in zip(src.shape, index.shape)):
            raise ShapeError(
                f"{name}: there is not a value for every index",
                expected=f"at least the size of {describe(index, 'index')}",
                got=describe(src, "src"),
            )
        src = src[tuple(np.s_[:n] for n in index.shape)]
    return op(a, src, *arrays, key=(ARRAY,) * a.ndim, lowest=0)


def index_select(a: Any, dim: int, index: Any) -> Any:
    """The slices at the positions in the vector `index` along `dim`."""
    axis, index = _positions("index_select", a, dim, index)
    if a.ndim == 0:
        return reshape(index_select(reshape(a, shape=(1,)), 0, index), shape=())
    return indexing.index(a, index, key=(ALL,) * axis + (ARRAY,), lowest=0)


def index_add(a: Any, dim: int, index: Any, source: Any, alpha: float = 1) -> Any:
    """A copy of `a` with the slices of `source` added at the positions in `index`."""
    axis, index = _positions("index_add", a, dim, index)
    shapes.demand_one_dtype("index_add", a, source)
    if a.ndim == 0:
        a, source = (reshape(x, shape=(-1,)) for x in (a, source))
        return reshape(index_add(a, 0, index, source, alpha), shape=())
    expected = (*a.shape[:axis], *index.shape, *a.shape[axis + 1 :])
    shapes.demand_shape("index_add: sizes differ", "source", source, expected)
    source = source if alpha == 1 else source * alpha
    return indexing.index_add(a, source, index, key=(ALL,) * axis + (ARRAY,), lowest=0)


def _positions(op: str, a: Any, dim: int, index: Any) -> tuple[int, Any]:
    axis = normalize_axis(op, dim, a.ndim)
    shapes.demand(op, "index", index)
    if index.ndim > 1:
        got = describe(index, "index")
        raise IndexingError(f"{op}: wants a vector of positions", got=got)
    return axis, reshape(index, shape=(-1,))


def masked_fill(a: Any, mask: Any, value: Any) -> Any:
    """A copy of `a` with `value` where `mask` is true."""
    shapes.demand("masked_fill", "mask", mask)
    if shapes.shape_of(value):
        got = describe(value, "value")
        raise ShapeError("masked_fill: wants one value", expected="a number", got=got)
    number = shapes.is_number(value)
    value = a.dtype.type(value) if number else cast(value, dtype=a.dtype)
    return where(mask, value, a)


def masked_select(a: Any, mask: Any) -> Any:
    """The elements where `mask` is true, as a vector."""
    shapes.demand("masked_select", "mask", mask)
    shape = shapes.broadcast(indexing.index, (a, mask))
    a, mask = (broadcast_to(x, shape=shape) for x in (a, mask))
    return indexing.index(a, mask, key=(ARRAY,))


def one_hot(index: Any, num_classes: int = -1) -> Any:
    """A 1 at each class number's place in a new last axis of zeros."""
    shapes.demand("one_hot", "index", index)
    n = int(index.max()) + 1 if num_classes == -1 else num_classes
    zeros = movement.zeros(index, shape=(*index.shape, n))
    return scatter(zeros, -1, reshape(index, shape=(*index.shape, 1)), 1)


# --- in order ----------------------------------------------------------------------------


def argsort(
    a: Any, dim: int = -1, descending: bool = False, stable: bool = True
) -> Any:
    """Where the elements in order along `dim` come from; always stable."""
    axis = normalize_axis("argsort", dim, a.ndim)
    return indexing.argsort(a, axis=axis, descending=bool(descending))


def sort(a: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """(values, indices) in order along `dim`; always stable, nan counts as largest."""
    order = argsort(a, dim, descending)
    return picked(a, dim, order)


def topk(
    a: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesAndIndices:
    """(values, indices) of the `k` largest (or smallest) along `dim`, in order."""
    order = argsort(a, dim, largest)
    size = a.shape[normalize_axis("topk", dim, a.ndim)] if a.ndim else 1
    if not 0 <= k <= size:
        got = f"{k} of {size} along dim {dim}"
        raise ShapeError("topk: k is out of range", expected=f"0 to {size}", got=got)
    return picked(a, dim, narrow(order, dim, 0, k) if a.ndim else order)


def searchsorted(
    a: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Where in `a`, sorted along its last axis, each of `input` would go.

    Equal elements come after it, with `right` (or `side="right"`) before it. `sorter` is
    what argsort gave if `a` is not sorted.
    """
    right = right or side == "right"
    if sorter is not None:
        a = gather(a, -1, sorter)
    if shapes.is_number(input):
        input = np.asarray(input)
    if a.ndim > 1:
        a = reshape(a, shape=(*a.shape[:-1], 1, a.shape[-1]))
    input = reshape(input, shape=(*input.shape, 1))
    before = (a <= input) if right else (a < input)
    y = before.sum(axis=(before.ndim - 1,), keepdims=False)
    return cast(y, dtype=int32) if out_int32 else y


def median(a: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle of all elements, or (values, indices) along `dim`; the lower of two.

    If there is a nan it is the nan. The gradient goes to the one element that is named.
    """
    if dim is None:
        return median(a.reshape((-1,)), 0).values
    axis, order = normalize_axis("median", dim, a.ndim), argsort(a, dim)
    n = a.shape[axis] if a.ndim else 1
    if n == 0:
        raise ShapeError("median: nothing has no middle", got=describe(a, "a"))
    if a.ndim:
        last = narrow(order, axis, n - 1, 1)
        highest = gather(a, axis, last)
        order = narrow(order, axis, (n - 1) // 2, 1)
        order = where(highest != highest, last, order)
    return picked(a, axis, order, keepdim)
