"""Bodies: what a function given to `scan`, `while_loop` or `cond` computes, as a graph.

Which problem this solves: the function runs once, on symbols. What it reads from outside
(weights, other nodes) becomes further inputs, the captures; what it may not do (write
to tensors from outside, keep its symbols, call backward) is refused with a lesson.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from minigrad.eager.cell import Cell, parent_of, views_of
from minigrad.eager.tape import LEAF
from minigrad.eager.tensor import Tensor, wrap
from minigrad.errors import GradError, GraphError, name_of
from minigrad.ops.op import MODE, mode
from minigrad.profiling import Watch
from minigrad.static.loop import (
    PARAMETER,
    item,
    leaked,
    parameter,
    stop_gradient,
)
from minigrad.static.node import (
    CONSTANT,
    PLACEHOLDER,
    VARIABLE,
    Node,
    constant,
    lift,
    rebuilt,
    through,
    topological,
)
from minigrad.static.trace import Trace


def refuse_write(what: str, t: Tensor, op: str) -> NoReturn:
    raise GraphError(
        f"{op}_: the body of {what} writes to a tensor that was not made in it",
        expected="a body that returns what is new; Python runs it once, for all rounds",
        got=f"{name_of(t, 'the tensor')} {t.shape}",
        remedy="make it a loop variable and return x + y; batch norm: call .eval(), or "
        "normalise outside",
    )


def refuse_backward(what: str) -> NoReturn:
    raise GradError(
        f"backward: inside the body of {what}",
        expected="a loss that the body returns",
        got="a call of backward() in it",
        remedy="call backward() on what comes out; or mg.autograd.grad(y, x) in the body",
    )


class Guard(Watch):
    """Holds an eager body to the rules that a traced one must obey.

    It looks on during the first run alone, so that the others cost what they must.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.born: set[Cell] = set()

    def around(
        self, op: Any, run: Callable[..., Any], args: tuple, kwargs: dict
    ) -> Any:
        if run.__name__ == "inplace":
            self.check_write(args[1], op.name)
        result = run(*args, **kwargs)
        if isinstance(result, Tensor) and not op.view:
            self.adopt(result)
        return result

    def adopt(self, t: Tensor) -> None:
        self.born.add(t.cell)

    def check_write(self, t: Tensor, op: str) -> None:
        if t.cell not in self.born:
            refuse_write(self.what, t, op)

    def check_backward(self) -> None:
        refuse_backward(self.what)


