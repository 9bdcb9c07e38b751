"""Shape and dtype rules, a function per kind of op, with the errors that explain them.

The graph runs these while it is being built; the tape runs them only when NumPy has
refused a call, to say why. Dtypes follow PyTorch's promotion: the category (bool <
integer < float) decides first, then arrays beat 0-d arrays beat Python numbers.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minigrad.backend import bool_, get_default_dtype, int64
from minigrad.errors import (
    DTypeError,
    IndexingError,
    ShapeError,
    name_of,
    user_names,
    user_scope,
)

Shape = tuple[int, ...]


def is_number(value: Any) -> bool:
    """True for what takes part weakly in promotion: Python's own numbers."""
    return isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)


def shape_of(value: Any) -> Shape:
    return () if is_number(value) else tuple(value.shape)


def describe(value: Any, default: str) -> str:
    """`w2 (100, 10)`: the user's name for an operand and its shape."""
    if is_number(value):
        return repr(value)
    own = getattr(value, "name", "") or default  # a node may bear a name
    return f"{name_of(value, own)} {shape_of(value)}"


def describe_all(args: Sequence[Any], sep: str = ", ") -> str:
    return sep.join(describe(a, "abcdefgh"[i % 8]) for i, a in enumerate(args))


# --- dtypes ----------------------------------------------------------------------------

_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}


@functools.cache
def _promote_pair(a: np.dtype, b: np.dtype) -> np.dtype:
    ka, kb = _CATEGORY[a.kind], _CATEGORY[b.kind]
    if ka != kb:
        return a if ka > kb else b
    return np.promote_types(a, b)


def _combine(high: np.dtype | None, low: np.dtype | None) -> np.dtype | None:
    """PyTorch's `combine_categories`: `low` counts only if its category is higher."""
    if high is None or low is None:
        return high or low
    if high.kind != "f" and (high.kind == "b" or low.kind == "f"):
        return _promote_pair(high, low)
    return high


def _number_dtype(value: Any) -> np.dtype:
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else get_default_dtype()


def result_dtype(args: Iterable[Any]) -> np.dtype:
    """The dtype PyTorch gives to an elementwise op on `args`."""
    groups: list[np.dtype | None] = [None, None, None]
    for arg in args:
        if is_number(arg):
            rank, dtype = 2, _number_dtype(arg)
        else:
            rank, dtype = (0 if len(arg.shape) else 1), arg.dtype
        if dtype.kind not in _CATEGORY:
            raise DTypeError(f"dtype {dtype} is not supported", got=str(dtype))
        seen = groups[rank]
        groups[rank] = dtype if seen is None else _promote_pair(seen, dtype)
    result = _combine(groups[0], _combine(groups[1], groups[2]))
    assert result is not None, "an op has at least one operand"
    return result


def compute_dtype(op: Any, args: Sequence[Any]) -> np.dtype:
    """The dtype an elementwise op computes in: what its operands are cast to."""
    if op.name == "where":
        condition, *args = args
        if condition.dtype.kind != "b":
            raise DTypeError(
                "where: the condition must be of booleans",
                expected="bool",
                got=describe_dtypes([condition]),
                remedy="compare first, as in where(x > 0, a, b)",
            )
    dtype = result_dtype(args)
    if op.name == "sub" and any(_is_bool(x) for x in args):
        raise DTypeError(
            "sub: a bool is neither subtracted nor subtracted from",
            expected="numbers on both sides",
            got=describe_dtypes(args),
            remedy="~mask inverts, mask ^ other compares; or mask.long() first",
        )
    integers = dtype.kind in "ui" and op.name == "pow"
    if integers and is_number(args[1]) and not 0 <= args[1] <= np.iinfo(dtype).max:
        raise DTypeError(
            f"pow: {dtype} cannot be raised to this power",
            got=repr(args[1]),
            remedy="x.float() ** exponent",
        )
    if op.dtype == "float" and dtype.kind != "f":
        return get_default_dtype()
    if op.dtype == "number" and dtype.kind == "b":
        raise DTypeError(
            f"{op.name}: wants numbers",
            expected="integer or float dtypes",
            got=describe_dtypes(args),
            remedy="use ~mask, mask & other, or mask.long() first",
        )
    if op.dtype == "integral" and dtype.kind == "f":
        raise DTypeError(
            f"{op.name}: wants bool or integer operands",
            expected="bool or integer dtypes",
            got=describe_dtypes(args),
            remedy="compare first, as in (x > 0) & (y > 0)",
        )
    return dtype


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or getattr(value, "dtype", None) == bool_


def cast_number(value: Any, dtype: np.dtype) -> Any:
    """A Python number as an array; -1 becomes the byte 255, as in PyTorch."""
    return np.asarray(value).astype(dtype)


