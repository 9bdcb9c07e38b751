"""Jacobians, Hessians and products with them, of functions of Tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.autograd.grad_mode import enable_grad
from minigrad.autograd.gradients import grad
from minigrad.creation import ones_like, zeros, zeros_like
from minigrad.eager.tensor import Tensor
from minigrad.errors import ArgumentError, GradError, ShapeError
from minigrad.functions import stack

Fn = Callable[..., Any]


def vjp(
    func: Fn,
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple:
    """`(func(*inputs), v times the Jacobian)`; `v` may be left out for one number.

    >>> import minigrad as mg
    >>> from minigrad.autograd.functional import vjp
    >>> vjp(lambda x: (x * x).sum(), mg.tensor([1.0, 2.0]))
    (tensor(5.), tensor([2., 4.]))
    """
    xs, ys, forms = _run(func, inputs, create_graph, strict)
    vs = _vectors("vjp", v, ys)
    with enable_grad():
        found = _grads(ys, xs, vs, create_graph, strict)
    return _given(ys, forms[1], create_graph), _given(found, forms[0], create_graph)


def jvp(
    func: Fn,
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple:
    """`(func(*inputs), the Jacobian times v)`, by differentiating the vjp by its vector."""
    xs, ys, forms = _run(func, inputs, create_graph, strict)
    vs = _vectors("jvp", v, xs)
    with enable_grad():
        dummies = [zeros_like(y).requires_grad_() for y in ys]
        first = _grads(ys, xs, dummies, True, strict)
        found = _grads(first, dummies, vs, create_graph, False)
    return _given(ys, forms[1], create_graph), _given(found, forms[1], create_graph)


def jacobian(
    func: Fn,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All derivatives of all outputs: a tensor of shape `output.shape + input.shape`.

    For several inputs or outputs a tuple of them, outputs outside. `strict` refuses
    outputs that do not depend on an input, else their derivatives are zeros.
    "forward-mode" computes a column for each element of the inputs, by `jvp`, rather
    than a row for each of the outputs. `vectorize` changes nothing.

        >>> import minigrad as mg
        >>> from minigrad.autograd.functional import jacobian
        >>> jacobian(lambda x: x * x, mg.tensor([1.0, 3.0]))
        tensor([[2., 0.],
                [0., 6.]])
    """
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ArgumentError(
            "jacobian: there is no such strategy",
            expected="'reverse-mode' or 'forward-mode'",
            got=repr(strategy),
        )
    xs, ys, forms = _run(func, inputs, create_graph, strict)
    with enable_grad():
        if strategy == "reverse-mode":
            table = [_rows(y, xs, create_graph, strict) for y in ys]
        else:
            table = _by_columns(ys, xs, create_graph, strict)
    rows = [_given(row, forms[0], create_graph) for row in table]
    return tuple(rows) if forms[1] else rows[0]


