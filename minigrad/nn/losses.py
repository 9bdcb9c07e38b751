"""Losses as modules: `criterion = nn.CrossEntropyLoss(); loss = criterion(y, target)`.

All take `reduction="mean"`, "sum" or "none"; see `nn.functional` for what they compute.
"""

from __future__ import annotations

from minigrad.nn.stateless import Stateless


class MSELoss(Stateless, calls="mse_loss", options="*, reduction='mean'", shown=""):
    """(input - target) ** 2."""


class L1Loss(Stateless, calls="l1_loss", options="*, reduction='mean'", shown=""):
    """|input - target|."""


class SmoothL1Loss(
    Stateless, calls="smooth_l1_loss", options="*, reduction='mean', beta=1.0", shown=""
):
    """A parabola up to a distance of beta, from there on a straight line."""


class HuberLoss(
    Stateless, calls="huber_loss", options="reduction='mean', delta=1.0", shown=""
):
    """delta times SmoothL1Loss with beta = delta."""


class NLLLoss(
    Stateless,
    calls="nll_loss",
    options="weight=None, *, ignore_index=-100, reduction='mean'",
    shown="",
):
    """Minus the log-probability (batch, classes, ...) given of the class in target."""


class CrossEntropyLoss(
    Stateless,
    calls="cross_entropy",
    options="weight=None, *, ignore_index=-100, reduction='mean', label_smoothing=0.0",
    shown="",
):
    """LogSoftmax and NLLLoss in one: target holds classes, or their probabilities."""


class BCELoss(
    Stateless,
    calls="binary_cross_entropy",
    options="weight=None, *, reduction='mean'",
    shown="",
):
    """Cross entropy of one probability an element."""


class BCEWithLogitsLoss(
    Stateless,
    calls="binary_cross_entropy_with_logits",
    options="weight=None, *, reduction='mean', pos_weight=None",
    shown="",
):
    """Sigmoid and BCELoss in one, without overflow."""


class KLDivLoss(
    Stateless,
    calls="kl_div",
    options="*, reduction='mean', log_target=False",
    shown="",
):
    """target * (log(target) - input): how far log-probabilities are off."""
