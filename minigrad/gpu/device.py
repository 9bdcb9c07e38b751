"""What stands for "cuda": a GPU that CuPy drives, found when it is first asked for.

Which problem this solves: that a device can be used depends on a package, a driver and
libraries that none of them brings, and each can be missing. All of it is looked for once,
when a program first needs it, and what is missing becomes one sentence. Nothing here runs
at `import minigrad`.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minigrad.backend import DEVICE_ARRAYS, device
from minigrad.errors import DeviceError, OutOfMemoryError
from minigrad.gpu import blas, capture, cudnn, precision

CUPY = 'pip install "cupy-cuda13x[ctk]"'


class Device:
    """A GPU as minigrad uses it.

    `xp` is the array module, CuPy. `kernel` compiles a text, `put` and `get` move arrays
    over and back; the rest are questions about memory, asked by `minigrad.cuda`.
    """

    simulated = False
    room: Any = None  # what products work in, if not in cuBLAS's own memory

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.index = xp.cuda.runtime.getDevice()
        self.pool = xp.get_default_memory_pool()
        self.peak = 0
        xp.cuda.set_allocator(self._allocate)
        _know(xp.ndarray)

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def name(self) -> str:
        """What its maker calls it."""
        return self.xp.cuda.runtime.getDeviceProperties(self.index)["name"].decode()

    def put(self, array: np.ndarray) -> Any:
        """A copy of an array of NumPy on the device."""
        return self.xp.asarray(array, order="C")

    def get(self, array: Any) -> np.ndarray:
        """A copy of a device array as an array of NumPy; waits for it to be computed."""
        return self.xp.asnumpy(array)

    def write(self, to: Any, array: np.ndarray) -> None:
        """Fill a device array, which lies row by row, from an array of NumPy."""
        to.set(np.asarray(array, order="C"))

    def kernel(self, source: str, name: str) -> Callable[..., None]:
        """The kernel `name` of a CUDA C++ text: a function of (grid, block, args).

        `grid` and `block` are tuples, `args` device arrays and NumPy scalars. The text is
        compiled once by NVRTC and kept on disk by CuPy.
        """
        # As for C: a product is rounded before it is added to something.
        options = ("--std=c++17", "--fmad=false")
        module = self.xp.RawModule(code=source, options=options, backend="nvrtc")
        return module.get_function(name)

    def gemm(self, a: Any, b: Any, y: Any, alpha: float = 1, beta: float = 0) -> None:
        """y = alpha * (a @ b) + beta * y, in place; see `blas.gemm`."""
        blas.gemm(a, b, y, alpha, beta, execute=partial(blas.cublas, room=self.room))

    def convolution(self, what: Any) -> Any:
        """cuDNN's plan for a convolution that `cudnn.describe` gave; None without one."""
        return cudnn.plan(what)

    def convolve(
        self, name: str, a: Any, b: Any, shape: tuple[int, ...], window: Any, out: Any
    ) -> Any:
        """The op `name` by cuDNN, into `out` if given; None where it has no plan."""
        if a.dtype != b.dtype or a.dtype.kind != "f" or 0 in (*a.shape, *shape):
            return None
        what = cudnn.describe(name, a.shape, b.shape, shape, a.dtype.name, window)
        plan = self.convolution(what)
        if plan is None:
            return None
        a, b = map(self.xp.ascontiguousarray, (a, b))
        fits = out is not None and out.flags.c_contiguous
        y = out if fits else self.xp.empty(shape, a.dtype)
        plan(a, b, y, self.xp.empty(max(1, plan.workspace), np.uint8), self.stream)
        if out is None or fits:
            return y
        out[...] = y
        return out

    @property
    def stream(self) -> int:
        """The address of the current queue of launches."""
        return self.xp.cuda.get_current_stream().ptr

    def rounds(self, a: Any) -> bool:
        """Are products of this array to be computed in TF32?"""
        return precision.matmul.allow_tf32 and a.dtype == np.float32

    def pinned(self, array: np.ndarray) -> np.ndarray:
        """A copy in memory that the system never moves, from which copies are quick."""
        y = importlib.import_module("cupyx").empty_pinned(array.shape, array.dtype)
        y[...] = array
        return y

    def workspace(self) -> Any:
        """Memory for the products of one program, as `room`."""
        capability = self.xp.cuda.Device(self.index).compute_capability
        return self.xp.empty(blas.workspace(int(capability[:-1])), np.uint8)

    def record(self, run: Callable[[], Any]) -> Callable[[], Any]:
        """Note down the launches of `run` without running them; gives what starts them."""
        return capture.record(self.xp, run)

    def synchronize(self) -> None:
        """Wait until everything launched so far is done."""
        self.xp.cuda.Device(self.index).synchronize()

    def _allocate(self, size: int) -> Any:
        try:
            memory = self.pool.malloc(size)
        except self.xp.cuda.memory.OutOfMemoryError:
            _, total = self.xp.cuda.runtime.memGetInfo()
            raise out_of_memory(size, self.allocated(), total) from None
        self.peak = max(self.peak, self.allocated())
        return memory

    def allocated(self) -> int:
        """The bytes that arrays take."""
        return self.pool.used_bytes()

    def reserved(self) -> int:
        """The bytes held for arrays, those in use and those to be used again."""
        return self.pool.total_bytes()

    def empty_cache(self) -> None:
        """Give memory that no array takes back to the driver."""
        self.pool.free_all_blocks()


