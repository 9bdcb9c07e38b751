"""Loops and branches: what they compute, what they save, and what they refuse."""

import re
import threading
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GraphError

from .everywhere import everywhere, gradients_everywhere

RNG = np.random.default_rng(0)
VECTOR = RNG.normal(size=4)
ROWS = RNG.normal(size=(6, 4))


def eager(fn):
    return fn


WORLDS = pytest.mark.parametrize("world", [eager, mg.jit])


# --- results -----------------------------------------------------------------------------


def test_a_loop_that_never_runs_gives_what_came_in():
    def never(x):
        return mg.while_loop(lambda i, x: i < 0, lambda i, x: (i + 1, x * x), (0, x))[1]

    np.testing.assert_array_equal(everywhere(never, VECTOR), VECTOR)
    (gradient,) = gradients_everywhere(lambda x: never(x).sum(), VECTOR)
    np.testing.assert_array_equal(gradient, np.ones(4))


@WORLDS
def test_a_scan_of_no_rows_gives_empty_stacks(world):
    @world
    def scan(x):
        return mg.scan(lambda c, v: (c + v, (c.sum(), v * 2)), mg.ones(4), x)

    carry, (sums, rows) = scan(mg.zeros(0, 4))
    assert carry.tolist() == [1, 1, 1, 1]
    assert sums.shape == (0,)
    assert rows.shape == (0, 4)


def test_how_often_a_loop_runs_may_depend_on_the_data():
    def doublings(x):
        return mg.while_loop(lambda x: x.sum() < 100.0, lambda x: x * 2, x)

    program = mg.jit(doublings)
    for start, expected in ((1.0, 32.0), (30.0, 30.0), (0.01, 40.96)):
        x = mg.full((4,), start, requires_grad=True)
        y = program(x)
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5)
        (g,) = mg.jit(lambda x: mg.autograd.grad(doublings(x).sum(), [x]))(x)
        np.testing.assert_allclose(g.numpy(), expected / start, rtol=1e-5)
    assert program.traces == 1


def test_the_final_carry_and_the_rows_are_both_differentiated():
    def both(x, h):
        def body(carry, row):
            h, k = carry
            return (h * row + k, h), (h.sin(), {"k": k * row})

        (h, k), (s, d) = mg.scan(body, (h, h * 0.5), x)
        return (h * k).sum() + (s * d["k"]).sum()

    gradients_everywhere(both, ROWS, VECTOR, tol=1e-9)


def test_scan_backwards_keeps_the_rows_in_place():
    def back(x):
        return mg.scan(lambda c, v: (c + v, c), x[0] * 0.0, x, reverse=True)[1]

    expected = np.cumsum(ROWS[::-1], 0)[::-1] - ROWS
    np.testing.assert_allclose(everywhere(back, ROWS), expected, atol=1e-12)
    gradients_everywhere(lambda x: (back(x) ** 2).sum(), ROWS, tol=1e-9)


def test_stacks_turned_and_reshaped_are_read_when_they_are_there():
    def turned(x):
        h, ys = mg.scan(lambda h, v: (h + v, h * v), x[0], x)
        return ys.T.reshape(-1), h[::-1].reshape(2, 2).T.reshape(4)

    ys = np.cumsum(np.vstack([ROWS[:1], ROWS[:-1]]), 0) * ROWS
    flat, _ = everywhere(turned, ROWS, tol=1e-12)
    np.testing.assert_allclose(flat, ys.T.reshape(-1))


def test_integer_and_bool_carries_go_round_beside_floats():
    def body(i, even, x):
        return i + 1, ~even, mg.where(even, x * 1.5, x + 1)

    def run(x):
        return mg.while_loop(lambda i, even, x: i < 5, body, (0, True, x))

    i, even, _x = everywhere(run, VECTOR)
    assert i == 5
    assert not even
    assert even.dtype == bool
    gradients_everywhere(lambda x: run(x)[2].sum(), VECTOR)


@WORLDS
def test_carries_may_change_places(world):
    swap = world(
        lambda a, b: mg.scan(lambda c, _: (c[::-1], c[0]), (a, b), None, length=3)
    )
    (a, b), firsts = swap(mg.tensor(1.0), mg.tensor(2.0))
    assert (a.item(), b.item(), firsts.tolist()) == (2.0, 1.0, [1.0, 2.0, 1.0])


