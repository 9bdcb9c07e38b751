"""Random numbers from a counter: the same seed gives the same numbers in every mode.

What is drawn is a function of a generator's state, a Tensor that holds a seed and a
counter (`minigrad/ops/randomness.py`); drawing writes the state in place. To jit that is
state like any weight, so a traced step draws new numbers in every call, the same as the
eager run. For a Node, which no generator can follow, a draw has a state of its own,
seeded when the graph is built: each run moves on the states that its program reads, so
two programs of one graph take turns at one stream.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import float64, get_default_dtype, int64, placed
from minigrad.creation import shape_of, tensor
from minigrad.eager.cell import check_writable
from minigrad.eager.tensor import Tensor
from minigrad.errors import ArgumentError, DTypeError, ShapeError
from minigrad.methods import Methods
from minigrad.ops.elementwise import cast, log
from minigrad.ops.indexing import argsort
from minigrad.ops.op import MODE, Op, Value, mode
from minigrad.ops.randomness import (
    advance,
    random_integers,
    random_normal,
    random_uniform,
)
from minigrad.ops.shapes import describe, floats, result_dtype
from minigrad.static.node import Node, variable


class Generator:
    """A stream of random numbers, given by a seed (the key) and a counter.

    >>> import minigrad as mg
    >>> stream = mg.Generator().manual_seed(7)
    >>> mg.randint(0, 10, (5,), generator=stream)
    tensor([2, 5, 0, 2, 0])
    """

    def __init__(self, device: Any = "cpu") -> None:
        self.device = placed(device)
        with mode(grad=False):  # under inference_mode too it goes on being written
            self._state = tensor([0, 0], device="cpu")

    def initial_seed(self) -> int:
        """The seed that this stream was started with."""
        return int(self._state[0]) % 2**64

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed` from its beginning."""
        self._state.copy_(np.array([int(seed) % 2**64, 0], np.uint64).view(int64))
        return self

    def seed(self) -> int:
        """Start a stream that nobody can foresee; returns its seed."""
        return self.manual_seed(int.from_bytes(os.urandom(8), "little")).initial_seed()

    def get_state(self) -> Tensor:
        """The seed and the counter, as a Tensor for `set_state`."""
        return self._state.clone()

    def set_state(self, new_state: Tensor) -> Generator:
        """Go on from where `get_state` was called."""
        fits = isinstance(new_state, Tensor) and new_state.dtype == int64
        if not fits or new_state.shape != (2,):
            raise ArgumentError(
                "set_state: this is not the state of a generator",
                expected="what get_state() returned",
                got=repr(new_state),
            )
        self._state.copy_(new_state)
        return self

    def draw(
        self, op: Op, shape: tuple[int, ...], like: Any, device: Any, **attrs: Any
    ) -> Any:
        """The numbers that a random op of the table gives here; then moves on.

        The CPU draws them, everywhere the same; `device`, else that of `like`, gets them.
        """
        where: Any = placed(device)
        if device is None and like is not None:  # a Node is on no device
            where = None if isinstance(like, Node) else like.device
        _, trace, watch = MODE.get()
        with mode(watch=None):  # to create is not to compute: nothing is counted
            if isinstance(like, Node):
                seed = self.draw(random_integers, (), None, "cpu", low=0, high=2**63)
                return op(variable([seed.item(), 0]), shape=shape, **attrs).to(where)
            if trace is not None:
                trace.carry(self._state)
            y = op(self._state, shape=shape, **attrs).to(where)
            self._state.add_(advance(shape))
        if watch is not None:
            watch.adopt(y)
        return y


default_generator = Generator()


manual_seed, seed = default_generator.manual_seed, default_generator.seed
initial_seed = default_generator.initial_seed
get_rng_state, set_rng_state = default_generator.get_state, default_generator.set_state

# --- drawing -----------------------------------------------------------------------------


def rand(*size: Any, **options: Any) -> Tensor:
    """Uniform numbers in [0, 1): `rand(2, 3)`.

    Options here and below: `dtype`, `device`, `requires_grad`, `generator`.
    """
    return _floats(random_uniform, shape_of(size, "rand"), **options)


def randn(*size: Any, **options: Any) -> Tensor:
    """Standard normal numbers: `randn(64, 1000)`."""
    return _floats(random_normal, shape_of(size, "randn"), **options)


