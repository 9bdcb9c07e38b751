"""Writing in place: `w -= lr * w.grad`, `y[0].mul_(3)`, `x[mask] = 0`.

Each twin with an underscore computes what its op computes and hands it to the one `write`.
What the tape needs of the old values is set aside before they go.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.backend import DEVICE_ARRAYS
from minigrad.eager.cell import check_writable, parent_of, write
from minigrad.eager.devices import on_one_device
from minigrad.eager.tape import Record
from minigrad.eager.tensor import Tensor, compute, track
from minigrad.errors import DTypeError, ShapeError, name_of, user_origin
from minigrad.methods import Methods, split_key
from minigrad.ops import elementwise, formulas, shapes
from minigrad.ops.indexing import index_put
from minigrad.ops.op import INPUT_NAMES, MODE, TABLE, Op, Value


def inplace(op: Op, target: Tensor, *others: Any, **attrs: Any) -> Tensor:
    """`target` becomes `op(target, *others)`, in its own memory, seen by all its views."""
    state = grad, trace, watch = MODE.get()
    if watch is not None and trace is None:
        return watch.execute(op, inplace, op, target, *others, **attrs)
    args = (target, *others)
    if DEVICE_ARRAYS:
        check_writable(target, op.name)  # a device would write what NumPy refuses
        args = on_one_device(op, args, state, inplace=True)
        others = args[1:]
    off_tape = not grad or (target.view_of is None and not any(map(_is_tracked, args)))
    if trace is None and off_tape and _at_once(op, target, others, attrs):
        return target
    check_writable(target, op.name)
    inputs, y = compute(op, args, attrs, state)
    _check_fits(op.name, target, y)
    record = track(op, args, inputs, y, target, attrs) if state.grad else None
    if record is not None:
        _save_aside(record, target, args)
    write(target, y, record)
    if record is not None and "y" in record.plan.names:
        _save_written(record, target, y)
    return target


def _is_tracked(arg: Any) -> bool:
    return isinstance(arg, Tensor) and parent_of(arg) is not None


def _at_once(op: Op, target: Tensor, others: tuple, attrs: dict) -> bool:
    """Let NumPy write into the target at once, if nothing has to be cast or explained."""
    array, fn, takes_any = target.array, op.fn, op.dtype == "first"  # copy and fill
    floats = array.dtype.kind == "f"
    if not (
        takes_any or (isinstance(fn, np.ufunc) and (floats or op.dtype != "float"))
    ):
        return False
    operands = [array]
    for x in others:
        if isinstance(x, Tensor):
            x = x.array
        if type(x) is type(array):
            fits = x.dtype is array.dtype
        else:
            fits = floats and (type(x) is float or type(x) is int)
        if not (fits or takes_any):
            return False
        operands.append(x)
    version = target.cell.version + 1
    try:
        fn(*operands, out=array, **attrs)
    except (ValueError, TypeError, OverflowError):
        return False
    target.cell.version = version
    target.cell.writer = user_origin()
    return True


def _check_fits(name: str, target: Tensor, y: Any) -> None:
    if tuple(y.shape) != target.shape:
        raise ShapeError(
            f"{name}_: the result would have another shape",
            expected=f"{name_of(target, 'the tensor')} {target.shape}",
            got=str(tuple(y.shape)),
            remedy=f"x = x.{name}(...) makes a new tensor",
        )
    if shapes.category(y.dtype) > shapes.category(target.dtype):
        raise DTypeError(
            f"{name}_: the result would have another dtype",
            expected=f"{name_of(target, 'the tensor')} {target.dtype}",
            got=str(y.dtype),
            remedy=f"x = x.{name}(...) makes a new tensor; or cast x first",
        )


def _save_aside(record: Record, target: Tensor, args: tuple) -> None:
    """Keep copies of the operands that the write is about to change."""
    saved, guards = list(record.saved), list(record.guards)
    at = 0
    for i, name in enumerate(record.plan.names):
        if name in INPUT_NAMES:
            arg = args[INPUT_NAMES.index(name)]
            if isinstance(arg, Tensor) and arg.cell is target.cell:
                if not isinstance(saved[i], Value):  # a Node cannot be overwritten
                    saved[i] = saved[i].copy()
                guards[at : at + 2] = None, 0
        if name == "y" or name in INPUT_NAMES:
            at += 2
    record.saved, record.guards = tuple(saved), tuple(guards)


def _save_written(record: Record, target: Tensor, y: Any) -> None:
    """A rule that names the output keeps what now stands in memory, at its version."""
    at = [n for n in record.plan.names if n == "y" or n in INPUT_NAMES].index("y")
    guards = list(record.guards)
    guards[2 * at + 1] = target.cell.version
    record.guards = tuple(guards)
    if not isinstance(y, Value):
        saved = list(record.saved)
        saved[record.plan.names.index("y")] = target.array
        record.saved = tuple(saved)


def twin(name: str) -> Any:
    """The method `name` in place: its op's own write, or the result copied over."""
    op, method = TABLE.get(name), getattr(Tensor, name)

    def write_result(self: Tensor, *others: Any, **options: Any) -> Tensor:
        if op is not None and not options and len(others) == op.named - 1:
            return inplace(op, self, *others)
        check_writable(self, name)
        state, given = MODE.get(), (self, *others, *options.values())
        # What the tape saves of the old values must not be overwritten.
        recording = state.grad and any(map(_is_tracked, given))
        y = method(self.clone() if recording else self, *others, **options)
        _check_fits(name, self, y)
        y = y.to(self.dtype)
        value = y.array if state.trace is None else state.trace.value_of(y)
        write(self, value, parent_of(y))
        return self

    write_result.__name__, write_result.__doc__ = f"{name}_", f"In place: {name}."
    return write_result


def assign(op: Op) -> Any:
    """The operator that assigns: `w -= lr * w.grad`."""
    return lambda self, other: inplace(op, self, other)


def copy_(self: Tensor, other: Any) -> Tensor:
    """Overwrite with `other`, which is broadcast and cast."""
    return inplace(elementwise.copy, self, other)


def fill_(self: Tensor, value: float) -> Tensor:
    """Overwrite with one number."""
    return inplace(elementwise.fill, self, value=value)


def zero_(self: Tensor) -> Tensor:
    """Overwrite with zeros."""
    return inplace(elementwise.fill, self, value=0)


def __setitem__(self: Tensor, key: Any, value: Any) -> None:
    parts, arrays = split_key(key)
    if arrays:
        if isinstance(value, Tensor):
            shapes.demand_one_dtype("index_put", self, value)
        inplace(index_put, self, value, *arrays, key=parts)
    else:
        part = self[key]
        extra = getattr(value, "ndim", 0) - part.ndim
        if extra > 0 and set(value.shape[:extra]) == {1}:  # as NumPy and PyTorch do
            value = value.reshape(value.shape[extra:])
        inplace(elementwise.copy, part, value)


OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow",
    "floordiv": "floor_divide", "mod": "remainder",
    "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}  # fmt: skip
for _name in (*vars(elementwise), *vars(formulas)):
    if hasattr(Methods, _name) and _name[0] != "_":
        setattr(Tensor, f"{_name}_", twin(_name))
for _method in (copy_, fill_, zero_, __setitem__):
    setattr(Tensor, _method.__name__, _method)
for _operator, _name in OPERATORS.items():
    setattr(Tensor, f"__i{_operator}__", assign(TABLE[_name]))
