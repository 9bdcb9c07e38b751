"""The tape as PyTorch shows it: `y.grad_fn.next_functions`, from record to record."""

from __future__ import annotations

from typing import Any, NamedTuple

from minigrad.eager.tape import Record


class AccumulateGrad(NamedTuple):
    """What stands for a leaf among `next_functions`: its `variable` gets the gradient."""

    variable: Any
    next_functions: tuple = ()

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return "<AccumulateGrad>"


def next_functions(record: Record) -> tuple:
    """Where a record passes cotangents to, as in PyTorch: pairs of a record and 0.

    >>> import minigrad as mg
    >>> x = mg.tensor(2.0, requires_grad=True)
    >>> (x * 3).exp().grad_fn.next_functions
    ((<MulBackward0>, 0),)
    """
    records = (
        p if p is None or type(p) is Record else AccumulateGrad(p)
        for p in record.parents
    )
    return tuple((record, 0) for record in records)


Record.next_functions = property(next_functions)