def rand_like(input: Any, *, dtype: Any = None, **options: Any) -> Any:
    """Uniform numbers in [0, 1) in the shape and dtype of `input`, a Tensor or Node.

    >>> import minigrad as mg
    >>> x = mg.placeholder((2,))
    >>> program = mg.compile([x], mg.rand_like(x))
    >>> mg.equal(program([0, 0]), program([0, 0]))  # each run draws anew
    False
    """
    options |= {"dtype": dtype or input.dtype, "like": input}
    return _floats(random_uniform, tuple(input.shape), **options)


def randn_like(input: Any, *, dtype: Any = None, **options: Any) -> Any:
    """Standard normal numbers in the shape and dtype of `input`, a Tensor or Node."""
    options |= {"dtype": dtype or input.dtype, "like": input}
    return _floats(random_normal, tuple(input.shape), **options)


def _floats(
    op: Op,
    shape: tuple[int, ...],
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
    like: Any = None,
) -> Any:
    dtype = np.dtype(dtype or get_default_dtype())
    if dtype.kind != "f":
        raise DTypeError(
            "only floats are drawn from a continuous distribution",
            expected="a float dtype",
            got=str(dtype),
            remedy="mg.randint(low, high, size)",
        )
    y = (generator or default_generator).draw(op, shape, like, device, dtype=dtype)
    return y.requires_grad_() if requires_grad else y


def randint(low: int, high: Any, size: Any = None, **options: Any) -> Tensor:
    """Integers from `low` (0 if left out) to `high` - 1, as int64."""
    if size is None:
        low, high, size = 0, low, high
    return _integers("randint", low, high, shape_of((size,), "randint"), **options)


def randperm(n: int, *, dtype: Any = None, **options: Any) -> Tensor:
    """The integers 0 to n - 1 in random order, as int64."""
    keys = _integers("randperm", 0, 2**63, shape_of((n,), "randperm"), **options)
    with mode(watch=None):
        order = argsort(keys, axis=0, descending=False)
    return order if dtype is None else order.to(dtype)


