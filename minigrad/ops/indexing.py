"""Ops that pick elements by integer arrays; the index arrays are operands.

`key` is NumPy's index tuple with `ARRAY` standing where the next index operand goes, so
`x[1, idx]` is `index(x, idx, key=(1, ARRAY))`. Positions may repeat: reading them sums
their gradients (`index_add`), writing them lets the last one win, as NumPy does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.backend import as_array, int64, on_device, uint8
from minigrad.ops import shapes
from minigrad.ops.keys import indexed, spelled
from minigrad.ops.kinds import draw, into, kind, row
from minigrad.ops.movement import copied, zeros
from minigrad.ops.op import Op

ARRAY = "array"
Key = tuple[Any, ...]


def fill_key(key: Key, arrays: tuple, lowest: int | None = None) -> Key:
    """NumPy's index tuple: `key` with the index operands in their places."""
    if lowest is not None and any((x < lowest).any() for x in arrays):
        raise IndexError(f"an index is below {lowest}")
    if any(x.dtype == uint8 for x in arrays):  # NumPy counts with them, PyTorch masks
        raise IndexError("bytes are an index only as .bool() or .long()")
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY or part == ARRAY else part for part in key)


def _settled(a: Any, key: Key) -> Key:
    """The index as a device takes it: checked here, masks as positions.

    A kernel does not notice an index that is out of range. Asking for it waits for the
    device, one question for each index.
    """
    if not on_device(a):
        return key
    parts, wrong = spelled(key, a.shape), False
    for part, extents in parts:
        if hasattr(part, "dtype") and part.dtype.kind != "b":
            (n,) = extents
            wrong = wrong | ((part < -n) | (part >= n)).any()
    if wrong:
        raise IndexError(f"an index is out of range for the sizes {a.shape}")
    return tuple([part for part, _ in parts])


def _fits(op: Op, args: tuple, attrs: dict) -> tuple:
    """What is put or added must broadcast to what the key picks."""
    a, b, *arrays = args
    if shapes.shape_of(b):  # one number fits anywhere, also where a mask decides
        shapes.demand_fit(op.name, b, indexed(index, (a, *arrays), attrs)[0])
    return shapes.like_first(op, args, attrs)


indexing = kind("indexing")
KEYS = ((ARRAY,), (ARRAY, ARRAY), (np.s_[1:3], ARRAY))


@row(
    indexing,
    lambda g, sa, rest, key: index_add(zeros(g, shape=sa), g, *rest, key=key),
    infer=indexed,
    sample=lambda rng: [
        (
            [rng.normal(size=(4, 3)), *[np.array([0, 2, 2])] * key.count(ARRAY)],
            {"key": key},
        )
        for key in KEYS
    ],
)
def index(
    a: Any, *arrays: Any, key: Key, lowest: int | None = None, out: Any = None
) -> Any:
    """a[key] where the key holds integer or bool arrays; always a copy."""
    y = as_array(a[_settled(a, fill_key(key, arrays, lowest))])
    if not y.flags.c_contiguous:  # NumPy may answer in another memory order
        y = y.copy(order="C")
    return into(y, out)


@row(
    indexing,
    lambda g, rest, key: index_put(g, 0, *rest, key=key),
    lambda g, rest, key: index(g, *rest, key=key),
    infer=_fits,
    sample=lambda rng: [
        ([*rng.normal(size=(2, 3, 3)), np.array([0, 2, 1])], {"key": (ARRAY,)})
    ],
)
def index_put(
    a: Any, b: Any, *arrays: Any, key: Key, lowest: int | None = None, out: Any = None
) -> Any:
    """A copy of a with a[key] = b."""
    at, out = _settled(a, fill_key(key, arrays, lowest)), copied(a, out)
    out[at] = b
    return out


@row(
    indexing,
    lambda g: g,
    lambda g, rest, key: index(g, *rest, key=key),
    infer=_fits,
    sample=lambda rng: [
        ([*rng.normal(size=(2, 3, 3)), np.array([0, 2, 2])], {"key": (ARRAY,)})
    ],
)
def index_add(
    a: Any, b: Any, *arrays: Any, key: Key, lowest: int | None = None, out: Any = None
) -> Any:
    """A copy of a with b added at a[key], positions that repeat adding up."""
    at, out = _settled(a, fill_key(key, arrays, lowest)), copied(a, out)
    if on_device(out) and out.dtype.kind != "f":
        _add_integers(out, at, b)
    else:
        np.add.at(out, at, b)
    return out


def _add_integers(out: Any, at: Key, b: Any) -> None:
    """`np.add.at` on a device, whose atomic additions know no signed 64-bit integers."""
    wide = out.astype(np.uint64)  # adds up the same, modulo 2 ** 64
    np.add.at(wide, at, (b if hasattr(b, "dtype") else int64.type(b)).astype(np.uint64))
    np.copyto(out, wide, casting="unsafe")


@row(
    indexing,
    None,
    infer=shapes.like_first,
    dtype="index",
    sample=draw((3, 4), axis=[0, 1, 1], descending=[False, False, True]),
)
def argsort(a: Any, axis: int, descending: bool, out: Any = None) -> Any:
    """Where sorted elements along an axis come from; equal ones keep their order."""
    x = np.atleast_1d(a)
    if descending:  # equal elements keep their order, so a reversed result will not do
        y = x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis, kind="stable")
        y = np.flip(y, axis)
    else:
        y = np.argsort(x, axis, kind="stable")
    out = np.empty_like(a, int64, order="C") if out is None else out
    out[...] = y.reshape(a.shape)
    return out
