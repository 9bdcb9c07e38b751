"""CUDA for random numbers: Philox 4x64-10, word for word what NumPy and the C code draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.native.expressions import literal
from minigrad.native.kernels import ctype
from minigrad.static.node import Node

# Each thread asks for the word that it needs: four words come of one block, so three are
# thrown away, which is cheaper than to write them to memory.
PHILOX = """\
static inline uint64_t random_word(uint64_t seed, uint64_t counter, int64_t number) {
  uint64_t c[4] = {counter + 1 + number / 4, 0, 0, 0}, k0 = seed, k1 = 0;
  for (int round = 0; round < 10; round++) {
    const uint64_t a = __umul64hi(0xD2E7470EE14C6C93, c[0]);
    const uint64_t b = __umul64hi(0xCA5A826395121157, c[2]);
    const uint64_t c0 = b ^ c[1] ^ k0, c2 = a ^ c[3] ^ k1;
    c[1] = 0xCA5A826395121157 * c[2], c[3] = 0xD2E7470EE14C6C93 * c[0];
    c[0] = c0, c[2] = c2;
    k0 += 0x9E3779B97F4A7C15, k1 += 0xBB67AE8584CAA73B;
  }
  return c[number % 4];
}"""


def _word(w: Any, node: Node, number: str) -> str:
    """The expression for the word of that number that the node draws."""
    w.scalars.helpers["random_word"] = PHILOX
    state = w.read(node.inputs[0])
    return f"random_word({state.at('0')}, {state.at('1')}, {number})"


def uniform(w: Any, node: Node) -> list:
    digits = np.finfo(node.dtype).nmant + 1

    def write() -> list[str]:
        y = w.write(node).pointer
        value = f"({ctype(node)})({_word(w, node, 'i')} >> {64 - digits})"
        return w.visit(
            "i",
            (math.prod(node.shape),),
            [f"{y}[i] = {value} * {literal(2.0**-digits, node.dtype)};"],
        )

    return w.block(write, [node])


def normal(w: Any, node: Node) -> list:
    """Box and Muller's transform: a pair of numbers from two words, in float64."""
    n = math.prod(node.shape)
    half = (n + 1) // 2

    def write() -> list[str]:
        y, scale = w.write(node).pointer, f"{2.0**-53!r}"
        return w.visit(
            "i", (half,),
            [
                f"const double u = ({_word(w, node, 'i')} >> 11) * {scale};",
                f"const double v = ({_word(w, node, f'i + {half}')} >> 11) * {scale};",
                f"const double radius = sqrt(-2 * log1p(-u)), angle = {2 * math.pi!r} * v;",
                f"{y}[i] = radius * cos(angle);",
                f"if (i + {half} < {n}) {y}[i + {half}] = radius * sin(angle);",
            ],
        )  # fmt: skip

    return w.block(write, [node])


def integers(w: Any, node: Node) -> list:
    low, high = node.attrs["low"], node.attrs["high"]

    def write() -> list[str]:
        y = w.write(node).pointer
        value = f"{_word(w, node, 'i')} % {high - low}ULL + {low % 2**64}ULL"
        return w.visit("i", (math.prod(node.shape),), [f"{y}[i] = {value};"])

    return w.block(write, [node])
