"""Tensors from data: `tensor`, `zeros`, `arange` and their relatives, as in PyTorch.

The `options` that all of them take are `dtype`, `device` and `requires_grad`.

`nonzero` and `unique` stand here too: how large their result is depends on the numbers, so
they read the array and make a new Tensor, which no graph and no tape can follow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.backend import (
    as_result,
    device_of,
    get_default_dtype,
    late,
    moved,
    on_device,
    placed,
)
from minigrad.composite import sizes
from minigrad.eager.tensor import Tensor, from_array
from minigrad.errors import ArgumentError, DTypeError, GraphError, ShapeError
from minigrad.ops.elementwise import cast, fill
from minigrad.ops.extents import is_known
from minigrad.ops.shapes import normalize_axis


def made(
    array: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A leaf that owns `array`, cast to `dtype` and moved to `device` if these are given."""
    array = array if dtype is None else array.astype(dtype, copy=False)
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise DTypeError(
            "a tensor cannot hold this",
            expected="numbers or bools, in rows of one length",
            got=f"dtype {array.dtype}",
        )
    if device is not None:
        array = moved(array, placed(device))
    return from_array(array, requires_grad)


def new(
    array: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`made`, on the default device if none is given."""
    return made(array, dtype, placed(device), requires_grad)


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
        data, device = data.concrete("tensor()"), device or data.device
    if on_device(data):
        return made(data.copy(), dtype, device or device_of(data), requires_grad)
    try:
        array = np.array(_plain(data), order="C")
    except ValueError as error:
        raise ShapeError(f"tensor: {error}") from None
    if dtype is None and not isinstance(data, (np.ndarray, np.generic)):
        dtype = get_default_dtype() if array.dtype.kind == "f" else None
        if array.dtype == np.uint64:
            raise ArgumentError("tensor: an integer is too large for int64")
    return new(array, dtype, device, requires_grad)


def _plain(data: Any) -> Any:
    """Nested lists with the tensors in them (of one element each) as numbers."""
    if isinstance(data, (list, tuple)):
        return [_plain(x) for x in data]
    return data.item() if isinstance(data, Tensor) else data


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` itself if it is a Tensor, a Tensor sharing memory if it is an array."""
    if isinstance(data, Tensor):
        return data.to(device, dtype)
    if on_device(data) or isinstance(data, np.ndarray):
        return made(data, dtype, device if on_device(data) else placed(device))
    return tensor(data, dtype, device)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor that shares the array's memory."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy wants a NumPy array, got {type(array).__name__}")
    return made(array)


CUDA_MEMORY = (2, 13)  # DLPack's numbers for memory of a GPU: kDLCUDA, kDLCUDAManaged


def from_dlpack(source: Any) -> Tensor:
    """A Tensor that shares the memory of any library's array, on the CPU or a GPU."""
    if isinstance(source, Tensor):
        return source
    kind, number = source.__dlpack_device__()
    if kind in CUDA_MEMORY:
        return made(late("cuda")(placed(f"cuda:{number}")).xp.from_dlpack(source))
    return made(np.from_dlpack(source))


# --- of one shape ------------------------------------------------------------------------


def shape_of(size: tuple, name: str) -> tuple[int, ...]:
    """The shape that sizes given one by one or as a tuple mean."""
    if not size:
        raise TypeError(f"{name}() wants sizes; () is the shape of a single number")
    shape = sizes(size)
    if min(shape, default=0) < 0:
        raise ShapeError(f"{name}: sizes cannot be negative", got=str(shape))
    return shape


def _full(
    shape: tuple[int, ...],
    value: Any,
    dtype: Any,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One number everywhere, written where it is to be: nothing crosses over."""
    where = placed(device)
    dtype = np.dtype(dtype or np.asarray(value).dtype)
    value = np.asarray(value).astype(dtype).item()  # -1 as a byte is 255
    xp = np if where.type == "cpu" else late("cuda")(where).xp
    return made(xp.full(shape, value, dtype), requires_grad=requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """One number everywhere."""
    if dtype is None and isinstance(fill_value, float):
        dtype = get_default_dtype()
    return _full(shape_of((size,), "full"), fill_value, dtype, **options)


def _filled(name: str, value: int, doc: str) -> Any:
    def function(*size: Any, dtype: Any = None, **options: Any) -> Tensor:
        dtype = dtype or get_default_dtype()
        return _full(shape_of(size, name), value, dtype, **options)

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
    **options: Any,
) -> Any:
    """One number everywhere, in the shape and dtype of `input`, a Tensor or Node."""
    dtype = np.dtype(dtype or input.dtype)
    if not is_known(input.shape):
        return fill(cast(input, dtype=dtype), value=fill_value)
    where = input.device if device is None else device
    return _full(input.shape, fill_value, dtype, where, **options)


def zeros_like(input: Any, **options: Any) -> Any:
    """Zeros in the shape and dtype of `input`."""
    return full_like(input, 0, **options)


def ones_like(input: Any, **options: Any) -> Any:
    """Ones in the shape and dtype of `input`."""
    return full_like(input, 1, **options)


empty_like = zeros_like


# --- of numbers in a row -----------------------------------------------------------------


def _number(x: Any) -> Any:
    return x.item() if hasattr(x, "item") else x


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, **options: Any
) -> Tensor:
    """`start`, `start + step`, ... up to but without `end`."""
    start, end = (0, start) if end is None else (start, end)
    start, end, step = map(_number, (start, end, step))
    if dtype is not None and np.dtype(dtype) == np.int64:
        start, end, step = int(start), int(end), int(step)
    if step == 0 or not 0 <= (end - start) / step < math.inf:
        raise ArgumentError(
            "arange: this step never leads to the end",
            expected="a step from start towards a finite end",
            got=f"arange({start}, {end}, {step})",
        )
    count = math.ceil((end - start) / step)
    if dtype is not None and np.dtype(dtype).kind in "ui":
        start, step = int(start), int(step)
    array = start + np.arange(count) * step
    if dtype is None and any(isinstance(x, float) for x in (start, end, step)):
        dtype = get_default_dtype()
    return new(array, dtype, **options)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, **options: Any
) -> Tensor:
    """`steps` numbers from `start` to `end`, both among them, evenly spaced."""
    if steps < 0:
        raise ArgumentError("linspace: steps cannot be negative", got=str(steps))
    start, end = _number(start), _number(end)
    if dtype is not None and np.dtype(dtype).kind in "ui":
        start, end = int(start), int(end)
    array = np.linspace(start, end, steps)
    return new(array, dtype or get_default_dtype(), **options)


def eye(n: int, m: int | None = None, *, dtype: Any = None, **options: Any) -> Tensor:
    """The identity matrix, or its first `m` columns."""
    shape = shape_of((n, n if m is None else m), "eye")
    return new(np.eye(*shape, dtype=dtype or get_default_dtype()), **options)


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
    arrays = [as_result(x) for x in found]
    if return_inverse and dim is None:
        arrays[1] = arrays[1].reshape(array.shape)
    return tuple(map(made, arrays))


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


def pin_memory(self: Tensor) -> Tensor:
    """A copy in memory that the system never moves: quicker to bring over to a GPU."""
    return made(late("cuda")().pinned(self.cpu().numpy()))


def _dlpack(self: Tensor, **options: Any) -> Any:
    array = self.array if self.is_cuda and not self.requires_grad else self.numpy()
    return array.__dlpack__(**options)


def _dlpack_device(self: Tensor) -> Any:
    return self.array.__dlpack_device__()


Tensor.__new__ = _new  # type: ignore[method-assign, assignment]
Tensor.__dlpack__ = _dlpack  # type: ignore[attr-defined]
Tensor.__dlpack_device__ = _dlpack_device  # type: ignore[attr-defined]
Tensor.pin_memory = pin_memory  # type: ignore[attr-defined]
Tensor.nonzero, Tensor.unique = nonzero, unique  # type: ignore[attr-defined]

__all__ = """
    DoubleTensor FloatTensor LongTensor arange as_tensor empty empty_like eye
    from_dlpack from_numpy full full_like linspace nonzero ones ones_like tensor
    unique zeros zeros_like
""".split()
