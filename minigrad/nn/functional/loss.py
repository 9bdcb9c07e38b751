"""Losses: how far a prediction is from its target, as one number or one for each.

`reduction` is "mean", "sum" or "none" in all of them.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from minigrad.eager.tensor import Tensor
from minigrad.errors import ArgumentError, DTypeError, ShapeError
from minigrad.nn.functional.activation import logsigmoid
from minigrad.ops import shapes
from minigrad.ops.elementwise import cast, clamp_min, exp, log, square, where
from minigrad.ops.extents import alike, count, positions
from minigrad.ops.indexing import ARRAY, index
from minigrad.ops.op import MODE
from minigrad.ops.shapes import demand_shape, floats


def _reduced(name: str, loss: Any, reduction: str, count: Any = None) -> Any:
    """The mean (over `count`, or all elements), the sum, or `loss` as it is."""
    if reduction not in ("mean", "sum", "none"):
        raise ArgumentError(
            f"{name}: there is no such reduction",
            expected="'mean', 'sum' or 'none'",
            got=repr(reduction),
        )
    if reduction == "none":
        return loss
    if reduction == "sum":
        return loss.sum()
    return loss.mean() if count is None else loss.sum() / count


# --- regression --------------------------------------------------------------------------


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """(input - target) ** 2.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.mse_loss(mg.tensor([1.0, 2.0]), mg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    return _reduced("mse_loss", square(_away("mse_loss", input, target)), reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """|input - target|."""
    return _reduced("l1_loss", _away("l1_loss", input, target).abs(), reduction)


def smooth_l1_loss(
    input: Any, target: Any, *, reduction: str = "mean", beta: float = 1.0
) -> Any:
    """|input - target| - beta / 2, within `beta` of 0 a parabola that joins smoothly."""
    if beta < 0:
        raise ArgumentError("smooth_l1_loss: beta is below 0", got=str(beta))
    away = _away("smooth_l1_loss", input, target)
    loss = away.abs()
    if beta:
        loss = where(loss < beta, square(away) * (0.5 / beta), loss - 0.5 * beta)
    return _reduced("smooth_l1_loss", loss, reduction)


def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0
) -> Any:
    """Half the square within `delta` of 0, from there on a straight line."""
    if delta <= 0:
        raise ArgumentError("huber_loss: delta must be above 0", got=str(delta))
    away = _away("huber_loss", input, target)
    far = away.abs()
    loss = where(far < delta, square(away) * 0.5, (far - 0.5 * delta) * delta)
    return _reduced("huber_loss", loss, reduction)


def _away(name: str, input: Any, target: Any) -> Any:
    if not alike(input.shape, target.shape):
        warnings.warn(
            f"{name}: input {tuple(input.shape)} and target {tuple(target.shape)} have "
            "different sizes and are broadcast, which is seldom what is wanted",
            stacklevel=3,
        )
    return input - target


# --- classes -----------------------------------------------------------------------------


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """-log of the probability that softmax(input) gives to the target.

    `input` is (classes,), (batch, classes) or (batch, classes, ...): scores of any size.
    `target` holds int64 class numbers, without the dim of the classes, or floats, a
    probability for each class. `weight` has a number for each class, by which the mean is
    weighted. Class numbers that are `ignore_index` count nothing. `label_smoothing` takes
    that part of the probability from the target and spreads it over all classes. Raises
    `ShapeError`, `DTypeError`, and `IndexingError` for a class that does not exist.

    >>> import minigrad as mg, minigrad.nn.functional as F
    >>> F.cross_entropy(mg.zeros(3, 10), mg.tensor([0, 9, 4]))
    tensor(2.3026)
    """
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(
            "cross_entropy: label_smoothing is between 0 and 1",
            got=str(label_smoothing),
        )
    axis = _class_axis("cross_entropy", input, weight)
    log_p = input.log_softmax(axis)
    options = weight, ignore_index, reduction, label_smoothing
    if target.dtype.kind != "f":
        return _of_classes("cross_entropy", log_p, target, axis, *options)
    lesson = "cross_entropy: a float target is a probability for every class"
    demand_shape(lesson, "target", target, input.shape)
    classes = input.shape[axis]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        log_p = log_p * _along(weight, axis, input.ndim)
    loss = -(log_p * target).sum(dim=axis)
    total = count(loss, tuple(range(loss.ndim)))
    return _reduced("cross_entropy", loss, reduction, total)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """`cross_entropy` of an `input` that is log-probabilities already."""
    axis = _class_axis("nll_loss", input, weight)
    options = weight, ignore_index, reduction, 0.0
    return _of_classes("nll_loss", input, target, axis, *options)


def _class_axis(name: str, input: Any, weight: Any) -> int:
    if not floats(name, input).ndim:
        raise ShapeError(f"{name}: wants a score for each class", got="a 0-d input")
    axis = min(1, input.ndim - 1)
    if weight is not None:
        lesson = f"{name}: a weight for each class, or none"
        demand_shape(lesson, "weight", weight, input.shape[axis : axis + 1])
    return axis


def _along(weight: Any, axis: int, ndim: int) -> Any:
    return weight.reshape((-1,) + (1,) * (ndim - 1 - axis))


def _of_classes(
    name: str, log_p: Any, target: Any, axis: int,
    weight: Any, ignore_index: int, reduction: str, smoothing: float,
) -> Any:  # fmt: skip
    if target.dtype != np.int64:
        raise DTypeError(
            f"{name}: class numbers are int64",
            expected="int64",
            got=shapes.describe_dtypes([target]),
            remedy="target.long()",
        )
    expected = tuple(n for i, n in enumerate(log_p.shape) if i != axis)
    demand_shape(f"{name}: a target for each prediction", "target", target, expected)
    counts = target != ignore_index
    known = where(counts, target, 0)
    at = [positions(known, i) for i in range(len(expected))]
    at.insert(axis, known)
    loss = -index(log_p, *at, key=(ARRAY,) * len(at), lowest=0)
    part = cast(counts, dtype=log_p.dtype)  # in the mean
    if weight is not None:
        cost = index(weight, known, key=(ARRAY,))
        part, loss = part * cost, loss * cost
    if smoothing:
        scaled = log_p if weight is None else log_p * _along(weight, axis, log_p.ndim)
        evenly = scaled.sum(dim=axis) * (smoothing / log_p.shape[axis])
        loss = loss * (1 - smoothing) - evenly
    return _reduced(name, where(counts, loss, 0), reduction, part.sum())


# --- probabilities -----------------------------------------------------------------------

SIZES = "input and target have different sizes"


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean"
) -> Any:
    """-(target * log(input) + (1 - target) * log(1 - input)), logarithms >= -100."""
    demand_shape(f"binary_cross_entropy: {SIZES}", "target", target, input.shape)
    known = isinstance(input, Tensor) and MODE.get().trace is None
    if known and ((input < 0) | (input > 1)).any():
        raise ArgumentError(
            "binary_cross_entropy: the input is no probability",
            expected="numbers from 0 to 1",
            got=f"{shapes.describe(input, 'input')} with others",
            remedy="binary_cross_entropy_with_logits, or input.sigmoid()",
        )
    loss = -(target * _log(input) + (1 - target) * _log(1 - input))
    loss = loss if weight is None else loss * weight
    return _reduced("binary_cross_entropy", loss, reduction)


