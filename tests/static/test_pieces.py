"""Fused steps run piece by piece: same results, less memory."""

import tracemalloc

import numpy as np
import pytest

import minigrad as mg
from minigrad.static import pieces

MEGA = 1 << 20


@pytest.mark.parametrize(
    "shape", [(7,), (64,), (3, 50), (50, 3), (2, 3, 40), (1, 1, 65), (65, 1), (9, 1, 9)]
)
def test_pieces_cover_everything_once(shape, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 16)
    seen = np.zeros(shape, int)
    for key in pieces.pieces(shape):
        assert seen[key].size <= 2 * pieces.PIECE
        seen[key] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("shape", [(6, 5), (5,), (6, 1), (1, 5), (1, 1), ()])
def test_operands_are_cut_as_they_broadcast(shape, monkeypatch):
    monkeypatch.setattr(pieces, "LARGE", 2)
    monkeypatch.setattr(pieces, "PIECE", 7)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 5)), np.asarray(rng.normal(size=shape))
    x, y = mg.placeholder((6, 5), mg.float64), mg.placeholder(shape, mg.float64)
    program = mg.compile([x, y], (x * y + 1).tanh() - y)
    assert len(program.plan.steps) == 1
    np.testing.assert_allclose(program(a, b).numpy(), np.tanh(a * b + 1) - b)


def test_arguments_may_lie_in_memory_as_they_like(monkeypatch):
    monkeypatch.setattr(pieces, "LARGE", 2)
    monkeypatch.setattr(pieces, "PIECE", 7)
    x, w = mg.placeholder((6, 5), mg.float64), mg.variable(np.ones((6, 5)))
    step = mg.compile([x], None, updates={w: (w + x) * 2})
    a = np.arange(60.0).reshape(5, 12)[:, ::2].T
    step(a)
    np.testing.assert_allclose(w.get_value(), (1 + a) * 2)


@pytest.mark.parametrize("fold", ["sum", "amax", "amin"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_reductions_run_along(fold, axis, monkeypatch):
    monkeypatch.setattr(pieces, "LARGE", 2)
    monkeypatch.setattr(pieces, "PIECE", 12)
    monkeypatch.setattr(pieces, "SPREAD", 2)
    a = np.random.default_rng(0).normal(size=(20, 5))
    a[3, 3] = np.nan
    x = mg.placeholder(a.shape, mg.float64)
    dims = (0, 1) if axis is None else (axis,)
    y = getattr(x.tanh() * 2, fold)(dims, keepdim=True)
    program = mg.compile([x], y)
    assert len(program.plan.steps) == (2 if axis == 1 else 1)
    expected = getattr(np, fold)(np.tanh(a) * 2, axis=dims, keepdims=True)
    np.testing.assert_allclose(program(a).numpy(), expected)


def test_a_long_sum_keeps_its_digits():
    x = mg.placeholder((MEGA,))
    program = mg.compile([x], (x * 0.1).sum())
    assert program.stats["steps"] == 1
    total = program(np.ones(MEGA, np.float32)).item()
    assert abs(total / (np.float32(0.1) * float(MEGA)) - 1) < 1e-6


def test_a_long_chain_takes_the_room_of_a_few_pieces():
    w, x = mg.variable(np.ones(MEGA, np.float32)), mg.placeholder((MEGA,))
    y = w
    for _ in range(4):
        y = (y * x + 0.5).tanh()
    loss = y.square().sum()
    fed = np.ones(MEGA, np.float32)
    tracemalloc.start()
    try:
        step = mg.compile([x], loss, updates={w: w - 0.1 * mg.gradients(loss, w)})
        for _ in range(3):
            step(fed)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert step.stats["bytes_planned"] == 0
    assert peak < 3 * MEGA  # one array has 4


def test_steps_of_a_program_share_their_scratch():
    x, m = mg.placeholder((1024, 1024)), mg.placeholder((1024, 1024))
    y = x
    for _ in range(5):
        y = ((y * 2 + 1).tanh() * (y - 1)).sigmoid() @ m
    tracemalloc.start()
    try:
        program = mg.compile([x, m], y, target="interpreter")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert program.stats["fused"] >= 25
    assert peak < program.stats["bytes_planned"] + MEGA
