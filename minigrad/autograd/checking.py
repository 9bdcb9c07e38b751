"""Derivatives against difference quotients: `gradcheck` and `gradgradcheck`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.autograd.gradients import grad
from minigrad.backend import Array
from minigrad.eager.tensor import Tensor, from_array


def is_float(value: Any) -> bool:
    return hasattr(value, "dtype") and value.dtype.kind == "f"


class DerivativeError(AssertionError, RuntimeError):
    """A derivative differs from the difference quotient."""


def gradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-4,
    raise_exception: bool = True,
) -> bool:
    """Compare the tape's derivatives of `fn` with central differences.

    `fn` takes the `inputs` (Tensors or arrays) as Tensors, which it may not write to, and
    returns a Tensor or several. Checked are the Tensors that require a gradient, or else
    every float array; they must be float64. All outputs are checked at once, each element
    with a weight of its own, so that errors cannot cancel. Returns True or raises
    `DerivativeError` (False unless `raise_exception`); a kink closer than `eps` to an
    input counts as an error.

        >>> import numpy as np
        >>> from minigrad.autograd import gradcheck
        >>> gradcheck(lambda x: x.tanh(), [np.array([0.5, -1.0])])
        True
    """
    inputs = as_tuple(inputs)
    arrays = [as_array(x) for x in inputs]
    checked = _checked(fn, inputs, arrays)

    def scalar(*values: Any) -> Any:
        return weighted(fn(*values))

    leaves = [leaf(a) for a in arrays]
    found = grad_or_zeros(scalar(*leaves), [leaves[i] for i in checked])
    for i, got in zip(checked, found, strict=True):
        quotients = numerical_gradient(
            lambda *values: scalar(*map(leaf, values)), arrays, i, eps
        )
        try:
            _compare(fn, arrays, i, quotients, got.detach().numpy(), atol, rtol)
        except DerivativeError:
            if raise_exception:
                raise
            return False
    return True


def gradgradcheck(
    fn: Callable[..., Any], inputs: Any, grad_outputs: Any = None, **options: Any
) -> bool:
    """`gradcheck` of the first derivatives of `fn`, so of its second derivatives.

    The cotangents that the first derivatives start from are checked as inputs as well.
    """
    inputs = as_tuple(inputs)
    arrays = [as_array(x) for x in inputs]
    checked = _checked(fn, inputs, arrays)
    outputs = as_tuple(fn(*map(leaf, arrays)))
    cotangents = [weights(y.shape, 7 + i) for i, y in enumerate(outputs)]
    if grad_outputs is not None:
        cotangents = [as_array(g) for g in as_tuple(grad_outputs)]

    def first(*values: Tensor) -> list[Tensor]:
        xs, gs = values[: len(arrays)], values[len(arrays) :]
        pairs = zip(as_tuple(fn(*xs)), gs, strict=True)
        total = sum((y * g).sum() for y, g in pairs if is_float(y))
        return grad_or_zeros(total, [xs[i] for i in checked], create_graph=True)

    first.__name__ = f"the first derivative of {_name(fn)}"
    chosen = [leaf(a) if i in checked else a for i, a in enumerate(arrays)]
    return gradcheck(first, [*chosen, *map(leaf, cotangents)], **options)


def as_array(x: Any) -> Array:
    return x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)


def leaf(array: Array) -> Tensor:
    return from_array(np.array(array, order="C"), is_float(array))


def as_tuple(outputs: Any) -> tuple:
    return tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)


def _name(fn: Callable[..., Any]) -> str:
    return getattr(fn, "name", getattr(fn, "__name__", type(fn).__name__))


def _checked(
    fn: Callable[..., Any], inputs: Sequence[Any], arrays: Sequence[Array]
) -> list[int]:
    """The positions of the inputs to check, which must be float64."""
    tensors = [i for i, x in enumerate(inputs) if getattr(x, "requires_grad", False)]
    floats = tensors or [i for i, a in enumerate(arrays) if is_float(a)]
    if not tensors and inputs and all(isinstance(x, Tensor) for x in inputs):
        raise ValueError(
            f"gradcheck: no input of {_name(fn)} requires a gradient: pass tensors with "
            "requires_grad=True, or arrays"
        )
    for i in floats:
        if arrays[i].dtype != np.float64:
            raise TypeError(
                f"gradcheck: argument {i} of {_name(fn)} is {arrays[i].dtype}, but "
                "difference quotients need float64"
            )
    return floats


def weights(shape: Sequence[int], seed: int) -> Array:
    """Fixed numbers between 0.5 and 1.5: every element counts, none like another."""
    return np.asarray(np.random.default_rng(seed).uniform(0.5, 1.5, tuple(shape)))


def weighted(outputs: Any, seed: int = 0) -> Any:
    """All elements of all float outputs in one sum, each with a weight of its own."""
    floats = [y for y in as_tuple(outputs) if is_float(y)]
    return sum(
        (y * weights(y.shape, seed + i).astype(y.dtype)).sum()
        for i, y in enumerate(floats)
    )


def grad_or_zeros(
    y: Any, xs: Sequence[Tensor], create_graph: bool = False
) -> list[Tensor]:
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


def numerical_gradient(
    fn: Callable[..., Any], args: Sequence[np.ndarray], i: int, eps: float = 1e-6
) -> np.ndarray:
    """The gradient of scalar `fn(*args)` by `args[i]`, from central differences."""
    args = [np.array(a) for a in args]
    gradient = np.zeros(args[i].shape)
    for position in np.ndindex(args[i].shape):
        kept = args[i][position]
        args[i][position] = kept + eps
        above = float(fn(*args))
        args[i][position] = kept - eps
        below = float(fn(*args))
        args[i][position] = kept
        gradient[position] = (above - below) / (2 * eps)
    return gradient
