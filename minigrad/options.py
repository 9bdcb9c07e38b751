"""Options of a class, written as they stand in a call.

A family of classes that differ in their options and one formula, such as losses,
optimizers and schedules, has one constructor, which asks `given` for the options by name.
"""

from __future__ import annotations

import inspect
from typing import Any


class Options:
    """The base of such a family: `class Softplus(Options, options="beta=1.0")`."""

    options = inspect.Signature()

    def __init_subclass__(cls, options: str | inspect.Signature | None = None) -> None:
        if isinstance(options, str):
            options = inspect.signature(eval(f"lambda {options}: None"))
        if options is not None:
            cls.options = cls.__signature__ = options  # type: ignore[attr-defined]
        elif "__init__" in vars(cls):  # a constructor of a user's own
            cls.__signature__ = None  # type: ignore[attr-defined]

    @classmethod
    def given(cls, args: tuple, options: dict[str, Any]) -> dict[str, Any]:
        """All options by name, those left out with their defaults."""
        try:
            bound = cls.options.bind(*args, **options)
        except TypeError as error:
            raise TypeError(f"{cls.__name__}: {error}") from None
        bound.apply_defaults()
        return bound.arguments
