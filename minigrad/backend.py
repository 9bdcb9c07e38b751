"""The ground floor: the array type, the default dtype, and the one door upwards.

Imports in minigrad run downwards only. What a low file must reach in a high one (a
Tensor drawing itself, say) is listed in `LATE` and resolved when first used.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

Array = np.ndarray

LATE = {
    "show": "minigrad.viz:show",
    "jit": "minigrad.static.trace:jit",
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
