"""What jit promises, rule by rule; test_jit.py holds what it is for."""

import re
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GradError, GraphError, RetraceNotice

# What is traced again here is meant to be; the notices have tests of their own.
pytestmark = pytest.mark.filterwarnings("ignore::minigrad.errors.RetraceNotice")


def both(make, *calls):
    """What the eager and the jitted twin of a step return, call by call, and their state.

    `make()` gives a fresh step and a list of the tensors it works on.
    """
    ends = []
    for wrap in (lambda f: f, mg.jit):
        step, state = make()
        step = wrap(step)
        results = [step(*args).detach().numpy() for args in calls]
        ends.append([*results, *(t.detach().numpy() for t in state)])
    for eager, jitted in zip(*ends, strict=True):
        np.testing.assert_array_equal(eager, jitted)


# --- state ---------------------------------------------------------------------------------


def test_state_written_through_overlapping_views():
    def make():
        w = mg.arange(12.0).reshape(3, 4)

        def step(x):
            w[0].add_(x)
            w.T[1].mul_(2)
            w[1:][:, ::2].sub_(w[:2, ::2])
            w.diagonal().fill_(1)
            return w.sum() + w[0, 1]

        return step, [w]

    both(make, (1.0,), (2.0,), (1.0,))


def test_one_weight_in_two_places_gets_the_sum_of_both_gradients():
    def make():
        w = mg.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)

        def step(x):
            loss = ((x @ w).tanh() @ w).pow(2).sum()
            loss.backward()
            with mg.no_grad():
                w.sub_(0.01 * w.grad)
            w.grad = None
            return loss

        return step, [w]

    both(make, (mg.ones(3, 2),), (mg.full((3, 2), 0.5),))


def test_two_functions_that_share_a_layer_see_each_others_updates():
    def make():
        shared, a, b = (mg.full((2,), v, requires_grad=True) for v in (1.0, 2.0, 3.0))

        def step_of(head):
            def step(x):
                ((shared * x * head).sum() ** 2).backward()
                with mg.no_grad():
                    for p in (shared, head):
                        p -= 0.01 * p.grad
                        p.grad = None
                return shared * 1

            return step

        one, two = step_of(a), step_of(b)
        return (one, two), [shared, a, b]

    ends = []
    for wrap in (lambda f: f, mg.jit):
        (one, two), state = make()
        one, two = wrap(one), wrap(two)
        for _ in range(3):
            one(mg.ones(2))
            two(mg.ones(2))
        ends.append([t.tolist() for t in state])
    assert ends[0] == ends[1]


def test_two_backward_calls_add_up():
    def make():
        w = mg.tensor([1.0, 2.0], requires_grad=True)

        def step(x):
            w.grad = None
            (w * x).sum().backward()
            (w * w).sum().backward()
            with mg.no_grad():
                w.sub_(0.1 * w.grad)
            return w.grad * 1

        return step, [w]

    both(make, (mg.ones(2),), (mg.ones(2),))


def test_state_whose_memory_is_replaced_is_traced_again():
    w = mg.ones(2)
    f = mg.jit(lambda: w * 2)
    f()
    w.data = mg.full((2,), 5.0)
    with pytest.warns(RetraceNotice, match=r"w has other memory \(x.data = y\)"):
        assert f().tolist() == [10, 10]


# --- arguments -----------------------------------------------------------------------------


def test_writes_into_views_of_arguments_reach_the_caller():
    def f(x):
        x[0].mul_(3)
        x += 1
        return x[1] * 1

    for run in (f, mg.jit(f)):
        x = mg.ones(2, 2)
        assert run(x).tolist() == [2, 2]
        assert x.tolist() == [[4, 4], [2, 2]]
        assert run(x.T).tolist() == [5, 3]
        assert x.tolist() == [[13, 5], [7, 3]]


def test_an_argument_is_checked_before_anything_is_written():
    count = mg.zeros(())

    @mg.jit
    def f(x):
        count.add_(1)
        x.add_(1)

    f(mg.ones(3))
    with pytest.raises(GraphError, match=r"cannot be written(.*\n)*.*x.clone"):
        f(mg.ones(1).expand(3))
    assert count.item() == 1


def test_state_passed_as_an_argument_later_is_that_state():
    def make():
        w = mg.ones(2)

        def f(x):
            w.add_(1)
            return x * 1

        return f, w

    ends = []
    for wrap in (lambda f: f, mg.jit):
        f, w = make()
        f = wrap(f)
        with warnings.catch_warnings(record=True):
            ends.append(
                [f(x).tolist() for x in (mg.zeros(2), w, w[:1], mg.zeros(2), w)]
            )
    assert ends[0] == ends[1]


def test_a_tape_on_a_later_argument_is_refused_too():
    f = mg.jit(lambda x: x * 2)
    f(mg.ones(2))
    w = mg.ones(2, requires_grad=True)
    with pytest.raises(GraphError, match="brings a tape"):
        f(w * 1)
    with mg.no_grad(), pytest.warns(RetraceNotice):
        assert f(w * 1).tolist() == [2, 2]


