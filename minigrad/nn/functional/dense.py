"""Weights that multiply, tables that are looked up, attention, and dropout."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import contraction, random
from minigrad.composite import swapaxes
from minigrad.eager.tensor import Tensor
from minigrad.errors import ArgumentError, ShapeError
from minigrad.nn.functional.activation import demand_tensor
from minigrad.ops import shapes
from minigrad.ops.elementwise import cast, where
from minigrad.ops.extents import product
from minigrad.ops.indexing import ARRAY, index


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """input @ weight.T + bias: `input` (..., k), `weight` (n, k) or (k,), `bias` (n,).

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.linear(mg.ones(2, 3), mg.ones(4, 3), mg.ones(4)).shape
    (2, 4)
    """
    if (
        weight.ndim not in (1, 2)
        or not input.ndim
        or input.shape[-1] != weight.shape[-1]
    ):
        raise ShapeError(
            "linear: the sizes do not fit",
            expected="input (..., k), weight (n, k)",
            got=f"{shapes.describe(input, 'input')}, {shapes.describe(weight, 'weight')}",
        )
    lead = tuple(input.shape[:-1])
    # One product for all rows, however many dims they are in.
    rows = input if input.ndim == 2 else input.reshape((product(lead), input.shape[-1]))
    y = rows @ weight.T
    if bias is not None:
        y = y + bias
    return y if input.ndim == 2 else y.reshape(lead + tuple(weight.shape[:-1]))


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """y[n] = input1 @ weight[n] @ input2 + bias[n], for each place in the first dims."""
    y = contraction.einsum("...i,nij,...j->...n", input1, weight, input2)
    return y if bias is None else y + bias


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """The rows of `weight` at the int64 positions in `input`.

    The row `padding_idx` gets no gradient. A position out of range raises
    `IndexingError`.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.embedding(mg.tensor([1, 0]), mg.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    shapes.demand("embedding", "index", input)
    if weight.ndim != 2:
        got = shapes.describe(weight, "weight")
        raise ShapeError("embedding: wants a matrix of rows", got=got)
    rows = index(weight, input, key=(ARRAY,), lowest=0)
    if padding_idx is None:
        return rows
    n = weight.shape[0]
    if not -n <= padding_idx < n:
        raise ArgumentError(
            "embedding: padding_idx is out of range",
            expected=f"from {-n} to {n - 1}",
            got=str(padding_idx),
        )
    if not isinstance(weight, Tensor):
        raise NotImplementedError(
            "embedding: padding_idx wants the weight to be a Tensor, not a node"
        )
    here = (input == padding_idx % n).reshape((*input.shape, 1))
    return where(here, weight.detach()[padding_idx], rows)


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(query @ key.T * scale) @ value, over the last two dims (length, features).

    `attn_mask` broadcasts against the scores: True where one may look, or a float that is
    added. `is_causal` lets nobody look ahead. `scale` is 1 / sqrt(features) unless given.
    A row that may look nowhere gives 0.
    """
    if enable_gqa:
        raise NotImplementedError("attention: enable_gqa is not supported")
    if attn_mask is not None and is_causal:
        raise ArgumentError("attention: give either attn_mask or is_causal")
    if min(query.ndim, key.ndim, value.ndim) < 2:
        got = shapes.describe_all((query, key, value))
        raise ShapeError("attention: wants (..., length, features)", got=got)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = (query * scale) @ swapaxes(key, -1, -2)
    if is_causal:
        attn_mask = np.tri(*scores.shape[-2:], dtype=bool)
    if attn_mask is None:
        weights = scores.softmax(-1)
    else:
        if attn_mask.dtype.kind == "b":
            scores = where(attn_mask, scores, -math.inf)
        else:
            scores = scores + attn_mask
        somewhere = (scores > -math.inf).any(dim=-1, keepdim=True)
        weights = where(somewhere, where(somewhere, scores, 0).softmax(-1), 0)
    return dropout(weights, dropout_p) @ value


# --- dropout -----------------------------------------------------------------------------


def dropout(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """While training, zeros with probability `p`, the rest divided by 1 - p.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.dropout(mg.ones(2), 0.5, training=False)
    tensor([1., 1.])
    """
    return _dropped("dropout", input, input, p, training, inplace)


def dropout1d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """`dropout` of whole channels of (batch, channels, length)."""
    return _dropped("dropout1d", input, input[..., :1], p, training, inplace)


def dropout2d(
    input: Any, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    """`dropout` of whole channels of (batch, channels, height, width)."""
    return _dropped("dropout2d", input, input[..., :1, :1], p, training, inplace)


def _dropped(
    name: str, input: Any, like: Any, p: float, training: bool, inplace: bool
) -> Any:
    """`input` times a random number, 0 or 1 / (1 - p), for each element of `like`."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name}: p is a probability", got=str(p))
    if inplace:
        demand_tensor(name, input)
    if not training or p == 0:
        return input
    kept = 1 - p
    factor = (
        cast(random.rand_like(like) < kept, dtype=input.dtype) / kept if kept else 0
    )
    return input.mul_(factor) if inplace else input * factor


__all__ = """
    bilinear dropout dropout1d dropout2d embedding linear
    scaled_dot_product_attention
""".split()
