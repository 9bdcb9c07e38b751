"""Activations. Most are methods of every tensor too, where their formulas are."""

from __future__ import annotations

import warnings
from typing import Any

from minigrad.eager.tensor import Tensor
from minigrad.errors import GraphError, ShapeError
from minigrad.ops import shapes
from minigrad.ops.elementwise import where
from minigrad.ops.shapes import floats


def demand_tensor(name: str, *values: Any) -> None:
    """Only a Tensor can be written in place."""
    if any(not isinstance(x, Tensor) for x in values if x is not None):
        raise GraphError(
            f"{name}: a node of a graph cannot be written in place",
            expected="Tensors",
            remedy="mg.jit the eager function, or leave what is written in place out",
        )


def _apply(name: str, inplace: bool, input: Any, *args: Any) -> Any:
    """The tensor's own method, or its twin that writes in place."""
    if inplace:
        demand_tensor(name, input)
    return getattr(input, f"{name}_" if inplace else name)(*args)


def relu(input: Any, inplace: bool = False) -> Any:
    """max(input, 0), of any shape.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.relu(mg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return _apply("relu", inplace, input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """`input` where it is positive, else negative_slope * input."""
    return _apply("leaky_relu", inplace, input, negative_slope)


def prelu(input: Any, weight: Any) -> Any:
    """`input` where it is positive, else weight * input: a weight in all, or a channel."""
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.numel() not in (1, channels) or weight.ndim > 1:
        raise ShapeError(
            "prelu: wants one weight, or one for each channel",
            expected=f"1 or {channels} elements",
            got=shapes.describe(weight, "weight"),
        )
    weight = weight.reshape((-1,) + (1,) * (input.ndim - 2) if input.ndim else ())
    return where(input > 0, input, input * weight)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """`input` where it is positive, else alpha * (e ** input - 1)."""
    return _apply("elu", inplace, input, alpha)


def selu(input: Any, inplace: bool = False) -> Any:
    """elu, scaled so that activations keep mean 0 and variance 1."""
    return _apply("selu", inplace, input)


def gelu(input: Any, approximate: str = "none") -> Any:
    """input * P(Z <= input) for a standard normal Z; "tanh" by a formula that is close."""
    return input.gelu(approximate)


def silu(input: Any, inplace: bool = False) -> Any:
    """input * sigmoid(input)."""
    return _apply("silu", inplace, input)


def mish(input: Any, inplace: bool = False) -> Any:
    """input * tanh(softplus(input))."""
    return _apply("mish", inplace, input)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + e ** (beta * input)) / beta; beyond `threshold` it is `input` itself."""
    return input.softplus(beta, threshold)


def hardtanh(
    input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Any:
    """`input` limited to a range."""
    return _apply("hardtanh", inplace, input, min_val, max_val)


def relu6(input: Any, inplace: bool = False) -> Any:
    """`input` limited to the range from 0 to 6."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input: Any) -> Any:
    """A sigmoid of three straight lines: (input + 3) / 6, limited to 0 and 1."""
    return relu6(floats("hardsigmoid", input) + 3) / 6


def hardswish(input: Any) -> Any:
    """input * hardsigmoid(input)."""
    return input * hardsigmoid(input)


def sigmoid(input: Any) -> Any:
    """1 / (1 + e ** -input)."""
    return input.sigmoid()


def logsigmoid(input: Any) -> Any:
    """log(sigmoid(input)), without overflow."""
    return -floats("logsigmoid", -input).softplus(threshold=40.0)


def tanh(input: Any) -> Any:
    """The hyperbolic tangent."""
    return input.tanh()


def softmax(input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """exp(input) over its sum along `dim`.

    Name `dim`: without it one is guessed from the number of dims, with a warning.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.softmax(mg.tensor([0.0, 0.0]), dim=0)
    tensor([0.5000, 0.5000])
    """
    return input.softmax(_guessed("softmax", dim, input), dtype)


def log_softmax(input: Any, dim: int | None = None, *, dtype: Any = None) -> Any:
    """log(softmax(input)), without overflow."""
    return input.log_softmax(_guessed("log_softmax", dim, input), dtype)


def _guessed(name: str, dim: int | None, input: Any) -> int:
    if dim is None:
        dim = 0 if input.ndim in (0, 1, 3) else 1
        message = f"{name}: without dim, {dim} is guessed; write {name}(x, dim=...)"
        warnings.warn(message, stacklevel=3)
    return dim


__all__ = """
    elu gelu hardsigmoid hardswish hardtanh leaky_relu log_softmax logsigmoid mish prelu
    relu relu6 selu sigmoid silu softmax softplus tanh
""".split()
