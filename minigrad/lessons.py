"""Lessons for programs in an older spelling, or a step too early."""

from __future__ import annotations

import dis
import sys
import weakref
from types import CodeType
from typing import Any

from minigrad.errors import MissingGradError, is_ours, name_of

# What to do instead where a symbol is used like a number.
CHOOSE = "mg.where(condition, a, b) takes both, mg.cond(condition, f, g) runs one"
LOOP = "compute on the whole; mg.scan and mg.while_loop are loops in the graph"
SHOW = "mg.print_node(x) prints it whenever the program runs"

# What is read next after an instruction, by code object (held weakly) and offset.
_known: dict[tuple[int, int], tuple[weakref.ref[CodeType], str]] = {}


def explain_missing_grad(t: Any) -> None:
    """Raise if the user's line reads `x.grad.something` while `x.grad` is None."""
    frame = sys._getframe(2)  # this function was called by the property
    if is_ours(frame):
        return
    attribute = _read_next(frame.f_code, frame.f_lasti)
    if not attribute or attribute.startswith("__"):
        return
    name = name_of(t, "x")
    zeroing = attribute in ("data", "zero_")
    raise MissingGradError(
        f"{name}.grad is None: no backward() has reached {name} yet",
        got=f"{name}.grad.{attribute}",
        remedy=f"if {name}.grad is not None: {name}.grad.zero_()"
        if zeroing
        else f"call backward() on something computed from {name} first",
    )


def _read_next(code: CodeType, offset: int) -> str:
    """The attribute that is read from the result of `.grad` at `offset`, or ""."""
    known = _known.get((id(code), offset))
    if known is not None and known[0]() is code:
        return known[1]
    steps = [i for i in dis.get_instructions(code) if i.opname != "EXTENDED_ARG"]
    offsets = [i.offset for i in steps]
    name = ""
    if offset in offsets:
        here = offsets.index(offset)
        step = steps[min(here + 1, len(steps) - 1)]
        reads = step.opname in ("LOAD_ATTR", "LOAD_METHOD")
        if reads and steps[here].argval == "grad":
            name = str(step.argval)
    _known[id(code), offset] = weakref.ref(code), name
    return name
