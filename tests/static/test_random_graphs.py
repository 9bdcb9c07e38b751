"""Random training steps: the tape, jit and the interpreter in all its ways agree.

A step is grown from a seed, so the same one can be run on Tensors and on Nodes; a
failure prints the seed. Kinks lie where no sum of rounded numbers falls by chance.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad.static import pieces

BLOCK = 25  # steps a test
SHAPES = [(4, 6), (4, 6), (6,), (4, 1), (), (2, 4, 6), (6, 4)]


def fits(a, b):
    try:
        return np.broadcast_shapes(a.shape, b.shape) in SHAPES
    except ValueError:
        return False


UNARY = [
    lambda a: a.tanh(),
    lambda a: a.tanh().exp(),
    lambda a: a * 2 * 0.25,
    lambda a: (a * a + 1).log(),
    lambda a: a.sigmoid().log(),
    lambda a: a.clamp(min=-0.377),
    lambda a: mg.where(a > 0.2113, a, a * 0.1),
    lambda a: a.neg().neg() / 1 + 0,
    lambda a: (a.square() + 1).sqrt(),
    lambda a: (a > 0.1171) * a,
    lambda a: a.sum() * 0.05,
    lambda a: a.mean(),
]
MATRIX = [
    lambda a: a.t() if a.ndim == 2 else a,
    lambda a: a.softmax(-1),
    lambda a: a.softmax(-1).log() * 0.1,
    lambda a: a.logsumexp(-1, keepdim=True),
    lambda a: a.sum(0),
    lambda a: a.sum(-1, keepdim=True) * 0.2,
    lambda a: a.tanh().exp().sum(0).log(),
    lambda a: a.reshape(a.shape[::-1]),
    lambda a: a.flip(0).sin(),
    lambda a: a[1:2].expand(*a.shape) * 0.5,
    lambda a: mg.cat([a[:1], a[1:]]),
    lambda a: a.amax(-1, keepdim=True),
    lambda a: a[[1, 0, 1, *range(3, a.shape[0])][: a.shape[0]]],
]
BINARY = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a / (b * b + 1),
    lambda a, b: a * b * 0.5 + a,
]


def grow(rng, leaves, count=25):
    """Values over `leaves` that branch, share, view, broadcast and fold."""
    values = list(leaves)
    while len(values) < count:
        a, b = (values[i] for i in rng.integers(len(values), size=2))
        kind = rng.integers(4)
        if kind == 0:
            new = UNARY[rng.integers(len(UNARY))](a)
        elif kind == 1 and a.ndim > 1:
            new = MATRIX[rng.integers(len(MATRIX))](a)
        elif kind == 2 and a.ndim == 2 and b.ndim == 2 and a.shape[1] == b.shape[0]:
            new = (a @ b) * 0.2
        elif fits(a, b):
            new = BINARY[rng.integers(len(BINARY))](a, b)
        else:
            continue
        if new.shape in SHAPES:
            values.append(new)
    return values


class Step:
    """One step of training: three leaves, a loss, two outputs, and new weights."""

    def __init__(self, seed):
        self.seed = seed
        rng = np.random.default_rng(seed)
        self.arrays = [rng.normal(size=(4, 6)), rng.normal(size=(6,))]
        self.weights = [rng.normal(size=(6, 4)), rng.normal(size=(4, 6))]

    def forward(self, *leaves):
        rng = np.random.default_rng(self.seed + 10**6)
        values = grow(rng, leaves)
        # Products, as views of a weight would show on the tape how it changes.
        picked = [values[i] * 1 for i in rng.integers(4, len(values), size=2)]
        used = [*values[-3:], *leaves[2:]]  # so that each weight has a gradient
        loss = sum((v * 0.1).sum() for v in used)
        return picked, loss, values[-1].mean()

    def on_the_tape(self, x, y, weights):
        picked, loss, scale = self.forward(x, y, *weights)
        loss.backward()
        with mg.no_grad():
            for w in weights:
                if w.grad is not None:
                    w -= 0.1 * w.grad * scale.detach()
                    w.grad = None
        return [*picked, loss]

    def eagerly(self, wrap=lambda step: step):
        weights = [mg.tensor(w.copy(), requires_grad=True) for w in self.weights]
        step = wrap(lambda x, y: self.on_the_tape(x, y, weights))
        for _ in range(2):
            results = step(*map(mg.tensor, self.arrays))
        return [t.detach().numpy() for t in (*results, *weights)]

    def compiled(self, **options):
        x, y = (mg.placeholder(a.shape, a.dtype) for a in self.arrays)
        weights = [mg.variable(w) for w in self.weights]
        picked, loss, scale = self.forward(x, y, *weights)
        grads = mg.gradients(loss, weights)
        updates = {
            w: w - 0.1 * g * scale for w, g in zip(weights, grads) if g is not None
        }
        program = mg.compile([x, y], [*picked, loss], updates, **options)
        for _ in range(2):  # buffers of the first run must not shine through
            results = program(*self.arrays)
        return [t.numpy() for t in results] + [w.get_value() for w in weights]


def check(seed, monkeypatch):
    step = Step(seed)
    expected = step.eagerly()
    ways = {
        "jit": step.eagerly(mg.jit),
        "interpreter": step.compiled(target="interpreter"),
        "without rewrites": step.compiled(target="interpreter", rewrites=()),
        "with checks": step.compiled(target="interpreter", check_nan=True),
    }
    with monkeypatch.context() as patch:
        for name, value in {"LARGE": 2, "PIECE": 10, "SPREAD": 1}.items():
            patch.setattr(pieces, name, value)
        ways["in pieces"] = step.compiled(target="interpreter")
        ways["jit in pieces"] = step.eagerly(mg.jit)
    for way, results in ways.items():
        for i, (got, want) in enumerate(zip(results, expected, strict=True)):
            np.testing.assert_allclose(
                got,
                want,
                rtol=1e-8,
                atol=1e-9,
                err_msg=f"{way}, seed {seed}, value {i}",
            )


@pytest.mark.parametrize("block", range(4))
def test_random_steps_agree_in_every_mode(block, monkeypatch):
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        check(seed, monkeypatch)


@pytest.mark.full
@pytest.mark.parametrize("block", range(4, 3000 // BLOCK))
def test_three_thousand_random_steps_agree_in_every_mode(block, monkeypatch):
    for seed in range(block * BLOCK, (block + 1) * BLOCK):
        check(seed, monkeypatch)
