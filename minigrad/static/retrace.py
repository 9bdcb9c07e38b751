"""Why a jitted function was traced again, said once for each kind of reason.

A trace serves every call whose arguments have the same shapes, dtypes and Python values.
Tracing costs milliseconds where a call costs microseconds, and runs Python's side effects
once more, so nobody should have to guess that it happened.
"""

from __future__ import annotations

import reprlib
import warnings
from typing import Any, NamedTuple

from minigrad.errors import RetraceNotice, user_origin

STORM = 6  # traces for reasons of one kind, after which there is advice

ADVICE = {
    "value": "pass a number that changes as a tensor: mg.tensor({0})",
    "shape": "keep one shape (drop_last=True), or build the graph with "
    "mg.placeholder((None, ...))",
    ".grad": "set .grad to None inside the function, or before each call",
}


class Key(NamedTuple):
    """What of a call a trace depends on; two calls with one key may share a trace."""

    form: Any  # how the arguments are nested
    grad: bool | None  # are gradients on?
    arguments: tuple  # of each: what it is, then its shape, dtype and place on the tape
    sharing: tuple[int, ...]  # which arguments share memory


class Misfit(NamedTuple):
    """What is no longer as it was in a trace: its kind, of what, and in words."""

    kind: str
    subject: str
    text: str

    @classmethod
    def of_state(cls, kind: str, name: str, text: str) -> Misfit:
        return cls(kind, name, text.format(name or "a tensor from outside"))


def difference(old: Key, new: Key, names: list[str]) -> Misfit:
    """The first thing that two calls differ in."""
    if old.form != new.form:
        text = "the arguments are nested or named differently"
        return Misfit("structure", "", text)
    for name, before, now in zip(names, old.arguments, new.arguments):
        if before != now:
            return _changed(name or "of *args", before, now)
    if old.grad != new.grad:
        text = f"gradients are {'on' if new.grad else 'off'} now"
        return Misfit("grad mode", "", text)
    return Misfit("sharing", "", "other arguments share memory than before")


def _changed(name: str, before: tuple, now: tuple) -> Misfit:
    if before[0] != now[0]:
        text = f"argument {name} is {_kind(now)}, before {_kind(before)}"
        return Misfit("type", name, text)
    if now[0] not in ("tensor", "array"):
        new, old = (
            value if kind is float else reprlib.repr(value)
            for kind, value in (now, before)
        )
        return Misfit("value", name, f"argument {name} is {new}, before {old}")
    for i, kind in enumerate(("shape", "dtype"), 1):
        if before[i] != now[i]:
            text = f"argument {name} has {kind} {now[i]}, before {before[i]}"
            return Misfit(kind, name, text)
    if before[4:] != now[4:]:
        text = f"argument {name} is on {now[4]}, before on {before[4]}"
        return Misfit("device", name, text)
    text = f"argument {name} {'needs' if now[3] else 'needs no'} gradient now"
    return Misfit("requires_grad", name, text)


def _kind(argument: tuple) -> str:
    kind = argument[0]
    if not isinstance(kind, str):
        return f"of type {kind.__name__}"
    return f"a {kind}" if kind == "tensor" else f"an {kind}"


class Retraces:
    """Counts the reasons, and says a new one or one that comes too often."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.counts: dict[tuple[str, str], int] = {}

    def note(self, traces: int, why: Misfit) -> None:
        """The function was traced for the `traces`-th time, and this is why."""
        reason = why.kind, why.subject
        count = self.counts[reason] = self.counts.get(reason, 1) + 1
        text = f"jit: {self.function} was traced again ({traces} times now): {why.text}"
        if count == STORM:
            text = f"jit: {self.function} was traced {traces} times: {why.text}"
            if why.kind in ADVICE:
                text += f"\n  remedy    {ADVICE[why.kind].format(why.subject)}"
        elif count != 2:
            return
        at = user_origin()
        if at is None:
            warnings.warn(text, RetraceNotice, stacklevel=2)
        else:
            warnings.warn_explicit(text, RetraceNotice, at.filename, at.line)
