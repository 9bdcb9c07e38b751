"""Functions of `nn.functional` as modules: activations, pools, dropout, flattening.

Each is a row of a table: which function it calls, and, where they are not that function's
own, the options it remembers, written as they stand between the brackets of a call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.options import Options


class Stateless(Options, Module):
    """A function that remembers its options; a subclass is one row.

    `calls` names the function, `options` are its parameters after the inputs unless they
    are given, and `shown` those of them that are printed, all unless it is given.
    """

    calls = ""
    shown: tuple[str, ...] = ()

    def __init_subclass__(
        cls, calls: str = "", options: str | None = None, shown: str | None = None
    ) -> None:
        rest = options or (calls and _after_inputs(getattr(F, calls)))
        super().__init_subclass__(rest or None)
        if calls:
            cls.calls = calls
        if rest:
            cls.shown = tuple(cls.options.parameters)
        if shown is not None:
            cls.shown = tuple(shown.split())

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        for name, value in self.given(args, options).items():
            if name.endswith("weight"):  # of a loss: it moves with the module
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Any) -> Any:
        options = {name: getattr(self, name) for name in self.options.parameters}
        return getattr(F, self.calls)(*inputs, **options)

    def extra_repr(self) -> str:
        values = {name: getattr(self, name) for name in self.shown}
        if not values.get("inplace", True):
            del values["inplace"]
        return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _after_inputs(function: Callable[..., Any]) -> inspect.Signature:
    every = inspect.signature(function).parameters.values()
    return inspect.Signature([p for p in every if p.name not in ("input", "target")])


# --- activations -------------------------------------------------------------------------


class ReLU(Stateless, calls="relu"):
    """max(0, x)."""


class LeakyReLU(Stateless, calls="leaky_relu"):
    """x where it is positive, else negative_slope * x."""


class ELU(Stateless, calls="elu"):
    """x where it is positive, else alpha * (e ** x - 1)."""


class SELU(Stateless, calls="selu"):
    """ELU, scaled so that activations keep mean 0 and variance 1."""


class GELU(Stateless, calls="gelu"):
    """x * P(Z <= x) for a standard normal Z."""


class SiLU(Stateless, calls="silu"):
    """x * sigmoid(x)."""


class Mish(Stateless, calls="mish"):
    """x * tanh(softplus(x))."""


class Softplus(Stateless, calls="softplus"):
    """log(1 + e ** (beta * x)) / beta."""


class Hardtanh(Stateless, calls="hardtanh"):
    """x limited to a range."""


class Sigmoid(Stateless, calls="sigmoid"):
    """1 / (1 + e ** -x)."""


class Tanh(Stateless, calls="tanh"):
    """The hyperbolic tangent."""


class Softmax(Stateless, calls="softmax", options="dim=None"):
    """e ** x over its sum along `dim`."""


class LogSoftmax(Stateless, calls="log_softmax", options="dim=None"):
    """log(softmax(x)) without overflow."""


# --- pools -------------------------------------------------------------------------------


class _Pool(Stateless):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.stride is None:
            self.stride = self.kernel_size


MAX_POOL = (  # in the module's order, which is not the function's
    "kernel_size, stride=None, padding=0, dilation=1, return_indices=False, "
    "ceil_mode=False"
)
MAX_SHOWN = "kernel_size stride padding dilation ceil_mode"
AVG_SHOWN = "kernel_size stride padding"


class MaxPool1d(_Pool, calls="max_pool1d", options=MAX_POOL, shown=MAX_SHOWN):
    """The largest of each window of a sequence (batch, channels, length)."""


class MaxPool2d(_Pool, calls="max_pool2d", options=MAX_POOL, shown=MAX_SHOWN):
    """The largest of each window of an image (batch, channels, height, width)."""


class AvgPool1d(_Pool, calls="avg_pool1d", shown=AVG_SHOWN):
    """The mean of each window of a sequence (batch, channels, length)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in self.shown:  # a number is kept, and shown, as a tuple of one
            value = getattr(self, name)
            setattr(self, name, (value,) if isinstance(value, int) else value)


class AvgPool2d(_Pool, calls="avg_pool2d", shown=AVG_SHOWN):
    """The mean of each window of an image (batch, channels, height, width)."""


class AdaptiveAvgPool2d(Stateless, calls="adaptive_avg_pool2d"):
    """Means of windows sized so that the result has `output_size`."""


# --- others ------------------------------------------------------------------------------


class Dropout(Stateless, calls="dropout", options="p=0.5, inplace=False"):
    """While training each element is 0 with probability p; the others make up for it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not 0 <= self.p <= 1:
            raise ValueError(
                f"dropout probability has to be between 0 and 1, but got {self.p}"
            )

    def forward(self, input: Any) -> Any:
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Flatten(Stateless, options="start_dim=1, end_dim=-1"):
    """The dims from `start_dim` to `end_dim` as one."""

    def forward(self, input: Any) -> Any:
        return input.flatten(self.start_dim, self.end_dim)


class Unflatten(Stateless, options="dim, unflattened_size"):
    """One dim taken apart into several."""

    def forward(self, input: Any) -> Any:
        return input.unflatten(self.dim, self.unflattened_size)
