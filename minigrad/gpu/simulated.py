"""A simulated GPU: NumPy computes, behind an array class that keeps CuPy's rules, and logs.

Which problem this solves: a learner without a GPU can see how one is fed, and a machine
without one can test all that stands above CuPy. What is simulated are the numbers; what is
real is the bookkeeping: which data cross over, which kernels are launched, what memory is
taken. How long anything would take the device does not know.

The rules are CuPy's where CuPy is not NumPy: arrays of both sides do not mix, nothing
becomes a NumPy array unless asked to, results without dims stay on the device, an index
out of range is not noticed, and only what CuPy has can be called. `tests/gpu` holds every
call that minigrad makes against CuPy itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigrad.backend import SEVERAL, get_default_device, set_default_device
from minigrad.gpu import blas, capture
from minigrad.gpu.device import _SIMULATED, CHOSEN, Device, enrolled, out_of_memory
from minigrad.gpu.log import ALLOCATE, IN, LAUNCH, OUT, Event, Log
from minigrad.gpu.simulated_array import FACTS, SimulatedArray
from minigrad.gpu.simulated_stream import (
    Queue,
    empty_pinned,
    from_host,
    is_memory_pinned,
    runtime,
)

# The functions of arrays that may be called, each of which CuPy has with these arguments.
FUNCTIONS = frozenset(
    """
    all any argmax argmin argsort atleast_1d ascontiguousarray broadcast_to concatenate
    copy copyto diagonal empty_like expand_dims flip isfinite max mean min moveaxis
    nonzero ravel reshape squeeze stack sum swapaxes take transpose unique where zeros_like
    """.split()
)
CREATORS = frozenset("arange empty eye full linspace ones tri zeros".split())


class Simulated(capture.Recorder, Device):
    """A device whose memory is NumPy's and whose kernels are its functions."""

    name = "simulated GPU"
    present = 0  # the number of the one that is the current one

    def __init__(self, memory: int, index: int, log: Log) -> None:
        self.log, self.memory, self.index = log, memory, index
        self.peak = self._taken = 0
        self.queues: list[Queue] = []  # the null stream, and those made since
        self.use()
        self.entered = [Queue(self)]
        self.xp = Module(self)

    def use(self) -> None:
        Simulated.present = self.index

    def demand_present(self) -> None:
        """CuPy would compute elsewhere, or refuse."""
        if SEVERAL and Simulated.present != self.index:
            raise RuntimeError(f"cuda:{self.index} is not the current GPU")

    def empty_pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return empty_pinned(shape, dtype)

    def kernel(self, source: str, name: str) -> Callable[..., None]:
        from minigrad.gpu import shim  # it brings the compiler along

        run = shim.kernel(source, name)

        def launch(grid: tuple, block: tuple, args: tuple) -> None:
            self.launch(name, run, grid, block, self.held(name, tuple(args)))

        return launch

    def gemm(self, a: Any, b: Any, y: Any, alpha: float = 1, beta: float = 0) -> None:
        if self.room is None:
            self.refuse("lets cuBLAS allocate memory")
        product = partial(blas.gemm, execute=blas.reference)
        self.launch("gemm", product, *self.held("gemm", (a, b, y)), alpha, beta)

    def convolution(self, what: Any) -> Any:
        return None

    def workspace(self) -> Any:
        return self.xp.empty(512, np.uint8)

    def launch(self, name: str, work: Callable[..., Any], *args: Any) -> None:
        """Do the work of a launch and log it; in a capture it is only noted down."""
        self.demand_present()
        if self.recording is None:
            self.log.append(Event(LAUNCH, name))
        self.start(work, *args)

    def record(self, run: Callable[[], Any]) -> Callable[[], Any]:
        start = super().record(run)
        return lambda: self.launch("graph", start)

    def synchronize(self) -> None:
        for queue in self.queues:
            queue.synchronize()

    def queue(self) -> Queue:
        """The current stream."""
        self.demand_present()
        return self.entered[-1]

    def allocated(self) -> int:
        return self._taken

    reserved = allocated

    def empty_cache(self) -> None:
        pass

    # --- what arrays ask for -------------------------------------------------------------
    def new(self, values: Any) -> SimulatedArray:
        """`values`, just computed, as an array with memory of its own."""
        values = np.asarray(values)
        self.demand_present()
        self.refuse(f"allocates {values.nbytes} bytes")
        if self._taken + values.nbytes > self.memory:
            raise out_of_memory(values.nbytes, self._taken, self.memory)
        self._taken += values.nbytes
        self.peak = max(self.peak, self._taken)
        if values.nbytes:
            what = f"{values.shape} {values.dtype}"
            self.log.append(Event(ALLOCATE, what, values.nbytes))
        return SimulatedArray(values, self)

    def free(self, n: int) -> None:
        self._taken -= n

    def run(self, name: str, function: Callable, args: tuple, kwargs: dict) -> Any:
        """Call NumPy's function on what the device holds; what computes is a launch."""
        self.refuse(f"calls {name} of the array module")
        held = self.held(name, args)
        options = {key: self.held(name, value) for key, value in kwargs.items()}
        if name == "copyto":
            self.check_apart(held[0], held[1])
        with np.errstate(all="ignore"):
            y = function(*held, **options)
        whole = (*_arrays(args), *_arrays(tuple(kwargs.values())))
        return self.given(name, y, whole)

    def given(self, name: str, y: Any, inputs: tuple) -> Any:
        """A result as an array: an input, a view of one, or new and launched."""
        if isinstance(y, tuple):
            return tuple(self.given(name, part, ()) for part in y)
        for x in inputs:
            if y is x._values:
                self.log.append(Event(LAUNCH, name))
                return x
            if _is_view(y, x._values):
                return SimulatedArray(y, self, x)
        self.log.append(Event(LAUNCH, name))
        return None if y is None else self.new(y)

    def check_apart(self, target: np.ndarray, source: Any) -> None:
        """A device copies all elements at once: which are old then, nobody knows."""
        if not np.ndim(source) or not np.may_share_memory(target, source):
            return
        if (source.ctypes.data, source.strides) != (target.ctypes.data, target.strides):
            raise RuntimeError("a copy within overlapping memory of a device")

    def demand_arrived(self, name: str, x: SimulatedArray) -> None:
        """What one stream still copies, another has to wait for before it reads it."""
        arrival = x._arrival if x.base is None else x.base._arrival
        coming = arrival and any(arrival in queue.pending for queue in self.queues)
        if coming and not self.queue().follows(arrival):
            raise RuntimeError(f"{name}: another stream has not copied that yet")

    def held(self, name: str, x: Any) -> Any:
        """What stands in memory for an argument; arrays of the host are refused."""
        if isinstance(x, SimulatedArray):
            if x._device is not self:
                raise RuntimeError(f"{name}: an array of another GPU")
            self.demand_arrived(name, x)
            return x._values
        if isinstance(x, np.ndarray):
            raise TypeError(f"{name}: Unsupported type {type(x)}: it lies on the host")
        if isinstance(x, (tuple, list)):
            return type(x)(self.held(name, part) for part in x)
        return x


