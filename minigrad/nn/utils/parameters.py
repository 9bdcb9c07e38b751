"""Gradients cut to size, and all parameters as one vector, under PyTorch's names."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

from minigrad.creation import tensor
from minigrad.eager.tensor import Tensor
from minigrad.errors import GradError
from minigrad.ops.op import mode
from minigrad.ops.shapes import demand_shape
from minigrad.rearrange import cat, stack


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Any]:
    several = [parameters] if isinstance(parameters, Tensor) else parameters
    return [g for p in several if (g := p.grad) is not None]


def zero_grads(parameters: Iterable[Tensor], set_to_none: bool) -> None:
    """Forget the gradients, or overwrite them with zeros."""
    for p in parameters:
        if set_to_none or p.grad is None:
            p.grad = None
        else:  # made with create_graph=True it is on a tape
            p.grad = (p.grad.detach() if p.grad.requires_grad else p.grad).zero_()


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients alike so that together their norm is at most `max_norm`.

    Returns the norm as it was. Raises `GradError` if asked to for a norm that is
    infinite or not a number.
    """
    grads = _grads(parameters)
    if not grads:
        return tensor(0.0)
    with mode(grad=False):
        norm = stack([g.norm(norm_type) for g in grads]).norm(norm_type)
        if error_if_nonfinite and not math.isfinite(norm.item()):
            raise GradError(
                "clip_grad_norm_: the gradients have no finite norm",
                got=str(norm.item()),
                remedy="error_if_nonfinite=False scales them all the same",
            )
        factor = (max_norm / (norm + 1e-6)).clamp(max=1.0)
        for g in grads:
            g.mul_(factor.to(g.dtype))
    return norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Limit every element of every gradient to the range ±clip_value."""
    with mode(grad=False):
        for g in _grads(parameters):
            g.clamp_(-clip_value, clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Any:
    """All parameters one after another in one vector, on the tape."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Overwrite all parameters with what `parameters_to_vector` would give."""
    parameters = list(parameters)
    ends = [0, *itertools.accumulate(p.numel() for p in parameters)]
    lesson = "vector_to_parameters: the vector does not fit"
    demand_shape(lesson, "vec", vec, ends[-1:])
    with mode(grad=False):
        for p, start, stop in zip(parameters, ends, ends[1:]):
            p.copy_(vec[start:stop].reshape(p.shape))