def test_a_branch_inside_loops_inside_a_branch():
    def inner(x, v):
        steps = mg.while_loop(
            lambda i, y: (i < 4) & (y.sum() < 3.0),
            lambda i, y: (i + 1, y + v * v),
            (0, x),
        )
        return mg.cond(steps[0] > 2, lambda y: y.sin(), lambda y: y * v, steps[1])

    def program(x, rows):
        return mg.cond(
            x.sum() < 100.0,
            lambda: mg.scan(lambda c, v: (inner(c, v), c.sum()), x, rows),
            lambda: (x, rows.sum(1)),
        )

    def loss(x, rows):
        carry, sums = program(x, rows)
        return (carry * carry).sum() + (sums * sums).sum()

    everywhere(program, VECTOR, ROWS)
    gradients_everywhere(loss, VECTOR, ROWS, tol=1e-9)


def test_gradients_agree_with_finite_differences():
    def loss(x, w):
        def body(i, h):
            return i + 1, (h * w).tanh() + x[0] * 0.1

        h = mg.while_loop(lambda i, h: (h * h).sum() < 5.0, body, (0, x[1]), 4)[1]
        ys = mg.scan(lambda c, v: ((c * w + v).sin(), c * v), h, x)[1]
        return mg.cond(ys.sum() > 0, lambda: (ys * ys).sum(), lambda: ys.sum())

    x, w = ROWS[:3], VECTOR * 2
    found = gradients_everywhere(loss, x, w, tol=1e-9)
    for k, (array, gradient) in enumerate(zip((x, w), found)):
        for at in np.ndindex(array.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [x.copy(), w.copy()]
                moved[k][at] += step
                ends.append(loss(*map(mg.tensor, moved)).item())
            assert abs((ends[0] - ends[1]) / 2e-6 - gradient[at]) < 1e-6


@WORLDS
def test_weights_get_gradients_though_no_carry_needs_one(world):
    w = mg.tensor(3.0, requires_grad=True)
    count = lambda n: mg.while_loop(
        lambda i, s: i < n, lambda i, s: (i + 1, s + w * i), (0, 0.0)
    )
    g = world(lambda n: mg.autograd.grad(count(n)[1], [w])[0])
    assert g(mg.tensor(5)).item() == 10.0


def without_grad(h):
    with mg.no_grad():
        return h * 2


@WORLDS
@pytest.mark.parametrize(
    ("cut", "expected"),
    [(mg.Tensor.detach, 1.5), (mg.stop_gradient, 1.5), (without_grad, 3.0)],
)
def test_detach_no_grad_and_stop_gradient_cut_inside_a_body(world, cut, expected):
    x = mg.tensor(1.5, requires_grad=True)

    def gradient():
        y = mg.scan(lambda h, _: (cut(h) * h, None), x, None, length=1)[0]
        return mg.autograd.grad(y, [x])[0]

    assert world(gradient)().item() == expected


@WORLDS
def test_a_detached_weight_is_another_capture_than_the_weight(world):
    w = mg.tensor(2.0, requires_grad=True)
    cube = lambda: mg.scan(
        lambda h, _: (h * w * w.detach(), None), 1.0, None, length=1
    )[0]
    assert world(lambda: mg.autograd.grad(cube(), [w])[0])().item() == 2.0


@WORLDS
def test_gradient_descent_inside_a_loop_can_be_differentiated(world):
    def descend(rate, x):
        def body(x, _):
            x = x + 0.0 * rate
            (g,) = mg.autograd.grad(((x - 3) ** 2).sum(), [x], create_graph=True)
            return x - rate * g, None

        return mg.scan(body, x, None, length=3)[0].sum()

    rate = mg.tensor(0.1, requires_grad=True)
    x = mg.tensor([1.0, 5.0, 4.0])
    (g,) = world(lambda: mg.autograd.grad(descend(rate, x), [rate]))()
    assert (
        abs(g.item() + 3 * 2 * 0.8**2 * 1.0) < 1e-5
    )  # d/dr of (1 - 2 r)^3 (1 + 5 + 4 - 9)


def test_five_thousand_rounds_neither_recurse_nor_go_quadratic():
    def seconds(world, length, times):
        xs = mg.randn(length, 4, requires_grad=True)

        def run(xs):
            h, ys = mg.scan(
                lambda h, x: ((h * 0.9 + x).tanh(), h.sum()), mg.zeros(4), xs
            )
            _n, k = mg.while_loop(
                lambda i, h: i < length, lambda i, h: (i + 1, h * 0.99), (0, h)
            )
            return mg.autograd.grad(ys.sum() + k.sum(), [xs])[0]

        run = world(run)
        if world is mg.jit:
            run(xs)
        taken = []
        for _ in range(times):
            start = time.perf_counter()
            run(xs)
            taken.append(time.perf_counter() - start)
        return min(taken)

    for world in (eager, mg.jit):
        limit = 50 * seconds(world, 500, times=3)
        # other programs may have the processor for a while
        assert any(seconds(world, 5_000, times=1) < limit for _ in range(3))


def test_the_memory_of_a_scan_grows_with_its_length():
    def stacks(length):
        x = mg.placeholder((3,))
        y = mg.scan(lambda h, _: ((h * x).tanh(), None), x, None, length=length)[0]
        return mg.compile([x], mg.gradients(y.sum(), x)).source.count("empty")

    assert stacks(10) == stacks(1000)


def test_max_iterations_is_a_bound_at_which_the_loop_stops():
    def run(i):
        return mg.while_loop(lambda i: i >= 0, lambda i: i + 1, i, max_iterations=7)

    assert everywhere(run, np.int64(3)) == 10


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_loop_leaves_everything_usable():
    import _thread

    w = mg.tensor(1.0, requires_grad=True)

    def endless(stop):
        body = lambda i: mg.where(i < stop, i + 1, i * 1)
        return mg.while_loop(lambda i: i < stop, body, mg.tensor(0)) * w

    for world in (eager, mg.jit):
        run = world(endless)
        run(mg.tensor(3))
        timer = threading.Timer(0.2, _thread.interrupt_main)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            run(mg.tensor(2**60))
        timer.join()
        assert run(mg.tensor(4)).item() == 4.0
        assert (w * 2).item() == 2.0


# --- what is written ---------------------------------------------------------------------


def source_of(fn, *arrays):
    nodes = [mg.placeholder(a.shape, a.dtype, f"x{i}") for i, a in enumerate(arrays)]
    lines = mg.compile(nodes, fn(*nodes)).source.splitlines()
    return "\n".join(line.partition("  #")[0] for line in lines)


def inside(source):
    """The lines of the body of the first loop."""
    lines = source.splitlines()
    start = next(
        i for i, line in enumerate(lines) if line.startswith(("    for", "    while"))
    )
    body = []
    for line in lines[start + 1 :]:
        if not line.startswith("        "):
            break
        body.append(line)
    return "\n".join(body)


def test_what_is_the_same_in_every_round_is_computed_once_outside():
    source = source_of(
        lambda x, w: mg.scan(lambda h, v: (h * (w.exp() + 1) + v, None), w, x)[0],
        ROWS, VECTOR,
    )  # fmt: skip
    assert "exp" in source
    assert "exp" not in inside(source)


def test_rows_and_carries_that_nobody_reads_are_not_computed():
    def two(x):
        body = lambda c, v: ((c[0] + v, c[1] * v.exp()), v.cos())
        return mg.scan(body, (x[0], x[0]), x)[0][0]

    source = source_of(two, ROWS)
    assert "exp" not in source
    assert "cos" not in source
    assert "empty((6" not in source


def test_equal_nodes_of_a_body_are_computed_once():
    source = source_of(
        lambda x: mg.scan(lambda c, v: (c * v.exp() + v.exp(), None), x[0], x)[0], ROWS
    )
    assert source.count("exp(") == 1


def test_constants_move_into_the_body_and_are_folded():
    two = mg.constant(np.float64(2))
    source = source_of(
        lambda x: mg.scan(lambda c, v: (c + (two * 3 - 5) * v, None), x[0], x)[0], ROWS
    )
    assert "multiply" not in inside(source)


def test_a_sum_over_rounds_is_added_up_in_place():
    w = mg.variable(np.zeros(3))
    x = mg.placeholder((5, 3), mg.float64)
    y = mg.scan(lambda h, v: ((h * w + v).tanh(), None), np.zeros(3), x)[0]
    source = mg.compile([x], mg.gradients(y.sum(), w)).source
    sums = re.findall(r"^ +add\((\w+), \w+, (\w+)\)", source, re.MULTILINE)
    assert any(first == out and first[0] == "v" for first, out in sums)


def test_products_of_rows_and_sums_of_products_become_one_product_outside():
    w, u = mg.variable(np.ones((3, 4))), mg.variable(np.ones((4, 4)))
    x = mg.placeholder((5, 2, 3), mg.float64)
    step = lambda h, v: ((v @ w + h @ u).tanh(), None)
    y = mg.scan(step, np.zeros((2, 4)), x)[0]
    source = mg.compile([x], mg.gradients(y.sum(), [w, u])).source
    assert (
        len(re.findall(r"^     +.*dot\(", source, re.MULTILINE)) == 2
    )  # h @ u, and back
    assert source.count("dot(") == 5


# --- random numbers ----------------------------------------------------------------------


def noisy(x):
    def body(h, v):
        drawn = mg.rand(2)
        h = h + v * drawn.sum()
        return mg.cond(h > 1.0, lambda: h + mg.randn(()), lambda: h), drawn

    h, drawn = mg.scan(body, 0.0, x)
    k = mg.while_loop(
        lambda h, i: i < 3, lambda h, i: (h + mg.rand(()), i + 1), (h, 0)
    )[0]
    return h, drawn, k, mg.rand(())


def test_bodies_draw_the_same_numbers_in_every_world_and_new_ones_in_each_round():
    streams = []
    for world in (eager, mg.jit):
        mg.manual_seed(3)
        run = world(noisy)
        streams.append([x.tolist() for _ in range(3) for x in run(mg.ones(4))])
    np.testing.assert_equal(*streams)
    assert len({number for row in streams[0][1] for number in row}) == 8


def test_random_numbers_are_refused_where_no_state_could_follow_them():
    x = mg.placeholder((3,))
    with pytest.raises(GraphError, match="in a graph that is built by hand"):
        mg.scan(lambda h, v: (h + mg.rand(()), None), x[0], x)
    with pytest.raises(GraphError, match="the condition draws"):
        mg.jit(lambda: mg.while_loop(lambda i: mg.rand(()) < i, lambda i: i + 1, 0.0))()


@WORLDS
def test_a_body_may_write_to_the_numbers_that_it_drew(world):
    def body(h, v):
        drawn = mg.rand(2)
        drawn[0] = v
        return h + drawn.mul_(2.0).sum(), None

    assert world(lambda x: mg.scan(body, 0.0, x))(mg.ones(3))[0].item() > 6.0


# --- sizes that are None -----------------------------------------------------------------


def test_rows_and_batches_of_unknown_number_go_through_loops_and_their_gradients():
    def loss(x, w):
        h, ys = mg.scan(lambda h, v: ((h + v @ w).tanh(),) * 2, x[0], x)
        h = mg.while_loop(lambda h: (h * h).sum() < 9.0, lambda h: h * 1.5, h)
        return mg.cond(h.sum() > 0, lambda: (ys * ys).sum() + h.sum(), lambda: h.sum())

    w = mg.variable(np.eye(3) * 0.5)
    x = mg.placeholder((None, None, 3), mg.float64)
    y = loss(x, w)
    program = mg.compile([x], [y, mg.gradients(y, w)])
    for shape in ((4, 2, 3), (6, 1, 3), (1, 5, 3)):
        data = mg.tensor(np.random.default_rng(0).normal(size=shape))
        weight = mg.tensor(np.eye(3) * 0.5, requires_grad=True)
        expected = loss(data, weight)
        expected.backward()
        value, gradient = program(data)
        np.testing.assert_allclose(value.item(), expected.item(), rtol=1e-9)
        np.testing.assert_allclose(gradient.numpy(), weight.grad.numpy(), rtol=1e-8)
