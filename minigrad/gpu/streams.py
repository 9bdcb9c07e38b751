"""Events and streams under PyTorch's names: what runs when, and how long it took.

A stream is a queue of launches: within one they run in order, two may overlap. An event
is a mark in a queue, for another queue or the program to wait for, or to measure between.
A simulated device does its work at once, so its queues are always empty.
"""

from __future__ import annotations

from time import perf_counter
from types import SimpleNamespace
from typing import Any

from minigrad.gpu.device import meant


class Event:
    """A mark in a stream; two of them measure the time between.

    `elapsed_time` wants both made with `enable_timing=True`, as in PyTorch, and both done;
    on a simulated device it is the time that the CPU took. Raises `DeviceError` without
    a GPU.

        >>> import minigrad as mg
        >>> with mg.cuda.simulate():
        ...     start, end = (mg.cuda.Event(enable_timing=True) for _ in range(2))
        ...     start.record()
        ...     y = mg.ones(3, device="cuda") * 2
        ...     end.record()
        ...     end.synchronize()
        ...     start.elapsed_time(end) > 0
        True

    Source: PyTorch's torch.cuda.Event.
    """

    def __init__(self, enable_timing: bool = False, blocking: bool = False) -> None:
        self._cuda = _cuda()
        self._timed, self._recorded = enable_timing, False
        self._own = self._cuda.Event(block=blocking, disable_timing=not enable_timing)

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark at the end of a stream, the current one if none is given."""
        self._own.record(_own(self._cuda, stream))
        self._recorded = True

    def wait(self, stream: Stream | None = None) -> None:
        """Let a stream wait, before what comes next in it, until the mark is reached."""
        _own(self._cuda, stream).wait_event(self._own)

    def query(self) -> bool:
        """Whether everything before the mark is done."""
        return bool(self._own.done)

    def synchronize(self) -> None:
        """Wait until everything before the mark is done."""
        self._own.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to `end_event`'s; raises `ValueError` if untimed."""
        if not (self._timed and end_event._timed):
            raise ValueError(
                "Both events must be created with argument 'enable_timing=True'."
            )
        if not (self._recorded and end_event._recorded):
            raise ValueError(
                "Both events must be recorded before calculating elapsed time."
            )
        return self._cuda.get_elapsed_time(self._own, end_event._own)


class Stream:
    """A queue of launches beside the others; `with mg.cuda.stream(s):` makes it current.

    A lower `priority` goes first. Raises `DeviceError` without a GPU.
    Source: PyTorch's torch.cuda.Stream.
    """

    def __init__(
        self, device: Any = None, priority: int = 0, *, own: Any = None
    ) -> None:
        self._cuda = _cuda(device)
        self._own = own or self._cuda.Stream(non_blocking=True, priority=priority)

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        self._own.synchronize()

    def query(self) -> bool:
        """Whether the queue is empty."""
        return bool(self._own.done)

    def record_event(self, event: Event | None = None) -> Event:
        """Put a mark at the end of the queue, a new one if none is given."""
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let what comes next wait until the mark is reached."""
        event.wait(self)

    def wait_stream(self, stream: Stream) -> None:
        """Let what comes next wait for what is in `stream` now."""
        self.wait_event(stream.record_event())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self._own == other._own

    def __hash__(self) -> int:
        return hash(self._own)


class stream:
    """Make a stream the current one for a block; `None` changes nothing."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            self.stream._own.__enter__()

    def __exit__(self, *error: object) -> None:
        if self.stream is not None:
            self.stream._own.__exit__(*error)


def current_stream(device: Any = None) -> Stream:
    """The stream that launches go to now; raises `DeviceError` without a GPU."""
    return Stream(own=_cuda(device).get_current_stream())


def _cuda(device: Any = None) -> Any:
    found = meant(device)
    return SIMULATED if found.simulated else found.xp.cuda


def _own(cuda: Any, stream: Stream | None) -> Any:
    return cuda.get_current_stream() if stream is None else stream._own


class _Mark:
    """An event of a device that works at once."""

    done = True

    def __init__(self, block: bool, disable_timing: bool) -> None:
        self.time = 0.0

    def record(self, stream: Any) -> None:
        self.time = perf_counter()

    def synchronize(self) -> None:
        pass


class _Queue:
    """A stream of a device that works at once."""

    done = True
    inside: list[_Queue] = []

    def __init__(self, non_blocking: bool = True, priority: int = 0) -> None:
        pass

    def wait_event(self, event: _Mark) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def __enter__(self) -> None:
        self.inside.append(self)

    def __exit__(self, *_: object) -> None:
        self.inside.pop()


_NULL = _Queue()

# As much of `cupy.cuda` as is used above.
SIMULATED = SimpleNamespace(
    Event=_Mark,
    Stream=_Queue,
    get_elapsed_time=lambda start, end: 1000 * (end.time - start.time),
    get_current_stream=lambda: _Queue.inside[-1] if _Queue.inside else _NULL,
)
