"""The operators and methods that Tensor and Node share, in PyTorch's spelling.

Each method settles its arguments (`dim` or NumPy's `axis`, negative axes, sizes given
one by one or as a tuple) and calls the op: what happens next is the op's business. Most
methods are not listed here. The loops at the end make one of every op without attributes
and of every composite whose first parameter is `a`.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from minigrad import composite, contraction, formulas, linalg, rearrange
from minigrad.composite import sizes
from minigrad.conversions import Conversions
from minigrad.errors import DTypeError
from minigrad.ops import elementwise, movement, shapes
from minigrad.ops.indexing import ARRAY, index
from minigrad.ops.op import TABLE, Op, Value


def reduce_with(op: Op) -> Any:
    def method(
        self: Any,
        dim: Any = None,
        keepdim: bool = False,
        *,
        axis: Any = None,
        keepdims: bool = False,
        dtype: Any = None,
    ) -> Any:
        if dtype is not None:
            if op.dtype != "sum":
                raise DTypeError(f"{op.name}: takes no dtype", remedy="x.to(dtype)")
            self = self.to(dtype)
        dim = axis if dim is None else dim
        if dim is None and dtype is None:
            return op(self, axis=tuple(range(self.ndim)), keepdims=keepdim or keepdims)
        if op.dtype == "index" and dim is not None:
            dim = shapes.normalize_axis(op.name, dim, self.ndim)  # not several
        axes = shapes.normalize_axes(op.name, dim, self.ndim)
        y = op(self, axis=axes, keepdims=keepdim or keepdims)
        return y if dtype is None else y.to(dtype)  # bytes add up in int64

    method.__name__, method.__doc__ = op.name, op.doc
    return method


def method_of(op: Op) -> Any:
    if op.named == 1:

        def method(self: Any) -> Any:
            return op(self)

    else:

        def method(self: Any, other: Any) -> Any:  # type: ignore[misc]
            return op(self, other)

    method.__name__, method.__doc__ = op.name, op.doc
    method.op = op  # type: ignore[attr-defined]
    return method


def reflected(op: Op) -> Any:
    def method(self: Any, other: Any) -> Any:
        return op(other, self)

    method.__name__ = f"__r{op.name}__"
    return method


def with_numpy_names(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` that takes NumPy's `axis` and `keepdims` beside `dim` and `keepdim`."""
    if not {"dim", "options"} & set(fn.__code__.co_varnames):
        return fn

    @functools.wraps(fn)
    def method(*args: Any, **options: Any) -> Any:
        for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")):
            if theirs in options:
                options[ours] = options.pop(theirs)
        return fn(*args, **options)

    return method


def split_key(key: Any) -> tuple[tuple, list]:
    """A key as one tuple with an Ellipsis, and the index arrays taken out of it."""
    # A list with more than numbers in it is read as a tuple, as PyTorch does.
    deep = isinstance(key, list) and any(not isinstance(p, (int, float)) for p in key)
    parts: list[Any] = list(key) if deep or isinstance(key, tuple) else [key]
    arrays = []
    for i, part in enumerate(parts):
        if isinstance(part, (list, tuple, range, bool)):
            part = np.asarray(part, None if part or part is False else int)
        if isinstance(part, (Value, np.ndarray)):
            arrays.append(part)
            parts[i] = ARRAY
        elif isinstance(part, np.integer):
            parts[i] = int(part)
    # With an Ellipsis NumPy answers with a view also when nothing is left but a number.
    if not any(part is ... for part in parts):
        parts.append(...)
    return tuple(parts), arrays


