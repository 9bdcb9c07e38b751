"""What the tape promises: gradients, their ownership, memory, and errors that teach."""

import gc
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.autodiff import Part
from minigrad.errors import DTypeError, GradError, ShapeError


def leaf(*values, dtype="float64"):
    return mg.tensor(np.array(values, dtype), requires_grad=True)


def shows(tensor, *values):
    np.testing.assert_array_equal(tensor.detach().numpy(), np.array(values))


# --- backward ----------------------------------------------------------------------------


def test_a_gradient_has_its_leaf_s_shape_and_dtype():
    w, b = mg.ones(3, 2, requires_grad=True), mg.ones(2, requires_grad=True)
    x = mg.tensor(np.ones((4, 3), np.float32))
    (x @ w + b).sum().backward()
    assert (w.grad.shape, w.grad.dtype) == ((3, 2), np.float32)
    shows(b.grad, 4, 4)


def test_a_float32_leaf_in_a_float64_sum_gets_a_float32_gradient():
    narrow, wide = leaf(1.0, 2.0, dtype="float32"), leaf(3.0, 4.0)
    (narrow * wide).sum().backward()
    assert (narrow.grad.dtype, wide.grad.dtype) == (np.float32, np.float64)


def test_backward_adds_to_the_gradient_that_is_there_and_keeps_the_tensor():
    x = leaf(1.0, 2.0)
    (x * 3).sum().backward()
    first = x.grad
    (x * 4).sum().backward()
    assert x.grad is first
    shows(x.grad, 7, 7)


def test_a_gradient_of_None_is_where_nothing_arrived():
    x, unused = leaf(1.0), leaf(1.0)
    (x * 2).sum().backward()
    assert unused.grad is None


def test_interior_tensors_get_no_grad():
    x = leaf(1.0)
    y = x * 2
    y.sum().backward()
    assert y.grad is None


def test_a_0d_gradient_stays_an_array():
    x = mg.tensor(3.0, requires_grad=True)
    (x * x).backward()
    assert type(x.grad.numpy()) is np.ndarray
    assert x.grad.shape == ()
    assert x.grad.item() == 6


def test_backward_twice_names_retain_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GradError, match="retain_graph=True") as caught:
        y.backward()
    assert "a second time" in str(caught.value)
    shows(x.grad, 2, 4)


def test_backward_twice_works_with_retain_graph():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    shows(x.grad, 4, 8)


