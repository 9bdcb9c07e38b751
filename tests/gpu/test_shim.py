"""Kernels on the CPU: they compute what CUDA says, and mistakes show."""

import numpy as np
import pytest

from minigrad.errors import DeviceError, GraphError
from minigrad.gpu import nvrtc, shim
from minigrad.gpu.device import current

if shim.explain_absence():
    pytest.skip(shim.explain_absence(), allow_module_level=True)

# One text, compiled once. Kernels that NVRTC would refuse too are no evidence.
TEXT = (
    nvrtc.PRELUDE
    + r"""
extern "C" __global__ void places(int *a) {
  unsigned x = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned y = blockIdx.y * blockDim.y + threadIdx.y;
  unsigned z = blockIdx.z * blockDim.z + threadIdx.z;
  a[(z * gridDim.y * blockDim.y + y) * gridDim.x * blockDim.x + x] = x + 10 * y + 100 * z;
}
extern "C" __global__ void row_sums(const float *a, float *y, int64_t n) {
  __shared__ float s[256];
  int t = threadIdx.x;
  float x = 0;
  for (int64_t i = t; i < n; i += blockDim.x) x += a[blockIdx.x * n + i];
  s[t] = x;
  for (int half = blockDim.x / 2; half; half /= 2) {
    __syncthreads();
    if (t < half) s[t] += s[t + half];
  }
  if (t == 0) y[blockIdx.x] = s[0];
}
extern "C" __global__ void no_barrier(const float *a, float *y) {
  __shared__ float s[256];
  s[threadIdx.x] = a[threadIdx.x];
  y[threadIdx.x] = s[(threadIdx.x + 1) % blockDim.x];
}
extern "C" __global__ void __launch_bounds__(256) warp_sums(const float *a, float *y) {
  float x = a[blockIdx.x * blockDim.x + threadIdx.x];
  for (int d = 16; d; d /= 2) x += __shfl_down_sync(0xffffffff, x, d);
  if (threadIdx.x % 32 == 0) y[(blockIdx.x * blockDim.x + threadIdx.x) / 32] = x;
}
extern "C" __global__ void shuffles(const int *a, int *y) {
  int t = threadIdx.x, n = blockDim.x, x = a[t];
  y[t] = __shfl_up_sync(0xffffffff, x, 3);
  y[n + t] = __shfl_xor_sync(0xffffffff, x, 5);
  y[2 * n + t] = __shfl_sync(0xffffffff, x, 7);
  y[3 * n + t] = __shfl_sync(0xffffffff, x, 2, 8);
  y[4 * n + t] = __shfl_down_sync(0xffffffff, x, 3, 8);
}
extern "C" __global__ void early(const float *a, float *y, int n) {
  if (threadIdx.x >= n) return;
  __shared__ float s[64];
  s[n - 1 - threadIdx.x] = a[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}
extern "C" __global__ void atomics(const int *a, float *sum, int *low, int *high, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  atomicAdd(sum, a[i]);
  atomicMin(low, a[i]);
  atomicMax(high, a[i]);
}
extern "C" __global__ void add_doubles(const double *a, double *y) {
  unsigned long long *word = (unsigned long long *)y, old = *word, seen;
  do {
    seen = old;
    double next = __longlong_as_double(seen) + a[threadIdx.x];
    old = atomicCAS(word, seen, (unsigned long long)__double_as_longlong(next));
  } while (old != seen);
}
extern "C" __global__ void functions(const float *a, float *y) {
  float x = __ldg(a), four[] = {rsqrtf(x), __expf(x), __fdividef(x, 3), max(x, 2.0f)};
  *(float4 *)y = make_float4(four[0], four[1], four[2], four[3]);
  y[4] = __float_as_int(x), y[5] = __int_as_float(0x40000000), y[6] = min(3, 2);
}
extern "C" __global__ void high_words(uint64_t a, uint64_t *y) {
  y[0] = __umul64hi(a, a), y[1] = __umulhi((unsigned)a, (unsigned)a);
}
extern "C" __global__ void every_type(bool *a, uint8_t *b, int *c, int64_t *d, double *e,
                                      float f, int64_t g, bool h) {
  a[0] = h, b[0] = 200, c[0] = f, d[0] = g, e[0] = f;
}
extern "C" __global__ void quads(float4 *a) { a[threadIdx.x].w = 7; }
extern "C" __global__ void stuck(float *y) {
  if (threadIdx.x < 16) __syncwarp(); else __syncthreads();
}
"""
)
F, I = np.float32, np.int32


def on_the_cpu(name, grid, block, *args):
    shim.kernel(TEXT, name)(grid, block, args)


def on_a_gpu(name, grid, block, *args):
    device = current()
    held = [device.put(x) if isinstance(x, np.ndarray) else x for x in args]
    device.kernel(TEXT, name)(grid, block, tuple(held))
    for x, there in zip(args, held, strict=True):
        if isinstance(x, np.ndarray):
            x[...] = device.get(there)


@pytest.fixture(params=["shim", pytest.param("gpu", marks=pytest.mark.gpu)])
def launch(request):
    """Launch a kernel of the text: what the shim computes, a GPU computes too."""
    return on_a_gpu if request.param == "gpu" else on_the_cpu


def test_nvrtc_takes_the_same_text():
    try:
        nvrtc.library()
    except DeviceError as absent:
        pytest.skip(str(absent))
    assert nvrtc.compile(TEXT)


def test_threads_and_blocks_have_three_coordinates(launch):
    a = np.full((4, 6, 10), -1, I)
    launch("places", (5, 2, 2), (2, 3, 2), a)
    z, y, x = np.indices(a.shape)
    np.testing.assert_array_equal(a, x + 10 * y + 100 * z)