def _log(p: Any) -> Any:
    """log(p), from -100 up; where it is that, the gradient is 0."""
    none = p == 0
    return where(none, -100, clamp_min(log(where(none, 1, p)), min=-100))


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """`binary_cross_entropy` of sigmoid(input), without overflow.

    `pos_weight` multiplies what targets of 1 contribute.
    """
    name = "binary_cross_entropy_with_logits"
    demand_shape(f"{name}: {SIZES}", "target", target, input.shape)
    minus_log_p = -logsigmoid(input)
    if pos_weight is not None:
        minus_log_p = minus_log_p * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input + minus_log_p
    loss = loss if weight is None else loss * weight
    return _reduced(name, loss, reduction)


def kl_div(
    input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False
) -> Any:
    """target * (log(target) - input), for an `input` of log-probabilities.

    "batchmean" divides the sum by the batch, as the mathematics has it; "mean" divides by
    all elements. With `log_target` the target holds logarithms too.
    """
    if log_target:
        loss = exp(target) * (target - input)
    else:
        safe = where(target == 0, 1, target)
        loss = target * (log(safe) - input)
    if reduction == "batchmean":
        return loss.sum() / count(input, (0,) if input.ndim else ())
    if reduction == "mean":
        message = 'kl_div: "mean" divides by all elements, "batchmean" by the batch'
        warnings.warn(message, stacklevel=2)
    return _reduced("kl_div", loss, reduction)


__all__ = """
    binary_cross_entropy binary_cross_entropy_with_logits cross_entropy huber_loss kl_div
    l1_loss mse_loss nll_loss smooth_l1_loss
""".split()
