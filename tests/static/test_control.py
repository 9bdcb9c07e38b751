"""Loops and branches: what they compute, what they save, and what they refuse."""

import threading
import time

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, GradError, GraphError, ShapeError

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
    assert sums.shape == (0,) and rows.shape == (0, 4)


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


def test_integer_and_bool_carries_go_round_beside_floats():
    def body(i, even, x):
        return i + 1, ~even, mg.where(even, x * 1.5, x + 1)

    def run(x):
        return mg.while_loop(lambda i, even, x: i < 5, body, (0, True, x))

    i, even, x = everywhere(run, VECTOR)
    assert i == 5 and not even and even.dtype == bool
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
    )  # noqa: E731
    g = world(lambda n: mg.autograd.grad(count(n)[1], [w])[0])
    assert g(mg.tensor(5)).item() == 10.0


@WORLDS
def test_detach_no_grad_and_stop_gradient_cut_inside_a_body(world):
    x = mg.tensor(1.5, requires_grad=True)

    def no_grad(h):
        with mg.no_grad():
            return h * 2

    cuts = [lambda h: h.detach(), mg.stop_gradient, no_grad]
    for cut, expected in zip(cuts, (3 * 1.5**2 / 3, 1.5**2, 2 * 1.5 * 2)):
        power = lambda cut: mg.scan(lambda h, _: (cut(h) * h, None), x, None, length=1)[
            0
        ]  # noqa: E731
        (g,) = world(lambda: mg.autograd.grad(power(cut), [x]))()
        assert g.item() == {2: 3.0}.get(cuts.index(cut), 1.5)


@WORLDS
def test_a_detached_weight_is_another_capture_than_the_weight(world):
    w = mg.tensor(2.0, requires_grad=True)
    cube = lambda: mg.scan(
        lambda h, _: (h * w * w.detach(), None), 1.0, None, length=1
    )[0]  # noqa: E731
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


def test_ten_thousand_rounds_neither_recurse_nor_go_quadratic():
    def seconds(world, length):
        xs = mg.randn(length, 4, requires_grad=True)

        def run(xs):
            h, ys = mg.scan(
                lambda h, x: ((h * 0.9 + x).tanh(), h.sum()), mg.zeros(4), xs
            )
            n, k = mg.while_loop(
                lambda i, h: i < length, lambda i, h: (i + 1, h * 0.99), (0, h)
            )
            return mg.autograd.grad(ys.sum() + k.sum(), [xs])[0]

        run = world(run)
        if world is mg.jit:
            run(xs)
        start = time.perf_counter()
        run(xs)
        return time.perf_counter() - start

    for world in (eager, mg.jit):
        assert seconds(world, 10_000) < 50 * seconds(world, 1000)


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


def test_an_interrupted_loop_leaves_everything_usable():
    import _thread

    w = mg.tensor(1.0, requires_grad=True)

    def endless(stop):
        body = lambda i: mg.where(i < stop, i + 1, i * 1)  # noqa: E731
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
    assert "exp" in source and "exp" not in inside(source)


def test_rows_and_carries_that_nobody_reads_are_not_computed():
    def two(x):
        body = lambda c, v: ((c[0] + v, c[1] * v.exp()), v.cos())  # noqa: E731
        return mg.scan(body, (x[0], x[0]), x)[0][0]

    source = source_of(two, ROWS)
    assert "exp" not in source and "cos" not in source and "empty((6" not in source


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
    w = mg.variable(np.zeros((3, 3)))
    x = mg.placeholder((5, 3), mg.float64)
    y = mg.scan(lambda h, v: ((h @ w + v).tanh(), None), np.zeros(3), x)[0]
    source = mg.compile([x], mg.gradients(y.sum(), w)).source
    assert any(
        line.strip().startswith("add(")
        and line.count(line.split("(")[1].split(",")[0]) > 1
        for line in source.splitlines()
    )


# --- lessons -----------------------------------------------------------------------------


def vectors(world, fn):
    return lambda: world(lambda x: fn(x))(mg.tensor([1.0, 2.0, 3.0]))


def grows(x):
    return mg.while_loop(
        lambda i, acc: i < 3, lambda i, acc: (i + 1, mg.cat([acc, acc])), (0, x)
    )


def widens(x):
    return mg.scan(lambda h, v: (h.double(), None), x, x)


def loses_one(x):
    return mg.while_loop(lambda i, acc: i < 3, lambda i, acc: i + 1, (0, x))


def no_pair(x):
    return mg.scan(lambda h, v: h + v, 0.0, x)


def uneven(x):
    return mg.scan(lambda h, v: (h, None), 0.0, (x, x[:2]))


def constant_condition(x):
    return mg.while_loop(lambda i: True, lambda i: i + 1, 0)


def no_condition(x):
    return mg.while_loop(lambda i: None, lambda i: i + 1, 0)


def vector_condition(x):
    return mg.while_loop(lambda y: y > 0, lambda y: y - 1, x)


