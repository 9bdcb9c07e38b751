"""The streams of a simulated GPU: kernels run at once, copies that nobody waits for late.

Which problem this solves: who reads a copy, or writes over what is copied, before it is
done finds out on a real GPU only now and then. Here it shows every time: what is copied to
the host holds nonsense until somebody waits for it, what is copied from there may not have
changed until then, and another stream may not read the copy before it has waited.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from functools import partial
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np


class Mark:
    """An event: all that is in its queue up to `last`."""

    queue: Queue
    last: Any

    def __init__(self, gpu: Any, **options: Any) -> None:
        gpu.demand_present()
        self.gpu = gpu

    def record(self, queue: Queue | None = None) -> None:
        self.queue = queue or self.gpu.queue()
        self.last, self.time = self.queue.last, perf_counter()

    def synchronize(self) -> None:
        self.gpu.refuse("waits")
        while self.last in self.queue.pending:
            self.queue.pending.pop(0)()

    __call__ = synchronize

    @property
    def done(self) -> bool:
        """Has it been reached? Who asks again finds that time has passed."""
        reached = self.last not in self.queue.pending
        self.synchronize()
        return reached

    def follows(self, work: Any) -> bool:
        """Does it come after this work, or after a mark that does?"""
        pending = self.queue.pending
        before = pending[: pending.index(self.last) + 1] if self.last in pending else []
        marks = [x for x in before if isinstance(x, Mark)]
        return work in before or any(mark.follows(work) for mark in marks)


class Queue(Mark):
    """A stream: the copies in it that were not waited for yet, and a mark at its end."""

    ptr = 0

    def __init__(self, gpu: Any, **options: Any) -> None:
        super().__init__(gpu)
        self.queue = self
        self.pending: list[Callable[[], object]] = []
        gpu.queues.append(self)

    @property
    def last(self) -> Any:
        return self.pending[-1] if self.pending else None

    def wait_event(self, event: Mark) -> None:
        self.pending.append(copy.copy(event))  # as it is now

    def __enter__(self) -> None:
        self.gpu.demand_present()
        self.gpu.entered.append(self)

    def __exit__(self, *_: object) -> None:
        self.gpu.demand_present()
        self.gpu.entered.pop()


def runtime(gpu: Any) -> SimpleNamespace:
    """As much of `cupy.cuda` as is used, of one GPU, which has to be the current one."""
    return SimpleNamespace(
        Event=partial(Mark, gpu),
        Stream=partial(Queue, gpu),
        get_current_stream=gpu.queue,
        get_elapsed_time=lambda start, end: 1000 * (end.time - start.time),
        pinned_memory=SimpleNamespace(is_memory_pinned=is_memory_pinned),
    )


# --- copies between the host and the device ----------------------------------------------

_PINNED = weakref.WeakValueDictionary[int, np.ndarray]()  # by address


def empty_pinned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Memory of the host that counts as never moved."""
    y = np.empty(shape, dtype)
    _PINNED[y.ctypes.data] = y
    return y


def is_memory_pinned(address: int) -> bool:
    return any(0 <= address - start < x.nbytes for start, x in _PINNED.items())


def to_host(array: np.ndarray, out: np.ndarray) -> Callable[[], None]:
    """What fills `out` with the device's values of now; there is nonsense till then."""
    now, to = array.copy(), weakref.ref(out)
    out.reshape(-1).view(np.uint8)[...] = 0xFF

    def arrive() -> None:
        if (y := to()) is not None:
            y[...] = now

    return arrive


def from_host(array: np.ndarray) -> Callable[[], None]:
    """What asserts that the memory which is copied was left alone till then."""
    now = array.tobytes()

    def arrive() -> None:
        if array.tobytes() != now:
            raise RuntimeError("pinned memory was written before it had been copied")

    return arrive
