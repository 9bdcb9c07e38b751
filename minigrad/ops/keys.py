"""The shapes that indexing gives: NumPy's own answer, or its rules where sizes are None."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.errors import IndexingError, name_of
from minigrad.ops.extents import Unknown, is_known
from minigrad.ops.shapes import Shape, broadcast, describe

ALL = np.s_[:]


def indexed(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    """Run the real index on an array that takes no memory: NumPy knows best."""
    a = args[0]
    try:
        arrays = [_index_ghost(op, index) for index in args[1:]]
        ends = [
            n for p in attrs["key"] if isinstance(p, slice) for n in (p.start, p.stop)
        ]
        if not all(map(is_known, (ends, *(x.shape for x in (a, *arrays))))):
            return _picked(op, a.shape, arrays, attrs["key"]), a.dtype
        ghost = np.broadcast_to(np.empty((), a.dtype), a.shape)
        return op.fn(ghost, *arrays, **attrs).shape, a.dtype
    except IndexError as error:
        if not a.shape and any(type(part) is int for part in attrs["key"]):
            name = name_of(a, "x")
            raise IndexingError(
                "a 0-d tensor has no dims to index",
                got=f"an index into {describe(a, 'x')}",
                remedy=f"{name}.item() is its number (older programs wrote .data[0])",
            ) from None
        what = f"{op.name}: {error}"
        raise IndexingError(what, got=f"an index into {describe(a, 'a')}") from None


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
    indices = [x.nonzero() if x.dtype.kind == "b" else (x,) for x in arrays]
    each = iter(indices)
    key = [p for part in key for p in (next(each) if type(part) is str else (part,))]
    missing = len(shape) - sum(part is not None and part is not ... for part in key)
    if missing < 0:
        raise IndexError("too many indices for the number of dims")
    at = next((i for i, part in enumerate(key) if part is ...), len(key))
    key[at : at + 1] = [ALL] * missing
    extents, out, places = iter(shape), [], []
    for i, part in enumerate(key):
        n = 1 if part is None else next(extents)
        if part is None or isinstance(part, slice):
            out.append(_span(n, ALL if part is None else part))
            continue
        places.append((i, len(out)))  # whole numbers count as arrays if there are any
        if isinstance(part, int) and not isinstance(n, Unknown):
            range(n)[part]  # raises what NumPy would
    if arrays:
        together = places[-1][0] - places[0][0] == len(places) - 1
        start = places[0][1] if together else 0
        out[start:start] = broadcast(op, [x for axes in indices for x in axes])
    return tuple(out)


def _span(n: Any, part: slice) -> Any:
    """How much of a size a slice shows."""
    if part.start is None and part.stop is None and part.step in (None, -1):
        return n
    if not is_known((n, part.start, part.stop)):
        return Unknown()
    return len(range(*part.indices(n)))
