"""Random numbers from a counter: the same seed gives the same numbers in every mode.

`numpy.random.Philox` (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011)
turns (key, counter) into 256 random bits without any state but the counter, so a
generator is two integers, and machine code can print the same function.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.backend import get_default_dtype
from minigrad.eager.tensor import Tensor, from_array
from minigrad.errors import DTypeError, GraphError
from minigrad.methods import sizes
from minigrad.ops.op import MODE


class Generator:
    """A stream of random numbers, given by a seed (the key) and a counter."""

    def __init__(self, seed: int = 0) -> None:
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed` from its beginning."""
        self.seed, self.counter = int(seed) % 2**64, 0
        return self

    def words(self, count: int) -> np.ndarray:
        """The next `count` words of 64 random bits; whole counter blocks of 4 are used."""
        stream = np.random.Philox(key=[self.seed, 0], counter=[self.counter, 0, 0, 0])
        self.counter += -(-count // 4)
        return stream.random_raw(count)

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        """float64 in [0, 1) with 53 random bits."""
        words = self.words(math.prod(shape)) >> np.uint64(11)
        return (words * 2.0**-53).reshape(shape)

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """float64, standard normal, by Box and Muller's transform."""
        count = math.prod(shape)
        half = (count + 1) // 2
        u, v = self.uniform((2, half))
        radius, angle = np.sqrt(-2 * np.log1p(-u)), 2 * math.pi * v
        pairs = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])
        return pairs[:count].reshape(shape)


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the default generator's stream of `seed`."""
    return default_generator.manual_seed(seed)


def _drawn(
    array: np.ndarray, dtype: Any, requires_grad: bool, default: Any = None
) -> Tensor:
    dtype = np.dtype(dtype or default or get_default_dtype())
    return from_array(array.astype(dtype), requires_grad)


def _generator(generator: Generator | None) -> Generator:
    if MODE.get().trace is not None:
        raise GraphError(
            "random numbers would be drawn once, while jit traces, and then frozen",
            expected="a function that is fed its random numbers",
            remedy="draw outside and pass the tensor in",
        )
    return generator or default_generator


def rand(
    *size: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform numbers in [0, 1): `rand(2, 3)`."""
    drawn = _generator(generator).uniform(sizes(size))
    # Rounding to float32 may give 1.0; cutting to 24 bits first cannot.
    return _drawn(np.floor(drawn * 2**24) / 2**24, dtype, requires_grad)


def randn(
    *size: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Standard normal numbers: `randn(64, 1000)`."""
    return _drawn(_generator(generator).normal(sizes(size)), dtype, requires_grad)


def randint(
    low: int,
    high: int,
    size: tuple[int, ...],
    dtype: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Integers from `low` to `high` - 1, as int64."""
    if high <= low:
        raise DTypeError("randint: nothing between", expected="low < high")
    drawn = _generator(generator).uniform(sizes((size,)))
    return _drawn(np.floor(low + drawn * (high - low)), dtype, False, np.int64)


def randperm(n: int, generator: Generator | None = None) -> Tensor:
    """The integers 0 to n - 1 in random order, as int64."""
    keys = _generator(generator).words(n)
    return from_array(np.argsort(keys, kind="stable"))
