"""The op table: what can be computed, one entry per primitive."""

from minigrad.ops import (
    comm,
    conv,
    effects,
    elementwise,
    extents,
    indexing,
    linalg,
    movement,
    randomness,
    reduce,
)
from minigrad.ops.op import MODE, ORIGIN, TABLE, Mode, Op, Value, mode, on_behalf_of

__all__ = [
    "MODE",
    "ORIGIN",
    "TABLE",
    "Mode",
    "Op",
    "Value",
    "comm",
    "conv",
    "effects",
    "elementwise",
    "extents",
    "indexing",
    "linalg",
    "mode",
    "movement",
    "on_behalf_of",
    "randomness",
    "reduce",
]
