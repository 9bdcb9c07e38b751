"""A counting device: NumPy behind a counter, in the place of a GPU.

This is a simulation. NumPy computes every number on the processor. What is real is the
bookkeeping: which data would have to cross over, and how many kernels would be launched.
It keeps CuPy's rules, so that a program written for one runs on the other: arrays come in
by `asarray` and go out by `asnumpy`, a question such as `float(x)` moves a number back,
arrays of both sides do not mix, and every operation is one launch. How long any of that
takes the device does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

IN, OUT, LAUNCH = "to device", "to host", "launch"


@dataclass(frozen=True)
class Event:
    """One line of the log; `bytes` is what crosses over, 0 for a launch."""

    kind: str
    what: str
    bytes: int = 0

    def __str__(self) -> str:
        return f"{self.kind:<9}  {self.what}" + (
            f", {self.bytes} bytes" * bool(self.bytes)
        )


class CountingDevice:
    """An array module like CuPy, with a log of transfers and launches.

    >>> gpu = CountingDevice()
    >>> x = gpu.asarray(np.arange(3.0))
    >>> gpu.asnumpy(x * 2 + 1)
    array([1., 3., 5.])
    >>> print(*gpu.log, sep="\\n")
    to device  (3,), 24 bytes
    launch     multiply
    launch     add
    to host    (3,), 24 bytes
    """

    def __init__(self) -> None:
        self.log: list[Event] = []

    def asarray(self, x: Any) -> DeviceArray:
        """`x` on the device: a transfer, unless it is there already."""
        if isinstance(x, DeviceArray):
            return x
        values = np.array(x)
        self.log.append(Event(IN, str(values.shape), values.nbytes))
        return DeviceArray(values, self)

    def asnumpy(self, x: DeviceArray) -> np.ndarray:
        """`x` as an array of NumPy: a transfer back."""
        self.log.append(Event(OUT, str(x.shape), x.nbytes))
        return x._values.copy()

    @property
    def transfers(self) -> int:
        return len(self.log) - self.launches

    @property
    def launches(self) -> int:
        return sum(event.kind == LAUNCH for event in self.log)

    def launch(
        self, name: str, function: Callable, args: Any, kwargs: Any
    ) -> DeviceArray:
        """Run NumPy's function on what the device holds, and count it as one kernel."""
        held = [self._held(name, x) for x in args]
        self.log.append(Event(LAUNCH, name))
        return DeviceArray(np.asarray(function(*held, **kwargs)), self)

    def _held(self, name: str, x: Any) -> Any:
        if isinstance(x, np.ndarray) and x.ndim:
            raise TypeError(f"{name}: this array lies on the host; asarray moves it")
        return x._values if isinstance(x, DeviceArray) else x

    def __getattr__(self, name: str) -> Callable[..., DeviceArray]:
        function = getattr(np, name)
        return lambda *args, **kwargs: self.launch(name, function, args, kwargs)


class DeviceArray(NDArrayOperatorsMixin):
    """Numbers that lie on a `CountingDevice`; looking at them costs a transfer."""

    def __init__(self, values: np.ndarray, device: CountingDevice) -> None:
        self._values, self.device = values, device
        self.shape, self.dtype, self.nbytes = values.shape, values.dtype, values.nbytes

    def __array_ufunc__(
        self, ufunc: Any, method: str, *args: Any, **kwargs: Any
    ) -> Any:
        if method != "__call__":
            return NotImplemented
        return self.device.launch(ufunc.__name__, ufunc, args, kwargs)

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("this array lies on the device; asnumpy moves it back")

    def __repr__(self) -> str:
        return f"<on the device: {self.shape} {self.dtype}>"

    def sum(self, axis: int | None = None) -> DeviceArray:
        return self.device.sum(self, axis=axis)

    def mean(self, axis: int | None = None) -> DeviceArray:
        return self.device.mean(self, axis=axis)

    def max(self, axis: int | None = None) -> DeviceArray:
        return self.device.max(self, axis=axis)

    def item(self) -> Any:
        return self.device.asnumpy(self).item()

    def __float__(self) -> float:
        return float(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())


def cupy_if_it_runs() -> dict[str, Any]:
    """`{"CuPy": cupy}` where CuPy and a GPU are there, else nothing."""
    try:
        import cupy

        cupy.zeros(1)
    except Exception:  # not installed, no driver, no GPU: all the same to a lesson
        return {}
    return {"CuPy": cupy}
