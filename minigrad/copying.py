"""Copying and pickling of Tensors: `copy.deepcopy(w)`, `pickle.dumps(w)`."""

from __future__ import annotations

import copy
from typing import Any

from minigrad.backend import CPU, moved
from minigrad.creation import made
from minigrad.eager.tensor import Tensor, from_array
from minigrad.errors import GradError, name_of


def __copy__(self: Tensor) -> Tensor:
    """Another handle on the same memory."""
    return self.detach().requires_grad_(self.requires_grad)


def __deepcopy__(self: Tensor, memo: dict) -> Tensor:
    """A leaf like this one, with its gradient, in memory of its own."""
    if not self.is_leaf:
        raise GradError(
            "deepcopy: only leaves can be copied, for the copy has no tape",
            got=f"{name_of(self, 'the tensor')} {self.shape}, {self.grad_fn!r}",
            remedy="x.detach().clone(), or x.clone() to stay on the tape",
        )
    t = from_array(self.concrete("deepcopy").copy(order="C"))
    memo[id(self)] = t.requires_grad_(self.requires_grad)
    if self._grad is not None:
        t.grad = copy.deepcopy(self._grad, memo)
    return t


def __reduce_ex__(self: Tensor, protocol: Any) -> tuple:
    """Content, and whether a gradient is required; the tape and the gradient stay here."""
    array = moved(self.concrete("pickle"), CPU).copy(order="C")
    return made, (array, None, self.device, self.requires_grad)


for _method in (__copy__, __deepcopy__, __reduce_ex__):
    setattr(Tensor, _method.__name__, _method)
