"""How fast minigrad is, beside hand-written NumPy and the other libraries."""
