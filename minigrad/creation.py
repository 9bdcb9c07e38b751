"""Tensors from data: `tensor`, `zeros`, `arange` and their relatives, as in PyTorch.

`nonzero` and `unique` stand here too: how large their result is depends on the numbers, so
they read the array and make a new Tensor, which no graph and no tape can follow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.backend import get_default_dtype
from minigrad.eager.tensor import Tensor, from_array
from minigrad.errors import ArgumentError, DTypeError, GraphError, ShapeError
from minigrad.ops.elementwise import cast, fill
from minigrad.ops.extents import is_known
from minigrad.ops.shapes import normalize_axis, sizes


def on_cpu(device: Any) -> None:
    """Raise unless `device` is the CPU or was not given."""
    if device is not None:
        backend.device(device).check()


def made(
    array: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A leaf that owns `array`, cast to `dtype` if that is given."""
    on_cpu(device)
    array = array if dtype is None else array.astype(dtype, copy=False)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise DTypeError(
            "a tensor cannot hold this",
            expected="numbers or bools, in rows of one length",
            got=f"dtype {array.dtype}",
        )
    return from_array(array, requires_grad)


def tensor(
    data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A new Tensor with a copy of `data` (numbers, nested lists, an array, a Tensor).

    Python floats become the default dtype, integers int64; arrays keep their dtype.

        >>> import minigrad as mg
        >>> mg.tensor([[1, 2], [3, 4]]).shape
        (2, 2)
    """
    if isinstance(data, Tensor):
        data = data.concrete("tensor()")
    try:
        array = np.array(_plain(data), order="C")
    except ValueError as error:
        raise ShapeError(f"tensor: {error}") from None
    if dtype is None and not isinstance(data, (np.ndarray, np.generic)):
        dtype = get_default_dtype() if array.dtype.kind == "f" else None
        if array.dtype == np.uint64:
            raise ArgumentError("tensor: an integer is too large for int64")
    return made(array, dtype, device, requires_grad)


def _plain(data: Any) -> Any:
    """Nested lists with the tensors in them (of one element each) as numbers."""
    if isinstance(data, (list, tuple)):
        return [_plain(x) for x in data]
    return data.item() if isinstance(data, Tensor) else data


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` itself if it is a Tensor, a Tensor sharing memory if it is an array."""
    on_cpu(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and dtype in (None, data.dtype):
        return made(data)
    return tensor(data, dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor that shares the array's memory."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy wants a NumPy array, got {type(array).__name__}")
    return made(array)


def from_dlpack(source: Any) -> Tensor:
    """A Tensor that shares the memory of any library's array."""
    return source if isinstance(source, Tensor) else made(np.from_dlpack(source))


# --- of one shape ------------------------------------------------------------------------


def shape_of(size: tuple, name: str) -> tuple[int, ...]:
    """The shape that sizes given one by one or as a tuple mean."""
    if not size:
        raise TypeError(f"{name}() wants sizes; () is the shape of a single number")
    shape = sizes(size)
    if min(shape, default=0) < 0:
        raise ShapeError(f"{name}: sizes cannot be negative", got=str(shape))
    return shape


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One number everywhere."""
    if dtype is None and isinstance(fill_value, float):
        dtype = get_default_dtype()
    array = np.full(shape_of((size,), "full"), fill_value, dtype)
    return made(array, None, device, requires_grad)


def _filled(name: str, value: int, doc: str) -> Any:
    def function(
        *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        array = np.full(shape_of(size, name), value, dtype or get_default_dtype())
        return made(array, None, device, requires_grad)

    function.__name__, function.__doc__ = name, doc
    return function


zeros = _filled("zeros", 0, "Zeros: `zeros(2, 3)`.")
ones = _filled("ones", 1, "Ones: `ones(2, 3)`.")
empty = _filled("empty", 0, "A Tensor to be overwritten; it happens to hold zeros.")


def full_like(
    input: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Any:
    """One number everywhere, in the shape and dtype of `input`, a Tensor or Node."""
    if not is_known(input.shape):
        return fill(cast(input, dtype=np.dtype(dtype or input.dtype)), value=fill_value)
    array = np.full(input.shape, fill_value, dtype or input.dtype)
    return made(array, None, device, requires_grad)


def zeros_like(input: Any, **options: Any) -> Any:
    """Zeros in the shape and dtype of `input`."""
    return full_like(input, 0, **options)


def ones_like(input: Any, **options: Any) -> Any:
    """Ones in the shape and dtype of `input`."""
    return full_like(input, 1, **options)


empty_like = zeros_like


# --- of numbers in a row -----------------------------------------------------------------


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`start`, `start + step`, ... up to but without `end`."""
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (
        x.item() if hasattr(x, "item") else x for x in (start, end, step)
    )
    if step == 0 or (end - start) * step < 0:
        raise ArgumentError(
            "arange: this step never leads to the end",
            expected="a step from start towards end",
            got=f"arange({start}, {end}, {step})",
        )
    array = start + np.arange(math.ceil((end - start) / step)) * step
    if dtype is None and any(isinstance(x, float) for x in (start, end, step)):
        dtype = get_default_dtype()
    return made(array, dtype, device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers from `start` to `end`, both among them, evenly spaced."""
    if steps < 0:
        raise ArgumentError("linspace: steps cannot be negative", got=str(steps))
    start, end = (x.item() if hasattr(x, "item") else x for x in (start, end))
    array = np.linspace(start, end, steps)
    return made(array, dtype or get_default_dtype(), device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The identity matrix, or its first `m` columns."""
    shape = shape_of((n, n if m is None else m), "eye")
    array = np.eye(*shape, dtype=dtype or get_default_dtype())
    return made(array, None, device, requires_grad)


# --- whose size depends on numbers -------------------------------------------------------


def _known(input: Any, name: str) -> Any:
    if isinstance(input, Tensor):
        return input.concrete(name)
    raise GraphError(
        f"{name}: how large the result is depends on numbers that are not there yet",
        expected="a Tensor",
        got=repr(input),
        remedy="use mg.where(mask, x, 0), which keeps the shape, or topk(k)",
    )


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Where `input` is not 0: a row of indices for each, or a tuple of columns."""
    columns = np.nonzero(np.atleast_1d(_known(input, "nonzero")))
    if as_tuple:
        return tuple(made(column) for column in columns)
    rows = np.stack(columns, axis=1)
    return made(rows if input.shape else rows[:, :0])


def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (or slices along `dim`) in order.

    A tuple with, if asked for, which one each was, and how often each came.
    """
    array = _known(input, "unique")
    axis = None if dim is None else normalize_axis("unique", dim, array.ndim)
    found = np.unique(
        array, False, return_inverse, return_counts, axis=axis, equal_nan=False
    )
    if not isinstance(found, tuple):
        return made(found)
    return tuple(made(np.ascontiguousarray(x)) for x in found)


# --- older spellings, and what Tensor has of these ---------------------------------------


def _older(name: str, dtype: Any, doc: str) -> Any:
    def function(*data: Any) -> Tensor:
        numbers = not data or all(isinstance(n, int) for n in data)
        wanted = dtype or get_default_dtype()
        if dtype is None and len(data) == 1 and isinstance(data[0], Tensor):
            return data[0].detach()
        if len(data) == 1 and not numbers:
            return as_tensor(data[0], wanted)
        return zeros(*(data or (0,)), dtype=wanted)

    function.__name__, function.__doc__ = name, doc
    return function


FloatTensor = _older("FloatTensor", np.float32, "float32, from data or of a shape.")
DoubleTensor = _older("DoubleTensor", np.float64, "float64, from data or of a shape.")
LongTensor = _older("LongTensor", np.int64, "int64, from data or of a shape.")
_default = _older("Tensor", None, "The default dtype, from data or of a shape.")


def _new(cls: type, *data: Any) -> Tensor:
    return _default(*data) if cls is Tensor else object.__new__(cls)


def _dlpack(self: Tensor, **options: Any) -> Any:
    return self.numpy().__dlpack__(**options)


def _dlpack_device(self: Tensor) -> Any:
    return self.array.__dlpack_device__()


Tensor.__new__ = _new  # type: ignore[method-assign, assignment]
Tensor.__dlpack__ = _dlpack  # type: ignore[attr-defined]
Tensor.__dlpack_device__ = _dlpack_device  # type: ignore[attr-defined]
Tensor.nonzero, Tensor.unique = nonzero, unique  # type: ignore[attr-defined]

__all__ = """
    DoubleTensor FloatTensor LongTensor arange as_tensor empty empty_like eye
    from_dlpack from_numpy full full_like linspace nonzero ones ones_like tensor
    unique zeros zeros_like
""".split()