def test_sizes_left_out_are_one(launch):
    a = np.full(6, -1, I)
    launch("places", (3,), (2,), a)
    assert a.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("threads", [1, 2, 64, 256])
def test_a_block_adds_up_through_shared_memory(threads, launch):
    a = np.random.default_rng(0).integers(-9, 9, (7, 1000)).astype(F)
    y = np.zeros(7, F)
    launch("row_sums", (7,), (threads,), a, y, np.int64(1000))
    np.testing.assert_array_equal(y, a.sum(1))


def test_a_barrier_that_is_missing_gives_wrong_numbers():
    a, y = np.arange(1, 65, dtype=F), np.zeros(64, F)
    on_the_cpu("no_barrier", (1,), (64,), a, y)
    assert not np.array_equal(y, np.roll(a, -1))


def test_threads_that_have_returned_hold_nobody_up(launch):
    a, y = np.arange(64, dtype=F), np.zeros(64, F)
    launch("early", (1,), (64,), a, y, I(40))
    np.testing.assert_array_equal(y[:40], a[:40][::-1])


def test_the_lanes_of_a_warp_exchange_values(launch):
    a, y = np.arange(512, dtype=F), np.zeros(16, F)
    launch("warp_sums", (2,), (256,), a, y)
    np.testing.assert_array_equal(y, a.reshape(16, 32).sum(1))


def test_shuffles_stay_inside_their_warp_or_their_part_of_it(launch):
    a, y = np.arange(64, dtype=I) * 10, np.zeros((5, 64), I)
    launch("shuffles", (1,), (64,), a, y)
    lane = np.arange(64) % 32
    np.testing.assert_array_equal(y[0], np.where(lane < 3, a, a - 30))
    np.testing.assert_array_equal(y[1], a[np.arange(64) ^ 5])
    np.testing.assert_array_equal(y[2], np.repeat([70, 390], 32))
    np.testing.assert_array_equal(y[3], np.repeat(a[2::8], 8))
    np.testing.assert_array_equal(y[4], np.where(lane % 8 < 5, a + 30, a))


def test_atomics_lose_nothing(launch):
    a = np.random.default_rng(0).integers(-50, 50, 1000).astype(I)
    total, low, high = np.zeros(1, F), np.zeros(1, I), np.zeros(1, I)
    launch("atomics", (4,), (256,), a, total, low, high, I(1000))
    assert (total[0], low[0], high[0]) == (a.sum(), a.min(), a.max())


def test_a_compare_and_swap_loop_adds_doubles(launch):
    a, y = np.arange(100.0), np.zeros(1)
    launch("add_doubles", (1,), (100,), a, y)
    assert y[0] == 4950


def test_functions_and_vector_types_of_cuda_are_there(launch):
    y = np.zeros(7, F)
    launch("functions", (1,), (1,), np.array([1], F), y)
    np.testing.assert_allclose(y, [1, np.e, 1 / 3, 2, 0x3F800000, 2, 2], rtol=1e-6)


def test_the_high_words_of_products(launch):
    y = np.zeros(2, np.uint64)
    launch("high_words", (1,), (1,), np.uint64(2**64 - 1), y)
    assert y.tolist() == [2**64 - 2, 2**32 - 2]


def test_every_type_of_ours_is_an_argument(launch):
    arrays = [np.zeros(1, t) for t in ("?", "u1", "i4", "i8", "f8")]
    launch("every_type", (1,), (1,), *arrays, F(2.5), np.int64(-(1 << 40)), np.bool_(1))
    assert [a[0] for a in arrays] == [True, 200, 2, -(1 << 40), 2.5]


def test_floats_pass_for_fours_of_them(launch):
    a = np.zeros(8, F)
    launch("quads", (1,), (2,), a)
    assert a.tolist() == [0, 0, 0, 7, 0, 0, 0, 7]


@pytest.mark.parametrize(
    ("grid", "block", "message"),
    [
        ((0,), (1,), "every size is from 1"),
        ((1, 65536), (1,), "every size is from 1"),
        ((1,), (1025,), "every size is from 1"),
        ((1,), (32, 33), "over 1024 threads"),
    ],
)
def test_sizes_no_device_takes_are_refused(grid, block, message):
    with pytest.raises(ValueError, match=message):
        on_the_cpu("quads", grid, block, np.zeros(8, F))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((np.zeros(3, F),) * 2, "takes 3 arguments, not 2"),
        (
            (np.zeros(3, F), np.zeros(3), I(3)),
            r"argument 1 is \*f8, the kernel wants \*f4",
        ),
        ((np.zeros(3, F), np.zeros(3, F), 3), "argument 2 is O8, the kernel wants i4"),
        (
            (np.zeros(3, F), np.zeros(3, F), F(3)),
            "argument 2 is f4, the kernel wants i4",
        ),
        ((F(3), np.zeros(3, F), I(3)), r"argument 0 is f4, the kernel wants \*f4"),
    ],
)
def test_arguments_of_other_types_are_refused(args, message):
    with pytest.raises(TypeError, match=message):
        on_the_cpu("early", (1,), (3,), *args)


def test_threads_that_wait_for_ever_are_an_error_and_the_next_launch_works():
    with pytest.raises(DeviceError, match="wait for each other for ever"):
        on_the_cpu("stuck", (1,), (64,), np.zeros(1, F))
    test_a_block_adds_up_through_shared_memory(64, on_the_cpu)


def test_a_text_the_compiler_refuses_is_an_error():
    with pytest.raises(GraphError, match="refused generated code"):
        shim.kernel('extern "C" __global__ void bad(int *a) { nothing(); }', "bad")
