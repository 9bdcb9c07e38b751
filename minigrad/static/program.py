"""Program: a graph made ready to run. Define once, run many times.

Both doors end here: graphs built by hand through `compile`, and training steps traced by
`jit`. A Program is a list of NumPy calls written out as Python source, one line per op,
with the memory of every result decided beforehand. `print(program.source)` shows it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from minigrad.backend import DEVICE_ARRAYS, Array, late, on_device
from minigrad.eager.cell import Cell
from minigrad.eager.tensor import Tensor, wrap
from minigrad.errors import FeedError, GraphError, NotNative, name_of, user_origin
from minigrad.ops import shapes
from minigrad.ops.extents import alike, is_known
from minigrad.ops.op import MODE
from minigrad.ops.randomness import advance
from minigrad.profiling import profile
from minigrad.static.build import Build
from minigrad.static.loop import PARAMETER, leaked
from minigrad.static.node import PLACEHOLDER, VARIABLE, Node, is_live, lift, topological
from minigrad.static.placement import belongs, refuse_mixed, settled
from minigrad.static.plan import Plan
from minigrad.static.rewrite import REWRITES, Rewrite
from minigrad.static.specialise import specialise
from minigrad.static.steps import Lifetime, Steps, lifetimes, steps_of

TARGETS = ("auto", "interpreter", "native", "cuda")
BUILDS_KEPT = 16  # of a program with sizes that are None
_default_target = ["auto"]


def set_default_target(target: str) -> None:
    """How programs run unless `compile` or `jit` says otherwise; see `compile`."""
    _default_target[0] = check_target(target)


def check_target(target: str | None) -> str:
    target = target or _default_target[0]
    if target not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {target!r}")
    return target


def compile(
    inputs: Sequence[Node] | Callable[..., Any],
    outputs: Any = None,
    updates: Any = None,
    *,
    target: str | None = None,
    rewrites: Sequence[Rewrite] = REWRITES,
    check_nan: bool = False,
    strategy: Any = None,
) -> Any:
    """Make a `Program` of a graph: `compile([x, y], loss, updates={w: w - lr * g})`.

    `inputs` are placeholders in the order of the call's arguments; `outputs` a Node or a
    list, tuple or dict of Nodes; `updates` pairs a variable (or a weight Tensor) with
    its new value, all computed from the old values. `rewrites` are applied in order, ()
    leaves the graph as it was built. With `check_nan` a run stops at the first result
    that is not finite, names its line and updates nothing. A `strategy` rewrites the graph for
    several processes: `mg.distributed.DataParallel()`. Given a function, `compile` is `jit`. Raises
    `GraphError` for a placeholder that is used but not among `inputs`.

    `target` says what runs: "interpreter" is NumPy, "native" C compiled at once, "cuda"
    kernels on the GPU, where the variables must be; a program whose variables or tensor
    arguments lie there runs there anyway (`DeviceError` if some lie on the CPU). Arrays of
    NumPy that it is fed are copied over, results stay there. "auto",
    the default, runs 20 calls in the interpreter, so that first calls are quick, and from
    the 21st on native code where there is a compiler, C for every op and no more than
    500 of them; that one call waits for the compiler. Results may then differ in the last
    digits: name a target where they must not. `program.target` tells what runs,
    `program.fallback` why it is not C.
    """
    if callable(inputs) and outputs is None and updates is None:
        return late("jit")(inputs, target=target, strategy=strategy)
    if isinstance(inputs, Node):
        inputs = [inputs]
    flat, rebuild = _flatten_outputs(outputs)
    pairs = updates.items() if isinstance(updates, dict) else updates or ()
    commits: dict[Cell, Node] = {}
    for key, value in pairs:
        cell, node = _check_update(key, value)
        if cell in commits:
            raise GraphError("compile: a variable has two updates", got=repr(lift(key)))
        commits[cell] = node
    how = {"rewrites": rewrites, "check_nan": check_nan, "strategy": strategy}
    graph: Any = inputs, flat, commits
    return Program(*graph, rebuild=rebuild, target=target, **how)


def _flatten_outputs(outputs: Any) -> tuple[list[Node], Callable[[list], Any]]:
    if outputs is None:
        return [], lambda values: None
    if isinstance(outputs, dict):
        keys = list(outputs)
        return [lift(outputs[k]) for k in keys], lambda values: dict(zip(keys, values))
    if isinstance(outputs, (list, tuple)):
        return [lift(node) for node in outputs], type(outputs)
    return [lift(outputs)], itemgetter(0)


def _check_update(key: Any, value: Any) -> tuple[Cell, Node]:
    target = lift(key)
    if target.op is not VARIABLE:
        raise GraphError(
            "compile: only variables can be updated",
            expected="a node made by mg.variable, or a weight",
            got=repr(target),
        )
    if value is None:
        raise GraphError(
            "compile: the new value is None",
            expected=f"a node for {target!r}",
            remedy="gradients() gives None where nothing depends on the variable",
        )
    node = lift(value)
    if not alike(node.shape, target.shape) or node.dtype != target.dtype:
        raise GraphError(
            "compile: the new value does not fit its variable",
            expected=f"{target.shape} {target.dtype}",
            got=f"{node.shape} {node.dtype}",
            at=[o for o in (node.origin, target.origin) if o],
        )
    return target.value, node


class Program:
    """A compiled graph, called with a value per placeholder; returns detached Tensors.

    `source` is the Python that runs, `plan` the order and the memory, `stats` counts
    what the pipeline did. A call checks every argument before anything is written.
    Where a placeholder has sizes that are None, the first call with each tuple of shapes
    builds the graph for these; the last 16 builds are kept.
    """

    def __init__(
        self,
        inputs: Sequence[Node],
        outputs: Sequence[Node],
        updates: dict[Cell, Node],
        *,
        rebuild: Callable[[list], Any] = list,
        target: str | None = None,
        rewrites: Sequence[Rewrite] = REWRITES,
        check_nan: bool = False,
        strategy: Any = None,
    ) -> None:
        if isinstance(strategy, (str, type)):
            raise TypeError(
                f"strategy must be like mg.distributed.DataParallel(), not {strategy!r}"
            )
        self.inputs, self.rebuild = list(inputs), rebuild
        self._outputs, self._updates = list(outputs), updates
        self._graph = [*outputs, *updates.values()]
        how = {"rewrites": rewrites, "check_nan": check_nan, "strategy": strategy}
        self._options: dict[str, Any] = how
        self._target = settled(target, check_target(target), self._graph)
        _check_inputs(self.inputs, self._graph)
        written = (*updates, *_drawn(self._graph))
        self._written = {_owner(cell.array) for cell in written}
        self._lock = threading.Lock()  # buffers are the program's, not the thread's
        self._fixed = target in ("interpreter", "native")
        self._on_cuda: Program | None = None  # the same for arguments on the GPU
        self._ran: Program = self  # which of the two ran last
        self._builds: OrderedDict[tuple, Build] = OrderedDict()
        self.builds = 0  # made so far
        self.dynamic = not all(is_known(node.shape) for node in self.inputs)
        self._build = None if self.dynamic else self._made(self.inputs, self._graph)

    def _made(self, inputs: Sequence[Node], wanted: Sequence[Node]) -> Build:
        self.builds += 1
        # The state of a generator moves on, so that each run draws anew.
        drawn = _drawn(wanted).items()
        updates = {cell: x.inputs[0] + advance(x.shape) for cell, x in drawn}
        count = len(self._outputs)
        updates |= zip(self._updates, wanted[count:])
        how = {**self._options, "target": self._target}
        return Build(inputs, wanted[:count], updates, **how)

    def _made_for(self, shapes: tuple) -> Build:
        """The build for arguments of these shapes; the last few are kept."""
        build = self._builds.get(shapes)
        if build is None:
            build = self._made(*specialise(self.inputs, self._graph, shapes))
            self._builds[shapes] = build
            if len(self._builds) > BUILDS_KEPT:
                self._builds.popitem(last=False)
        self._builds.move_to_end(shapes)
        return build

    @property
    def build(self) -> Build:
        """What the last call ran."""
        if self._ran is not self:
            return self._ran.build
        if self._build is None:
            raise GraphError(
                "program: how it runs is settled when the sizes that are None are known",
                got=", ".join(map(repr, self.inputs)),
                remedy="call the program once, then look",
            )
        return self._build

    def __call__(self, *args: Any) -> Any:
        """Run with one value per placeholder, in the order of `inputs`."""
        return self.rebuild(self.run(args))

    def run(self, args: Sequence[Any]) -> list[Tensor]:
        """A Tensor for each of the outputs, from a value for each placeholder."""
        build = self._build
        if build is not None and build.again is not None:
            results = build.again(*args)
            if results is not None:
                return results
        if MODE.get().trace is not None:
            raise GraphError(
                "a program cannot be called while jit traces",
                remedy="call the function it was made from",
            )
        if len(args) != len(self.inputs):
            names = ", ".join(_name(node, i) for i, node in enumerate(self.inputs))
            raise FeedError(
                "program: wrong number of arguments",
                expected=f"{len(self.inputs)}: {names}",
                got=str(len(args)),
                remedy="pass a value for each placeholder, in this order",
            )
        if DEVICE_ARRAYS and not all(belongs(arg, self._target) for arg in args):
            return self._elsewhere(args)
        self._ran = self
        arrays = self.run_arrays([self._feed(i, arg) for i, arg in enumerate(args)])
        return [wrap(array) for array in arrays]

    def _elsewhere(self, args: Sequence[Any]) -> list:
        """A call with Tensors that are not where the program runs."""
        if self._fixed or self._target == "cuda":
            at = next(i for i, x in enumerate(args) if not belongs(x, self._target))
            refuse_mixed(_name(self.inputs[at], at), args[at], self._target)
        if self._on_cuda is None:
            graph = self.inputs, self._outputs, self._updates
            self._on_cuda = Program(*graph, target="cuda", **self._options)
        self._ran = self._on_cuda
        return self._on_cuda.run(args)

    def run_arrays(self, arrays: Sequence[Any]) -> list:
        """Run on arrays that fit; what `run` does after its checks."""
        watch = MODE.get().watch
        with self._lock:
            build = self._build
            if build is None or self.dynamic:
                build = self._build = self._made_for(tuple([x.shape for x in arrays]))
            if build.patience:
                build.patience -= 1
                if not build.patience:  # whatever goes wrong, the interpreter goes on
                    build.become_native((NotNative, GraphError, OSError))
            run = build.run if watch is None else watch.program(build)
            try:
                return run(*arrays, *build.numbers())
            except Exception as error:
                explained = build.explain(error)
                if explained is error:
                    raise
                raise explained from error

    def _feed(self, i: int, arg: Any) -> Any:
        """`arg` as the array the placeholder wants, or the error that says why not."""
        node = self.inputs[i]
        if isinstance(arg, Tensor):
            array = arg.array
        elif isinstance(arg, Array) or on_device(arg):
            array = arg
        else:
            array = _as_array(arg, node, i)
        if array.shape != node.shape and not alike(array.shape, node.shape):
            raise FeedError(
                f"program: {_name(node, i)} has another shape",
                expected=str(node.shape),
                got=f"{name_of(arg, 'the argument')} {array.shape}",
                at=_places(node),
            )
        if array.dtype != node.dtype:
            if array.dtype.kind == "f" and node.dtype.kind != "f":
                raise FeedError(
                    f"program: {_name(node, i)} would lose the fractions",
                    expected=str(node.dtype),
                    got=f"{name_of(arg, 'the argument')} {array.dtype}",
                    remedy="round and cast it yourself",
                    at=_places(node),
                )
            array = array.astype(node.dtype)
        # What shows a variable that is written is fed as it was.
        return (
            array.copy() if self._written and _owner(array) in self._written else array
        )

    @property
    def source(self) -> str:
        """The source that a call runs: Python, or C, or CUDA, as the target says."""
        return self.build.source

    @property
    def target(self) -> str:
        """What runs it: "interpreter", "native" or "cuda"."""
        if self._ran is not self:
            return "cuda"
        return self._target if self._build is None else self._build.target

    @property
    def fallback(self) -> str:
        """Why not all of it is the code that was asked for; '' if it is.

        Without native code the interpreter runs; an op without a CUDA kernel is left to
        the array module.
        """
        return self.build.fallback

    @property
    def plan(self) -> Plan:
        """The order of the nodes and the memory of their results."""
        return self.build.plan

    @property
    def stages(self) -> dict[str, list[Node]]:
        """The nodes wanted as they were at each stage of the pipeline."""
        return self.build.stages

    @property
    def ops(self) -> list[Node]:
        """The nodes that a call computes, in order."""
        return self.plan.nodes

    @property
    def stats(self) -> dict[str, int]:
        """Nodes before and after the rewrites, steps, and bytes without reuse and with.

        `fused` nodes run together with others. `bytes_naive` is what results of every
        node would take, `bytes_fused` those of every step, `bytes_planned` the buffers;
        `builds` counts those made, one for each tuple of shapes.
        """
        return {**self.build.stats(), "builds": self.builds}

    @property
    def steps(self) -> Steps:
        """What a call runs, step by step: the ops, what they read and where they write.

        >>> import minigrad as mg
        >>> x = mg.placeholder((2,), name="x")
        >>> mg.compile([x], (x * x).tanh()).steps
          0  mul: x -> mul#0 in buffer 0
          1  tanh: mul#0 -> tanh#1 in new memory
        """
        return steps_of(self.plan)

    @property
    def lifetimes(self) -> list[Lifetime]:
        """From which step to which each value is in memory, and where."""
        return lifetimes(self.plan)

    def profile(self, *args: Any) -> Any:
        """Run once, updates included; the time of every step, printed as a table."""
        with profile(by_step=True) as table:
            self(*args)
        return table

    def show(self, stage: str = "optimized") -> Any:
        """The picture of one of `stages`: a graph, or of "plan" how long values live."""
        return late("show")(self, stage=stage)

    def __repr__(self) -> str:
        names = ", ".join(_name(node, i) for i, node in enumerate(self.inputs))
        ops = f", {len(self.ops)} ops" if self._build is not None else ""
        outputs, updates = len(self._outputs), len(self._updates)
        return f"<Program ({names}) -> {outputs} outputs, {updates} updates{ops}>"


def _owner(array: Any) -> int:
    """The identity of what holds the memory that an array shows."""
    while (base := getattr(array, "base", None)) is not None:
        array = base
    return id(array)


def _places(node: Node) -> Any:
    return [o for o in (user_origin(), node.origin) if o]


def _as_array(arg: Any, node: Node, i: int) -> Any:
    if shapes.is_number(arg) or isinstance(arg, (np.generic, list, tuple)):
        array = np.asarray(arg)
        return array.astype(node.dtype) if array.dtype.kind != "f" else array
    raise FeedError(
        f"program: {_name(node, i)} was fed something that is not a value",
        expected=f"an array or Tensor {node.shape} {node.dtype}",
        got=type(arg).__name__,
        at=_places(node),
    )


def _drawn(nodes: Sequence[Node]) -> dict[Cell, Node]:
    """The state of every generator that is drawn from, and what is drawn."""
    drawn = [x for x in topological(nodes) if x.op.kind == "random"]
    return {x.inputs[0].value: x for x in drawn if x.inputs[0].op is VARIABLE}


def _name(node: Node, i: int) -> str:
    return node.name or f"argument {i}"


def _check_inputs(inputs: list[Node], outputs: Sequence[Node]) -> None:
    for node in inputs:
        if not isinstance(node, Node) or node.op is not PLACEHOLDER:
            raise GraphError(
                "compile: inputs must be placeholders",
                expected="nodes made by mg.placeholder",
                got=repr(node),
            )
    if len(set(inputs)) != len(inputs):
        raise GraphError("compile: a placeholder is listed twice among the inputs")
    fed = set(inputs)
    for node in topological(outputs):
        if node.op is PARAMETER:
            raise leaked(node)
        if node.op is PLACEHOLDER and node not in fed and not is_live(node):
            raise GraphError(
                "compile: a placeholder that the outputs need is not fed",
                expected=f"{node!r} among the inputs",
                got=", ".join(map(repr, inputs)) or "no inputs",
                remedy="list it: mg.compile([x, ...], outputs)",
                at=_places(node),
            )
