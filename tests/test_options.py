"""Options of a class, written as they stand in a call."""

import inspect

import pytest

import minigrad as mg
from minigrad.options import Options


class Ramp(Options, options="low, high=1.0, *, steps=3"):
    def __init__(self, *args, **options):
        vars(self).update(self.given(args, options))


def test_all_options_come_by_name_with_their_defaults():
    assert vars(Ramp(0.5, steps=2)) == {"low": 0.5, "high": 1.0, "steps": 2}


def test_what_is_missing_or_unknown_is_said_with_the_class():
    with pytest.raises(TypeError, match="Ramp: missing a required argument: 'low'"):
        Ramp()
    with pytest.raises(TypeError, match=r"Ramp: got an unexpected .* argument 'size'"):
        Ramp(0, size=1)


def test_the_signature_shown_is_the_options_or_the_constructor_of_one_s_own():
    class Mine(mg.optim.SGD):
        def __init__(self, params, rate):
            super().__init__(params, rate, momentum=0.5)

    class Halved(Ramp):
        pass

    assert str(inspect.signature(Halved)) == "(low, high=1.0, *, steps=3)"
    assert str(inspect.signature(Mine)) == "(params, rate)"
    assert Mine([mg.ones(1)], 0.1).defaults["momentum"] == 0.5


def test_optimizers_and_schedules_of_one_s_own_keep_pytorch_s_constructors():
    class Descent(mg.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def update(self, p, g, state, group, h):
            p -= g * h.lr

    class Halve(mg.optim.lr_scheduler.LRScheduler):
        def __init__(self, optimizer, factor, last_epoch=-1):
            self.factor = factor
            super().__init__(optimizer, last_epoch)

        def get_lr(self):
            return [lr * self.factor**self.last_epoch for lr in self.base_lrs]

    w = mg.ones(1, requires_grad=True)
    opt = Descent([w], 0.5)
    schedule = Halve(opt, 0.5)
    w.grad = mg.ones(1)
    opt.step()
    schedule.step()
    assert (w.tolist(), schedule.get_last_lr()) == ([0.5], [0.25])
