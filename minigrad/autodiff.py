"""The one reverse sweep: the chain rule in order, for the tape and for the graph alike.

A derivative rule knows one op. What is left, and the same in every world, is here: visit
newest first, skip what nobody asked for, sum a cotangent back to the shape its value had
before broadcasting, give it its value's dtype, and add up what arrives on several paths.
The sweep never asks whether it moves arrays, Tensors or Nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter, iadd
from typing import Any

from minigrad.backend import Array, on_device
from minigrad.ops.elementwise import cast
from minigrad.ops.movement import zeros

Pull = Callable[[Any, Any, bool, "Sequence[bool] | None"], Sequence[Any]]


def sweep(seeds: Iterable[tuple], pull: Pull, targets: set | None = None) -> dict:
    """Carry the cotangents of `seeds` back to where they can go no further.

    An element of the sweep has `parents` (None where no derivative goes), `shape`,
    `dtype` and `seq`, the order of making; one without parents is a leaf.
    `pull(element, g, owned, wanted)` gives a cotangent for each parent; `owned` says
    that nobody else holds `g`. With `targets` only paths to those are followed. Returns
    `{leaf or target: (cotangent, owned)}`.

    Nothing here recurses, and each element is visited once, so long chains and many
    paths cost what they must and no more.
    """
    pending: dict[Any, list] = {}
    for element, g in seeds:
        if element in pending:
            g = pending[element][0] + g
        pending[element] = [g, False]
    order, found, wanted = newest_first(pending), {}, None
    if targets is not None:
        needed = _leading_to(targets, order)
        order = [element for element in order if element in needed]
    for element in order:
        parents, entry = element.parents, pending.get(element)
        if entry is None:
            continue
        if targets is not None:
            if element in targets:
                entry[1] = False
                found[element] = entry[0], False
            wanted = tuple([p in needed for p in parents])
        if not parents:
            continue
        g, owned = pending.pop(element)
        for parent, ct in zip(parents, pull(element, g, owned, wanted)):
            if parent is None or ct is None:
                continue
            entry = pending.get(parent)
            kind = type(ct)
            if kind is Part:
                if entry is not None and ct.dtype is parent.dtype:
                    ct.add_to(entry)
                    continue
                ct = ct.whole()
            if ct.shape != parent.shape or ct.dtype is not parent.dtype:
                ct, fresh = _fitted(ct, parent), False
            elif ct is g:  # a rule hands on `g`, a view of it, or what it has just made
                fresh = owned and element.plan.pull_owned is not None
            else:
                fresh = (kind is Array or on_device(ct)) and ct.base is None
            if entry is None:
                pending[parent] = [ct, fresh]
            elif entry[1]:
                entry[0] += ct
            else:  # a + b first, in memory that is ours if there is any, then in place
                total = iadd(ct, entry[0]) if fresh else entry[0] + ct
                entry[:] = total, type(total) is Array or on_device(total)
    return pending if targets is None else found


class Part:
    """What a slice hands back: `g` in the midst of zeros, which are not written out.

    A loop that takes a sequence apart row by row would otherwise make, and add up, as
    many arrays of the whole sequence's size as there are rows.
    """

    __slots__ = ("g", "view", "attrs", "shape", "dtype")

    def __init__(self, g: Any, view: Any, attrs: dict, shape: tuple[int, ...]) -> None:
        self.g, self.view, self.attrs = g, view, attrs
        self.shape, self.dtype = shape, g.dtype

    def whole(self) -> Any:
        y = zeros(self.g, shape=self.shape)
        self.view.fn(y, **self.attrs)[...] = self.g
        return y

    def add_to(self, entry: list) -> None:
        """Add it to what has arrived already, in place."""
        if not entry[1]:
            entry[:] = entry[0].copy(order="C"), True
        part = self.view.fn(entry[0], **self.attrs)
        part += self.g


def _fitted(ct: Any, element: Any) -> Any:
    """A cotangent in the shape and dtype of what it belongs to."""
    if ct.shape != element.shape:
        ct = unbroadcast(ct, element.shape)
    return ct if ct.dtype == element.dtype else cast(ct, dtype=element.dtype)


def unbroadcast(ct: Any, shape: tuple[int, ...]) -> Any:
    """Sum `ct` over the axes that broadcasting `shape` had added or repeated."""
    added = len(ct.shape) - len(shape)
    repeated = (i + added for i, n in enumerate(shape) if n == 1)
    axis = (*range(added), *(i for i in repeated if ct.shape[i] != 1))
    whole = ct.sum(axis=axis, keepdims=True) if axis else ct
    return whole.reshape(shape)


def newest_first(roots: Iterable[Any]) -> list:
    """All that a derivative of `roots` could flow to, the newest first."""
    seen = set(roots)
    order = list(seen)
    for element in order:  # it grows meanwhile
        for parent in element.parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                order.append(parent)
    order.sort(key=attrgetter("seq"), reverse=True)
    return order


def _leading_to(targets: set, order: list) -> set:
    """The elements of `order` from which a target can be reached."""
    needed = set()
    for element in reversed(order):
        if element in targets or any(p in needed for p in element.parents):
            needed.add(element)
    return needed
