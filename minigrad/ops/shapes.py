"""Shape and dtype rules, a function per kind of op, with the errors that explain them.

The graph runs these while it is being built; the tape runs them only when NumPy has
refused a call, to say why. Dtypes follow PyTorch's promotion: the category (bool <
integer < float) decides first, then arrays beat 0-d arrays beat Python numbers.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
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
from minigrad.ops.extents import Unknown, agree, alike, is_known, parts, product, widest

Shape = tuple[Any, ...]  # of sizes, each an int or Unknown


def is_number(value: Any) -> bool:
    """True for what takes part weakly in promotion: Python's own numbers."""
    return isinstance(value, (bool, int, float)) and not isinstance(value, np.generic)


def shape_of(value: Any) -> Shape:
    if is_number(value):
        return ()
    if not hasattr(value, "shape"):
        raise DTypeError("wants a tensor or a number", got=type(value).__name__)
    return tuple(value.shape)


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


_promoted = functools.cache(np.promote_types)


def _number_dtype(value: Any) -> np.dtype:
    if isinstance(value, bool):
        return bool_
    return int64 if isinstance(value, int) else get_default_dtype()


def result_dtype(args: Iterable[Any]) -> np.dtype:
    """The dtype PyTorch gives to an elementwise op on `args`.

    Those of the highest category decide: of them the arrays, else the 0-d arrays, else
    the numbers.
    """
    highest, result = (-1, 0), bool_
    for arg in args:
        if is_number(arg):
            weight, dtype = 0, _number_dtype(arg)
        else:
            weight, dtype = (2 if len(arg.shape) else 1), arg.dtype
        if dtype.kind not in _CATEGORY:
            raise DTypeError(f"dtype {dtype} is not supported", got=str(dtype))
        rank = _CATEGORY[dtype.kind], weight
        if rank > highest:
            highest, result = rank, dtype
        elif rank == highest and dtype is not result:
            result = _promoted(result, dtype)
    return result


WANTED = {  # by what is wanted: the kinds of dtype, what they are called, the remedy
    "number": ("uif", "numbers", "use ~mask, mask & other, or mask.long() first"),
    "integral": ("bui", "bools or integers", "compare first, as in (x > 0) & (y > 0)"),
    "float": ("f", "floats", "x.float()"),
    "mask": ("b", "a mask of bools", "compare first, as in where(x > 0, a, b)"),
    "index": ("i", "an int64 index", "index.long()"),
}


def demand(name: str, wanted: str, *values: Any, dtype: Any = None) -> None:
    """Raise unless the dtypes of `values`, or the `dtype` they give, are those wanted."""
    kinds, what, remedy = WANTED[wanted]
    dtypes = [dtype or getattr(x, "dtype", np.dtype(object)) for x in values]
    if any(found.kind not in kinds for found in dtypes):
        got = describe_dtypes(values)
        raise DTypeError(f"{name}: wants {what}", got=got, remedy=remedy)


def demand_one_dtype(called: str, a: Any, b: Any) -> None:
    if not hasattr(b, "dtype") or a.dtype != b.dtype:
        raise DTypeError(
            f"{called}: the dtypes differ",
            expected="two operands of one dtype",
            got=describe_dtypes((a, b)),
            remedy=f"{name_of(b, 'b')}.to({name_of(a, 'a')}.dtype)",
        )


def floats(name: str, a: Any, *others: Any) -> Any:
    """`a`, if it and the others are floats of one dtype."""
    demand(name, "float", a, *others)
    for other in others:
        demand_one_dtype(name, a, other)
    return a


def compute_dtype(op: Any, args: Sequence[Any]) -> np.dtype:
    """The dtype an elementwise op computes in: what its operands are cast to."""
    if op.name == "where":
        condition, *args = args
        demand("where", "mask", condition)
    dtype = result_dtype(args)
    integers = dtype.kind in "ui" and op.name == "pow"
    if integers and is_number(args[1]) and not 0 <= args[1] <= np.iinfo(dtype).max:
        raise DTypeError(
            f"pow: {dtype} cannot be raised to this power",
            got=repr(args[1]),
            remedy="x.float() ** exponent",
        )
    if op.dtype == "float" and dtype.kind != "f":
        return get_default_dtype()
    if op.dtype in WANTED:
        refused = op.name == "sub" and any(_is_bool(x) for x in args)
        demand(op.name, op.dtype, *args, dtype=bool_ if refused else dtype)
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
        f"{name_of(a, 'abcdefgh'[i % 8])} {getattr(a, 'dtype', type(a).__name__)}"
        for i, a in enumerate(args)
        if not is_number(a)
    )


# --- shapes ----------------------------------------------------------------------------


