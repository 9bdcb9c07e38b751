"""Build: a graph taken through the pipeline once, for one tuple of shapes.

Which problem this solves: a program has one graph but many shapes, and runs in the
interpreter first and as native code later. A Build is what runs, and how it was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np

from minigrad.backend import CPU, late, moved
from minigrad.eager.cell import Cell
from minigrad.errors import GraphError, MinigradError, NotFiniteError, NotNative
from minigrad.static.interpreter import Emitted, emit
from minigrad.static.node import (
    VARIABLE,
    Node,
    is_live,
    rebuilt,
    stand_in,
    topological,
)
from minigrad.static.pieces import fuses
from minigrad.static.plan import Plan, make_plan
from minigrad.static.rewrite import Rewrite, in_order, rewritten, settle_reshapes
from minigrad.static.steps import counts_of, memory_of

PATIENCE = 20  # runs in the interpreter before "auto" asks the C compiler
LARGEST = 500  # nodes; more take the compiler a second or more: only if asked for


class Build:
    """A graph taken through the pipeline once: every stage of it, and what runs.

    `stages` holds the nodes wanted as they were at each stage, by name and in order;
    `plan` the order and the memory, `source` what `run` executes. `fallback` says why
    that is not the native code that was asked for; `again` is native code's short way.
    With the target "auto" it becomes native in `patience` runs.
    """

    def __init__(
        self,
        inputs: Sequence[Node],
        outputs: Sequence[Node],
        updates: dict[Cell, Node],
        rewrites: Sequence[Rewrite],
        check_nan: bool,
        target: str,
        strategy: Any,
    ) -> None:
        wanted = in_order([*outputs, *updates.values()])
        self.stages = {"graph": wanted}
        if strategy is not None:
            wanted = self.stages["strategy"] = in_order(strategy(outputs, updates))
        self.stages |= rewritten(wanted, rewrites)
        final = settle_reshapes(self.stages["optimized"])
        self.live = [node for node in topological(wanted) if is_live(node)]
        self.inputs, self.outputs = [*inputs, *self.live], final[: len(outputs)]
        self.updates = dict(zip(updates, final[len(outputs) :]))
        self.check_nan = check_nan
        self.fallback = ""
        turns = target == "auto" and len(topological(final)) <= LARGEST
        self.patience = PATIENCE + 1 if turns else 0
        self.target = target
        if target == "cuda":
            emitted = self._emitted("cuda program", self._on_host)
            self._settle("cuda", emitted, emitted.wanted)
            self._device_program = emitted
            self.fallback = emitted.fallback
        elif target != "native" or not self.become_native():
            self._settle("interpreter", self.reference, final)

    def _settle(self, target: str, emitted: Any, final: list[Node]) -> None:
        """From now on `emitted` runs, made of the nodes `final`."""
        self.target = target
        self.stages |= dict.fromkeys(("fuse", "schedule", "plan"), final)
        self.plan: Plan = emitted.plan
        self.source: str = emitted.source
        self.run: Callable[..., list] = emitted.function
        self.again = emitted.again if target == "native" else None
        if self.again and self.live:
            self.again = lambda *args: emitted.again(*args, *self.numbers())

    def become_native(
        self, excused: tuple[type[Exception], ...] = (NotNative,)
    ) -> bool:
        """Turn to native code; False, and `fallback` says why, where there is none."""
        try:
            native = self._native()
        except excused as why:
            self.fallback = str(why)
            return False
        self._settle("native", native, native.wanted)
        return True

    def _native(self, **options: Any) -> Any:
        refused = lambda *arrays: self.reference.function(*arrays)
        return self._emitted("native", refused, **options)

    def _emitted(self, name: str, refused: Callable[..., list], **options: Any) -> Any:
        """The graph as code; what that refuses to compute, `refused` explains."""
        wanted, cells = self.stages["optimized"], list(self.updates)
        args = self.inputs, wanted, cells, self.check_nan, refused
        return late(name)(*args, **options)

    def _on_host(self, *arrays: Any) -> list:
        """A call that the device refused, on copies: the interpreter says what is wrong."""
        variables = [x.value.array for x in self._stand_ins]
        self.reference.function(*(moved(x, CPU) for x in (*arrays, *variables)))
        raise GraphError(
            "program: the GPU refused a result that the CPU does not",
            expected="indices in range, no integer divided by 0, and finite results",
            remedy='target="interpreter" on copies on the CPU shows every step',
        )

    @cached_property
    def _stand_ins(self) -> dict[Node, Node]:
        """For each variable, a placeholder that is fed a copy of it on the host."""
        wanted = [*self.outputs, *self.updates.values()]
        variables = [x for x in topological(wanted) if x.op is VARIABLE]
        return {x: stand_in(x) for x in variables}

    def numbers(self) -> list[np.ndarray]:
        """What the live nodes stand for now; they are fed after the arguments."""
        return [np.asarray(node.value(), node.dtype) for node in self.live]

    @cached_property
    def reference(self) -> Emitted:
        """The graph as the interpreter runs it."""
        # To name the first bad line, each result must be seen on its own.
        joins = None if self.check_nan else fuses
        if self.target == "cuda":
            wanted = [*self.outputs, *self.updates.values()]
            wanted = settle_reshapes(rebuilt(wanted, self._stand_ins))
            inputs = [*self.inputs, *self._stand_ins.values()]
            plan = make_plan(wanted, {}, joins=joins)
            return emit(plan, inputs, wanted, self.check_nan)
        plan = make_plan(self.outputs, self.updates, self.check_nan, joins)
        return emit(plan, self.inputs, self.outputs, self.check_nan)

    def timed(self, add: Callable[[str, str, int, float], None]) -> Callable[..., list]:
        """`run`, telling `add` of each step its number, its ops, runs and seconds.

        Native code looks at the clock itself, also for steps inside loops and branches.
        """
        if self.target == "cuda":
            return self._device_program.timed(add)
        return self._timed_native(add) if self.target == "native" else self._ticked(add)

    def _timed_native(self, add: Callable[..., None]) -> Callable[..., list]:
        native = self._with_timers

        def run(*arrays: Any) -> list:
            results = native.function(*arrays)
            for row in native.timers.read():
                add(*row)
            return results

        return run

    @cached_property
    def _with_timers(self) -> Any:
        return self._native(timed=True)

    def _ticked(self, add: Callable[..., None]) -> Callable[..., list]:
        began = 0.0

        def tick(number: int, ops: str) -> None:
            nonlocal began
            add(str(number), ops, 1, perf_counter() - began)
            began = perf_counter()

        plan = self.reference.plan
        ticking = emit(plan, self.inputs, self.outputs, tick=tick).function

        def run(*arrays: Any) -> list:
            nonlocal began
            began = perf_counter()
            return ticking(*arrays)

        return run

    def stats(self) -> dict[str, int]:
        return {
            "nodes": len(topological(self.stages["graph"])),
            "optimized": len(topological(self.stages["optimized"])),
            **counts_of(self.plan),
            **memory_of(self.plan),
        }

    def explain(self, error: Exception) -> Exception:
        """A failure inside the generated source, told at the user's own line."""
        if isinstance(error, MinigradError):
            return error
        trace, node = error.__traceback__, None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.reference.filename:
                node = self.reference.lines.get(trace.tb_lineno)
            trace = trace.tb_next
        if node is None:
            return error
        kind = NotFiniteError if isinstance(error, FloatingPointError) else GraphError
        return kind(
            f"{node.op.name}: {error}",
            got=", ".join(map(repr, node.inputs)),
            at=node.origin,
        )
