"""Optimizers with their options, schedules, and a small training, for either library."""

import numpy as np

OPTIMIZERS = {  # those of PyTorch's own tests (common_optimizers.py), and mixtures
    "SGD": [
        {},
        {"lr": 0.01},
        {"lr": 0.1, "weight_decay": 0.5},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ],
    "Adam": [
        {},
        {"lr": 0.1, "betas": (0.8, 0.95)},
        {"lr": 0.1, "eps": 0.1},
        {"lr": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True},
    ],
    "AdamW": [
        {},
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.0},
        {"lr": 0.1, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True},
    ],
    "RMSprop": [
        {},
        {"lr": 0.001, "alpha": 0.9},
        {"weight_decay": 0.1},
        {"maximize": True},
        {"weight_decay": 0.1, "centered": True},
        {"momentum": 0.1, "maximize": True},
        {"weight_decay": 0.1, "centered": True, "momentum": 0.1, "maximize": True},
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "weight_decay": 0.1},
        {"weight_decay": 0.1, "maximize": True},
        {"lr": 0.1, "initial_accumulator_value": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "lr_decay": 0.5, "eps": 0.01},
    ],
}
SETTINGS = {
    f"{name} {' '.join(f'{k}={v}' for k, v in options.items())}".strip(): (
        name,
        options,
    )
    for name, sets in OPTIMIZERS.items()
    for options in sets
}
SCHEDULES = {
    "StepLR": lambda of, opt: [of.StepLR(opt, 3, 0.5)],
    "MultiStepLR": lambda of, opt: [of.MultiStepLR(opt, [2, 5, 5, 9])],
    "ConstantLR": lambda of, opt: [of.ConstantLR(opt, 0.3, 4)],
    "LinearLR": lambda of, opt: [of.LinearLR(opt, 0.2, 0.8, 6)],
    "ExponentialLR": lambda of, opt: [of.ExponentialLR(opt, 0.9)],
    "CosineAnnealingLR": lambda of, opt: [of.CosineAnnealingLR(opt, 7, 0.01)],
    "CosineAnnealingLR, half": lambda of, opt: [of.CosineAnnealingLR(opt, 40)],
    "LambdaLR": lambda of, opt: [of.LambdaLR(opt, lambda e: 1 / (1 + e))],
    "LambdaLR, several": lambda of, opt: [
        of.LambdaLR(opt, [lambda e: 1 / (1 + e), lambda e: 0.9**e])
    ],
    "warm-up, then decay": lambda of, opt: [
        of.LinearLR(opt, 0.2),
        of.ExponentialLR(opt, 0.9),
    ],
    "two decays": lambda of, opt: [
        of.CosineAnnealingLR(opt, 5),
        of.StepLR(opt, 4, 0.9),
    ],
}
RESUMED = {
    "StepLR": lambda of, opt: [of.StepLR(opt, 3, 0.5, last_epoch=5)],
    "MultiStepLR": lambda of, opt: [of.MultiStepLR(opt, [2, 6, 8], last_epoch=5)],
    "ConstantLR": lambda of, opt: [of.ConstantLR(opt, 0.2, 8, last_epoch=5)],
    "LinearLR": lambda of, opt: [of.LinearLR(opt, 0.2, 1.0, 9, last_epoch=5)],
    "ExponentialLR": lambda of, opt: [of.ExponentialLR(opt, 0.5, last_epoch=5)],
    "CosineAnnealingLR": lambda of, opt: [of.CosineAnnealingLR(opt, 9, last_epoch=5)],
    "LambdaLR": lambda of, opt: [of.LambdaLR(opt, lambda e: 0.9**e, last_epoch=5)],
}


def data(dtype="float64"):
    """Three weights, one of them a number, and 20 batches."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=size).astype(dtype) for size in ((4, 3), (3,), ())]
    return weights, rng.normal(size=(20, 5, 4)).astype(dtype)


def loss_of(x, w, b, scale):
    return ((x @ w + b).tanh() * scale).pow(2).mean()


def train(t, setting, dtype="float64", compiled=lambda step: step, epochs=20):
    """The weights after 20 steps, each of them an epoch of a decaying rate."""
    name, options = SETTINGS[setting]
    weights, batches = data(dtype)
    params = [t.tensor(array, requires_grad=True) for array in weights]
    opt = getattr(t.optim, name)(params, **options)
    schedule = t.optim.lr_scheduler.ExponentialLR(opt, 0.95)

    def step(x):
        opt.zero_grad()
        loss = loss_of(x, *params)
        loss.backward()
        opt.step()
        return loss

    step = compiled(step)
    for x in batches[:epochs]:
        step(t.tensor(x))
        schedule.step()
    return [p.detach().numpy() for p in params]


def rates(t, make, epochs=30, resumed=False):
    """The learning rates of two groups, epoch by epoch."""
    first, second = t.ones(2, requires_grad=True), t.ones(3, requires_grad=True)
    groups = [{"params": [first]}, {"params": [second], "lr": 0.5}]
    opt = t.optim.SGD(groups, lr=0.1)
    if resumed:
        for group in opt.param_groups:
            group["initial_lr"] = group["lr"]
    schedules, found = make(t.optim.lr_scheduler, opt), []
    for _ in range(epochs):
        found.append([group["lr"] for group in opt.param_groups])
        opt.step()
        for schedule in schedules:
            schedule.step()
    return np.array(found)


def golden(t):
    """What is committed: the weights of every training, the rates of every schedule."""
    results = {f"rates | {name}": rates(t, make) for name, make in SCHEDULES.items()}
    for setting in SETTINGS:
        for i, array in enumerate(train(t, setting)):
            results[f"{setting} | {i}"] = array
    return results
