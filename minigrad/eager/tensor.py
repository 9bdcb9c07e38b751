"""Tensor: define by run. Every operation computes now and leaves its record on the tape.

A Tensor is a thin handle: the array to show, the `Cell` that owns the memory, how it is a
view of another Tensor (or that it is not), and its place on the tape. While a trace runs
the same code moves Nodes instead of arrays; the engine does not change.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import signature
from operator import attrgetter
from typing import Any

import numpy as np

from minigrad.backend import (
    DEVICE_ARRAYS,
    Array,
    as_array,
    as_result,
    device_mismatch,
    device_of,
    module_of,
    moved,
    on_device,
    on_one_device,
)
from minigrad.eager.cell import (
    Cell,
    InferenceCell,
    View,
    journal,
    parent_of,
    set_data,
)
from minigrad.eager.stamp import stamp
from minigrad.eager.tape import LEAF, Record, run_backward
from minigrad.errors import (
    ArgumentError,
    DTypeError,
    GradError,
    IndexingError,
    MinigradError,
    ShapeError,
    name_of,
    user_origin,
)
from minigrad.lessons import explain_missing_grad
from minigrad.methods import Methods
from minigrad.ops import elementwise, shapes
from minigrad.ops.movement import is_view
from minigrad.ops.op import INPUT_NAMES, MODE, TABLE, Mode, Op, Plan, Value, mode
from minigrad.reading import Readable


class Tensor(Readable):
    """A multi-dimensional array that can remember how it was made.

    `Tensor` is what `mg.tensor(data)`, `mg.randn(...)` and every op on Tensors return.

        >>> import minigrad as mg
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """

    __slots__ = (
        "array", "cell", "record", "view_of", "version", "_grad", "hooks",
        "__weakref__",
    )  # fmt: skip
    _priority = 1
    parents = ()  # a leaf is where the sweep ends
    seq = -1

    array: Any
    cell: Cell
    record: Any
    view_of: View | None
    version: int  # of the cell, when a view's record was taken
    hooks: dict  # unset until there is one
    register_hook: Callable[..., Any]  # from autograd/hooks.py, like the next two
    retain_grad: Callable[[Tensor], None]
    retains_grad: Any

    @classmethod
    def apply(cls, op: Op, args: tuple, attrs: dict) -> Tensor:
        """Run `op` on Tensors, arrays and numbers, at least one of them a Tensor."""
        fast = op.fast.get(Tensor)
        if fast is not None and isinstance(args[0], Tensor):  # a Parameter, say
            return fast(*args, **attrs)
        return cls.apply_general(op, args, attrs)

    @classmethod
    def apply_general(cls, op: Op, args: tuple, attrs: dict) -> Tensor:
        """What `apply` does for any op and any operands; see eager/stamp.py."""
        state = MODE.get()
        if state.watch is not None and state.trace is None:
            return state.watch.execute(op, cls.apply, op, args, attrs)
        if DEVICE_ARRAYS and state.trace is None:
            args = on_one_device(op, args)
        if op.view:
            return _apply_view(op, args[0], attrs, state)
        inputs, y = compute(op, args, attrs, state)
        t = _settled(wrap(y), state)
        if state.grad:
            t.record = track(op, args, inputs, y, t, attrs)
        return t

    # --- what it is ----------------------------------------------------------------------
    # In C: they are read several times in every op.
    shape = property(attrgetter("array.shape"))
    dtype = property(attrgetter("array.dtype"))
    ndim = property(attrgetter("array.ndim"))

    @property
    def requires_grad(self) -> bool:
        return parent_of(self) is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        return type(parent_of(self)) is not Record

    @property
    def grad_fn(self) -> Record | None:
        """The record that made this Tensor, None for a leaf."""
        record = parent_of(self)
        return record if type(record) is Record else None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward()` has added up here; None before the first."""
        trace = MODE.get().trace
        if trace is not None:
            trace.saw_grad(self)
        if self._grad is None:
            explain_missing_grad(self)
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and value.shape != self.shape:
            raise ShapeError(
                "the gradient must have its tensor's shape",
                expected=str(self.shape),
                got=str(value.shape),
            )
        journal(self)
        self._grad = value

    data = property(
        lambda t: t.detach(), set_data, doc="The same storage off the tape."
    )

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Make this leaf want a gradient (or not)."""
        if requires_grad and self.dtype.kind != "f":
            raise GradError(
                "only floats can require a gradient",
                expected="a float dtype",
                got=f"{name_of(self, 'the tensor')} {self.dtype}",
                remedy="x.float().requires_grad_()",
            )
        if not self.is_leaf:
            if requires_grad:
                return self
            raise GradError(
                "requires_grad cannot be switched off for a tensor made by an op",
                remedy="use x.detach()",
            )
        if requires_grad:
            self.cell.version  # noqa: B018 - raises for what inference_mode made
        journal(self)
        self.record = LEAF if requires_grad else None
        return self

    # --- the tape ------------------------------------------------------------------------
    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add d(self)/d(leaf) to the `.grad` of every leaf this was computed from.

        `self` must have one element unless `gradient`, its cotangent, is given. Values
        the tape saved are freed unless `retain_graph`; with `create_graph` the gradients
        can be differentiated again. Raises `GradError`.
        """
        MODE.get().tell("check_backward")
        found = grad_of([self], [gradient], retain_graph, create_graph)
        for leaf, (g, owned) in found.items():
            _accumulate(leaf, g, owned, create_graph)

    def detach(self) -> Tensor:
        """The same storage without the tape: changes are shared, gradients are not."""
        view = self.view_of
        if view is not None:
            view = View(view.base.detach(), view.op, view.attrs, True)
        return _handle(self.array, self.cell, None, view)

    def revived(self, value: Any, cell: Cell | None, record: Any) -> Tensor:
        """A saved value as a Tensor again, in its old place on the tape."""
        t = wrap(value)
        if cell is not None and not isinstance(value, Value):
            t.cell = cell
        t.record = record
        return t

    def clone(self) -> Tensor:
        """A copy with its own storage, still on the tape."""
        return elementwise.cast(self, dtype=self.dtype)


