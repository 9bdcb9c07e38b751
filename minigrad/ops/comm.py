"""Between processes: sums over all of them, as an op.

Every process of a group runs the same program on data of its own. What they exchange is
an op like others, so it has a derivative and runs in graphs; like printing it is an
effect, so that all processes exchange in one order and none is left waiting. A process
that has not joined a group is a group of one.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from minigrad.ops import shapes
from minigrad.ops.kinds import draw, into, kind, row


class Group:
    """The processes that work together; this one is all there is."""

    rank, size = 0, 1

    def sum(self, a: Any) -> Any:
        """The sum of what each process calls this with, a new array."""
        return a.copy(order="C")

    def share(self, a: Any, source: int) -> Any:
        """What process `source` calls this with, a new array."""
        return a.copy(order="C")

    def leave(self) -> None:
        """Give up what connects it with the others."""


GROUP: ContextVar[Group] = ContextVar("minigrad_group", default=Group())  # noqa: B039


@row(
    kind("effect"),
    lambda g: all_reduce(g),  # each process's a is in every process's y
    infer=shapes.like_first,
    sample=draw((2, 3)),
)
def all_reduce(a: Any, *earlier: Any, out: Any = None) -> Any:
    """The sum of a over all processes; `earlier` is what must be exchanged before."""
    return into(GROUP.get().sum(a), out)
