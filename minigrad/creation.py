"""Tensors from data: `tensor`, `zeros`, `arange` and their relatives, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.backend import get_default_dtype
from minigrad.eager.tensor import Tensor, from_array
from minigrad.methods import sizes


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A new Tensor with a copy of `data` (numbers, nested lists, an array, a Tensor).

    Python floats become the default dtype, integers int64; arrays keep their dtype.

        >>> import minigrad as mg
        >>> mg.tensor([[1, 2], [3, 4]]).shape
        (2, 2)
    """
    if isinstance(data, Tensor):
        return from_array(data.concrete("tensor()").astype(dtype or data.dtype))
    array = np.array(data)
    has_dtype = isinstance(data, (np.ndarray, np.generic))
    if dtype is None and array.dtype.kind == "f" and not has_dtype:
        dtype = get_default_dtype()
    return from_array(np.array(array, dtype=dtype, order="C"), requires_grad)


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """`data` itself if it is a Tensor, a Tensor sharing memory if it is an array."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and dtype in (None, data.dtype):
        return from_array(data)
    return tensor(data, dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor that shares the array's memory."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy wants a NumPy array, got {type(array).__name__}")
    return from_array(array)


def full(
    size: Any, fill_value: float, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number everywhere."""
    if dtype is None and isinstance(fill_value, float):
        dtype = get_default_dtype()
    return from_array(np.full(sizes((size,)), fill_value, dtype), requires_grad)


def zeros(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros: `zeros(2, 3)`."""
    array = np.zeros(sizes(size), dtype or get_default_dtype())
    return from_array(array, requires_grad)


def ones(*size: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones: `ones(2, 3)`."""
    array = np.ones(sizes(size), dtype or get_default_dtype())
    return from_array(array, requires_grad)


def zeros_like(t: Tensor, dtype: Any = None) -> Tensor:
    """Zeros in the shape and dtype of `t`."""
    return from_array(np.zeros(t.shape, dtype or t.dtype))


def ones_like(t: Tensor, dtype: Any = None) -> Tensor:
    """Ones in the shape and dtype of `t`."""
    return from_array(np.ones(t.shape, dtype or t.dtype))


def arange(
    start: float, end: float | None = None, step: float = 1, dtype: Any = None
) -> Tensor:
    """`start`, `start + step`, ... up to but without `end`."""
    array = np.arange(0, start, step) if end is None else np.arange(start, end, step)
    if dtype is None and array.dtype.kind == "f":
        dtype = get_default_dtype()
    return from_array(array.astype(dtype or array.dtype))


def eye(n: int, dtype: Any = None) -> Tensor:
    """The identity matrix."""
    return from_array(np.eye(n, dtype=dtype or get_default_dtype()))
