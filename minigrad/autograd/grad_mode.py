"""Switching the tape on and off: as a `with` block, a decorator or a plain call."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from minigrad.ops.op import MODE, Mode


def _switch(on: bool) -> bool:
    """Set whether operations are recorded; how it was before."""
    before = MODE.get()
    MODE.set(Mode(on, before.trace, before.watch))
    return before.grad


class _GradMode:
    """Record on the tape (or not) inside a `with` block or a decorated function.

    A decorated generator runs each of its steps in the mode and gives the caller's mode
    back in between; a `with` block inside a generator would leak it at every yield.
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(_switch(self.mode))

    def __exit__(self, *_: object) -> None:
        _switch(self._before.pop())

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(fn):
            return self._around_each_step(fn)

        @functools.wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(self.mode):
                return fn(*args, **kwargs)

        return inner

    def _around_each_step(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            generator, sent = fn(*args, **kwargs), None
            try:
                while True:
                    with _GradMode(self.mode):
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
        return super().__new__(cls) if fn is None else _GradMode(cls.on)(fn)

    def __init__(self) -> None:
        super().__init__(self.on)


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
        self._called_in = _switch(self.mode)  # a plain call counts at once

    def __enter__(self) -> None:
        self._before.append(self._called_in)
        _switch(self.mode)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        _switch(self._called_in)
        return super().__call__(fn)


class inference_mode(_GradMode):
    """`no_grad` under the name that says what for.

    PyTorch also forbids to differentiate later what was made inside; here it is an
    ordinary tensor without a tape.
    """

    def __new__(cls, mode: Any = True) -> Any:
        if not callable(mode):
            return super().__new__(cls)
        return _GradMode(False)(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(not mode)

    def __enter__(self) -> None:
        # inference_mode(False) leaves the tape as it is.
        self._before.append(MODE.get().grad)
        if not self.mode:
            _switch(False)

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn if self.mode else super().__call__(fn)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded."""
    return MODE.get().grad
