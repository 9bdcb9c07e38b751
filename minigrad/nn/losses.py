"""Losses as modules: `criterion = nn.CrossEntropyLoss(); loss = criterion(y, target)`.

All take `reduction="mean"`, "sum" or "none"; see `nn.functional` for what they compute.
"""

from __future__ import annotations

from minigrad.nn.stateless import Stateless


class _Loss(Stateless):
    def extra_repr(self) -> str:
        return ""


class MSELoss(_Loss, calls="mse_loss"):
    """(input - target) ** 2."""


class L1Loss(_Loss, calls="l1_loss"):
    """|input - target|."""


class SmoothL1Loss(_Loss, calls="smooth_l1_loss"):
    """A parabola up to a distance of beta, from there on a straight line."""


class HuberLoss(_Loss, calls="huber_loss"):
    """delta times SmoothL1Loss with beta = delta."""


class NLLLoss(_Loss, calls="nll_loss"):
    """Minus the log-probability (batch, classes, ...) given of the class in target."""


class CrossEntropyLoss(_Loss, calls="cross_entropy"):
    """LogSoftmax and NLLLoss in one: target holds classes, or their probabilities."""


class BCELoss(_Loss, calls="binary_cross_entropy"):
    """Cross entropy of one probability an element."""


class BCEWithLogitsLoss(_Loss, calls="binary_cross_entropy_with_logits"):
    """Sigmoid and BCELoss in one, without overflow."""


class KLDivLoss(_Loss, calls="kl_div"):
    """target * (log(target) - input): how far log-probabilities are off."""
