"""jit: the eager step, traced once, equal to the eager step."""

import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GradError, GraphError

pytestmark = pytest.mark.filterwarnings("ignore::minigrad.errors.RetraceNotice")


def adam_like():
    """A step with weight decay, in-place state, a 0-d counter, and overlapping views."""
    mg.manual_seed(1)
    w, b = mg.randn(20, 5, requires_grad=True), mg.zeros(5, requires_grad=True)
    m = [mg.zeros_like(w), mg.zeros_like(b)]
    v = [mg.zeros_like(w), mg.zeros_like(b)]
    t = mg.zeros(())

    def step(x, y):
        loss = ((x.mm(w) + b).tanh() - y).pow(2).mean()
        loss.backward()
        with mg.no_grad():
            t.add_(1)
            for p, mean, var in zip((w, b), m, v, strict=True):
                g = p.grad + 0.01 * p
                mean.mul_(0.9).add_(0.1 * g)
                var.mul_(0.999).add_(0.001 * g * g)
                unbiased = var / (1 - 0.999**t)
                p -= 0.01 * (mean / (1 - 0.9**t)) / (unbiased.sqrt() + 1e-8)
                p.grad = None
            w[0].mul_(0.5)
            w[:, 1].add_(1e-3)
            w[0, 1].mul_(2)
        return loss

    return step, [w, b, *m, *v, t]


def test_an_adam_like_step_equals_eager_to_the_last_bit_over_100_steps():
    eager, eager_state = adam_like()
    step, jit_state = adam_like()
    traced = mg.jit(step, target="interpreter")
    for _ in range(100):
        x, y = mg.randn(8, 20), mg.randn(8, 5)
        assert eager(x, y).item() == traced(x, y).item()
    for a, b in zip(eager_state, jit_state, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    assert traced.traces == 1


def test_side_effects_run_once_per_trace():
    ran = []

    @mg.jit
    def f(x):
        ran.append(x.shape)
        return x * 2

    for _ in range(5):
        assert f(mg.ones(2)).tolist() == [2, 2]
    f(mg.ones(3))
    f(mg.ones(3))
    assert ran == [(2,), (3,)]
    assert f.traces == 2


def test_python_values_are_constants_and_retrace():
    f = mg.jit(lambda x, k: x * k)
    assert [f(mg.ones(1), k).item() for k in (2, 3, 2)] == [2, 3, 2]
    assert f.traces == 2


def test_structures_go_in_and_come_out():
    f = mg.jit(lambda d, pair: {"sum": d["a"] + pair[0], "k": [pair[1], 7, None]})
    out = f({"a": mg.ones(1)}, (mg.ones(1), np.zeros(1, np.float32)))
    assert out["sum"].item() == 2
    assert out["k"][0].tolist() == [0]
    assert out["k"][1:] == [7, None]


def test_grad_is_none_after_a_jitted_step():
    w = mg.ones(2, requires_grad=True)

    @mg.jit
    def step(x):
        loss = (w * x).sum()
        loss.backward()
        with mg.no_grad():
            w.sub_(w.grad)
        return loss

    for expected in (2, 0):
        assert step(mg.ones(2)).item() == expected
        assert w.grad is None
    assert w.is_leaf
    assert w.requires_grad


def test_gradients_are_kept_on_request():
    w, v = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)

    def step(x):
        w.grad = v.grad = None
        (w * x * v).sum().backward()

    kept = mg.jit(step, keep_grads=True)
    for value in (2.0, 3.0):
        kept(mg.full(2, value))
        assert w.grad.tolist() == v.grad.tolist() == [value, value]
    assert kept.traces == 1
    mg.jit(step)(mg.ones(2))
    assert w.grad is None


def test_a_gradient_from_before_is_state_and_accumulates():
    w = mg.ones(2, requires_grad=True)
    (w * 3).sum().backward()

    @mg.jit
    def more():
        (w * 2).sum().backward()

    more()
    more()
    assert w.grad.tolist() == [7, 7]
    assert more.traces == 1
    w.grad = None
    more()
    assert w.grad is None
    assert more.traces == 2


