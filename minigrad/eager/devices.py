"""Operands on different devices: which may meet, and what to say of the others.

As in PyTorch, a CPU tensor without dims goes where the others are, on the tape too; an
index may lie on either side; `copy_` and indexed assignment carry over. Everything else
is a mistake. A NumPy array, which belongs to no device, goes where the tensor is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.backend import CPU, device_of, moved, on_device
from minigrad.errors import DeviceError
from minigrad.ops.elementwise import transfer
from minigrad.ops.op import Mode, Op, Value
from minigrad.ops.shapes import describe


def on_one_device(op: Op, args: tuple, state: Mode, inplace: bool = False) -> tuple:
    """The operands of a call, those moved that may be; a `DeviceError` for others."""
    if state.trace is not None:
        return args
    arrays = [getattr(arg, "array", arg) for arg in args]
    if not any(map(on_device, arrays)):
        return args
    first = inplace or op.kind == "indexing" or op.dtype == "first"
    where = device_of(arrays[0] if first else next(filter(on_device, arrays)))
    kept = []
    for i, (arg, array) in enumerate(zip(args, arrays)):
        if isinstance(array, np.ndarray) and not isinstance(arg, Value):
            arg = moved(array, where)
        elif isinstance(arg, Value) and device_of(array) != where:
            if not _may_move(op, i, array, where):
                raise device_mismatch(op.name, args)
            arg = _carried(arg, where)
        kept.append(arg)
    return tuple(kept)


def _may_move(op: Op, i: int, array: Any, where: Any) -> bool:
    index = op.kind == "indexing" and i > 0 and array.dtype.kind != "f"
    return index or op.name == "copy" or (not array.shape and where != CPU)


def _carried(t: Any, where: Any) -> Any:
    """A Tensor on another device, on the tape."""
    return transfer(t, device=str(where), back=str(device_of(t.array)))


def device_mismatch(name: str, args: tuple) -> DeviceError:
    """Tensors of several devices where one was expected."""
    named = {
        describe(arg, "abcdefgh"[i % 8]): device_of(getattr(arg, "array", None))
        for i, arg in enumerate(args)
        if isinstance(arg, Value)
    }
    at_home = next((text for text, where in named.items() if where == CPU), "x")
    away = next((where for where in named.values() if where != CPU), CPU)
    return DeviceError(
        f"{name}: the tensors are on different devices",
        expected="all tensors on one device",
        got=", ".join(f"{text} on {where}" for text, where in named.items()),
        remedy=f'{at_home.split()[0]}.to("{away.type}"), or .cpu() on the other',
    )
