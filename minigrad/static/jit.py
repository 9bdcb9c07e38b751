"""jit: run the learner's ordinary step once under a trace, then as a Program.

Which problem this solves: the same function should run line by line while one learns and
debugs, and as a graph when it must be fast. A call looks for a trace that fits its
arguments, makes one if there is none, feeds the Program and hands out what it returns.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.eager.cell import REBOUND
from minigrad.eager.tape import LEAF
from minigrad.eager.tensor import Tensor, wrap
from minigrad.errors import GraphError
from minigrad.ops.op import MODE, mode
from minigrad.static.node import Node, placeholder
from minigrad.static.program import Program, check_target
from minigrad.static.trace import Trace

# --- arguments and results as flat lists -------------------------------------------------


def flatten(tree: Any) -> tuple[list, Any]:
    """The leaves of nested lists, tuples and dicts, and the form they came in."""
    if isinstance(tree, dict):
        parts = [flatten(v) for v in tree.values()]
        form: Any = (dict, tuple(tree), tuple(f for _, f in parts))
    elif isinstance(tree, (list, tuple)):
        parts = [flatten(v) for v in tree]
        form = (type(tree), len(tree), tuple(f for _, f in parts))
    else:
        return [tree], None
    return [leaf for leaves, _ in parts for leaf in leaves], form


def _flat_call(args: tuple, kwargs: dict) -> tuple[list, Any]:
    """`flatten((args, kwargs))`, without the walk for calls with tensors alone."""
    if kwargs or not all(type(arg) is Tensor for arg in args):
        return flatten((args, kwargs))
    return list(args), _plain_form(len(args))


@functools.cache
def _plain_form(count: int) -> Any:
    return flatten(((None,) * count, {}))[1]


def unflatten(leaves: list, form: Any) -> Any:
    """The inverse of `flatten`."""
    return _build(iter(leaves), form)


def _build(leaves: Any, form: Any) -> Any:
    if form is None:
        return next(leaves)
    kind, keys, forms = form
    values = [_build(leaves, f) for f in forms]
    if kind is dict:
        return dict(zip(keys, values))
    return kind(*values) if hasattr(kind, "_fields") else kind(values)


# --- jit ---------------------------------------------------------------------------------


class _Compiled:
    """One trace of a function: its program and what must be done around a run."""

    def __init__(
        self, fn: Callable, leaves: list, form: Any, state: frozenset, keep_grads: bool
    ) -> None:
        self.state_cells = {i: leaves[i].cell for i in state}
        self.fed = [i for i, x in enumerate(leaves) if i not in state and _is_value(x)]
        trace = Trace()
        proxies = list(leaves)
        inputs = []
        try:
            with mode(trace=trace):
                names = _argument_names(fn, *unflatten(leaves, form))
                for i in self.fed:
                    proxies[i] = _proxy(trace, leaves[i], names[i])
                    inputs.append(trace.value_of(proxies[i]))
                args, kwargs = unflatten(proxies, form)
                result = fn(*args, **kwargs)
                del args, kwargs
                self.clashes = self._find_clashes(trace, leaves)
                outputs = self._outputs(trace, result, proxies, inputs)
                self.grads = []  # handles that got another .grad, and where it comes out
                for t, grad in trace.new_grads().items():
                    kept = keep_grads and grad is not None
                    self.grads.append((weakref.ref(t), len(outputs) if kept else None))
                    outputs += [trace.value_of(grad)] if kept else []
                    del t, grad
                del result
            trace.check_state()
            updates, self.guards = trace.updates(), trace.guards
            self.roots, self.rebound = trace.roots, REBOUND[0]
            self.modules = trace.modules
            self.grads_seen = [
                (weakref.ref(t), had) for t, had in trace.grads_seen.items()
            ]
        finally:
            trace.restore()
        del proxies
        trace.check_leaks()
        self.build = (inputs, outputs, updates)

    def _find_clashes(self, trace: Trace, leaves: list) -> frozenset[int]:
        """Arguments whose storage the function also reached from outside: state."""
        return frozenset(
            i
            for i in self.fed
            if isinstance(leaves[i], Tensor) and leaves[i].cell in trace.env
        )

    def _outputs(
        self, trace: Trace, result: Any, proxies: list, inputs: list
    ) -> list[Node]:
        """Nodes to compute: written arguments first, then the returned tensors."""
        nodes = []
        self.written = []
        for i, node in zip(self.fed, inputs):
            now = trace.env[proxies[i].cell]
            if now is not node:
                self.written.append(i)
                nodes.append(now)
        leaves, self.form = flatten(result)
        self.template: list[tuple[str, Any]] = []
        for leaf in leaves:
            at = next((i for i in self.fed if leaf is proxies[i]), None)
            if at is not None:
                self.template.append(("argument", at))
            elif _is_state(leaf, trace) or not isinstance(leaf, Tensor):
                self.template.append(("value", leaf))
            else:
                self.template.append(("node", len(nodes)))
                nodes.append(trace.value_of(leaf))
        return nodes

    def finish(self, target: str) -> None:
        inputs, outputs, updates = self.build
        self.program = Program(inputs, outputs, updates, target=target)

    def fits(self, leaves: list) -> bool:
        """May this trace serve a call with these arguments, as things are now?"""
        if self.rebound != REBOUND[0]:  # some `x.data = y`, `m.eval()`: was it ours?
            if any(
                (t := ref()) is not None and t.cell is not c for ref, c in self.roots
            ):
                return False
            if any(
                (m := ref()) is not None and m.built_in() != was
                for ref, was in self.modules.items()
            ):
                return False
            self.rebound = REBOUND[0]
        for i, cell in self.state_cells.items():
            if leaves[i].cell is not cell:
                return False
        return all(
            (t := ref()) is None or (t._grad is not None) == had
            for ref, had in self.grads_seen
        ) and all(read() == value for read, value in self.guards)

    def run(self, leaves: list) -> Any:
        values = self.program.run([leaves[i] for i in self.fed])
        for i, value in zip(self.written, values):
            target = leaves[i]
            if isinstance(target, Tensor):
                target.array[...] = value
                target.cell.version += 1
            else:
                target[...] = value
        for ref, at in self.grads:
            t = ref()
            if t is not None:
                t._grad = None if at is None else wrap(values[at])
        return unflatten(
            [
                wrap(values[x])
                if kind == "node"
                else leaves[x]
                if kind == "argument"
                else x
                for kind, x in self.template
            ],
            self.form,
        )


def _is_state(leaf: Any, trace: Trace) -> bool:
    return isinstance(leaf, Tensor) and not leaf.view_of and leaf.cell in trace.state


def _is_value(leaf: Any) -> bool:
    return isinstance(leaf, (Tensor, np.ndarray))


def _argument_names(fn: Callable, args: tuple, kwargs: dict) -> list[str]:
    """The function's own names for its arguments, one for each of their leaves."""
    try:
        positional = [*inspect.signature(fn).parameters][: len(args)]
    except ValueError:  # some built-in functions have no signature
        positional = []
    positional += [""] * (len(args) - len(positional))  # those of *args
    named = [*zip(positional, args), *kwargs.items()]
    return [name for name, arg in named for _ in flatten(arg)[0]]


