"""Recurrent cells: the same weights in a Python loop, a scan, a while and a masked unroll.

All gradients agree: those of the weights, which the body closes over, of the inputs and
of the first state.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GraphError, RetraceNotice

T, B, N, H = 3, 2, 5, 4
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def cell(kind, state, x, w, u, b):
    """One step; the state is a tuple, of which the first part comes out."""
    h = state[0]
    if kind == "rnn":
        return ((x @ w + h @ u + b).tanh(),)
    if kind == "gru":
        zx, rx, nx = (x @ w + b).chunk(3, dim=1)
        zh, rh, nh = (h @ u).chunk(3, dim=1)
        z, n = (zx + zh).sigmoid(), (nx + (rx + rh).sigmoid() * nh).tanh()
        return ((1 - z) * n + z * h,)
    i, f, g, o = (x @ w + h @ u + b).chunk(4, dim=1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def python_loop(kind, xs, state, weights):
    ys = []
    for t in range(T):
        state = cell(kind, state, xs[t], *weights)
        ys.append(state[0])
    return state, mg.stack(ys)


def scanned(kind, xs, state, weights):
    def body(state, x):
        state = cell(kind, state, x, *weights)
        return state, state[0]

    return mg.scan(body, state, xs)


def while_looped(kind, xs, state, weights):
    def body(t, state, ys):
        state = cell(kind, state, xs[t], *weights)
        return t + 1, state, mg.where(places == t, state[0], ys)

    places = mg.arange(T).reshape(T, 1, 1)
    start = (mg.tensor(0), state, xs.sum() * mg.zeros(T, B, H, dtype=mg.float64))
    _, state, ys = mg.while_loop(lambda t, state, ys: t < T, body, start)
    return state, ys


def masked(kind, xs, state, weights):
    """Unrolled beyond the end, where a mask keeps the state as it is."""
    ys = []
    for t in range(T + 1):
        mask = mg.tensor(float(t < T), dtype=mg.float64)
        new = cell(kind, state, xs[min(t, T - 1)], *weights)
        state = tuple(mask * n + (1 - mask) * s for n, s in zip(new, state))
        ys.append(state[0])
    return state, mg.stack(ys[:T])


def results(kind, run, values, order):
    """The loss and its gradients; of the second order, those of their squared norm."""
    xs, weights, state = values[0], values[1:4], tuple(values[4:])
    state, ys = run(kind, xs, state, weights)
    values = list(values)
    loss = (ys * ys).sum() + sum((s * 0.5).sin().sum() for s in state)
    found = [loss]
    for _ in range(order):
        grads = mg.autograd.grad(loss, values, create_graph=True)
        found += grads
        loss = sum((g * g).sum() for g in grads)
    return found


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("run", [scanned, while_looped, masked])
@pytest.mark.parametrize("jitted", [False, True], ids=["eager", "jit"])
def test_a_cell_gives_the_same_in_every_loop(kind, run, jitted):
    rng, many = np.random.default_rng(0), GATES[kind]
    shapes = [(T, B, N), (N, many * H), (H, many * H), (many * H,)]
    shapes += [(B, H)] * (2 if kind == "lstm" else 1)
    arrays = [rng.normal(size=shape) * 0.5 for shape in shapes]
    values = [mg.tensor(a, requires_grad=True) for a in arrays]
    expected = results(kind, python_loop, values, 2)
    found = results
    if jitted:
        found = mg.jit(lambda *args: results(*args))
    for x, y in zip(found(kind, run, values, 2), expected, strict=True):
        np.testing.assert_allclose(
            x.detach().numpy(), y.detach().numpy(), rtol=1e-9, atol=1e-9
        )


def test_a_training_step_with_a_scan_is_the_same_under_jit():
    def train(wrap):
        mg.manual_seed(0)
        w = mg.randn(3, 3, requires_grad=True)
        xs = mg.randn(6, 3)

        def step():
            loss = (
                mg.scan(lambda h, x: ((h @ w + x).tanh(),) * 2, mg.zeros(3), xs)[1] ** 2
            ).sum()
            w.grad = None
            loss.backward()
            with mg.no_grad():
                w.sub_(0.1 * w.grad)
            return loss

        run = wrap(step)
        return [run().item() for _ in range(5)], w.detach().cpu().numpy()

    losses, weights = train(lambda step: step)
    jitted, same = train(mg.jit)
    np.testing.assert_allclose(losses, jitted, rtol=1e-5)
    np.testing.assert_allclose(weights, same, rtol=1e-5, atol=1e-7)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["RNNCell", "GRUCell", "LSTMCell"])
def test_cells_of_nn_work_in_bodies(name):
    mg.manual_seed(0)
    step = getattr(mg.nn, name)(N, H)
    zero = mg.zeros(B, H)
    start = (zero, zero) if name == "LSTMCell" else zero

    def run(xs):
        def body(state, x):
            state = step(x, state)
            return state, state[0] if isinstance(state, tuple) else state

        loss = (mg.scan(body, start, xs)[1] ** 2).sum()
        return loss, *mg.autograd.grad(loss, list(step.parameters()))

    xs = mg.randn(T, B, N)
    for x, y in zip(run(xs), mg.jit(run)(xs), strict=True):
        np.testing.assert_allclose(x.detach().numpy(), y.numpy(), rtol=1e-4, atol=1e-5)


def test_dropout_in_a_body_drops_the_same_under_jit_and_anew_in_each_round():
    drop, xs = mg.nn.Dropout(0.5), mg.ones(4, 8)
    run = lambda xs: mg.scan(lambda h, x: (h, drop(x)), 0.0, xs)[1]
    mg.manual_seed(1)
    eager = run(xs)
    mg.manual_seed(1)
    assert mg.jit(run)(xs).tolist() == eager.tolist()
    assert len({tuple(row) for row in eager.tolist()}) == 4


def test_a_module_in_a_body_that_changes_its_mode_is_traced_again():
    drop, xs = mg.nn.Dropout(0.5), mg.ones(3, 100)
    by_rows = mg.jit(
        lambda xs: mg.scan(lambda h, x: (h + drop(x), None), 0.0 * xs[0], xs)[0]
    )
    either = mg.jit(lambda xs: mg.cond(xs.sum() > 0, drop, lambda xs: xs, xs))
    assert (by_rows(xs) == 0).any()
    assert (either(xs) == 0).any()
    drop.eval()
    with pytest.warns(RetraceNotice, match="a Dropout is in another mode"):
        assert by_rows(xs).tolist() == [3.0] * 100
    with pytest.warns(RetraceNotice, match="a Dropout is in another mode"):
        assert either(xs).tolist() == xs.tolist()


@pytest.mark.parametrize("world", [lambda fn: fn, mg.jit], ids=["eager", "jit"])
def test_batch_norm_may_not_gather_statistics_in_a_body(world):
    norm, xs = mg.nn.BatchNorm1d(N), mg.randn(T, B, N)
    run = world(
        lambda xs: mg.scan(lambda h, x: (h + norm(x), None), mg.zeros(B, N), xs)[0]
    )
    with pytest.raises(GraphError, match=r"batch norm: call .eval\(\)"):
        run(xs)
    assert norm.running_mean.tolist() == [0.0] * N
    norm.eval()
    assert run(xs).shape == (B, N)


def test_a_hand_built_graph_captures_the_weights_of_the_body():
    w = mg.tensor([[0.5, 0.1], [0.2, -0.3]], requires_grad=True)
    xs = mg.placeholder((4, 2), name="xs")
    h, ys = mg.scan(lambda h, x: ((h @ w + x).tanh(),) * 2, np.zeros(2, np.float32), xs)
    gradient = mg.gradients((ys * ys).sum() + h.sum(), w)
    mg.manual_seed(0)
    data = mg.randn(4, 2)
    step = mg.compile([xs], gradient, updates={w: w - 0.1 * gradient})
    eager = mg.tensor(w.detach().numpy(), requires_grad=True)
    h, ys = mg.scan(lambda h, x: ((h @ eager + x).tanh(),) * 2, mg.zeros(2), data)
    ((ys * ys).sum() + h.sum()).backward()
    np.testing.assert_allclose(
        step(data).numpy(), eager.grad.numpy(), rtol=1e-5, atol=1e-6
    )
    changed = eager.detach() - 0.1 * eager.grad
    np.testing.assert_allclose(
        w.detach().numpy(), changed.numpy(), rtol=1e-5, atol=1e-6
    )
