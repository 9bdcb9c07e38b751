"""The operators and methods that Tensor and Node share, in PyTorch's spelling.

Each method settles its arguments (`dim` or NumPy's `axis`, negative axes, sizes given
one by one or as a tuple) and calls the op: what happens next is the op's business.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.conversions import Conversions
from minigrad.errors import ShapeError
from minigrad.ops import composite, elementwise, movement, reduce, shapes
from minigrad.ops.indexing import ARRAY, index
from minigrad.ops.op import Op, Value


def reduce_with(op: Op) -> Any:
    def method(
        self: Any,
        dim: Any = None,
        keepdim: bool = False,
        *,
        axis: Any = None,
        keepdims: bool = False,
    ) -> Any:
        dim, ndim = axis if dim is None else dim, len(self.shape)
        every = dim is None
        axes = range(ndim) if every else shapes.normalize_axes(op.name, dim, ndim)
        return op(self, axis=tuple(axes), keepdims=keepdim or keepdims)

    method.__name__, method.__doc__ = op.name, op.doc
    return method


def unary(op: Op) -> Any:
    def method(self: Any) -> Any:
        return op(self)

    method.__name__, method.__doc__ = op.name, op.doc
    method.op = op  # type: ignore[attr-defined]
    return method


def binary(op: Op) -> Any:
    def method(self: Any, other: Any) -> Any:
        return op(self, other)

    method.__name__, method.__doc__ = op.name, op.doc
    method.op = op  # type: ignore[attr-defined]
    return method


def reflected(op: Op) -> Any:
    def method(self: Any, other: Any) -> Any:
        return op(other, self)

    method.__name__ = f"__r{op.name}__"
    return method


def extreme(whole: Op, least: bool) -> Any:
    def method(
        self: Any, dim: Any = None, keepdim: bool = False, *, axis: Any = None
    ) -> Any:
        dim = axis if dim is None else dim
        if dim is None:
            return whole(self, axis=tuple(range(self.ndim)), keepdims=keepdim)
        if isinstance(dim, Value):
            pair = elementwise.minimum if least else elementwise.maximum
            return pair(self, dim)
        return composite.max_along(self, dim, keepdim, least)

    method.__name__ = "min" if least else "max"
    method.__doc__ = f"{method.__name__}() of all, or (values, indices) along `dim`."
    return method


def sizes(given: tuple) -> tuple[int, ...]:
    """Sizes given one by one or as one tuple."""
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    return tuple(int(n) for n in given)


def split_key(key: Any) -> tuple[tuple, list]:
    """A key as one tuple with an Ellipsis, and the index arrays taken out of it."""
    parts: list[Any] = list(key) if isinstance(key, tuple) else [key]
    arrays = []
    for i, part in enumerate(parts):
        if isinstance(part, (list, np.ndarray)):
            part = np.asarray(part)
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
    __add__ = __radd__ = binary(elementwise.add)
    __sub__, __rsub__ = binary(elementwise.sub), reflected(elementwise.sub)
    __mul__ = __rmul__ = binary(elementwise.mul)
    __truediv__, __rtruediv__ = binary(elementwise.div), reflected(elementwise.div)
    __neg__, __abs__ = unary(elementwise.neg), unary(elementwise.abs)
    __lt__, __le__ = binary(elementwise.lt), binary(elementwise.le)
    __gt__, __ge__ = binary(elementwise.gt), binary(elementwise.ge)
    __eq__, __ne__ = binary(elementwise.eq), binary(elementwise.ne)
    __and__, __or__ = binary(elementwise.bitwise_and), binary(elementwise.bitwise_or)
    __invert__ = unary(elementwise.bitwise_not)
    __hash__ = object.__hash__

    def pow(self, exponent: Any) -> Any:
        """self ** exponent; squares get a rule of their own."""
        plain = type(exponent) is int or self.dtype.kind == "f"
        if plain and type(exponent) in (int, float) and exponent == 2:
            return elementwise.square(self)
        return elementwise.pow(self, exponent)

    __pow__, __rpow__ = pow, reflected(elementwise.pow)

    def __matmul__(self, other: Any) -> Any:
        return composite.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return composite.matmul(other, self)

    def __getitem__(self, key: Any) -> Any:
        parts, arrays = split_key(key)
        if arrays:
            return index(self, *arrays, key=parts)
        return movement.slice(self, key=parts)

    # --- elementwise -------------------------------------------------------------------
    add, sub, mul = __add__, __sub__, __mul__
    div = true_divide = __truediv__
    neg, abs, sign = __neg__, __abs__, unary(elementwise.sign)
    exp, log, sqrt = map(unary, (elementwise.exp, elementwise.log, elementwise.sqrt))
    sin, cos, tanh = map(unary, (elementwise.sin, elementwise.cos, elementwise.tanh))
    square, relu = unary(elementwise.square), unary(elementwise.relu)
    sigmoid = unary(elementwise.sigmoid)
    maximum, minimum = binary(elementwise.maximum), binary(elementwise.minimum)
    eq, ne, lt, le, gt, ge = __eq__, __ne__, __lt__, __le__, __gt__, __ge__

    def clamp(self, min: Any = None, max: Any = None) -> Any:
        """Limited to the range from `min` to `max`; at a bound the gradient is 1."""
        return composite.clamp(self, min, max)

    # --- reductions --------------------------------------------------------------------
    sum, logsumexp = reduce_with(reduce.sum), reduce_with(reduce.logsumexp)
    amax, amin = reduce_with(reduce.amax), reduce_with(reduce.amin)
    argmax, argmin = reduce_with(reduce.argmax), reduce_with(reduce.argmin)
    all, any = reduce_with(reduce.all), reduce_with(reduce.any)
    max, min = extreme(reduce.amax, False), extreme(reduce.amin, True)

    def mean(
        self,
        dim: Any = None,
        keepdim: bool = False,
        *,
        axis: Any = None,
        keepdims: bool = False,
    ) -> Any:
        """The arithmetic mean."""
        axes = shapes.normalize_axes("mean", axis if dim is None else dim, self.ndim)
        return composite.mean(self, axes, keepdim or keepdims)

    def softmax(self, dim: int) -> Any:
        """exp(self) over its sum along `dim`."""
        return composite.softmax(self, dim)

    def log_softmax(self, dim: int) -> Any:
        """log(softmax(self)) without overflow."""
        return composite.log_softmax(self, dim)

    # --- shape -------------------------------------------------------------------------
    def reshape(self, *shape: Any) -> Any:
        """The same elements in another shape; one size may be -1."""
        return movement.reshape(self, shape=sizes(shape))

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Any:
        """The dims from `start_dim` to `end_dim` as one."""
        first = shapes.normalize_axis("flatten", start_dim, self.ndim)
        last = shapes.normalize_axis("flatten", end_dim, self.ndim)
        if first > last:
            raise ShapeError("flatten: start_dim comes after end_dim")
        return self.reshape(*self.shape[:first], -1, *self.shape[last + 1 :])

    def permute(self, *dims: Any) -> Any:
        """The dims in another order."""
        axes = [shapes.normalize_axis("permute", d, self.ndim) for d in sizes(dims)]
        return movement.permute(self, axes=tuple(axes))

    def transpose(self, dim0: int, dim1: int) -> Any:
        """Two dims exchanged."""
        return composite.swapaxes(self, dim0, dim1)

    swapaxes = transpose

    @property
    def T(self) -> Any:
        """All dims reversed: the transpose of a matrix."""
        return movement.permute(self, axes=tuple(range(self.ndim))[::-1])

    def t(self) -> Any:
        """The transpose of a matrix."""
        if self.ndim > 2:
            raise ShapeError(
                "t: wants a matrix",
                expected="at most 2 dims",
                got=shapes.describe(self, "the tensor"),
                remedy="x.transpose(0, 1), or x.T for all dims reversed",
            )
        return self.T

    def squeeze(self, dim: Any = None) -> Any:
        """Without the dims of size 1."""
        return composite.squeeze(self, dim)

    def unsqueeze(self, dim: int) -> Any:
        """With a new dim of size 1."""
        return composite.unsqueeze(self, dim)

    def expand(self, *shape: Any) -> Any:
        """Dims of size 1 repeated without copying; -1 leaves a size as it is."""
        new, added = sizes(shape), len(sizes(shape)) - self.ndim
        old = (-1,) * added + tuple(self.shape)
        known = tuple(o if n == -1 else n for n, o in zip(new, old))
        if added < 0 or -1 in known:
            raise ShapeError(
                "expand: the sizes do not fit",
                expected=f"at least {self.ndim} sizes; -1 only for a dim that is there",
                got=f"{shapes.describe(self, 'the tensor')} -> {new}",
            )
        return movement.broadcast_to(self, shape=known)

    def broadcast_to(self, *shape: Any) -> Any:
        """Like `expand`."""
        return self.expand(*shape)

    def gather(self, dim: int, index: Any) -> Any:
        """The elements at `index` along `dim`."""
        return composite.gather(self, dim, index)

    # --- products ----------------------------------------------------------------------
    matmul = __matmul__

    def mm(self, other: Any) -> Any:
        """The product of two matrices."""
        return composite.mm(self, other)

    def mv(self, other: Any) -> Any:
        """This matrix times a vector."""
        return composite.mv(self, other)

    def dot(self, other: Any) -> Any:
        """The inner product of two vectors."""
        return composite.dot(self, other)

    def bmm(self, other: Any) -> Any:
        """A batch of matrix products."""
        return composite.bmm(self, other)