def _is_view(y: Any, values: np.ndarray) -> bool:
    part = isinstance(y, np.ndarray) and y.size > 0 and y.base is not None
    return part and np.may_share_memory(y, values)


def _arrays(args: Any) -> tuple:
    found: tuple = ()
    for x in args:
        if isinstance(x, SimulatedArray):
            found += (x,)
        elif isinstance(x, (tuple, list)):
            found += _arrays(x)
    return found


class Module:
    """The array module of a simulated device: `xp.zeros`, `xp.where`, `xp.asarray`."""

    def __init__(self, device: Simulated) -> None:
        self._device = device
        self.cuda = runtime(device)
        self.ndarray = SimulatedArray
        tricks = SimpleNamespace(as_strided=self._as_strided)
        self.lib = SimpleNamespace(stride_tricks=tricks)

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if isinstance(function, np.ufunc) or name in FUNCTIONS | FACTS:
            return lambda *args, **kw: self._device.run(name, function, args, kw)
        if name in CREATORS:
            return lambda *args, **kw: self._made(name, function(*args, **kw))
        if isinstance(function, type) or not callable(function):
            return function  # dtypes, inf, newaxis
        raise AttributeError(f"{name} is not among what CuPy is asked for here")

    def _made(self, name: str, values: np.ndarray) -> SimulatedArray:
        if name != "empty":
            self._device.log.append(Event(LAUNCH, name))
        return self._device.new(values)

    def asarray(
        self, x: Any, dtype: Any = None, order: Any = None, *, blocking: bool = False
    ) -> SimulatedArray:
        """`x` on the device: a transfer, unless it is there already."""
        if isinstance(x, SimulatedArray):
            if x._device is not self._device:
                self._device.log.append(Event(OUT, str(x.shape), x.nbytes))
                return self.asarray(x._values)
            return x if dtype in (None, x.dtype) else x.astype(dtype)
        host = np.asarray(x, dtype, order=order or "K")
        self._device.log.append(Event(IN, str(host.shape), host.nbytes))
        y = self._device.new(host.copy(order="K"))
        if host.ndim and is_memory_pinned(host.ctypes.data):
            y._arrival = from_host(host)
            self._device.queue().pending.append(y._arrival)
        if blocking:
            self._device.queue().synchronize()
        return y

    array = asarray

    def asnumpy(self, x: SimulatedArray) -> np.ndarray:
        """`x` as an array of NumPy: a transfer back."""
        return x.get()

    def ascontiguousarray(self, x: SimulatedArray) -> SimulatedArray:
        return x if x.flags.c_contiguous else x.copy()

    def from_dlpack(self, x: Any) -> SimulatedArray:
        shown = x.__dlpack__()
        return SimulatedArray(shown._values, self._device, shown)

    def _as_strided(self, x: Any, shape: Any = None, strides: Any = None) -> Any:
        return SimulatedArray(as_strided(x._values, shape, strides), self._device, x)


@contextmanager
def simulate(memory: int = 2**36, devices: int = 1) -> Iterator[Log]:
    """See `minigrad.cuda.simulate`."""
    log, before = Log(), (get_default_device(), CHOSEN[0], list(SEVERAL))
    fleet: list[Any] = [Simulated(memory, i, log) for i in range(devices)]
    _SIMULATED.append(enrolled(fleet))
    CHOSEN[0] = Simulated.present = 0
    try:
        yield log
    finally:
        _SIMULATED.remove(fleet)
        where, CHOSEN[0], SEVERAL[:] = before
        set_default_device(where)
