"""Training steps, traced and run as native code, against the eager run."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn

F = nn.functional


def image_net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def vector_net():
    return nn.Sequential(
        nn.Linear(12, 20), nn.Tanh(), nn.LayerNorm(20), nn.Linear(20, 10)
    )


def train(target, make, shape, optimizer):
    """The losses of a few steps, and the weights after them."""
    rng = np.random.default_rng(0)
    mg.manual_seed(0)
    net = make()
    opt = optimizer(net.parameters())

    def step(x, labels):
        loss = F.cross_entropy(net(x), labels)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    if target != "eager":
        step = mg.jit(step, target=target)
    losses = []
    for i in range(6):
        if i == 3:
            opt.param_groups[0]["lr"] *= 0.5  # read anew: no new trace
        x = mg.from_numpy(rng.normal(size=shape).astype("f"))
        losses.append(step(x, mg.from_numpy(rng.integers(0, 10, shape[0]))).item())
    if target != "eager":
        assert step.traces == 1
        assert step.program.target == target, step.program.fallback
    return losses, [p.detach().numpy() for p in net.parameters()]


@pytest.mark.parametrize(
    ("make", "shape"), [(image_net, (5, 1, 8, 8)), (vector_net, (7, 12))]
)
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda ps: mg.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.01),
        lambda ps: mg.optim.Adam(ps, lr=0.01),
    ],
    ids=["SGD", "Adam"],
)
def test_a_traced_training_step_equals_the_eager_one(make, shape, optimizer):
    losses, weights = train("eager", make, shape, optimizer)
    ours, found = train("native", make, shape, optimizer)
    np.testing.assert_allclose(ours, losses, rtol=1e-4)
    for a, b in zip(found, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def test_views_of_state_are_written_in_place():
    def step(w, x):
        with mg.no_grad():
            w[0].mul_(0.5)
            w[:, 1].add_(x)
            w[1:, ::2].copy_(x.sum())
        return w.sum()

    arrays = [np.arange(12.0).reshape(3, 4) for _ in range(2)]
    a, b = map(mg.from_numpy, arrays)
    x = mg.from_numpy(np.arange(3.0))
    eager = [step(a, x).item() for _ in range(3)]
    traced = mg.jit(lambda x: step(b, x), target="native")
    assert [traced(x).item() for _ in range(3)] == eager
    assert traced.program.target == "native"
    np.testing.assert_array_equal(*arrays)
