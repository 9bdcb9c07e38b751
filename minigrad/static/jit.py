"""jit: run the learner's ordinary step once under a trace, then as a Program.

Which problem this solves: the same function should run line by line while one learns and
debugs, and as a graph when it must be fast. A call looks for a trace that fits its
arguments, makes one if there is none, feeds the Program and hands out what it returns.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.backend import CPU, is_writable, moved, on_device
from minigrad.eager.cell import REBOUND, parent_of
from minigrad.eager.tape import LEAF
from minigrad.eager.tensor import Tensor
from minigrad.errors import ArgumentError, GraphError
from minigrad.ops.op import MODE, mode
from minigrad.static.node import Node, placeholder
from minigrad.static.program import Program, check_target
from minigrad.static.retrace import Key, Misfit, Retraces, difference
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
        self.grad = MODE.get().grad
        self.plain = None if state else _plain(leaves, form)
        self.state_cells = {i: leaves[i].cell for i in state}
        self.fed = [i for i, x in enumerate(leaves) if i not in state and _is_value(x)]
        trace = Trace()
        try:
            with mode(trace=trace):
                inputs, outputs = self._traced(trace, fn, leaves, form, keep_grads)
            trace.check_state()
            updates, self.rebound = trace.updates(), REBOUND[0]
            self.premises = [*trace.premises.values()]
            self.bindings = [*trace.bindings.values()]
            self.outside = frozenset(trace.state)  # cells
        finally:
            trace.restore()
        trace.check_leaks()
        effects = self.written or self.grads or self.fed_grads
        self.is_function = not effects and (self.form, self.template) == (
            None, [("node", 0)],
        )  # fmt: skip
        self.build = (inputs, outputs, updates)

    def _traced(
        self, trace: Trace, fn: Callable, leaves: list, form: Any, keep_grads: bool
    ) -> tuple[list[Node], list[Node]]:
        """Call the function on symbols: what it is fed, and all that must come out."""
        self.names = _argument_names(fn, *unflatten(leaves, form))
        proxies, inputs = list(leaves), []
        for i in self.fed:
            proxies[i] = _proxy(trace, leaves[i], self.names[i])
            inputs.append(trace.value_of(proxies[i]))
        args, kwargs = unflatten(proxies, form)
        result = fn(*args, **kwargs)
        # Arguments whose storage was also reached from outside: they are state.
        cells = ((i, getattr(leaves[i], "cell", None)) for i in self.fed)
        self.clashes = frozenset(i for i, cell in cells if cell in trace.env)
        outputs = self._outputs(trace, result, proxies, inputs)
        self.grads = []  # handles that got another .grad, and where it comes out
        for t, grad in trace.new_grads().items():
            kept = keep_grads and grad is not None
            self.grads.append((weakref.ref(t), len(outputs) if kept else None))
            outputs += [trace.value_of(grad)] if kept else []
        self.fed_grads = []  # the same for arguments, if anybody wants them
        for i in self.fed if keep_grads else ():
            if proxies[i]._grad is not None:
                self.fed_grads.append((i, len(outputs)))
                outputs.append(trace.value_of(proxies[i]._grad))
        return inputs, outputs + trace.effects

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

    def finish(self, target: str | None, strategy: Any, leaves: list) -> None:
        """Make the program; it runs where its state and its arguments are."""
        if strategy is not None and self.written:
            raise GraphError(
                "jit: a strategy is for weights that the function reads from outside",
                expected="arguments that are data",
                got=f"{self.names[self.written[0]]} is written in place",
            )
        inputs, outputs, updates = self.build
        arrays = [getattr(leaves[i], "array", None) for i in self.fed]
        if any(map(on_device, arrays)) and target not in ("interpreter", "native"):
            target = "cuda"
        how = {"target": target, "strategy": strategy}
        self.program = Program(inputs, outputs, updates, **how)

    def serves(self, args: tuple, grad: bool | None) -> bool:
        """Is this a call like the traced one? The quick way, for plain tensors alone.

        No means: look closer. Yes says what the key of the call and `misfit` would say.
        """
        if self.plain is None or grad is not self.grad or len(args) != len(self.plain):
            return False
        cells = set()
        for x, (shape, dtype, kind) in zip(args, self.plain):
            if type(x) is not Tensor or x.record is not None:
                return False
            if x.view_of is not None and x.version != x.cell.written:
                return False  # its record is to be derived anew: is it still none?
            array = x.array
            if array.shape != shape or array.dtype is not dtype:
                return False
            if type(array) is not kind:
                return False
            cells.add(x.cell)
        return len(cells) == len(args) and self.misfit(args) is None

    def misfit(self, leaves: Sequence) -> Misfit | None:
        """Why this trace may not serve a call with these arguments, as things are now."""
        if self.rebound != REBOUND[0]:  # some `x.data = y`, `m.eval()`: was it ours?
            for holds, why in self.bindings:
                if not holds():
                    return why
            self.rebound = REBOUND[0]
        for i, cell in self.state_cells.items():
            if leaves[i].cell is not cell:
                return self._about(i, "was")
        for i in self.fed:
            if isinstance(leaves[i], Tensor) and leaves[i].cell in self.outside:
                return self._about(i, "is")
        for holds, why in self.premises:
            if not holds():
                return why
        return None

    def _about(self, i: int, verb: str) -> Misfit:
        what = f"{verb} one of the tensors that the function reads itself"
        return Misfit("state", self.names[i], f"argument {self.names[i]} {what}")

    def run(self, leaves: Sequence, fed: Sequence | None = None) -> Any:
        """Run on arguments that fit; `fed` is what the program gets, if that is known."""
        # Their shapes and dtypes are those of the trace: the key of the call says so.
        if fed is None:
            fed = [leaves[i] for i in self.fed]
        for i in self.written:
            _check_writable(leaves[i], self.names[i])
        for i, _ in self.fed_grads:
            _check_no_grad_yet(leaves[i], self.names[i])
        values = self.program.run(fed)
        if self.is_function:
            return values[0]
        for i, value in zip(self.written, values):
            target = leaves[i]
            if isinstance(target, Tensor):
                target.array[...] = value.array
                target.cell.version += 1
            else:
                target[...] = moved(value.array, CPU)
        for ref, at in self.grads:
            t = ref()
            if t is not None:
                t._grad = None if at is None else values[at]
        for i, at in self.fed_grads:
            leaves[i]._grad = values[at]
        results = []
        for kind, x in self.template:
            if kind == "node":
                results.append(values[x])
            else:
                results.append(leaves[x] if kind == "argument" else x)
        return results[0] if self.form is None else unflatten(results, self.form)


def _plain(leaves: list, form: Any) -> list[tuple] | None:
    """Shapes and dtypes, where plain tensors are all the arguments that there are."""
    if form != flatten(((None,) * len(leaves), {}))[1]:
        return None
    if not all(type(x) is Tensor and parent_of(x) is None for x in leaves):
        return None
    return [(x.array.shape, x.array.dtype, type(x.array)) for x in leaves]


def _check_writable(leaf: Any, name: str) -> None:
    """The program writes into this argument: not when it is too late to say no."""
    array = leaf.array if isinstance(leaf, Tensor) else leaf
    if not is_writable(array):
        raise GraphError(
            "jit: an argument that is written in place cannot be written",
            expected="memory in which every element has a place of its own",
            got=f"{name} {array.shape}, expanded or read-only",
            remedy=f"{name}.clone()",
        )


def _check_no_grad_yet(leaf: Tensor, name: str) -> None:
    """Into which of its arguments' gradients a program adds is not settled by a trace."""
    if leaf._grad is not None:
        raise GraphError(
            "jit: an argument that the function takes the gradient of has one already",
            expected=f"{name}.grad is None",
            got=f"{name}.grad {leaf.shape}",
            remedy=f"{name}.grad = None before the call",
        )


