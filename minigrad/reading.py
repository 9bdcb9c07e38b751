"""Reading a Tensor: as Python numbers, lists, NumPy arrays, and as text.

While a trace runs there are no numbers to read, and every way of asking says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.backend import device_of, on_device
from minigrad.errors import DeviceError, GradError, GraphError, ShapeError, name_of
from minigrad.lessons import CHOOSE, SHOW
from minigrad.methods import Methods
from minigrad.ops.movement import slice
from minigrad.ops.op import MODE
from minigrad.printing import tensor_text


class Readable(Methods):
    """See the module's docstring."""

    __slots__ = ()
    array: Any
    requires_grad: Any
    grad_fn: Any

    def concrete(self, what: str) -> Any:
        """The array, or under a trace the lesson that there is none yet."""
        if MODE.get().trace is not None:
            raise GraphError(
                f"{what}: there is no number yet while jit traces the function",
                got=f"{name_of(self, 'a tensor')} {self.shape}, a symbol",
                remedy=CHOOSE if what == "if" else f"return it, or {SHOW}",
            )
        return self.array

    def item(self) -> Any:
        """The one element as a Python number."""
        return self._number("item()")

    def _number(self, what: str) -> Any:
        array = self.concrete(what)
        if array.size != 1:
            raise ShapeError(
                "item: there is not exactly one element",
                got=f"{name_of(self, 'the tensor')} {self.shape}",
                remedy="use .tolist() or reduce it first",
            )
        return array.item()

    def tolist(self) -> Any:
        return self.concrete("tolist()").tolist()

    def numpy(self) -> np.ndarray:
        """The array itself, sharing memory."""
        if self.requires_grad:
            raise GradError(
                "numpy(): NumPy would not record what happens to this tensor",
                got=f"{name_of(self, 'the tensor')} {self.shape}, requires_grad=True",
                remedy="x.detach().numpy()",
            )
        array = self.concrete("numpy()")
        if on_device(array):
            raise DeviceError(
                f"numpy(): can't convert {device_of(array)} device type tensor to numpy",
                expected="a tensor in the memory of the CPU, which NumPy can share",
                got=f"{name_of(self, 'the tensor')} {self.shape} on {self.device}",
                remedy="x.cpu().numpy()",
            )
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is None and not copy:
            return array
        return np.array(array, dtype=dtype, copy=copy)

    def __bool__(self) -> bool:
        return bool(self._number("if"))

    def __float__(self) -> float:
        return float(self._number("float()"))

    def __int__(self) -> int:
        return int(self._number("int()"))

    def __index__(self) -> int:
        if self.dtype.kind == "f":
            raise TypeError("a float tensor cannot be an index")
        return int(self._number("range() or an index"))

    def __iter__(self) -> Any:
        return (slice(self, key=(i, ...)) for i in range(len(self)))

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __getitem__(self, key: Any) -> Any:
        """A part; what integers, 0-d tensors among them, and slices select is a view."""
        parts = key if isinstance(key, tuple) else (key,)
        numbers = {i for i, part in enumerate(parts) if _is_position(part)}
        if not numbers:
            return super().__getitem__(key)
        if MODE.get().trace is not None:
            part = super().__getitem__(key)
            if not on_device(part.array):
                # A write would not reach this tensor.
                part.array.flags.writeable = False
            return part
        plain = [int(p) if i in numbers else p for i, p in enumerate(parts)]
        return super().__getitem__(tuple(plain))

    # --- memory --------------------------------------------------------------------------
    def is_contiguous(self) -> Any:
        """Whether the elements lie in memory in their order, without gaps."""
        return self.array.flags.c_contiguous

    def contiguous(self) -> Any:
        """Itself if it is contiguous, else a copy that is."""
        return self if self.is_contiguous() else self.to(copy=True)

    def stride(self, dim: Any = None) -> Any:
        """How many elements apart neighbours along each dim are."""
        steps = tuple(n // self.array.itemsize for n in self.array.strides)
        return steps if dim is None else steps[dim]

    def element_size(self) -> Any:
        """Bytes of one element."""
        return self.array.itemsize

    def data_ptr(self) -> Any:
        """The address of the first element."""
        array = self.concrete("data_ptr()")
        return array.data.ptr if on_device(array) else array.ctypes.data

    # --- text ----------------------------------------------------------------------------
    def __repr__(self) -> str:
        try:
            notes = [f"grad_fn={self.grad_fn!r}"] if self.grad_fn is not None else []
            if not notes and self.requires_grad:
                notes = ["requires_grad=True"]
        except GradError:  # a view that fell behind: looking at it is no mistake
            notes = ["grad_fn=<Invalid>"]
        if MODE.get().trace is not None:
            return ", ".join([f"tensor(<symbol>, shape={self.shape}", *notes]) + ")"
        return tensor_text(self.array, *notes)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self)}


def _is_position(part: Any) -> bool:
    return isinstance(part, Readable) and not part.shape and part.dtype.kind == "i"
