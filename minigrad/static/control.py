"""Control flow: `scan`, `while_loop`, `cond` and `foldl`, in all three worlds.

On Nodes, and on Tensors while jit traces, each becomes one node that runs its body as
often as turns out (static/loop.py). On Tensors otherwise it is what it looks like, a loop
in Python with every round on the tape. The same program runs in each, with the same
results and gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from minigrad.backend import bool_
from minigrad.creation import as_tensor, tensor, zeros
from minigrad.eager.tensor import Tensor
from minigrad.errors import (
    DTypeError,
    GraphError,
    ShapeError,
    name_of,
    user_origin,
)
from minigrad.functions import cat, stack
from minigrad.ops import shapes
from minigrad.ops.op import MODE
from minigrad.static import loop as control
from minigrad.static.body import Guard, trace_body
from minigrad.static.jit import flatten, parameter_names, unflatten
from minigrad.static.loop import Branch, Loop, parameter
from minigrad.static.node import Node

# --- the values of nested structures -----------------------------------------------------


class _Form:
    """How values were nested; None is a place without a value."""

    def __init__(self, tree: Any) -> None:
        leaves, self.form = flatten(tree)
        self.holes = [leaf is None for leaf in leaves]
        self.values = [leaf for leaf in leaves if leaf is not None]

    def rebuild(self, values: Sequence[Any]) -> Any:
        rest = iter(values)
        leaves = [None if hole else next(rest) for hole in self.holes]
        return unflatten(leaves, self.form)

    def alike(self, other: _Form) -> bool:
        return self.form == other.form and self.holes == other.holes

    def forget(self) -> _Form:
        """Without the values: symbols may not outlive the body that made them."""
        self.values = []
        return self


def _is_symbolic(values: Sequence[Any]) -> bool:
    """Must a node be built, rather than a loop be run?"""
    return MODE.get().trace is not None or any(isinstance(x, Node) for x in values)


def _start(values: Sequence[Any]) -> list[Any]:
    """Numbers and arrays as Tensors; Nodes stay."""
    return [x if isinstance(x, (Node, Tensor)) else as_tensor(x) for x in values]


class _FoundNode(Exception):
    """An eager body computed a Node: what it closes over makes the loop a graph."""


def _demand_tensors(values: Sequence[Any]) -> None:
    if any(isinstance(x, Node) for x in values):
        raise _FoundNode


# --- the rules for carries and conditions ------------------------------------------------


def _fitting(
    what: str, before: _Form, after: _Form, names: Sequence[str], start: Sequence[Any]
) -> list[Any]:
    """The new carries, if they are like the old ones; numbers take the dtype of theirs."""
    if not after.alike(before):
        raise GraphError(
            f"{what}: the body returns carries of another structure",
            expected=f"{len(names)}: {', '.join(names)}",
            got=f"{len(after.values)} values, in {_outline(after)}",
            remedy="return a new value for each, in the same order",
        )
    return [
        _fitting_leaf(what, name, old, new)
        for name, old, new in zip(names, start, after.values)
    ]


def _outline(form: _Form) -> str:
    return str(form.rebuild(["*"] * len(form.values))).replace("'*'", "*")


def _fitting_leaf(what: str, name: str, old: Any, new: Any) -> Any:
    if shapes.is_number(new):
        weak = np.asarray(new)
        order = "biuf".index
        if order(weak.dtype.kind) <= order(old.dtype.kind) and not old.shape:
            return tensor(new, dtype=old.dtype)
    new = _start([new])[0]
    if new.dtype == old.dtype and tuple(new.shape) == tuple(old.shape):
        return new
    at = [o for o in (user_origin(), getattr(new, "origin", None)) if o]
    if tuple(new.shape) != tuple(old.shape):
        raise ShapeError(
            f"{what}: the loop variable {name} changes its shape",
            expected=f"{name} {tuple(old.shape)}, as it came in",
            got=str(tuple(new.shape)),
            remedy="start with the final shape and write into a part of it, or stack ys",
            at=at,
        )
    raise DTypeError(
        f"{what}: the loop variable {name} changes its dtype",
        expected=f"{name} {old.dtype}, as it came in",
        got=str(new.dtype),
        remedy=f"start with {name}.to({str(new.dtype)!r}), or cast what you return",
        at=at,
    )


def _check_condition(what: str, value: Any) -> Any:
    """A scalar bool Tensor or Node, or the lesson why it must be one."""
    if isinstance(value, (Tensor, Node)):
        if value.shape == () and value.dtype == bool_:
            return value
        got = f"{name_of(value, 'a value')} {tuple(value.shape)} {value.dtype}"
        remedy = "(x > 0).all() or .any() make one of many, x != 0 a bool of a number"
    else:
        got = f"{value!r} ({type(value).__name__})"
        remedy = "compute it from the loop variables, as in lambda i: i < 10"
        if value is not None and what == "while_loop":
            remedy += "; this one would never change"
    raise GraphError(
        f"{what}: the condition must be one bool",
        expected="a Tensor or Node of shape () and dtype bool",
        got=got,
        remedy=remedy,
    )


def _names(fn: Callable[..., Any], forms: Sequence[Any]) -> list[str]:
    """What the function calls its arguments, once for each of their values."""
    names = []
    for i, (name, tree) in enumerate(zip(parameter_names(fn, len(forms)), forms)):
        name = name or f"number {i}"
        count = len(_Form(tree).values)
        names += [name] if count == 1 else [f"{name}[{k}]" for k in range(count)]
    return names


# --- scan --------------------------------------------------------------------------------


def scan(
    fn: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Go through the rows of `xs` with a carry: `carry, y = fn(carry, x)` for each.

    Returns the last carry and the ys, stacked. `init`, `xs` and y may be nested tuples,
    lists and dicts of tensors, y and `xs` also None (then `length` says how often); with
    `reverse` the last row comes first, and its y stays last. Carries keep their shape and
    dtype. Raises `ShapeError`, `DTypeError`, `GraphError`.

        >>> import minigrad as mg
        >>> total, partial = mg.scan(
        ...     lambda s, x: (s + x, s + x), 0.0, mg.tensor([1.0, 2.0, 3.0])
        ... )
        >>> total, partial
        (tensor(6.), tensor([1., 3., 6.]))
    """
    start, rows = _Form(init), _Form(xs)
    carry, stacks = _start(start.values), _start(rows.values)
    length = _length(stacks, length)
    names = _names(fn, [init, xs])

    def step(values: Sequence[Any]) -> tuple[list, _Form]:
        n = len(carry)
        result = fn(start.rebuild(values[:n]), rows.rebuild(values[n:]))
        if not isinstance(result, tuple) or len(result) != 2:
            raise GraphError(
                "scan: the body must return a pair",
                expected="(new carry, y); y may be None",
                got=type(result).__name__,
                remedy="return carry, None",
            )
        new = _fitting("scan", start, _Form(result[0]), names[:n], carry)
        return new, _Form(result[1])

    if not _is_symbolic([*carry, *stacks]) and length:
        try:
            return _scan_eagerly(step, carry, start, stacks, length, reverse)
        except _FoundNode:
            pass
    return _scan_symbolically(step, carry, start, stacks, names, length, reverse)