def number_condition(x):
    return mg.cond(x.sum(), lambda: x, lambda: x)


def nothing_returned(x):
    return mg.cond(x.sum() > 0, lambda: None, lambda: None)


def calls_backward(x):
    w = mg.tensor(1.0, requires_grad=True)

    def body(h, v):
        loss = (w * v).sum()
        loss.backward()
        return h + loss, None

    return mg.scan(body, 0.0, x)


LESSONS = [
    (grows, ShapeError, "the loop variable acc changes its shape"),
    (widens, DTypeError, "the loop variable h changes its dtype"),
    (loses_one, GraphError, "carries of another structure"),
    (no_pair, GraphError, "must return a pair"),
    (uneven, ShapeError, "how many rows"),
    (constant_condition, GraphError, "this one would never change"),
    (no_condition, GraphError, "must be one bool"),
    (vector_condition, GraphError, r"got .*\(3,\) bool"),
    (number_condition, GraphError, "must be one bool"),
    (nothing_returned, GraphError, "a branch returned None"),
    (calls_backward, GradError, "inside the body of scan"),
]


@WORLDS
@pytest.mark.parametrize(
    "fn, kind, text", LESSONS, ids=[x[0].__name__ for x in LESSONS]
)
def test_a_mistake_is_explained_at_the_users_line(world, fn, kind, text):
    with pytest.raises(kind, match=text) as caught:
        vectors(world, fn)()
    assert "test_control.py" in str(caught.value)
    assert "expected" in str(caught.value) and "got" in str(caught.value)


@pytest.mark.parametrize(
    "other, kind",
    [
        (lambda x: x.sum(), ShapeError),
        (lambda x: x > 0, DTypeError),
        (lambda x: (x,), GraphError),
    ],
)
def test_branches_must_return_alike(other, kind):
    with pytest.raises(kind, match="the branches return different"):
        mg.jit(lambda x: mg.cond(x.sum() > 0, lambda: x, lambda: other(x)))(mg.ones(3))


@WORLDS
def test_a_body_may_not_write_to_what_is_outside(world):
    seen = mg.zeros(3)

    def into(key):
        def body(h, v):
            seen[key] = v
            return h, None

        return body

    writes = [
        lambda h, v: (seen.add_(1).sum() + h, None), into(0), into(slice(0, 2)),
        lambda h, v: (h.add_(v), None), lambda h, v: (v.mul_(2) + h, None),
    ]  # fmt: skip
    for body in writes:
        with pytest.raises(
            GraphError, match="writes to a tensor that was not made in it"
        ):
            world(lambda x: mg.scan(body, 0.0, x))(mg.ones(4))
    assert seen.tolist() == [0, 0, 0]


@WORLDS
def test_a_body_may_write_to_what_it_made(world):
    def body(h, v):
        pair = mg.zeros(2)
        pair[0] = v
        pair.add_(h)
        return h + pair.sum(), pair

    h, pairs = world(lambda x: mg.scan(body, 0.0, x))(mg.tensor([1.0, 2.0]))
    assert h.item() == 5.0 and pairs.tolist() == [[1, 0], [3, 1]]


def test_values_may_not_leak_out_of_a_body():
    kept = []

    def body(h, v):
        kept.append(h * 2)
        return h + v, None

    with pytest.raises(
        GraphError, match="scan: a tensor made inside the function outlives"
    ):
        mg.jit(lambda x: mg.scan(body, 0.0, x))(mg.ones(3))
    kept.clear()
    x = mg.placeholder((3,))
    total = mg.scan(body, mg.constant(np.float32(0)), x)[0]
    with pytest.raises(GraphError, match="used outside of it"):
        mg.compile([x], total + kept[0])
    again = mg.scan(lambda h, v: (h + kept[0], None), mg.constant(np.float32(0)), x)[0]
    with pytest.raises(GraphError, match="used outside of it"):
        mg.compile([x], again)


def test_a_value_of_an_inner_body_may_not_leak_into_the_outer():
    x = mg.placeholder((3,))

    def outer(h, v):
        kept = []
        mg.scan(lambda g, u: (g + u, kept.append(g)), h, x)
        return h + kept[0], None

    with pytest.raises(GraphError, match="used outside of it"):
        mg.scan(outer, mg.constant(np.float32(0)), x)


def test_a_failed_body_leaves_the_mode_as_it_was():
    w = mg.tensor(1.0, requires_grad=True)
    for world in (eager, mg.jit):
        with pytest.raises(ZeroDivisionError):
            world(lambda: mg.scan(lambda h, _: (h * w, 1 // 0), 1.0, None, length=3))()
        (w * 2).backward()
        assert w.grad.item() == 2.0
        w.grad = None


def test_counting_and_profiling_see_into_an_eager_loop():
    with mg.count_ops() as counted:
        mg.scan(lambda h, v: (h * v, None), 1.0, mg.ones(5))
    assert counted.by_name["mul"] == 5