# --- making handles ----------------------------------------------------------------------


def _handle(array: Any, cell: Cell, record: Any, view_of: View | None) -> Tensor:
    t = object.__new__(Tensor)
    t.array = array
    t.cell = cell
    t.record = record
    t.view_of = view_of
    t.version = cell.written
    t._grad = None
    return t


def wrap(value: Any) -> Tensor:
    """A Tensor with storage of its own for what an op has just made."""
    if isinstance(value, Value):
        return MODE.get().trace.born(value)
    # ufuncs give NumPy scalars for 0-d results
    array = value if type(value) is Array else as_array(value)
    return _handle(array, Cell.of(array), None, None)


def _settled(t: Tensor, state: Mode) -> Tensor:
    """`t`, just made; under inference_mode it will never be of use to the tape."""
    if state.grad is None and state.trace is None:
        t.cell.__class__ = InferenceCell
    return t


def from_array(array: Any, requires_grad: bool = False) -> Tensor:
    """A leaf around `array`, sharing its memory; inside a trace, a constant of it."""
    state = MODE.get()
    t = _settled(wrap(array), state)
    if requires_grad:
        t.requires_grad_()
    state.tell("adopt", t)
    return t


# --- running an op -----------------------------------------------------------------------


def compute(op: Op, args: tuple, attrs: dict, state: Mode) -> tuple[tuple, Any]:
    """The operands as the op took them, and its result: arrays, or Nodes in a trace."""
    if state.trace is not None:
        y = op(*map(state.trace.value_of, args), **attrs)
        return y.inputs, y
    values: tuple = tuple(map(_array_of, args))
    if op.kind == "elementwise":
        values = shapes.cast_operands(op, values, _cast_value)
    if DEVICE_ARRAYS and any(map(on_device, values)):
        # Numbers go into a launch as NumPy's scalars.
        values = tuple([v[()] if type(v) is Array else v for v in values])
    try:
        y = op.fn(*values, **attrs)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise explained(op, args, attrs, error) from None
    if type(y) is not Array:
        y = as_result(y)
    elif not y.flags.c_contiguous:
        y = y.copy(order="C")  # whether a reshape is a view may not depend on luck
    return values, y


