"""`mg.save` and `mg.load`: tensors in a safetensors file, never a pickle.

A pickle is a program that runs when it is read; a safetensors file holds names, shapes
and numbers. What is nested (an optimizer's state, a checkpoint) is written down as JSON in
the file's metadata, so any other reader still sees the tensors, under dotted names.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.backend import CPU, moved, placed
from minigrad.creation import from_numpy
from minigrad.eager.tensor import Tensor
from minigrad.errors import DeviceError, DTypeError, FormatError, MissingPackageError

STRUCTURE = "minigrad"  # the metadata's key for what is nested


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingPackageError(
            "save and load need the package safetensors, which is not installed",
            remedy="pip install safetensors",
        ) from None
    return safetensors


def save(obj: Any, path: Any) -> None:
    """Write tensors, or dicts, lists and tuples of tensors and plain values, to a file.

    A tensor that occurs twice is stored once and is one tensor again when loaded; a view
    is stored as a tensor of its own. The file is complete or, after an error, as it was.
    Raises `DTypeError` for what cannot be stored, `MissingPackageError`.

        >>> import minigrad as mg, tempfile, os
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "run.safetensors")
        ...     mg.save({"weight": mg.ones(2), "epoch": 3}, path)
        ...     mg.load(path)
        {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    package = _safetensors()
    tensors: dict[str, np.ndarray] = {}
    structure = _written(obj, (), tensors, {})
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        metadata = {STRUCTURE: json.dumps(structure)}
        package.numpy.save_file(tensors, part, metadata)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load(path: Any, map_location: Any = None) -> Any:
    """Read back what `save` wrote; of any other safetensors file, a dict of its tensors.

    Tensors come back on the CPU, or on the device `map_location`. Raises `FormatError` for a file of another kind or a damaged one.
    """
    package = _safetensors()
    _refuse_pickles(path)
    try:
        with package.safe_open(path, framework="numpy") as file:
            names = file.keys()
            # In memory of its own, which can be written.
            arrays = {name: file.get_tensor(name).copy() for name in names}
            metadata = file.metadata() or {}
        where = placed("cpu" if map_location is None else map_location)
        tensors = {name: from_numpy(array).to(where) for name, array in arrays.items()}
        if STRUCTURE not in metadata:
            return tensors
        return _read(json.loads(metadata[STRUCTURE]), tensors)
    except (FileNotFoundError, DeviceError):
        raise
    except (package.SafetensorError, OSError) as error:
        what, got = "this is no safetensors file, or only part of one", str(error)
    except (KeyError, ValueError, TypeError) as error:
        what, got = "there is something in this file that has no tensor", repr(error)
    raise FormatError(f"load: {what}", expected="what mg.save wrote", got=got)


# --- nested objects as JSON --------------------------------------------------------------


def _written(obj: Any, path: tuple, tensors: dict, seen: dict) -> Any:
    """`obj` in JSON; its tensors go into `tensors` under the way that leads to them."""
    if obj is None or type(obj) in (bool, int, float, str):
        return obj
    if isinstance(obj, Tensor):
        return {"tensor": _stored(obj, path, tensors, seen)}
    if isinstance(obj, dict):
        pairs = [
            [_written(k, path, tensors, seen), _written(v, (*path, k), tensors, seen)]
            for k, v in obj.items()
        ]
        return {"dict": pairs}
    if type(obj) in (list, tuple):
        parts = [_written(x, (*path, i), tensors, seen) for i, x in enumerate(obj)]
        return {type(obj).__name__: parts}
    raise DTypeError(
        "save: this cannot be stored",
        expected="tensors, numbers, strings, None, and dicts, lists or tuples of them",
        got=f"{type(obj).__name__} at {'.'.join(map(str, path)) or 'the top'}",
        remedy="obj.state_dict()" if hasattr(obj, "state_dict") else "",
    )


def _stored(t: Tensor, path: tuple, tensors: dict, seen: dict) -> str:
    array = t.concrete("save")
    place = t.cell, t.data_ptr(), array.shape, array.strides
    if place not in seen:
        name = ".".join(map(str, path)) or "tensor"
        while name in tensors:  # {"a.b": x, "a": {"b": y}}
            name += "'"
        seen[place] = name
        tensors[name] = np.asarray(moved(array, CPU), order="C")
    return seen[place]


def _read(written: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(written, dict):
        return written
    ((kind, content),) = written.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_read(k, tensors): _read(v, tensors) for k, v in content}
    return {"list": list, "tuple": tuple}[kind](_read(x, tensors) for x in content)


def _refuse_pickles(path: Any) -> None:
    with open(path, "rb") as file:
        start = file.read(9)
    if start[8:] == b"{":  # after the header's length, as in every safetensors file
        return
    kinds = {b"PK": "a zip archive, as torch.save writes", b"\x80": "a pickle"}
    kind = kinds.get(start[:2]) or kinds.get(start[:1])
    if kind:
        raise FormatError(
            "load: reading a pickle would run whatever program is in it",
            expected="a safetensors file",
            got=kind,
            remedy="in PyTorch: safetensors.torch.save_file(model.state_dict(), path)",
        )