def _is_state(leaf: Any, trace: Trace) -> bool:
    return isinstance(leaf, Tensor) and not leaf.view_of and leaf.cell in trace.state


def _is_value(leaf: Any) -> bool:
    return isinstance(leaf, (Tensor, np.ndarray))


def _argument_names(fn: Callable, args: tuple, kwargs: dict) -> list[str]:
    """The function's own names for its arguments, one for each of their leaves."""
    named = [*zip(parameter_names(fn, len(args)), args), *kwargs.items()]
    return [name for name, arg in named for _ in flatten(arg)[0]]


def parameter_names(fn: Callable, count: int) -> list[str]:
    """What a function calls its first parameters; "" for those of *args."""
    try:
        known = [*inspect.signature(fn).parameters][:count]
    except (TypeError, ValueError):  # some built-in functions have no signature
        known = []
    return known + [""] * (count - len(known))


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
    `target` is that of `compile`: by default, native code takes over after 20 calls; so is
    `strategy`, which looks for what `backward()` adds to the weights' `.grad`.

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
        strategy: Any = None,
        keep_grads: bool = False,
    ) -> None:
        functools.update_wrapper(self, fn)
        if strategy is not None and keep_grads:
            raise ArgumentError(
                "jit: a strategy is for updates, and gradients are no update",
                remedy="keep_grads=False, with optimizer.step() inside the function",
            )
        self.keep_grads = keep_grads
        self.fn = fn
        self.target, self.strategy = target, strategy
        self.traces = 0
        self._compiled: dict[tuple, list[_Compiled]] = {}  # by what Key lists
        self._last: tuple[Key, list[str]] | None = None  # the key of the last trace
        self._recent: _Compiled | None = None  # what the last call ran
        self._retraces = Retraces(getattr(fn, "__name__", "the function"))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        state = MODE.get()
        if state.trace is not None:  # a jit inside a jit is part of the outer one
            return self.fn(*args, **kwargs)
        recent = self._recent
        if recent is not None and not kwargs and recent.serves(args, state.grad):
            return recent.run(args, args)
        leaves, form = flatten((args, kwargs))
        key = (form, state.grad, *_signature(leaves))
        misfit = None
        for compiled in self._compiled.get(key, ()):
            misfit = compiled.misfit(leaves)
            if misfit is None:
                self._recent = compiled
                return compiled.run(leaves)
        compiled = self._trace(leaves, Key(*key))
        if self._last is not None:
            last, names = self._last
            self._retraces.note(
                self.traces, misfit or difference(last, Key(*key), names)
            )
        self._last = Key(*key), compiled.names
        self._compiled.setdefault(key, []).append(compiled)
        self._recent = compiled
        return compiled.run(leaves)

    def _trace(self, leaves: list, key: Key) -> _Compiled:
        form = key.form
        check_target(self.target)
        state = frozenset(key.sharing)
        self.traces += 1
        compiled = _Compiled(self.fn, leaves, form, state, self.keep_grads)
        if compiled.clashes:
            state |= compiled.clashes
            compiled = _Compiled(self.fn, leaves, form, state, self.keep_grads)
        compiled.finish(self.target, self.strategy, leaves)
        return compiled

    @property
    def program(self) -> Program:
        """The Program of the last trace."""
        if self._last is None:
            raise GraphError("jit: nothing was traced yet", remedy="call it once")
        return self._compiled[self._last[0]][-1].program

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)