class Body(Trace):
    """A trace inside another trace or inside a graph that is built by hand.

    The tape stays on: which Tensors carry a record says through which values the user
    lets gradients flow. A value without one is read through `stop_gradient`.
    """

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.parent = MODE.get().trace
        if self.parent is not None:
            self.premises, self.bindings = self.parent.premises, self.parent.bindings
        self.first = constant(0).seq  # nodes with a lower number are from outside
        self.captured: dict[Tensor, Node] = {}
        self.taping = MODE.get().grad
        self.hidden: dict[Tensor, Node] = {}  # states of generators that draw
        self.drawn: list[dict[Tensor, Node]] = []  # what they are after each side

    def born(self, node: Node) -> Tensor:
        """A Tensor of the body; a parameter of the user's is one too."""
        t = super().born(node)
        if node.op is PARAMETER and self.taping and t.dtype.kind == "f":
            t.record = LEAF
        return t

    def value_of(self, arg: Any) -> Any:
        """The Node of a Tensor; one from outside is captured, handle by handle.

        `w` and `w.detach()` are one storage and need different gradients.
        """
        if not isinstance(arg, Tensor):
            return arg
        views = views_of(arg)
        node = self.env.get((views[-1].base if views else arg).cell)
        if node is None:
            if arg not in self.captured:
                self.captured[arg] = parameter(arg, name_of(arg, ""))
            return self.captured[arg]
        node = through(views, node)
        cut = self.taping and arg.dtype.kind == "f" and parent_of(arg) is None
        # The results of a loop, which itself is no value, are cut one by one.
        whole = node.op is CONSTANT or node.op.kind == "control"
        return stop_gradient(node) if cut and not whole else node

    def check_write(self, t: Tensor, op: str) -> None:
        node = self.env.get(t.cell)
        if t not in self.hidden and (node is None or node.op is PARAMETER):
            refuse_write(self.what, t, op)

    def carry(self, t: Tensor) -> None:
        """The state of a generator goes round with the loop variables."""
        if t in self.hidden:
            return
        if self.parent is None:
            raise GraphError(
                f"{self.what}: random numbers in a graph that is built by hand",
                expected="a body that draws nothing, or a loop under jit",
                got="a generator whose state no graph updates",
                remedy="draw before the loop and pass the numbers as xs",
            )
        self.parent.carry(t)
        self.hidden[t] = self.env[t.cell] = parameter(t)

    def end_side(self) -> None:
        """The next function begins with the generators as they were."""
        self.drawn.append({t: self.env[t.cell] for t in self.hidden})
        self.env.update((t.cell, p) for t, p in self.hidden.items())

    def refuse_draws(self) -> None:
        """A condition is read once more than the body runs, so it cannot draw."""
        if any(self.env[t.cell] is not p for t, p in self.hidden.items()):
            raise GraphError(
                f"{self.what}: the condition draws random numbers",
                expected="a condition that only reads the loop variables",
                remedy="draw in the body and pass the number on as a loop variable",
            )

    def check_backward(self) -> None:
        refuse_backward(self.what)

    def saw_grad(self, t: Tensor) -> None:
        if self.parent is not None:
            self.parent.saw_grad(t)

    def close(
        self, params: Sequence[Node], results: Sequence[Node]
    ) -> tuple[list[Node], list[Node], list[Any]]:
        """The body on its own feet: all parameters, results, and what is captured.

        Nodes from outside that the body's nodes read give their places to parameters.
        """
        own = {*params, *self.captured.values()}

        def outside(node: Node) -> bool:
            older = node.seq < self.first and node.op is not CONSTANT
            return node not in own and (older or node.op in (VARIABLE, PLACEHOLDER))

        inside = topological(results, outside)
        for node in inside:
            if node.op is PARAMETER and node not in own and not outside(node):
                raise leaked(node)
        captured = [node for node in inside if outside(node)]
        new = {node: parameter(node, node.name) for node in captured}
        results = rebuilt(results, new)
        used = set(inside)
        handles = [(p, t) for t, p in self.captured.items() if p in used]
        inner = [*params, *(p for p, _ in handles), *(new[x] for x in captured)]
        return inner, results, [*(t for _, t in handles), *captured]


class Traced(NamedTuple):
    """A body that stands on its own: all parameters, what each side gives, its inputs.

    `hidden` are the states of generators that draw. They stand first among parameters,
    inputs and results, as the carries that they are.
    """

    params: list[Node]
    sides: list[list[Node]]
    captured: list[Any]
    hidden: list[Tensor]
    as_nodes: bool  # are the inputs to be Nodes, or the Tensors of a trace?

    def apply(self, op: Any, inputs: Sequence[Any], *first: Any) -> list[Any]:
        """The results of `op`; those of `hidden` are written back to the generators."""
        inputs = [*first, *self.hidden, *inputs, *self.captured]
        made = op(*map(lift, inputs)) if self.as_nodes else op(*inputs)
        if not self.as_nodes and isinstance(made, Node):
            made = wrap(made)
        results = [item(made, i=i) for i in range(len(self.sides[0]))]
        for t, state in zip(self.hidden, results):
            with mode(grad=False):
                t.copy_(state)
        return results[len(self.hidden) :]


def trace_body(
    what: str,
    params: list[Node],
    given: Sequence[Any],
    runs: Sequence[Callable[[list, Body], list]],
) -> Traced:
    """Let each of `runs` turn the parameters, which stand for what is `given`, into results."""
    as_nodes = MODE.get().trace is None or any(isinstance(x, Node) for x in given)
    body = Body(what)
    sides = []
    try:
        with mode(trace=body):
            for run in runs:
                values = list(params) if as_nodes else [body.born(p) for p in params]
                sides.append([lift(x) for x in run(values, body)])
                del values
                body.end_side()
    finally:
        body.restore()
    body.check_leaks()
    for side, drawn in zip(sides, body.drawn):
        side[:0] = [drawn.get(t, p) for t, p in body.hidden.items()]
    params = [*body.hidden.values(), *params]
    inner, results, captured = body.close(params, [x for side in sides for x in side])
    n = len(sides[0])
    split_sides = [results[k : k + n] for k in range(0, len(results), n or 1)]
    return Traced(inner, split_sides or sides, captured, list(body.hidden), as_nodes)
