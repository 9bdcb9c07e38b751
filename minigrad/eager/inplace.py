"""Writing in place: `w -= lr * w.grad`, `y[0].mul_(3)`, `x[mask] = 0`.

Each twin with an underscore computes what its op computes and hands it to the one `write`.
What the tape needs of the old values is set aside before they go.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from minigrad import formulas
from minigrad.backend import DEVICE_ARRAYS, is_writable, on_one_device
from minigrad.eager.cell import check_writable, parent_of, write
from minigrad.eager.stamp import stamp_inplace
from minigrad.eager.tensor import Tensor, compute, track
from minigrad.errors import DTypeError, ShapeError, name_of, user_origin
from minigrad.methods import Methods, split_key
from minigrad.ops import elementwise, shapes
from minigrad.ops.indexing import index_put
from minigrad.ops.op import INPUT_NAMES, MODE, TABLE, Op


def inplace(op: Op, target: Tensor, *others: Any, **attrs: Any) -> Tensor:
    """`target` becomes `op(target, *others)`, in its own memory, seen by all its views."""
    state = grad, trace, watch = MODE.get()
    if watch is not None and trace is None:
        return watch.execute(op, inplace, op, target, *others, **attrs)
    args = (target, *others)
    if DEVICE_ARRAYS:
        check_writable(target, op.name)  # a device would write what NumPy refuses
        if trace is None:
            args = on_one_device(op, args, inplace=True)
    tape = grad and (target.view_of is not None or any(map(_is_tracked, args)))
    if trace is None and not tape and _overwritten(op, target, args[1:], attrs):
        return target
    check_writable(target, op.name)
    if tape:
        saved = not {*INPUT_NAMES}.isdisjoint(op.plan((True,) * len(args)).names)
        args = tuple([_aside(x, target, saved) for x in args])
    inputs, y = compute(op, args, attrs, state)
    _check_fits(op.name, target, y)

    shown = target.array if trace is None else y
    write(target, y, lambda: track(op, args, inputs, shown, target, attrs))
    return target


def _is_tracked(arg: Any) -> bool:
    return isinstance(arg, Tensor) and parent_of(arg) is not None


def _aside(arg: Any, target: Tensor, saved: bool) -> Any:
    """An operand that the write is about to change as it is now, for the tape."""
    if not isinstance(arg, Tensor) or arg.cell is not target.cell:
        return arg
    trace = MODE.get().trace
    value = arg.array if trace is None else trace.value_of(arg)
    value = value.copy() if saved and trace is None else value
    return arg.revived(value, None, parent_of(arg))


def _overwritten(op: Op, target: Tensor, others: tuple, attrs: dict) -> bool:
    """Let NumPy write what `copy` and `fill` are given, if nothing has to be explained."""
    if op.dtype != "first" or not is_writable(target.array):
        return False
    operands = [x.array if isinstance(x, Tensor) else x for x in others]
    version = target.cell.version + 1
    try:
        op.fn(target.array, *operands, out=target.array, **attrs)
    except (ValueError, TypeError, OverflowError):
        return False
    target.cell.version, target.cell.writer = version, user_origin()
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


def twin(name: str) -> Any:
    """The method `name` in place: its op's own write, or the result copied over."""
    op, method = TABLE.get(name), getattr(Tensor, name)

    def write_result(self: Tensor, *others: Any, **options: Any) -> Tensor:
        if op is not None and not options and len(others) == op.named - 1:
            return (at_once(op) if others else partial(inplace, op))(self, *others)
        check_writable(self, name)
        state, given = MODE.get(), (self, *others, *options.values())
        # What the tape saves of the old values must not be overwritten.
        recording = state.grad and any(map(_is_tracked, given))
        y = method(self.clone() if recording else self, *others, **options)
        _check_fits(name, self, y)
        y = y.to(self.dtype)
        value = y.array if state.trace is None else state.trace.value_of(y)
        write(self, value, lambda: parent_of(y))
        return self

    write_result.__name__, write_result.__doc__ = f"{name}_", f"In place: {name}."
    return write_result


@cache
def at_once(op: Op) -> Any:
    """`op` in place on two operands, quick where the tape need not know."""
    return stamp_inplace(op, Tensor, inplace, _is_tracked)


def assign(op: Op) -> Any:
    """The operator that assigns: `w -= lr * w.grad`."""
    return lambda self, other: at_once(op)(self, other)


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


for _name in (*vars(elementwise), *vars(formulas)):
    if hasattr(Methods, _name) and _name[0] != "_" and _name != "where":
        setattr(Tensor, f"{_name}_", twin(_name))
for _method in (copy_, fill_, zero_, __setitem__):
    setattr(Tensor, _method.__name__, _method)
for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "and", "or", "xor"):
    setattr(Tensor, f"__i{_name}__", assign(getattr(Methods, f"__{_name}__").op))
Tensor.__ipow__ = assign(TABLE["pow"])  # type: ignore[attr-defined]
