"""From one dtype, device or memory layout to another: methods of Tensor and Node.

A Node has no device of its own: a program computes where it is told to run.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.backend import CPU, device, device_of
from minigrad.ops import elementwise
from minigrad.ops.op import Value

_TYPES = {
    "HalfTensor": "float16",
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "ByteTensor": "uint8",
    "IntTensor": "int32",
    "LongTensor": "int64",
    "BoolTensor": "bool",
}
_NAMES = {np.dtype(dtype): name for name, dtype in _TYPES.items()}


class Conversions(Value):
    """See the module's docstring."""

    __slots__ = ()
    shape: Any
    dtype: Any

    @property
    def device(self) -> Any:
        """Where the memory is: "cpu" or "cuda:0"."""
        return device_of(getattr(self, "array", None))

    @property
    def is_cuda(self) -> Any:
        return self.device.type == "cuda"

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """In another dtype, or on another device: `x.to(dtype)`, `x.to("cuda", dtype)`,
        `x.to(other)`; itself if nothing changes and no `copy=True` is given.

        With `non_blocking=True` a copy from pinned memory to a GPU, or from there to the
        CPU, is only queued in the current stream: until that stream or an event behind the
        copy is synchronized, the pinned memory may not be written, nor the result on the
        CPU read. Source: PyTorch's torch.Tensor.to.
        """
        where, dtype, copy, waits = destination(args, kwargs)
        here = self.device
        if where is not None and where != here:
            if where == CPU and dtype is not None:  # while it is where it can be read
                return self.to(dtype).to(where, non_blocking=not waits)
            places = {"device": str(where), "back": str(here)}
            y = elementwise.transfer(self, **places, waits=waits)
            return y if dtype is None else y.to(dtype)
        if dtype is None or dtype == self.dtype:
            return elementwise.cast(self, dtype=self.dtype) if copy else self
        return elementwise.cast(self, dtype=dtype)

    def type(self, dtype: Any = None) -> Any:
        """The name of its kind, "minigrad.FloatTensor", or the tensor in another dtype."""
        if dtype is None:
            return f"minigrad.{_NAMES.get(np.dtype(self.dtype), self.dtype)}"
        if isinstance(dtype, str):
            dtype = _TYPES.get(dtype.rpartition(".")[2], dtype)
        return self.to(dtype=getattr(dtype, "dtype", dtype))

    def type_as(self, other: Any) -> Any:
        """In the dtype of `other`."""
        return self.to(other)

    def cpu(self) -> Any:
        """On the CPU: itself if it is there already."""
        return self.to("cpu")

    def cuda(self, device: Any = None, non_blocking: Any = False) -> Any:
        """On the GPU: itself if it is there already."""
        if device is None or type(device) is int:
            device = "cuda" if device is None else f"cuda:{device}"
        return self.to(device, non_blocking=non_blocking)

    def contiguous(self) -> Any:
        """In memory in the order of its elements: itself, for a node."""
        return self

    def is_floating_point(self) -> Any:
        return self.dtype.kind == "f"


def _to(dtype: str) -> Any:
    def method(self: Any) -> Any:
        return self.to(dtype=dtype)

    method.__doc__ = f"In {dtype}."
    return method


for _name, _dtype in _TYPES.items():  # half, float, double, byte, int, long, bool
    setattr(Conversions, _name.removesuffix("Tensor").lower(), _to(_dtype))


def destination(args: tuple, kwargs: dict) -> tuple[Any, Any, Any, Any]:
    """What a call of `to` asks for: device, dtype, a copy? and wait for it?"""
    kwargs = dict(kwargs)
    copy = kwargs.pop("copy", False)
    waits = not kwargs.pop("non_blocking", False)
    dtype, where = kwargs.pop("dtype", None), kwargs.pop("device", None)
    other = kwargs.pop("other", None)
    if kwargs:
        raise TypeError(f"to: {', '.join(kwargs)} is not supported")
    rest = list(args)
    if rest and isinstance(rest[0], Value):
        other = rest.pop(0)
    elif rest and (rest[0] is None or device.is_name(rest[0])):
        where = rest.pop(0)
    if other is not None:
        where, dtype = other.device, other.dtype
    if rest and type(rest[0]) is not bool:
        dtype = rest.pop(0)
    if rest and type(rest[0]) is bool:
        waits = not rest.pop(0)  # non_blocking
    if rest:
        copy = rest.pop(0)
    if rest:
        raise TypeError(f"to: too many arguments: {args}")
    if where is not None:
        where = device(where).found()
    return where, None if dtype is None else np.dtype(dtype), copy, waits
