"""The same steps written by hand in C, with the BLAS that NumPy brings: the floor.

Compiled by the machinery that minigrad's own code goes through, with the same flags.
"""

import ctypes

from benchmarks.cases import Job
from minigrad.native import blas, build

NET = """
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
    """`step` over the given arrays, copies of `start` and some memory to spare."""
    import numpy as np

    names = "".join(f"#define {k} {v}\n" for k, v in defines.items())
    library = build.load(names + source)
    weights = [w.copy() for w in start]
    arrays = [*given, *weights, *(np.empty(n, np.float32) for n in spare)]
    pointers = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    step, block = library.step, ctypes.addressof(pointers)
    step.argtypes, step.restype = [ctypes.c_void_p], ctypes.c_float
    keep = arrays, pointers
    return library, Job(lambda: step(block), lambda: keep and weights)


def net(p):
    (batch, inputs), hidden, outputs = p.x.shape, p.start[0].shape[1], p.y.shape[1]
    found = blas.find()
    sizes = {"B": batch, "I": inputs, "H": hidden, "O": outputs, "INT": found.integer}
    spare = batch * hidden, batch * outputs, batch * hidden
    library, made = job(
        NET, sizes | {"RATE": f"{p.rate}f"}, (p.x, p.y), p.start, *spare
    )
    ctypes.c_void_p.in_dll(library, "gemm").value = found.gemm["float32"]
    return made


def elements(p):
    defines = {"N": p.x.size, "RATE": f"{2 * 0.5 * p.rate}f"}
    return job(ELEMENTS, defines, (p.x, p.y), p.start)[1]
