"""Trace: the eager engine, moving Nodes instead of arrays.

While a Trace is active every Tensor op goes through the eager engine as always, tape,
`backward()` and in-place updates included, but notes down instead of computing. The Cells
that changed are the updates of the program that `jit` makes of it.

A Tensor from before the trace is *state*: it is read through `env`, which starts as the
variable node of its Cell. Writes touch only `env`, and a journal holds how every handle
was, so that the trace leaves no mark, whether it ends well or by an exception.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigrad.eager import tape
from minigrad.eager.cell import Cell, View, views_of
from minigrad.eager.tape import Record
from minigrad.eager.tensor import Tensor, wrap
from minigrad.errors import GradError, GraphError, name_of, user_origin
from minigrad.ops import elementwise
from minigrad.ops.movement import put
from minigrad.ops.op import MODE
from minigrad.static import node as nodes
from minigrad.static.node import Node, constant, lift, node_of, through
from minigrad.static.retrace import Misfit


class Premise(NamedTuple):
    """What a program depends on: it serves as long as this holds."""

    holds: Callable[[], bool]
    why: Misfit  # what is said when it does not


def _still(thing: Any, test: Callable[[Any], bool]) -> Callable[[], bool]:
    """Whether `thing` passes the test, asked later; what is gone by then does."""
    ref = weakref.ref(thing)
    return lambda: (there := ref()) is None or test(there)


class Trace:
    """The symbolic side of one run: what every storage stands for at this point."""

    what = "jit"

    def __init__(self) -> None:
        self.env: dict[Cell, Node] = {}
        self.state: dict[Cell, Node] = {}
        self.began = tape.next_seq()
        self._handles: dict[Tensor, tuple] = {}
        self._grads_to_come: set[Tensor] = set()  # who may have one nobody has read
        self._versions: dict[Cell, int] = {}
        self._born: list[weakref.ref[Tensor]] = []
        self.effects: list[Node] = []  # what must run although nobody reads it
        self.premises: dict[Any, Premise] = {}  # by what they are about
        self.bindings: dict[Any, Premise] = {}  # those that hold while `REBOUND` stays

    # --- what the eager engine asks for --------------------------------------------------
    def value_of(self, arg: Any) -> Any:
        """The Node of a Tensor as it stands now; arrays and numbers stay."""
        if not isinstance(arg, Tensor):
            return arg
        views = views_of(arg)
        root = views[-1].base if views else arg
        node = self.env.get(root.cell)
        if node is None:
            self._refuse_tape(root)
            node = node_of(root.cell, name_of(root, ""))
            cell = root.cell
            self.env[cell] = self.state[cell] = node
            why = Misfit.of_state(
                "memory", node.name, "{} has other memory (x.data = y)"
            )
            self.bindings[cell] = Premise(_still(root, lambda t: t.cell is cell), why)
        return through(views, node)

    def _refuse_tape(self, t: Tensor) -> None:
        record = t.record
        if type(record) is Record and record.seq < self.began and MODE.get().grad:
            raise GraphError(
                "jit: a tensor from outside brings a tape with it",
                expected="a leaf, or a tensor without a tape",
                got=f"{name_of(t, 'the tensor')} {t.shape}, {record!r}",
                remedy="x.detach(), or compute it inside the function",
            )

    def write(self, root: Tensor, views: list[View], value: Any) -> None:
        """Let the storage of `root`, seen through `views`, stand for its new content."""
        node = lift(value)
        if node.dtype != root.dtype:
            node = elementwise.cast(node, dtype=root.dtype)
        for view in views:
            base = self.value_of(view.base)
            node = put(base, node, view=view.op.name, attrs=view.attrs)
        self.value_of(root)  # a storage that is only written is state as well
        self.env[root.cell] = node

    def born(self, node: Node) -> Tensor:
        """A Tensor that exists only inside the trace.

        Its array has the right shape, dtype and layout, and no meaningful content.
        """
        t = wrap(np.empty(node.shape, node.dtype))
        self.env[t.cell] = node
        self._born.append(weakref.ref(t))
        return t

    def adopt(self, t: Tensor) -> None:
        """A Tensor created from data inside the trace is a constant of it."""
        self.env[t.cell] = constant(t.array.copy())
        self._born.append(weakref.ref(t))

    def check_write(self, t: Tensor, op: str) -> None:
        """May `t` be written here? Into state, yes; a body is stricter."""

    def carry(self, t: Tensor) -> None:
        """A generator draws: its state `t` may be written here."""

    def check_backward(self) -> None:
        """May `backward()` be called here?"""

    def journal(self, t: Tensor) -> None:
        """Note how a handle and its cell are, before they change for the first time."""
        if t.cell in self.state:
            self._grads_to_come.add(t)
        if t not in self._handles:
            self._handles[t] = (t.record, t.version, t._grad)
            self._versions.setdefault(t.cell, t.cell.written)

    def saw_grad(self, t: Tensor) -> None:
        """The program depends on whether there was a gradient before."""
        if t in self._grads_to_come and t._grad is not None:
            self._grads_to_come.remove(t)
            g = self.env[t._grad.cell]
            if g.op.kind != "source":
                g.value = self.state[t.cell]
        if t in self._handles or t in self.premises or not self.from_outside(t):
            return
        had = t._grad is not None
        text = f"the .grad of {{}} is {'None' if had else 'there'} now"
        why = Misfit.of_state(".grad", name_of(t, ""), text)
        self.premises[t] = Premise(
            _still(t, lambda t: (t._grad is not None) is had), why
        )

    def saw_module(self, module: Any) -> None:
        """The program depends on the mode of a module, and on what is inside it."""
        key, was = weakref.ref(module), module.built_in()
        text = "a {} is in another mode, or made of other parts"
        why = Misfit.of_state("module", type(module).__name__, text)
        holds = _still(module, lambda m: m.built_in() == was)
        self.bindings.setdefault(key, Premise(holds, why))

    # --- the end -------------------------------------------------------------------------
    def updates(self) -> dict[Cell, Node]:
        """The state whose content changed."""
        return {c: self.env[c] for c, n in self.state.items() if self.env[c] is not n}

    def new_grads(self) -> dict[Tensor, Tensor | None]:
        """The `.grad` of every handle from before that got another one."""
        return {
            t: t._grad
            for t, (_, _, old) in self._handles.items()
            if t._grad is not old and self.from_outside(t)
        }

    def from_outside(self, t: Tensor) -> bool:
        """Was it there before the trace, and will it be there after it?"""
        return t.cell in self.state or t.cell not in self.env

    def check_state(self) -> None:
        """State may not carry a tape out of the trace."""
        for t, (record, _, _) in self._handles.items():
            taped = type(t.record) is Record and t.record is not record
            if taped and t.view_of is None and self.from_outside(t):
                raise GradError(
                    "jit: state was written with grad on and now carries a tape",
                    got=f"{name_of(t, 'a tensor')} {t.shape}, {t.record!r}",
                    remedy="write it under no_grad, or write x.detach()",
                    at=[o for o in (t.record.origin, user_origin()) if o],
                )

    def restore(self) -> None:
        """Put every handle and version back as they were."""
        for t, (record, version, grad) in self._handles.items():
            t.record, t.version, t._grad = record, version, grad
        for cell, version in self._versions.items():
            cell.version = version
        self._handles.clear()

    def check_leaks(self) -> None:
        """A Tensor of the trace that somebody still holds has no value to show."""
        if not any(ref() is not None for ref in self._born):
            return
        gc.collect()  # it may only be garbage in a cycle
        for ref in self._born:
            t = ref()
            if t is not None:
                raise GraphError(
                    f"{self.what}: a tensor made inside the function outlives it",
                    expected="results handed out by return",
                    got=f"{name_of(t, 'a tensor')} {t.shape}",
                    remedy="return it, or write into existing state with copy_",
                    at=[o for o in (self.env[t.cell].origin, user_origin()) if o],
                )


# --- Python values that a traced function depends on -------------------------------------


def live(read: Callable[[], float], name: str = "") -> Any:
    """The number `read()`, also in a traced function: there it is read at every run.

    Outside a trace it is Python's own number, inside a 0-d float64 Tensor.
    """
    trace = MODE.get().trace
    return read() if trace is None else trace.born(nodes.live(read, name))


def guard(read: Callable[[], Any]) -> Any:
    """The value `read()`; a traced function is traced again once it is another."""
    trace, value = MODE.get().trace, read()
    if trace is not None:
        text = "an option that the function takes as fixed has changed"
        holds = lambda: read() == value
        trace.premises[holds] = Premise(holds, Misfit("option", "", text))
    return value
