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
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minigrad.backend import DEVICE_ARRAYS, SEVERAL, device, on_device
from minigrad.errors import DeviceError, OutOfMemoryError
from minigrad.gpu import blas, capture, cudnn, precision

CUPY = 'pip install "cupy-cuda13x[ctk]"'


class Device:
    """A GPU as minigrad uses it.

    `xp` is the array module, CuPy. `kernel` compiles a text, `put` and `get` move arrays
    over and back; the rest are questions about memory, asked by `minigrad.cuda`.
    """

    room: Any = None  # what products work in, if not in cuBLAS's own memory

    def __init__(self, xp: Any, index: int) -> None:
        self.xp, self.index = xp, index
        self.pool = xp.get_default_memory_pool()
        self.peak = 0

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def use(self) -> None:
        """Make it the current one: CuPy computes there, and puts what is new there."""
        self.xp.cuda.runtime.setDevice(self.index)

    @property
    def name(self) -> str:
        """What its maker calls it."""
        return self.xp.cuda.runtime.getDeviceProperties(self.index)["name"].decode()

    def put(self, array: Any, waits: bool = True) -> Any:
        """A copy on the device, of an array of NumPy or one of another GPU's.

        CuPy copies out of pinned memory while the program goes on, and other memory aside
        before that: what it reads may be written again, unless it is pinned and nobody
        `waits`.
        """
        if not on_device(array):
            blocking = waits and self._is_pinned(array)
            return self.xp.asarray(array, order="C", blocking=blocking)
        array.device.synchronize()  # the queues of two GPUs know nothing of each other
        y = self.xp.asarray(array)
        self.synchronize()
        return y

    def _is_pinned(self, array: np.ndarray) -> bool:
        return self.xp.cuda.pinned_memory.is_memory_pinned(array.ctypes.data)

    def get(self, array: Any, waits: bool = True) -> np.ndarray:
        """A copy of a device array as an array of NumPy, waited for unless told not to."""
        if waits:
            return self.xp.asnumpy(array)
        y = self.empty_pinned(array.shape, array.dtype)
        array.get(out=y, blocking=False)
        arrived = self.xp.cuda.Event()
        arrived.record()
        # Nobody else may get this memory while the copy is on its way.
        weakref.finalize(y, arrived.synchronize).atexit = False
        return y

    def write(self, to: Any, array: np.ndarray) -> None:
        """Fill a device array, which lies row by row, from an array of NumPy."""
        array = np.asarray(array, order="C")
        to.set(array)
        if self._is_pinned(array):
            self.xp.cuda.get_current_stream().synchronize()

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

    def product(self, a: Any, b: Any, out: Any) -> Any:
        """a @ b in TF32 where it is allowed: CuPy's own functions have no argument for it."""
        if a.shape[-1] != b.shape[-2]:
            raise ValueError("matmul: the inner sizes differ")
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = (*batch, a.shape[-2], b.shape[-1])
        y = self.xp.empty(shape, a.dtype) if out is None else out
        try:
            self.gemm(a, b, y)
        except ValueError:  # rows and columns with gaps between
            self.gemm(a.copy(), b.copy(), y)
        return y

    def convolution(self, what: Any) -> Any:
        """cuDNN's plan for a convolution that `cudnn.describe` gave; None without one."""
        return cudnn.plan(what, self.index)

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

    def empty_pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Memory of the host that the system never moves: copies of it need not wait."""
        return importlib.import_module("cupyx").empty_pinned(shape, dtype)

    def pinned(self, array: np.ndarray) -> np.ndarray:
        """A copy of an array of NumPy in such memory."""
        y = self.empty_pinned(array.shape, array.dtype)
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

    def allocate(self, size: int) -> Any:
        """Memory from CuPy's pool, for a device that is the current one."""
        try:
            memory = self.pool.malloc(size)
        except self.xp.cuda.memory.OutOfMemoryError:
            _, total = self.xp.cuda.runtime.memGetInfo()
            raise out_of_memory(size, self.allocated(), total) from None
        self.peak = max(self.peak, self.pool.used_bytes())
        return memory

    def allocated(self) -> int:
        """The bytes that arrays take."""
        with self.xp.cuda.Device(self.index):
            return self.pool.used_bytes()

    def reserved(self) -> int:
        """The bytes held for arrays, those in use and those to be used again."""
        with self.xp.cuda.Device(self.index):
            return self.pool.total_bytes()

    def empty_cache(self) -> None:
        """Give memory that no array takes back to the driver."""
        self.pool.free_all_blocks()


_SIMULATED: list[list[Device]] = []  # those whose `with` blocks are running
CHOSEN = [0]  # the number of the one that "cuda" means


def current(where: device | None = None) -> Any:
    """The device that is meant, from now on CuPy's current one; "cuda" is the chosen one.

    A `DeviceError` says why there is none, or none of that number.
    """
    found = everyone()
    if isinstance(found, str):
        raise DeviceError(
            f"{where or 'cuda'}: {found}",
            expected="a GPU that CuPy can use",
            remedy="leave the device out, or ask mg.cuda.is_available() first",
        )
    index = CHOSEN[0] if where is None or where.index is None else where.index
    if index >= len(found):
        raise DeviceError(
            f"{where}: there is no such GPU",
            expected=" or ".join(f"cuda:{i}" for i in range(len(found))),
            remedy="CUDA_VISIBLE_DEVICES says which GPUs a process sees",
        )
    if len(found) > 1:
        found[index].use()
    return found[index]


def meant(value: Any) -> Any:
    """The device that a number, a name, a `mg.device` or None stands for."""
    if value is None:
        return current()
    return current(device("cuda", value) if type(value) is int else device(value))


def everyone() -> list[Device] | str:
    """All devices by their number, or why there is none."""
    return _SIMULATED[-1] if _SIMULATED else _find()


def absence() -> str | None:
    """Why there is no device, as one sentence; None if there is one."""
    found = everyone()
    return found if isinstance(found, str) else None


@functools.cache
def _find() -> list[Device] | str:
    """The real devices, or the reason why there is none."""
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


def _touched(cupy: Any) -> list[Device] | str:
    """The devices, after one has added and multiplied: only that finds every library."""
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
    runtime = cupy.cuda.runtime
    found = [Device(cupy, i) for i in range(runtime.getDeviceCount())]
    cupy.cuda.set_allocator(lambda size: found[runtime.getDevice()].allocate(size))
    return enrolled(found)


def enrolled(found: list[Device]) -> list[Device]:
    """These devices as all that there are now."""
    kind = found[0].xp.ndarray
    if kind not in DEVICE_ARRAYS:
        DEVICE_ARRAYS.append(kind)
    SEVERAL[:] = found if len(found) > 1 else []
    return found


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
