"""The op table: what can be computed, one entry per primitive."""

from minigrad.ops import comm, conv, effects, indexing, linalg, randomness, reduce
from minigrad.ops.op import TABLE
