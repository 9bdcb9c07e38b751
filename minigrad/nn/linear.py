"""Layers that are one product with a weight, or one look-up in it."""

from __future__ import annotations

import math
from typing import Any

from minigrad.creation import empty
from minigrad.errors import ArgumentError, ShapeError
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops.op import mode


class Weighted(Module):
    """A layer with a weight and a bias, drawn evenly from ±1/sqrt(fan_in) at first.

    `shows` is how it prints, with its attributes in braces; {bias} is whether it has one.
    """

    weight: Any
    bias: Any
    shows = ""

    def _begin(self, weight: Any, bias: Any, device: Any, dtype: Any) -> None:
        """Make weight and bias of these shapes, or None in place of either."""
        self._add({"weight": weight, "bias": bias}, device, dtype)
        self.reset_parameters()

    def _add(self, shapes: dict[str, Any], device: Any, dtype: Any) -> None:
        for name, shape in shapes.items():
            p = None
            if shape is not None:
                p = Parameter(empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, p)

    def _fan_in(self) -> int:
        return init.fans(self.weight)[0]

    def reset_parameters(self) -> None:
        """Draw all weights afresh."""
        fan_in = self._fan_in()
        bound = 1 / math.sqrt(fan_in) if fan_in else 0
        for p in self.parameters(recurse=False):
            init.uniform_(p, -bound, bound)

    def extra_repr(self) -> str:
        return self.shows.format(**{**vars(self), "bias": self.bias is not None})


class Identity(Module):
    """What goes in; any arguments are ignored."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Linear(Weighted):
    """x @ weight.T + bias, for x (..., in_features); weight (out_features, in_features).

    >>> import minigrad as mg
    >>> layer = mg.nn.Linear(3, 2)
    >>> layer(mg.ones(5, 3)).shape
    (5, 2)
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    """

    shows = "in_features={in_features}, out_features={out_features}, bias={bias}"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        shape = (out_features, in_features)
        self._begin(shape, out_features if bias else None, device, dtype)

    def forward(self, input: Any) -> Any:
        return F.linear(input, self.weight, self.bias)


class Bilinear(Weighted):
    """x1 @ weight[o] @ x2 + bias[o] for each output o."""

    shows = (
        "in1_features={in1_features}, in2_features={in2_features}, "
        "out_features={out_features}, bias={bias}"
    )

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self._begin(shape, out_features if bias else None, device, dtype)

    def _fan_in(self) -> int:
        return self.in1_features

    def forward(self, input1: Any, input2: Any) -> Any:
        return F.bilinear(input1, input2, self.weight, self.bias)


class Embedding(Module):
    """Row `input[...]` of a weight (num_embeddings, embedding_dim), normal at first.

    The row `padding_idx` begins as zeros and gets no gradient.
    """

    weight: Any

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ArgumentError("Padding_idx must be within num_embeddings")
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        shape = (num_embeddings, embedding_dim)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None
    ) -> Any:
        """An Embedding of given rows, which by default do not learn."""
        if embeddings.ndim != 2:
            raise ShapeError("Embeddings parameter is expected to be 2-dimensional")
        layer = cls(embeddings.shape[0], embeddings.shape[1], padding_idx)
        layer.weight = Parameter(embeddings, requires_grad=not freeze)
        return layer

    def reset_parameters(self) -> None:
        """Draw the weight afresh."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with mode(grad=False):
                self.weight[self.padding_idx].zero_()

    def forward(self, input: Any) -> Any:
        return F.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = (
            "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        )
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
