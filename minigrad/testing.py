"""Tools for testing ops: samples, numerical derivatives, one call run in every mode.

An op is written once and read by the tape, the graph and the compiler. Whether they agree
is checked here: `samples` draws arguments from the op table, `gradcheck` compares
derivatives with difference quotients, `every_mode` runs one call every way there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.autodiff import numerical_gradient, unbroadcast
from minigrad.autograd import grad
from minigrad.backend import Array
from minigrad.creation import tensor
from minigrad.eager.tensor import Tensor
from minigrad.ops.op import TABLE, Op
from minigrad.static.node import (
    CONSTANT,
    Node,
    gradients,
    placeholder,
    topological,
)
from minigrad.static.program import Program
from minigrad.static.trace import jit


class Sample(NamedTuple):
    """One call of an op: arrays and attributes."""

    args: tuple[Any, ...]
    attrs: dict[str, Any]

    def astype(self, dtype: Any) -> Sample:
        """The same call with its float arguments in another dtype."""
        cast = (a.astype(dtype) if _is_float(a) else a for a in self.args)
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


def _is_float(value: Any) -> bool:
    return hasattr(value, "dtype") and value.dtype.kind == "f"


# --- derivatives against difference quotients --------------------------------------------


class DerivativeError(AssertionError):
    """A derivative differs from the difference quotient."""


def gradcheck(
    fn: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-4,
) -> bool:
    """Compare the tape's derivatives of `fn` with central differences.

    `fn` takes the `inputs` (Tensors or arrays) as Tensors, which it may not write to, and
    returns a Tensor or several. Every float64 input is checked, all outputs at once, each
    element with a weight of its own, so that errors cannot cancel. Returns True or raises
    `DerivativeError`; a kink closer than `eps` to an input counts as an error.

        >>> import numpy as np
        >>> from minigrad.testing import gradcheck
        >>> gradcheck(lambda x: x.tanh(), [np.array([0.5, -1.0])])
        True
    """
    arrays = [_array(x) for x in inputs]
    checked = _checked(fn, arrays)

    def scalar(*values: Any) -> Any:
        return _weighted(fn(*values))

    leaves = [_leaf(a) for a in arrays]
    found = _grad(scalar(*leaves), [leaves[i] for i in checked])
    for i, got in zip(checked, found, strict=True):
        quotients = numerical_gradient(
            lambda *values: scalar(*map(_leaf, values)), arrays, i, eps
        )
        _compare(fn, arrays, i, quotients, got.detach().numpy(), atol, rtol)
    return True


def gradgradcheck(
    fn: Callable[..., Any], inputs: Sequence[Any], **options: Any
) -> bool:
    """`gradcheck` of the first derivatives of `fn`, so of its second derivatives.

    The cotangents that the first derivatives start from are checked as inputs as well.
    """
    arrays = [_array(x) for x in inputs]
    checked = _checked(fn, arrays)
    outputs = _as_tuple(fn(*map(_leaf, arrays)))
    cotangents = [_weights(y.shape, 7 + i) for i, y in enumerate(outputs)]

    def first(*values: Tensor) -> list[Tensor]:
        xs, gs = values[: len(arrays)], values[len(arrays) :]
        pairs = zip(_as_tuple(fn(*xs)), gs, strict=True)
        total = sum((y * g).sum() for y, g in pairs if _is_float(y))
        return _grad(total, [xs[i] for i in checked], create_graph=True)

    first.__name__ = f"the first derivative of {_name(fn)}"
    return gradcheck(first, [*arrays, *cotangents], **options)


def _array(x: Any) -> Array:
    return x.detach().numpy() if isinstance(x, Tensor) else np.asarray(x)


def _leaf(array: Array) -> Tensor:
    return tensor(array, requires_grad=_is_float(array))


def _as_tuple(outputs: Any) -> tuple:
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)


def _name(fn: Callable[..., Any]) -> str:
    return getattr(fn, "name", getattr(fn, "__name__", type(fn).__name__))


def _checked(fn: Callable[..., Any], arrays: Sequence[Array]) -> list[int]:
    """The positions of the float inputs, which must be float64."""
    floats = [i for i, a in enumerate(arrays) if _is_float(a)]
    for i in floats:
        if arrays[i].dtype != np.float64:
            raise TypeError(
                f"gradcheck: argument {i} of {_name(fn)} is {arrays[i].dtype}, but "
                "difference quotients need float64"
            )
    return floats


def _weights(shape: Sequence[int], seed: int) -> Array:
    """Fixed numbers between 0.5 and 1.5: every element counts, none like another."""
    return np.asarray(np.random.default_rng(seed).uniform(0.5, 1.5, tuple(shape)))


def _weighted(outputs: Any, seed: int = 0) -> Any:
    """All elements of all float outputs in one sum, each with a weight of its own."""
    floats = [y for y in _as_tuple(outputs) if _is_float(y)]
    return sum(
        (y * _weights(y.shape, seed + i).astype(y.dtype)).sum()
        for i, y in enumerate(floats)
    )


def _grad(y: Any, xs: Sequence[Tensor], create_graph: bool = False) -> list[Tensor]:
    """Like `autograd.grad`, with zeros for what `y` does not depend on."""
    if not isinstance(y, Tensor) or not y.requires_grad:
        return [x * 0 for x in xs]
    found = grad(y, xs, create_graph=create_graph, retain_graph=True, allow_unused=True)
    return [x * 0 if g is None else g for x, g in zip(xs, found, strict=True)]


def _compare(
    fn: Callable[..., Any],
    arrays: Sequence[Array],
    i: int,
    expected: Array,
    got: Array,
    atol: float,
    rtol: float,
) -> None:
    if got.shape != expected.shape:
        where = "all"
        pair = (f"shape {expected.shape}", f"shape {got.shape}")
    else:
        wrong = ~np.isclose(got, expected, atol=atol, rtol=rtol)
        if not wrong.any():
            return
        index = tuple(map(int, np.argwhere(wrong)[0]))
        where = f"{index}, where the argument is {arrays[i][index]:.8g}"
        pair = (f"{expected[index]:.8g}  (central differences)", f"{got[index]:.8g}")
    rows = [
        ("function", _name(fn)),
        ("inputs", ", ".join(_short(a) for a in arrays)),
        ("argument", str(i)),
        ("index", where),
        ("expected", pair[0]),
        ("got", pair[1]),
    ]
    lines = [f"  {label:<9} {text}" for label, text in rows]
    raise DerivativeError("\n".join([f"gradcheck: {_name(fn)} is wrong", *lines]))


def _short(array: Array) -> str:
    if array.size > 6:
        return f"{array.dtype} {array.shape}"
    return np.array2string(array, precision=6, separator=", ").replace("\n", "")


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
    return [i for i, a in enumerate(args) if _is_float(a) and op.rule(i) is not None]


def _outcome(op: Op, args: Sequence[Any], values: Sequence[Any]) -> Outcome:
    """`values` are the result, the first and the second derivatives, one after another."""
    y, *derivatives = (_array(v) for v in values)
    n = len(wanted(op, args))
    if not _is_float(y):
        return Outcome(y, (), ())
    return Outcome(y, tuple(derivatives[:n]), tuple(derivatives[n:]))


def _on_arrays(op: Op, args: Sequence[Any], attrs: dict) -> Outcome:
    y = np.asarray(op.fn(*args, **attrs))
    marked = tuple(i in wanted(op, args) for i in range(len(args)))
    if not any(marked) or not _is_float(y):
        return Outcome(y, (), ())
    plan = op.plan(marked)
    g = _weights(y.shape, 0).astype(y.dtype)
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
    if not xs or not _is_float(y):
        return [y]
    first = _grad(_weighted(y), xs, create_graph=True)
    second = _grad(_weighted(first, 1), xs, create_graph)
    return [y, *first, *second]


def _on_tape(op: Op, args: Sequence[Any], attrs: dict, create_graph: bool) -> Outcome:
    leaves = [_leaf(a) for a in args]
    values = _derive(op, leaves, attrs, create_graph)
    if not create_graph and len(values) > 1:
        # The first derivatives as `backward` makes them: the rules on arrays.
        _weighted(op(*leaves, **attrs)).backward()
        for k, i in enumerate(wanted(op, args)):
            gradient = leaves[i].grad
            if gradient is not None:
                values[1 + k] = gradient
    return _outcome(op, args, values)


def _through_jit(op: Op, args: Sequence[Any], attrs: dict) -> Outcome:
    program = jit(lambda *leaves: _derive(op, leaves, attrs, True))
    return _outcome(op, args, program(*map(_leaf, args)))


def _on_nodes(op: Op, args: Sequence[Any], attrs: dict, run: Callable) -> Outcome:
    feeds = {placeholder(a.shape, a.dtype): a for a in args}
    nodes = list(feeds)
    y = op(*nodes, **attrs)
    xs = [nodes[i] for i in wanted(op, args)]
    outputs = [y]
    if xs and _is_float(y):
        first = _node_gradients(_weighted(y), xs)
        outputs += [*first, *_node_gradients(_weighted(first, 1), xs)]
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