def explained(op: Op, args: tuple, attrs: dict, error: Exception) -> Exception:
    """NumPy refused: the shape rule's own error if it has one, else a typed one."""
    op.infer(op, args, attrs)
    if isinstance(error, MinigradError):
        return error
    kind = {TypeError: DTypeError, IndexError: IndexingError}.get(type(error))
    return (kind or ArgumentError)(f"{op.name}: {error}")


def _array_of(arg: Any) -> Any:
    if isinstance(arg, Tensor):
        return arg.array
    if isinstance(arg, (float, int, np.ndarray, np.generic)) or on_device(arg):
        return arg
    raise DTypeError(
        "this is neither a tensor nor a number",
        expected="a Tensor, a NumPy array or a Python number",
        got=type(arg).__name__,
        remedy="mg.tensor(...) makes one from lists",
    )


def _cast_value(value: Any, dtype: np.dtype) -> Any:
    if shapes.is_number(value):
        return shapes.cast_number(value, dtype)
    return value.astype(dtype)


def _apply_view(op: Op, a: Tensor, attrs: dict, state: Mode) -> Tensor:
    """A view where the memory allows it; reshape copies where it must."""
    try:
        array = op.fn(a.array, **attrs)
    except (ValueError, TypeError, IndexError) as error:
        raise explained(op, (a,), attrs, error) from None
    if is_view(array, a.array):
        t = _handle(array, a.cell, None, View(a, op, attrs, bool(state.grad)))
    else:
        if state.trace is not None:
            array = op(state.trace.value_of(a), **attrs)
        t = _settled(wrap(array), state)
    if state.grad and parent_of(a) is not None:
        t.record = track(op, (a,), (a.array,), None, t, attrs)
        if state.trace is not None and t.record is not None:
            t.record.origin = user_origin()
    return t


def track(
    op: Op, args: tuple, inputs: tuple, y: Any, out: Tensor, attrs: dict
) -> Record | None:
    """The record of one op, if anything it was fed needs a gradient."""
    parents: list[Any] = []
    for i, arg in enumerate(args):
        tracked = isinstance(arg, Tensor) and op.rule(i) is not None
        parents.append(parent_of(arg) if tracked else None)
    wanted = tuple([p is not None for p in parents])
    if True not in wanted or out.dtype.kind != "f":
        return None
    plan = op.plan(wanted)
    saved = (*plan.pick(inputs, y), *_guards(plan, args, out))
    record = Record.of(plan, tuple(parents), saved, attrs, out.shape, out.dtype)
    if isinstance(y, Value):
        record.origin = y.origin  # type: ignore[attr-defined]
    return record


def _guards(plan: Plan, args: tuple, out: Tensor) -> list:
    """A cell and a version for every saved value, None where nobody can write it."""
    held = {"y": (out,), "rest": args[plan.op.named :]}
    held.update((name, (arg,)) for name, arg in zip(INPUT_NAMES, args))
    kept = [arg for name in plan.names for arg in held.get(name, ())]
    cells = [arg.cell if isinstance(arg, Tensor) else None for arg in kept]
    return [part for cell in cells for part in (cell, cell.version if cell else 0)]


# --- gradients ---------------------------------------------------------------------------


