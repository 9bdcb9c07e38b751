"""Tools for testing ops: samples, numerical derivatives, one op run in every mode.

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
from minigrad.eager.creation import tensor
from minigrad.eager.tensor import Tensor
from minigrad.ops.op import TABLE, Op, mode
from minigrad.static.node import CONSTANT, PLACEHOLDER, Node, gradients, placeholder
from minigrad.static.node import topological
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
    return isinstance(value, (Array, np.generic, Tensor)) and value.dtype.kind == "f"


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

    `fn` takes the `inputs` (Tensors or arrays) as Tensors and returns a Tensor or several;
    each float64 input is checked. All outputs count at once, each element with a weight of
    its own, so that no two errors can cancel. Returns True or raises `DerivativeError`;
    a kink within `eps` of an input is found to be an error.

        >>> import numpy as np
        >>> from minigrad.testing import gradcheck
        >>> gradcheck(lambda x: x.tanh(), [np.array([0.5, -1.0])])
        True
    """
    arrays = [x.array if isinstance(x, Tensor) else np.asarray(x) for x in inputs]
    checked = [i for i, a in enumerate(arrays) if _is_float(a)]
    _demand_double(fn, arrays, checked)

    def scalar(*values: Array) -> Tensor:
        return _weighted(fn(*map(_leaf, values)))

    found = _derivatives(scalar, arrays, checked)
    for i, got in zip(checked, found):
        expected = numerical_gradient(scalar, arrays, i, eps)
        _compare(fn, arrays, i, expected, got, atol, rtol)
    return True


def gradgradcheck(fn: Callable[..., Any], inputs: Sequence[Any], **options: Any) -> bool:
    """`gradcheck` for the first derivatives of `fn`: its second derivatives are right.

    The cotangents that the first derivatives start from are checked as inputs as well.
    """
    arrays = [x.array if isinstance(x, Tensor) else np.asarray(x) for x in inputs]
    checked = [i for i, a in enumerate(arrays) if _is_float(a)]
    outputs = _as_tuple(fn(*map(_leaf, arrays)))
    cotangents = [_weights(y.shape, 7 + i) for i, y in enumerate(outputs)]

    def first(*values: Tensor) -> tuple:
        xs, gs = values[: len(arrays)], values[len(arrays) :]
        if not all(x.requires_grad for x in values if _is_float(x)):
            xs = tuple(x.requires_grad_() if _is_float(x) else x for x in xs)
        ys = _as_tuple(fn(*xs))
        pairs = [(y, g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
        if not pairs:
            return ()
        wanted = [xs[i] for i in checked]
        options = {"create_graph": True, "allow_unused": True}
        found = grad([y for y, _ in pairs], wanted, [g for _, g in pairs], **options)
        return tuple(g for g in found if g is not None)

    first.__name__ = f"first derivatives of {_name(fn)}"
    return gradcheck(first, [*arrays, *cotangents], **options)


def _leaf(array: Array) -> Tensor:
    return tensor(array, requires_grad=_is_float(array))


def _as_tuple(outputs: Any) -> tuple:
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)


def _weights(shape: tuple[int, ...], seed: int) -> Array:
    """Fixed numbers between 0.5 and 1.5: every element counts, none like another."""
    return np.asarray(np.random.default_rng(seed).uniform(0.5, 1.5, shape))


def _weighted(outputs: Any) -> Any:
    """The sum of all elements of all float outputs, each with a weight of its own."""
    total: Any = None
    for i, y in enumerate(_as_tuple(outputs)):
        if y.dtype.kind == "f":
            part = (y * _weights(y.shape, i).astype(y.dtype)).sum()
            total = part if total is None else total + part
    return tensor(0.0) if total is None else total


def _derivatives(scalar: Callable, arrays: list, checked: list[int]) -> list[Array]:
    leaves = [_leaf(a) for a in arrays]
    # `scalar` makes leaves of its own for the difference quotients; here they are ours.
    loss = scalar(*leaves)
    xs = [leaves[i] for i in checked]
    if not xs or not loss.requires_grad:
        return [np.zeros(x.shape) for x in xs]
    found = grad(loss, xs, allow_unused=True)
    return [
        np.zeros(x.shape) if g is None else g.detach().numpy()
        for x, g in zip(xs, found, strict=True)
    ]