def test_writing_an_argument_in_place_reaches_the_callers_tensor():
    f = mg.jit(lambda x: x.mul_(2).sum())
    x = mg.ones(3)
    assert f(x).item() == 6
    assert x.tolist() == [2, 2, 2]
    assert f(x).item() == 12
    array = np.ones(3, np.float32)
    f(array)
    assert array.tolist() == [2, 2, 2]


@pytest.mark.parametrize("kind", [mg.Tensor.detach, mg.nn.Parameter])
def test_an_argument_that_is_also_closure_state_is_that_state(kind):
    w, other = kind(mg.ones(2)), kind(mg.zeros(2))

    @mg.no_grad()
    def f(x):
        w.add_(1)
        return x * 1

    traced = mg.jit(f)
    assert traced(w).tolist() == [2, 2]
    assert w.tolist() == [2, 2]
    assert traced(other).tolist() == [0, 0]
    assert w.tolist() == [3, 3]
    assert traced(w).tolist() == [4, 4]
    traced = mg.jit(f)
    assert traced(other).tolist() == [0, 0]
    assert traced(w).tolist() == [6, 6]


def test_two_arguments_that_share_memory_stay_shared():
    def f(a, b):
        a.add_(1)
        return b * 1

    x = mg.zeros(2)
    assert mg.jit(f)(x, x).tolist() == [1, 1]
    y = mg.zeros(2)
    assert mg.jit(f)(y[:1], y).tolist() == [1, 0]
    assert y.tolist() == [1, 0]


def test_state_is_read_anew_at_every_call():
    w = mg.ones(2)
    f = mg.jit(lambda: w * 2)
    assert f().tolist() == [2, 2]
    w.fill_(5)
    assert f().tolist() == [10, 10]


def test_returning_state_and_views_of_it():
    w = mg.zeros(2, 2)

    @mg.jit
    def f():
        w[0].add_(1)
        return w, w[0], w.T

    whole, row, turned = f()
    assert whole is w
    assert row.tolist() == [1, 1]
    assert turned.tolist() == [[1, 0], [1, 0]]


def test_an_exception_in_mid_trace_leaves_everything_as_it_was():
    w = mg.ones(2, requires_grad=True)

    @mg.jit
    def step():
        (w * 2).sum().backward()
        with mg.no_grad():
            w.sub_(w.grad)
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        step()
    assert w.tolist() == [1, 1]
    assert w.grad is None
    assert w.cell.version == 0
    (w * 2).sum().backward()
    assert w.grad.tolist() == [2, 2]


def test_a_tensor_that_leaks_out_is_an_error():
    kept = []
    f = mg.jit(lambda x: kept.append(x * 2))
    with pytest.raises(GraphError, match="outlives"):
        f(mg.ones(1))


def test_state_may_not_carry_a_tape_out():
    h, w = mg.ones(2), mg.ones(2, requires_grad=True)

    @mg.jit
    def f():
        h.mul_(w)

    with pytest.raises(GradError, match="carries a tape"):
        f()
    assert h.tolist() == [1, 1]
    assert not h.requires_grad


def test_a_tape_from_before_the_trace_is_refused():
    w = mg.ones(2, requires_grad=True)
    y = w * 2
    with pytest.raises(GraphError, match="brings a tape"):
        mg.jit(lambda: y.sum())()
    with pytest.raises(GraphError, match="brings a tape"):
        mg.jit(lambda x: x.sum())(y)
    assert mg.jit(lambda: w[0] * 2)().item() == 2


@pytest.mark.parametrize(
    "use", [bool, float, int, lambda x: x.item(), np.asarray, lambda x: x.tolist()]
)
def test_a_traced_tensor_is_not_a_number(use):
    with pytest.raises(GraphError, match="no number yet"):
        mg.jit(lambda x: use(x.sum()))(mg.ones(2))


