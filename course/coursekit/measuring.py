"""Time and memory of a few ways to do one thing, as ratios.

Seconds and bytes differ from machine to machine, ratios hardly do. Times are the best of
many short turns, taken turn about: on a busy machine a quiet moment is short, and every
way must meet one. (a + a of a million floats, tape against NumPy, beside a neighbour that
fills the memory: five turns of 10 ms gave ratios from 0.1 to 8.9, these 0.9 to 1.3.)
Memory is what NumPy and Python asked for at the worst moment (`tracemalloc`).
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minigrad.viz import Figure

from .drawings import bars

TURN, ENOUGH = 2e-4, 0.05  # seconds of a turn, and of all turns of one way
FEWEST = 5  # turns, of ways that take longer than that


@dataclass(frozen=True)
class Measured:
    """What `measure` found: seconds a call and peak bytes, by name."""

    seconds: dict[str, float]
    peaks: dict[str, int]

    def faster(self, name: str, than: str, times: float = 1.0) -> bool:
        """Does `name` take less than 1/`times` of the time of `than`?"""
        return self.seconds[name] * times < self.seconds[than]

    def __repr__(self) -> str:
        least, width = min(self.seconds.values()), max(map(len, self.seconds))
        smallest = max(min(self.peaks.values()), 1)
        rows = [f"{'':<{width}}      time    memory"]
        for name, seconds in self.seconds.items():
            time, memory = seconds / least, self.peaks[name] / smallest
            rows.append(f"{name:<{width}}  {time:7.1f}x  {memory:7.1f}x")
        return "\n".join(rows)

    def figure(self, alt: str, caption: str = "") -> Figure:
        """Bars of the times, the shortest being 1, on a logarithmic scale."""
        least = min(self.seconds.values())
        times = {name: seconds / least for name, seconds in self.seconds.items()}
        axes = {"xscale": "log", "xlabel": "time, as a multiple of the shortest"}
        return bars(times, alt, caption, text=repr(self), **axes)


def measure(**ways: Callable[[], Any]) -> Measured:
    """Time and memory of functions without arguments, each under its name.

    `measure(loop=slow, array=fast).faster("array", "loop", times=3)`.
    """
    counts = {name: _repeats(way) for name, way in ways.items()}
    best = dict.fromkeys(ways, float("inf"))
    turns, end = 0, time.perf_counter() + ENOUGH * len(ways)
    while turns < FEWEST or time.perf_counter() < end:
        turns += 1
        for name, way in ways.items():
            best[name] = min(best[name], _time(way, counts[name]))
    return Measured(best, {name: peak_bytes(way) for name, way in ways.items()})


def peak_bytes(way: Callable[[], Any]) -> int:
    """The most memory that `way()` held at once, beyond what was there before."""
    way()  # what is made once and kept does not count
    tracemalloc.start()
    try:
        way()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _repeats(way: Callable[[], Any]) -> int:
    count = 1
    while (spent := _time(way, count) * count) < TURN:
        count = max(2 * count, int(count * TURN / max(spent, 1e-9)))
    return count


def _time(way: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        way()
    return (time.perf_counter() - start) / count
