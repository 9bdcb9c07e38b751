"""Optimizer: everything but the formula.

Which problem this solves: a formula such as Adam's should be written once, and yet run
line by line, inside `jit`, and in a graph built by hand. It is written with augmented
assignments (`m *= beta`), which mean the right thing everywhere: fed arrays they work in
their memory, which is the fast eager step; fed Tensors they are in-place operations, so
that a trace records them and a profile counts them.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from minigrad.backend import SEVERAL, float64, follow, get_default_dtype
from minigrad.creation import full, full_like, tensor
from minigrad.eager.tensor import Tensor
from minigrad.errors import ArgumentError, DTypeError, user_origin
from minigrad.nn.utils.parameters import zero_grads
from minigrad.ops.op import MODE, mode
from minigrad.ops.shapes import describe
from minigrad.options import Options
from minigrad.static.node import Node, lift, node_of
from minigrad.static.trace import Trace, guard, live

IMPLEMENTATION = ("foreach", "fused", "capturable", "differentiable")
NOT_NEGATIVE = (
    "lr", "eps", "weight_decay", "momentum", "alpha", "lr_decay",
    "initial_accumulator_value",
)  # fmt: skip


class Optimizer(Options, options="params, defaults"):
    """The base of the optimizers, with PyTorch's `param_groups`, `state` and methods.

    `params` is an iterable of weights, of (name, weight) pairs, or of dicts with
    "params" and options of their own; `defaults` are the options of the others. A
    subclass writes `update` and `slots`. Options may be changed in `param_groups` at any
    time: a compiled step reads its numbers at every run, and is traced again when a part
    of the formula is switched on or off.

    Raises `ValueError` for no parameters, the same one twice, one that is no leaf and
    options out of range, `TypeError` for what is not a Tensor.
    """

    # Options that change the formula's form when they are 0 or False.
    switches: tuple[str, ...] = ("weight_decay", "maximize")

    def __init__(self, *args: Any, **options: Any) -> None:
        given = self.given(args, options)
        params = given.pop("params")
        self.defaults: dict[str, Any] = dict(given.get("defaults", given))
        _check_options(self.defaults)
        self.state: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self.steps = 0  # how often `step` was called, for the schedules
        self._replaced = 0  # how often storages changed that compiled steps hold
        if isinstance(params, Tensor):
            raise DTypeError(
                "the parameters come as an iterable",
                expected="a list of Tensors, or of dicts",
                got="a Tensor",
                remedy="[w]",
            )
        groups = list(_ordered(params))
        if not groups:
            raise ArgumentError(
                "the optimizer got an empty parameter list",
                remedy="an iterator such as model.parameters() serves only once",
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    # --- what a subclass writes ----------------------------------------------------------
    def update(self, p: Any, g: Any, state: dict, group: dict, h: Any) -> None:
        """Change the parameter `p` and its `state` in place; `g` is what to descend.

        `group` says which parts of the formula are on; its numbers are read from `h`:
        Python's own, inside a trace ones that each run reads anew.
        """
        raise NotImplementedError

    def slots(self, group: dict) -> dict[str, float]:
        """What is kept for each parameter, and the number it begins with."""
        return {}

    # --- a step --------------------------------------------------------------------------
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a `.grad`; what `closure`, if given, returned."""
        loss = None
        if closure is not None:
            with mode(grad=True):
                loss = closure()
        self._update_all()
        return loss

    def _update_all(self) -> None:
        self.steps += 1
        _, trace, watch = MODE.get()
        if trace is None and watch is None:
            origin = user_origin()
            for group in self.param_groups:
                h = SimpleNamespace(**{**group, "lr": float(group["lr"])})
                for p in group["params"]:
                    if p._grad is not None:
                        self._update_arrays(p, group, h, origin)
            return
        with mode(grad=False):
            for group in self.param_groups:
                guard(functools.partial(self._form, group))
                live_h = _Live(group)
                for p in group["params"]:
                    if trace is not None:
                        trace.saw_grad(p)
                    if p._grad is not None:
                        self._update_tensors(p, group, live_h)

    def _form(self, group: dict) -> list:
        """All that a trace takes for granted."""
        return [self._replaced, *(bool(group.get(name)) for name in self.switches)]

    def _update_arrays(self, p: Tensor, group: dict, h: Any, origin: Any) -> None:
        state = self._state_of(p, group)
        values = {name: t.array for name, t in state.items()}
        if "step" in values:
            values["step"] += 1
            values["step"] = float(values["step"])
        if SEVERAL:
            follow(p.array)
        g = p._grad.array  # type: ignore[union-attr]
        self.update(p.array, -g if group.get("maximize") else g, values, group, h)
        for t in (p, *state.values()):
            t.cell.version += 1
            t.cell.writer = origin

    def _update_tensors(self, p: Tensor, group: dict, h: Any) -> None:
        values: dict[str, Any] = dict(self._state_of(p, group))
        if "step" in values:
            values["step"] = values["step"].add_(1).to(float64)
        g: Any = p._grad
        self.update(p, -g if group.get("maximize") else g, values, group, h)

    def _state_of(self, p: Tensor, group: dict) -> dict[str, Tensor]:
        """The state of `p`; what is not there yet begins now, a storage also in a trace."""
        state, slots = self.state[p], self.slots(group)
        if not state.keys() >= slots.keys():
            with mode(trace=None, grad=False):
                for name, begin in slots.items():
                    if name == "step":
                        new = full((), begin, dtype=get_default_dtype(), device="cpu")
                    else:
                        new = full_like(p, begin)
                    state.setdefault(name, new)
        return state

    def updates(self, grads: Any) -> dict[Node, Node]:
        """The step as `updates` of a graph built by hand.

        `grads` are nodes in the order of the parameters, as `gradients(loss, params)`
        gives them; None leaves its parameter out.

            >>> import minigrad as mg
            >>> x, w = mg.placeholder((2,)), mg.ones(2, requires_grad=True)
            >>> opt = mg.optim.SGD([w], lr=0.1)
            >>> loss = (x * w).sum()
            >>> step = mg.compile([x], loss, opt.updates(mg.gradients(loss, [w])))
            >>> step(mg.ones(2)), w
            (tensor(2.), tensor([0.9000, 0.9000], requires_grad=True))
        """
        params = list(self._params())
        if len(grads) != len(params):
            raise ArgumentError(
                "updates: one gradient for each parameter",
                expected=str(len(params)),
                got=str(len(grads)),
            )
        trace = Trace()
        try:
            with mode(trace=trace):
                for p, g in zip(params, grads):
                    p.grad = None if g is None else trace.born(lift(g))
                self._update_all()
            return {node_of(cell): node for cell, node in trace.updates().items()}
        finally:
            trace.restore()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or overwrite them with zeros."""
        zero_grads(self._params(), set_to_none)

    # --- parameters ----------------------------------------------------------------------
    def _params(self) -> Iterator[Tensor]:
        """Those of all groups, in their order."""
        return (p for group in self.param_groups for p in group["params"])

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimize more parameters: `{"params": [...], "lr": 0.01}`."""
        if not isinstance(param_group, dict):
            raise DTypeError(
                "a parameter group is a dict",
                expected='{"params": [...], ...}',
                got=type(param_group).__name__,
            )
        given = param_group["params"]
        given = [given] if isinstance(given, Tensor) else list(_ordered(given))
        names = [p[0] for p in given if isinstance(p, tuple)]
        params = [p[1] if isinstance(p, tuple) else p for p in given]
        group = {**self.defaults, **param_group, "params": params}
        if names:
            group["param_names"] = names
        _check_options(group)
        self._check_params(params, names)
        param_group.update(group)  # it stays the caller's own dict, as in PyTorch
        self.param_groups.append(param_group)
        self._replaced += 1

    def _check_params(self, params: list, names: list) -> None:
        taken = set(self._params())
        for p in params:
            if not isinstance(p, Tensor):
                raise DTypeError(
                    "the optimizer can only optimize Tensors",
                    got=type(p).__name__,
                    remedy="mg.tensor(..., requires_grad=True)",
                )
            if not (p.is_leaf or p.retains_grad):
                raise ArgumentError(
                    "can't optimize a non-leaf Tensor: its value follows from others",
                    got=f"{describe(p, 'a tensor')}, {p.grad_fn!r}",
                    remedy="x.detach().requires_grad_()",
                )
            if p in taken:
                raise ArgumentError(
                    "some parameters appear more than once",
                    got=describe(p, "a tensor"),
                    remedy="list each weight in one group only",
                )
            taken.add(p)
        named = {"param_names" in group for group in self.param_groups}
        if len(names) not in (0, len(params)) or named == {not names}:
            raise ArgumentError("either all parameters have names or none has")

    # --- saving --------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """`{"state": ..., "param_groups": ...}` in PyTorch's form.

        Parameters are numbered in order; the Tensors are the live ones, not copies.
        """
        number = {p: i for i, p in enumerate(self._params())}
        packed = [
            {**group, "params": [number[p] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {number[p]: dict(kept) for p, kept in self.state.items()}
        return {"state": state, "param_groups": packed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over copies of what `state_dict` holds; a compiled step is traced again.

        Raises `ValueError`, and changes nothing, if the groups do not fit.
        """
        saved = state_dict["param_groups"]
        ours = [len(group["params"]) for group in self.param_groups]
        theirs = [len(group["params"]) for group in saved]
        if ours != theirs:
            raise ArgumentError(
                "load_state_dict: the parameter groups do not match",
                expected=f"groups of {ours} parameters",
                got=f"groups of {theirs}",
            )
        for new in saved:
            _check_options(new)
        state: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)
        numbers = (number for new in saved for number in new["params"])
        for p, number in zip(self._params(), numbers):
            if number in state_dict["state"]:
                state[p] = _loaded(p, state_dict["state"][number])
        for group, new in zip(self.param_groups, saved):
            group.update({k: v for k, v in new.items() if k != "params"})
        self.state = state
        self._replaced += 1

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            options = sorted(k for k in group if k != "params")
            lines += [f"    {name}: {group[name]}" for name in options]
        return "\n".join([*lines, ")"])


