"""Compare answers as a teacher does: kind, rank, shape and dtype before numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .rounding import as_array, rounded

SHOWN = 6


def difference(got: Any, want: Any, tolerance: float) -> str:
    """The first thing in which `got` differs from `want`; empty if nothing does."""
    got = got.item() if isinstance(got, np.generic) else got
    if isinstance(want, set):
        return _set_difference(got, want)
    if isinstance(want, (str, bool, type(None))):
        return "" if type(got) is type(want) and got == want else "it differs"
    if isinstance(want, (list, tuple)):
        return _sequence_difference(got, want, tolerance)
    if isinstance(want, dict):
        return _dict_difference(got, want, tolerance)
    return _array_difference(got, want, tolerance)


def _set_difference(got: Any, want: set) -> str:
    """How many are wrong, but not which: that is the question."""
    if not isinstance(got, set):
        return f'a set such as {{"a", "b"}} was expected, not {kind_of(got)}'
    counts = {"too many": len(got - want), "missing": len(want - got)}
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _sequence_difference(got: Any, want: Any, tolerance: float) -> str:
    if not isinstance(got, (list, tuple)):
        return f"a {type(want).__name__} was expected, not {kind_of(got)}"
    if isinstance(want, tuple) and all(type(x) is int for x in want):  # a shape
        alike = [*map(describe, got)] == [*map(describe, want)]
        return "" if alike else "it differs"
    if len(got) != len(want):
        return f"{len(want)} items were expected, not {len(got)}"
    for i, (one, other) in enumerate(zip(got, want), 1):
        problem = difference(one, other, tolerance)
        if problem:
            return f"entry {i} of {len(want)}: {problem}"
    return ""


def _dict_difference(got: Any, want: dict, tolerance: float) -> str:
    if not isinstance(got, dict):
        return f"a dict was expected, not {kind_of(got)}"
    if set(got) != set(want):
        return f"the keys {sorted(map(str, want))} were expected"
    for key in want:
        problem = difference(got[key], want[key], tolerance)
        if problem:
            return f"{key}: {problem}"
    return ""


def _array_difference(got: Any, want: Any, tolerance: float) -> str:
    mine, theirs = _array_or_none(got), as_array(want)
    if mine is None:
        return f"an array or number was expected, not {kind_of(got)}"
    if mine.ndim != theirs.ndim:
        return f"the rank is {mine.ndim} where {theirs.ndim} was expected"
    if mine.shape != theirs.shape:
        return f"the shape is {mine.shape} where {theirs.shape} was expected"
    if hasattr(want, "dtype") and hasattr(got, "dtype") and mine.dtype != theirs.dtype:
        return f"the dtype is {mine.dtype} where {theirs.dtype} was expected"
    if not np.allclose(mine, theirs, rtol=tolerance, atol=tolerance, equal_nan=True):
        off = np.count_nonzero(~np.isclose(mine, theirs, tolerance, tolerance))
        return f"{off} of {theirs.size} values differ" if theirs.ndim else "it differs"
    return ""


def _array_or_none(value: Any) -> np.ndarray | None:
    """A numeric array of `value`, or None where it is no number at all."""
    if isinstance(value, (str, bytes, type(None))):
        return None
    try:
        array = as_array(value)
    except Exception:  # a symbolic node refuses to be a number, in its own words
        return None
    return array if array.dtype.kind in "biuf" else None


def kind_of(value: Any) -> str:
    """`value`'s type as a phrase; None usually means a forgotten return."""
    if value is None:
        return "None (is a return missing?)"
    return f"a value of type {type(value).__name__}"


def describe(value: Any) -> str:
    """A value in a few words: shape, dtype and the first numbers of an array."""
    if isinstance(value, (list, tuple)):
        items = ", ".join(map(describe, value))
        if isinstance(value, list):
            return f"[{items}]"
        return f"({items},)" if len(value) == 1 else f"({items})"
    if isinstance(value, dict) and value:
        return "; ".join(f"{key}: {describe(item)}" for key, item in value.items())
    if isinstance(value, set) and value:
        return "{" + ", ".join(sorted(map(repr, value))) + "}"
    if isinstance(value, (str, bool, int, set, dict)) or value is None:
        return repr(value)
    array = _array_or_none(value)
    if array is None:
        return kind_of(value)
    if array.ndim == 0:
        return rounded(array)
    first = ", ".join(rounded(x) for x in array.ravel()[:SHOWN])
    more = ", ..." if array.size > SHOWN else ""
    return f"{array.shape} {array.dtype} [{first}{more}]"


def holds_ellipsis(value: Any) -> bool:
    """Whether `value` is `...` or a container with `...` in it."""
    if isinstance(value, (list, tuple)):
        return any(holds_ellipsis(item) for item in value)
    if isinstance(value, dict):
        return any(holds_ellipsis(item) for item in value.values())
    return value is ...
