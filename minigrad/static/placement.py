"""Where a program runs: with its variables, or with what it is fed.

A program on a GPU reads and writes memory over there. What it may still take from the
CPU are NumPy arrays, which belong to no device, and as in eager mode tensors without
dims; the state of a random generator too. A Tensor with dims on the other side is a
mistake, and told as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from minigrad.backend import device_of, int64, late, on_device
from minigrad.eager.tensor import Tensor
from minigrad.errors import DeviceError, name_of
from minigrad.static.node import VARIABLE, Node, topological


def settled(target: str | None, default: str, wanted: Sequence[Node]) -> str:
    """The target of a program: a `DeviceError` where its variables cannot be there."""
    variables = [x for x in topological(wanted) if x.op is VARIABLE]
    there = [x for x in variables if on_device(x.value.array)]
    chosen = target or default
    if target in ("interpreter", "native") and there:
        raise DeviceError(
            f'compile: target="{target}" runs on the CPU',
            expected="variables on the CPU",
            got=_listed(there),
            remedy="leave the target out: a program runs where its variables are",
        )
    if not there and chosen != "cuda":
        return chosen
    late("cuda")()  # raises where there is none
    for x in variables:
        if not on_device(x.value.array) and not _travels(x):
            raise DeviceError(
                "compile: a program on the GPU has a variable on the CPU",
                expected="all variables on one device",
                got=_listed([x, *there[:1]]),
                remedy=f'{x.name or "model"}.to("cuda"), before the program is made',
            )
    return "cuda"


def _travels(x: Node) -> bool:
    """Is it a number, or two integers as generators have for a state?"""
    return not x.shape or (x.shape == (2,) and x.dtype == int64)


def _listed(nodes: Iterable[Node]) -> str:
    return ", ".join(
        f"{x.name or 'a variable'} {x.shape} on {device_of(x.value.array)}"
        for x in nodes
    )


def refuse_mixed(name: str, arg: Any, target: str) -> None:
    """Raise for a Tensor that lies elsewhere than the program runs."""
    where = "cuda" if target == "cuda" else "cpu"
    raise DeviceError(
        f"program: {name} lies on another device",
        expected=f"a tensor on {where}, or an array of NumPy",
        got=f"{name_of(arg, 'the argument')} {arg.shape} on {device_of(getattr(arg, 'array', arg))}",
        remedy=f'{name_of(arg, "x")}.to("{where}")',
    )


def belongs(arg: Any, target: str) -> bool:
    """May this argument be fed to a program with that target as it is?"""
    if target == "cuda":
        return not isinstance(arg, Tensor) or on_device(arg.array) or not arg.shape
    return not on_device(arg.array if isinstance(arg, Tensor) else arg)
