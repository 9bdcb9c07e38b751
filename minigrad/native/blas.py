"""The library for matrix products that generated code calls: by default NumPy's own.

Which problem this solves: NumPy has a BLAS and its threads in the process already, and a
second one fights with it for the processors. So another is taken by choice alone
(`MINIGRAD_BLAS=mkl`), or where NumPy's cannot be called. MKL is told to use the threads
of the compiled loops: a program has one set of them. Which is faster depends on machine
and sizes, both ways (`python -m benchmarks.products`); timing them at compile time would
load the second just to look, and make a program's last digits a matter of chance.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import os
import warnings
from importlib import import_module
from typing import NamedTuple

# How the names of a product's function begin and end. "64" means sizes of 64 bits.
PREFIXES = "scipy_cblas_", "cblas_"
SUFFIXES = "64_", "_64", "$NEWLAPACK$ILP64", "", "$NEWLAPACK"  # the $ are Accelerate's
GNU_THREADS = 3  # MKL's word for those of gcc's OpenMP


class Blas(NamedTuple):
    """Addresses of cblas_sgemm and cblas_dgemm; `integer` is the C type of sizes."""

    name: str
    integer: str
    gemm: dict[str, int]


@functools.cache
def find() -> Blas | None:
    """The one that `$MINIGRAD_BLAS` names, else NumPy's, else a wheel's; or None."""
    wanted = os.environ.get("MINIGRAD_BLAS") or "numpy"
    for name in dict.fromkeys((wanted, "numpy", "openblas")):
        try:
            return _products_of(name, SOURCES[name]())
        except (KeyError, ImportError, OSError, AttributeError):
            if name == wanted and name != "numpy":
                _say_what_is_missing(wanted)
    return None


def _products_of(name: str, library: ctypes.CDLL) -> Blas:
    """Raises `AttributeError` if the library has no such functions."""
    for suffix, prefix in itertools.product(SUFFIXES, PREFIXES):
        if hasattr(library, f"{prefix}sgemm{suffix}"):
            integer = "int64_t" if "64" in suffix else "int32_t"
            gemm = {}
            for dtype, letter in (("float32", "s"), ("float64", "d")):
                function = getattr(library, f"{prefix}{letter}gemm{suffix}")
                gemm[dtype] = ctypes.cast(function, ctypes.c_void_p).value or 0
            return Blas(name, integer, gemm)
    raise AttributeError(f"{name} has no cblas_sgemm")


def _say_what_is_missing(wanted: str) -> None:
    wheel = WHEELS.get(wanted)
    remedy = f"pip install {wheel}" if wheel else f"it may be {', '.join(SOURCES)}"
    text = f"MINIGRAD_BLAS={wanted} was not found and NumPy's BLAS is used: {remedy}"
    warnings.warn(text, RuntimeWarning, stacklevel=3)


# --- where they are ------------------------------------------------------------------------


def _of_numpy() -> ctypes.CDLL:
    """NumPy's own code, through which one sees the functions of what it is linked to."""
    return ctypes.CDLL(import_module("numpy._core._multiarray_umath").__file__)


def _of_mkl() -> ctypes.CDLL:
    """The wheel's library, told to use the threads of loops that gcc compiled."""
    library = ctypes.CDLL(_file_of("mkl", "mkl_rt"))
    if "MKL_THREADING_LAYER" not in os.environ:
        with contextlib.suppress(OSError):  # where that library is not, MKL has its own
            ctypes.CDLL("libgomp.so.1")
            library.MKL_Set_Threading_Layer(GNU_THREADS)
    return library


def _of_openblas() -> ctypes.CDLL:
    return ctypes.CDLL(_file_of("scipy-openblas32", "libscipy_openblas."))


def _file_of(wheel: str, name: str) -> str:
    """A library that a wheel has brought; raises `ImportError` if there is none."""
    from importlib import metadata  # 20 ms that NumPy's BLAS does without

    for file in metadata.files(wheel) or ():
        if name in file.name:
            return os.fspath(file.locate())
    raise ImportError(f"{wheel} has no {name}")


SOURCES = {"numpy": _of_numpy, "mkl": _of_mkl, "openblas": _of_openblas}
WHEELS = {"mkl": "mkl", "openblas": "scipy-openblas32"}
