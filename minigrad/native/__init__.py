"""A graph as machine code: printed as C, compiled, called with one pointer."""

from minigrad.native.codegen import emit as emit
