"""Hooks and retained gradients: what passes through a tensor on the way back."""

import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GradError, ShapeError


def leaf(*values):
    return mg.tensor(np.array(values), requires_grad=True)


def shows(tensor, *values):
    np.testing.assert_array_equal(tensor.detach().numpy(), np.array(values))


def test_a_hook_on_an_interior_tensor_sees_its_whole_gradient():
    x, seen = leaf(1.0, 2.0), []
    y = x * 3
    y.register_hook(seen.append)
    (y * y + y).sum().backward()
    assert len(seen) == 1
    shows(seen[0], 7, 13)
    shows(x.grad, 21, 39)


def test_what_a_hook_returns_takes_the_gradient_s_place():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    y.sum().backward()
    shows(x.grad, 31, 31)


def test_hooks_run_in_order_and_each_sees_what_the_one_before_returned():
    x = leaf(1.0)
    x.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 10)
    x.sum().backward()
    shows(x.grad, 20)


def test_a_hook_is_removed_by_its_handle():
    x = leaf(1.0)
    handle = x.register_hook(lambda g: g * 10)
    handle.remove()
    handle.remove()
    x.sum().backward()
    shows(x.grad, 1)
    with x.register_hook(lambda g: g * 10):
        x.sum().backward()
    x.sum().backward()
    shows(x.grad, 12)


def test_a_hook_sees_only_what_this_backward_brings():
    x, seen = leaf(1.0), []
    x.register_hook(lambda g: seen.append(g.item()))
    for _ in range(2):
        (x * 3).sum().backward()
    assert seen == [3, 3]
    shows(x.grad, 6)


def test_hooks_act_on_autograd_grad_too(torch):
    for library in (mg, torch):
        x = library.tensor([1.0, 2.0], requires_grad=True)
        y = x * 2
        calls = []
        y.register_hook(lambda g, calls=calls: calls.append(1) or g * 10)
        loss = (y * y).sum()
        (dy,) = library.autograd.grad(loss, y, retain_graph=True)
        (dx,) = library.autograd.grad(loss, x)
        assert dy.tolist() == [40, 80]
        assert dx.tolist() == [80, 160]
        assert len(calls) == 2


def test_the_gradient_of_a_hooked_value_and_its_own_run_once_each():
    x = leaf(1.0, 2.0)
    y, calls = x * 2, []
    y.register_hook(lambda g: calls.append(1) or g * 10)
    dy, dx = mg.autograd.grad((y * y).sum(), [y, x])
    shows(dy, 40, 80)
    shows(dx, 80, 160)
    assert len(calls) == 1


def test_what_a_hook_computes_can_be_differentiated(torch):
    for library in (mg, torch):
        x = library.tensor([2.0], requires_grad=True)
        y = x * x
        y.register_hook(lambda g, y=y: g * y)
        (dx,) = library.autograd.grad(y.sum(), x, create_graph=True)
        assert dx.tolist() == [16]
        (ddx,) = library.autograd.grad(dx.sum(), x)
        assert ddx.tolist() == [72]  # the hook also sees what comes through `g * y`


def test_a_hook_that_writes_into_its_argument_disturbs_nobody_else():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y, z = x * 1, w * 1
    y.register_hook(lambda g: g.mul_(0))
    (y + z).sum().backward()
    shows(x.grad, 0, 0)
    shows(w.grad, 1, 1)


def test_a_hook_that_returns_another_shape_is_refused():
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g.sum())
    with pytest.raises(ShapeError, match="hook"):
        x.sum().backward()


def test_a_hook_needs_a_tensor_that_requires_a_gradient():
    with pytest.raises(GradError, match="does not require"):
        mg.ones(2).register_hook(print)
    with pytest.raises(GradError, match="does not require"):
        mg.ones(2).retain_grad()


def test_a_hook_works_while_jit_traces():
    w = leaf(1.0, 2.0)

    @mg.jit
    def step(x):
        y = w * x
        y.register_hook(lambda g: g * 10)
        (g,) = mg.autograd.grad(y.sum(), w)
        return g

    shows(step(mg.tensor(np.array([3.0, 4.0]))), 30, 40)


def test_retain_grad_keeps_an_interior_gradient():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    assert y.retains_grad
    assert not x.retains_grad
    (y * y).sum().backward(retain_graph=True)
    shows(y.grad, 6, 12)
    (y * y).sum().backward()
    shows(y.grad, 12, 24)


def test_retain_grad_keeps_what_hooks_made_of_it(torch):
    for library in (mg, torch):
        x = library.tensor([1.0], requires_grad=True)
        y = x * 3
        y.retain_grad()
        y.register_hook(lambda g: g * 10)
        y.sum().backward()
        assert y.grad.tolist() == [10]


def test_retain_grad_follows_a_write_in_place(torch):
    for library in (mg, torch):
        x = library.tensor([1.0], requires_grad=True)
        y = x * 3
        y.retain_grad()
        y.mul_(5)
        (y * 7).sum().backward()
        assert y.grad.tolist() == [7]
        assert x.grad.tolist() == [105]


def test_retain_grad_of_a_leaf_changes_nothing():
    x = leaf(1.0)
    x.retain_grad()
    x.sum().backward()
    shows(x.grad, 1)


def test_a_tensor_that_keeps_its_gradient_is_forgotten_like_any_other():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0)
        y = x * 3
        y.retain_grad()
        y.register_hook(lambda g: None)
        y.sum().backward()
        ref = weakref.ref(y)
        del y
        assert ref() is None
    finally:
        gc.enable()


def test_next_functions_lead_to_the_leaf(torch):
    for library in (mg, torch):
        x = library.tensor([1.0], requires_grad=True)
        y = (x * 2).sum()
        ((product, place),) = y.grad_fn.next_functions
        assert (product.name(), place) == ("MulBackward0", 0)
        (leaf_end, _), (number, _) = product.next_functions
        assert leaf_end.variable is x
        assert leaf_end.next_functions == ()
        assert number is None