def test_backward_of_sums_works_twice_because_nothing_was_saved():
    x = leaf(1.0, 2.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    shows(x.grad, 2, 2)


def test_backward_of_a_non_scalar_asks_for_one():
    x = leaf(1.0, 2.0)
    with pytest.raises(GradError, match="not a scalar") as caught:
        (x * 2).backward()
    assert "gradient=" in str(caught.value)
    assert x.grad is None


def test_backward_takes_the_cotangent_of_a_non_scalar():
    x = leaf(1.0, 2.0)
    (x * 2).backward(mg.tensor(np.array([10.0, 100.0])))
    shows(x.grad, 20, 200)


def test_a_cotangent_of_another_shape_is_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(ShapeError, match="another shape"):
        (x * 2).backward(mg.ones(3))


def test_backward_where_nothing_requires_a_gradient_says_so():
    with pytest.raises(GradError, match="requires_grad=True"):
        mg.ones(2).sum().backward()


def test_a_leaf_s_own_backward_gives_it_ones():
    x = mg.tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1


def test_only_floats_can_require_a_gradient():
    with pytest.raises(GradError, match="float"):
        mg.tensor([1, 2]).requires_grad_()


# --- long chains and many paths ----------------------------------------------------------


@pytest.fixture
def shallow_stack():
    """Recursion of any depth worth naming fails."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    yield
    sys.setrecursionlimit(limit)


def test_a_chain_of_100_000_ops_neither_recurses_nor_overflows(shallow_stack):
    x = mg.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1
    record = weakref.ref(y)
    del y
    assert record() is None


def test_a_chain_of_20_000_in_place_ops_neither_recurses_nor_overflows(shallow_stack):
    x = mg.tensor(1.0, requires_grad=True)
    y = x * 1
    for _ in range(20_000):
        y.add_(1.0)
    y.backward()
    assert x.grad.item() == 1
    del y


def test_a_long_chain_can_be_dropped_without_backward(shallow_stack):
    y = mg.tensor(1.0, requires_grad=True)
    for _ in range(100_000):
        y = y * 1.0
    del y


def test_a_view_of_a_view_of_a_view_does_not_recurse(shallow_stack):
    x = leaf(1.0, 2.0)
    base = x * 2
    view = base
    for _ in range(2_000):
        view = view[:]
    base.mul_(3)  # so that every view is behind
    view.sum().backward()
    shows(x.grad, 6, 6)


def test_higher_order_through_a_long_chain_does_not_recurse(shallow_stack):
    x = mg.tensor(1.0, requires_grad=True)
    y = x * x
    for _ in range(2_000):
        y = y * 1.0
    (dy,) = mg.autograd.grad(y, x, create_graph=True)
    (ddy,) = mg.autograd.grad(dy, x)
    assert ddy.item() == 2


def test_each_record_is_visited_once_however_many_paths_lead_to_it():
    x = mg.tensor(1.0, dtype="float64", requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_many_paths_through_products():
    x = mg.tensor(1.0, dtype="float64", requires_grad=True)
    y = x
    for _ in range(20):
        y = y * y
    y.backward()
    assert x.grad.item() == 2.0**20


# --- memory ------------------------------------------------------------------------------


@pytest.fixture
def no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def train(steps, w, b, m):
    x = mg.tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))
    for _ in range(steps):
        h = x @ w + b
        h[0].mul_(0.5)
        loss = ((h.relu() - 1) ** 2).mean()
        w.grad = b.grad = None
        loss.backward()
        with mg.no_grad():
            m.mul_(0.9).add_(w.grad)
            w -= 0.1 * m
            b.sub_(0.1 * b.grad)


def weights():
    w = mg.tensor(np.full((3, 2), 0.1, np.float32), requires_grad=True)
    return w, mg.zeros(2, requires_grad=True), mg.zeros(3, 2)


def check_no_growth(steps):
    state = weights()
    train(5, *state)
    before = len(gc.get_objects())
    train(steps, *state)
    assert len(gc.get_objects()) - before < 50
    assert gc.collect() == 0


def test_1_000_training_steps_leave_no_cycles_and_no_growth(no_gc):
    check_no_growth(1_000)


@pytest.mark.full
def test_10_000_training_steps_leave_no_cycles_and_no_growth(no_gc):
    check_no_growth(10_000)


def test_higher_order_steps_leave_no_cycles(no_gc):
    x = leaf(1.0, 2.0)

    def penalty():
        (g,) = mg.autograd.grad((x**3).sum(), x, create_graph=True)
        (g * g).sum().backward()
        x.grad = None

    penalty()
    before = len(gc.get_objects())
    for _ in range(200):
        penalty()
    assert len(gc.get_objects()) - before < 50


def test_an_interior_tensor_dies_when_the_program_forgets_it(no_gc):
    x = leaf(1.0, 2.0)
    y = x * 2
    gone = weakref.ref(y)
    z = y.tanh()
    del y
    assert gone() is None
    z.sum().backward()
    assert x.grad is not None


def test_sums_keep_no_values_alive(no_gc):
    x = leaf(1.0, 2.0)
    y = x * 2
    cell = weakref.ref(y.cell)
    z = y + 1
    del y
    assert cell() is None
    z.sum().backward()
    shows(x.grad, 2, 2)


def test_backward_frees_what_was_saved(no_gc):
    x = leaf(1.0, 2.0)
    y = x * 2
    cell = weakref.ref(y.cell)
    z = (y * y).sum()
    del y
    assert cell() is not None
    z.backward()
    assert cell() is None


def most_memory_of_backward(total):
    tracemalloc.start()
    try:
        total.backward()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_way_back_through_a_chain_multiplies_in_one_buffer():
    x = mg.tensor(np.linspace(-1, 1, 100_000, dtype=np.float32), requires_grad=True)
    y = x
    for _ in range(5):
        y = (y * 0.5 + 0.1).exp()
    total = y.sum()
    del y
    most = most_memory_of_backward(total)
    assert most < 1.5 * x.numel() * 4  # what is left is the gradient itself


def test_what_is_new_takes_up_what_came_before_and_is_not_ours_to_write():
    x = mg.tensor(np.ones(100_000, np.float32), requires_grad=True)
    most = most_memory_of_backward((x + x * 3).sum())
    assert most < 1.5 * x.numel() * 4
    assert (x.grad == 4).all()


def test_the_way_back_overwrites_nothing_that_somebody_else_holds():
    x = leaf(1.0, 2.0)
    h = x * 2
    y = (h + 1).exp()
    seed, kept = mg.ones(2, dtype="float64"), []
    h.register_hook(lambda g: kept.append(g))
    dy, dh, dx = mg.autograd.grad(y, [y, h, x], seed, retain_graph=True)
    np.testing.assert_array_equal(seed.numpy(), 1)
    np.testing.assert_array_equal(dy.numpy(), 1)
    np.testing.assert_allclose(dh.numpy(), y.detach().numpy())
    np.testing.assert_allclose(dx.numpy(), 2 * y.detach().numpy())
    y.retain_grad()
    y.backward(seed, retain_graph=True)
    y.backward(seed)
    np.testing.assert_array_equal(y.grad.numpy(), 2)
    np.testing.assert_allclose(x.grad.numpy(), 4 * y.detach().numpy())
    for g in kept:
        np.testing.assert_allclose(g.numpy(), y.detach().numpy())


# --- writes through views ----------------------------------------------------------------


def test_a_write_through_a_view_changes_the_gradient_of_its_part_only():
    x = leaf(1.0, 1.0, 1.0)
    y = x * 2
    y[0].mul_(3)
    y.sum().backward()
    shows(y, 6, 2, 2)
    shows(x.grad, 6, 2, 2)


def test_a_write_into_the_base_reaches_a_view_made_before():
    x = leaf(1.0, 2.0)
    y = x * 2
    view = y[1:]
    y.mul_(5)
    view.sum().backward()
    shows(view, 20)
    shows(x.grad, 0, 10)


def test_a_write_through_one_view_reaches_an_overlapping_one():
    x = leaf(1.0, 1.0, 1.0)
    y = x * 1
    left, right = y[:2], y[1:]
    left.mul_(10)
    (right * right).sum().backward()
    shows(right, 10, 1)
    shows(x.grad, 0, 200, 2)


def test_a_chain_of_views_is_written_to_the_root():
    x = mg.tensor(np.ones((2, 3)), requires_grad=True)
    y = x * 1
    y.T[1][0] = 7
    y.sum().backward()
    shows(y, [1, 7, 1], [1, 1, 1])
    shows(x.grad, [1, 0, 1], [1, 1, 1])


def test_an_assigned_value_gets_the_gradient_of_its_place():
    x, v = leaf(1.0, 2.0, 3.0), mg.tensor(5.0, dtype="float64", requires_grad=True)
    y = x * 1
    y[1] = v
    (y * y).sum().backward()
    shows(x.grad, 2, 0, 6)
    assert v.grad.item() == 10


def test_an_assigned_value_is_broadcast_and_its_gradient_summed():
    v = mg.tensor(2.0, dtype="float64", requires_grad=True)
    y = mg.zeros(2, 3, dtype="float64")
    y[:, 1:] = v
    (y * 3).sum().backward()
    assert v.grad.item() == 12


def test_a_tensor_without_tape_gets_one_by_a_write():
    x, y = leaf(1.0, 2.0), mg.zeros(2, dtype="float64")
    y.copy_(x * 3)
    assert y.requires_grad
    y.sum().backward()
    shows(x.grad, 3, 3)


def test_copy_from_a_tensor_cuts_what_was_there():
    x, z = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 2
    y.copy_(z)
    y.sum().backward()
    assert x.grad is None or not x.grad.numpy().any()
    shows(z.grad, 1, 1)


def test_filling_row_by_row_gives_each_row_its_gradient():
    x = leaf(1.0, 2.0)
    rows = mg.zeros(50, 2, dtype="float64")
    for i in range(50):
        rows[i] = x * i
    rows.sum().backward()
    shows(x.grad, 1225, 1225)


def test_a_masked_write_stops_the_gradient_where_it_wrote():
    x = leaf(-1.0, 2.0, -3.0)
    y = x * 2
    y[y < 0] = 0
    y.sum().backward()
    shows(x.grad, 0, 2, 0)


def test_in_place_ops_save_the_operand_they_overwrite():
    x = leaf(2.0, 3.0)
    y = x * 1
    y.square_()  # its rule names the input that is gone
    y.tanh_()  # its rule names the output
    y.sum().backward()
    slope = 1 - np.tanh(np.array([4.0, 9.0])) ** 2
    np.testing.assert_allclose(x.grad.numpy(), slope * np.array([4.0, 6.0]))


def test_a_value_times_itself_in_place():
    x = leaf(2.0, 3.0)
    y = x * 1
    y.mul_(y)
    y.sum().backward()
    shows(x.grad, 4, 6)


# --- refusals ----------------------------------------------------------------------------


def test_a_leaf_that_requires_grad_is_not_written_in_place():
    x = leaf(1.0, 2.0)
    with pytest.raises(GradError, match="no_grad"):
        x.mul_(2)
    with pytest.raises(GradError, match="a view of a leaf"):
        x[0] = 5
    shows(x, 1, 2)


def test_a_leaf_is_written_under_no_grad():
    x = leaf(1.0, 2.0)
    with mg.no_grad():
        x[0] = 5
        x -= 1
    shows(x, 4, 1)
    assert x.is_leaf
    assert x.requires_grad


def test_an_overwritten_value_is_caught_and_both_lines_are_named():
    x, w = leaf(1.0, 2.0), mg.tensor(np.array([3.0, 4.0]))
    y = (x * w).sum()
    w.add_(1)
    with pytest.raises(GradError) as caught:
        y.backward()
    text = str(caught.value)
    assert "mul" in text.splitlines()[0]
    assert "test_tape.py" in text
    assert "w.add_(1)" in text
    assert x.grad is None


def test_an_overwritten_output_is_caught():
    x = leaf(1.0, 2.0)
    y = x.tanh()
    y.mul_(2)
    with pytest.raises(GradError, match="tanh"):
        y.sum().backward()


def test_a_write_through_a_view_of_a_saved_value_is_caught():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.detach()[0] = 5
    with pytest.raises(GradError, match="changed in place"):
        y.sum().backward()


def test_overwriting_what_no_rule_needs_is_fine():
    x, w = leaf(1.0, 2.0), mg.ones(2, dtype="float64")
    y = x * 2 + w
    w.zero_()
    y.mul_(3)
    y.sum().backward()
    shows(x.grad, 6, 6)


def test_overwriting_the_factor_of_something_without_gradient_is_fine():
    x = leaf(1.0, 2.0)
    w = mg.tensor(np.array([3.0, 4.0]))
    y = x.detach() * w  # on no tape
    w.add_(1)
    (y * x).sum().backward()
    shows(x.grad, 3, 8)


def test_a_write_that_would_change_the_shape_changes_nothing():
    y = mg.ones(2)
    with pytest.raises(ShapeError, match="another shape"):
        y.add_(mg.ones(3, 2))
    shows(y, 1, 1)
    assert y.cell.version == 0


def test_a_write_that_would_lose_fractions_changes_nothing():
    y = mg.tensor([1, 2])
    with pytest.raises(DTypeError, match="another dtype"):
        y.mul_(0.5)
    shows(y, 1, 2)


def test_a_write_through_an_expanded_view_is_refused_because_elements_share_memory():
    y = mg.ones(3)
    with pytest.raises((GradError, ShapeError)):
        y.expand(2, 3).mul_(2)
    shows(y, 1, 1, 1)
    assert y.cell.version == 0


def test_there_is_no_where_in_place_as_in_pytorch():
    assert not hasattr(mg.Tensor, "where_")


def test_writing_an_expanded_view_over_itself_is_refused_although_nothing_changes():
    y = mg.ones(3).expand(2, 3)
    with mg.no_grad(), pytest.raises(GradError, match="cannot be written"):
        y[:2] = y


def test_a_view_made_under_no_grad_is_not_written_with_grad_on():
    x = leaf(1.0, 2.0)
    y = x * 1
    with mg.no_grad():
        view = y[0]
    with pytest.raises(GradError, match="made under no_grad"):
        view.mul_(2)
    shows(y, 1, 2)


def test_numpy_is_refused_while_the_tape_is_on():
    x = leaf(1.0)
    with pytest.raises(GradError, match="detach"):
        x.numpy()


# --- who owns a gradient -----------------------------------------------------------------

SHARED = {
    "a sum": lambda a, b: a + b,
    "a sum twice": lambda a, b: a + b + a,
    "views": lambda a, b: a.T.T + b[:],
    "broadcasting": lambda a, b: a + b[:1],
    "reshapes": lambda a, b: a.reshape(4) + b.reshape(4),
    "casts": lambda a, b: a.to("float32") + b.to("float32"),
    "copies": lambda a, b: a.clone() + b.clone(),
    "where": lambda a, b: mg.where(a > 10, a, b),
    "maximum": lambda a, b: a.maximum(b),
    "products": lambda a, b: a * b,
}


@pytest.mark.parametrize("combine", SHARED.values(), ids=list(SHARED))
def test_gradients_of_two_leaves_never_share_memory(combine):
    a = mg.tensor(np.ones((2, 2)), requires_grad=True)
    b = mg.tensor(np.ones((2, 2)), requires_grad=True)
    seed = mg.ones(*combine(a, b).shape, dtype=combine(a, b).dtype)
    combine(a, b).backward(seed)
    assert not np.shares_memory(a.grad.numpy(), b.grad.numpy())
    for x in (a, b):
        assert not np.shares_memory(x.grad.numpy(), seed.numpy())
        assert x.grad.numpy().flags.c_contiguous
        x.grad.zero_()  # may be written
    shows(seed, *np.ones(seed.shape))


@pytest.mark.parametrize("combine", SHARED.values(), ids=list(SHARED))
def test_results_of_autograd_grad_never_share_memory(combine):
    a = mg.tensor(np.ones((2, 2)), requires_grad=True)
    b = mg.tensor(np.ones((2, 2)), requires_grad=True)
    y = combine(a, b)
    seed = mg.ones(*y.shape, dtype=y.dtype)
    da, db = mg.autograd.grad(y, [a, b], seed)
    assert not np.shares_memory(da.numpy(), db.numpy())
    assert not np.shares_memory(da.numpy(), seed.numpy())
    da.zero_()
    assert db.numpy().any() or combine is SHARED["where"]


def test_the_gradient_of_a_leaf_that_is_the_output_is_a_copy():
    x, seed = leaf(1.0, 2.0), mg.ones(2, dtype="float64")
    x.backward(seed)
    x.grad.zero_()
    shows(seed, 1, 1)


def test_a_second_backward_does_not_change_a_gradient_saved_aside():
    x = leaf(1.0, 2.0)
    y = (x * 3).sum()
    y.backward(retain_graph=True)
    kept = x.grad.clone()
    y.backward()
    shows(kept, 3, 3)
    shows(x.grad, 6, 6)


# --- detach ------------------------------------------------------------------------------


def test_detach_shares_memory_and_no_tape():
    x = leaf(1.0, 2.0)
    y = x * 2
    d = y.detach()
    assert np.shares_memory(d.numpy(), y.detach().numpy())
    assert not d.requires_grad
    assert d.is_leaf


def test_a_write_through_detach_is_seen_and_gives_no_gradient():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.detach()[0] = 100
    shows(y, 100, 4)
    y.sum().backward()
    shows(x.grad, 2, 2)


def test_a_write_into_the_original_is_seen_through_detach():
    x = leaf(1.0, 2.0)
    y = x * 2
    d = y.detach()
    y.mul_(10)
    shows(d, 20, 40)
    assert not d.requires_grad
    y.sum().backward()
    shows(x.grad, 20, 20)


def test_detach_of_a_view_stays_a_view():
    x = leaf(1.0, 2.0)
    y = x * 2
    y[1:].detach().zero_()
    shows(y, 2, 0)


def test_a_detached_tensor_is_a_constant_factor():
    x = leaf(1.0, 2.0)
    (x * x.detach()).sum().backward()
    shows(x.grad, 1, 2)


def test_data_is_detach():
    x = leaf(1.0, 2.0)
    x.data.mul_(10)
    shows(x, 10, 20)


# --- higher order ------------------------------------------------------------------------


def test_derivatives_of_a_cube_to_the_fourth_order():
    x = mg.tensor(2.0, dtype="float64", requires_grad=True)
    y = x**3
    values = []
    for _ in range(4):
        (y,) = mg.autograd.grad(y, x, create_graph=True)
        values.append(y.item())
    assert values == [12, 12, 6, 0]


def test_backward_with_create_graph_leaves_a_gradient_that_has_a_tape():
    x = leaf(1.0, 2.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    g, x.grad = x.grad, None
    g.sum().backward()
    shows(x.grad, 6, 12)


def test_a_gradient_penalty_reaches_the_weights():
    w, x = leaf(2.0, 3.0), leaf(1.0, 1.0)
    y = (w * x * x).sum()
    (g,) = mg.autograd.grad(y, x, create_graph=True)
    (g * g).sum().backward()
    shows(w.grad, 16, 24)


def test_the_second_derivative_of_a_written_tensor():
    x = leaf(1.0, 2.0, 3.0)
    y = x * x
    y[1:].mul_(x[1:])
    (g,) = mg.autograd.grad(y.sum(), x, create_graph=True)
    shows(g, 2, 12, 27)
    g.sum().backward()
    shows(x.grad, 2, 12, 18)


def test_first_derivatives_without_create_graph_are_off_the_tape():
    x = leaf(1.0)
    (g,) = mg.autograd.grad((x * x).sum(), x)
    assert not g.requires_grad


# --- autograd.grad -----------------------------------------------------------------------


def test_grad_leaves_every_grad_alone():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (dx,) = mg.autograd.grad((x * w).sum(), x)
    shows(dx, 3, 4)
    assert x.grad is None
    assert w.grad is None


def test_grad_by_an_interior_tensor():
    x = leaf(1.0, 2.0)
    y = x * 2
    (dy,) = mg.autograd.grad((y * y).sum(), y)
    shows(dy, 4, 8)


def test_grad_by_an_interior_tensor_and_what_it_was_made_from():
    x = leaf(1.0, 2.0)
    y = x * 2
    dx, dy = mg.autograd.grad((y * y).sum(), [x, y])
    shows(dx, 8, 16)
    shows(dy, 4, 8)


def test_grad_by_the_same_input_twice():
    x = leaf(1.0, 2.0)
    one, two = mg.autograd.grad((x * x).sum(), [x, x])
    shows(one, 2, 4)
    shows(two, 2, 4)


def test_grad_of_several_outputs_is_their_sum():
    x = leaf(1.0, 2.0)
    seed = mg.tensor(np.array([10.0, 20.0]))
    (dx,) = mg.autograd.grad([x.sum(), x * x], [x], [None, seed])
    shows(dx, 21, 81)


def test_grad_of_an_input_that_is_not_used_names_allow_unused():
    x, unused = leaf(1.0), leaf(1.0)
    with pytest.raises(GradError, match="allow_unused=True"):
        mg.autograd.grad(x.sum(), unused)
    assert mg.autograd.grad(x.sum(), unused, allow_unused=True) == (None,)


def test_grad_frees_what_was_saved_on_its_way():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    mg.autograd.grad(y, x)
    with pytest.raises(GradError, match="a second time"):
        mg.autograd.grad(y, x)


# --- switching the tape off --------------------------------------------------------------


def test_no_grad_records_nothing():
    x = leaf(1.0)
    with mg.no_grad():
        y = x * 2
        assert not mg.is_grad_enabled()
    assert not y.requires_grad
    assert mg.is_grad_enabled()


def test_enable_grad_records_inside_no_grad():
    x = leaf(1.0)
    with mg.no_grad(), mg.enable_grad():
        y = x * 2
    assert y.requires_grad


def test_an_exception_restores_the_mode():
    with pytest.raises(ZeroDivisionError), mg.no_grad():
        1 / 0  # noqa: B018
    assert mg.is_grad_enabled()


def test_no_grad_decorates_functions():
    @mg.no_grad()
    def double(x):
        return x * 2

    assert not double(leaf(1.0)).requires_grad
    assert mg.is_grad_enabled()


def test_no_grad_decorates_generators_and_does_not_leak_at_a_yield():
    @mg.no_grad()
    def doubles(x):
        yield x * 2
        yield x * 3

    for y in doubles(leaf(1.0)):
        assert mg.is_grad_enabled()
        assert not y.requires_grad


def test_the_mode_belongs_to_a_thread():
    seen = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(mg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_backward_works_under_no_grad():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    with mg.no_grad():
        y.backward()
    shows(x.grad, 2, 4)


# --- what the tape looks like ------------------------------------------------------------


def test_records_carry_pytorch_s_names():
    x = leaf(1.0)
    y = x * 2
    assert y.grad_fn.name() == "MulBackward0"
    assert x.grad_fn is None
    assert (y + 1).grad_fn.next_functions[0][0] is y.grad_fn


def test_a_written_tensor_shows_the_write_on_its_tape():
    y = leaf(1.0, 2.0) * 2
    y[0] = 5
    assert y.grad_fn.name() == "CopySlices"
    assert y[0].grad_fn is not None


@pytest.mark.parametrize("number", [1, 1.0], ids=["int", "float"])
def test_adding_a_number_in_place_takes_no_second_array(number):
    x = mg.ones(100_000)
    tracemalloc.start()
    try:
        x += number
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10_000
    assert x[0].item() == 2


def test_rows_taken_one_by_one_write_out_zeros_only_once(monkeypatch):
    whole, written = Part.whole, []
    monkeypatch.setattr(Part, "whole", lambda part: written.append(1) or whole(part))
    x = mg.tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
    (sum((row * row).sum() for row in x) + x.sum()).backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * x.detach().numpy() + 1)
    assert len(written) <= 1


def test_a_row_s_gradient_does_not_reach_into_arrays_that_others_hold():
    x = mg.ones(2, 3, requires_grad=True)
    y, g = x * 1, mg.ones(2, 3)
    y.retain_grad()
    (mg.stack([y[0], y[1]]) + y).backward(g)
    assert g.tolist() == [[1, 1, 1]] * 2
    assert y.grad.tolist() == x.grad.tolist() == [[2, 2, 2]] * 2


# --- writes into a single number ---------------------------------------------------------

ON_A_NUMBER = {
    "through a view": lambda x, y: y.reshape(1).__setitem__(0, 5.0),
    "as a whole": lambda x, y: y.__setitem__(..., x * x),
    "times itself, through a view": lambda x, y: y.reshape(1).mul_(x),
}


@pytest.mark.parametrize("write", ON_A_NUMBER)
def test_a_write_into_a_0d_tensor_gives_pytorch_s_gradient(torch, write):
    found = []
    for library in (mg, torch):
        x = library.tensor(2.0, requires_grad=True)
        y = x * 3
        ON_A_NUMBER[write](x, y)
        (y * x * 2).backward()
        found.append(x.grad.item())
    assert found[0] == found[1]
