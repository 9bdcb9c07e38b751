"""The one reverse sweep: the chain rule in order, for the tape and for the graph alike.

A derivative rule knows one op. What is left, and the same in every world, is here: visit
newest first, skip what nobody asked for, sum a cotangent back to the shape its value had
before broadcasting, give it its value's dtype, and add up what arrives on several paths.
The sweep never asks whether it moves arrays, Tensors or Nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
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
            _add(pending[element], g)
        else:
            pending[element] = [g, False]
    order = newest_first(pending)
    needed = None if targets is None else _leading_to(targets, order)
    found = {}
    for element in order:
        if element not in pending or (needed is not None and element not in needed):
            continue
        if targets is not None and element in targets:
            found[element] = (pending[element][0], False)
            pending[element][1] = False
        parents = element.parents
        if not parents:
            continue
        g, owned = pending.pop(element)
        wanted = None if needed is None else tuple(p in needed for p in parents)
        for parent, ct in zip(parents, pull(element, g, owned, wanted), strict=True):
            if parent is None or ct is None:
                continue
            entry = pending.get(parent)
            if type(ct) is Part:
                if entry is not None and ct.dtype is parent.dtype:
                    ct.add_to(entry)
                    continue
                ct = ct.whole()
            # A rule hands on `g`, a view of it, or an array it has just made.
            if ct is g:
                fresh = owned and element.op.vjp_inplace is not None
            else:
                fresh = (type(ct) is Array or on_device(ct)) and ct.base is None
            if ct.shape != parent.shape or ct.dtype is not parent.dtype:
                ct, fresh = _fitted(ct, parent), False
            if entry is None:
                pending[parent] = [ct, fresh]
            else:
                _add(entry, ct)
    if targets is not None:
        return found
    return {element: tuple(entry) for element, entry in pending.items()}


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


def _add(entry: list, ct: Any) -> None:
    """Add a cotangent to what has arrived already: a + b first, then in place."""
    if entry[1]:
        entry[0] += ct
    else:
        entry[0] = entry[0] + ct
        entry[1] = type(entry[0]) is Array or on_device(entry[0])


def unbroadcast(ct: Any, shape: tuple[int, ...]) -> Any:
    """Sum `ct` over the axes that broadcasting `shape` had added or repeated."""
    added = len(ct.shape) - len(shape)
    repeated = (i + added for i, n in enumerate(shape) if n == 1)
    axis = (*range(added), *(i for i in repeated if ct.shape[i] != 1))
    return (
        ct.sum(axis=axis, keepdims=True).reshape(shape) if axis else ct.reshape(shape)
    )


def newest_first(roots: Iterable[Any]) -> list:
    """All that a derivative of `roots` could flow to, the newest first."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=attrgetter("seq"), reverse=True)


def _leading_to(targets: set, order: list) -> set:
    """The elements of `order` from which a target can be reached."""
    needed = set()
    for element in reversed(order):
        if element in targets or any(p in needed for p in element.parents):
            needed.add(element)
    return needed
