"""What a program on a GPU does, one by one: launches, products, calls, moves of memory.

An action runs on a `Machine`, whose `arrays` are the memory; it names slots, so that a loop
can put other memory in them. Nothing here waits for the device, unless it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from minigrad.static.node import Node

Get = Callable[[list], Any]  # a device array, from all arrays


class Machine(Protocol):
    """What actions need: the device, its kernels by name, and an array in each slot."""

    device: Any
    arrays: list[Any]
    kernels: dict[str, Callable[..., None]]

    def run(self, actions: Sequence[Action]) -> None: ...
    def fetch(self, get: Get) -> Any: ...
    def note(self, slot: int, number: int) -> None: ...


@dataclass(eq=False)
class Action:
    """One thing to do; `nodes` are what it computes, `str()` is its line in a listing."""

    nodes: Sequence[Node]

    def __call__(self, machine: Machine) -> None:
        raise NotImplementedError

    def parts(self) -> dict[str, list[Action]]:
        """What it does inside, by a heading for each part."""
        return {}

    def __str__(self) -> str:
        return ""


@dataclass(eq=False)
class Launch(Action):
    """A kernel, on so many blocks of so many threads, passed the memory in some slots."""

    name: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    slots: list[tuple[int, np.dtype]]
    names: str

    def __call__(self, machine: Machine) -> None:
        arrays = machine.arrays
        held = tuple(
            x if x.dtype == dtype else x.view(dtype)
            for x, dtype in ((arrays[slot], dtype) for slot, dtype in self.slots)
        )
        machine.kernels[self.name](self.grid, self.block, held)

    def __str__(self) -> str:
        grid = " x ".join(map(str, self.grid))
        return f"{self.name}<<<{grid}, {self.block[0]}>>>({self.names})"


@dataclass(eq=False)
class Product(Action):
    """y = alpha * (a @ b) + beta * y, by cuBLAS."""

    a: Get
    b: Get
    y: Get
    alpha: float
    beta: float
    to: int  # the slot of y
    said: str

    def __call__(self, machine: Machine) -> None:
        a, b, y = (get(machine.arrays) for get in (self.a, self.b, self.y))
        machine.device.gemm(a, b, y, self.alpha, self.beta)

    def __str__(self) -> str:
        return self.said


@dataclass(eq=False)
class Call(Action):
    """An op that has no kernel: what the table says, on device arrays."""

    inputs: Sequence[Get]
    output: Get
    said: str

    def __call__(self, machine: Machine) -> None:
        (node,) = self.nodes
        arrays = [get(machine.arrays) for get in self.inputs]
        result = node.op.fn(*arrays, **node.attrs)
        self.output(machine.arrays)[...] = result

    def __str__(self) -> str:
        return f"{self.said}, by the array module"


@dataclass(eq=False)
class Convolution(Action):
    """One of the three convolutions, by cuDNN's plan."""

    plan: Callable[..., None]
    a: Get
    b: Get
    y: Get
    workspace: Get
    to: int  # the slot of y
    said: str

    def __call__(self, machine: Machine) -> None:
        places = (self.a, self.b, self.y, self.workspace)
        self.plan(*(get(machine.arrays) for get in places), machine.device.stream)

    def __str__(self) -> str:
        return f"{self.said}, by cuDNN"