def category(dtype: np.dtype) -> int:
    """bool < integer < float: an operation never leads down by itself."""
    return _CATEGORY[dtype.kind]


def cast_operands(op: Any, values: Sequence[Any], cast: Any) -> tuple:
    """The operands of an elementwise op in the one dtype it computes in."""
    if op.dtype in ("given", "first"):
        return tuple(values)
    dtype = compute_dtype(op, values)
    start = 1 if op.name == "where" else 0
    return (
        *values[:start],
        *(v if _has(v, dtype) else cast(v, dtype) for v in values[start:]),
    )


def _has(value: Any, dtype: np.dtype) -> bool:
    return not is_number(value) and value.dtype == dtype


def describe_dtypes(args: Sequence[Any]) -> str:
    return ", ".join(
        f"{name_of(a, 'abcdefgh'[i % 8])} {a.dtype}"
        for i, a in enumerate(args)
        if not is_number(a)
    )


# --- shapes ----------------------------------------------------------------------------


def elementwise(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    shape = broadcast(op, args)
    if op.dtype == "given":
        return shape, np.dtype(attrs["dtype"])
    if op.dtype == "first":
        if shape != shape_of(args[0]):
            raise ShapeError(
                f"{op.name}: the new value does not fit",
                expected=f"something that broadcasts to {shape_of(args[0])}",
                got=describe(args[1], "b"),
            )
        return shape, args[0].dtype
    dtype = compute_dtype(op, args)
    return shape, bool_ if op.dtype == "bool" else dtype


def broadcast(op: Any, args: Sequence[Any]) -> Shape:
    """NumPy's broadcasting, with the axis that fails named."""
    shapes = [shape_of(a) for a in args]
    ndim = max(map(len, shapes))
    out = []
    for axis in range(-ndim, 0):
        sizes = {s[axis] for s in shapes if len(s) >= -axis} - {1}
        if len(sizes) > 1:
            raise ShapeError(
                f"{user_scope() or op.name}: the shapes do not broadcast",
                expected="sizes that are equal or 1, compared from the last axis",
                got=f"{describe_all(args)}  (axis {axis}: {sorted(sizes)})",
                remedy="insert an axis with x.unsqueeze(dim) or reshape one operand",
            )
        out.append(sizes.pop() if sizes else 1)
    return tuple(out)


def sizes(given: tuple) -> tuple[int, ...]:
    """Sizes given one by one or as one tuple."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    try:
        return tuple(map(operator.index, given))
    except TypeError:
        raise DTypeError("sizes are integers", got=str(given)) from None


def normalize_axis(op: Any, axis: int, ndim: int) -> int:
    """A non-negative axis; a 0-d value has the axes 0 and -1, as in PyTorch."""
    bound = max(ndim, 1)
    if not hasattr(axis, "__index__"):
        raise DTypeError(f"{op}: dim must be one integer", got=repr(axis))
    axis = operator.index(axis)
    if not -bound <= axis < bound:
        raise IndexingError(
            f"{op}: dim {axis} is out of range",
            expected=f"a dim from {-bound} to {bound - 1}",
            got=str(axis),
        )
    return axis % bound


def normalize_axes(op: Any, axis: Any, ndim: int) -> tuple[int, ...]:
    """A sorted tuple of axes; None and () mean all of them."""
    if axis is None or axis == ():
        return tuple(range(ndim))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    found = sorted(normalize_axis(op, a, ndim) for a in axes)
    if len(set(found)) != len(found):
        raise ShapeError(f"{op}: a dim appears twice", got=str(tuple(axes)))
    return tuple(found) if ndim else ()


def sum_dtype(dtype: np.dtype) -> np.dtype:
    """Integers and bools add up in int64."""
    return dtype if dtype.kind == "f" else int64


def kept(shape: Shape, axis: tuple[int, ...]) -> Shape:
    """`shape` after a reduction that keeps the reduced axes as size 1."""
    if len(axis) == len(shape):
        return (1,) * len(axis)
    return tuple(1 if i in axis else n for i, n in enumerate(shape))


def reduction(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    (a,) = args
    axis = normalize_axes(op.name, attrs["axis"], len(a.shape))
    extreme = op.name in ("amax", "amin", "argmax", "argmin")
    if extreme and any(a.shape[i] == 0 for i in axis):
        raise ShapeError(
            f"{op.name}: there is no largest or smallest of nothing",
            expected="at least one element along the reduced dims",
            got=describe(a, "a"),
        )
    shape = kept(a.shape, axis)
    if not attrs["keepdims"]:
        shape = tuple(n for i, n in enumerate(a.shape) if i not in axis)
    if op.dtype == "sum":
        return shape, sum_dtype(a.dtype)
    if op.dtype == "float" and a.dtype.kind != "f":
        return shape, get_default_dtype()
    return shape, {"bool": bool_, "index": int64}.get(op.dtype, a.dtype)


def contraction(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    a, b = args
    got, called = describe_all(args, " @ "), user_scope() or op.name
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise ShapeError(f"{called}: wants matrices", expected="ndim >= 2", got=got)
    if a.dtype != b.dtype:
        raise DTypeError(
            f"{called}: the dtypes differ",
            expected="two operands of one dtype",
            got=describe_dtypes(args),
            remedy=f"{name_of(b, 'b')}.to({name_of(a, 'a')}.dtype)",
        )
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(
            f"{called}: the inner sizes differ",
            expected="a (m, k) @ b (k, n)",
            got=got,
            remedy=_matmul_remedy(a, b),
        )
    batch = broadcast(op, [np.broadcast_to(0, x.shape[:-2]) for x in args])
    return (*batch, a.shape[-2], b.shape[-1]), a.dtype


def accumulation(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    """A matrix product added to something of its shape."""
    shape, dtype = contraction(op, args[1:], attrs)
    if shape_of(args[0]) != shape or args[0].dtype != dtype:
        raise ShapeError(
            f"{op.name}: the product is added to something unlike it",
            expected=f"{shape} {dtype}",
            got=f"{describe(args[0], 'a')} {args[0].dtype}",
        )
    return shape, dtype


def _matmul_remedy(a: Any, b: Any) -> str:
    """A value of the user's that would have fitted, else a transpose that would."""
    left = name_of(a, "a")
    for name, value in user_names().items():
        fits = isinstance(value, type(b)) and len(value.shape) == 2
        if fits and value.shape[0] == a.shape[-1] and not name.startswith("_"):
            return f"did you mean {left}.mm({name})?   {name} is {shape_of(value)}"
    if a.shape[-1] == b.shape[-1]:
        return f"did you mean {left} @ {name_of(b, 'b')}.T?"
    return "check which operand should be transposed"


def reshaped(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    (a,) = args
    shape, size = list(attrs["shape"]), int(np.prod(a.shape, dtype=np.int64))
    if shape.count(-1) == 1:
        rest = -int(np.prod(shape, dtype=np.int64))
        shape[shape.index(-1)] = size // rest if rest else 0
    if any(n < 0 for n in shape) or int(np.prod(shape, dtype=np.int64)) != size:
        raise ShapeError(
            "reshape: the number of elements changes",
            expected=f"sizes whose product is {size}, at most one of them -1",
            got=f"{describe(a, 'a')} -> {tuple(attrs['shape'])}",
        )
    return tuple(shape), a.dtype


def permuted(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    (a,) = args
    axes = attrs["axes"]
    if sorted(axes) != list(range(len(a.shape))):
        raise ShapeError(
            "permute: every dim must appear once",
            expected=f"an ordering of {tuple(range(len(a.shape)))}",
            got=f"{tuple(axes)} for {describe(a, 'a')}",
        )
    return tuple(a.shape[i] for i in axes), a.dtype


def broadcasted(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    (a,) = args
    shape = tuple(attrs["shape"])
    padded = (1,) * (len(shape) - len(a.shape)) + tuple(a.shape)
    if len(padded) != len(shape) or any(
        n not in (1, m) for n, m in zip(padded, shape, strict=True)
    ):
        raise ShapeError(
            "broadcast_to: the shape does not fit",
            expected="each size equal to the new one, or 1",
            got=f"{describe(a, 'a')} -> {shape}",
        )
    return shape, a.dtype


def indexed(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    """Run the real index on an array that takes no memory: NumPy knows best."""
    a = args[0]
    ghost = np.broadcast_to(np.empty((), a.dtype), a.shape)
    try:
        arrays = [_index_ghost(op, index) for index in args[1:]]
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
    return np.zeros(index.shape, index.dtype)


def viewed(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    """Run the view itself on an array that takes no memory."""
    (a,) = args
    return op.fn(
        np.broadcast_to(np.empty((), a.dtype), a.shape), **attrs
    ).shape, a.dtype


def like_first(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    return shape_of(args[0]), args[0].dtype


def joined(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    axis = normalize_axis(op.name, attrs["axis"], len(args[0].shape))
    first = list(args[0].shape)
    for arg in args[1:]:
        rest = list(arg.shape)
        if len(rest) != len(first) or any(
            m != n
            for i, (m, n) in enumerate(zip(first, rest, strict=True))
            if i != axis
        ):
            raise ShapeError(
                f"cat: sizes differ outside dim {axis}",
                expected=f"shapes equal but for dim {axis}",
                got=describe_all(args),
            )
    first[axis] = sum(arg.shape[axis] for arg in args)
    return tuple(first), result_dtype(args)
