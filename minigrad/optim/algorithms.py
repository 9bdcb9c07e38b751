"""The formulas: stochastic gradient descent and its adaptive relatives.

Each `update` is the paper's algorithm for one parameter, in PyTorch's order of rounding.
`x *= y` works in the memory of `x`; a name bound afresh (`g = g + ...`) is a new value.
So `p` and what is read from `state` are only ever changed by augmented assignments.
"""

from __future__ import annotations

from typing import Any

from minigrad.eager.tensor import Tensor
from minigrad.errors import ArgumentError
from minigrad.ops.elementwise import maximum, sqrt
from minigrad.optim.optimizer import Optimizer


def _decayed(p: Any, g: Any, group: dict, h: Any) -> Any:
    """The gradient of the loss plus weight_decay * |p|^2 / 2."""
    return g + p * h.weight_decay if group["weight_decay"] else g


# What PyTorch's have besides; all but `maximize` choose among its implementations.
OTHERS = "maximize=False, foreach=None, differentiable=False"


class SGD(
    Optimizer,
    options="params, lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, "
    f"*, {OTHERS}, fused=None",
):
    """Stochastic gradient descent, with momentum if asked for.

    >>> import minigrad as mg
    >>> w = mg.ones(2, requires_grad=True)
    >>> opt = mg.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> opt.step()
    >>> w
    tensor([0.8000, 0.8000], requires_grad=True)
    """

    switches = (*Optimizer.switches, "momentum", "dampening", "nesterov")

    def __init__(self, *args: Any, **options: Any) -> None:
        given = self.given(args, options)
        if given["nesterov"] and (given["momentum"] <= 0 or given["dampening"] != 0):
            raise ArgumentError(
                "Nesterov momentum requires a momentum and zero dampening",
                got=f"momentum={given['momentum']}, dampening={given['dampening']}",
            )
        super().__init__(*args, **options)

    def slots(self, group: dict) -> dict[str, float]:
        if not group["momentum"]:
            return {}
        counter = {"step": 0.0} if group["dampening"] else {}
        return {"momentum_buffer": 0.0, **counter}

    def _state_of(self, p: Tensor, group: dict) -> dict[str, Tensor]:
        begun = "momentum_buffer" in self.state[p]
        counted = "step" in self.state[p]
        state = super()._state_of(p, group)
        if begun and not counted and "step" in state:  # PyTorch keeps no counter here
            state["step"].array[...] = 1
        return state

    def update(self, p: Any, g: Any, state: dict, group: dict, h: Any) -> None:
        g = _decayed(p, g, group, h)
        if group["momentum"]:
            velocity = state["momentum_buffer"]
            velocity *= h.momentum
            if group["dampening"]:  # but not of the first gradient
                velocity += g * (1 - (state["step"] > 1) * h.dampening)
            else:
                velocity += g
            g = g + velocity * h.momentum if group["nesterov"] else velocity
        p -= g * h.lr


ADAM = "params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8"


class Adam(
    Optimizer,
    options=f"{ADAM}, weight_decay=0, amsgrad=False, *, {OTHERS}, "
    "capturable=False, fused=None, decoupled_weight_decay=False",
):
    """Adam (Kingma and Ba, 2015): steps scaled by running moments of the gradient."""

    switches = (*Optimizer.switches, "amsgrad", "decoupled_weight_decay")

    def slots(self, group: dict) -> dict[str, float]:
        largest = {"max_exp_avg_sq": 0.0} if group["amsgrad"] else {}
        return {"step": 0.0, "exp_avg": 0.0, "exp_avg_sq": 0.0, **largest}

    def update(self, p: Any, g: Any, state: dict, group: dict, h: Any) -> None:
        mean, square, t = state["exp_avg"], state["exp_avg_sq"], state["step"]
        beta1, beta2 = h.betas
        if not group["decoupled_weight_decay"]:
            g = _decayed(p, g, group, h)
        elif group["weight_decay"]:  # Loshchilov and Hutter, 2019
            p *= 1 - h.lr * h.weight_decay
        mean *= beta1
        mean += g * (1 - beta1)
        square *= beta2
        square += g * g * (1 - beta2)
        if group["amsgrad"]:  # Reddi, Kale and Kumar, 2018
            largest = state["max_exp_avg_sq"]
            largest[...] = maximum(largest, square)
            square = largest
        # The averages began at 0: divided by what they would be had every g been 1.
        scale = sqrt(square)
        scale /= (1 - beta2**t) ** 0.5
        scale += h.eps
        step = mean / scale
        step *= h.lr / (1 - beta1**t)
        p -= step


class AdamW(
    Adam,
    options=f"{ADAM}, weight_decay=1e-2, amsgrad=False, *, {OTHERS}, "
    "capturable=False, fused=None, decoupled_weight_decay=True",
):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""


class RMSprop(
    Optimizer,
    options="params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, "
    f"centered=False, capturable=False, {OTHERS}",
):
    """RMSprop (Hinton, 2012): gradients over the root of their running mean square."""

    switches = (*Optimizer.switches, "momentum", "centered")

    def slots(self, group: dict) -> dict[str, float]:
        momentum = {"momentum_buffer": 0.0} if group["momentum"] else {}
        centered = {"grad_avg": 0.0} if group["centered"] else {}
        return {"step": 0.0, "square_avg": 0.0, **momentum, **centered}

    def update(self, p: Any, g: Any, state: dict, group: dict, h: Any) -> None:
        g = _decayed(p, g, group, h)
        square = state["square_avg"]
        square *= h.alpha
        square += g * g * (1 - h.alpha)
        if group["centered"]:  # the variance instead of the mean square
            mean = state["grad_avg"]
            mean += (g - mean) * (1 - h.alpha)
            scale = sqrt(square - mean * mean)
        else:
            scale = sqrt(square)
        scale += h.eps
        step = g / scale
        if group["momentum"]:
            velocity = state["momentum_buffer"]
            velocity *= h.momentum
            velocity += step
            step = velocity
        p -= step * h.lr


class Adagrad(
    Optimizer,
    options="params, lr=1e-2, lr_decay=0, weight_decay=0, initial_accumulator_value=0, "
    f"eps=1e-10, *, {OTHERS}, fused=None",
):
    """Adagrad (Duchi, Hazan and Singer, 2011): the mean square never forgets."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for group in self.param_groups:
            for p in group["params"]:
                self._state_of(p, group)

    def slots(self, group: dict) -> dict[str, float]:
        return {"step": 0.0, "sum": group["initial_accumulator_value"]}

    def update(self, p: Any, g: Any, state: dict, group: dict, h: Any) -> None:
        g = _decayed(p, g, group, h)
        total = state["sum"]
        total += g * g
        scale = sqrt(total)
        scale += h.eps
        p -= g / scale * (h.lr / (1 + (state["step"] - 1) * h.lr_decay))
