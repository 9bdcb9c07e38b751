"""Switching the tape on and off: as a `with` block, a decorator or a plain call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from minigrad.eager.cell import InferenceCell
from minigrad.eager.tensor import Tensor
from minigrad.ops.op import MODE, mode


def _switch(on: bool | None) -> bool | None:
    """Set whether operations are recorded; how it was before."""
    before = MODE.get()
    MODE.set(before.recording(on))
    return before.grad


class _GradMode:
    """Record on the tape (or not) inside a `with` block or a decorated function.

    A decorated generator runs each of its steps in the mode and gives the caller's mode
    back in between; a `with` block inside a generator would leak it at every yield.
    """

    def __init__(self, mode: bool) -> None:
        self.on: bool | None = bool(mode)
        self._before: list[bool | None] = []

    def _to(self) -> bool | None:
        """The mode to enter: nothing records inside `inference_mode`."""
        return None if MODE.get().grad is None else self.on

    def __enter__(self) -> None:
        self._before.append(_switch(self._to()))

    def __exit__(self, *_: object) -> None:
        MODE.set(MODE.get().recording(self._before.pop()))

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(fn):
            return self._around_each_step(fn)

        @functools.wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with mode(grad=self._to()):
                return fn(*args, **kwargs)

        return inner

    def _around_each_step(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            generator, sent = fn(*args, **kwargs), None
            try:
                while True:
                    with mode(grad=self._to()):
                        try:
                            value = generator.send(sent)
                        except StopIteration as stop:
                            return stop.value
                    sent = yield value
            finally:
                generator.close()

        return inner


class _Fixed(_GradMode):
    """A mode that takes no argument, so that `@mg.no_grad` works without brackets."""

    on: bool

    def __new__(cls, fn: Any = None) -> Any:
        return object.__new__(cls) if fn is None else _GradMode(cls.on)(fn)

    def __init__(self) -> None:
        self.mode, self._before = self.on, []


class no_grad(_Fixed):
    """Do not record: `with mg.no_grad(): w -= lr * w.grad`, or `@mg.no_grad()`."""

    on = False


class enable_grad(_Fixed):
    """Record, also inside `no_grad`."""

    on = True


class set_grad_enabled(_GradMode):
    """Record or not from here on: `mg.set_grad_enabled(False)`, or a `with` block.

    >>> import minigrad as mg
    >>> with mg.set_grad_enabled(False):
    ...     mg.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        super().__init__(mode)
        self._called_in = _switch(self._to())  # a plain call counts at once

    def __enter__(self) -> None:
        self._before.append(self._called_in)
        _switch(self._to())

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        _switch(self._called_in)
        return super().__call__(fn)


class inference_mode(_GradMode):
    """`no_grad` for tensors that the tape shall never meet again.

    What is made inside can be read and computed with later. To save it for a `backward()`,
    to write it or to make it require a gradient raises `GradError`; a clone allows all.

        >>> import minigrad as mg
        >>> with mg.inference_mode():
        ...     features = mg.ones(2)
        >>> w = mg.ones(2, requires_grad=True)
        >>> (w + features.clone() * w).requires_grad  # without clone() an error
        True
    """

    def __new__(cls, mode: Any = True) -> Any:
        if callable(mode):
            return cls()(mode)
        return super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        self.on = None if mode else True
        self._before = []

    def _to(self) -> bool | None:
        return self.on


def is_grad_enabled() -> bool:
    """Whether operations are being recorded."""
    return bool(MODE.get().grad)


def is_inference_mode_enabled() -> bool:
    """Whether this is a block of `inference_mode`."""
    return MODE.get().grad is None


def is_inference(input: Tensor) -> bool:
    """Was this tensor made under `inference_mode`?"""
    return isinstance(input.cell, InferenceCell)


Tensor.is_inference = is_inference  # type: ignore[attr-defined]