_SIMULATED: list[Device] = []  # the ones whose `with` blocks are running


def current(where: device | None = None) -> Any:
    """The device that "cuda" means now; a `DeviceError` says why there is none."""
    found = _SIMULATED[-1] if _SIMULATED else _find()
    if isinstance(found, str):
        raise DeviceError(
            f"{where or 'cuda'}: {found}",
            expected="a GPU that CuPy can use",
            remedy="leave the device out, or ask mg.cuda.is_available() first",
        )
    if where is not None and where.index not in (None, found.index):
        raise DeviceError(
            f"{where}: minigrad uses one GPU in each process",
            expected=f'"cuda" or "cuda:{found.index}"',
            remedy="choose another by the environment variable CUDA_VISIBLE_DEVICES",
        )
    return found


def absence() -> str | None:
    """Why there is no device, as one sentence; None if there is one."""
    found = _SIMULATED[-1] if _SIMULATED else _find()
    return found if isinstance(found, str) else None


@functools.cache
def _find() -> Device | str:
    """The real device, or the reason why there is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns where there is no toolkit
            import cupy
    except ImportError:
        return f"CuPy is not installed: {CUPY}"
    runtime = cupy.cuda.runtime
    driver, wanted = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if driver == 0:
        return "there is no NVIDIA driver on this machine"
    if driver // 1000 < wanted // 1000:  # within one major version all go together
        return (
            f"the NVIDIA driver is too old: it runs CUDA {driver // 1000}, CuPy wants "
            f"{wanted // 1000}; a newer driver, or pip install cupy-cuda{driver // 1000}x"
        )
    try:
        if runtime.getDeviceCount() == 0:
            return "the NVIDIA driver finds no GPU"
    except runtime.CUDARuntimeError as error:
        return f"the NVIDIA driver finds no GPU ({error})"
    return _touched(cupy)


def _touched(cupy: Any) -> Device | str:
    """The device, after it has added and multiplied: only that finds every library."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            x = cupy.ones((2, 2)) + 1
            float(x.dot(x).sum())
    except Exception as error:  # a library is missing, or does not fit the driver
        first = str(error).strip().splitlines()[0] if str(error).strip() else "no text"
        return (
            "a library of the CUDA toolkit is missing or does not fit: "
            f"{type(error).__name__}: {first.rstrip('.')}; {CUPY}"
        )
    return Device(cupy)


def out_of_memory(asked: int, held: int, total: int) -> OutOfMemoryError:
    """What to raise where `asked` bytes are not to be had."""
    return OutOfMemoryError(
        "the GPU is out of memory",
        expected=f"room for {_size(asked)} more",
        got=f"{_size(held)} taken by arrays, of {_size(total)}",
        remedy="a smaller batch; del tensors that are done; mg.no_grad() to evaluate",
    )


def _size(n: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "bytes" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} GiB"


def _know(array_type: type) -> None:
    if array_type not in DEVICE_ARRAYS:
        DEVICE_ARRAYS.append(array_type)
