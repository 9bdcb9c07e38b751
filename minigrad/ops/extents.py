"""Sizes that nobody knows yet: what `None` in a placeholder's shape becomes.

A program may be built before the size of a batch is known. Each `None` is an `Unknown`
of its own, so that x + x keeps its size and x + y of two batches gets a new one. Python
cannot calculate with it; what a formula needs of a size, `count` and `positions` say in
the graph. When the sizes come, `static/specialise.py` fills in what holds an Unknown.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from minigrad.backend import device_of, int64, moved
from minigrad.errors import GraphError, user_scope
from minigrad.ops.kinds import draw, into, kind
from minigrad.ops.op import Op


class Unknown:
    """One size that is not known yet; or what `rule` makes of `sizes` that are not."""

    __slots__ = ("rule", "sizes")

    def __init__(self, sizes: tuple = (), rule: Callable | None = None) -> None:
        self.sizes, self.rule = sizes, rule

    def __repr__(self) -> str:
        return "None"

    def __eq__(self, other: object) -> bool:
        return self is other or other is None  # x.shape == (None, 3) reads well

    def __hash__(self) -> int:
        return hash(None)


def _lesson(self: Any, *_: Any) -> NoReturn:
    called = user_scope()
    raise GraphError(
        f"{called or 'Python'}: calculates with a size that is None",
        expected="a size that is known before the program is called",
        remedy="give this dim a size, or use another dim"
        if called
        else "x.reshape(-1, ...) for a size, x.mean(dim) to divide by it",
    )


_NAMES = """
    add radd sub rsub mul rmul truediv rtruediv floordiv rfloordiv mod rmod divmod
    rdivmod pow rpow neg pos abs lt le gt ge bool int float index
""".split()
for _name in _NAMES:
    setattr(Unknown, f"__{_name}__", _lesson)


def is_known(sizes: Iterable[Any]) -> bool:
    """Is none of these sizes an Unknown?"""
    return not any(isinstance(n, Unknown) for n in sizes)


def agree(n: Any, m: Any) -> bool:
    """May these two sizes be the same?"""
    return n == m or isinstance(n, Unknown) or isinstance(m, Unknown)


def alike(shape: Sequence[Any], other: Sequence[Any]) -> bool:
    """May these two shapes be the same?"""
    return len(shape) == len(other) and all(map(agree, shape, other))


def product(sizes: Iterable[Any]) -> Any:
    """How many elements `sizes` make together, as a size again."""
    number, unknown = parts(sizes)
    if not unknown:
        return number
    if number == 1 and unknown.total() == 1:
        return next(iter(unknown))
    return Unknown((number, *unknown.elements()), math.prod)


def widest(sizes: Iterable[Any]) -> Any:
    """The size of an axis on which arrays with `sizes` along it are broadcast."""
    others = {n for n in sizes if isinstance(n, Unknown) or n != 1}
    known = {n for n in others if not isinstance(n, Unknown)}
    if len(known or others) > 1:  # any of the unknown may turn out to be 1
        return Unknown(tuple(others), widest)
    return next(iter(known or others), 1)


def parts(sizes: Iterable[Any]) -> tuple[int, Counter[Unknown]]:
    """The product of the known sizes, and the unknown ones."""
    number, unknown = 1, Counter[Unknown]()
    for n in sizes:
        if not isinstance(n, Unknown):
            number *= n
        elif n.rule is math.prod:
            inner, more = parts(n.sizes)
            number, unknown = number * inner, unknown + more
        else:
            unknown[n] += 1
    return number, unknown


# --- what a formula may ask of a size ------------------------------------------------------


def _fact(
    name: str, fn: Callable[..., Any], shape: Callable[..., tuple], axis: Any, doc: str
) -> Callable[[Any, Any], Any]:
    """A question to the shape of a value, not to its elements: `ask(a, axis)`.

    The answer is a Python value, or a Node of the op `name` where a size is unknown.
    """

    def fill(a: Any, axis: Any, out: Any = None) -> Any:
        return into(moved(np.asarray(fn(a.shape, axis), int64), device_of(a)), out)

    def infer(op: Op, args: tuple, attrs: dict) -> tuple:
        return shape(args[0].shape, attrs["axis"]), int64

    sample = draw((3, 4), axis=[axis])
    op = kind("fact")(name, fill, None, infer=infer, doc=doc, sample=sample)

    def ask(a: Any, axis: Any) -> Any:
        sizes = [a.shape[i] for i in (axis if type(axis) is tuple else (axis,))]
        return fn(a.shape, axis) if is_known(sizes) else op(a, axis=axis)

    return ask


def _along(n: Any, ndim: int, axis: int) -> tuple:
    return (1,) * axis + (n,) + (1,) * (ndim - 1 - axis)


count = _fact(
    "count",
    lambda shape, axis: math.prod([shape[i] for i in axis]),
    lambda shape, axis: (),
    (0, 1),
    "how many elements there are along the axes",
)
positions = _fact(
    "positions",
    lambda shape, axis: np.arange(shape[axis]).reshape(_along(-1, len(shape), axis)),
    lambda shape, axis: _along(shape[axis], len(shape), axis),
    1,
    "0, 1, 2, ... along an axis; size 1 along the others",
)
