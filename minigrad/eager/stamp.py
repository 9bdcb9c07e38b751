"""Methods of Tensor that skip the general path: one template, stamped for each op.

Which problem this solves: `Tensor.apply` serves every op and every kind of operand, and
asking what it has before it costs several times what NumPy takes for a small array.
Nearly all calls are alike: one or two Tensors of one dtype, and no trace. For those the
template below is filled in once per op with what its rules save; every other call goes
the general way, errors included, so nothing is decided here that is not decided there.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.backend import SEVERAL, Array, as_result, is_writable
from minigrad.eager.cell import Cell, InferenceCell, parent_of
from minigrad.eager.tape import LEAF, Record, next_seq
from minigrad.errors import user_origin
from minigrad.ops.op import MODE, Op, Value

# What the template calls.
NAMES = {
    "Array": Array, "Cell": Cell, "InferenceCell": InferenceCell, "LEAF": LEAF, "Record": Record,
    "as_result": as_result, "asarray": np.asarray, "generic": np.generic, "get_mode": MODE.get,
    "new": object.__new__, "next_seq": next_seq, "parent_of": parent_of, "several": SEVERAL,
    "is_writable": is_writable, "user_origin": user_origin,
    "__name__": __name__,
}  # fmt: skip

_OPERAND = """
    xb = b.array if isinstance(b, Tensor) else b
    if type(xb) is type(xa):
        if xb.dtype is not xa.dtype:
            return general(op, (a, b), attrs)
    elif (type(b) is float or type(b) is int) and xa.dtype.kind == "f":
        xb = asarray(b, xa.dtype) if type(xa) is Array else xa.dtype.type(b)
    else:
        return otherwise(op, (a, b), attrs)"""

_TEMPLATE = """\
def {name}({args}{attributes}):
    grad, trace, watch = get_mode()
    xa = a.array
    if trace is not None or watch is not None or several{unless}:
        return general(op, ({args},), attrs){operand}
    try:
        y = {call}
    except (ValueError, TypeError, OverflowError):
        return general(op, ({args},), attrs)
    if type(y) is not Array:
        y = asarray(y) if isinstance(y, generic) else as_result(y)
    elif y.ndim > {ordered} and not y.flags.c_contiguous:
        y = y.copy("C")
    t = new(Tensor)
    t.array = y
    t.cell = cell = Cell()
    cell.array = y
    cell.version = t.version = 0
    cell.writer = cell.node = t.record = t.view_of = t._grad = None
"""

_PARENT = """\
        p{x} = {x}.record if {x}.view_of is None else parent_of({x})
        if p{x} is LEAF:
            p{x} = {x}
"""

_RECORD = """\
        {branch} {test}:
            t.record = r = Record()
            r.plan = plan{i}
            r.parents = ({parents},)
            r.saved = ({saved})
            r.attrs = attrs
            r.shape = y.shape
            r.dtype = y.dtype
            r.seq = next_seq()
            r.origin = None
"""

_INPLACE = """\
def {name}_(a, b):
    grad, trace, watch = get_mode()
    xa = a.array
    if trace is not None or watch is not None or several{unless}:
        return general(op, (a, b), attrs){operand}
    if type(xa) is not Array and not is_writable(xa):  # a device would write it
        return general(op, (a, b), attrs)
    if grad and (a.view_of is not None or tracked(a) or tracked(b)):
        return general(op, (a, b), attrs)
    cell = a.cell
    version = cell.version + 1
    try:
        fn(xa, xb, xa)
    except (ValueError, TypeError, OverflowError):
        return general(op, (a, b), attrs)
    cell.version, cell.writer = version, user_origin()
    return a