def _signature(leaves: list) -> tuple[tuple, tuple[int, ...]]:
    """What of each argument a trace depends on, and which of them share memory."""
    parts: list[tuple] = []
    cells: list[Any] = []
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            record = leaf.record if leaf.view_of is None else parent_of(leaf)
            taped = record is not None and (record is LEAF or "a tape")
            array = leaf.array
            place = "cuda" if on_device(array) else "cpu"
            parts.append(("tensor", array.shape, array.dtype, taped, place))
            cells.append(leaf.cell)
        else:
            parts.append(_value(leaf))
            cells.append(len(cells))
    if len(set(cells)) == len(cells):
        return tuple(parts), ()
    return tuple(parts), tuple(i for i, c in enumerate(cells) if cells.count(c) > 1)


def _value(leaf: Any) -> tuple:
    if isinstance(leaf, np.ndarray):
        return "array", leaf.shape, leaf.dtype, False
    if type(leaf) is float:  # 0.0 and -0.0 are equal, nan is not even equal to itself
        return float, repr(leaf)
    try:
        hash(leaf)
    except TypeError:
        return "object", _Identity(leaf)
    return type(leaf), leaf


class _Identity:
    """What cannot be hashed, told by who it is; held, so that nothing else gets its id."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.held is other.held

    def __hash__(self) -> int:
        return id(self.held)

    def __repr__(self) -> str:
        return repr(self.held)
