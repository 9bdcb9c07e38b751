"""Looking at a value while a program runs: what Theano calls Print.

Python's own `print` runs once, while a graph is built or traced, and shows a symbol. This
one is an op, so it runs with the program. Programs keep the order of such ops.
"""

from __future__ import annotations

from typing import Any

from minigrad.ops import shapes
from minigrad.ops.kinds import draw, into, kind
from minigrad.printing import tensor_text


def _print(a: Any, *earlier: Any, message: str, out: Any = None) -> Any:
    """`earlier` is what must have been printed before; see `in_order`."""
    text = tensor_text(a)
    print(f"{message} {text}" if message else text)
    return into(a.copy(order="C") if out is None else a, out)


shown = kind("effect")(
    "print",
    _print,
    lambda g: g,
    infer=shapes.like_first,
    doc="a itself, printed when it is computed",
    sample=draw((2, 2), message=["sample"]),
)