def _proxy(trace: Trace, leaf: Any, name: str) -> Tensor:
    """A stand-in for an argument, with a storage of its own that stands for a feed."""
    if isinstance(leaf, Tensor) and MODE.get().grad:
        trace._refuse_tape(leaf)
    node = placeholder(leaf.shape, leaf.dtype, name)
    t = trace.born(node)
    if isinstance(leaf, Tensor) and leaf.record is LEAF:
        t.record = LEAF
    return t


class jit:
    """Run a function as a compiled graph: `step = mg.jit(step)` or `@mg.jit`.

    The function is traced at the first call and again whenever arguments of another
    shape, dtype or Python value come; `traces` counts that. Its Python side effects run
    while tracing only. Tensors it reaches from outside (weights, optimizer state) are
    state: read and updated in place, as in the eager run. A `.grad` set inside is None
    afterwards unless `keep_grads`, so that nobody pays for gradients that nobody reads.

        >>> import minigrad as mg
        >>> w = mg.ones(3, requires_grad=True)
        >>> @mg.jit
        ... def step(x):
        ...     loss = (w * x).sum()
        ...     loss.backward()
        ...     with mg.no_grad():
        ...         w.sub_(0.1 * w.grad)
        ...     return loss
        >>> step(mg.ones(3)), w
        (tensor(3.), tensor([0.9000, 0.9000, 0.9000], requires_grad=True))
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        target: str | None = None,
        keep_grads: bool = False,
    ) -> None:
        functools.update_wrapper(self, fn)
        self.keep_grads = keep_grads
        self.fn = fn
        self.target = target
        self.traces = 0
        self._compiled: dict[Any, list[_Compiled]] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        state = MODE.get()
        if state.trace is not None:  # a jit inside a jit is part of the outer one
            return self.fn(*args, **kwargs)
        leaves, form = _flat_call(args, kwargs)
        key = (form, state.grad, tuple(map(_signature, leaves)), _sharing(leaves))
        for compiled in self._compiled.setdefault(key, []):
            if compiled.fits(leaves):
                return compiled.run(leaves)
        compiled = self._trace(leaves, form)
        self._compiled[key].append(compiled)
        return compiled.run(leaves)

    def _trace(self, leaves: list, form: Any) -> _Compiled:
        target = check_target(self.target)
        state = frozenset(_sharing(leaves))
        self.traces += 1
        compiled = _Compiled(self.fn, leaves, form, state, self.keep_grads)
        if compiled.clashes:
            state |= compiled.clashes
            compiled = _Compiled(self.fn, leaves, form, state, self.keep_grads)
        compiled.finish(target)
        return compiled

    @property
    def program(self) -> Program:
        """The Program of the last trace."""
        if not self.traces:
            raise GraphError("jit: nothing was traced yet", remedy="call it once")
        return list(self._compiled.values())[-1][-1].program

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


def _signature(leaf: Any) -> Any:
    """What of an argument a trace depends on."""
    if isinstance(leaf, Tensor):
        return "tensor", leaf.shape, leaf.dtype, leaf.record is LEAF
    if isinstance(leaf, np.ndarray):
        return "array", leaf.shape, leaf.dtype
    try:
        hash(leaf)
    except TypeError:
        return "object", id(leaf)
    return type(leaf), leaf


def _sharing(leaves: list) -> tuple[int, ...]:
    """Arguments that share their storage with another argument."""
    cells = [x.cell if isinstance(x, Tensor) else None for x in leaves]
    return tuple(i for i, c in enumerate(cells) if c is not None and cells.count(c) > 1)