"""

# Operands that have to be cast or refused first.
UNLESS = {"float": ' or xa.dtype.kind != "f"', "number": ' or xa.dtype.kind == "b"'}
# Two matrices are nearly all that is multiplied, and NumPy's result is in C order.
CALLS = {"matmul": "xa.dot(xb) if xa.ndim == 2 == xb.ndim else fn(xa, xb)"}
VALUES = {"a": "xa", "b": "xb", "y": "y", "sa": "xa.shape", "sb": "xb.shape"}
GUARDS = {
    "a": "a.cell, a.cell.version, ",
    "y": "cell, 0, ",
    # The second operand may be a number, which nobody can overwrite.
    "b": "*((b.cell, b.cell.version) if isinstance(b, Tensor) else (None, 0)), ",
    "tensor b": "b.cell, b.cell.version, ",
}


def stamp(
    op: Op, tensor: type, general: Callable[..., Any], with_attrs: bool
) -> Callable[..., Any]:
    """The fast method of a one- or two-argument op."""
    names = "ab"[: op.named]
    own = {"op": op, "fn": op.fn, "Tensor": tensor, "general": general, "attrs": {}}
    scope: dict[str, Any] = {**NAMES, **own, "otherwise": _otherwise}
    attributes = ", **attrs" if with_attrs else ""
    source = _TEMPLATE.format(
        name=op.name,
        args=", ".join(names),
        attributes=attributes,
        call=CALLS.get(op.name, f"fn({', '.join(f'x{x}' for x in names)}{attributes})"),
        ordered=2 if op.name in CALLS else 1,
        operand=_OPERAND if len(names) == 2 else "",
        unless=UNLESS.get(op.dtype, ""),
    )
    if any(op.rule(i) is not None for i in range(len(names))):
        source += "    if grad:\n" + _recording(op, names, scope)
    source += "    if grad is None:\n        cell.__class__ = InferenceCell\n"
    source += "    return t\n"
    return _made(op.name, source, scope, op.doc)


def stamp_inplace(
    op: Op, tensor: type, inplace: Callable[..., Any], tracked: Callable[..., bool]
) -> Any:
    """What `a += b` is called: NumPy writes at once where the tape need not know."""

    def general(op: Op, args: tuple, attrs: dict) -> Any:
        return inplace(op, *args, **attrs)

    own = {"op": op, "fn": op.fn, "Tensor": tensor, "attrs": {}, "tracked": tracked}
    scope = {**NAMES, **own, "general": general, "otherwise": general}
    source = _INPLACE.format(
        name=op.name, operand=_OPERAND, unless=UNLESS.get(op.dtype, "")
    )
    return _made(f"{op.name}_", source, scope)


def _made(name: str, source: str, scope: dict[str, Any], doc: str = "") -> Any:
    """The function `name` that `source` writes, with lines for tracebacks."""
    filename = f"<minigrad {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), scope)
    scope[name].__doc__ = doc
    return scope[name]


def _otherwise(op: Op, args: tuple, attrs: dict) -> Any:
    """An operand of another kind: a Node takes the call over."""
    a, b = args
    world = type(b) if isinstance(b, Value) and b._priority > a._priority else type(a)
    return getattr(world, "apply_general", world.apply)(op, args, attrs)


def _recording(op: Op, names: str, scope: dict[str, Any]) -> str:
    """The lines that put the op on the tape, a branch for each choice of parents."""
    source = _PARENT.format(x="a")
    choices: list[tuple[bool, ...]] = [(True,)]
    if len(names) == 2:
        source += "        pb = None\n        if isinstance(b, Tensor):\n"
        source += _PARENT.format(x="b").replace("        ", "            ")
        choices = [(True, True), (True, False), (False, True)]
    for i, wanted in enumerate(choices):
        plan = scope[f"plan{i}"] = op.plan(wanted)
        guards = GUARDS | {"b": GUARDS["tensor b"]} if all(wanted[1:]) else GUARDS
        source += _RECORD.format(
            i=i,
            branch="elif" if i else "if",
            test=" and ".join(f"p{x} is not None" for x, w in zip(names, wanted) if w),
            parents=", ".join(f"p{x}" if w else "None" for x, w in zip(names, wanted)),
            saved="".join(f"{VALUES[n]}, " for n in plan.names)
            + "".join(guards[n] for n in plan.names if n in guards),
        )
    return source
