"""The door from Python: C that looks at the arrays of a call before the program runs.

Python hands over where the arrays' objects are. C reads shape, dtype and flags where NumPy
keeps them, in nanoseconds and anew in every call: nothing is remembered between calls that
a freed, resized or written array could make wrong. What does not fit goes the long way,
through `Program._feed`, which converts or says what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigrad.static.node import Node

READY = 0x0101  # NumPy's flags of C order and alignment

HEAD = f"""
typedef struct {{ /* how NumPy keeps an array */
  char object[{object.__basicsize__}], *data;
  int axes;
  int64_t *shape, *strides;
  void *base, *dtype;
  int flags;
}} Array;
"""


def entry(inputs: Sequence[Node], written: dict[int, np.ndarray], slots: int) -> str:
    """C of `call(p)`: the program on the arrays of `inputs`, or 2 if they do not fit.

    Behind the `slots` pointers of the block stand the inputs' objects, then their dtypes.
    `written` are the variables that the program updates, by slot: an argument in their
    memory has to be copied first.
    """
    lines = []
    for i, node in enumerate(inputs):
        size = int(np.prod(node.shape)) * node.dtype.itemsize
        tests = [
            f"x->dtype != p[{slots + len(inputs) + i}]",
            f"x->axes != {len(node.shape)}",
            *(f"x->shape[{k}] != {n}" for k, n in enumerate(node.shape)),
            f"(x->flags & {READY}) != {READY}",
        ]
        for slot, array in written.items():
            low, high = _extent(array)
            shared = f"x->data < (char *)p[{slot}] + {high} && "
            tests.append(f"{shared}(char *)p[{slot}] + {low} < x->data + {size}")
        lines += [
            f"  x = p[{slots + i}];",
            f"  if ({' || '.join(tests)}) return 2;",
            f"  p[{i}] = x->data;",
        ]
    declare = ["  Array *x;"] if inputs else []
    head = "int call(void **p) {"
    return HEAD + "\n".join([head, *declare, *lines, "  return program(p);", "}\n"])


def _extent(array: np.ndarray) -> tuple[int, int]:
    """The bytes of an array, counted from its first element."""
    if array.size == 0:
        return 0, 0
    steps = [s * (n - 1) for s, n in zip(array.strides, array.shape, strict=True)]
    low, high = (sum(s for s in steps if s * sign > 0) for sign in (-1, 1))
    return low, high + array.itemsize
