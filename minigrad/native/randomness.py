"""C for random numbers: Philox 4x64-10, the same words that NumPy's generator gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import int64
from minigrad.native.expressions import literal
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


def words(w: Any, node: Node, count: int) -> tuple[Callable[[str], str], list[str]]:
    """The expression for the word of a number, and the line that draws them all."""
    w.scalars.helpers["random_words"] = PHILOX
    state, place = w.read(node.inputs[0]), w.scratch((count,), int64)
    drawn = f"((uint64_t *){place.pointer})"
    line = f"random_words({state.at('0')}, {state.at('1')}, {count}, {drawn});"
    return lambda number: f"{drawn}[{number}]", [line]


def _drawn(w: Writer, node: Node, value: Callable[[str], str]) -> list:
    """Every element is made of a word of its own."""

    def write() -> list[str]:
        n = math.prod(node.shape)
        word, lines = w.words(node, n)
        element = f"{w.write(node).pointer}[i] = {value(word('i'))};"
        return lines + _each(w, n, [element])

    return w.part(write, node)


def uniform(w: Writer, node: Node) -> list:
    digits = np.finfo(node.dtype).nmant + 1
    unit = literal(2.0**-digits, node.dtype)
    return _drawn(
        w, node, lambda word: f"({ctype(node)})({word} >> {64 - digits}) * {unit}"
    )


def integers(w: Writer, node: Node) -> list:
    low, high = node.attrs["low"], node.attrs["high"]
    return _drawn(w, node, lambda word: f"{word} % {high - low}ULL + {low % 2**64}ULL")


def normal(w: Writer, node: Node) -> list:
    """Box and Muller's transform: a pair of numbers from two words, in float64."""
    n, f64 = math.prod(node.shape), np.dtype(np.float64)
    half = (n + 1) // 2

    def write() -> list[str]:
        word, lines = w.words(node, 2 * half)
        y, scale = w.write(node).pointer, "0x1p-53"
        log1p, cos, sin = (w.scalars.function(f, f64) for f in ("log1p", "cos", "sin"))
        return lines + _each(w, half, [
            f"const double u = ({word('i')} >> 11) * {scale};",
            f"const double v = ({word(f'i + {half}')} >> 11) * {scale};",
            f"const double radius = sqrt(-2 * {log1p}(-u)), angle = {2 * math.pi!r} * v;",
            f"{y}[i] = radius * {cos}(angle);",
            f"if (i + {half} < {n}) {y}[i + {half}] = radius * {sin}(angle);",
        ])  # fmt: skip

    return w.part(write, node)


def _each(w: Writer, n: int, body: list[str]) -> list[str]:
    return ["#pragma omp simd", *w.visit("i", (n,), body)]
