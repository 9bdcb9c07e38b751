"""Tools for testing ops: samples, numerical derivatives, one call run in every mode.

An op is written once and read by the tape, the graph and the compiler. Whether they agree
is checked here: `samples` draws arguments from the op table, `gradcheck` compares
derivatives with difference quotients, `every_mode` runs one call every way there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.autodiff import unbroadcast
from minigrad.autograd.checking import DerivativeError as DerivativeError
from minigrad.autograd.checking import (
    as_array,
    grad_or_zeros,
    is_float,
    leaf,
    weighted,
    weights,
)
from minigrad.autograd.checking import gradcheck as gradcheck
from minigrad.autograd.checking import gradgradcheck as gradgradcheck
from minigrad.backend import Array
from minigrad.eager.tensor import Tensor
from minigrad.ops.op import TABLE, Op
from minigrad.static.jit import jit
from minigrad.static.node import (
    CONSTANT,
    Node,
    gradients,
    placeholder,
    topological,
)
from minigrad.static.program import Program


class Sample(NamedTuple):
    """One call of an op: arrays and attributes."""

    args: tuple[Any, ...]
    attrs: dict[str, Any]

    def astype(self, dtype: Any) -> Sample:
        """The same call with its float arguments in another dtype."""
        cast = (a.astype(dtype) if is_float(a) else a for a in self.args)
        return Sample(tuple(cast), self.attrs)


def samples(op: Op | str, seed: int = 0) -> list[Sample]:
    """Calls of `op` (an entry of the table, or its name) that suit it, as arrays.

    >>> from minigrad.testing import samples
    >>> [(a.shape, b.shape) for (a, b), _ in samples("add")]
    [((3, 4), (4,))]
    """
    op = TABLE[op] if isinstance(op, str) else op
    drawn = op.sample(np.random.default_rng(seed))
    return [Sample(tuple(args), attrs) for args, attrs in drawn]


# --- one call in every mode --------------------------------------------------------------


class Outcome(NamedTuple):
    """What one mode gives for a call.

    `first` holds the derivative of a weighted sum of `value` by each argument that has
    one, `second` the same for a weighted sum of `first`; None if the mode cannot.
    """

    value: Array
    first: tuple[Array, ...]
    second: tuple[Array, ...] | None


def every_mode(op: Op, args: Sequence[Any], attrs: dict) -> dict[str, Outcome]:
    """Run one call of `op` every way there is; all outcomes should be equal.

    "arrays": the function and its rules on plain arrays. "tape": Tensors. "tape on tape":
    with `create_graph`, so that the sweeps themselves are recorded. "nodes": the graph,
    evaluated node by node. "plan": as a Program, but without rewrites. "graph": as a
    Program. "jit": the tape under a trace.
    """
    return {
        "arrays": _on_arrays(op, args, attrs),
        "tape": _on_tape(op, args, attrs, create_graph=False),
        "tape on tape": _on_tape(op, args, attrs, create_graph=True),
        "nodes": _on_nodes(op, args, attrs, evaluate),
        "plan": _on_nodes(op, args, attrs, _run_plan),
        "graph": _on_nodes(op, args, attrs, _run_program),
        "jit": _through_jit(op, args, attrs),
    }


def wanted(op: Op, args: Sequence[Any]) -> list[int]:
    """The positions of the arguments that `op` can be differentiated by."""
    return [i for i, a in enumerate(args) if is_float(a) and op.rule(i) is not None]


def _outcome(op: Op, args: Sequence[Any], values: Sequence[Any]) -> Outcome:
    """`values` are the result, the first and the second derivatives, one after another."""
    y, *derivatives = (as_array(v) for v in values)
    n = len(wanted(op, args))
    if not is_float(y):
        return Outcome(y, (), ())
    return Outcome(y, tuple(derivatives[:n]), tuple(derivatives[n:]))


def _on_arrays(op: Op, args: Sequence[Any], attrs: dict) -> Outcome:
    y = np.asarray(op.fn(*args, **attrs))
    marked = tuple(i in wanted(op, args) for i in range(len(args)))
    if not any(marked) or not is_float(y):
        return Outcome(y, (), ())
    plan = op.plan(marked)
    g = weights(y.shape, 0).astype(y.dtype)
    cotangents = plan.pull(g, plan.pick(args, y), attrs)
    first = (
        unbroadcast(ct, a.shape).astype(a.dtype)
        for ct, a, want in zip(cotangents, args, marked, strict=True)
        if want
    )
    return Outcome(y, tuple(map(np.asarray, first)), None)


def _derive(
    op: Op, args: Sequence[Tensor], attrs: dict, create_graph: bool
) -> list[Tensor]:
    """The result, first and second derivatives of a call on leaves."""
    y = op(*args, **attrs)
    xs = [args[i] for i in wanted(op, args)]
    if not xs or not is_float(y):
        return [y]
    first = grad_or_zeros(weighted(y), xs, create_graph=True)
    second = grad_or_zeros(weighted(first, 1), xs, create_graph)
    return [y, *first, *second]


def _on_tape(op: Op, args: Sequence[Any], attrs: dict, create_graph: bool) -> Outcome:
    leaves = [leaf(a) for a in args]
    values = _derive(op, leaves, attrs, create_graph)
    if not create_graph and len(values) > 1:
        # The first derivatives as `backward` makes them: the rules on arrays.
        weighted(op(*leaves, **attrs)).backward()
        for k, i in enumerate(wanted(op, args)):
            gradient = leaves[i].grad
            if gradient is not None:
                values[1 + k] = gradient
    return _outcome(op, args, values)


def _through_jit(op: Op, args: Sequence[Any], attrs: dict) -> Outcome:
    program = jit(lambda *leaves: _derive(op, leaves, attrs, True))
    return _outcome(op, args, program(*map(leaf, args)))


def _on_nodes(op: Op, args: Sequence[Any], attrs: dict, run: Callable) -> Outcome:
    feeds = {placeholder(a.shape, a.dtype): a for a in args}
    nodes = list(feeds)
    y = op(*nodes, **attrs)
    xs = [nodes[i] for i in wanted(op, args)]
    outputs = [y]
    if xs and is_float(y):
        first = _node_gradients(weighted(y), xs)
        outputs += [*first, *_node_gradients(weighted(first, 1), xs)]
    return _outcome(op, args, run(outputs, feeds))


def _node_gradients(y: Node, xs: list[Node]) -> list[Node]:
    return [
        x * 0 if g is None else g for x, g in zip(xs, gradients(y, xs), strict=True)
    ]


def _run_program(outputs: list[Node], feeds: dict[Node, Array]) -> list[Tensor]:
    return Program(list(feeds), outputs, {})(*feeds.values())


def _run_plan(outputs: list[Node], feeds: dict[Node, Array]) -> list[Tensor]:
    return Program(list(feeds), outputs, {}, rewrites=())(*feeds.values())


def evaluate(outputs: Sequence[Node], feeds: dict[Node, Array]) -> list[Array]:
    """The values of `outputs`, one node at a time: no rewrites, no plan, no buffers.

    Slow and plain on purpose: it is what every compiled program is compared with.
    """
    values: dict[Node, Array] = dict(feeds)
    for node in topological(outputs):
        if node in values:
            continue
        if node.op.kind == "source":
            values[node] = node.value if node.op is CONSTANT else node.value.array
        else:
            inputs = [values[x] for x in node.inputs]
            values[node] = np.asarray(node.op.fn(*inputs, **node.attrs))
    return [values[node] for node in outputs]
