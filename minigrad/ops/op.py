"""What an op is, and how a call finds out which world it is in.

An `Op` is one row of the table: an array function, a derivative rule per argument and a
shape rule. Everything else in the house reads these rows: the tape runs `fn` and keeps
what the rules name, the graph runs `infer` and keeps the call, the tests draw `sample`.

Rules are written in plain array notation over a closed list of operations that means
the same for NumPy arrays, Tensors and Nodes (`tests/ops/test_rules.py` holds the list).
A rule that does not ask for the cotangent `g` gives a slope, which `g` is multiplied by.
Fed arrays a rule is the fast first derivative, fed Tensors it can be differentiated
again, fed Nodes it builds a gradient graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass, field
from operator import imul
from types import FunctionType
from typing import Any, NamedTuple

from minigrad.errors import Origin


class Mode(NamedTuple):
    """What an op call must know about its surroundings; one read per op."""

    grad: bool | None = True  # record on the tape? None under inference_mode
    trace: Any = None  # the running Trace: Tensor ops become symbolic
    watch: Any = None  # a Watch, which runs the ops of a block (count_ops, profile)

    def tell(self, event: str, *args: Any) -> None:
        """Call the method `event` of the trace and of the Watch, if there are any."""
        if self.trace is not None:
            getattr(self.trace, event)(*args)
        if self.watch is not None:
            getattr(self.watch, event)(*args)

    def recording(self, grad: bool | None) -> Mode:
        """The same with the tape on or off."""
        bare = self.trace is None and self.watch is None
        return BARE[grad] if bare else self._replace(grad=grad)


BARE = {grad: Mode(grad) for grad in (True, False, None)}
MODE: ContextVar[Mode] = ContextVar("minigrad_mode", default=BARE[True])

# The line that symbolic work is done for, when it is not the line running now:
# gradients and rewrites give their nodes the origin of the node they serve.
ORIGIN: ContextVar[Origin | None] = ContextVar("minigrad_origin", default=None)


@contextmanager
def _set(variable: ContextVar, value: Any) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def mode(**changes: Any) -> AbstractContextManager:
    """Run a block under a changed `MODE`, restored whatever happens."""
    return _set(MODE, MODE.get()._replace(**changes))


def on_behalf_of(origin: Origin | None) -> AbstractContextManager:
    """Give every node made in this block the origin `origin`."""
    return _set(ORIGIN, origin or ORIGIN.get())


class Value:
    """Base of Tensor and Node; `apply` runs an op in the value's own world."""

    __slots__ = ()
    _priority = 0

    @classmethod
    def apply(cls, op: Op, args: tuple, attrs: dict) -> Any:
        raise NotImplementedError


Rule = Callable[..., Any]
INPUT_NAMES = ("a", "b", "c")
PICKED = {  # where the values come from: x are the inputs, y is the output
    "a": "x[0]",
    "b": "x[1]",
    "c": "x[2]",
    "y": "y",
    "rest": "tuple(x[{named}:])",
    "sa": "x[0].shape",
    "sb": "x[1].shape",
    "shapes": "tuple(v.shape for v in x)",
}


@dataclass(slots=True)
class Plan:
    """Which values the wanted cotangents of an op need, and the call that makes them.

    The parameter names of a rule are the saving contract: `g` is the cotangent, `y` the
    output, `a b c` the inputs, `rest` the inputs after the named ones, `sa sb` and
    `shapes` the inputs' shapes, `i` the argument's index; every other name is an
    attribute. What the rules name is what the tape keeps. `pull_owned` is for a `g` that
    nobody else holds and one parent alone gets: it may come back multiplied.
    """

    op: Op
    names: tuple[str, ...]
    pick: Callable[..., tuple]  # (inputs, output) -> what `names` lists
    pull: Callable[..., tuple]  # (g, picked, attrs) -> cotangents
    pull_arrays: Any = None  # the same for arrays alone: no op asks what it was fed
    pull_owned: Callable[..., tuple] | None = None  # that; may write over g

    def __post_init__(self) -> None:
        self.pull_arrays = self.pull_arrays or self.pull


TABLE: dict[str, Op] = {}


