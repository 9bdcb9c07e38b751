"""C for random numbers: Philox 4x64-10, the same words that NumPy's generator gives."""

from __future__ import annotations

import math

import numpy as np

from minigrad.backend import int64
from minigrad.native.kernels import Writer, ctype
from minigrad.static.node import Node

PHILOX = """\
static void random_words(uint64_t seed, uint64_t counter, int64_t count, uint64_t *words) {
  for (int64_t i = 0; i < count; i += 4) {
    uint64_t c[4] = {++counter, 0, 0, 0}, k0 = seed, k1 = 0;
    for (int round = 0; round < 10; round++) {
      const unsigned __int128 a = (unsigned __int128)0xD2E7470EE14C6C93 * c[0];
      const unsigned __int128 b = (unsigned __int128)0xCA5A826395121157 * c[2];
      const uint64_t c0 = (uint64_t)(b >> 64) ^ c[1] ^ k0;
      const uint64_t c2 = (uint64_t)(a >> 64) ^ c[3] ^ k1;
      c[0] = c0, c[1] = b, c[2] = c2, c[3] = a;
      k0 += 0x9E3779B97F4A7C15, k1 += 0xBB67AE8584CAA73B;
    }
    for (int j = 0; j < 4 && i + j < count; j++) words[i + j] = c[j];
  }
}"""


def _words(w: Writer, node: Node, count: int) -> tuple[str, list[str]]:
    """Memory for `count` random words, and the line that fills it."""
    w.scalars.helpers["random_words"] = PHILOX
    state, place = w.read(node.inputs[0]), w.scratch((count,), int64)
    words = f"((uint64_t *){place.pointer})"
    return words, [f"random_words({state.at('0')}, {state.at('1')}, {count}, {words});"]


def uniform(w: Writer, node: Node) -> list[str]:
    words, lines = _words(w, node, n := math.prod(node.shape))
    digits = np.finfo(node.dtype).nmant + 1
    value = f"({ctype(node)})({words}[i] >> {64 - digits}) * 0x1p-{digits}"
    return [*lines, *_each(n), f"  {w.write(node).pointer}[i] = {value};"]


def normal(w: Writer, node: Node) -> list[str]:
    """Box and Muller's transform: a pair of numbers from two words."""
    n = math.prod(node.shape)
    half = (n + 1) // 2
    words, lines = _words(w, node, 2 * half)
    f64, y = np.dtype(np.float64), w.write(node).pointer
    log1p, cos, sin = (w.scalars.function(f, f64) for f in ("log1p", "cos", "sin"))
    last = [f"  if (i + {half} < {n}) {y}[i + {half}] = radius * {sin}(angle);"]
    return [
        *lines, *_each(half), "{",
        f"const double u = ({words}[i] >> 11) * 0x1p-53;",
        f"const double v = ({words}[i + {half}] >> 11) * 0x1p-53;",
        f"const double radius = sqrt(-2 * {log1p}(-u)), angle = {2 * math.pi!r} * v;",
        f"{y}[i] = radius * {cos}(angle);", *last, "}",
    ]  # fmt: skip


def integers(w: Writer, node: Node) -> list[str]:
    words, lines = _words(w, node, n := math.prod(node.shape))
    low, high = node.attrs["low"], node.attrs["high"]
    value = f"{words}[i] % {high - low}ULL + {low % 2**64}ULL"
    return [*lines, *_each(n), f"  {w.write(node).pointer}[i] = {value};"]


def _each(n: int) -> list[str]:
    return ["#pragma omp simd", f"for (int64_t i = 0; i < {n}; i++)"]
