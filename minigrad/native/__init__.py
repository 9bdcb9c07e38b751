"""A graph as machine code: printed as C, compiled, called with one pointer."""