def test_a_jit_inside_a_jit_is_inlined():
    inner = mg.jit(lambda x: x * 2)
    outer = mg.jit(lambda x: inner(x) + 1)
    assert outer(mg.ones(1)).item() == 3
    assert (inner.traces, outer.traces) == (0, 1)


def test_jit_under_no_grad_is_another_trace():
    w = mg.ones(2, requires_grad=True)
    f = mg.jit(lambda x: (w * x).requires_grad)
    assert f(mg.ones(2)) is True
    with mg.no_grad():
        assert f(mg.ones(2)) is False


def test_second_order_inside_jit():
    def f(x):
        (g,) = mg.autograd.grad((x**3).sum(), x, create_graph=True)
        return mg.autograd.grad((g * g).sum(), x)[0]

    x = mg.tensor([1.0, 2.0], requires_grad=True)
    np.testing.assert_allclose(mg.jit(f)(x).numpy(), f(x).numpy())


def test_saved_values_overwritten_inside_a_trace_are_caught_as_in_eager():
    def f(x):
        y = (x * 1).exp()
        y.mul_(2)
        y.sum().backward()

    for run in (f, mg.jit(f)):
        with pytest.raises(GradError, match="changed in place"):
            run(mg.ones(2, requires_grad=True))


def test_creation_inside_a_trace_gives_fresh_tensors_each_call():
    @mg.jit
    def f(x):
        total = mg.zeros(2)
        total[0] = x
        total += 1
        return total

    assert f(mg.tensor(3.0)).tolist() == [4, 1]
    assert f(mg.tensor(5.0)).tolist() == [6, 1]


def test_compile_of_a_function_is_jit_and_methods_can_be_jitted():
    class Model:
        def __init__(self):
            self.w = mg.ones(2)

        @mg.jit
        def __call__(self, x):
            return self.w * x

    a, b = Model(), Model()
    b.w.fill_(3)
    assert (a(mg.ones(2)).tolist(), b(mg.ones(2)).tolist()) == ([1, 1], [3, 3])
    assert mg.compile(lambda x: x + 1)(mg.ones(1)).item() == 2


def test_a_traced_function_does_not_keep_the_traced_tensors_alive():
    gc.collect()
    seen = []
    f = mg.jit(lambda x: seen.append(weakref.ref(x)))
    f(mg.ones(2))
    assert seen[0]() is None


def test_calls_like_the_last_one_are_told_from_those_that_only_look_like_it():
    """Plain tensors take a short way; whatever differs must still be seen."""
    w = mg.ones(2, requires_grad=True)

    @mg.jit
    def f(x, y):
        return x * y + w, x.requires_grad, mg.is_grad_enabled()

    def both(x, y):
        y1, *facts = f(x, y)
        y2, *expected = f.fn(x, y)
        assert y1.tolist() == y2.tolist()
        assert facts == expected
        return f.traces

    a, b = mg.ones(2), mg.full((2,), 3.0)
    assert both(a, b) == both(b, a) == both(mg.ones(2), b) == 1
    assert both(a, a) == 2  # shared memory
    assert both(a, b) == 2
    assert both(mg.ones(4)[::2], b) == 2  # a view of something that has no gradient
    view = mg.ones(4)
    part = view[1:3]
    assert both(part, b) == 2
    leaf = mg.ones(2, requires_grad=True)
    view[1:3] = leaf * 2  # now the part is on the tape
    with pytest.raises(GraphError, match="tape"):
        f(part, b)
    assert both(leaf, b) == 4  # the refused call counts
    assert both(mg.ones(2, dtype=mg.float64), b) == 5
    assert both(mg.ones(1), b) == 6
    assert both(w.detach(), b) > 6  # what the function reads itself
    traces = f.traces
    assert both(a, b) == traces
    with mg.no_grad():
        assert both(a, b) == traces + 1
    assert both(a, b) == traces + 1
    with pytest.raises(TypeError):
        f(a)
