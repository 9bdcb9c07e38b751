"""Learning rate schedules: PyTorch's values, resuming, saving, and calls out of order."""

import warnings

import numpy as np
import pytest
from cases_optim import RESUMED, SCHEDULES, rates

import minigrad as mg
from minigrad.optim import lr_scheduler


@pytest.mark.parametrize("name", SCHEDULES)
def test_30_epochs_give_what_pytorch_gave(name, golden):
    expected = golden[f"rates | {name}"]
    np.testing.assert_allclose(rates(mg, SCHEDULES[name]), expected, rtol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_30_epochs_give_what_pytorch_gives(torch, name):
    make = SCHEDULES[name]
    np.testing.assert_allclose(rates(mg, make), rates(torch, make), rtol=1e-12)


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_schedule_goes_on_as_pytorch_s(torch, name):
    ours = rates(mg, RESUMED[name], resumed=True)
    theirs = rates(torch, RESUMED[name], resumed=True)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def one(make):
    opt = mg.optim.SGD([mg.ones(2, requires_grad=True)], lr=1.0)
    return opt, make(opt)


def test_a_saved_schedule_goes_on_where_it_was():
    opt, old = one(lambda opt: lr_scheduler.StepLR(opt, 2, 0.5))
    opt.step()
    for _ in range(3):
        old.step()
    again, new = one(lambda opt: lr_scheduler.StepLR(opt, 7, 0.1))
    new.load_state_dict(old.state_dict())
    again.load_state_dict(opt.state_dict())
    new.step()
    old.step()
    assert new.get_last_lr() == old.get_last_lr() == [0.25]
    assert again.param_groups[0]["lr"] == 0.25


def test_a_schedule_that_steps_before_its_optimizer_warns():
    opt, schedule = one(lambda opt: lr_scheduler.ExponentialLR(opt, 0.5))
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()
    opt, schedule = one(lambda opt: lr_scheduler.ExponentialLR(opt, 0.5))
    opt.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()


def test_a_schedule_of_one_s_own_writes_get_lr():
    class Halve(lr_scheduler.LRScheduler):
        def get_lr(self):
            return [lr / 2**self.last_epoch for lr in self.base_lrs]

    opt, schedule = one(Halve)
    opt.step()
    schedule.step()
    assert schedule.get_last_lr() == [0.5]


def test_bad_arguments_are_refused():
    with pytest.raises(TypeError, match="for an optimizer"):
        lr_scheduler.StepLR(mg.ones(1), 2)
    with pytest.raises(ValueError, match="each group"):
        one(lambda opt: lr_scheduler.LambdaLR(opt, [abs, abs]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        one(lambda opt: lr_scheduler.LinearLR(opt, 2.0))
    with pytest.raises(ValueError, match="between 0 and 1"):
        one(lambda opt: lr_scheduler.ConstantLR(opt, 2.0))
    with pytest.raises(KeyError, match="initial_lr"):
        one(lambda opt: lr_scheduler.StepLR(opt, 2, last_epoch=3))