class Methods(Conversions):
    """See the module's docstring; a subclass gives `shape`, `dtype` and `apply`."""

    __slots__ = ()
    __array_ufunc__ = None  # ndarray + Tensor is ours, not an object array
    shape: Any
    dtype: Any

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def dim(self) -> int:
        """The number of dims."""
        return len(self.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its size along `dim`."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    # --- operators ---------------------------------------------------------------------
    __add__ = __radd__ = method_of(elementwise.add)
    __sub__, __rsub__ = method_of(elementwise.sub), reflected(elementwise.sub)
    __mul__ = __rmul__ = method_of(elementwise.mul)
    __truediv__, __rtruediv__ = method_of(elementwise.div), reflected(elementwise.div)
    __floordiv__ = method_of(elementwise.floor_divide)
    __rfloordiv__ = reflected(elementwise.floor_divide)
    __mod__ = method_of(elementwise.remainder)
    __rmod__ = reflected(elementwise.remainder)
    __matmul__, __rmatmul__ = composite.matmul, lambda a, b: composite.matmul(b, a)
    __neg__, __abs__ = method_of(elementwise.neg), method_of(elementwise.abs)
    __lt__, __le__ = method_of(elementwise.lt), method_of(elementwise.le)
    __gt__, __ge__ = method_of(elementwise.gt), method_of(elementwise.ge)
    __eq__, __ne__ = method_of(elementwise.eq), method_of(elementwise.ne)
    __and__ = __rand__ = method_of(elementwise.bitwise_and)
    __or__ = __ror__ = method_of(elementwise.bitwise_or)
    __xor__ = __rxor__ = method_of(elementwise.bitwise_xor)
    __invert__ = method_of(elementwise.bitwise_not)
    __hash__ = object.__hash__
    mm, norm = composite.mm, with_numpy_names(linalg.tensor_norm)

    if TYPE_CHECKING:  # the methods made below

        def __getattr__(self, name: str) -> Any: ...

    def pow(self, exponent: Any) -> Any:
        """self ** exponent; squares get a rule of their own."""
        kind = type(exponent)  # a tensor's == would compare elements
        plain = kind is int or (kind is float and self.dtype.kind == "f")
        if plain and exponent == 2:
            return self.square()
        return elementwise.pow(self, exponent)

    __pow__, __rpow__ = pow, reflected(elementwise.pow)

    def __getitem__(self, key: Any) -> Any:
        parts, arrays = split_key(key)
        if arrays:
            return index(self, *arrays, key=parts)
        return movement.slice(self, key=parts)

    # --- shape -------------------------------------------------------------------------
    def reshape(self, *shape: Any, **named: Any) -> Any:
        """The same elements in another shape; one size may be -1."""
        return movement.reshape(self, shape=sizes(shape, named))

    def permute(self, *dims: Any, **named: Any) -> Any:
        """The dims in another order."""
        dims = sizes(dims, named)
        axes = [shapes.normalize_axis("permute", d, self.ndim) for d in dims]
        return movement.permute(self, axes=tuple(axes))

    transpose = swapaxes = swapdims = composite.swapaxes
    moveaxis, broadcast_to = rearrange.movedim, rearrange.expand

    @property
    def T(self) -> Any:
        """All dims reversed: the transpose of a matrix."""
        return movement.permute(self, axes=tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Any:
        """The last two dims exchanged: the transpose of each matrix of a batch."""
        return composite.swapaxes(rearrange.demand_dims("mT", self, 2), -1, -2)

    def where(self, condition: Any, other: Any) -> Any:
        """The elements where `condition` is true, `other` elsewhere."""
        return elementwise.where(condition, self, other)


def _composites() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module in (formulas, composite, rearrange, contraction):
        for name, fn in inspect.getmembers(module, inspect.isfunction):
            public = fn.__module__ == module.__name__ and name[0] != "_"
            if public and fn.__code__.co_varnames[0] == "a":
                yield name, fn


# Reached by other names, or written above.
APART = ("cast", "transfer", "copy", "fill", "pow")
for _op in TABLE.values():
    if _op.kind == "reduce":
        setattr(Methods, _op.name, reduce_with(_op))
    elif _op.kind == "elementwise" and _op.named <= 2 and _op.name not in APART:
        setattr(Methods, _op.name, method_of(_op))
for _name, _fn in _composites():
    setattr(Methods, _name, with_numpy_names(_fn))
