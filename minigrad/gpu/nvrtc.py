"""CUDA text through NVIDIA's compiler, on any machine: it needs no GPU and no driver.

Where there is no GPU, this is how much of a kernel can be known to be right: that it
compiles for the cards in use. What it computes, `shim.py` tells.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import re

from minigrad.errors import DeviceError, GraphError

PACKAGE = "nvidia-cuda-nvrtc"
INSTALL = f"pip install {PACKAGE}"
OPTIONS = ("--std=c++17",)

# What C has from its headers and NVRTC, which has none, does not; nothing to others.
PRELUDE = """\
#ifdef __CUDACC_RTC__
typedef unsigned char uint8_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define NAN __int_as_float(0x7fffffff)
#define INFINITY __int_as_float(0x7f800000)
#endif
"""


@functools.cache
def library() -> ctypes.CDLL:
    """NVRTC from NVIDIA's package; raises `DeviceError` without it."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if re.fullmatch(r"libnvrtc\.so\.\d+|nvrtc64_\d+_\d+\.dll", file.name):
            return ctypes.CDLL(str(file.locate()))
    raise DeviceError("gpu: NVIDIA's compiler is not installed", remedy=INSTALL)


def absence() -> str:
    """Why there is no NVRTC, '' if there is."""
    try:
        library()
    except DeviceError:
        return f"NVIDIA's compiler is not installed: {INSTALL}"
    return ""


def version() -> str:
    """As in "13.5"; raises `DeviceError` where NVRTC is missing."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"


def compile(source: str, arch: str = "sm_75", options: tuple[str, ...] = ()) -> bytes:
    """Machine code for `arch` (`sm_75`), or PTX for a virtual one (`compute_75`).

    Raises `GraphError` with NVRTC's log if it refuses the text.

        >>> from minigrad.gpu import nvrtc
        >>> text = 'extern "C" __global__ void one(float *a) { a[threadIdx.x] = 1; }'
        >>> nvrtc.compile(text, "compute_75").startswith(b"//")
        True

    Source: NVRTC's user guide (docs.nvidia.com/cuda/nvrtc).
    """
    program = ctypes.c_void_p()
    lib = library()
    name = b"program.cu"
    lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name, 0, None, None)
    words = [f"-arch={arch}", *OPTIONS, *options]
    line = (ctypes.c_char_p * len(words))(*(word.encode() for word in words))
    try:
        if lib.nvrtcCompileProgram(program, len(words), line):
            log = _read(program, "ProgramLog").rstrip(b"\0").decode().strip()
            raise GraphError(
                f"gpu: NVRTC refused a kernel for {arch}; this is our mistake",
                got=f"{log[:2000]}\n{source}",
            )
        return _read(program, "CUBIN" if arch.startswith("sm_") else "PTX")
    finally:
        lib.nvrtcDestroyProgram(ctypes.byref(program))


def _read(program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    getattr(library(), f"nvrtcGet{what}Size")(program, ctypes.byref(size))
    text = ctypes.create_string_buffer(size.value)
    getattr(library(), f"nvrtcGet{what}")(program, text)
    return text.raw
