"""The arrays of a simulated GPU: NumPy's memory, behind a class that keeps CuPy's rules."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.lib.stride_tricks import as_strided

from minigrad.gpu.log import IN, LAUNCH, OUT, Event
from minigrad.gpu.simulated_stream import to_host

# What CuPy's ufuncs can do beside being called.
METHODS = {
    "reduce": {"add", "multiply"},
    "accumulate": {"add", "multiply"},
    "at": "add subtract maximum minimum bitwise_and bitwise_or bitwise_xor".split(),
}
FACTS = frozenset("ndim shape size result_type can_cast may_share_memory".split())


class SimulatedArray(NDArrayOperatorsMixin):
    """Numbers that lie on a simulated device; looking at them costs a transfer.

    Who writes for CuPy meets it too, in lesson 02: it has methods that no op calls.
    """

    __slots__ = ("_values", "_device", "base", "_arrival", "__weakref__")
    __array_priority__ = 100

    def __init__(self, values: np.ndarray, device: Any, base: Any = None) -> None:
        if not values.flags.writeable:
            values.flags.writeable = True  # CuPy forbids nothing
        self._values, self._device = values, device
        self._arrival: Any = None  # of what is still copied from the host
        self.base = base if base is None or base.base is None else base.base

    def __del__(self) -> None:
        if self.base is None:
            self._device.free(self._values.nbytes)

    # --- what NumPy's own functions do with it -------------------------------------------
    def __array_ufunc__(self, ufunc: Any, method: str, *args: Any, **kw: Any) -> Any:
        name = ufunc.__name__
        known = (int, float, bool, np.generic, np.ndarray, SimulatedArray, tuple)
        if not all(isinstance(x, known) for x in args):
            return NotImplemented
        if method == "__call__":
            return self._device.run(name, ufunc, args, kw)
        if name not in METHODS.get(method, ()):
            raise NotImplementedError(f"`cupy_{name}.{method}` is not supported yet")
        if {"initial", "where"} & set(kw):
            raise TypeError(f"{method}() got an unexpected keyword argument")
        if method == "at":
            target, key, *rest = args
            return target._scatter(name, ufunc, key, *rest)
        return self._device.run(name, getattr(ufunc, method), args, kw)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = func.__name__
        if name in FACTS:
            return func(*self._device.held(name, args), **kwargs)
        return getattr(self._device.xp, name)(*args, **kwargs)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    # --- what it is ----------------------------------------------------------------------
    shape = property(lambda self: self._values.shape)
    dtype = property(lambda self: self._values.dtype)
    ndim = property(lambda self: self._values.ndim)
    size = property(lambda self: self._values.size)
    nbytes = property(lambda self: self._values.nbytes)
    itemsize = property(lambda self: self._values.itemsize)
    strides = property(lambda self: self._values.strides)

    @property
    def flags(self) -> Any:
        """As with CuPy: nothing says whether it may be written."""
        flags = self._values.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous,
            f_contiguous=flags.f_contiguous,
            owndata=self.base is None,
        )

    @property
    def device(self) -> Any:
        gpu = self._device
        return SimpleNamespace(id=gpu.index, synchronize=gpu.synchronize)

    @property
    def data(self) -> Any:
        return SimpleNamespace(ptr=self._values.ctypes.data)

    def __len__(self) -> int:
        return len(self._values)

    def __dlpack__(self, **_: Any) -> SimulatedArray:
        return self

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._device.index  # DLPack's number for CUDA

    # --- across: each a transfer ---------------------------------------------------------
    def get(self, out: Any = None, blocking: bool = True) -> np.ndarray:
        """A copy as an array of NumPy, which may be on its way still if not `blocking`."""
        self._device.refuse("copies to the host")
        self._device.demand_arrived("get", self)
        self._device.log.append(Event(OUT, str(self.shape), self.nbytes))
        y = np.empty(self.shape, self.dtype) if out is None else out
        self._device.queue().pending.append(to_host(self._values, y))
        if blocking:
            self._device.queue().synchronize()
        return y

    def set(self, array: np.ndarray) -> None:
        """Fill it from an array of NumPy."""
        self._device.refuse("copies from the host")
        self._device.log.append(Event(IN, str(self.shape), self.nbytes))
        self._values[...] = array

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __repr__(self) -> str:
        return f"<on the device: {self.shape} {self.dtype}>"

    # --- views ---------------------------------------------------------------------------
    def __getitem__(self, key: Any) -> SimulatedArray:
        parts = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(p, (SimulatedArray, np.ndarray, list)) for p in parts):
            whole = parts if ... in parts else (*parts, ...)
            return self._view(self._values[whole])
        values = self._values[self._key(parts)]
        self._device.log.append(Event(LAUNCH, "take"))
        return self._device.new(values)

    def _view(self, values: np.ndarray) -> SimulatedArray:
        return SimulatedArray(values, self._device, self)

    def _key(self, parts: tuple) -> tuple:
        """An index with its arrays as they are in memory, wrapped round where too large."""
        taken = sum(_axes(p) for p in parts)
        key, axis = [], 0
        for part in parts:
            if isinstance(part, (np.ndarray, list)):
                part = self._device.xp.asarray(part)
            if part is ...:
                axis += self.ndim - taken
            elif isinstance(part, SimulatedArray):
                index = part._values
                if index.dtype.kind not in "bui":
                    raise IndexError("arrays used as indices must be of integer type")
                n = self.shape[axis] if index.dtype.kind != "b" else 0
                part = index % n if n else index
                axis += _axes(part)
            else:
                axis += _axes(part)
            key.append(part)
        return tuple(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        parts = key if isinstance(key, tuple) else (key,)
        value = value._values if isinstance(value, SimulatedArray) else value
        key = self._key(parts)
        if not any(isinstance(part, np.ndarray) for part in key):
            self._device.check_apart(self._values[key], value)
        self._device.launch("copy", self._values.__setitem__, key, value)

    def _scatter(self, name: str, ufunc: Any, key: Any, value: Any) -> None:
        if self.dtype not in ("int32", "float16", "float32", "float64", "uint64"):
            raise TypeError(f"cupyx.scatter_add only supports floats, not {self.dtype}")
        value = value._values if isinstance(value, SimulatedArray) else value
        parts = key if isinstance(key, tuple) else (key,)
        ufunc.at(self._values, self._key(parts), value)
        self._device.log.append(Event(LAUNCH, f"{name}.at"))

    def reshape(self, *shape: Any, order: str = "C") -> SimulatedArray:
        y = self._values.reshape(*shape, order=order)
        if np.may_share_memory(y, self._values) or not y.size:
            return self._view(y)
        self._device.log.append(Event(LAUNCH, "copy"))
        return self._device.new(y)

    def ravel(self, order: str = "C") -> SimulatedArray:
        return self.reshape(-1)

    flatten = ravel

    def transpose(self, *axes: Any) -> SimulatedArray:
        return self._view(self._values.transpose(*axes))

    def swapaxes(self, axis1: int, axis2: int) -> SimulatedArray:
        return self._view(self._values.swapaxes(axis1, axis2))

    def squeeze(self, axis: Any = None) -> SimulatedArray:
        return self._view(self._values.squeeze(axis))

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        n, m = self.shape[axis1], self.shape[axis2]
        length = max(0, min(n + min(offset, 0), m - max(offset, 0)))
        a = np.moveaxis(self._values, (axis1, axis2), (-2, -1))
        a = a[..., max(-offset, 0) :, max(offset, 0) :][..., :length, :length]
        step = a.strides[-1] + a.strides[-2]
        shape, strides = (*a.shape[:-2], length), (*a.strides[:-2], step)
        return self._view(as_strided(a, shape, strides))

    @property
    def T(self) -> SimulatedArray:
        return self.transpose()

    def view(self, dtype: Any = None) -> SimulatedArray:
        return self._view(self._values.view(dtype or self.dtype))

    # --- new arrays ----------------------------------------------------------------------
    def _run(self, name: str, *args: Any, **options: Any) -> Any:
        method = lambda values, *rest, **kw: getattr(values, name)(*rest, **kw)
        return self._device.run(name, method, (self, *args), options)

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> SimulatedArray:
        if not copy and self.dtype == dtype:
            return self
        with np.errstate(all="ignore"):
            values = self._values.astype(dtype, order=order)
        self._device.log.append(Event(LAUNCH, "copy"))
        return self._device.new(values)

    def copy(self, order: str = "C") -> SimulatedArray:
        return self.astype(self.dtype, order)

    def fill(self, value: Any) -> None:
        self[...] = value

    def dot(self, b: Any, out: Any = None) -> SimulatedArray:
        return self._run("dot", b) if out is None else self._run("dot", b, out)

    def take(self, indices: Any, axis: Any = None, out: Any = None) -> SimulatedArray:
        return self._device.xp.take(self, indices, axis, out, mode="wrap")

    def argsort(self, axis: int = -1, kind: Any = None) -> SimulatedArray:
        return self._run("argsort", axis, kind)

    def nonzero(self) -> tuple:
        return self._run("nonzero")


def _axes(part: Any) -> int:
    """How many axes a part of an index takes up."""
    if part is None or part is ...:
        return 0
    dtype = getattr(part, "dtype", None)
    return part.ndim if dtype is not None and dtype.kind == "b" else 1


def _reduction(name: str) -> Callable:
    def method(self: SimulatedArray, axis: Any = None, **options: Any) -> Any:
        return self._run(name, axis=axis, **options)

    method.__name__ = name
    return method


for _name in "sum prod mean max min argmax argmin all any cumsum var std".split():
    setattr(SimulatedArray, _name, _reduction(_name))
