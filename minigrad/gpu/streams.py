"""Events and streams under PyTorch's names: what runs when, and how long it took.

A stream is a queue of launches: within one they run in order, two may overlap. An event
is a mark in a queue, for another queue or the program to wait for, or to measure between.
Both belong to a GPU, which CuPy wants to be the current one when it is asked for them.
"""

from __future__ import annotations

from typing import Any

from minigrad.backend import device
from minigrad.errors import DeviceError
from minigrad.gpu.device import CHOSEN, meant


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
        meant(None)  # raises where there is none
        self._timed, self._block = enable_timing, blocking
        self._gpu: Any = None  # these of the stream where it is recorded first
        self._own: Any = None

    def record(self, stream: Stream | None = None) -> None:
        """Put the mark at the end of a stream, the current one if none is given.

        Raises `DeviceError` for a stream of another GPU than the last time.
        """
        stream = stream or current_stream()
        own = stream._at_home()
        if self._own is None:
            self._gpu = stream._gpu
            timing = {"block": self._block, "disable_timing": not self._timed}
            self._own = self._gpu.xp.cuda.Event(**timing)
        elif self._gpu is not stream._gpu:
            raise _of_two_gpus("record", self._gpu, stream._gpu)
        self._own.record(own)

    def wait(self, stream: Stream | None = None) -> None:
        """Let a stream wait, before what comes next in it, until the mark is reached.

        It may be a stream of another GPU.
        """
        if self._own is not None:
            (stream or current_stream())._at_home().wait_event(self._own)

    def query(self) -> bool:
        """Whether everything before the mark is done."""
        return self._own is None or bool(self._own.done)

    def synchronize(self) -> None:
        """Wait until everything before the mark is done."""
        if self._own is not None:
            self._own.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this mark to `end_event`'s.

        Raises `ValueError` if untimed and `DeviceError` between two GPUs.
        """
        if not (self._timed and end_event._timed):
            raise ValueError(
                "Both events must be created with argument 'enable_timing=True'."
            )
        if self._own is None or end_event._own is None:
            raise ValueError(
                "Both events must be recorded before calculating elapsed time."
            )
        if self._gpu is not end_event._gpu:
            raise _of_two_gpus("elapsed_time", self._gpu, end_event._gpu)
        return self._gpu.xp.cuda.get_elapsed_time(self._own, end_event._own)


class Stream:
    """A queue of launches beside the others; `with mg.cuda.stream(s):` makes it current.

    A lower `priority` goes first. Raises `DeviceError` without a GPU.
    Source: PyTorch's torch.cuda.Stream.
    """

    def __init__(
        self, device: Any = None, priority: int = 0, *, own: Any = None
    ) -> None:
        self._gpu = meant(device)
        cuda = self._gpu.xp.cuda
        self._own = own or cuda.Stream(non_blocking=True, priority=priority)

    @property
    def device(self) -> Any:
        """The GPU that it feeds."""
        return device("cuda", self._gpu.index)

    def _at_home(self) -> Any:
        """CuPy's stream, on the current GPU: it has one null stream for all of them."""
        self._gpu.use()
        return self._own

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        self._at_home().synchronize()

    def query(self) -> bool:
        """Whether the queue is empty."""
        return bool(self._at_home().done)

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
        if not isinstance(other, Stream):
            return NotImplemented
        return (self._gpu, self._own) == (other._gpu, other._own)

    def __hash__(self) -> int:
        return hash(self._own)


class stream:
    """Make a stream the current one for a block, and its GPU the one that "cuda" means.

    `None` changes nothing.

        >>> import minigrad as mg
        >>> with mg.cuda.simulate(devices=2):
        ...     with mg.cuda.stream(mg.cuda.Stream(device=1)):
        ...         mg.ones(2, device="cuda").device
        device(type='cuda', index=1)

    Source: PyTorch's torch.cuda.stream.
    """

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            self.stream._at_home().__enter__()
            self.before, CHOSEN[0] = CHOSEN[0], self.stream._gpu.index

    def __exit__(self, *error: object) -> None:
        if self.stream is not None:
            CHOSEN[0] = self.before
            self.stream._at_home().__exit__(*error)


def current_stream(device: Any = None) -> Stream:
    """The stream that launches go to now; raises `DeviceError` without a GPU."""
    gpu = meant(device)
    return Stream(gpu.index, own=gpu.xp.cuda.get_current_stream())


def _of_two_gpus(what: str, first: Any, second: Any) -> DeviceError:
    return DeviceError(
        f"{what}: an event belongs to the GPU where it was recorded first",
        expected=f"cuda:{first.index}",
        got=f"cuda:{second.index}",
        remedy="mg.cuda.Event() for each GPU; streams of both may wait for it",
    )
