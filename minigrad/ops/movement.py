"""Ops that move elements without changing them: views, and the way back into a view.

A view shares its storage. `put` is the inverse all of them share: the base, with the
elements that a view shows replaced. It is how an in-place write through any view enters
the tape and the graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.backend import as_array, module_of
from minigrad.ops import shapes
from minigrad.ops.keys import indexed
from minigrad.ops.kinds import draw, kind, row
from minigrad.ops.op import Op

Shape = tuple[int, ...]


moved = kind("movement")
view = kind("movement", view=True)
CUBE = (2, 3, 4)
KEYS = [
    (0, ...),
    (..., 1),
    (1, 2, 3, ...),
    (None, 1, np.s_[::-2], ...),
    (np.s_[1:], np.s_[:0:-1], np.s_[1:3], ...),
]


@row(
    view,
    lambda g, sa: g.reshape(sa),
    infer=shapes.reshaped,
    sample=draw(CUBE, shape=[(6, 4), (24,), (2, 1, 12), (-1, 2)]),
)
def reshape(a: Any, shape: Shape) -> Any:
    """The same elements in another shape; a view where the layout allows."""
    return a.reshape(shape)


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axes.index(i) for i in range(len(axes)))


@row(
    view,
    lambda g, axes: permute(g, axes=inverse(axes)),
    infer=shapes.permuted,
    sample=draw(CUBE, axes=[(2, 0, 1), (0, 2, 1)]),
)
def permute(a: Any, axes: tuple[int, ...]) -> Any:
    """The axes in another order."""
    return a.transpose(axes)


@row(
    view,
    lambda g: g,  # the engine sums what was broadcast
    infer=shapes.broadcasted,
    sample=draw(CUBE, shape=[(5, 2, 3, 4), (2, 3, 4)]),
)
def broadcast_to(a: Any, shape: Shape) -> Any:
    """Axes of size 1 repeated without copying."""
    if a.shape == shape:
        return a[...]  # what repeats nothing stays writable
    if a.size != 1 or type(a) is not np.ndarray:
        return np.broadcast_to(a, shape)
    # One element, as in the gradient of a sum: a fifth of what np.broadcast_to takes.
    y = np.ndarray(shape, a.dtype, a, strides=(0,) * len(shape))
    y.flags.writeable = False
    return y


@row(
    view,
    lambda g, sa, key: put(zeros(g, shape=sa), g, view="slice", attrs={"key": key}),
    infer=indexed,
    sample=draw(CUBE, key=KEYS),
)
def slice(a: Any, key: tuple) -> Any:
    """a[key] for ints, slices, None; an Ellipsis in it keeps 0-d results views."""
    return a[key]


@row(
    view,
    lambda g, sa, offset, axis1, axis2: put(
        zeros(g, shape=sa),
        g,
        view="diagonal",
        attrs={"offset": offset, "axis1": axis1, "axis2": axis2},
    ),
    infer=shapes.diagonal,
    sample=draw(CUBE, offset=[0, 1, -1], axis1=[0, 2, 1], axis2=[1, 0, 2]),
)
def diagonal(a: Any, offset: int, axis1: int, axis2: int) -> Any:
    """The elements where two axes have indices `offset` apart, as a last axis."""
    y = a.diagonal(offset, axis1, axis2)
    if type(a) is np.ndarray:
        y.flags.writeable = a.flags.writeable  # NumPy shows diagonals read-only
    return y


VIEWS = {op.name: op for op in (reshape, permute, broadcast_to, slice, diagonal)}


def is_view(shown: Any, seen: Any) -> bool:
    """Does `shown`, just made of the array `seen`, share its memory?"""
    base = shown.base
    return base is not None and (base is seen or base is seen.base)


def copied(a: Any, out: Any) -> Any:
    """`a` where it may be written: in `out` if that is given, else in a copy."""
    if out is None:
        return as_array(a).copy(order="C")  # a NumPy scalar has no memory to view
    if out is not a:
        np.copyto(out, a)
    return out


def _put_zero_inplace(g: Any, view: str, attrs: dict) -> tuple[Any, Any]:
    """Both cotangents of `put` when nobody else holds `g`: row-by-row fills stay linear."""
    part = VIEWS[view].fn(g, **attrs)
    taken = part.copy(order="C")
    part[...] = 0
    return g, taken


def _fits(op: Op, args: tuple, attrs: dict) -> tuple:
    """What is put must broadcast to what the view shows."""
    view = VIEWS[attrs["view"]]
    shown, _ = view.infer(view, args[:1], attrs["attrs"])
    shapes.demand_fit("put", args[1], shown)
    return shapes.like_first(op, args, attrs)


@row(
    moved,
    lambda g, view, attrs: put(g, 0, view=view, attrs=attrs),
    lambda g, view, attrs: VIEWS[view](g, **attrs),
    infer=_fits,
    sample=draw(
        (3, 4),
        (3,),
        view=["slice", "permute"],
        attrs=[{"key": (..., 1)}, {"axes": (1, 0)}],
    ),
    vjp_inplace=_put_zero_inplace,
)
def put(a: Any, b: Any, view: str, attrs: dict, out: Any = None) -> Any:
    """What a is once the elements that the view of it shows are replaced by b."""
    out = copied(a, out)
    VIEWS[view].fn(out, **attrs)[...] = b
    return out


@row(
    moved,
    lambda g, sa: zeros(g, shape=sa),
    infer=shapes.by_first(lambda sa, shape: tuple(shape)),
    sample=draw((2,), shape=[(3, 2)]),
)
def zeros(a: Any, shape: Shape, out: Any = None) -> Any:
    """Zeros of the given shape in the dtype of a."""
    if out is None:
        return module_of(a).zeros(shape, a.dtype)
    out[...] = 0
    return out


def _cat(*arrays: Any, axis: int, out: Any = None) -> Any:
    if out is None:
        return np.concatenate(arrays, axis, dtype=shapes.result_dtype(arrays))
    return np.concatenate(arrays, axis, out)


def _part(g: Any, i: int, shapes: tuple[Shape, ...], axis: int) -> Any:
    start = sum(shape[axis] for shape in shapes[:i])
    stop = start + shapes[i][axis]
    return g[(np.s_[:],) * axis + (np.s_[start:stop],)]


cat = Op(
    "cat",
    _cat,
    _part,
    infer=shapes.joined,
    kind="movement",
    doc="arrays joined along an existing axis",
    sample=draw((2, 1, 2), (2, 3, 2), (2, 2, 2), axis=[1]),
)
