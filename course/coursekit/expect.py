"""Run a cell that must fail, and read its message calmly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def expect_error(*kinds: type[BaseException]) -> Iterator[None]:
    """Print the error raised inside; fail if none of `kinds` was raised.

    A cell tagged `raises-exception` also passes when nothing is raised; this does not.
    """
    kinds = kinds or (Exception,)
    try:
        yield
    except kinds as error:
        print(f"{type(error).__name__}: {error}")
    else:
        names = " or ".join(kind.__name__ for kind in kinds)
        raise AssertionError(f"{names} was expected here, but nothing was raised")
