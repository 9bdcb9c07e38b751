"""Functions with a derivative of one's own: subclasses of `Function`.

Such a function is one record on the tape. Its rule is the class's `backward`, which is
handed Tensors: off the tape for first derivatives, on it when they are to be
differentiated again, so that a `backward` made of differentiable operations has
derivatives of every order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from minigrad.autograd.hooks import raw
from minigrad.backend import moved
from minigrad.eager.cell import check_rebase, journal, parent_of, rebase, views_of
from minigrad.eager.tape import Record
from minigrad.eager.tensor import Tensor, wrap
from minigrad.errors import (
    ArgumentError,
    DTypeError,
    GradError,
    GraphError,
    ShapeError,
    user_origin,
)
from minigrad.functions import cat
from minigrad.ops.op import MODE, Plan, Value, mode


class FunctionCtx:
    """What one call of a Function leaves for its `backward`; other attributes are free."""

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._saved: tuple = ()
        self._dirty: tuple = ()
        self._fixed: tuple = ()
        self._materialize = True
        self._y: Tensor | None = (
            None  # what the outputs are read from, during a backward
        )
        self.outputs: list[_Output] = []

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or values in between; overwriting them is noticed."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple:
        """What `save_for_backward` was given."""
        return tuple(self._revived(t) for t in self._saved)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs `forward` has written in place; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no derivative."""
        self._fixed = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """With False, `backward` is handed None for outputs without a derivative."""
        self._materialize = value

    def _revived(self, saved: Any) -> Any:
        """A saved output is taken from the record's own copy of it: no cycles."""
        if not isinstance(saved, _Output):
            return saved
        assert self._y is not None
        return saved.read(self._y, len(self.outputs) > 1)


class _Output:
    """Where an output lies in the flat value that stands for all of them."""

    def __init__(self, t: Tensor, start: int | None) -> None:
        self.shape, self.dtype, self.start = t.shape, t.dtype, start

    def read(self, flat: Tensor, many: bool) -> Tensor:
        if not many:
            return flat
        assert self.start is not None
        part = flat[self.start : self.start + math.prod(self.shape)]
        return part.reshape(self.shape).to(self.dtype)


class _UserOp:
    """What a record shows as its op."""

    kind, view = "user", False

    def __init__(self, name: str) -> None:
        self.name = name