def test_gradients_of_arguments_are_kept_on_request():
    def f(x):
        (x * x).sum().backward()

    x = mg.tensor([1.0, 2.0], requires_grad=True)
    plain = mg.jit(f)
    plain(x)
    assert x.grad is None
    kept = mg.jit(f, keep_grads=True)
    kept(x)
    assert x.grad.tolist() == [2, 4]
    with pytest.raises(GraphError, match="has one already"):
        kept(x)
    plain(x)
    assert x.grad.tolist() == [2, 4]


# --- results -------------------------------------------------------------------------------


def test_results_are_detached_and_own_their_memory():
    w = mg.ones(2, 2, requires_grad=True)
    f = mg.jit(lambda x: (w * x, w[0], x, (w * x).T))
    x = mg.ones(2)
    product, row, argument, turned = f(x)
    assert not any(t.requires_grad for t in (product, row, turned))
    assert argument is x
    again = f(x)
    again[0].zero_()
    assert product.tolist() == [[1, 1], [1, 1]]
    assert row.tolist() == [1, 1]


def test_a_result_that_comes_twice_and_one_that_is_a_constant():
    f = mg.jit(lambda x: [y := x + 1, y, mg.ones(1)])
    a, b, c = f(mg.ones(1))
    assert (a.item(), b.item(), c.item()) == (2, 2, 1)
    c.zero_()
    assert f(mg.ones(1))[2].item() == 1


def test_an_exception_in_mid_trace_leaves_no_mark_and_the_next_call_works():
    w = mg.ones(2, requires_grad=True)
    (w * 2).sum().backward()
    grad, fail = w.grad, [True]

    @mg.jit
    def step(x):
        x.add_(1)
        w.grad = None
        (w * x).sum().backward()
        with mg.no_grad():
            w.sub_(w.grad)
            w[0] = 7
        if fail:
            raise KeyError("on purpose")
        return w.sum()

    x = mg.ones(2)
    with pytest.raises(KeyError):
        step(x)
    assert (w.tolist(), x.tolist()) == ([1, 1], [1, 1])
    assert w.grad is grad
    assert grad.tolist() == [2, 2]
    assert (w.cell.version, x.cell.version) == (0, 0)
    assert mg.ops.op.MODE.get().trace is None
    fail.clear()
    with warnings.catch_warnings(record=True):
        assert step(x).item() == 6


def test_a_tensor_that_leaks_into_an_object_is_named():
    class Model:
        pass

    model = Model()

    @mg.jit
    def f(x):
        model.hidden = x * 2  # leaks
        return model.hidden.sum()

    with pytest.raises(GraphError, match=r"outlives it(.*\n)*.*# leaks"):
        f(mg.ones(2))


# --- modes ---------------------------------------------------------------------------------


def test_no_grad_outside_and_inside():
    w = mg.ones(2, requires_grad=True)
    f = mg.jit(lambda x: (w * x).sum())
    with mg.no_grad():
        assert f(mg.ones(2)).item() == 2

    @mg.jit
    def g(x):
        with mg.no_grad():
            y = w * x
        return y, y.requires_grad

    assert g(mg.ones(2))[1] is False


def test_a_gradient_function_inside_jit_and_second_order():
    def hessian_row(x):
        (g,) = mg.autograd.grad((x**3).sum() + x.prod(), x, create_graph=True)
        return mg.autograd.grad(g[0], x)[0]

    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    np.testing.assert_allclose(mg.jit(hessian_row)(x).numpy(), [6, 3, 2])
    np.testing.assert_allclose(hessian_row(x).numpy(), [6, 3, 2])


def test_a_jit_inside_a_jit_shares_its_state():
    total = mg.zeros(())

    @mg.jit
    def inner(x):
        total.add_(x.sum())
        return total * 1

    @mg.jit
    def outer(x):
        return inner(x) + inner(x)

    assert outer(mg.ones(2)).item() == 6
    assert inner(mg.ones(2)).item() == 6
    assert (outer.traces, inner.traces) == (1, 1)


# --- Python inside -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "remedy"),
    [
        (lambda x: 1 if x.sum() > 0 else 2, r"mg.where.*mg.cond"),
        (lambda x: float(x.sum()), "mg.print_node"),
        (lambda x: int(x.sum()), "mg.print_node"),
        (lambda x: x.sum().item(), "return it"),
        (lambda x: x.tolist(), "return it"),
        (lambda x: x.numpy(), "return it"),
        (np.asarray, "return it"),
        (lambda x: range(x.sum().long()), "return it"),
        (lambda x: f"{x.sum():.2f}", "return it"),
    ],
)
def test_a_symbol_is_not_a_number_and_the_remedy_fits(use, remedy):
    with pytest.raises(GraphError) as caught:
        mg.jit(use)(mg.ones(2))
    lesson, _, _ = str(caught.value).partition("\n  at ")  # a line that has it too
    assert re.search(remedy, lesson)


