"""Processes with a GPU each, connected by NCCL through CuPy."""

from __future__ import annotations

import warnings
from typing import Any

from minigrad.backend import on_device
from minigrad.errors import DeviceError
from minigrad.gpu.device import CUPY, current
from minigrad.ops import comm

INSTALL = "pip install nvidia-nccl-cu13"


class Group(comm.Group):
    """Process `rank` of `size`; the first one listens at `host` and `port`.

    Waits for the others. Raises `DeviceError` without a GPU or without NCCL.
    """

    def __init__(self, rank: int, size: int, host: str, port: int) -> None:
        current()
        if why := absence():
            raise DeviceError(f"distributed: {why}")
        from cupyx.distributed import init_process_group

        self.rank, self.size = rank, size
        self.channel = init_process_group(size, rank, host=host, port=port)

    def sum(self, a: Any) -> Any:
        y = _on_gpu(a).copy(order="C")
        self.channel.all_reduce(y, y)
        return y

    def share(self, a: Any, source: int) -> Any:
        y = _on_gpu(a).copy(order="C")
        self.channel.broadcast(y, source)
        return y

    def leave(self) -> None:
        self.channel.stop()


def absence() -> str:
    """Why there is no NCCL, '' if there is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says the same, in six lines
            from cupy.cuda import nccl
    except ImportError:
        return f"CuPy is not installed: {CUPY}"
    return "" if nccl.available else f"NCCL is not installed: {INSTALL}"


def version() -> str:
    """As in "2.27.3"; NCCL counts it as 22703."""
    from cupy.cuda import nccl

    number = nccl.get_version()
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def _on_gpu(a: Any) -> Any:
    if not on_device(a):
        raise DeviceError(
            "distributed: NCCL connects GPUs, and this tensor is on the CPU",
            remedy='x.to("cuda")',
        )
    return a
