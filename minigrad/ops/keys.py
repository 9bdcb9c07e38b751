"""The shapes that indexing gives: NumPy's own answer, or its rules where sizes are None."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.errors import IndexingError, name_of
from minigrad.ops.extents import Unknown, alike, is_known
from minigrad.ops.shapes import Shape, broadcast, describe


def indexed(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    """Run the real index on an array that takes no memory: NumPy knows best."""
    a, key = args[0], attrs["key"]
    arrays = [_index_ghost(op, index) for index in args[1:]]
    ends = [
        n for part in key if isinstance(part, slice) for n in (part.start, part.stop)
    ]
    known = all(map(is_known, (ends, *(x.shape for x in (a, *arrays)))))
    try:
        if not known:
            return _picked(op, a.shape, arrays, key), a.dtype
        ghost = np.broadcast_to(np.empty((), a.dtype), a.shape)
        return op.fn(ghost, *arrays, **attrs).shape, a.dtype
    except IndexError as error:
        what, remedy = f"{op.name}: {error}", ""
        if not a.shape and any(type(part) is int for part in key):
            what, name = "a 0-d tensor has no dims to index", name_of(a, "x")
            remedy = f"{name}.item() is its number (older programs wrote .data[0])"
        got = f"an index into {describe(a, 'x')}"
        raise IndexingError(what, got=got, remedy=remedy) from None


def _index_ghost(op: Any, index: Any) -> Any:
    """An index array to infer with: the real one, or zeros if it is still a symbol."""
    array = getattr(index, "value", getattr(index, "array", index))
    if isinstance(array, np.ndarray):
        return array
    if index.dtype.kind == "b":
        raise IndexingError(
            f"{op.name}: how many elements a symbolic mask picks is not known yet",
            got=describe(index, "mask"),
            remedy="use mg.where(mask, x, 0), which keeps the shape",
        )
    return np.zeros(index.shape, index.dtype) if is_known(index.shape) else index


def _picked(op: Any, shape: Shape, arrays: Sequence[Any], key: Sequence[Any]) -> Shape:
    """The shape of an index where sizes are unknown: NumPy's rules, spelled out."""
    if any(x.dtype.kind == "b" and not x.shape for x in arrays):
        raise IndexError("a single bool is no index where sizes are None")
    each, out, places = iter(arrays), [], []
    parts = spelled([next(each) if type(part) is str else part for part in key], shape)
    for i, (part, extents) in enumerate(parts):
        if part is None:
            out.append(1)
        elif part is ...:
            out += extents
        elif isinstance(part, slice):
            out.append(_span(extents[0], part))
        else:  # whole numbers count as arrays if there are any
            places.append((i, len(out)))
            if isinstance(part, int) and is_known(extents):
                range(extents[0])[part]  # raises what NumPy would
    if arrays:
        together = places[-1][0] - places[0][0] == len(places) - 1
        start = places[0][1] if together else 0
        out[start:start] = broadcast(op, [x for x, _ in parts if hasattr(x, "shape")])
    return tuple(out)


def spelled(key: Sequence[Any], shape: Shape) -> list[tuple[Any, Shape]]:
    """Each part of a key beside the sizes of its axes; a mask as the positions it means."""
    missing = len(shape) - sum(map(_axes_of, key))
    if missing < 0:
        raise IndexError("too many indices for the number of dims")
    parts: list[tuple[Any, Shape]] = []
    axis = 0
    for part in key if any(part is ... for part in key) else (*key, ...):
        extents = shape[axis : axis + (missing if part is ... else _axes_of(part))]
        axis += len(extents)
        if not _is_mask(part) or not extents:
            parts.append((part, extents))
        elif alike(part.shape, extents):
            parts += [(at, (n,)) for at, n in zip(part.nonzero(), extents)]
        else:
            raise IndexError(f"a mask of {part.shape} does not fit {extents}")
    return parts


def _axes_of(part: Any) -> int:
    """How many axes a part of an index takes up."""
    if _is_mask(part):
        return part.ndim
    return 0 if part is None or part is ... else 1


def _is_mask(part: Any) -> bool:
    return hasattr(part, "dtype") and part.dtype.kind == "b"


def _span(n: Any, part: slice) -> Any:
    """How much of a size a slice shows."""
    if part.start is None and part.stop is None and part.step in (None, -1):
        return n
    if not is_known((n, part.start, part.stop)):
        return Unknown()
    return len(range(*part.indices(n)))