class _Live:
    """The numbers of a group inside a trace, each fed to the program when first used."""

    def __init__(self, group: dict) -> None:
        self._group = group

    def __getattr__(self, name: str) -> Any:
        group = self._group
        if isinstance(group[name], (tuple, list)):
            value: Any = [
                live(lambda i=i: float(group[name][i]), name)  # type: ignore[misc]
                for i in range(len(group[name]))
            ]
        else:
            value = live(lambda: float(group[name]), name)
        setattr(self, name, value)
        return value


def _ordered(params: Iterable) -> Iterable:
    if isinstance(params, (set, frozenset)):
        raise DTypeError(
            "the parameters need an order, which a set does not keep", remedy="a list"
        )
    return params


def _check_options(options: dict[str, Any]) -> None:
    for name in IMPLEMENTATION:
        if options.get(name):
            raise NotImplementedError(
                f"{name}=True chooses another implementation of the step in PyTorch; "
                "minigrad has one for all: leave it out"
            )
    for name in NOT_NEGATIVE:
        if name in options and not options[name] >= 0:
            what = "learning rate" if name == "lr" else name
            raise ArgumentError(
                f"Invalid {what}: {options[name]}", expected=f"{name} >= 0"
            )
    for beta in options.get("betas", ()):
        if not 0 <= beta < 1:
            raise ArgumentError(
                f"Invalid beta: {beta}", expected="betas from 0 up to, not including, 1"
            )


def _loaded(p: Tensor, kept: dict[str, Any]) -> dict[str, Tensor]:
    """Copies in the dtype of `p`; a counter keeps its own."""
    state = {}
    for name, value in kept.items():
        if value is not None:  # PyTorch's word for: not begun yet
            own = getattr(value, "dtype", get_default_dtype())
            counter = name == "step"  # which stays on the CPU, as in PyTorch
            dtype, where = (own, "cpu") if counter else (p.dtype, p.device)
            state[name] = tensor(value).to(where, dtype)
    return state