def elementwise(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    if op.dtype == "first":
        demand_fit(op.name, args[-1], args[0].shape, longer=False)
        return args[0].shape, args[0].dtype
    shape = broadcast(op, args)
    if op.dtype == "given":
        return shape, np.dtype(attrs["dtype"])
    dtype = compute_dtype(op, args)
    return shape, bool_ if op.dtype == "bool" else dtype


def broadcast(op: Any, args: Sequence[Any], without: int = 0) -> Shape:
    """NumPy's broadcasting, but for the last axes; the axis that fails is named."""
    shapes = [shape[: len(shape) - without] for shape in map(shape_of, args)]
    ndim = max(map(len, shapes))
    out = []
    for axis in range(-ndim, 0):
        sizes = {s[axis] for s in shapes if len(s) >= -axis}
        known = {n for n in sizes if not isinstance(n, Unknown) and n != 1}
        if len(known) > 1:
            raise ShapeError(
                f"{user_scope() or op.name}: the shapes do not broadcast",
                expected="sizes that are equal or 1, compared from the last axis",
                got=f"{describe_all(args)}  (axis {axis - without}: {sorted(known)})",
                remedy="insert an axis with x.unsqueeze(dim) or reshape one operand",
            )
        out.append(widest(sizes))
    return tuple(out)


def demand_fit(name: str, value: Any, shape: Shape, longer: bool = True) -> None:
    """Raise unless `value` broadcasts to `shape`, but for 1s before if it may be longer."""
    given = shape_of(value)
    extra = len(given) - len(shape)
    pairs = zip(given[::-1], ((1,) * extra + tuple(shape))[::-1])
    same = all(n == 1 or agree(n, m) for n, m in pairs)
    if not same or (extra > 0 and not longer):
        raise ShapeError(
            f"{name}: the shape does not fit",
            expected=f"something that broadcasts to {shape}",
            got=describe(value, "b"),
        )


def demand_shape(lesson: str, label: str, value: Any, shape: Iterable[Any]) -> None:
    """Raise unless `value`, called `label`, has this shape as far as it is known."""
    given, shape = shape_of(value), tuple(shape)
    if given != shape and not alike(given, shape):
        got = describe(value, label)
        raise ShapeError(lesson, expected=f"{label} {shape}", got=got)


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
    return shape, _dtype_from(op, a.dtype)


def like_first(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    """The shape of the first operand; what runs along an axis may change its dtype."""
    return args[0].shape, _dtype_from(op, args[0].dtype)


def _dtype_from(op: Any, dtype: np.dtype) -> np.dtype:
    if op.dtype == "sum":
        return sum_dtype(dtype)
    if op.dtype == "float" and dtype.kind != "f":
        return get_default_dtype()
    return {"bool": bool_, "index": int64}.get(op.dtype, dtype)


def contraction(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    a, b = args
    got, called = describe_all(args, " @ "), user_scope() or op.name
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise ShapeError(f"{called}: wants matrices", expected="ndim >= 2", got=got)
    demand_one_dtype(called, a, b)
    if not agree(a.shape[-1], b.shape[-2]):
        raise ShapeError(
            f"{called}: the inner sizes differ",
            expected="a (m, k) @ b (k, n)",
            got=got,
            remedy=_matmul_remedy(a, b),
        )
    return (*broadcast(op, args, without=2), a.shape[-2], b.shape[-1]), a.dtype


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
    shape = list(attrs["shape"])
    if shape.count(-1) == 1:
        at = shape.index(-1)
        shape[at] = _quotient(a.shape, shape[:at] + shape[at + 1 :])
    (number, unknown), (new_number, new_unknown) = parts(a.shape), parts(shape)
    same = new_number == number or unknown != new_unknown
    if not same or any(not isinstance(n, Unknown) and n < 0 for n in shape):
        elements = f"{number} per None" if unknown else number
        raise ShapeError(
            "reshape: the number of elements changes",
            expected=f"sizes whose product is {elements}, at most one of them -1",
            got=f"{describe(a, 'a')} -> {tuple(attrs['shape'])}",
        )
    return tuple(shape), a.dtype


def _quotient(whole: Sequence[Any], part: Sequence[Any]) -> Any:
    """The size that makes `part` as many elements as `whole`."""
    (number, unknown), (divisor, taken) = parts(whole), parts(part)
    left = unknown - taken
    if taken - unknown or (left and divisor and number % divisor):
        return Unknown()
    return product((number // divisor if divisor else 0, *left.elements()))


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
    demand_fit("broadcast_to", a, shape, longer=False)
    return shape, a.dtype


def diagonal(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    (a,) = args
    offset, axes = attrs["offset"], (attrs["axis1"], attrs["axis2"])
    n, m = (a.shape[i] for i in axes)
    length: Any = Unknown()
    if is_known((n, m)):
        length = max(0, min(n + min(offset, 0), m - max(offset, 0)))
    return (*(n for i, n in enumerate(a.shape) if i not in axes), length), a.dtype


def by_first(shape: Callable[..., Shape]) -> Callable:
    """A rule by formula, of the first argument's shape and the attributes."""
    return lambda op, args, attrs: (shape(args[0].shape, **attrs), args[0].dtype)


def joined(op: Any, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    axis = normalize_axis(op.name, attrs["axis"], len(args[0].shape))
    first, *rest = ((*x.shape[:axis], 1, *x.shape[axis + 1 :]) for x in args)
    if not all(alike(first, other) for other in rest):
        raise ShapeError(
            f"cat: sizes differ outside dim {axis}",
            expected=f"shapes equal but for dim {axis}",
            got=describe_all(args),
        )
    along = [arg.shape[axis] for arg in args]
    # Of sizes that must be the same one that is known, if there is one.
    shape = [
        min(same, key=lambda n: isinstance(n, Unknown)) for same in zip(first, *rest)
    ]
    shape[axis] = sum(along) if is_known(along) else Unknown()
    return tuple(shape), result_dtype(args)
