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

CNN = """
#include <math.h>
#include <stdint.h>
#include <string.h>
__attribute__((simd("notinbranch"))) float expf(float);
__attribute__((simd("notinbranch"))) float logf(float);

/* A lane for each of 16 images: no product has an edge, and all of a block fits the cache. */
typedef float vec __attribute__((vector_size(64)));
typedef int32_t mask __attribute__((vector_size(64)));
typedef struct { vec k1[8][9], b1[8], k2[16][8][9], b2[16], w[10][256], b[10], loss; } grad;
#define EACH(i, n) for (int i = 0; i < n; i++)
#define UNROLLED _Pragma("GCC unroll 16")

static inline vec chosen(mask m, vec a) { return (vec)(m & (mask)a); }
static inline vec larger(vec a, vec b) { return (vec)((a > b & (mask)a) | (~(a > b) & (mask)b)); }

/* the rows of y, 8 x 8, from c padded ones of x: y[f] = start[f] + k[f] over x */
static inline void convolve(int filters, int channels, const float *k, const float *start,
                            vec (*x)[10][10], vec (*y)[8][8]) {
  EACH(f, filters) EACH(i, 8) {
    vec s[8];
    UNROLLED EACH(j, 8) s[j] = start[f] + (vec){0};
    EACH(c, channels) EACH(u, 3) UNROLLED EACH(v, 3) {
      const float tap = k[(f * channels + c) * 9 + u * 3 + v];
      UNROLLED EACH(j, 8) s[j] += tap * x[c][i + u][j + v];
    }
    UNROLLED EACH(j, 8) y[f][i][j] = larger(s[j], (vec){0});
  }
}

/* by the filter: dk[f][c] += g[f] times x[c], shifted by each tap */
static inline void weigh(int filters, int channels, vec (*g)[10][10], vec (*x)[10][10], vec *dk) {
  EACH(f, filters) EACH(c, channels) {
    vec s[9];
    UNROLLED EACH(t, 9) s[t] = (vec){0};
    EACH(i, 8) EACH(j, 8) UNROLLED EACH(t, 9)
      s[t] += g[f][i + 1][j + 1] * x[c][i + t / 3][j + t % 3];
    UNROLLED EACH(t, 9) dk[(f * channels + c) * 9 + t] += s[t];
  }
}

__attribute__((optimize("fp-contract=fast")))
static void block(const float *images, const float *targets, const float *k1, const float *b1,
                  const float *k2, const float *b2, const float *w, const float *b, grad *d) {
  static vec zero;
  vec x[1][10][10] = {0}, h[8][10][10] = {0}, a1[8][8][8], a2[16][8][8];
  vec g2[16][10][10] = {0}, g1[8][10][10] = {0}, pooled[256], g[256], z[10], t[10];
  EACH(n, 16) EACH(i, 8) EACH(j, 8) x[0][i + 1][j + 1][n] = images[n * 64 + i * 8 + j];
  EACH(n, 16) EACH(o, 10) t[o][n] = targets[n * 10 + o];
  convolve(8, 1, k1, b1, x, a1);
  EACH(c, 8) EACH(i, 8) EACH(j, 8) h[c][i + 1][j + 1] = a1[c][i][j];
  convolve(16, 8, k2, b2, h, a2);
  EACH(f, 16) EACH(i, 4) EACH(j, 4) {
    vec *p = &a2[f][2 * i][2 * j];
    pooled[(f * 4 + i) * 4 + j] = larger(larger(p[0], p[1]), larger(p[8], p[9]));
  }
  vec top = zero - INFINITY, sum = zero, seen = zero;
  EACH(o, 10) {
    vec s = b[o] + zero;
    EACH(q, 256) s += w[o * 256 + q] * pooled[q];
    z[o] = s;
    top = larger(s, top);
  }
  EACH(o, 10) {
    seen += t[o] * (z[o] - top);
    vec e = z[o] - top;
#pragma omp simd
    EACH(n, 16) e[n] = expf(e[n]);
    z[o] = e;
    sum += e;
  }
  EACH(n, 16) d->loss[n] += logf(sum[n]) - seen[n];
  EACH(o, 10) {
    z[o] = (z[o] / sum - t[o]) / B;
    d->b[o] += z[o];
    EACH(q, 256) d->w[o][q] += z[o] * pooled[q];
  }
  EACH(q, 256) {
    g[q] = zero;
    EACH(o, 10) g[q] += w[o * 256 + q] * z[o];
  }
  EACH(f, 16) EACH(i, 4) EACH(j, 4) { /* to the first of the largest, if it is positive */
    const vec best = pooled[(f * 4 + i) * 4 + j], left = g[(f * 4 + i) * 4 + j];
    mask open = best > zero;
    EACH(u, 4) {
      const int y = 2 * i + u / 2, x = 2 * j + u % 2;
      const mask here = open & (a2[f][y][x] == best);
      g2[f][y + 1][x + 1] = chosen(here, left);
      open &= ~here;
    }
    d->b2[f] += chosen(best > zero, left);
  }
  weigh(16, 8, g2, h, d->k2[0][0]);
  EACH(c, 8) EACH(i, 8) {
    vec s[8];
    UNROLLED EACH(j, 8) s[j] = zero;
    EACH(f, 16) EACH(u, 3) UNROLLED EACH(v, 3) {
      const float tap = k2[(f * 8 + c) * 9 + 8 - u * 3 - v];
      UNROLLED EACH(j, 8) s[j] += tap * g2[f][i + u][j + v];
    }
    EACH(j, 8) {
      g1[c][i + 1][j + 1] = chosen(a1[c][i][j] > zero, s[j]);
      d->b1[c] += g1[c][i + 1][j + 1];
    }
  }
  weigh(8, 1, g1, x, d->k1[0]);
}

static void descend(float *w, const grad *all, const vec *g, int64_t n) {
  EACH(i, n) {
    float sum = 0;
    EACH(part, B / 16) EACH(l, 16)
      sum += ((const vec *)((const char *)(all + part) + ((char *)g - (char *)all)))[i][l];
    w[i] -= RATE * sum;
  }
}

float step(float **p) {
  float *k1 = p[2], *b1 = p[3], *k2 = p[4], *b2 = p[5], *w = p[6], *b = p[7], loss;
  grad *all = (grad *)(((uintptr_t)p[8] + 63) & ~(uintptr_t)63);
  memset(all, 0, sizeof(grad) * (B / 16));
#pragma omp parallel for
  for (int part = 0; part < B / 16; part++)
    block(p[0] + part * 16 * 64, p[1] + part * 16 * 10, k1, b1, k2, b2, w, b, all + part);
  descend(k1, all, all->k1[0], 72);
  descend(b1, all, all->b1, 8);
  descend(k2, all, all->k2[0][0], 1152);
  descend(b2, all, all->b2, 16);
  descend(w, all, all->w[0], 2560);
  descend(b, all, all->b, 10);
  loss = 0;
  EACH(part, B / 16) EACH(n, 16) loss += all[part].loss[n];
  return loss / B;
}
"""

