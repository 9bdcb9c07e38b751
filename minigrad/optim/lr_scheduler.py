"""Learning rate schedules: each epoch's `step()` rewrites `lr` in the optimizer's groups.

The rules are recursive, in PyTorch's own order of rounding: the next rate follows from
the present one. So several schedules can run over one optimizer, each doing its part.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minigrad.errors import ArgumentError, DTypeError
from minigrad.optim.optimizer import Optimizer
from minigrad.options import Options


class LRScheduler(Options, options="optimizer, last_epoch=-1"):
    """The base of the schedules; a subclass says in `next_lr` how one group goes on.

    `last_epoch` counts the calls of `step`, from -1, before the first one, which the
    constructor makes. To go on with a run, pass the epoch it ended with, and an
    optimizer whose groups know their `initial_lr`.
    """

    last_epoch: int

    def __init_subclass__(cls, options: str | None = None) -> None:
        super().__init_subclass__(options and f"optimizer, {options}, last_epoch=-1")

    if TYPE_CHECKING:  # the options are attributes

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, *args: Any, **options: Any) -> None:
        given = self.given(args, options)
        optimizer, last_epoch = given["optimizer"], given["last_epoch"]
        if not isinstance(optimizer, Optimizer):
            raise DTypeError(
                "a schedule is for an optimizer", got=type(optimizer).__name__
            )
        for name, value in given.items():
            fits = not name.endswith("factor") or 0 <= value <= 1
            if not fits or (name == "start_factor" and not value):
                raise ArgumentError(
                    f"{type(self).__name__}: factors are between 0 and 1, the first above 0",
                    got=f"{name}={value}",
                )
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError("param 'initial_lr' is not in a group that is resumed")
        vars(self).update(given)
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self._step_count = 0
        self.step()

    def next_lr(self, i: int, group: dict[str, Any]) -> float:
        """The rate of group `i` in `last_epoch`, given its present one."""
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        """The rates of `last_epoch`, for `step`; to ask for them, use `get_last_lr`."""
        groups = self.optimizer.param_groups
        return [self.next_lr(i, group) for i, group in enumerate(groups)]

    @property
    def is_initial(self) -> bool:
        """Is this the step that the constructor makes?"""
        return self._step_count == 1

    def step(self) -> None:
        """Begin the next epoch; call it after the optimizer's steps."""
        if self._step_count == 1 and self.optimizer.steps == 0:
            warnings.warn(
                "`lr_scheduler.step()` was called before `optimizer.step()`: the first "
                "value of the learning rate schedule is skipped",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        self.last_epoch += 1
        self._last_lr = self.get_lr()
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = lr

    def get_last_lr(self) -> list[float]:
        """The rates that the last `step` set, one for each group."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """All of its state but the optimizer, and functions."""
        return {
            k: v for k, v in vars(self).items() if k not in ("optimizer", "lr_lambdas")
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` of a schedule of the same kind gave."""
        vars(self).update(state_dict)


class LambdaLR(LRScheduler):
    """The initial rate times `lr_lambda(epoch)`; one function, or one for each group."""

    def __init__(
        self, optimizer: Optimizer, lr_lambda: Any, last_epoch: int = -1
    ) -> None:
        groups = optimizer.param_groups
        several = isinstance(lr_lambda, (list, tuple))
        self.lr_lambdas: list[Callable[[int], float]] = (
            list(lr_lambda) if several else [lr_lambda] * len(groups)
        )
        if len(self.lr_lambdas) != len(groups):
            raise ArgumentError(
                "LambdaLR: one function for each group",
                expected=str(len(groups)),
                got=str(len(self.lr_lambdas)),
            )
        super().__init__(optimizer, last_epoch)

    def next_lr(self, i: int, group: dict[str, Any]) -> float:
        return self.base_lrs[i] * self.lr_lambdas[i](self.last_epoch)


class StepLR(LRScheduler, options="step_size, gamma=0.1"):
    """Times `gamma` every `step_size` epochs.

    >>> import minigrad as mg
    >>> opt = mg.optim.SGD([mg.ones(2, requires_grad=True)], lr=1.0)
    >>> schedule = mg.optim.lr_scheduler.StepLR(opt, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for epoch in range(4):
    ...     opt.step()
    ...     rates += schedule.get_last_lr()
    ...     schedule.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5]
    """

    def next_lr(self, i: int, group: dict[str, Any]) -> float:
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return group["lr"] * self.gamma if due else group["lr"]


class MultiStepLR(LRScheduler, options="milestones, gamma=0.1"):
    """Times `gamma` at each of the epochs `milestones`."""

    def __init__(
        self, optimizer: Optimizer, milestones: Any, *args: Any, **options: Any
    ) -> None:
        super().__init__(optimizer, Counter(milestones), *args, **options)

    def next_lr(self, i: int, group: dict[str, Any]) -> float:
        return group["lr"] * self.gamma ** self.milestones[self.last_epoch]


class ConstantLR(LRScheduler, options="factor=1 / 3, total_iters=5"):
    """Times `factor` for the first `total_iters` epochs."""

    def next_lr(self, i: int, group: dict[str, Any]) -> float:
        if self.last_epoch == 0:
            return group["lr"] * self.factor
        back = self.last_epoch == self.total_iters
        return group["lr"] * (1 / self.factor) if back else group["lr"]


class LinearLR(
    LRScheduler,
    options="start_factor=1 / 3, end_factor=1.0, total_iters=5",
):
    """The factor goes straight from `start_factor` to `end_factor` in `total_iters`."""

    def next_lr(self, i: int, group: dict[str, Any]) -> float:
        if self.last_epoch == 0:
            return group["lr"] * self.start_factor
        if self.is_initial or self.last_epoch > self.total_iters:
            return group["lr"]
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return group["lr"] * (1 + rise / before)


class ExponentialLR(LRScheduler, options="gamma"):
    """Times `gamma` every epoch."""

    def next_lr(self, i: int, group: dict[str, Any]) -> float:
        return group["lr"] if self.is_initial else group["lr"] * self.gamma


class CosineAnnealingLR(LRScheduler, options="T_max, eta_min=0.0"):
    """Half a cosine, from the initial rate down to `eta_min` in `T_max` epochs."""

    def next_lr(self, i: int, group: dict[str, Any]) -> float:
        epoch, turn = self.last_epoch, self.T_max
        if self.is_initial:
            return group["lr"]
        if (epoch - 1 - turn) % (2 * turn) == 0:  # at the bottom: the ratio is 0 / 0
            span = self.base_lrs[i] - self.eta_min
            return group["lr"] + span * (1 - math.cos(math.pi / turn)) / 2
        ratio = (1 + math.cos(math.pi * epoch / turn)) / (
            1 + math.cos(math.pi * (epoch - 1) / turn)
        )
        return ratio * (group["lr"] - self.eta_min) + self.eta_min
