"""The one place where numbers are rounded for the reader.

Stored outputs are compared on every machine: what is printed must not depend on the
last bits of a float, nor on the sign of a zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def rounded(value: Any, digits: int = 4) -> str:
    """`value` (a number, array or tensor) as text with `digits` significant digits."""
    array = as_array(value)
    if array.ndim == 0:
        return _scalar(array[()], digits)
    return np.array2string(
        array, separator=", ", formatter={"all": lambda x: _scalar(x, digits)}
    )


def as_array(value: Any) -> np.ndarray:
    """A NumPy array of `value`, whether or not it is on the tape."""
    detach = getattr(value, "detach", None)
    return np.asarray(detach() if detach else value)


def _scalar(value: Any, digits: int) -> str:
    if isinstance(value, (bool, np.bool_, int, np.integer, str)):
        return str(value)
    text = f"{float(value):.{digits}g}"
    return "0" if float(text) == 0 else text
