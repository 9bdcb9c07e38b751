"""Which BLAS native code calls: NumPy's, another by choice, and transposes for nothing."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.native import blas, build

ROOT = Path(__file__).parents[2]
ALL_NAMES = [
    ("scipy_cblas_sgemm64_", "int64_t"),  # NumPy's wheel
    ("cblas_sgemm64_", "int64_t"),  # OpenBLAS as others build it
    ("cblas_sgemm_64", "int64_t"),  # MKL
    ("scipy_cblas_sgemm", "int32_t"),  # the wheel scipy-openblas32
    ("cblas_sgemm", "int32_t"),  # a system's
]


@pytest.fixture(autouse=True)
def looks_again():
    blas.find.cache_clear()
    yield
    blas.find.cache_clear()


def test_unless_told_otherwise_it_is_numpys_own():
    assert blas.find().name == "numpy"


@pytest.mark.parametrize(("name", "integer"), ALL_NAMES)
def test_functions_are_found_by_every_name_they_go_by(name, integer):
    double = name.replace("sgemm", "dgemm")
    library = build.load(
        f"int {name}(void) {{ return 4; }}\nint {double}(void) {{ return 8; }}\n"
    )
    found = blas._products_of("numpy", library)
    assert found.integer == integer
    kind = blas.ctypes.CFUNCTYPE(blas.ctypes.c_int)
    assert [kind(found.gemm[x])() for x in ("float32", "float64")] == [4, 8]


@pytest.mark.parametrize(
    ("choice", "remedy"), [("mkl", "pip install mkl"), ("nonesuch", "mkl, openblas")]
)
def test_a_choice_that_is_not_there_is_said_and_numpys_is_taken(
    monkeypatch, choice, remedy
):
    def absent():
        raise ImportError

    monkeypatch.setitem(blas.SOURCES, "mkl", absent)
    monkeypatch.setenv("MINIGRAD_BLAS", choice)
    with pytest.warns(RuntimeWarning, match=remedy):
        assert blas.find().name == "numpy"
    assert blas.find().name == "numpy", "and is not said again"


def test_where_numpys_cannot_be_called_a_wheel_is(monkeypatch):
    numpys = blas.SOURCES["numpy"]
    monkeypatch.setitem(blas.SOURCES, "numpy", lambda: build.load("int none;\n"))
    monkeypatch.setitem(blas.SOURCES, "openblas", numpys)
    assert blas.find().name == "openblas"


PRODUCTS = """
import os, numpy as np, minigrad as mg
from minigrad.native import blas
x, y, z = (mg.placeholder(s) for s in ((90, 300), (300, 200), (1000, 1000)))
program = mg.compile([x, y, z], [x @ y, x.double() @ y.double(), z.tanh().exp()], target="native")
rng = np.random.default_rng(0)
a, b, c = (rng.normal(size=p.shape).astype("f") for p in (x, y, z))
single, double, _ = (t.numpy() for t in program(a, b, c))
wide = a.astype(float) @ b
assert abs(single - wide).max() < 1e-3 and abs(double - wide).max() < 1e-10
maps = open("/proc/self/maps").read()
print(blas.find().name, *(name in maps for name in ("mkl_gnu_thread", "iomp5")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("choice", "wheel"), blas.WHEELS.items())
def test_another_is_taken_by_choice_with_the_threads_of_the_loops(choice, wheel):
    try:
        importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{wheel} is not installed")
    env = os.environ | {"MINIGRAD_BLAS": choice, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCTS], env=env, capture_output=True, text=True
    )
    name, gnu, own = done.stdout.split() or [done.stderr, "", ""]
    assert (name, own) == (choice, "False"), (
        "OpenMP of its own beside that of the loops"
    )
    assert gnu == str(choice == "mkl")


def test_a_transposed_factor_is_a_flag_and_copies_nothing():
    x, y = mg.placeholder((70, 40)), mg.placeholder((90, 70))
    program = mg.compile([x, y], x.T @ y.T, target="native")
    assert "blas_sgemm(ROWS, TURNED, TURNED, 40, 90, 70" in program.source
    assert "for (" not in program.source
    assert program.stats["bytes_planned"] == 0
    a, b = (np.random.default_rng(0).normal(size=p.shape).astype("f") for p in (x, y))
    np.testing.assert_allclose(program(a, b).numpy(), a.T @ b.T, rtol=1e-4, atol=1e-4)


def test_small_products_are_loops():
    x, y = mg.placeholder((8, 16)), mg.placeholder((16, 16))
    program = mg.compile([x, y], x @ y, target="native")
    assert "blas_sgemm(" not in program.source
