"""The printed form of a tensor, as PyTorch prints it.

All elements share one notation: plain integers with a point, four digits, or scientific
where magnitudes are far apart. More than 1,000 elements are shown by their edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.backend import CPU, device_of, get_default_dtype, moved

PRECISION, THRESHOLD, EDGE, LINE_WIDTH = 4, 1000, 3, 80


def tensor_text(array: Any, *notes: str) -> str:
    """`tensor([1., 2.], dtype=float64)`; `notes` follow the dtype."""
    where = device_of(array)
    suffixes = [f"device='{where}'"] if where != CPU else []
    array, default = moved(array, CPU), get_default_dtype()
    if array.size == 0:
        text = "[]"
        if array.ndim != 1:
            suffixes.append(f"size={array.shape}")
        shown = array.dtype != default
    else:
        prefix = len("tensor(")
        summarize = array.size > THRESHOLD
        width, write = _notation(_edges(array) if summarize else array)
        text = _nested(array, prefix, summarize, width, write)
        shown = array.dtype not in (default, np.int64, np.bool_)
    if shown:
        suffixes.append(f"dtype={array.dtype}")
    return _with_suffixes(f"tensor({text}", [*suffixes, *notes])


def _with_suffixes(text: str, suffixes: Sequence[str]) -> str:
    indent = len("tensor(")
    length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > LINE_WIDTH:
            text += f",\n{' ' * indent}{suffix}"
            length = indent + len(suffix)
        else:
            text += f", {suffix}"
            length += len(suffix) + 2
    return text + ")"


def _edges(array: Any) -> Any:
    """The elements that a summary shows."""
    for axis, size in enumerate(array.shape):
        if size > 2 * EDGE:
            array = array.take([*range(EDGE), *range(size - EDGE, size)], axis)
    return array


def _notation(array: Any) -> tuple[int, Callable[[Any], str]]:
    """The width of the widest element, and what writes one."""
    values = array.ravel()
    if array.dtype.kind != "f":
        return max(len(str(v)) for v in values.tolist()), str
    values = values[np.isfinite(values) & (values != 0)].astype(np.float64)
    if not values.size:
        return 1, _integer
    sizes = np.abs(values)
    low, high = float(sizes.min()), float(sizes.max())
    write: Callable[[Any], str]
    if high / low > 1000 or high > 1e8 or low < 1e-4:
        write = f"{{:.{PRECISION}e}}".format
    elif (values == np.ceil(values)).all():
        write = _integer
    else:
        write = f"{{:.{PRECISION}f}}".format
    return max(len(write(v)) for v in values.tolist()), write


def _integer(value: float) -> str:
    return f"{value:.0f}" + ("." if math.isfinite(value) else "")


def _nested(
    array: Any, indent: int, summarize: bool, width: int, write: Callable[[Any], str]
) -> str:
    if array.ndim == 0:
        return write(array.item()).rjust(width)
    cut = summarize and len(array) > 2 * EDGE
    if array.ndim == 1:
        row = array.tolist()
        shown = [write(v).rjust(width) for v in (row[:EDGE] if cut else row)]
        if cut:
            shown += [" ...", *(write(v).rjust(width) for v in row[-EDGE:])]
        many = max(1, (LINE_WIDTH - indent) // (width + 2))
        lines = [", ".join(shown[i : i + many]) for i in range(0, len(shown), many)]
        return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
    at = [*range(EDGE), *range(len(array) - EDGE, len(array))] if cut else None
    parts = [
        _nested(array[i], indent + 1, summarize, width, write)
        for i in (range(len(array)) if at is None else at)
    ]
    if cut:
        parts.insert(EDGE, "...")
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


# --- PyTorch's names for what is on the tape ---------------------------------------------

_NAMES = {
    "square": "PowBackward0",
    "copy": "CopyBackwards",
    "transfer": "ToCopyBackward0",
    "put": "CopySlices",
    "reshape": "ViewBackward0",
    "broadcast_to": "ExpandBackward0",
    "clamp_min": "ClampBackward1",
    "clamp_max": "ClampBackward1",
    "index_put": "IndexPutBackward0",
}


def backward_name(record: Any) -> str:
    """What PyTorch calls a step of the tape: `MulBackward0`, `MmBackward0`.

    An op that PyTorch has not, or has in several steps, is called by its own name.
    """
    op, number = record.op.name, 0
    if op in _NAMES:
        return _NAMES[op]
    if record.op.kind == "user":
        return f"{op}Backward"
    name = "".join(part[:1].upper() + part[1:] for part in op.split("_"))
    if op == "matmul":
        name = "Mm" if len(record.shape) == 2 else "Bmm"
    elif op == "slice":
        name = _slice_name(record.attrs["key"])
    elif op == "cast":
        same = record.parents[0].dtype == record.dtype
        name = "Clone" if same else "ToCopy"
    elif op == "fill":
        name = "Fill" if record.attrs["value"] else "Zero"
    elif op in ("sum", "mean", "prod"):
        number = int(bool(record.shape))
    return f"{name}Backward{number}"


def _slice_name(key: tuple) -> str:
    """The last step in which PyTorch takes an index apart."""
    steps = [part for part in key if part is not ... and part != slice(None)]
    if not steps:
        return "Slice" if slice(None) in key else "Alias"
    last = steps[-1]
    return "Unsqueeze" if last is None else "Slice" if type(last) is slice else "Select"
