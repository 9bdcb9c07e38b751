"""Ops that move elements without changing them: views, and the way back into a view.

A view shares its storage. `put` is the inverse all of them share: the base, with the
elements that a view shows replaced. It is how an in-place write through any view enters
the tape and the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import as_array, module_of
from minigrad.ops import shapes
from minigrad.ops.keys import indexed
from minigrad.ops.op import Op, Rule

Shape = tuple[int, ...]


def movement(
    name: str,
    fn: Callable[..., Any],
    vjp: Rule,
    infer: Callable[..., Any],
    sample: Callable[..., Any],
    doc: str,
) -> Op:
    return Op(
        name,
        fn,
        (vjp,),
        infer=infer,
        kind="movement",
        doc=doc,
        sample=sample,
        view=True,
    )


def _samples(**choices: list) -> Callable:
    ((name, values),) = choices.items()
    return lambda rng: [([rng.normal(size=(2, 3, 4))], {name: v}) for v in values]


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axes.index(i) for i in range(len(axes)))


reshape = movement(
    "reshape",
    lambda a, shape: a.reshape(shape),
    lambda g, sa: g.reshape(sa),
    shapes.reshaped,
    _samples(shape=[(6, 4), (24,), (2, 1, 12), (-1, 2)]),
    "the same elements in another shape; a view where the layout allows",
)
permute = movement(
    "permute",
    lambda a, axes: a.transpose(axes),
    lambda g, axes: permute(g, axes=inverse(axes)),
    shapes.permuted,
    _samples(axes=[(2, 0, 1), (0, 2, 1)]),
    "the axes in another order",
)


def _broadcast_to(a: Any, shape: Shape) -> Any:
    if a.shape == shape:
        return a[...]  # what repeats nothing stays writable
    if a.size != 1 or type(a) is not np.ndarray:
        return np.broadcast_to(a, shape)
    # One element, as in the gradient of a sum: a fifth of what np.broadcast_to takes.
    y = np.ndarray(shape, a.dtype, a, strides=(0,) * len(shape))
    y.flags.writeable = False
    return y


broadcast_to = movement(
    "broadcast_to",
    _broadcast_to,
    lambda g: g,  # the engine sums what was broadcast
    shapes.broadcasted,
    _samples(shape=[(5, 2, 3, 4), (2, 3, 4)]),
    "size-1 axes repeated without copying",
)
slice = movement(
    "slice",
    lambda a, key: a[key],
    lambda g, sa, key: put(zeros(g, shape=sa), g, view="slice", attrs={"key": key}),
    indexed,
    _samples(
        key=[
            (0, ...),
            (..., 1),
            (1, 2, 3, ...),
            (None, 1, np.s_[::-2], ...),
            (np.s_[1:], np.s_[:0:-1], np.s_[1:3], ...),
        ]
    ),
    "a[key] for ints, slices, None; an Ellipsis in it keeps 0-d results views",
)


def _diagonal(a: Any, offset: int, axis1: int, axis2: int) -> Any:
    y = a.diagonal(offset, axis1, axis2)
    if type(a) is np.ndarray:
        y.flags.writeable = a.flags.writeable  # NumPy shows diagonals read-only
    return y


diagonal = movement(
    "diagonal",
    _diagonal,
    lambda g, sa, offset, axis1, axis2: put(
        zeros(g, shape=sa),
        g,
        view="diagonal",
        attrs={"offset": offset, "axis1": axis1, "axis2": axis2},
    ),
    shapes.diagonal,
    lambda rng: [
        ([rng.normal(size=(2, 3, 4))], {"offset": k, "axis1": i, "axis2": j})
        for k, i, j in ((0, 0, 1), (1, 2, 0), (-1, 1, 2))
    ],
    "the elements where two axes have indices `offset` apart, as a last axis",
)


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


def _put(a: Any, b: Any, view: str, attrs: dict, out: Any = None) -> Any:
    out = copied(a, out)
    VIEWS[view].fn(out, **attrs)[...] = b
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
    return args[0].shape, args[0].dtype


VIEWS = {op.name: op for op in (reshape, permute, broadcast_to, slice, diagonal)}

put = Op(
    "put",
    _put,
    (
        lambda g, view, attrs: put(g, 0, view=view, attrs=attrs),
        lambda g, view, attrs: VIEWS[view](g, **attrs),
    ),
    infer=_fits,
    kind="movement",
    doc="a, with the elements that the view of it shows replaced by b",
    sample=lambda rng: [
        (
            [rng.normal(size=(3, 4)), rng.normal(size=(4,))],
            {"view": "slice", "attrs": {"key": (1, ...)}},
        ),
        (
            [rng.normal(size=(3, 4)), rng.normal(size=(4, 3))],
            {"view": "permute", "attrs": {"axes": (1, 0)}},
        ),
    ],
    vjp_inplace=_put_zero_inplace,
)


def _zeros(a: Any, shape: Shape, out: Any = None) -> Any:
    if out is None:
        return module_of(a).zeros(shape, a.dtype)
    out[...] = 0
    return out


zeros = Op(
    "zeros",
    _zeros,
    (lambda g, sa: zeros(g, shape=sa),),
    infer=lambda op, args, attrs: (tuple(attrs["shape"]), args[0].dtype),
    kind="movement",
    doc="zeros of the given shape in the dtype of a",
    sample=lambda rng: [([rng.normal(size=(2,))], {"shape": (3, 2)})],
)


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
    sample=lambda rng: [
        ([rng.normal(size=(2, n, 2)) for n in (1, 3, 2)], {"axis": 1}),
    ],
)
