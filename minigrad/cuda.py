"""Graphics cards under PyTorch's names. There is no GPU backend yet.

A program that asks first, as most do, runs on the CPU:

    >>> import minigrad as mg
    >>> mg.device("cuda" if mg.cuda.is_available() else "cpu")
    device(type='cpu')
"""

from __future__ import annotations

from typing import Any

from minigrad.errors import DeviceError


def is_available() -> bool:
    """Whether tensors can be put on a GPU; never raises."""
    return False


def device_count() -> int:
    """How many GPUs there are."""
    return 0


def get_device_name(device: Any = None) -> str:
    """The name of a GPU; raises `DeviceError` where there is none."""
    raise _missing("get_device_name")


def synchronize(device: Any = None) -> None:
    """Wait for a GPU; raises `DeviceError` where there is none."""
    raise _missing("synchronize")


def _missing(name: str) -> DeviceError:
    return DeviceError(
        f"cuda.{name}: minigrad computes on the CPU only so far",
        remedy="ask first: mg.cuda.is_available()",
    )
