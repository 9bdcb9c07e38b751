"""Random numbers as ops: functions of a generator's state, and of nothing else.

Philox 4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) turns
a key and a counter into four words of 64 random bits. A state is the pair (seed, counter)
as int64, the seed being the key. So a random op is an op like any other, and equal states
give equal numbers in every mode; whoever draws moves the counter on (`advance`), so no
two draws read one state, and no rewrite can take them for the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import float32, float64, int64
from minigrad.errors import DTypeError
from minigrad.ops import shapes
from minigrad.ops.kinds import into, kind, on_cpu, row
from minigrad.ops.op import Op

Shape = tuple[int, ...]


def advance(shape: Shape) -> Any:
    """What to add to a state once `shape` was drawn: counter blocks are used whole."""
    return np.array([0, -(-math.prod(shape) // 4)])


def words(state: Any, count: int) -> Any:
    """The next `count` words of 64 random bits."""
    _demand_state(state)
    key, counter = np.zeros(2, np.uint64), np.zeros(4, np.uint64)
    key[0], counter[0] = state.view(np.uint64)
    # NumPy counts up before each block: the first words are those of counter + 1.
    return np.random.Philox(key=key, counter=counter).random_raw(count)


def _demand_state(state: Any) -> None:
    if state.dtype != int64 or tuple(state.shape) != (2,):
        got = f"{shapes.describe(state, 'state')} {state.dtype}"
        raise DTypeError("this is not the state of a generator: two int64", got=got)


def _infer(op: Op, args: tuple, attrs: dict) -> tuple[Shape, np.dtype]:
    _demand_state(*args)
    return tuple(attrs["shape"]), attrs.get("dtype", int64)


def _states(*choices: dict) -> Callable[[np.random.Generator], list]:
    """A sample maker: a state for each choice of attributes."""
    return lambda rng: [([np.array([rng.integers(2**62), 8])], c) for c in choices]


random = kind("random", infer=_infer)
FLOATS = _states(
    {"shape": (3, 4), "dtype": float64},
    {"shape": (5,), "dtype": float32},
    {"shape": (), "dtype": float64},
)


@row(random, None, sample=FLOATS)
@on_cpu  # of a state on a device exactly the same numbers
def random_uniform(state: Any, shape: Shape, dtype: Any, out: Any = None) -> Any:
    """Evenly distributed numbers in [0, 1)."""
    digits = np.finfo(dtype).nmant + 1  # as many as [0, 1) has everywhere
    drawn = words(state, math.prod(shape)).reshape(shape) >> np.uint64(64 - digits)
    return np.multiply(drawn, 2.0**-digits, out, dtype=dtype, casting="unsafe")


@row(random, None, sample=FLOATS)
@on_cpu
def random_normal(state: Any, shape: Shape, dtype: Any, out: Any = None) -> Any:
    """Normally distributed, mean 0, variance 1, by Box and Muller's transform."""
    count = math.prod(shape)
    u, v = random_uniform.fn(state, shape=(2, (count + 1) // 2), dtype=float64)
    radius, angle = np.sqrt(-2 * np.log1p(-u)), 2 * math.pi * v
    pairs = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
    return into(pairs[:count].reshape(shape).astype(dtype), out)


@row(
    random,
    None,
    sample=_states(
        {"shape": (3, 5), "low": -2, "high": 9},
        {"shape": (7,), "low": 0, "high": 2**63},
        {"shape": (), "low": -(2**63), "high": 2**63 - 1},
    ),
)
@on_cpu
def random_integers(
    state: Any, shape: Shape, low: int, high: int, out: Any = None
) -> Any:
    """Whole numbers from low to high - 1."""
    # Some come more often than others, in the proportion of high - low to 2**64.
    drawn = words(state, math.prod(shape)).reshape(shape) % np.uint64(high - low)
    return np.add(drawn.view(int64), low, out=out)
