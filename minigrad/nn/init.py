"""How weights begin: each function fills a tensor in place, off the tape, and returns it.

The scaled ones keep the size of what flows through a layer: forward or backward alike in
Glorot and Bengio (2010, "xavier"), and behind rectifiers in He et al. (2015, "kaiming").
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad.creation import eye, from_numpy
from minigrad.errors import ArgumentError, ShapeError
from minigrad.ops.op import mode
from minigrad.random import Generator, randn


def _fill(tensor: Any, value: Any) -> Any:
    with mode(grad=False):
        return tensor.copy_(value)


def uniform_(
    tensor: Any, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Any:
    """Numbers drawn evenly between `a` and `b`.

    >>> import minigrad as mg
    >>> w = mg.nn.init.uniform_(mg.empty(3, 5), -0.1, 0.1)
    >>> bool((w.abs() <= 0.1).all())
    True
    """
    with mode(grad=False):
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Any:
    """Numbers drawn from a normal distribution."""
    with mode(grad=False):
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Any, val: float) -> Any:
    """One number everywhere."""
    return _fill(tensor, val)


def ones_(tensor: Any) -> Any:
    """Ones."""
    return _fill(tensor, 1)


def zeros_(tensor: Any) -> Any:
    """Zeros."""
    return _fill(tensor, 0)


def eye_(tensor: Any) -> Any:
    """The identity matrix, or as much of it as fits."""
    if tensor.ndim != 2:
        raise ShapeError("Only tensors with 2 dimensions are supported")
    return _fill(tensor, eye(*tensor.shape))


# --- scaled ------------------------------------------------------------------------------

GAINS = {
    **dict.fromkeys("linear conv1d conv2d conv_transpose2d sigmoid".split(), 1.0),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What a nonlinearity takes from the spread of its input, to be given back."""
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return GAINS[nonlinearity]


def fans(tensor: Any) -> tuple[int, int]:
    """How many inputs each output of this weight has, and how many outputs each input."""
    if tensor.ndim < 2:
        raise ShapeError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 "
            "dimensions",
            got=str(tensor.shape),
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _xavier_std(tensor: Any, gain: float) -> float:
    return gain * math.sqrt(2 / sum(fans(tensor)))


def _kaiming_std(tensor: Any, a: float, fan: str, nonlinearity: str) -> float:
    if fan not in ("fan_in", "fan_out"):
        raise ArgumentError(f"Mode {fan} not supported, use fan_in or fan_out")
    size = fans(tensor)[fan == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(size) if size else 0.0


def xavier_uniform_(
    tensor: Any, gain: float = 1.0, generator: Generator | None = None
) -> Any:
    """Evenly drawn, with the variance 2 / (fan_in + fan_out)."""
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(
    tensor: Any, gain: float = 1.0, generator: Generator | None = None
) -> Any:
    """Normal, with the variance 2 / (fan_in + fan_out)."""
    return normal_(tensor, 0, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Any:
    """Evenly drawn, with the variance gain² / fan; `a` is the slope of a leaky_relu."""
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Any:
    """Normal, with the variance gain² / fan; `a` is the slope of a leaky_relu."""
    return normal_(tensor, 0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(
    tensor: Any, gain: float = 1, generator: Generator | None = None
) -> Any:
    """Rows (or columns, if those are fewer) at right angles (Saxe et al., 2013)."""
    if tensor.ndim < 2:
        raise ShapeError("Only tensors with 2 or more dimensions are supported")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    size = max(rows, columns), min(rows, columns)
    tall = randn(size, device="cpu", generator=generator).array
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))  # else q would not be evenly distributed
    q = q.T if rows < columns else q
    return _fill(tensor, from_numpy(q.reshape(tensor.shape)) * gain)
