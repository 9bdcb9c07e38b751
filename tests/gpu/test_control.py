"""Loops and branches on a GPU: rounds in one graph, conditions that Python has to see."""

import numpy as np
import pytest

import minigrad as mg

pytestmark = pytest.mark.usefixtures("gpu")


def alike(inputs, outputs, *calls, close=1e-10):
    """The program on the GPU, once it has given what the interpreter gives."""
    program = mg.compile(inputs, outputs, target="cuda")
    expected = mg.compile(inputs, outputs, target="interpreter")
    for args in calls:
        for got, want in zip(program(*args), expected(*args), strict=True):
            np.testing.assert_allclose(got.cpu().numpy(), want.numpy(), rtol=close)
    return program


def rnn(where, target):
    """A step of training over a scan."""
    rng = np.random.default_rng(0)
    sizes, shapes = (6, 4, 3, 5), ((3, 5), (5, 5), (5,))
    xs, y = mg.placeholder(sizes[:3]), mg.placeholder((4, 5))
    weights = [mg.tensor(rng.normal(size=s).astype("f") * 0.4) for s in shapes]
    w, u, b = (mg.variable(t.to(where)) for t in weights)
    start = mg.zeros(4, 5, device=where)
    h, _ = mg.scan(lambda h, x: ((x @ w + h @ u + b).tanh(), None), start, xs)
    loss = (h - y).pow(2).sum()
    grads = mg.gradients(loss, [w, u, b])
    updates = {v: v - 0.1 * g for v, g in zip((w, u, b), grads)}
    return mg.compile([xs, y], loss, updates, target=target), (w, u, b)


def test_an_rnn_over_a_scan_learns_the_same_and_is_one_launch(log):
    (step, weights), (there, away) = rnn("cpu", "interpreter"), rnn("cuda", "cuda")
    rng = np.random.default_rng(1)
    batch = rng.normal(size=(6, 4, 3)).astype("f"), rng.normal(size=(4, 5)).astype("f")
    for _ in range(4):
        del log[:]
        got, want = there(*batch), step(*batch)
        launches = [event.what for event in log.of("launch")]
        np.testing.assert_allclose(got.item(), want.item(), rtol=1e-5)
    assert launches == ["graph", "copy"]
    assert "6 times:" in there.source
    for a, b in zip(weights, away, strict=True):
        np.testing.assert_allclose(b.get_value(), a.get_value(), rtol=1e-4, atol=1e-6)


def test_a_while_whose_stacks_grow_fetches_one_number_each_round(log):
    x, bound = mg.placeholder((3,), mg.float64), mg.placeholder((), mg.float64)
    y = mg.while_loop(lambda y: y.sum() < bound, lambda y: (y * y + 0.1).sqrt(), x)
    outputs = [y, *mg.gradients((y * y).sum(), [x])]
    start = np.ones(3)
    ends = (1.0, 30.0, 2.0, 0.0, 60.0)
    program = alike([x, bound], outputs, *((start, end) for end in ends))
    del log[:]
    y, _ = program(np.full(3, 0.1), 2.5)
    rounds = len([e for e in log.of("launch") if "sqrt" in e.what])
    assert rounds > 3
    assert len(log.of("to host")) == rounds + 1
    assert y.sum().item() >= 2.5


def test_a_loop_in_a_loop_and_its_derivative():
    def f(x):
        def body(h, v):
            inner = mg.while_loop(lambda a: a.sum() < 50.0, lambda a: a * a + v, h)
            return inner * 0.01, inner.sum()

        h, sums = mg.scan(body, x, mg.stack([x, x * 2, x * 40]))
        return (h * h).sum() + (sums * sums).sum()

    x = mg.placeholder((4,), mg.float64)
    calls = [(np.full(4, start),) for start in (1.0, 0.4, 20.0)]
    alike([x], [f(x), mg.gradients(f(x), x)], *calls)


def test_a_branch_runs_the_side_that_is_asked_for(log):
    x = mg.placeholder((3,), mg.float64)
    y = mg.cond(x.sum() > 0, lambda: (x * 2).tanh(), lambda: x.exp())
    program = alike([x], [y, mg.gradients(y.sum(), x)], (np.ones(3),), (-np.ones(3),))
    del log[:]
    program(-np.ones(3))
    launched = {event.what.rstrip("_0123456789") for event in log.of("launch")}
    assert "exp" in launched
    assert "mul_tanh" not in launched


def test_rows_of_a_stack_lie_anywhere_and_are_read_right():
    xs = mg.placeholder((7, 3, 5))
    y = mg.placeholder((3,))
    h, ys = mg.scan(lambda h, x: (h + x.T.sum(0), x.T @ x), y, xs)
    rng = np.random.default_rng(0)
    fed = rng.normal(size=(7, 3, 5)).astype("f"), np.zeros(3, "f")
    alike([xs, y], [h, ys, ys[::-1, 1]], fed, fed, fed, close=2e-5)
