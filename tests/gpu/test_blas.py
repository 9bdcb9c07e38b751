"""The arguments of cuBLAS, tried out on a column-major product written in NumPy."""

import ctypes
import itertools
import types

import numpy as np
import pytest

from minigrad.gpu import blas


def whole(rng, shape, how):
    """The memory of an array of this shape that lies in C order, turned, or in a window."""
    *batch, m, n = shape
    more = {"plain": (m, n), "turned": (n, m), "window": (m + 2, n + 3)}[how]
    return rng.normal(size=(*batch, *more))


def seen(memory, how):
    """The array in its memory, on either side."""
    if how == "window":
        return memory[..., 1:-1, 2:-1]
    return memory.swapaxes(-1, -2) if how == "turned" else memory


def laid(rng, shape, how):
    return seen(whole(rng, shape, how), how)


LAYOUTS = list(itertools.product(["plain", "turned", "window"], repeat=3))


@pytest.mark.parametrize("layouts", LAYOUTS, ids="-".join)
@pytest.mark.parametrize(
    "sizes", [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1)], ids=str
)
def test_every_layout_gives_numpys_product(layouts, sizes):
    rng, (m, n, k) = np.random.default_rng(0), sizes
    shapes = (m, k), (k, n), (m, n)
    a, b, y = (laid(rng, s, how) for s, how in zip(shapes, layouts))
    before, whole = y.copy(), y.base.copy() if y.base is not None else y.copy()
    blas.gemm(a, b, y, -0.5, 2, execute=blas.reference)
    np.testing.assert_allclose(y, -0.5 * (a @ b) + 2 * before)
    if y.base is not None:
        changed = np.count_nonzero(y.base != whole)
        assert changed == y.size, "it wrote outside y"


@pytest.mark.parametrize("layouts", LAYOUTS, ids="-".join)
@pytest.mark.parametrize(
    ("of_a", "of_b"),
    [((4,), (4,)), ((4,), ()), ((), (4,)), ((2, 3), (2, 3)), ((2, 1), (1, 3)),
     ((2, 3), ()), ((2, 3), (3,)), ((1,), (4,))],
    ids=str,
)  # fmt: skip
def test_a_batch_broadcasts(layouts, of_a, of_b):
    rng = np.random.default_rng(0)
    batch = np.broadcast_shapes(of_a, of_b)
    shapes = (*of_a, 3, 5), (*of_b, 5, 4), (*batch, 3, 4)
    a, b, y = (laid(rng, s, how) for s, how in zip(shapes, layouts))
    before = y.copy()
    blas.gemm(a, b, y, 0.5, -1, execute=blas.reference)
    np.testing.assert_allclose(y, 0.5 * (a @ b) - before)


def calls_for(a, b, y):
    calls = []
    blas.gemm(a, b, y, execute=lambda call, *rest: calls.append(call))
    return calls


def test_a_batch_is_one_call():
    a, b, y = (np.zeros(s) for s in ((2, 3, 4, 5), (2, 3, 5, 6), (2, 3, 4, 6)))
    (call,) = calls_for(a, b, y)
    assert call.batch == 6


def test_a_batch_with_one_right_side_is_one_tall_product():
    a, b, y = (np.zeros(s) for s in ((7, 4, 5), (5, 6), (7, 4, 6)))
    (call,) = calls_for(a, b, y)
    assert (call.batch, call.m, call.n, call.k) == (1, 6, 28, 5)


def test_a_batch_without_one_stride_is_several_calls():
    a, b, y = (np.zeros(s) for s in ((2, 1, 4, 5), (1, 3, 5, 6), (2, 3, 4, 6)))
    assert [call.batch for call in calls_for(a, b, y)] == [3, 3]


def test_transposes_are_flags_and_not_copies():
    a, b = np.zeros((5, 4)).T, np.zeros((6, 5)).T
    (call,) = calls_for(a, b, np.zeros((4, 6)))
    assert call.swapped
    assert call.turn_a
    assert call.turn_b


def test_no_inner_elements_leave_beta_times_y():
    y = np.ones((2, 3))
    blas.gemm(np.zeros((2, 0)), np.zeros((0, 3)), y, 1, 0.5, execute=blas.reference)
    assert (y == 0.5).all()
    blas.gemm(np.zeros((2, 0)), np.zeros((0, 3)), y, execute=blas.reference)
    assert (y == 0).all()


def test_nothing_is_called_for_an_empty_result():
    assert calls_for(np.zeros((0, 2)), np.zeros((2, 3)), np.zeros((0, 3))) == []


def test_what_was_in_y_is_not_read_when_beta_is_0():
    y = np.full((2, 2), np.nan)
    blas.gemm(np.eye(2), np.eye(2), y, execute=blas.reference)
    np.testing.assert_array_equal(y, np.eye(2))


def test_holes_in_rows_and_columns_are_refused():
    with pytest.raises(ValueError, match="copy it first"):
        calls_for(np.zeros((6, 8))[::2, ::2], np.zeros((4, 2)), np.zeros((3, 2)))


@pytest.mark.parametrize("dtypes", [("f4", "f8", "f8"), ("i8", "i8", "i8")])
def test_other_dtypes_are_refused(dtypes):
    with pytest.raises(TypeError, match="floats of one dtype"):
        calls_for(*(np.zeros((2, 2), t) for t in dtypes))


# What cuBLAS is told, by a stand-in for its library.


class Array:
    """As much of a CuPy array as is read: dtype, size and address."""

    def __init__(self, dtype, address, nbytes=0):
        self.dtype, self.nbytes = np.dtype(dtype), nbytes
        self.data = types.SimpleNamespace(ptr=address)


