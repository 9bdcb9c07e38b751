"""What the reader calls things: pictures speak in the names of the reader's own code."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import Any

import numpy as np

from ..backend import get_default_dtype
from ..eager.tape import Record
from ..eager.tensor import Tensor
from ..static.node import Node

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
SMALL = 4  # an array with more elements is drawn as its shape


class Names:
    """Names of tensors, nodes and records in the frames that led here.

    The outermost frame's name wins: that is the notebook's, or the script's. A module
    that only passes things on to `show` keeps its own names out by `__tracebackhide__`.
    """

    def __init__(self) -> None:
        self._known: dict[int, str] = {}
        spaces: list[dict[str, Any]] = []
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            inside = frame.f_code.co_filename.startswith(PACKAGE)
            if not inside and "__tracebackhide__" not in frame.f_globals:
                spaces = [*(spaces or [frame.f_globals]), frame.f_locals]
            frame = frame.f_back
        for space in reversed(spaces):
            for name, value in list(space.items()):
                if isinstance(value, (Tensor, Node)) and not name.startswith("_"):
                    self._add(value, name)

    def _add(self, value: Tensor | Node, name: str) -> None:
        self._known.setdefault(id(value), name)
        if not isinstance(value, Tensor) or type(value.record) is not Record:
            return
        # A view that is older than its storage gets another record when next read.
        if value.version == value.cell.written:
            self._known.setdefault(id(value.record), name)

    def of(self, value: Any, default: str = "") -> str:
        """What `value` is called; a Node may carry its name itself."""
        return getattr(value, "name", "") or self._known.get(id(value), default)

    def given(self, record: Record) -> str:
        """The name of the tensor that `record` made, if there is one still."""
        return self._known.get(id(record), "")


def size(value: Any) -> str:
    """The shape, and the dtype where it is not the default: as a Tensor prints it."""
    shape = str(tuple(value.shape))
    return shape if value.dtype == get_default_dtype() else f"{value.dtype} {shape}"


def short(array: np.ndarray) -> str:
    """The numbers of a small array in one line, "" for a larger one."""
    if array.size > SMALL:
        return ""
    if array.ndim == 0:
        return _number(array)
    return (
        f"[{', '.join(_number(x) for x in array.ravel())}]" if array.ndim == 1 else ""
    )


def _number(x: Any) -> str:
    return f"{x:.4g}" if x.dtype.kind == "f" else str(x)
