"""Convolutions as modules."""

from __future__ import annotations

from typing import Any

from minigrad.errors import ArgumentError
from minigrad.nn import functional as F
from minigrad.nn.functional.convolution import WORDS, each
from minigrad.nn.linear import Weighted


class _Conv(Weighted):
    """Options and weight of a convolution over `ndim` dims."""

    ndim = 2
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ArgumentError("groups must be a positive integer", got=str(groups))
        if in_channels % groups or out_channels % groups:
            which = "in_channels" if in_channels % groups else "out_channels"
            raise ArgumentError(
                f"{which} must be divisible by groups",
                got=f"{in_channels}, {out_channels} channels in {groups} groups",
            )
        if padding_mode != "zeros":
            raise NotImplementedError(f"padding_mode={padding_mode!r}: only 'zeros'")
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = self._each("kernel_size", kernel_size)
        self.stride = self._each("stride", stride)
        named = padding in WORDS
        self.padding = padding if named else self._each("padding", padding, 0)
        self.dilation, self.groups = self._each("dilation", dilation), groups
        self.output_padding = (0,) * self.ndim
        if self.padding == "same" and any(n != 1 for n in self.stride):
            raise ArgumentError(
                "padding='same' is not supported for strided convolutions"
            )
        first, second = out_channels, in_channels
        if self.transposed:
            first, second = second, first
        shape = (first, second // groups, *self.kernel_size)
        self._begin(shape, out_channels if bias else None, device, dtype)

    def _each(self, what: str, value: Any, least: int = 1) -> tuple[int, ...]:
        return each(type(self).__name__, what, value, self.ndim, least)

    def _options(self) -> tuple:
        return self.stride, self.padding, self.dilation, self.groups

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}"
        )
        for name, default in (
            ("padding", (0,) * self.ndim),
            ("dilation", (1,) * self.ndim),
            ("output_padding", (0,) * self.ndim),
            ("groups", 1),
        ):
            value = getattr(self, name)
            text += "" if value == default else f", {name}={value}"
        return text + (", bias=False" if self.bias is None else "")


class Conv1d(_Conv):
    """A filter slid along sequences (batch, in_channels, length), or one of them."""

    ndim = 1

    def forward(self, input: Any) -> Any:
        return F.conv1d(input, self.weight, self.bias, *self._options())


class Conv2d(_Conv):
    """A filter slid over images (batch, in_channels, height, width), or one of them.

    >>> import minigrad as mg
    >>> mg.nn.Conv2d(3, 8, 3, padding=1)
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """

    def forward(self, input: Any) -> Any:
        return F.conv2d(input, self.weight, self.bias, *self._options())


class ConvTranspose2d(_Conv):
    """The gradient of Conv2d with respect to its input, as a layer of its own."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups,
            bias, padding_mode, device, dtype,
        )  # fmt: skip
        self.output_padding = self._each("output_padding", output_padding, 0)

    def forward(self, input: Any, output_size: Any = None) -> Any:
        if output_size is not None:
            raise NotImplementedError("output_size= is not supported: output_padding=")
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding,
            self.output_padding, self.groups, self.dilation,
        )  # fmt: skip
