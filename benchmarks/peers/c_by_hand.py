"""The same steps written by hand in C, with the BLAS that NumPy brings: the floor.

Compiled by the machinery that minigrad's own code goes through, with the same flags.
"""

import ctypes
import itertools

from benchmarks.cases import Job
from minigrad.native import blas, build

PRODUCT = """
#include <stdint.h>
#include <math.h>
typedef void gemm_t(int, int, int, INT, INT, INT, float, const float *, INT,
                    const float *, INT, float, float *, INT);
gemm_t *gemm;

/* y = alpha * op(a) @ op(b) + beta * y */
static void mm(int ta, int tb, int m, int n, int k, float alpha, const float *a,
               const float *b, float beta, float *y) {
  if (m * n * k > 8192) {
    gemm(101, 111 + ta, 111 + tb, m, n, k, alpha, a, ta ? m : k, b, tb ? k : n, beta, y, n);
    return;
  }
  for (int64_t i = 0; i < m; i++) {
    float row[64] = {0};
    for (int64_t q = 0; q < k; q++) {
      const float f = alpha * (ta ? a[q * m + i] : a[i * k + q]);
      if (tb) for (int64_t j = 0; j < n; j++) row[j] += f * b[j * k + q];
      else {
#pragma omp simd
        for (int64_t j = 0; j < n; j++) row[j] += f * b[q * n + j];
      }
    }
    for (int64_t j = 0; j < n; j++) y[i * n + j] = (beta ? y[i * n + j] : 0) + row[j];
  }
}
"""

NET = (
    PRODUCT
    + """
float step(float **p) {
  float *x = p[0], *y = p[1], *w1 = p[2], *w2 = p[3], *h = p[4], *e = p[5], *g = p[6];
  float loss = 0;
  mm(0, 0, B, H, I, 1, x, w1, 0, h);
#pragma omp simd
  for (int64_t i = 0; i < B * H; i++) h[i] = h[i] > 0 ? h[i] : 0;
  mm(0, 0, B, O, H, 1, h, w2, 0, e);
#pragma omp simd reduction(+:loss)
  for (int64_t i = 0; i < B * O; i++) {
    const float d = e[i] - y[i];
    loss += d * d;
    e[i] = 2 * d;
  }
  mm(0, 1, B, H, O, 1, e, w2, 0, g);
  mm(1, 0, H, O, B, -RATE, h, e, 1, w2);
#pragma omp simd
  for (int64_t i = 0; i < B * H; i++) g[i] = h[i] > 0 ? g[i] : 0;
  mm(1, 0, I, H, B, -RATE, x, g, 1, w1);
  return loss;
}
"""
)

RNN = (
    PRODUCT
    + """
__attribute__((simd("notinbranch"))) float tanhf(float);
int64_t rows;

float step(float **p) {
  float *xs = p[0], *y = p[1], *wx = p[2], *wh = p[3], *b = p[4];
  float *hs = p[5], *zs = p[6], *g = p[7], *end = hs + rows * B * H, loss = 0;
  mm(0, 0, rows * B, H, I, 1, xs, wx, 0, zs);
  for (int64_t t = 0; t < rows; t++) {
    float *h = hs + (t + 1) * B * H, *z = zs + t * B * H;
    mm(0, 0, B, H, H, 1, h - B * H, wh, 1, z);
    for (int64_t i = 0; i < B; i++) {
#pragma omp simd
      for (int64_t j = 0; j < H; j++) h[i * H + j] = tanhf(z[i * H + j] + b[j]);
    }
  }
#pragma omp simd reduction(+:loss)
  for (int64_t i = 0; i < B * H; i++) {
    const float d = end[i] - y[i];
    loss += d * d;
    g[i] = 2 * d;
  }
  for (int64_t t = rows - 1; t >= 0; t--) { /* zs becomes the gradient of its sums */
    float *h = hs + (t + 1) * B * H, *z = zs + t * B * H;
#pragma omp simd
    for (int64_t i = 0; i < B * H; i++) z[i] = g[i] * (1 - h[i] * h[i]);
    mm(0, 1, B, H, H, 1, z, wh, 0, g);
  }
  mm(1, 0, I, H, rows * B, -RATE, xs, zs, 1, wx);
  mm(1, 0, H, H, rows * B, -RATE, hs, zs, 1, wh);
  for (int64_t i = 0; i < rows * B; i++) {
#pragma omp simd
    for (int64_t j = 0; j < H; j++) b[j] -= RATE * zs[i * H + j];
  }
  return loss;
}
"""
)

ELEMENTS = """
#include <math.h>
#include <stdint.h>
__attribute__((simd("notinbranch"))) float expf(float);
__attribute__((simd("notinbranch"))) float tanhf(float);

float step(float **p) {
  float *x = p[0], *y = p[1], *w = p[2];
  double loss = 0;
#pragma omp parallel for reduction(+:loss)
  for (int64_t k = 0; k < N; k += 8000) {
    float sum = 0;
#pragma omp simd reduction(+:sum)
    for (int64_t i = k; i < k + 8000; i++) {
      const float t = tanhf(w[i] * x[i] + 0.5f), h = t * t + t;
      const float s = expf(h * -0.5f), q = 1 / (1 + s), d = q - y[i];
      sum += d * d;
      w[i] -= RATE * d * q * q * s * (2 * t + 1) * (1 - t * t) * x[i];
    }
    loss += sum;
  }
  return loss;
}
"""


def job(source, defines, given, start, *spare):
    """`step` over the given arrays, copies of `start` and some memory of zeros."""
    import numpy as np

    names = "".join(f"#define {k} {v}\n" for k, v in defines.items())
    library = build.load(names + source)
    weights = [w.copy() for w in start]
    arrays = [*given, *weights, *(np.zeros(n, np.float32) for n in spare)]
    pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    step, block = library.step, ctypes.addressof(pointers)
    step.argtypes, step.restype = [ctypes.c_void_p], ctypes.c_float
    keep = arrays, pointers
    return library, Job(lambda: step(block), lambda: keep and weights)


def with_products(source, sizes, p, given, *spare):
    """The same for code that calls BLAS."""
    found = blas.find()
    defines = sizes | {"INT": found.integer, "RATE": f"{p.rate}f"}
    library, made = job(source, defines, given, p.start, *spare)
    ctypes.c_void_p.in_dll(library, "gemm").value = found.gemm["float32"]
    return library, made


def net(p):
    (batch, inputs), hidden, outputs = p.x.shape, p.start[0].shape[1], p.y.shape[1]
    sizes = {"B": batch, "I": inputs, "H": hidden, "O": outputs}
    spare = batch * hidden, batch * outputs, batch * hidden
    return with_products(NET, sizes, p, (p.x, p.y), *spare)[1]


def recurrent(p):
    (steps, batch, inputs), hidden = p.xs.shape, p.y.shape[1]
    sizes = {"B": batch, "I": inputs, "H": hidden}
    state = batch * hidden
    spare = (steps + 1) * state, steps * state, state
    library, made = with_products(RNN, sizes, p, (p.xs, p.y), *spare)
    return ctypes.c_int64.in_dll(library, "rows"), made


def scan(p):
    rows, made = recurrent(p)
    rows.value = len(p.xs)
    return made


def lengths(p):
    (rows, made), drawn = recurrent(p), itertools.cycle(p.lengths)

    def step():
        rows.value = next(drawn)
        return made.step()

    return Job(step, made.result)


def elements(p):
    defines = {"N": p.x.size, "RATE": f"{2 * 0.5 * p.rate}f"}
    return job(ELEMENTS, defines, (p.x, p.y), p.start)[1]
