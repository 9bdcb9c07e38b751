"""Clipping gradients, and all parameters as one vector."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import utils


def with_grads(library, scale):
    """Two parameters whose gradients are known."""
    parameters = []
    for grad in ([[3.0, -4.0]], [12.0]):
        p = library.nn.Parameter(library.zeros(*np.shape(grad)))
        p.grad = library.tensor(grad) * scale
        parameters.append(p)
    return [*parameters, library.nn.Parameter(library.zeros(2))]


@pytest.mark.parametrize("norm_type", [2.0, 1, float("inf")])
@pytest.mark.parametrize("scale", [1.0, 0.001])
def test_clip_grad_norm_does_what_pytorch_does(norm_type, scale, torch):
    ours, theirs = with_grads(mg, scale), with_grads(torch, scale)
    norm = utils.clip_grad_norm_(iter(ours), 1.5, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.5, norm_type)
    assert norm.item() == pytest.approx(expected.item())
    for a, b in zip(ours[:2], theirs[:2]):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-6)
    assert ours[2].grad is None


def test_clip_grad_norm_scales_down_to_the_norm_and_never_up():
    parameters = with_grads(mg, 1.0)
    assert utils.clip_grad_norm_(parameters, 6.5).item() == pytest.approx(13)
    assert utils.clip_grad_norm_(parameters, 100).item() == pytest.approx(6.5)
    assert utils.clip_grad_norm_(parameters[2], 1).item() == 0  # it has no gradient


def test_clip_grad_norm_refuses_what_is_not_finite_if_asked_to():
    parameters = with_grads(mg, float("inf"))
    with pytest.raises(RuntimeError, match="no finite"):
        utils.clip_grad_norm_(parameters, 1.0, error_if_nonfinite=True)


def test_clip_grad_value_limits_each_element():
    parameters = with_grads(mg, 1.0)
    utils.clip_grad_value_(parameters, 3.5)
    assert [p.grad.tolist() for p in parameters[:2]] == [[[3, -3.5]], [3.5]]


def test_clipping_under_jit_equals_the_eager_run():
    def step(x):
        model.zero_grad()
        (model(x) ** 2).sum().backward()
        norm = utils.clip_grad_norm_(model.parameters(), 0.1)
        utils.clip_grad_value_(model.parameters(), 0.05)
        return norm, *(p.grad for p in model.parameters())

    model, x = nn.Linear(3, 2), mg.randn(4, 3)
    eager, traced = step(x), mg.jit(step, keep_grads=True)(x)
    for a, b in zip(eager, traced):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_parameters_go_into_one_vector_and_back():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    vector = utils.parameters_to_vector(model.parameters())
    assert vector.shape == (11,)
    (vector**2).sum().backward()
    np.testing.assert_allclose(model[0].bias.grad.numpy(), 2 * model[0].bias.detach())
    utils.vector_to_parameters(mg.arange(11).float(), model.parameters())
    assert model[0].bias.tolist() == [6, 7]
    assert model[1].weight.tolist() == [[8, 9]]
    with pytest.raises(ValueError, match="does not fit"):
        utils.vector_to_parameters(mg.ones(10), model.parameters())
    assert model[0].bias.tolist() == [6, 7]