def _integers(
    name: str,
    low: int,
    high: int,
    shape: tuple[int, ...],
    *,
    dtype: Any = None,
    device: Any = None,
    generator: Generator | None = None,
) -> Tensor:
    if not -(2**63) <= low < high <= 2**63 or high - low == 2**64:
        raise ArgumentError(
            f"{name}: nothing between",
            expected="low < high, in the range of int64",
            got=f"{low}, {high}",
        )
    stream, ends = generator or default_generator, {"low": int(low), "high": int(high)}
    drawn = stream.draw(random_integers, shape, None, device, **ends)
    return drawn if dtype is None else drawn.to(dtype)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Normal numbers: `normal(means, stds)`, one of which may be a number, or
    `normal(0, 1, size)`. What is drawn has no derivative by its parameters.

    >>> import minigrad as mg
    >>> mg.normal(mg.zeros(2, 1), mg.ones(3)).shape
    (2, 3)
    """
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if bool(tensors) == (size is not None):
        raise ArgumentError("normal: wants either tensors, or two numbers and a size")
    _check("normal", std, lambda std: std >= 0, "std >= 0")
    shape = np.broadcast_shapes(*(x.shape for x in tensors))
    shape = shape_of((size,), "normal") if size is not None else shape
    dtype = result_dtype(tensors) if tensors and dtype is None else dtype
    if tensors and device is None:
        device = tensors[0].device
    with mode(grad=False, watch=None):
        drawn = randn(shape, dtype=dtype, device=device, generator=generator)
        y = drawn * std + mean
    return y.requires_grad_() if requires_grad else y


def bernoulli(input: Any, p: Any = None, *, generator: Generator | None = None) -> Any:
    """1 with the probability that stands in `input` (or with the probability `p`), else 0.

    `input`, a Tensor or Node, gives the shape and dtype.

    >>> import minigrad as mg
    >>> mg.bernoulli(mg.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    p = input if p is None else p
    _check("bernoulli", p, lambda p: (p >= 0) & (p <= 1), "probabilities: 0 to 1")
    dtype = input.dtype if input.dtype.kind == "f" else get_default_dtype()
    drawn = rand_like(input, dtype=dtype, generator=generator)
    return cast(drawn < p, dtype=input.dtype)


def multinomial(
    input: Any,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Any:
    """Indices drawn with the weights `input` (n,), or for each row of weights (m, n).

    >>> import minigrad as mg
    >>> mg.multinomial(mg.tensor([0.0, 3.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    n = input.shape[-1] if input.ndim in (1, 2) else 0
    needed = 1 if replacement else num_samples
    if num_samples < 1 or n < needed:
        raise ShapeError(
            "multinomial: not enough to draw from",
            expected="(n,) or (m, n) weights, n >= num_samples unless replacement",
            got=f"{num_samples} of {describe(input, 'input')}",
        )
    _check(
        "multinomial",
        floats("multinomial", input),
        lambda w: np.isfinite(w).all() and (w >= 0).all() and (w > 0).sum(-1) >= needed,
        f"finite weights >= 0, {needed} or more of them not 0 in each row",
    )
    with mode(grad=False):
        weights = cast(input, dtype=float64)
        shape = (*weights.shape[:-1], num_samples if replacement else n)
        options = {"dtype": float64, "generator": generator, "like": input}
        drawn = _floats(random_uniform, shape, **options)
        if replacement:  # in which weight's stretch of the whole length each falls
            ends = weights.cumsum(-1)
            drawn = drawn * ends[..., -1:]
            return (ends[..., None, :] <= drawn[..., None]).sum(-1)
        # A race: arrivals are exponential at the rate of the weight; the first ones win.
        return (-log(drawn + 2.0**-54) / weights).topk(num_samples, largest=False)[1]


def _check(name: str, value: Any, fits: Callable[[Any], Any], expected: str) -> None:
    """Refuse parameters out of range, where their numbers are known."""
    if isinstance(value, Tensor) and MODE.get().trace is None:
        value = value.array
    if not isinstance(value, Value) and not np.all(fits(value)):
        raise ArgumentError(
            f"{name}: a parameter is out of range", expected=expected, got=str(value)
        )


# --- in place ----------------------------------------------------------------------------


def uniform_(
    self: Tensor, low: float = 0.0, to: float = 1.0, *, generator: Any = None
) -> Tensor:
    """Overwrite with uniform numbers from `low` to `to`."""
    if to < low:
        raise ArgumentError("uniform_: nothing between", got=f"{low}, {to}")
    return self.copy_(rand_like(self, generator=generator) * (to - low) + low)


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None
) -> Tensor:
    """Overwrite with normal numbers."""
    _check("normal_", std, lambda std: std >= 0, "std >= 0")
    return self.copy_(randn_like(self, generator=generator) * std + mean)


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Overwrite with 1 with probability `p` (a number or a Tensor), else with 0."""
    return self.copy_(bernoulli(self.detach(), p, generator=generator))


def random_(
    self: Tensor, low: Any = None, to: Any = None, *, generator: Any = None
) -> Tensor:
    """Overwrite with integers from `low` to `to` - 1: `random_()`, `random_(to)` or both.

    Without `to` up to the largest that the dtype counts up to without gaps.
    """
    low, to = (0, low) if to is None else (low or 0, to)
    if to is None:
        kind, name = self.dtype.kind, self.dtype
        ends = {"f": lambda: 2 ** (np.finfo(name).nmant + 1), "b": lambda: 1}
        to = ends.get(kind, lambda: int(np.iinfo(name).max))() + 1
    shape = self.shape
    return self.copy_(_integers("random_", low, to, shape, generator=generator))


def _checked(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Nothing is drawn for memory that cannot be written."""

    @functools.wraps(method)
    def checked(self: Tensor, *args: Any, **options: Any) -> Tensor:
        check_writable(self, method.__name__[:-1])
        return method(self, *args, **options)

    return checked


for _method in (uniform_, normal_, bernoulli_, random_):
    setattr(Tensor, _method.__name__, _checked(_method))
for _function in (bernoulli, multinomial):
    setattr(Methods, _function.__name__, _function)

__all__ = """
    Generator bernoulli default_generator get_rng_state initial_seed manual_seed
    multinomial normal rand rand_like randint randn randn_like randperm seed
    set_rng_state
""".split()
