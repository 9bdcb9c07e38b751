"""Initialisation: distributions, statistically, and the scales of PyTorch."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.nn import init


@pytest.fixture(autouse=True)
def _seed():
    mg.manual_seed(5)


def test_every_function_fills_in_place_off_the_tape_and_returns_its_tensor():
    for name in """
        uniform_ normal_ ones_ zeros_ eye_ xavier_uniform_ xavier_normal_
        kaiming_uniform_ kaiming_normal_ orthogonal_
    """.split():
        w = nn.Parameter(mg.full((4, 3), 7.0))
        assert getattr(init, name)(w) is w
        assert w.is_leaf
        assert w.requires_grad
        assert not (w == 7).any(), name
    assert init.constant_(mg.empty(2), 3).tolist() == [3, 3]
    assert init.eye_(mg.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]


SCALED = {
    "xavier_uniform_": lambda i, o: math.sqrt(6 / (i + o)),
    "kaiming_uniform_": lambda i, o: math.sqrt(6 / i),
    "xavier_normal_": lambda i, o: math.sqrt(2 / (i + o)),
    "kaiming_normal_": lambda i, o: math.sqrt(2 / i),
}


@pytest.mark.parametrize("shape", [(300, 100), (30, 20, 3, 5)])
@pytest.mark.parametrize("name", SCALED)
def test_bounds_and_spreads_are_those_of_the_papers(name, shape):
    field = math.prod(shape[2:])
    scale = SCALED[name](shape[1] * field, shape[0] * field)
    w = getattr(init, name)(mg.empty(*shape)).numpy()
    assert abs(w.mean()) < 0.05 * scale
    if "uniform" in name:
        assert 0.99 * scale < abs(w).max() <= scale * (1 + 1e-6)
        scale /= math.sqrt(3)
    assert abs(w.std() / scale - 1) < 0.03


def test_uniform_and_normal_take_their_parameters_and_a_generator():
    w = init.uniform_(mg.empty(10_000), 2, 3).numpy()
    assert 2 <= w.min() < 2.01 < 2.99 < w.max() <= 3
    w = init.normal_(mg.empty(10_000), 5, 0.1).numpy()
    assert abs(w.mean() - 5) < 0.01
    assert abs(w.std() - 0.1) < 0.01
    a, b = (
        init.kaiming_normal_(mg.empty(3, 3), generator=mg.Generator().manual_seed(1))
        for _ in range(2)
    )
    assert mg.equal(a, b)


def test_gains_are_those_of_pytorch(torch):
    for name in "linear conv1d conv2d sigmoid tanh relu selu leaky_relu".split():
        ours = init.calculate_gain(name)
        assert ours == pytest.approx(torch.nn.init.calculate_gain(name))
    theirs = torch.nn.init.calculate_gain("leaky_relu", 0.3)
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(theirs)
    with pytest.raises(ValueError, match="Unsupported nonlinearity sine"):
        init.calculate_gain("sine")


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal_rows_or_columns_stand_at_right_angles(shape):
    w = init.orthogonal_(mg.empty(*shape), gain=2).numpy().reshape(shape[0], -1)
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_what_has_no_fans_is_refused_with_the_reason():
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_uniform_(mg.empty(3))
    with pytest.raises(ValueError, match="2 or more dimensions"):
        init.orthogonal_(mg.empty(3))
    with pytest.raises(ValueError, match="Only tensors with 2"):
        init.eye_(mg.empty(3))
    with pytest.raises(ValueError, match="Mode up not supported"):
        init.kaiming_uniform_(mg.empty(3, 3), mode="up")