def _length(stacks: Sequence[Any], length: int | None) -> int:
    heights = {
        len(x) if not isinstance(x, Node) else x.shape[0] for x in stacks if x.shape
    }
    heights |= set() if length is None else {length}
    if len(heights) != 1 or (length or 0) < 0 or any(not x.shape for x in stacks):
        raise ShapeError(
            "scan: how many rows there are is not clear",
            expected="xs of one length, or length=",
            got=shapes.describe_all(stacks) if stacks else f"length={length}, no xs",
        )
    return heights.pop()


def _scan_eagerly(
    step: Any, carry: list, start: _Form, stacks: list, length: int, reverse: bool
) -> tuple[Any, Any]:
    rows = [x.unbind(0) for x in stacks]
    out: list[Any] = [None] * length
    first: _Form | None = None
    order = range(length - 1, -1, -1) if reverse else range(length)
    for k, t in enumerate(order):
        values = [*carry, *(row[t] for row in rows)]
        if k == 0:
            with Guard("scan"):
                carry, y = step(values)
        else:
            carry, y = step(values)
        first = first or y
        if not y.alike(first):
            raise GraphError(
                "scan: y has another structure than in the first round",
                expected=_outline(first),
                got=_outline(y),
            )
        out[t] = _start(y.values)
        _demand_tensors([*carry, *out[t]])
    ys = [_stacked(column) for column in zip(*out)]
    return start.rebuild(carry), y.rebuild(ys)


