"""The BLAS that NumPy has loaded already, called directly from generated code.

A second BLAS would bring a second pool of threads that fights with the first. Where the
one in use cannot be found, matrix products are generated loops: right, and slower.
"""

from __future__ import annotations

import ctypes
import functools
import re
from typing import NamedTuple

import numpy as np

PREFIXES, SUFFIXES = ("scipy_cblas_", "cblas_"), ("64_", "_64", "")


class Blas(NamedTuple):
    """Addresses of cblas_sgemm and cblas_dgemm; `integer` is the C type of sizes."""

    integer: str
    gemm: dict[str, int]


@functools.cache
def find() -> Blas | None:
    """NumPy's BLAS, None if it hides."""
    for path in _loaded():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for suffix in SUFFIXES:
            for prefix in PREFIXES:
                found = _gemms(library, prefix, suffix)
                if found:
                    integer = "int64_t" if "64" in suffix else "int32_t"
                    return Blas(integer, found)
    return None


def _gemms(library: ctypes.CDLL, prefix: str, suffix: str) -> dict[str, int]:
    found = {}
    for dtype, letter in (("float32", "s"), ("float64", "d")):
        function = getattr(library, f"{prefix}{letter}gemm{suffix}", None)
        if function is None:
            return {}
        found[dtype] = ctypes.cast(function, ctypes.c_void_p).value or 0
    return found


def _loaded() -> list[str]:
    """Files of loaded libraries that may be a BLAS, NumPy's own first."""
    np.dot(np.ones((2, 2)), np.ones((2, 2)))
    try:
        with open("/proc/self/maps") as lines:
            paths = dict.fromkeys(
                x.split(maxsplit=5)[5].strip() for x in lines if "/" in x
            )
    except OSError:
        try:
            from threadpoolctl import threadpool_info
        except ImportError:
            return []
        paths = dict.fromkeys(
            str(x["filepath"]) for x in threadpool_info() if x["user_api"] == "blas"
        )
    names = re.compile(r"(blas|mkl_rt|blis|flexi)[^/]*$", re.IGNORECASE)
    return sorted((p for p in paths if names.search(p)), key=lambda p: "numpy" not in p)
