"""The ground floor: array types, devices, the default dtype, and the one door upwards.

Imports in minigrad run downwards only. What a low file must reach in a high one (a
Tensor drawing itself, say) is listed in `LATE` and resolved when first used.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import sys
import warnings
from typing import Any

import numpy as np

from minigrad.errors import DeviceError, name_of

Array = np.ndarray

# inf and nan are results like any other, as in PyTorch: NumPy's warnings about them are
# laid at the line that called NumPy, so those of minigrad's own lines can be left out.
# (pytest undoes this and wants "ignore::RuntimeWarning:minigrad" among its settings.)
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"minigrad\b")


def keep_freed_memory() -> None:
    """Let glibc's `malloc` keep what large arrays leave, to hand it out again.

    Left alone it returns every few MiB to the system at once. The next array then gets
    fresh pages, each of which the kernel must fetch and clear: half the time of a step
    on arrays of a million floats. Here arrays of up to 32 MiB come from the heap, which
    keeps 128 MiB at most at its end; larger ones go back as before. Who has set glibc's
    own variables is obeyed. https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    given = {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys()
    if sys.platform != "linux" or given:
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        m_trim_threshold, m_mmap_threshold = -1, -3
        mallopt(m_trim_threshold, 128 << 20)
        mallopt(m_mmap_threshold, 32 << 20)


keep_freed_memory()

LATE = {
    "show": "minigrad.viz:show",
    "jit": "minigrad.static.jit:jit",
    "native": "minigrad.native.codegen:emit",
    "cuda": "minigrad.gpu.device:current",
    "cuda program": "minigrad.gpu.program:emit",
}


@functools.cache
def late(name: str) -> Any:
    """Fetch what `LATE` calls `name`: the only way to reach an upper floor."""
    module, attribute = LATE[name].split(":")
    return getattr(importlib.import_module(module), attribute)


float16, float32, float64 = (np.dtype(f"float{n}") for n in (16, 32, 64))
int32, int64 = np.dtype("int32"), np.dtype("int64")
uint8, bool_ = np.dtype("uint8"), np.dtype("bool")

_default_dtype = [float32]


def get_default_dtype() -> np.dtype:
    """The dtype that Python floats become: float32 unless set otherwise."""
    return _default_dtype[0]


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats become `dtype` (float32 or float64) from now on."""
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"the default dtype must be a float dtype, not {dtype}")
    _default_dtype[0] = dtype


_default_device = ["cpu"]


def get_default_device() -> device:
    """Where tensors are created unless `device=` says otherwise."""
    return device(_default_device[0])


def set_default_device(where: Any) -> None:
    """Create tensors on `where` from now on; raises where there is no such device."""
    device(where).check()
    _default_device[0] = str(where)


def placed(where: Any = None) -> device:
    """The device that `device=` means, the default one for None; raises if it is not there."""
    if where is None and _default_device[0] == "cpu":
        return CPU
    there = device(_default_device[0] if where is None else where)
    there.check()
    return there


class device:
    """Where memory is: `mg.device("cpu")`; equal to its name."""

    def __init__(self, type: Any, index: int | None = None) -> None:
        name, _, number = str(type).partition(":")
        if name not in ("cpu", "cuda") or (number and not number.isdigit()):
            raise RuntimeError(f"device: there is cpu and cuda, not {str(type)!r}")
        self.type = name
        self.index = int(number) if number else index

    @staticmethod
    def is_name(value: Any) -> bool:
        """Does `value` name a device (and not a dtype)?"""
        text = isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda")
        return text or isinstance(value, device)

    def check(self) -> None:
        """Raise where there is no such device."""
        self.found()

    def found(self) -> device:
        """The device with its number; raises where there is no such device."""
        return self if self.type == "cpu" else device("cuda", late("cuda")(self).index)

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if self.is_name(other) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"


# --- arrays of either side -----------------------------------------------------------------

CPU = device("cpu")
# The array types of the devices used so far: empty, and quick to ask, without a GPU.
DEVICE_ARRAYS: list[type] = []
SEVERAL: list[Any] = []  # the GPUs by number, where there is more than one


def on_device(value: Any) -> bool:
    """Is this an array that lies on a GPU?"""
    return type(value) in DEVICE_ARRAYS


def device_of(array: Any) -> device:
    """Where the memory of an array is."""
    return device("cuda", array.device.id) if on_device(array) else CPU


def follow(array: Any) -> Any:
    """The array; what comes next is computed where it is, if there are several GPUs.

    CuPy computes on the GPU that is current, wherever the operands are. Ask `SEVERAL`
    first: that is quick.
    """
    if on_device(array):
        SEVERAL[array.device.id].use()
    return array


def module_of(array: Any) -> Any:
    """The array module that computes on `array`: NumPy or CuPy.

    Most functions need not ask: NumPy hands what it is given over to CuPy by itself. What
    makes a new array, or exists under another name there, does.
    """
    return late("cuda")(device_of(array)).xp if on_device(array) else np


def as_array(value: Any) -> Any:
    """An array of either side as it is, anything else as an array of NumPy."""
    return value if on_device(value) else np.asarray(value)


def as_result(value: Any) -> Any:
    """What an op has computed, as an array in C order."""
    y = as_array(value)
    return y if y.flags.c_contiguous else y.copy(order="C")


def moved(array: Any, where: device, waits: bool = True) -> Any:
    """`array` itself if it is on `where` already, else a copy over there.

    Unless it `waits`, a copy between pinned memory and a GPU is only queued.
    """
    if where.type == "cpu":
        if not on_device(array):
            return array
        return late("cuda")(device_of(array)).get(array, waits)
    there = late("cuda")(where)
    here = on_device(array) and array.device.id == there.index
    return array if here else there.put(array, waits)


def is_writable(array: Any) -> bool:
    """May this memory be written? Elements that repeat on a device may not."""
    if not on_device(array):
        return array.flags.writeable
    steps = zip(array.shape, array.strides)
    return not array.size or all(n == 1 or step for n, step in steps)


# --- operands on different devices ---------------------------------------------------------


def on_one_device(op: Any, args: tuple, inplace: bool = False) -> tuple:
    """The operands of a call, those moved that may be; a `DeviceError` for others.

    As in PyTorch, a CPU tensor without dims goes where the others are, on the tape too; an
    index may lie on either side; `copy_` and indexed assignment carry over. Everything
    else is a mistake. A NumPy array, which belongs to no device, goes where the tensor is.
    """
    arrays = [getattr(arg, "array", arg) for arg in args]
    if not any(map(on_device, arrays)):
        return args
    first = inplace or op.kind == "indexing" or op.dtype == "first"
    where = device_of(arrays[0] if first else next(filter(on_device, arrays)))
    if SEVERAL and where != CPU:
        late("cuda")(where)  # makes it the current one
    kept = []
    for i, (arg, array) in enumerate(zip(args, arrays)):
        if arg is array:
            arg = moved(array, where) if isinstance(array, np.ndarray) else arg
        elif device_of(array) != where:
            if not _may_move(op, i, array, where):
                raise device_mismatch(op.name, args)
            arg = arg.to(str(where))
        kept.append(arg)
    return tuple(kept)


def _may_move(op: Any, i: int, array: Any, where: device) -> bool:
    if op.name == "copy" or where != CPU != device_of(
        array
    ):  # that is between two GPUs
        return op.name == "copy"
    index = op.kind == "indexing" and i > 0 and array.dtype.kind != "f"
    return index or (not array.shape and where != CPU)


def device_mismatch(name: str, args: tuple) -> DeviceError:
    """Tensors of several devices where one was expected."""
    named = {
        f"{name_of(arg, 'abcdefgh'[i % 8])} {arg.shape}": device_of(arg.array)
        for i, arg in enumerate(args)
        if hasattr(arg, "array")
    }
    at_home, here = min(named.items(), key=lambda item: item[1] != CPU)
    away = next((where for where in named.values() if where != here), CPU)
    goal = away.type if here == CPU else away
    return DeviceError(
        f"{name}: the tensors are on different devices",
        expected="all tensors on one device",
        got=", ".join(f"{text} on {where}" for text, where in named.items()),
        remedy=f'{at_home.split()[0]}.to("{goal}"), or .cpu() on the other',
    )
