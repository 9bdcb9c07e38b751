"""Gradients of expressions, under PyTorch's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigrad.eager.cell import parent_of
from minigrad.eager.tensor import Tensor, grad_of, wrap
from minigrad.errors import GradError, name_of


def backward(tensors: Any, grad_tensors: Any = None, **options: Any) -> None:
    """`tensor.backward()` for one or several tensors."""
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if grad_tensors is None:
        grad_tensors = [None] * len(tensors)
    for t, g in zip(tensors, grad_tensors, strict=True):
        t.backward(g, **options)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple:
    """d(outputs)/d(inputs) as a tuple, without touching any `.grad`.

    With `create_graph` the gradients are on the tape themselves, for higher derivatives.
    Raises `GradError` for an input that the outputs do not depend on, unless
    `allow_unused`, which gives None for it.

        >>> import minigrad as mg
        >>> x = mg.tensor(3.0, requires_grad=True)
        >>> (dy,) = mg.autograd.grad(x**3, x, create_graph=True)
        >>> mg.autograd.grad(dy, x)
        (tensor(18.),)
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None:
        grad_outputs = [None] * len(outputs)
    elif isinstance(grad_outputs, Tensor):
        grad_outputs = [grad_outputs]
    elements = []
    for x in inputs:
        element = parent_of(x)
        if element is None:
            raise GradError(
                "grad: an input does not require a gradient",
                got=f"{name_of(x, 'the input')} {x.shape}",
                remedy="create it with requires_grad=True",
            )
        elements.append(element)
    targets = set(elements)
    found = grad_of(outputs, grad_outputs, retain_graph, create_graph, targets)
    result = []
    for x, element in zip(inputs, elements, strict=True):
        if element not in found and not allow_unused:
            raise GradError(
                "grad: the outputs do not depend on an input",
                got=f"{name_of(x, 'the input')} {x.shape}",
                remedy="pass allow_unused=True to get None for it",
            )
        g = found[element][0] if element in found else None
        result.append(g if g is None or isinstance(g, Tensor) else wrap(_own(g)))
    return tuple(result)


def _own(g: Any) -> Any:
    """Memory of its own for what the sweep may share between several results."""
    return g.copy(order="C") if hasattr(g, "flags") else g
