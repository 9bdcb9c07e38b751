"""Watching operations as they run: `count_ops` counts them, `profile` times them.

A Watch stands in the mode of a `with` block. Every eager op is handed to it to be run,
every program asks it for the function to call, every backward for its way through the
tape; without one nothing of this costs anything.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from minigrad.ops.op import MODE, Op


class Watch:
    """The base of what watches a block; blocks may be nested."""

    def __enter__(self) -> Any:
        state = MODE.get()
        self._outer = state.watch
        MODE.set(state._replace(watch=self))
        return self

    def __exit__(self, *_: object) -> None:
        MODE.set(MODE.get()._replace(watch=self._outer))

    def execute(
        self, op: Op, run: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Run an eager op, as its caller would, with nobody but outer blocks watching."""
        state = MODE.get()
        token = MODE.set(state._replace(watch=self._outer))
        try:
            return self.around(op, run, args, kwargs)
        finally:
            MODE.reset(token)

    def around(self, op: Op, run: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
        return run(*args, **kwargs)

    def program(self, build: Any) -> Callable[..., list]:
        """The function to run for a compiled program."""
        return self._outer.program(build) if self._outer is not None else build.run

    def adopt(self, t: Any) -> None:
        """A Tensor was created from data."""
        if self._outer is not None:
            self._outer.adopt(t)

    def check_write(self, t: Any, op: str) -> None:
        """Raise if `t` may not be written here."""
        if self._outer is not None:
            self._outer.check_write(t, op)

    def check_backward(self) -> None:
        """Raise if `backward()` may not be called here."""
        if self._outer is not None:
            self._outer.check_backward()

    def backward(self, pull: Callable[..., Any]) -> Callable[..., Any]:
        """How a sweep of the tape is to take one record's derivative."""
        return self._outer.backward(pull) if self._outer is not None else pull


class count_ops(Watch):
    """Count the table ops that are executed in a `with` block.

    Eager operations and the steps of compiled programs count, also inside functions that
    the block calls; creating tensors and building graphs do not, and neither does the
    arithmetic inside the derivative rules of an eager `backward()`.

        >>> import minigrad as mg
        >>> x = mg.ones(3)
        >>> with mg.count_ops() as counted:
        ...     y = x * x + 1
        >>> counted.total, counted.by_name
        (2, {'mul': 1, 'add': 1})
    """

    def __init__(self) -> None:
        self.by_name: dict[str, int] = {}

    @property
    def total(self) -> int:
        return sum(self.by_name.values())

    def around(self, op: Op, run: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
        self._count(op)
        return run(*args, **kwargs)

    def program(self, build: Any) -> Callable[..., list]:
        for node in build.plan.nodes:
            self._count(node.op)
        return super().program(build)

    def _count(self, op: Op) -> None:
        self.by_name[op.name] = self.by_name.get(op.name, 0) + 1

    def __repr__(self) -> str:
        return f"<{self.total} ops executed: {self.by_name}>"


class profile(Watch):
    """Time the table ops that run in a `with` block; printing it gives a table.

    Eager operations and the steps of compiled programs are timed one by one, and every
    derivative that a `backward()` takes as `... backward`. An op's time is its own: what
    ran inside it has a row of its own. With `by_step` every step of a program has one.
    Native code takes down its own times, also of the steps inside loops and branches.

        >>> import minigrad as mg
        >>> x = mg.ones(3, requires_grad=True)
        >>> with mg.profile() as p:
        ...     (x * x).sum().backward()
        >>> {name: calls for name, (calls, _) in p.rows.items()}
        {'mul': 1, 'sum': 1, 'sum backward': 1, 'mul backward': 1}
    """

    def __init__(self, by_step: bool = False) -> None:
        self.by_step = by_step
        self.rows: dict[str, tuple[int, float]] = {}  # name: calls, seconds
        self._inside = [0.0]  # seconds of what ran inside each thing that is running

    def _timed(
        self, name: str, run: Callable[..., Any], args: tuple, kwargs: dict
    ) -> Any:
        self._inside.append(0.0)
        start = perf_counter()
        try:
            return run(*args, **kwargs)
        finally:
            passed = perf_counter() - start
            self._add(name, passed - self._inside.pop())
            self._inside[-1] += passed

    def _add(self, name: str, seconds: float, calls: int = 1) -> None:
        before, total = self.rows.get(name, (0, 0.0))
        self.rows[name] = before + calls, total + seconds

    def around(self, op: Op, run: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
        return self._timed(op.name, run, args, kwargs)

    def program(self, build: Any) -> Callable[..., list]:
        super().program(build)  # blocks further out may count it

        def add(number: str, ops: str, calls: int, seconds: float) -> None:
            self._add(f"{number} {ops}" if self.by_step else ops, seconds, calls)

        return build.timed(add)

    def backward(self, pull: Callable[..., Any]) -> Callable[..., Any]:
        pull = super().backward(pull)

        def timed(record: Any, *rest: Any) -> Any:
            return self._timed(f"{record.op.name} backward", pull, (record, *rest), {})

        return timed

    @property
    def calls(self) -> int:
        """How many operations and derivatives ran."""
        return sum(calls for calls, _ in self.rows.values())

    @property
    def seconds(self) -> float:
        """What they took together."""
        return sum(seconds for _, seconds in self.rows.values())

    def table(self) -> str:
        """A row per op, the dearest first."""
        total = self.seconds or 1.0
        width = max([2, *map(len, self.rows)])
        lines = [f"{'op':<{width}}  calls        ms   share"]
        for name, (calls, seconds) in sorted(
            self.rows.items(), key=lambda row: -row[1][1]
        ):
            share = f"{seconds / total:6.1%}"
            lines.append(f"{name:<{width}} {calls:6} {seconds * 1e3:9.3f}  {share}")
        lines.append(f"{'all':<{width}} {self.calls:6} {self.seconds * 1e3:9.3f}")
        return "\n".join(lines)

    __repr__ = table