@dataclass(slots=True, eq=False, repr=False)
class Op:
    """One primitive operation: exactly one output, attributes that are Python values.

    `fn(*arrays, out=None, **attrs)` computes (views take no `out`); `vjp` holds one rule
    per argument, None where there is no derivative, or a single rule with a parameter
    `i` for ops that take any number of alike arguments; `infer(op, args, attrs)` gives
    the output's shape and dtype and raises the typed error that explains bad arguments;
    `kind` names the family (elementwise, reduce, movement, contraction, indexing);
    `c` is one element of an elementwise op as a C expression of `a b c` and the attributes;
    `sample(rng)` yields `(args, attrs)` pairs for the tests; `fast` holds what runs the op
    when its first operand is of a certain type.
    """

    name: str
    fn: Callable[..., Any]
    vjp: Sequence[Rule | None] | Rule
    _: KW_ONLY
    infer: Callable[[Op, tuple, dict], tuple]
    kind: str
    doc: str
    sample: Callable[..., Any]
    view: bool = False
    dtype: str = "same"
    c: str = ""
    vjp_inplace: Rule | None = None
    fast: dict[type, Callable[..., Any]] = field(default_factory=dict, init=False)
    _plans: dict[tuple[bool, ...], Plan] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.name in TABLE:
            raise ValueError(f"op {self.name} is in the table already")
        TABLE[self.name] = self

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        """Run in the world of the arguments: Nodes beat Tensors beat arrays."""
        fast = self.fast.get(type(args[0])) if args else None
        if fast is not None:
            return fast(*args, **attrs)
        world = None
        for arg in args:
            if isinstance(arg, Value) and (
                world is None or arg._priority > world._priority
            ):
                world = type(arg)
        if world is None:
            return self.fn(*args, **attrs)
        return world.apply(self, args, attrs)

    @property
    def named(self) -> int:
        """How many arguments have a rule of their own; what follows is `rest`."""
        return 0 if callable(self.vjp) else len(self.vjp)

    def rule(self, i: int) -> Rule | None:
        """The derivative rule of argument `i`."""
        if callable(self.vjp):
            return self.vjp
        return self.vjp[i] if i < len(self.vjp) else None

    def plan(self, wanted: tuple[bool, ...]) -> Plan:
        """The compiled backward call for the arguments marked in `wanted`."""
        plan = self._plans.get(wanted)
        if plan is None:
            plan = self._plans[wanted] = _compile_plan(self, wanted)
        return plan


def _compile_plan(op: Op, wanted: tuple[bool, ...]) -> Plan:
    """Write the backward call of `op` as source once, so that each use is one call.

    For mul with both arguments wanted `pick` is `lambda x, y: (x[1], x[0])` and `pull`
    `lambda g, v, attrs: (g * (rule0(v[0])), g * (rule1(v[1])))`. Where one alone is
    wanted, `pull_owned` multiplies in the memory of g: `(imul(g, rule0(v[0])), None)`.
    """
    names: dict[str, str] = {}
    rules: dict[str, Rule] = {}
    calls = ["None"] * len(wanted)
    for i, want in enumerate(wanted):
        rule = op.rule(i) if want else None
        if rule is None:
            continue
        rules[f"rule{i}"] = rule
        parameters = inspect.signature(rule).parameters
        given = {"g": "g", "i": str(i)}
        for name in parameters:
            if name in PICKED:
                given[name] = names.setdefault(name, f"v[{len(names)}]")
        passed = [given.get(name, f"attrs[{name!r}]") for name in parameters]
        call = f"rule{i}({', '.join(passed)})"
        calls[i] = call if "g" in parameters else f"g * ({call})"
    picks = "".join(PICKED[name].format(named=op.named) + ", " for name in names)
    pull = f"lambda g, v, attrs: ({', '.join(calls)},)"
    alone = len(calls) - calls.count("None") == 1
    owned = pull.replace("g * (", "imul(g, ") if alone else "None"
    if op.vjp_inplace is not None:
        owned = "lambda g, v, attrs: inplace(g, **attrs)"
    scope = {"__name__": __name__, "imul": imul, "inplace": op.vjp_inplace}
    arrays = {name: _on_arrays(rule) for name, rule in rules.items()}
    pulls = eval(f"lambda x, y: ({picks}), {pull}, {owned}", scope | rules)
    for_arrays = [f and FunctionType(f.__code__, scope | arrays) for f in pulls[1:]]
    return Plan(op, tuple(names), *pulls[:2], *for_arrays)


def _on_arrays(rule: Rule) -> Rule:
    """`rule` with array functions where its text names ops."""
    known = rule.__globals__.items()
    scope = {name: v.fn if isinstance(v, Op) else v for name, v in known}
    shown = rule.__name__, rule.__defaults__, rule.__closure__
    return FunctionType(rule.__code__, scope, *shown)
