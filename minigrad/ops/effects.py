"""Looking at a value while a program runs: what Theano calls Print.

Python's own `print` runs once, while a graph is built or traced, and shows a symbol. This
one is an op, so it runs with the program. Programs keep the order of such ops.
"""

from __future__ import annotations

from typing import Any

from minigrad.ops import shapes
from minigrad.ops.kinds import draw, into, kind
from minigrad.ops.op import MODE
from minigrad.printing import tensor_text


def _print(a: Any, *earlier: Any, message: str, out: Any = None) -> Any:
    """`earlier` is what must have been printed before; see `in_order`."""
    text = tensor_text(a)
    print(f"{message} {text}" if message else text)
    return into(a.copy(order="C") if out is None else a, out)


_shown = kind("effect")(
    "print",
    _print,
    lambda g: g,
    infer=shapes.like_first,
    doc="a itself, printed when it is computed",
    sample=draw((2, 2), message=["sample"]),
)


def print_node(x: Any, message: str = "") -> Any:
    """`x`, whose value is printed behind `message` whenever it has been computed.

    In a graph that you build, use what it returns: what no output needs is never
    computed. Under `jit` it prints at every call, eagerly at once. Gradients pass.

        >>> import minigrad as mg
        >>> x = mg.placeholder(())
        >>> y = mg.print_node(x * 2, "twice x:") + 1
        >>> mg.compile([x], y)(3.0)
        twice x: tensor(6.)
        tensor(7.)
    """
    y = _shown(x, message=message)
    trace = MODE.get().trace
    if trace is not None:
        trace.effects.append(trace.value_of(y))
    return y