def _stacked(rows: Sequence[Tensor]) -> Tensor:
    """The rows as one; by way of sqrt(T) blocks, as the derivative looks at all parts."""
    size = math.isqrt(len(rows))
    blocks = [stack(rows[k : k + size]) for k in range(0, len(rows), size)]
    return cat(blocks)


def _scan_symbolically(
    step: Any, carry: list, start: _Form, stacks: list, names: list,
    length: int, reverse: bool,
) -> tuple[Any, Any]:  # fmt: skip
    params = [parameter(x, name) for x, name in zip(carry, names)]
    params += [
        parameter(x, name, rows=True) for x, name in zip(stacks, names[len(carry) :])
    ]
    forms: list[_Form] = []

    def run(values: list, body: Any) -> list:
        new, y = step(values)
        results = [*new, *_start(y.values)]
        forms.append(y.forget())
        return results

    traced = trace_body("scan", params, [*carry, *stacks], [run])
    (results,), hidden = traced.sides, traced.hidden
    n = len(hidden) + len(carry)
    if length == 0 and not _is_symbolic([*carry, *stacks, *traced.captured]):
        ys = [zeros((0, *y.shape), dtype=y.dtype) for y in results[n:]]
        return start.rebuild(carry), forms[0].rebuild(ys)
    op = Loop(
        traced.params, results[:n], results[n:], len(stacks),
        length=length, reverse=reverse,
    )  # fmt: skip
    values = traced.apply(op, [*carry, *stacks])
    return start.rebuild(values[: len(carry)]), forms[0].rebuild(values[len(carry) :])


def foldl(fn: Callable[[Any, Any], Any], elems: Any, initializer: Any) -> Any:
    """Combine the rows of `elems` from the left: `acc = fn(acc, x)` for each.

    >>> import minigrad as mg
    >>> mg.foldl(lambda a, x: a * 2 + x, mg.tensor([1.0, 2.0, 3.0]), 0.0)
    tensor(11.)
    """
    return scan(lambda acc, x: (fn(acc, x), None), initializer, elems)[0]


# --- while_loop --------------------------------------------------------------------------


def while_loop(
    cond: Callable[..., Any],
    body: Callable[..., Any],
    loop_vars: Any,
    max_iterations: int | None = None,
) -> Any:
    """Run `loop_vars = body(*loop_vars)` while `cond(*loop_vars)` is true.

    Returns the loop variables as they are at the end, nested as they came. They keep
    their shapes and dtypes. After `max_iterations` rounds the loop stops, as in
    TensorFlow, whatever `cond` says. On a GPU every round waits until Python has seen what
    `cond` says; `scan` does not wait. Raises `ShapeError`, `DTypeError`, `GraphError`.

        >>> import minigrad as mg
        >>> mg.while_loop(lambda i, s: i < 4, lambda i, s: (i + 1, s + i), (0, 0))
        (tensor(4), tensor(6))
    """
    start = _Form(loop_vars)
    carry = _start(start.values)
    several = isinstance(loop_vars, (list, tuple))
    names = _names(body, loop_vars if several else [loop_vars])

    def call(fn: Callable[..., Any], values: Sequence[Any]) -> Any:
        tree = start.rebuild(values)
        return fn(*tree) if several else fn(tree)

    def step(values: Sequence[Any]) -> list:
        new = call(body, values)
        if several and type(new) is not type(loop_vars):
            if isinstance(new, (list, tuple)):
                new = _like(new, loop_vars)
            elif len(loop_vars) == 1:
                new = _like([new], loop_vars)
        return _fitting("while_loop", start, _Form(new), names, carry)

    if not _is_symbolic(carry):
        try:
            return _while_eagerly(call, cond, step, carry, start, max_iterations)
        except _FoundNode:
            pass

    def run(values: list, body: Any) -> list:
        pred = _check_condition("while_loop", call(cond, values))
        body.refuse_draws()
        return [*step(values), pred]

    params = [parameter(x, name) for x, name in zip(carry, names)]
    traced = trace_body("while_loop", params, carry, [run])
    (nexts,) = traced.sides
    pred = nexts.pop()
    op = Loop(traced.params, nexts, (), pred=pred, limit=max_iterations)
    return start.rebuild(traced.apply(op, carry))