class Function:
    """The base of functions that bring their own derivative.

    `forward(ctx, *args)` computes, without a tape; `backward(ctx, *gradients)` returns a
    gradient, or None, for each argument of `forward`. Call it as `MyFunction.apply(...)`.
    With `setup_context(ctx, inputs, output)` defined, `forward` takes no `ctx`.

        >>> import minigrad as mg
        >>> class Cube(mg.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x * x
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         (x,) = ctx.saved_tensors
        ...         return 3 * x * x * g
        >>> x = mg.tensor(2.0, requires_grad=True)
        >>> Cube.apply(x).backward()
        >>> x.grad
        tensor(12.)
    """

    def __init__(self) -> None:
        raise TypeError(
            f"{type(self).__name__} is not instantiated: its methods are static, and it "
            f"is called as {type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any) -> Any:
        raise NotImplementedError("a Function needs a static method forward(ctx, ...)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise NotImplementedError("a Function needs a static method backward(ctx, ...)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run `forward` and put the call on the tape."""
        if any(isinstance(x, Value) and not isinstance(x, Tensor) for x in args):
            raise GraphError(
                f"{cls.__name__}: a Function cannot be applied to a node",
                expected="Tensors",
                remedy="write the step on tensors and compile it with mg.jit",
            )
        inputs = [x for x in args if isinstance(x, Tensor)]
        parents = tuple(parent_of(x) if isinstance(x, Tensor) else None for x in args)
        olds = [[parent_of(view.base) for view in views_of(x)] for x in inputs]
        versions = [x.cell.written for x in inputs]
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(p is not None for p in parents)
        with mode(grad=False):
            output = cls._run(ctx, args)
        if not MODE.get().grad or not any(ctx.needs_input_grad):
            return output
        _check_dirty(cls, ctx, output, inputs, versions)
        outputs = list(output) if isinstance(output, tuple) else [output]
        _record(cls, ctx, outputs, inputs, parents, olds)
        return tuple(outputs) if isinstance(output, tuple) else outputs[0]

    @classmethod
    def _run(cls, ctx: FunctionCtx, args: tuple) -> Any:
        if cls.setup_context is Function.setup_context:
            return cls.forward(ctx, *args)
        output = cls.forward(*args)
        cls.setup_context(ctx, args, output)
        return output


def _is(t: Any, tensors: Sequence[Any]) -> bool:
    return any(t is other for other in tensors)


def _check_dirty(
    cls: type, ctx: FunctionCtx, output: Any, inputs: list, versions: list
) -> None:
    returned = output if isinstance(output, tuple) else (output,)
    for x, version in zip(inputs, versions, strict=True):
        if x.cell.written != version and not _is(x, ctx._dirty) and x.requires_grad:
            raise GradError(
                f"{cls.__name__}: forward wrote an input in place and did not say so",
                remedy="call ctx.mark_dirty(x), and return x",
            )
    for x in ctx._dirty:
        if not _is(x, returned):
            raise GradError(
                f"{cls.__name__}: a tensor marked dirty must be returned",
                remedy="return what was written in place",
            )
        if _is(x, inputs):
            check_rebase(x, cls.__name__, "")


def _record(
    cls: type, ctx: FunctionCtx, outputs: list, inputs: list, parents: tuple, olds: list
) -> None:
    """Put a call on the tape; `outputs` become the tensors to return."""
    chosen = [
        i
        for i, t in enumerate(outputs)
        if isinstance(t, Tensor) and t.dtype.kind == "f" and not _is(t, ctx._fixed)
    ]
    if not chosen:
        return
    given = list(outputs)
    for i in chosen:
        t = outputs[i]
        if not _is(t, ctx._dirty) and (t.record is not None or _is(t, inputs)):
            with mode(grad=False):  # an input as it is: a view that may not be written
                outputs[i] = t[...]
    flat = _flat(ctx, outputs, chosen)
    saved = tuple(_marked(ctx, t, given) for t in ctx._saved)
    record = _make(cls, ctx, saved, flat, parents)
    ctx._saved = saved
    flat_record = flat.record
    flat.record = record
    for i in chosen:
        t = outputs[i]
        with mode(grad=True):
            piece = ctx.outputs[i].read(flat, len(outputs) > 1).record
        if _is(t, ctx._dirty):
            k = next(k for k, x in enumerate(inputs) if x is t)
            flat.record = flat_record if flat is t else record
            rebase(t, views_of(t), olds[k], piece)
        else:
            journal(t)
            t.record = piece


def _flat(ctx: FunctionCtx, outputs: list, chosen: list[int]) -> Tensor:
    """One value for all outputs: the tape's ops have one output each."""
    tensors = [outputs[i] for i in chosen]
    start = 0
    for i, t in enumerate(outputs):
        at = start if i in chosen else None
        ctx.outputs.append(_Output(t, at) if isinstance(t, Tensor) else t)
        start += t.numel() if i in chosen else 0
    if len(outputs) == 1:
        return tensors[0]
    dtype = functools.reduce(np.promote_types, [t.dtype for t in tensors])
    with mode(grad=False):
        return cat([t.reshape(-1).to(dtype) for t in tensors])


def _marked(ctx: FunctionCtx, t: Any, given: list) -> Any:
    """A saved tensor, or the place of the output that it is."""
    place = next((i for i, other in enumerate(given) if other is t), None)
    if place is None or t is None:
        return t
    out = ctx.outputs[place]
    return out if out.start is not None else t


def _make(
    cls: type, ctx: FunctionCtx, saved: tuple, flat: Tensor, parents: tuple
) -> Record:
    guards: list[Any] = []
    values: tuple = (ctx,)
    names: tuple[str, ...] = ("ctx",)
    if any(isinstance(t, _Output) for t in saved):
        guards += flat.cell, flat.cell.version
        trace = MODE.get().trace
        y = flat.array if trace is None else trace.value_of(flat)
        values, names = (ctx, y), ("ctx", "y")
    for t in saved:
        if isinstance(t, Tensor):
            guards += t.cell, t.cell.version
    plan = Plan(_UserOp(cls.__name__), names, None, _pull(cls, parents, "y" in names))  # type: ignore[arg-type]
    record = Record.of(plan, parents, (*values, *guards), {}, flat.shape, flat.dtype)
    record.origin = user_origin()
    return record


def _pull(cls: Any, parents: tuple, shows_y: bool) -> Callable[..., Any]:
    """The rule: from the cotangent of all outputs to one for each argument."""
    shapes = [None if p is None else tuple(p.shape) for p in parents]

    def pull(g: Any, saved: tuple, attrs: dict) -> tuple:
        ctx = saved[0]
        shown = g if isinstance(g, Tensor) else wrap(g)
        if shows_y:
            y = saved[1]
            ctx._y = y if isinstance(y, Tensor) else wrap(y)
        try:
            result = cls.backward(ctx, *_cotangents(ctx, shown))
        finally:
            ctx._y = None
        results = result if isinstance(result, tuple) else (result,)
        checked = _checked(cls.__name__, results, shapes)
        if isinstance(g, Tensor):
            return checked
        return tuple(None if t is None else raw(t) for t in checked)

    return pull


def _cotangents(ctx: FunctionCtx, g: Tensor) -> list:
    found: list[Any] = []
    for out in ctx.outputs:
        if not isinstance(out, _Output):
            found.append(None)
        elif out.start is not None:
            found.append(out.read(g, len(ctx.outputs) > 1))
        elif ctx._materialize:
            zeros = np.zeros(out.shape, out.dtype)
            found.append(wrap(moved(zeros, g.device)))
        else:
            found.append(None)
    return found


def _checked(name: str, results: tuple, shapes: list) -> tuple:
    extra = results[len(shapes) :]
    if len(results) < len(shapes) or any(t is not None for t in extra):
        raise ArgumentError(
            f"{name}: backward returned a wrong number of gradients",
            expected=f"{len(shapes)}, one for each argument of forward (or None)",
            got=str(len(results)),
        )
    checked: list[Tensor | None] = []
    for i, (t, shape) in enumerate(zip(results, shapes)):
        if shape is None or t is None:
            checked.append(None)
            continue
        if not isinstance(t, Tensor):
            raise DTypeError(
                f"{name}: backward returned something that is not a tensor",
                expected=f"a Tensor {shape} for argument {i}, or None",
                got=type(t).__name__,
            )
        if not _sums_to(t.shape, shape):
            raise ShapeError(
                f"{name}: backward returned a gradient of another shape",
                expected=f"{shape} for argument {i}",
                got=str(t.shape),
            )
        checked.append(t)
    return tuple(checked)


def _sums_to(given: tuple, shape: tuple) -> bool:
    """Can `shape` be broadcast to `given`, so that a sum undoes it?"""
    tail = given[len(given) - len(shape) :]
    return len(given) >= len(shape) and all(n in (1, m) for m, n in zip(tail, shape))


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """For a `backward` that is no differentiable expression: a second derivative raises."""

    @functools.wraps(fn)
    def backward(ctx: FunctionCtx, *gradients: Any) -> Any:
        with mode(grad=False):
            result = fn(ctx, *gradients)
        if not MODE.get().grad:
            return result
        tensors = (t for t in (*gradients, *ctx.saved_tensors) if isinstance(t, Tensor))
        parents = tuple(p for p in map(parent_of, tensors) if p is not None)
        if not parents:
            return result
        results = result if isinstance(result, tuple) else (result,)
        return tuple(_barred(t, parents) for t in results)

    return backward


def _barred(t: Any, parents: tuple) -> Any:
    if isinstance(t, Tensor):
        t = t.detach()
        t.record = Record.of(_ONCE, parents, (), {}, t.shape, t.dtype)
    return t


def _refuse(g: Any, saved: tuple, attrs: dict) -> NoReturn:
    raise GradError(
        "backward: a second time through a function marked once_differentiable",
        remedy="write its backward with differentiable operations and take the mark off",
    )


_ONCE = Plan(_UserOp("Error"), (), None, _refuse)  # type: ignore[arg-type]
