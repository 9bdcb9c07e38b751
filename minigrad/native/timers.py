"""Timers inside the compiled function: how long each step takes, in loops and branches too.

The C itself looks at the clock, so the figures hold neither Python nor the call. Only the
function that `profile` has made for it does so: a look costs about 20 ns, which a tiny
step would notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

CLOCK = """\
#include <time.h>
static inline int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}""".split("\n")


class Timers:
    """A row for each step: its number, its ops, and of which row it is a part.

    The function adds up nanoseconds and runs in an array, which slot `slot` of its block
    of pointers shows.
    """

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.rows: list[tuple[str, str, int]] = []
        self._prefix, self._count, self._whole = "", 0, -1

    def around(self, ops: str, write: Callable[[], list[str]]) -> list[str]:
        """The lines of `write()`, a step, between two looks at the clock."""
        number, row = f"{self._prefix}{self._count}", len(self.rows)
        outer = self._prefix, self._count + 1, self._whole
        self.rows.append((number, ops, self._whole))
        self._prefix, self._count, self._whole = f"{number}.", 0, row
        lines = write()
        self._prefix, self._count, self._whole = outer
        if not lines:  # parts of what is there take no time
            self.rows.pop()
            return []
        place = f"(int64_t *)p[{self.slot}] + {2 * row}"
        return [
            "{", "const int64_t began = nanoseconds();", *lines,
            f"int64_t *t = {place};", "t[0] += nanoseconds() - began, t[1]++;", "}",
        ]  # fmt: skip

    def memory(self) -> np.ndarray:
        """Where the function adds up."""
        self._sums = np.zeros((len(self.rows), 2), np.int64)
        return self._sums

    def read(self) -> Iterator[tuple[str, str, int, float]]:
        """Number, ops, runs and seconds of what ran since the last time.

        A step's time is its own: what ran inside it has rows of its own.
        """
        total, runs = self._sums.T.tolist()
        self._sums[...] = 0
        own = list(total)
        for (_, _, whole), taken in zip(self.rows, total):
            if whole >= 0:
                own[whole] -= taken
        for (number, ops, _), count, spent in zip(self.rows, runs, own):
            yield number, ops, count, spent * 1e-9
