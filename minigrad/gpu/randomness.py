"""CUDA for random numbers: Philox 4x64-10, word for word what NumPy and the C code draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def words(w: Any, node: Node, _: int) -> tuple[Callable[[str], str], list[str]]:
    """The expression for the word of a number, of those that the node draws."""
    w.scalars.helpers["random_word"] = PHILOX
    state = w.read(node.inputs[0])
    words = f"random_word({state.at('0')}, {state.at('1')}, "
    return lambda number: f"{words}{number})", []