def _like(values: Sequence[Any], form: Any) -> Any:
    """`values` as a list or tuple, whichever `form` is."""
    kind = type(form)
    if len(values) == len(form):
        return unflatten(list(values), (kind, len(form), (None,) * len(form)))
    return list(values)


def _while_eagerly(
    call: Any, cond: Any, step: Any, carry: list, start: _Form, limit: int | None
) -> Any:
    rounds = 0
    while limit is None or rounds < limit:
        with Guard("while_loop") if rounds == 0 else nullcontext():
            pred = _check_condition("while_loop", call(cond, carry))
            _demand_tensors([pred])
            if not pred.item():
                break
            carry = step(carry)
        _demand_tensors(carry)
        rounds += 1
    return start.rebuild(carry)


# --- cond --------------------------------------------------------------------------------


def cond(
    pred: Any,
    true_fn: Callable[..., Any],
    false_fn: Callable[..., Any],
    *operands: Any,
) -> Any:
    """`true_fn(*operands)` if `pred` is true, else `false_fn(*operands)`; one of them runs.

    `pred` is one bool. Both functions must return the same structure of the same shapes
    and dtypes. Raises `GraphError`, `ShapeError`, `DTypeError`.

        >>> import minigrad as mg
        >>> x = mg.tensor(-3.0)
        >>> mg.cond(x > 0, lambda x: x, lambda x: -x, x)
        tensor(3.)
    """
    given = _Form(operands)
    values = _start(given.values)
    if not isinstance(pred, (bool, np.bool_)):
        _check_condition("cond", pred)
    forms: list[_Form] = []

    def side(fn: Callable[..., Any], values: Sequence[Any]) -> tuple[list, _Form]:
        form = _Form(fn(*given.rebuild(values)))
        if True in form.holes or not form.holes:
            raise GraphError(
                "cond: a branch returned None",
                expected="the same structure of values from both",
                got=_outline(form) if form.holes else "nothing",
                remedy="return a value; to do nothing, return the operand",
            )
        return _start(form.values), form

    if MODE.get().trace is None and not isinstance(pred, Node):
        with Guard("cond"):
            results, form = side(true_fn if bool(pred) else false_fn, values)
        return form.rebuild(results)
    pred = _start([pred])[0]

    def then(values: list, body: Any) -> list:
        results, form = side(true_fn, values)
        forms.append(form)
        return results

    def otherwise(values: list, body: Any) -> list:
        others, other = side(false_fn, values)
        _check_sides(forms[0], other, others)
        forms[0].forget()
        return others

    params = [parameter(x, name_of(x, "")) for x in values]
    traced = trace_body("cond", params, [pred, *values], [then, otherwise])
    op = Branch(traced.params, *traced.sides)
    return forms[0].rebuild(traced.apply(op, values, pred))


def _check_sides(form: _Form, other: _Form, others: list) -> None:
    if not form.alike(other):
        raise GraphError(
            "cond: the branches return different structures",
            expected=f"{_outline(form)}, as true_fn",
            got=f"{_outline(other)} from false_fn",
        )
    for i, (a, b) in enumerate(zip(_start(form.values), others)):
        for what, x, y, kind in (
            ("shapes", tuple(a.shape), tuple(b.shape), ShapeError),
            ("dtypes", a.dtype, b.dtype, DTypeError),
        ):
            if x != y:
                raise kind(
                    f"cond: the branches return different {what}",
                    expected=f"{x} for result {i}, as true_fn",
                    got=f"{y} from false_fn",
                )


def stop_gradient(x: Any) -> Any:
    """The value of `x`, a Tensor or Node, through which no gradient flows."""
    return control.stop_gradient(x) if isinstance(x, Node) else x.detach()
