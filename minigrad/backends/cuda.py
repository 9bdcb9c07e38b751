"""Settings of GPUs: `matmul.allow_tf32`, off unless set.

>>> import minigrad as mg
>>> mg.backends.cuda.matmul.allow_tf32
False
"""

from minigrad.gpu.precision import matmul

__all__ = ["matmul"]
