"""CUDA kernels on the CPU: compiled as C++ with `shim.h`, launched on NumPy's memory.

Where there is no GPU, this is how what a kernel computes is known. It is stricter than a
GPU: an argument of the wrong type is refused, and a barrier that is missing shows.
"""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.errors import DeviceError, GraphError
from minigrad.native import build

Launch = Callable[[Sequence[int], Sequence[int], Sequence[Any]], None]

HEADER = Path(__file__).with_name("shim.h").read_text()
FLAGS = ("-std=c++20", "-x", "c++")
NAME = re.compile(r"__global__\s+void\s+(?:__launch_bounds__\(.*?\)\s+)?(\w+)\s*\(")
LIMITS = (((1 << 31) - 1, 65535, 65535), (1024, 1024, 64))  # of a grid, of a block
THREADS = 1024  # of a block, in all
LAUNCHER = """\
extern "C" bool launch_{0}(const unsigned *grid, const unsigned *block, void **p) {{
  return shim::run(grid, block, shim::Kernel<{0}>::call, p);
}}
extern "C" const char *signature_{0}() {{ return shim::Kernel<{0}>::signature(); }}
"""


@functools.cache
def explain_absence() -> str:
    """Why kernels cannot run on the CPU here, '' if they can."""
    try:
        build.load(HEADER, *FLAGS)
    except build.NoCompiler as problem:
        return f"{problem}; {build.INSTALL}"
    except GraphError:
        return "the C compiler here does not take C++; install g++ or clang"
    return ""


def kernel(source: str, name: str) -> Launch:
    """The kernel `name` of a text, to be launched as `launch(grid, block, arguments)`.

    Arguments are arrays, passed as pointers to their first element, and NumPy scalars. All kernels of
    one text are compiled together, and kept. Raises `GraphError` if the compiler refuses
    the text, `DeviceError` without a compiler, and as a launch `TypeError` for arguments
    and `ValueError` for sizes that the kernel or the device does not take.

        >>> import numpy as np
        >>> from minigrad.gpu import shim
        >>> text = 'extern "C" __global__ void twice(float *a) { a[threadIdx.x] *= 2; }'
        >>> a = np.arange(3, dtype=np.float32)
        >>> shim.kernel(text, "twice")((1, 1, 1), (3, 1, 1), (a,))
        >>> a.tolist()
        [0.0, 2.0, 4.0]

    Source: the CUDA C++ programming guide (docs.nvidia.com/cuda/cuda-c-programming-guide).
    """
    library = _library(source)
    start = getattr(library, f"launch_{name}")
    start.restype = ctypes.c_bool
    text = getattr(library, f"signature_{name}")
    text.restype = ctypes.c_char_p
    signature = re.findall("...", text().decode())

    def launch(grid: Sequence[int], block: Sequence[int], args: Sequence[Any]) -> None:
        sizes = [_extents(x, most) for x, most in zip((grid, block), LIMITS)]
        if np.prod(sizes[1]) > THREADS:
            raise ValueError(f"{name}: a block of {block} has over {THREADS} threads")
        if len(args) != len(signature):
            raise TypeError(f"{name} takes {len(signature)} arguments, not {len(args)}")
        cells = [
            _cell(name, i, x, want) for i, (x, want) in enumerate(zip(args, signature))
        ]
        places = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
        if not start(*((ctypes.c_uint * 3)(*size) for size in sizes), places):
            raise DeviceError(
                f"{name}: threads of a block wait for each other for ever"
            )

    return launch


@functools.cache
def _library(source: str) -> ctypes.PyDLL:
    if why := explain_absence():
        raise DeviceError(f"gpu: kernels cannot run on the CPU: {why}")
    launchers = "".join(LAUNCHER.format(name) for name in NAME.findall(source))
    built = build.load(HEADER + source + "\n" + launchers, *FLAGS)
    return ctypes.PyDLL(
        built._name
    )  # keeps the interpreter's lock: one launch at a time


def _extents(sizes: Sequence[int], most: Sequence[int]) -> list[int]:
    full = [*sizes, *[1] * (3 - len(sizes))]
    if not all(1 <= n <= limit for n, limit in zip(full, most, strict=True)):
        raise ValueError(f"a launch of {tuple(sizes)}: every size is from 1 to {most}")
    return full


def _cell(name: str, position: int, value: Any, want: str) -> np.ndarray:
    """Memory that holds an argument: a pointer or a number."""
    array = isinstance(value, np.ndarray)
    dtype = getattr(value, "dtype", np.dtype("O"))
    got = f"{'*' if array else ' '}{dtype.kind}{dtype.itemsize % 10}"
    if got != want and not (array and want.startswith("*V")):
        raise TypeError(
            f"{name}: argument {position} is {got.strip()}, the kernel wants {want.strip()}"
        )
    if not array:
        return np.array(value)
    return np.array(value.ctypes.data, np.uintp)
