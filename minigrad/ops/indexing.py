"""Ops that pick elements by integer arrays; the index arrays are operands.

`key` is NumPy's index tuple with `ARRAY` standing where the next index operand goes, so
`x[1, idx]` is `index(x, idx, key=(1, ARRAY))`. Positions may repeat: reading them sums
their gradients (`index_add`), writing them lets the last one win, as NumPy does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.errors import ShapeError
from minigrad.ops import shapes
from minigrad.ops.movement import zeros
from minigrad.ops.op import Op

ARRAY = "array"
Key = tuple[Any, ...]


def fill_key(key: Key, arrays: tuple) -> Key:
    """NumPy's index tuple: `key` with the index operands in their places."""
    rest = iter(arrays)
    return tuple(next(rest) if part is ARRAY or part == ARRAY else part for part in key)


def _index(
    a: Any, *arrays: Any, key: Key, lowest: int | None = None, out: Any = None
) -> Any:
    if lowest is not None and any((x < lowest).any() for x in arrays):
        raise IndexError(f"an index is below {lowest}")
    # NumPy may answer in another memory order; op outputs are always C order.
    y = np.ascontiguousarray(a[fill_key(key, arrays)])
    if out is None:
        return y
    np.copyto(out, y)
    return out


def _into(a: Any, out: Any) -> Any:
    if out is None:
        return a.copy(order="C")
    if out is not a:
        np.copyto(out, a)
    return out


def _index_put(a: Any, b: Any, *arrays: Any, key: Key, out: Any = None) -> Any:
    out = _into(a, out)
    out[fill_key(key, arrays)] = b
    return out


def _index_add(a: Any, b: Any, *arrays: Any, key: Key, out: Any = None) -> Any:
    out = _into(a, out)
    np.add.at(out, fill_key(key, arrays), b)
    return out


def _fits(op: Op, args: tuple, attrs: dict) -> tuple:
    """What is put or added must broadcast to what the key picks."""
    a, b, *arrays = args
    given = shapes.shape_of(b)
    if not given:  # one number fits anywhere, also where a symbolic mask decides
        return tuple(a.shape), a.dtype
    picked, _ = shapes.indexed(index, (a, *arrays), attrs)
    if any(n not in (1, m) for n, m in zip(given[::-1], (*picked[::-1], 1))):
        raise ShapeError(
            f"{op.name}: the new value does not fit",
            expected=f"something that broadcasts to {picked}",
            got=shapes.describe(b, "b"),
        )
    return tuple(a.shape), a.dtype


def _sample(rng: np.random.Generator) -> list:
    a, rows = rng.normal(size=(4, 3)), np.array([0, 2, 2])
    return [
        ([a, rows], {"key": (ARRAY,)}),
        ([a, rows, np.array([1, 0, 1])], {"key": (ARRAY, ARRAY)}),
        ([a, rows], {"key": (np.s_[1:3], ARRAY)}),
    ]


def _put_sample(rng: np.random.Generator) -> list:
    a, rows = rng.normal(size=(4, 3)), np.array([0, 2])
    return [([a, rng.normal(size=(2, 3)), rows], {"key": (ARRAY,)})]


def _add_sample(rng: np.random.Generator) -> list:
    a, rows = rng.normal(size=(4, 3)), np.array([0, 2, 2])
    return [([a, rng.normal(size=(3, 3)), rows], {"key": (ARRAY,)})]


def _op(name: str, fn: Any, vjp: tuple, infer: Any, sample: Any, doc: str) -> Op:
    return Op(name, fn, vjp, infer=infer, kind="indexing", doc=doc, sample=sample)


index = _op(
    "index",
    _index,
    (lambda g, sa, rest, key: index_add(zeros(g, shape=sa), g, *rest, key=key),),
    shapes.indexed,
    _sample,
    "a[key] where the key holds integer or bool arrays; always a copy",
)
index_put = _op(
    "index_put",
    _index_put,
    (
        lambda g, rest, key: index_put(g, 0, *rest, key=key),
        lambda g, rest, key: index(g, *rest, key=key),
    ),
    _fits,
    _put_sample,
    "a copy of a with a[key] = b",
)
index_add = _op(
    "index_add",
    _index_add,
    (lambda g: g, lambda g, rest, key: index(g, *rest, key=key)),
    _fits,
    _add_sample,
    "a copy of a with b added at a[key], positions that repeat adding up",
)