def test_len_and_loops_over_known_sizes_are_unrolled():
    f = mg.jit(lambda x: sum(row * len(x) for row in x))
    assert f(mg.ones(3, 2)).tolist() == [9, 9]


def test_print_node_prints_at_every_call_in_order_and_passes_gradients(capsys):
    w = mg.ones(2, requires_grad=True)

    @mg.jit
    def f(x):
        mg.print_node(x, "x")
        y = mg.print_node(w * x, "y")
        mg.print_node(x, "x")
        (g,) = mg.autograd.grad((y * y).sum(), w)
        return mg.print_node(g, "g")

    assert capsys.readouterr().out == ""
    for value in (1.0, 2.0):
        assert f(mg.full(2, value)).tolist() == [2 * value**2] * 2
        lines = [f"{n} tensor([{v}., {v}.])" for n, v in zip("xyx", [int(value)] * 3)]
        square = int(2 * value**2)
        out = capsys.readouterr().out
        assert out == "\n".join([*lines, f"g tensor([{square}., {square}.])", ""])
    assert f.traces == 1


# --- tracing again -------------------------------------------------------------------------


def notices(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(w.category is RetraceNotice for w in caught)
    assert all(w.filename == __file__ for w in caught)
    return [str(w.message) for w in caught]


def test_a_retrace_says_once_per_reason_what_changed():
    @mg.jit
    def step(x, rate=0.1):
        return x * rate

    assert notices(lambda: step(mg.ones(8, 4))) == []
    assert notices(lambda: step(mg.ones(8, 4))) == []
    assert notices(lambda: step(mg.ones(16, 4))) == [
        "jit: step was traced again (2 times now): argument x has shape (16, 4), "
        "before (8, 4)"
    ]
    assert notices(lambda: step(mg.ones(3, 4))) == []
    assert step.traces == 3


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ((1.0,), (2.0,), "argument x is 2.0, before 1.0"),
        ((1.0,), (mg.ones(1),), "argument x is a tensor, before of type float"),
        ((mg.ones(1),), (mg.ones(1).double(),), "has dtype float64, before float32"),
        ((mg.ones(1),), (mg.ones(1, requires_grad=True),), "x needs gradient now"),
        (([mg.ones(1)],), ([mg.ones(1)] * 2,), "nested or named differently"),
    ],
)
def test_what_changed_is_named(first, second, text):
    f = mg.jit(lambda x: x)
    f(*first)
    (said,) = notices(lambda: f(*second))
    assert said.endswith(text)


def test_arguments_that_come_to_share_memory_and_gradients_that_come_and_go():
    x, y = mg.ones(1), mg.ones(1)
    f = mg.jit(lambda a, b: a + b)
    f(x, y)
    assert "share memory" in notices(lambda: f(x, x))[0]
    w = mg.ones(1, requires_grad=True)
    g = mg.jit(lambda: None if w.grad is None else w.grad * 1)
    g()
    w.grad = mg.ones(1)
    assert ".grad of w is there now" in notices(g)[0]


def test_a_number_that_changes_at_every_call_gets_advice():
    @mg.jit
    def step(x, rate):
        return x * rate

    def run():
        for i in range(20):
            step(mg.ones(1), 0.1 * i)

    first, storm = notices(run)
    assert "argument rate is 0.1, before 0.0" in first
    assert "was traced 6 times" in storm
    assert "as a tensor: mg.tensor(rate)" in storm


def test_values_that_only_look_equal_are_told_apart():
    f = mg.jit(lambda x, k: x * k)
    zeros = [f(mg.ones(1), k).item() for k in (0.0, -0.0)]
    assert np.signbit(zeros).tolist() == [False, True]
    assert [f(mg.ones(1), float("nan")).isnan().item() for _ in range(3)] == [True] * 3
    assert f(mg.ones(1), True).item() == f(mg.ones(1), 1).item() == 1
    assert f.traces == 5


def test_objects_without_a_hash_are_told_apart_by_who_they_are():
    class Box:
        __hash__ = None

        def __init__(self, value):
            self.value = value

    f = mg.jit(lambda x, box: x * box.value)
    assert [f(mg.ones(1), Box(i)).item() for i in range(10)] == list(range(10))
    box = Box(3)
    assert f(mg.ones(1), box).item() == f(mg.ones(1), box).item() == 3
    assert f.traces == 11


def test_numbers_in_tensors_do_not_retrace():
    step = mg.jit(lambda x, rate: x * rate)
    for i in range(5):
        assert step(mg.ones(1), mg.tensor(float(i))).item() == i
    assert step.traces == 1


def test_a_tape_may_not_leave_with_state():
    h, w = mg.ones(2), mg.ones(2, requires_grad=True)
    with pytest.raises(GradError, match="carries a tape"):
        mg.jit(lambda: h.copy_(w * 2))()
