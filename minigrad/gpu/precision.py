"""How exactly a GPU computes: settings, apart from what needs a GPU to be imported."""

from __future__ import annotations


class Matmul:
    """How products are computed on a GPU: `torch.backends.cuda.matmul` in PyTorch.

    With `allow_tf32` float32 operands are rounded to 10 bits of mantissa first (TF32),
    which tensor cores multiply several times faster. It is off, as in PyTorch. A captured
    program keeps what was set when it was captured.
    """

    allow_tf32 = False


matmul = Matmul()
