"""Layers that shift and scale what goes through to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any

from minigrad.creation import empty, tensor
from minigrad.errors import ArgumentError, ShapeError
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.linear import Weighted


class _Norm(Weighted):
    """A layer whose weight scales and whose bias shifts what was normalised."""

    def _begin_affine(
        self, shape: Any, affine: bool, bias: bool, device: Any, dtype: Any
    ) -> None:
        weight, shift = shape if affine else None, shape if affine and bias else None
        self._begin(weight, shift, device, dtype)

    def reset_parameters(self) -> None:
        """A scale of 1 and a shift of 0."""
        for p, value in ((self.weight, 1), (self.bias, 0)):
            if p is not None:
                init.constant_(p, value)


class _BatchNorm(_Norm):
    """See BatchNorm1d; `ndims` are the numbers of dims that an input may have."""

    running_mean: Any
    running_var: Any
    num_batches_tracked: Any
    ndims: tuple[int, ...] = ()

    shows = (
        "{num_features}, eps={eps}, momentum={momentum}, affine={affine}, bias={bias}, "
        "track_running_stats={track_running_stats}"
    )

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        buffers: dict[str, Any] = {
            "running_mean": empty(num_features, device=device, dtype=dtype),
            "running_var": empty(num_features, device=device, dtype=dtype),
            "num_batches_tracked": tensor(0, device=device),
        }
        for name, t in buffers.items():
            self.register_buffer(name, t if track_running_stats else None)
        self._begin_affine(num_features, affine, bias, device, dtype)

    def reset_running_stats(self) -> None:
        """Forget all batches."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """A scale of 1, a shift of 0, and no batches seen."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(self, input: Any) -> Any:
        if input.ndim not in self.ndims:
            wanted = " or ".join(f"{n}D" for n in self.ndims)
            raise ShapeError(f"expected {wanted} input (got {input.ndim}D input)")
        tracking = self.training and self.track_running_stats
        used = tracking or not self.training
        momentum = self.momentum
        if tracking and momentum is None:  # the mean of all batches so far
            momentum = 1 / (self.num_batches_tracked + 1).to(self.running_mean.dtype)
        y = F.batch_norm(
            input,
            self.running_mean if used else None,
            self.running_var if used else None,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum,
            self.eps,
        )
        if tracking:
            self.num_batches_tracked.add_(1)
        return y


class BatchNorm1d(_BatchNorm):
    """Each feature over the batch, of inputs (batch, features) or with a length.

    In training the batch's own mean and variance count, and running ones are kept for
    `eval()`. Raises `ShapeError`, also for a batch of a single value a feature.
    """

    ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel over a batch of images; see BatchNorm1d."""

    ndims = (4,)


class LayerNorm(_Norm):
    """Each sample over its last dims, whose sizes are `normalized_shape`."""

    shows = (
        "{normalized_shape}, eps={eps}, elementwise_affine={elementwise_affine}, "
        "bias={bias}"
    )

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        one = isinstance(normalized_shape, int)
        shape = (normalized_shape,) if one else tuple(normalized_shape)
        self.normalized_shape, self.eps = shape, eps
        self.elementwise_affine = elementwise_affine
        self._begin_affine(shape, elementwise_affine, bias, device, dtype)

    def forward(self, input: Any) -> Any:
        return F.layer_norm(
            input, self.normalized_shape, self.weight, self.bias, self.eps
        )


class GroupNorm(_Norm):
    """Each sample over groups of its channels."""

    shows = "{num_groups}, {num_channels}, eps={eps}, affine={affine}, bias={bias}"

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ArgumentError(
                f"num_channels ({num_channels}) must be divisible by num_groups "
                f"({num_groups})"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self._begin_affine(num_channels, affine, bias, device, dtype)

    def forward(self, input: Any) -> Any:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