def hessian(
    func: Fn,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of a function with one number as its value.

    >>> import minigrad as mg
    >>> from minigrad.autograd.functional import hessian
    >>> hessian(lambda x: (x**3).sum(), mg.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """

    def first(*xs: Tensor) -> Any:
        y = func(*xs)
        if not isinstance(y, Tensor) or y.numel() != 1:
            raise ShapeError(
                "hessian: the function must return one number",
                got=str(getattr(y, "shape", type(y).__name__)),
            )
        row = _rows(y.reshape(()), list(xs), True, strict)
        return tuple(row) if isinstance(inputs, tuple) else row[0]

    strategy = outer_jacobian_strategy
    return jacobian(first, inputs, create_graph, strict, vectorize, strategy)


def hvp(
    func: Fn,
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple:
    """`(func(*inputs), the Hessian times v)`, without the Hessian."""
    xs, ys, forms = _run(func, inputs, True, strict)
    if len(ys) != 1 or ys[0].numel() != 1:
        raise ShapeError("hvp: the function must return one number")
    vs = _vectors("hvp", v, xs)
    with enable_grad():
        first = _grads(ys, xs, [ones_like(ys[0])], True, strict)
        found = _grads(first, xs, vs, create_graph, strict)
    return _given(ys, forms[1], create_graph), _given(found, forms[0], create_graph)


vhp = hvp  # the Hessian is symmetric

# --- parts -------------------------------------------------------------------------------


def _run(func: Fn, inputs: Any, create_graph: bool, strict: bool) -> tuple:
    """Inputs on a tape of their own, outputs, and whether each came as a tuple."""
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    if not all(isinstance(x, Tensor) for x in given):
        raise TypeError("the inputs must be a tensor or a tuple of tensors")
    with enable_grad():
        xs = [
            x[...] if create_graph and x.requires_grad else x.detach().requires_grad_()
            for x in given
        ]
        output = func(*xs)
    ys = output if isinstance(output, tuple) else (output,)
    if not all(isinstance(y, Tensor) for y in ys):
        raise TypeError("the function must return a tensor or a tuple of tensors")
    if strict and not all(y.requires_grad for y in ys):
        raise GradError("strict: an output does not depend on the inputs")
    return xs, list(ys), (isinstance(inputs, tuple), isinstance(output, tuple))


def _vectors(what: str, v: Any, like: list[Tensor]) -> list[Tensor]:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise ArgumentError(f"{what}: v may be left out for a single number only")
        return [ones_like(like[0])]
    vs = list(v) if isinstance(v, tuple) else [v]
    if [t.shape for t in vs] != [t.shape for t in like]:
        raise ShapeError(
            f"{what}: v has another shape",
            expected=", ".join(str(t.shape) for t in like),
            got=", ".join(str(t.shape) for t in vs),
        )
    return vs


def _grads(
    ys: list[Tensor], xs: list[Tensor], vs: list, create_graph: bool, strict: bool
) -> list[Tensor]:
    """`autograd.grad`, with zeros where nothing depends on anything."""
    pairs = [(y, v) for y, v in zip(ys, vs, strict=True) if y.requires_grad]
    found: tuple = (None,) * len(xs)
    if pairs:
        outputs, seeds = [y for y, _ in pairs], [v for _, v in pairs]
        found = grad(outputs, xs, seeds, True, create_graph, allow_unused=True)
    if strict and any(g is None for g in found):
        raise GradError("strict: the outputs do not depend on an input")
    return [zeros_like(x) if g is None else g for g, x in zip(found, xs, strict=True)]


def _rows(
    y: Tensor, xs: list[Tensor], create_graph: bool, strict: bool
) -> list[Tensor]:
    """The derivatives of every element of `y` by each of `xs`."""
    elements = y.reshape(-1)
    one = ones_like(elements[0]) if y.numel() else None
    rows = [
        _grads([elements[i]], xs, [one], create_graph, strict) for i in range(y.numel())
    ]
    if not rows:
        return [zeros(*y.shape, *x.shape, dtype=x.dtype) for x in xs]
    return [
        stack(list(column)).reshape(*y.shape, *x.shape)
        for x, column in zip(xs, zip(*rows), strict=True)
    ]


def _by_columns(
    ys: list[Tensor], xs: list[Tensor], create_graph: bool, strict: bool
) -> list[list[Tensor]]:
    """The vjp is linear in its vectors: its rows by these are the Jacobian's columns."""
    vectors = [zeros_like(y).requires_grad_() for y in ys]
    products = _grads(ys, xs, vectors, True, strict)
    columns = [_rows(product, vectors, create_graph, False) for product in products]
    return [
        [
            column[i].movedim(range(x.ndim), range(-x.ndim, 0))
            for x, column in zip(xs, columns)
        ]
        for i in range(len(ys))
    ]


def _given(tensors: list[Tensor], as_tuple: bool, create_graph: bool) -> Any:
    """In the form of the caller, off the tape unless wanted."""
    results = tuple(t if create_graph else t.detach() for t in tensors)
    return results if as_tuple else results[0]
