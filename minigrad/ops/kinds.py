"""How a row of the table is written, and how the tests draw its arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import CPU, as_array, device_of, moved, on_device
from minigrad.ops.op import Op, Rule

# Writes a row: called with its name, array function and rules, and what else there is.
Write = Callable[..., Op]


def kind(name: str, **shared: Any) -> Write:
    """What writes the rows of one kind, which share some of what a row says."""
    return lambda op, fn, *vjp, **own: Op(op, fn, vjp, kind=name, **{**shared, **own})


def row(write: Write, *vjp: Rule | None, **own: Any) -> Callable[..., Op]:
    """Turn the function below into a row: its name and its docstring are the op's."""
    return lambda fn: write(fn.__name__, fn, *vjp, doc=fn.__doc__, **own)


def into(y: Any, out: Any) -> Any:
    """`y`, in the memory that was handed out for it, if there is any."""
    if out is None:
        return y
    np.copyto(out, y)
    return out


def on_cpu(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn`, computed on the CPU wherever its array is."""

    @functools.wraps(fn)
    def run(a: Any, out: Any = None, **attrs: Any) -> Any:
        if not on_device(a):
            return fn(a, out=out, **attrs)
        return into(moved(as_array(fn(moved(a, CPU), **attrs)), device_of(a)), out)

    return run


def draw(
    *sizes: tuple[int, ...], low: float = -2.0, high: float = 2.0, **choices: Any
) -> Callable[[np.random.Generator], list]:
    """A sample maker: arrays between `low` and `high`; each choice lists an attribute."""
    calls = [dict(zip(choices, values)) for values in zip(*choices.values())] or [{}]
    return lambda rng: [
        ([rng.uniform(low, high, size) for size in sizes], attrs) for attrs in calls
    ]
