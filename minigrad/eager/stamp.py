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

from minigrad.backend import Array, as_result
from minigrad.eager.cell import Cell, InferenceCell, parent_of
from minigrad.eager.tape import LEAF, Record, next_seq
from minigrad.ops.op import MODE, Op, Value

_OPERAND = """
    if isinstance(b, Tensor):
        xb = b.array
        if xb.dtype is not xa.dtype:
            return general(op, (a, b), attrs)
    elif (type(b) is float or type(b) is int) and xa.dtype.kind == "f":
        xb = asarray(b, xa.dtype)
    else:
        return otherwise(op, a, b, attrs)"""

_TEMPLATE = """\
def {name}({args}{attributes}):
    grad, trace, watch = get_mode()
    xa = a.array
    if trace is not None or watch is not None{unless}:
        return general(op, ({args},), attrs){operand}
    try:
        y = fn({arrays}{attributes})
    except (ValueError, TypeError, OverflowError):
        return general(op, ({args},), attrs)
    if type(y) is not Array:
        y = asarray(y) if isinstance(y, generic) else as_result(y)
    elif y.ndim > 1 and not y.flags.c_contiguous:
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
            r.guards = ({guards})
            r.attrs = attrs
            r.shape = y.shape
            r.dtype = y.dtype
            r.seq = next_seq()
            r.origin = None
"""


# Operands that have to be cast or refused first.
UNLESS = {"float": ' or xa.dtype.kind != "f"', "number": ' or xa.dtype.kind == "b"'}


def stamp(
    op: Op, tensor: type, general: Callable[..., Any], with_attrs: bool
) -> Callable[..., Any]:
    """The fast method of a one- or two-argument op."""
    names = "ab"[: len(op.vjp)]  # type: ignore[arg-type]
    scope: dict[str, Any] = {
        "__name__": __name__, "op": op, "fn": op.fn, "general": general, "get_mode": MODE.get, "LEAF": LEAF,
        "otherwise": _otherwise, "attrs": {},
        "Tensor": tensor, "Cell": Cell, "InferenceCell": InferenceCell, "Record": Record, "Array": Array,
        "asarray": np.asarray, "generic": np.generic, "as_result": as_result,
        "parent_of": parent_of, "new": object.__new__, "next_seq": next_seq,
    }  # fmt: skip
    source = _TEMPLATE.format(
        name=op.name,
        args=", ".join(names),
        arrays=", ".join(f"x{x}" for x in names),
        attributes=", **attrs" if with_attrs else "",
        operand=_OPERAND if len(names) == 2 else "",
        unless=UNLESS.get(op.dtype, ""),
    )
    if any(rule is not None for rule in op.vjp):  # type: ignore[union-attr]
        source += "    if grad:\n" + _recording(op, names, scope)
    source += "    if grad is None:\n        cell.__class__ = InferenceCell\n"
    source += "    return t\n"
    filename = f"<minigrad {op.name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), scope)
    scope[op.name].__doc__ = op.doc
    return scope[op.name]


def _otherwise(op: Op, a: Any, b: Any, attrs: dict) -> Any:
    """An operand of another kind: a Node takes the call over."""
    world = type(b) if isinstance(b, Value) and b._priority > a._priority else type(a)
    return getattr(world, "apply_general", world.apply)(op, (a, b), attrs)


def _recording(op: Op, names: str, scope: dict[str, Any]) -> str:
    """The lines that put the op on the tape, a branch for each choice of parents."""
    source = _PARENT.format(x="a")
    if len(names) == 2:
        source += "        pb = None\n        if isinstance(b, Tensor):\n"
        source += _PARENT.format(x="b").replace("        ", "            ")
    choices = (
        [(True,)] if len(names) == 1 else [(True, True), (True, False), (False, True)]
    )
    for i, wanted in enumerate(choices):
        plan = scope[f"plan{i}"] = op.plan(wanted)
        values = {"a": "xa", "b": "xb", "y": "y", "sa": "xa.shape", "sb": "xb.shape"}
        cells = {"a": "a.cell, a.cell.version", "y": "cell, 0"}
        cells["b"] = (
            "b.cell, b.cell.version" if wanted[-1] and len(names) == 2 else GUARD_B
        )
        source += _RECORD.format(
            i=i,
            branch="elif" if i else "if",
            test=" and ".join(f"p{x} is not None" for x, w in zip(names, wanted) if w),
            parents=", ".join(f"p{x}" if w else "None" for x, w in zip(names, wanted)),
            saved="".join(f"{values[n]}, " for n in plan.names),
            guards="".join(f"{cells[n]}, " for n in plan.names if n in cells),
        )
    return source


# The second operand may be a number, which nobody can overwrite.
GUARD_B = "*((b.cell, b.cell.version) if isinstance(b, Tensor) else (None, 0))"
