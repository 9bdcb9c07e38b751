"""Shifting and scaling to mean 0 and variance 1, over one set of dims or another."""

from __future__ import annotations

import math
from typing import Any

from minigrad.autograd.grad_mode import no_grad
from minigrad.composite import sizes
from minigrad.errors import ArgumentError, ShapeError
from minigrad.nn.functional.activation import demand_tensor
from minigrad.ops import shapes
from minigrad.ops.elementwise import clamp_min, mul, sqrt, square
from minigrad.ops.extents import is_known, product


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel of (batch, channels, ...) normalised, times `weight` plus `bias`.

    While training by its own mean and (biased) variance, of which `momentum` parts go into
    the running ones, in place, the variance unbiased; otherwise by the running ones.
    Raises `ShapeError` for one value a channel while training, `GraphError` where running
    statistics would be updated in a graph built by hand.
    """
    shapes.floats("batch_norm", input)
    if input.ndim < 2:
        got = shapes.describe(input, "input")
        raise ShapeError("batch_norm: wants (batch, channels, ...)", got=got)
    _fit("batch_norm", input.shape[1:2], running_mean, running_var, weight, bias)
    axes = (0, *range(2, input.ndim))
    if not training:
        if running_mean is None or running_var is None:
            raise ArgumentError(
                "batch_norm: without training it wants running statistics"
            )
        mean, var = (_channels(x, input) for x in (running_mean, running_var))
        return _scaled((input - mean) / sqrt(var + eps), weight, bias, input)
    count = product(input.shape[i] for i in axes)
    if is_known([count]) and count <= 1:
        raise _no_variance("batch_norm", input, "a larger batch, or model.eval()")
    updates = running_mean, running_var
    if any(x is not None for x in updates):
        demand_tensor("batch_norm", input, *updates)
    y, mean, var = _normalized(input, axes, eps)
    with no_grad():
        var = var * (count / (count - 1)) if is_known([count]) else var
        for running, now in zip(updates, (mean, var)):
            if running is not None:
                running.mul_(1 - momentum).add_(now.detach().reshape((-1,)) * momentum)
    return _scaled(y, weight, bias, input)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Each channel of each sample of (batch, channels, ...) normalised by itself."""
    if running_mean is not None or running_var is not None or not use_input_stats:
        raise NotImplementedError("instance_norm: running statistics are not supported")
    _fit("instance_norm", input.shape[1:2], weight, bias)
    if math.prod(input.shape[2:]) <= 1:
        raise _no_variance("instance_norm", input, "larger images")
    y, _, _ = _normalized(input, tuple(range(2, input.ndim)), eps)
    return _scaled(y, weight, bias, input)


def layer_norm(
    input: Any,
    normalized_shape: Any,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """The last dims, which are `normalized_shape`, normalised together.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.layer_norm(mg.tensor([[0.0, 2.0], [5.0, 7.0]]), (2,))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """
    shape = sizes((normalized_shape,))
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ShapeError(
            "layer_norm: the input does not end in normalized_shape",
            expected=f"(..., {', '.join(map(str, shape))})",
            got=shapes.describe(input, "input"),
        )
    _fit("layer_norm", shape, weight, bias)
    axes = tuple(range(input.ndim - len(shape), input.ndim))
    y, _, _ = _normalized(input, axes, eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def group_norm(
    input: Any,
    num_groups: int,
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """The channels of each sample normalised in `num_groups` groups."""
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ShapeError(
            "group_norm: the channels do not make these groups",
            expected=f"(batch, channels, ...), the channels divisible by {num_groups}",
            got=shapes.describe(input, "input"),
        )
    _fit("group_norm", input.shape[1:2], weight, bias)
    size = math.prod(input.shape[1:]) // num_groups
    groups = input.reshape((product((input.shape[0], num_groups)), size))
    y, _, _ = _normalized(groups, (1,), eps)
    return _scaled(y.reshape(tuple(input.shape)), weight, bias, input)


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    """`input` over its p-norm along `dim`, or over `eps` if that is more."""
    return input / clamp_min(input.norm(p, dim, keepdim=True), min=eps)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between vectors along `dim`."""
    shape = shapes.broadcast(mul, (x1, x2))
    x1, x2 = (normalize(x.broadcast_to(shape), 2, dim, eps) for x in (x1, x2))
    return (x1 * x2).sum(dim=dim)


def _normalized(x: Any, axes: tuple, eps: float) -> tuple[Any, Any, Any]:
    """`x` with mean 0 and variance 1 over `axes`, and what its mean and variance were."""
    mean = shapes.floats("norm", x).mean(axes, keepdim=True)
    centred = x - mean
    var = square(centred).mean(axes, keepdim=True)
    return centred / sqrt(var + eps), mean, var


def _channels(x: Any, like: Any) -> Any:
    """A value for each channel, to broadcast against (batch, channels, ...)."""
    return x.reshape((-1,) + (1,) * (like.ndim - 2))


def _scaled(y: Any, weight: Any, bias: Any, like: Any) -> Any:
    y = y if weight is None else y * _channels(weight, like)
    return y if bias is None else y + _channels(bias, like)


def _no_variance(name: str, input: Any, remedy: str) -> ShapeError:
    return ShapeError(
        f"{name}: one value for a channel has no variance",
        expected="(batch, channels, ...) with more than one value for each channel",
        got=shapes.describe(input, "input"),
        remedy=remedy,
    )


def _fit(name: str, shape: Any, *values: Any) -> None:
    lesson = f"{name}: weight, bias and running statistics have one shape"
    for x in values:
        if x is not None:
            shapes.demand_shape(lesson, "one of them", x, shape)


__all__ = """
    batch_norm cosine_similarity group_norm instance_norm layer_norm normalize
""".split()
