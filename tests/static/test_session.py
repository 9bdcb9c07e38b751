"""TensorFlow 1's story: a session, fetches and a feed_dict."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GraphError


def test_fetches_come_back_in_their_structure():
    x = mg.placeholder((), name="x")
    session = mg.Session()
    assert session.run(x * 2, {x: 3.0}).item() == 6
    assert [t.item() for t in session.run([x, x * x], {x: 3.0})] == [3, 9]


def test_training_by_fetching_assignments():
    x, y = mg.placeholder((8, 2)), mg.placeholder((8,))
    w = mg.variable(np.zeros(2, np.float32))
    loss = ((x * w).sum(1) - y).pow(2).mean()
    train = w.assign(w - 0.2 * mg.gradients(loss, w))
    rng = np.random.default_rng(0)
    data = rng.normal(size=(8, 2)).astype(np.float32)
    feed = {x: data, y: data @ np.array([1, -2], np.float32)}
    with mg.Session() as session:
        losses = [session.run([loss, train], feed)[0].item() for _ in range(200)]
        assert len(session._programs) == 1
    assert losses[-1] < 1e-6 < losses[0]
    np.testing.assert_allclose(w.get_value(), [1, -2], atol=1e-3)


def test_what_is_not_fed_and_what_cannot_be_fed():
    x = mg.placeholder((), name="x")
    w = mg.variable(1.0)
    with pytest.raises(GraphError, match="placeholder x"):
        mg.Session().run(x + 1)
    with pytest.raises(GraphError, match="only placeholders"):
        mg.Session().run(w + 1, {w: 2.0})