@pytest.fixture
def told(monkeypatch):
    calls = []

    def note(name, status=0):
        return lambda *args: calls.append((name, args)) or status

    names = "SetStream_v2 SetWorkspace_v2 GemmEx GemmStridedBatchedEx".split()
    lib = types.SimpleNamespace(**{f"cublas{name}": note(name) for name in names})
    lib.note = note
    monkeypatch.setattr(blas, "_library", lambda: (lib, lambda: 99, lambda: 55))
    calls.append(lib)
    return calls


def call(batch=1):
    return blas.Call(True, True, False, 2, 3, 4, 5, 6, 7, 8, 9, 10, batch)


def run(dtype, batch=1, room=None):
    a, b, c = (Array(dtype, place) for place in (1000, 2000, 3000))
    blas.cublas(call(batch), a, b, c, -0.5, 1, room)


def number(reference):
    return reference._obj.value


def test_cublas_is_told_sizes_places_and_types(told):
    run("f4")
    _, stream, (name, args) = told
    assert stream == ("SetStream_v2", (99, 55))
    assert name == "GemmEx"
    assert args[:6] == (99, 1, 0, 2, 3, 4)
    assert args[7:13] == (1000, 0, 5, 2000, 0, 7)
    assert args[14:] == (3000, 0, 9, 68, -1)
    assert (number(args[6]), number(args[13])) == (-0.5, 1)
    assert type(args[6]._obj) is ctypes.c_float


def test_cublas_is_told_the_steps_of_a_batch(told):
    run("f8", batch=3)
    name, args = told[-1]
    assert name == "GemmStridedBatchedEx"
    assert args[7:15] == (1000, 1, 5, 6, 2000, 1, 7, 8)
    assert args[16:] == (3000, 1, 9, 10, 3, 70, -1)
    assert type(args[6]._obj) is type(args[15]._obj) is ctypes.c_double


def test_a_program_s_room_is_named_after_the_stream_which_makes_cublas_forget_it(told):
    run("f4", room=Array("u1", 4000, 512))
    assert told[1:3] == [
        ("SetStream_v2", (99, 55)),
        ("SetWorkspace_v2", (99, 4000, 512)),
    ]


def test_what_cublas_refuses_is_an_error(told):
    told[0].cublasGemmEx = told[0].note("GemmEx", status=15)
    with pytest.raises(RuntimeError, match="status 15"):
        run("f4")


def test_tf32_is_a_switch_for_float32_alone(told, monkeypatch):
    monkeypatch.setattr(blas.matmul, "allow_tf32", True)
    for dtype in ("f2", "f4", "f8"):
        run(dtype)
    products = [args for name, args in told[1:] if name == "GemmEx"]
    assert [args[-2] for args in products] == [68, 77, 70]


def test_the_functions_of_cublas_take_as_many_arguments():
    """Those that CuPy's binding passes on, which says what they are."""
    functions = {
        f"cublas{name}": types.SimpleNamespace()
        for name in "SetStream_v2 SetWorkspace_v2 GemmEx GemmStridedBatchedEx".split()
    }
    blas.declare(types.SimpleNamespace(**functions))
    counts = [len(function.argtypes) for function in functions.values()]
    assert counts == [2, 3, 19, 23]
    try:
        lib, *_ = blas._library.__wrapped__()
        from cupy.cuda import runtime
        from cupy_backends.cuda.libs import cublas
    except ImportError as absent:
        pytest.skip(f"no CuPy or no cuBLAS: {str(absent).splitlines()[0]}")
    assert lib.cublasGemmEx.argtypes[-1] is ctypes.c_int
    assert cublas.gemmEx.__doc__.count(",") == 18
    assert cublas.gemmStridedBatchedEx.__doc__.count(",") == 22
    kinds = runtime.CUDA_R_16F, runtime.CUDA_R_32F, runtime.CUDA_R_64F
    sums = (
        cublas.CUBLAS_COMPUTE_32F,
        cublas.CUBLAS_COMPUTE_32F,
        cublas.CUBLAS_COMPUTE_64F,
    )
    assert list(blas.TYPES.values()) == list(zip(kinds, sums))
    assert blas.TF32 == cublas.CUBLAS_COMPUTE_32F_FAST_TF32
    assert blas.ANY_ALGORITHM == cublas.CUBLAS_GEMM_DEFAULT
    assert (cublas.CUBLAS_OP_N, cublas.CUBLAS_OP_T) == (0, 1)


def test_the_switch_has_pytorchs_names():
    import minigrad as mg

    assert mg.backends.cuda.matmul is blas.matmul
    assert mg.backends.cuda.matmul.allow_tf32 is False


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("layouts", LAYOUTS, ids="-".join)
def test_cublas_computes_what_its_arguments_say(layouts, dtype):
    from minigrad.gpu.device import current

    rng, device = np.random.default_rng(0), current()
    tolerance = {"f2": 2e-2, "f4": 1e-5, "f8": 1e-12}[dtype]
    for batch in ((), (4,), (2, 3)):
        shapes = (*batch, 7, 5), (5, 9), (*batch, 7, 9)
        memory = [whole(rng, s, x).astype(dtype) for s, x in zip(shapes, layouts)]
        a, b, y = (seen(x, how) for x, how in zip(memory, layouts))
        there = [seen(device.put(x), how) for x, how in zip(memory, layouts)]
        device.gemm(*there, -0.5, 2)
        expected = -0.5 * (a @ b) + 2 * y
        got = device.get(there[2])
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
