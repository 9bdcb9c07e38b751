"""A program's launches as one CUDA graph, captured once and then started by one call.

Which problem this solves: starting a kernel costs the CPU a few microseconds, and the
kernels of a small net take less than that, so the GPU waits for its orders. A captured
graph holds all orders of a step, addresses and numbers included, and is started at once.

Those addresses and numbers stay as they were. So what is captured may only launch, on
memory that is there already: allocating, copying to the host and waiting are refused
meanwhile, and numbers that change from call to call must lie in the device's memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from minigrad.errors import DeviceError

Run = Callable[[], Any]

KEPT = 8  # graphs of one sequence, for as many sets of addresses


class Captured:
    """Launches that are started one by one at first, and together from the second call.

    The first call loads what is loaded late (kernels, libraries), which cannot happen in a
    capture. `key` names the addresses that the launches use; a set of addresses that comes
    a second time gets a graph of its own, the oldest of `KEPT` makes room. Where capturing
    fails, `refused` says why and every call runs plainly.
    """

    def __init__(self, device: Any, run: Run) -> None:
        self.device, self.run = device, run
        self.graphs: dict[Hashable, Run] = {}
        self.seen: dict[Hashable, None] = {}  # the keys that came last
        self.refused = ""

    def __call__(self, key: Hashable = None) -> None:
        """Start all launches."""
        start = self.graphs.get(key)
        if start is None and key in self.seen and not self.refused:
            start = self._capture(key)
        (start or self.run)()
        self.seen[key] = None
        if len(self.seen) > 4 * KEPT:
            del self.seen[next(iter(self.seen))]

    def _capture(self, key: Hashable) -> Run | None:
        try:
            start = self.device.record(self.run)
        except RuntimeError as why:  # nothing has been launched
            self.refused = str(why)
            return None
        while len(self.graphs) >= KEPT:
            del self.graphs[next(iter(self.graphs))]
        self.graphs[key] = start
        return start


def record(xp: Any, run: Run) -> Run:
    """Call `run`, whose launches CuPy (`xp`) only notes down; returns what starts them.

    They are started on the stream that is current then. What does more than launch raises
    `RuntimeError`; nothing has been launched then.
    """
    stream = xp.cuda.Stream(non_blocking=True)
    mode = (
        xp.cuda.runtime.streamCaptureModeThreadLocal
    )  # this thread's waits are refused
    with stream, xp.cuda.using_allocator(_no_memory):
        stream.begin_capture(mode)
        try:
            run()
        except BaseException:
            with contextlib.suppress(RuntimeError):
                stream.end_capture()
            raise
        return stream.end_capture().launch


def _no_memory(size: int) -> Any:
    raise _refusal(f"allocates {size} bytes")


def _refusal(what: str) -> DeviceError:
    return DeviceError(f"a captured program may only launch; this one {what}")


class Recorder:
    """Capturing, for a device that is simulated: launches are noted down and not run."""

    recording: list[Run] | None = None

    def start(self, work: Callable[..., Any], *args: Any) -> None:
        """Do the work of a launch, or note it down."""
        if self.recording is None:
            work(*args)
        else:
            self.recording.append(partial(work, *args))

    def refuse(self, what: str) -> None:
        """Raise `DeviceError` in a capture, for work that does more than launch."""
        if self.recording is not None:
            raise _refusal(what)

    def record(self, run: Run) -> Run:
        """Call `run` and keep its launches; returns what starts them."""
        launches: list[Run] = []
        self.recording = launches
        try:
            run()
        finally:
            self.recording = None

        def start() -> None:
            for launch in launches:
                launch()

        return start
