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


def test_a_while_is_looked_at_ever_more_rarely_while_its_stacks_grow(log):
    x, bound = mg.placeholder((3,), mg.float64), mg.placeholder((), mg.float64)
    y = mg.while_loop(lambda y: y.sum() < bound, lambda y: (y * y + 0.1).sqrt(), x)
    outputs = [y, *mg.gradients((y * y).sum(), [x])]
    start = np.ones(3)
    ends = (1.0, 20.0, 2.0, 0.0, 3.01, 3.1, 3.2)
    program = alike([x, bound], outputs, *((start, end) for end in ends))
    del log[:]
    y, _ = program(start, 20.0)
    rounds = len([e for e in log.of("launch") if "sqrt" in e.what])
    assert rounds > 430
    assert len(log.of("to host")) < 20
    assert y.sum().item() >= 20


# Bodies of a `while i < n` that carries h as well; does Python look before each round?
BODIES = {
    "products within a round": (lambda h: (h @ h.T @ h).tanh(), False),
    "a product that is carried on": (lambda h: h.tanh() @ h.T, False),
    "a product that is added to a carry": (lambda h: h + h.tanh() @ h.T * 0.1, False),
    "rounds of a fixed number": (
        lambda h: mg.scan(lambda g, _: ((g * h).sin(), None), h, length=3)[0], False,
    ),
    "a branch": (
        lambda h: mg.cond(h.sum() > 0, lambda: h - 1.0, lambda: h + 2.5), True,
    ),
    "a loop that has to be looked at": (
        lambda h: mg.while_loop(lambda g: g.sum() > 2, lambda g: g * 0.5, h) + 1, True,
    ),
    "an op without a kernel": (lambda h: mg.linalg.svdvals(h) + h * 0.5, True),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_rounds_are_queued_ahead_if_those_that_are_too_many_do_nothing(name, log):
    made, each = BODIES[name]
    body = lambda i, h: (i + 1, made(h))
    h, n = mg.placeholder((3, 3), mg.float64), mg.placeholder((), mg.int64)
    outputs = mg.while_loop(lambda i, h: i < n, body, (mg.constant(0), h))
    start = np.random.default_rng(0).normal(size=(3, 3))
    program = alike([h, n], [*outputs], *((start, k) for k in (0, 1, 2, 3, 4, 6, 7)))
    assert ("looked at each round" in program.source) == each
    del log[:]
    program(start, 20)
    looks = len(log.of("to host"))
    assert looks >= 21 if each else looks <= 6


def test_products_are_stacked_in_rounds_that_are_queued_ahead_too():
    h, n = mg.placeholder((3, 3), mg.float64), mg.placeholder((), mg.int64)
    w = mg.constant(np.random.default_rng(1).normal(size=(3, 3)))
    step = lambda i, h: (i + 1, h + (h @ w).clamp(min=0) * 0.3)
    _, y = mg.while_loop(lambda i, h: i < n, step, (mg.constant(0), h))
    outputs = [y, mg.gradients((y * y).sum(), h)]
    start = np.random.default_rng(0).normal(size=(3, 3))
    program = alike([h, n], outputs, *((start, k) for k in (3, 0, 5, 40)))
    assert "looked at each round" not in program.source


def test_a_limit_ends_a_loop_whether_its_condition_has_been_looked_at_or_not():
    x, n = mg.placeholder((2,), mg.float64), mg.placeholder((), mg.int64)
    outputs = []
    for limit in (1, 4, 5, 8):
        i, y = mg.while_loop(
            lambda i, y: i < n,
            lambda i, y: (i + 1, y * 1.5 + i),
            (mg.constant(0), x),
            max_iterations=limit,
        )
        outputs += [i, y, mg.gradients((y * y).sum(), x)]
    alike([x, n], outputs, *((np.ones(2), k) for k in range(10)))


def test_random_numbers_are_drawn_in_rounds_that_take_place_alone():
    def drawn(n):
        step = lambda i, x: (i + 1, x * 0.5 + mg.rand(3))
        return mg.while_loop(lambda i, x: i < n, step, (mg.tensor(0), mg.zeros(3)))[1]

    results = []
    for where, target in (("cpu", "interpreter"), ("cuda", "cuda")):
        mg.set_default_device(where)
        mg.manual_seed(3)
        program = mg.jit(drawn, target=target)
        results.append([program(mg.tensor(n)).tolist() for n in (5, 0, 9, 1)])
        results[-1].append(mg.rand(2).tolist())
        mg.set_default_device("cpu")
    assert results[0] == results[1]


def test_a_refused_round_is_the_last_one_though_the_condition_would_hold_for_ever():
    w = mg.variable(mg.tensor([1, 2, -50], device="cuda"))
    n = mg.placeholder((), mg.int64)
    i = mg.while_loop(lambda i: i < n, lambda i: w[i.reshape(1)].sum(), mg.constant(0))
    program = mg.compile([n], i, {w: w + i})
    with pytest.raises(mg.errors.GraphError, match="out of bounds"):
        program(10)
    assert w.get_value().tolist() == [1, 2, -50]
    assert program(2).item() == 2
    assert w.get_value().tolist() == [3, 4, -48]


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
