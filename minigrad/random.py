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
from minigrad.creation import made, on_cpu, shape_of
from minigrad.eager.tensor import Tensor
from minigrad.errors import ArgumentError, DTypeError, GraphError
from minigrad.ops.op import MODE


class Generator:
    """A stream of random numbers, given by a seed (the key) and a counter."""

    def __init__(self, device: Any = "cpu") -> None:
        on_cpu(device)
        self.manual_seed(0)

    def initial_seed(self) -> int:
        """The seed that this stream was started with."""
        return self.seed

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
    array: np.ndarray,
    dtype: Any,
    device: Any,
    requires_grad: bool,
    default: Any = None,
) -> Tensor:
    dtype = np.dtype(dtype or default or get_default_dtype())
    if default is None and dtype.kind != "f":
        raise DTypeError(
            "only floats are drawn from a continuous distribution",
            expected="a float dtype",
            got=str(dtype),
            remedy="mg.randint(low, high, size)",
        )
    return made(array.astype(dtype), None, device, requires_grad)


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
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform numbers in [0, 1): `rand(2, 3)`."""
    drawn = _generator(generator).uniform(shape_of(size, "rand"))
    # Rounding to float32 may give 1.0; cutting to 24 bits first cannot.
    return _drawn(np.floor(drawn * 2**24) / 2**24, dtype, device, requires_grad)


def randn(
    *size: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Standard normal numbers: `randn(64, 1000)`."""
    drawn = _generator(generator).normal(shape_of(size, "randn"))
    return _drawn(drawn, dtype, device, requires_grad)


def rand_like(input: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """Uniform numbers in [0, 1) in the shape and dtype of `input`."""
    return rand(tuple(input.shape), dtype=dtype or input.dtype, **options)


def randn_like(input: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """Standard normal numbers in the shape and dtype of `input`."""
    return randn(tuple(input.shape), dtype=dtype or input.dtype, **options)


def randint(
    low: int,
    high: Any,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """Integers from `low` (0 if left out) to `high` - 1, as int64."""
    if size is None:
        low, high, size = 0, low, high
    if high <= low:
        raise ArgumentError(
            "randint: nothing between", expected="low < high", got=f"{low}, {high}"
        )
    drawn = _generator(generator).uniform(shape_of((size,), "randint"))
    whole = np.floor(low + drawn * (high - low))
    return _drawn(whole, dtype, device, False, np.int64)


def randperm(
    n: int,
    *,
    dtype: Any = None,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    """The integers 0 to n - 1 in random order, as int64."""
    keys = _generator(generator).words(n)
    return made(np.argsort(keys, kind="stable"), dtype, device)