SOFTMAX = """
#include <math.h>
#include <stdint.h>
__attribute__((simd("notinbranch"))) float expf(float);

float step(float **p) {
  const int64_t *labels = (const int64_t *)p[0];
  float *w = p[1], loss = 0;
#pragma omp parallel for reduction(+:loss)
  for (int64_t i = 0; i < N; i++) {
    float *z = w + i * C, e[C], top = z[0], sum = 0;
#pragma omp simd reduction(max:top)
    for (int64_t j = 0; j < C; j++) top = z[j] > top ? z[j] : top;
#pragma omp simd reduction(+:sum)
    for (int64_t j = 0; j < C; j++) sum += e[j] = expf(z[j] - top);
    const float share = RATE / N / sum;
    loss += logf(sum) + top - z[labels[i]];
#pragma omp simd
    for (int64_t j = 0; j < C; j++) z[j] -= share * e[j];
    z[labels[i]] += RATE / N;
  }
  return loss / N;
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


def cnn(p):
    defines = {"B": len(p.x), "RATE": f"{p.rate}f"}
    spare = (len(p.x) // 16) * 16 * 3900 + 16
    return job(CNN, defines, (p.x, p.targets), p.start, spare)[1]


def softmax(p):
    n, classes = p.start[0].shape
    return job(
        SOFTMAX, {"N": n, "C": classes, "RATE": f"{p.rate}f"}, (p.labels,), p.start
    )[1]