def grad_of(
    outputs: list[Tensor],
    gradients: list[Any],
    retain_graph: bool | None = None,
    create_graph: bool = False,
    targets: set | None = None,
) -> dict:
    """Run the sweep from `outputs`; the cotangents that arrive, by leaf or target."""
    seeds = []
    for output, gradient in zip(outputs, gradients, strict=True):
        element = parent_of(output)
        if element is None:
            raise GradError(
                "backward: nothing here requires a gradient",
                expected="a tensor computed from one with requires_grad=True",
                got=f"{name_of(output, 'the tensor')} {output.shape}",
                remedy="create the weights with requires_grad=True",
            )
        seeds.append((element, _seed(output, gradient, create_graph)))
    retain = create_graph if retain_graph is None else retain_graph
    return run_backward(seeds, retain, create_graph, targets)


def _seed(output: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The cotangent to start with: given, or 1 for a scalar; as the rules are to be fed."""
    array, trace = output.array, MODE.get().trace
    if isinstance(gradient, Tensor):
        seed = gradient
    elif gradient is not None:
        seed = moved(as_array(gradient), device_of(array))
    elif array.size == 1:
        seed = module_of(array).array(1, array.dtype).reshape(array.shape)
    else:
        raise GradError(
            "backward: the gradient of something that is not a scalar",
            expected="a tensor with one element, such as a loss",
            got=f"{name_of(output, 'the tensor')} {output.shape}",
            remedy="reduce it first, as in .sum(), or pass gradient=",
        )
    if tuple(seed.shape) != array.shape:
        raise ShapeError(
            "backward: the gradient passed in has another shape",
            expected=str(array.shape),
            got=str(tuple(seed.shape)),
        )
    if not isinstance(seed, Tensor):
        if trace is None and not create_graph:
            return seed
        seed = from_array(seed)
    elif trace is None and device_of(seed.array) != device_of(array):
        raise device_mismatch("backward", (output, seed))
    if create_graph:
        return seed
    return seed.array if trace is None else trace.value_of(seed)


def _accumulate(leaf: Tensor, g: Any, owned: bool, create_graph: bool) -> None:
    """What `backward` leaves in `.grad`: the sum of all that came since it was None."""
    trace = MODE.get().trace
    if trace is not None:
        trace.saw_grad(leaf)
        trace.journal(leaf)
    before = leaf._grad
    if before is not None:
        if create_graph:
            leaf._grad = before + g
        else:
            with mode(grad=False):
                before.add_(wrap(g))
    elif isinstance(g, Value):
        leaf._grad = g if isinstance(g, Tensor) else wrap(g)
    else:
        # Memory that an op or another leaf also holds is copied, ours is kept.
        here = type(g) is type(leaf.array)
        array = g if here else moved(as_array(g), device_of(leaf.array))
        ours = owned and array.flags.c_contiguous
        leaf._grad = wrap(array if ours else array.copy(order="C"))


# --- the fast path -----------------------------------------------------------------------


def _worth_stamping(op: Op) -> bool:
    """One or two arrays in, memory of its own out, and no say in the dtype."""
    kinds = ("elementwise", "reduce", "contraction")
    return 0 < op.named <= 2 and op.kind in kinds and op.dtype not in ("given", "first")


def _takes_attrs(op: Op) -> bool:
    """Has its function more parameters than the arrays and `out`?"""
    ufunc = isinstance(op.fn, np.ufunc)
    return not ufunc and len(signature(op.fn).parameters) > op.named + 1


def _first_run(op: Op, *args: Any, **attrs: Any) -> Tensor:
    """Stamp the op's method and run it: to stamp them all is a quarter of the import."""
    fast = op.fast[Tensor] = stamp(op, Tensor, Tensor.apply_general, _takes_attrs(op))
    for name in [n for n, m in vars(Methods).items() if getattr(m, "op", None) is op]:
        setattr(Tensor, name, fast)
    return fast(*args, **attrs)


for _op in filter(_worth_stamping, TABLE.values()):
    _op.fast[Tensor] = partial(_first_run, _op)
