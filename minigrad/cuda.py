"""Graphics cards under PyTorch's names.

A program that asks first, as most do, runs with and without one:

    >>> import minigrad as mg
    >>> where = mg.device("cuda" if mg.cuda.is_available() else "cpu")
    >>> mg.ones(2, device=where).sum().item()
    2.0

`simulate()` makes one up, which counts what crosses over and what is launched.
"""

from __future__ import annotations

from typing import Any

from minigrad.gpu.device import CHOSEN, absence, current, everyone, meant
from minigrad.gpu.streams import Event as Event
from minigrad.gpu.streams import Stream as Stream
from minigrad.gpu.streams import current_stream as current_stream
from minigrad.gpu.streams import stream as stream
from minigrad.random import manual_seed as manual_seed

manual_seed_all = manual_seed


def simulate(memory: int = 2**36, devices: int = 1) -> Any:
    """A simulated GPU for the block, everywhere in minigrad; gives its log.

    `memory` is how many bytes it has; there can be several `devices`, of one log.

        >>> import minigrad as mg
        >>> with mg.cuda.simulate() as log:
        ...     x = mg.ones(3).to("cuda")
        ...     total = (x * 2).sum().item()
        >>> print(log)
        to device  (3,), 12 bytes
        launch     multiply
        launch     add
        to host    (), 4 bytes
    """
    from minigrad.gpu.simulated import simulate

    return simulate(memory, devices)


def is_available() -> bool:
    """Whether tensors can be put on a GPU; never raises. `why_not` says why not."""
    return absence() is None


def why_not() -> str | None:
    """Why no tensor can be put on a GPU, in one sentence; None if it can.

    >>> import minigrad as mg
    >>> mg.cuda.is_available() == (mg.cuda.why_not() is None)
    True
    """
    return absence()


def device_count() -> int:
    """How many GPUs minigrad can use from this process; 0 where there is none."""
    return len(everyone()) if is_available() else 0


def current_device() -> int:
    """The number of the GPU that "cuda" means; raises `DeviceError` without one."""
    return current().index


def set_device(device: Any) -> None:
    """Let "cuda" mean another GPU from now on; raises `DeviceError` where it is not there."""
    CHOSEN[0] = meant(device).index


class device:
    """Let "cuda" mean another GPU for a block: `with mg.cuda.device(1):`.

    Raises `DeviceError` where it is not there.

        >>> import minigrad as mg
        >>> with mg.cuda.simulate(devices=2), mg.cuda.device(1):
        ...     mg.ones(2, device="cuda").device
        device(type='cuda', index=1)

    Source: PyTorch's torch.cuda.device.
    """

    def __init__(self, device: Any) -> None:
        self.index = meant(device).index

    def __enter__(self) -> None:
        self.before, CHOSEN[0] = CHOSEN[0], self.index

    def __exit__(self, *error: object) -> None:
        CHOSEN[0] = self.before


def get_device_name(device: Any = None) -> str:
    """What its maker calls the GPU; raises `DeviceError` without one."""
    return meant(device).name


def synchronize(device: Any = None) -> None:
    """Wait until all that was launched is done; raises `DeviceError` without a GPU."""
    meant(device).synchronize()


def memory_allocated(device: Any = None) -> int:
    """The bytes that arrays take on the GPU now; 0 without one, as in PyTorch."""
    return meant(device).allocated() if is_available() else 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that arrays have taken at once; 0 without a GPU."""
    return meant(device).peak if is_available() else 0


def memory_reserved(device: Any = None) -> int:
    """The bytes held for arrays, in use or kept to be used again; 0 without a GPU."""
    return meant(device).reserved() if is_available() else 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Let `max_memory_allocated` begin anew; raises `DeviceError` without a GPU."""
    meant(device).peak = meant(device).allocated()


def empty_cache() -> None:
    """Give memory back that no array takes; does nothing without a GPU."""
    if is_available():
        current().empty_cache()
