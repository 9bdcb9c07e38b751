"""Graphs built by hand: placeholder, variable, gradients, compile."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, FeedError, GraphError, ShapeError


def test_building_a_graph_computes_nothing():
    a, b = mg.placeholder((3,)), mg.placeholder((3,))
    with mg.count_ops() as counted:
        d = b * a + 1
        program = mg.compile([a, b], d)
    assert counted.total == 0
    with mg.count_ops() as counted:
        result = program(np.ones(3, np.float32), np.full(3, 2, np.float32))
    assert counted.by_name == {"mul": 1, "add": 1}
    assert result.tolist() == [3, 3, 3]


def test_outputs_come_back_in_the_structure_they_were_given():
    x = mg.placeholder(())
    assert mg.compile([x], x + 1)(1.0).item() == 2
    assert [t.item() for t in mg.compile([x], [x, x * 2])(3.0)] == [3, 6]
    assert mg.compile([x], {"twice": x * 2})(3.0)["twice"].item() == 6
    assert mg.compile([x], None)(3.0) is None


def test_results_of_earlier_calls_are_not_overwritten():
    x = mg.placeholder((2,))
    program = mg.compile([x], [x * 2, (x * 2).reshape(1, 2)])
    first = program(mg.ones(2))
    program(mg.zeros(2))
    assert first[0].tolist() == [2, 2]
    assert first[1].tolist() == [[2, 2]]


def test_an_output_that_is_an_input_is_a_copy():
    x = mg.placeholder((2,))
    fed = np.ones(2, np.float32)
    result = mg.compile([x], x)(fed)
    fed[:] = 5
    assert result.tolist() == [1, 1]


def test_gradients_are_nodes_that_can_be_differentiated_again():
    x = mg.placeholder((), dtype=mg.float64)
    y = x**4
    first = mg.gradients(y, x)
    second = mg.gradients(first, x)
    third = mg.gradients(second, x)
    values = mg.compile([x], [first, second, third])(2.0)
    assert [v.item() for v in values] == [32, 48, 48]


def test_gradients_by_what_does_not_matter_are_none():
    x, z = mg.placeholder(()), mg.placeholder(())
    assert mg.gradients(x * 2, [z, x])[0] is None


def test_gradients_of_several_outputs_are_those_of_their_sum():
    x = mg.placeholder((2,))
    g = mg.gradients([x * 2, x * x], x)
    assert mg.compile([x], g)(np.array([1, 3.0])).tolist() == [4, 8]


def test_updates_read_the_old_values_so_two_variables_can_swap():
    a, b = mg.variable([1.0]), mg.variable([2.0])
    swap = mg.compile([], None, updates={a: b, b: a})
    swap()
    assert (a.get_value(), b.get_value()) == ([2], [1])
    mix = mg.compile([], [a, b], updates={a: a + b, b: a - b})
    old = mix()
    assert [t.item() for t in old] == [2, 1]
    assert (a.get_value(), b.get_value()) == ([3], [1])


def test_three_variables_rotate_and_outputs_are_from_before():
    a, b, c = (mg.variable([v, v]) for v in (1.0, 2.0, 3.0))
    turn = mg.compile([], [a, b + c], updates={a: b, b: c, c: a})
    assert [t.tolist() for t in turn()] == [[1, 1], [5, 5]]
    assert [v.get_value()[0] for v in (a, b, c)] == [2, 3, 1]
    assert [t.tolist() for t in turn()] == [[2, 2], [4, 4]]


def test_an_update_that_reads_an_updated_variable_sees_its_old_value():
    w, v = mg.variable([1.0, 2.0]), mg.variable([0.0, 0.0])
    step = mg.compile(
        [],
        w * 10,
        updates={
            v: v * 0.5 + w,
            w: w - v,
        },
    )
    for value, w_now, v_now in (
        ([10, 20], [1, 2], [1, 2]),
        ([10, 20], [0, 0], [1.5, 3]),
    ):
        assert step().tolist() == value
        assert w.get_value().tolist() == w_now
        assert v.get_value().tolist() == v_now


def test_updates_through_views_of_the_variable_read_the_old_value():
    w = mg.variable(np.arange(4.0).reshape(2, 2))
    step = mg.compile([], w.T, updates={w: w.T + w})
    assert step().tolist() == [[0, 2], [1, 3]]
    assert w.get_value().tolist() == [[0, 3], [3, 6]]


def test_updates_as_pairs_and_by_assign():
    w = mg.variable(1.0)
    mg.compile([], None, updates=[(w, w + 1)])()
    mg.compile([], None, updates=[w.assign(w * 10)])()
    assert w.get_value() == 20


def test_a_weight_tensor_is_the_variable_of_its_storage():
    w = mg.ones(2, requires_grad=True)
    x = mg.placeholder((2,))
    loss = (w * x).sum()
    step = mg.compile([x], loss, updates={w: w - 0.5 * mg.gradients(loss, w)})
    assert step(np.array([2, 4.0])).item() == 6
    assert w.tolist() == [0, -1]
    w.array[:] = 1
    assert step(np.array([2, 4.0])).item() == 6


def test_a_program_that_updates_a_weight_invalidates_what_the_tape_saved():
    w = mg.ones(2, requires_grad=True)
    y = (w * w).sum()
    node = mg.constant(np.zeros(2, np.float32))
    mg.compile([], None, updates={w: node})()
    with pytest.raises(mg.errors.GradError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize(
    "shown",
    [
        lambda w: w,
        lambda w: w[:],
        lambda w: w.numpy(),
        lambda w: w.numpy()[:],
        lambda w: mg.from_numpy(w.numpy()),
    ],
)
def test_feeding_the_variable_that_is_updated(shown):
    w = mg.ones(2)
    x = mg.placeholder((2,))
    a = mg.variable([1.0, 1.0])
    step = mg.compile([x], None, updates={w: x + a, a: x * 2})
    step(shown(w))
    assert w.tolist() == [2, 2]
    assert a.get_value().tolist() == [2, 2]


def test_an_output_shows_the_argument_as_it_was_fed():
    w, x = mg.ones(2), mg.placeholder((2,))
    step = mg.compile([x], [x, x.reshape(1, 2)], updates={w: w + 1})
    assert [t.tolist() for t in step(w.numpy())] == [[1, 1], [[1, 1]]]
    assert w.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("fed", "message"),
    [
        (np.zeros(3), "another shape"),
        ("text", "not a value"),
        (None, "not a value"),
    ],
)
def test_misfed_placeholders_are_named(fed, message):
    x = mg.placeholder((2,), name="x")
    with pytest.raises(FeedError, match=message) as info:
        mg.compile([x], x)(fed)
    assert "x" in str(info.value)


def test_what_may_be_fed_where():
    x, n = mg.placeholder((2,)), mg.placeholder((2,), dtype=mg.int64)
    program = mg.compile([x, n], x + n)
    assert program(np.zeros(2), np.ones(2, np.int32)).dtype == mg.float32
    assert program([1, 2], [3, 4]).tolist() == [4, 6]
    assert program(mg.nn.Parameter(mg.ones(2)), [1, 2]).tolist() == [2, 3]
    with pytest.raises(FeedError, match="lose the fractions"):
        program(np.zeros(2), np.zeros(2))
    with pytest.raises(FeedError, match="number of arguments"):
        program(np.zeros(2))


def test_nothing_is_written_when_a_call_is_refused():
    w, x = mg.variable([1.0]), mg.placeholder((1,))
    step = mg.compile([x], None, updates={w: w + x})
    with pytest.raises(FeedError):
        step(np.zeros(2))
    assert w.get_value() == [1]


def test_an_unfed_placeholder_is_named_at_compile():
    x, y = mg.placeholder((), name="x"), mg.placeholder((), name="y")
    with pytest.raises(GraphError, match="placeholder y"):
        mg.compile([x], x + y)


def test_updates_must_fit_their_variable():
    w = mg.variable([1.0, 2.0])
    with pytest.raises(GraphError, match="does not fit"):
        mg.compile([], None, updates={w: w.sum()})
    with pytest.raises(GraphError, match="only variables"):
        mg.compile([], None, updates={w * 2: w})
    with pytest.raises(GraphError, match="is None"):
        mg.compile([], None, updates={w: None})


def test_shape_mistakes_are_raised_while_building():
    a, b = mg.placeholder((2, 3), name="a"), mg.placeholder((2, 3), name="b")
    with pytest.raises(ShapeError, match=r"mm: the inner sizes differ"):
        a.mm(b)
    with pytest.raises(DTypeError, match="dtypes differ"):
        a @ mg.placeholder((3, 2), dtype=mg.float64)
    with pytest.raises(ShapeError, match="broadcast"):
        a + mg.placeholder((4,))


@pytest.mark.parametrize(
    ("use", "remedy"),
    [
        (bool, "mg.where.*mg.cond"),
        (float, "mg.compile.*mg.print_node"),
        (int, "mg.compile.*mg.print_node"),
        (list, "mg.scan and mg.while_loop"),
        (np.asarray, "mg.compile.*mg.print_node"),
        (lambda x: [0, 1, 2][x], "mg.compile.*mg.print_node"),
        (lambda x: x.item(), "mg.compile.*mg.print_node"),
        (lambda x: x.tolist(), "mg.compile.*mg.print_node"),
        (lambda x: x.numpy(), "mg.compile.*mg.print_node"),
        (lambda x: x.nonzero(), "mg.where"),
        (lambda x: x.backward(), "mg.gradients"),
        (lambda x: x.grad, "mg.gradients"),
        (lambda x: x.requires_grad, "mg.gradients"),
        (lambda x: x.detach(), "mg.stop_gradient"),
    ],
)
def test_a_node_is_not_a_number(use, remedy):
    with pytest.raises(GraphError, match=f"not there yet(.*\\n)*.*{remedy}"):
        use(mg.placeholder((), name="x"))


def test_len_of_a_node_is_its_first_size():
    assert len(mg.placeholder((3, 2))) == 3
    assert not hasattr(mg.placeholder(()), "no_such_thing")
    assert not hasattr(mg.placeholder(()), "add_")


@pytest.mark.parametrize(
    ("write", "remedy"),
    [
        (lambda x: x.add_(1), r"y = x.add\("),
        (lambda x: x.clamp_(0), r"y = x.clamp\("),
        (lambda x: x.zero_(), r"y = x.where\("),
        (lambda x: x.copy_(x), r"y = x.where\("),
        (lambda x: x.masked_fill_(x > 0, 1), r"y = x.masked_fill\("),
        (lambda x: x.__setitem__(0, 1), r"x.put\(key, value\), or mg.where"),
    ],
)
def test_a_node_never_changes(write, remedy):
    with pytest.raises(GraphError, match=f"never changes(.*\\n)*.*{remedy}"):
        write(mg.placeholder((2,)))


def test_augmented_assignment_binds_the_name_to_a_new_node():
    x = y = mg.placeholder((2,))
    x += 1
    x *= y
    assert x is not y
    assert mg.compile([y], [x, y])([1, 2])[0].tolist() == [2, 6]


@pytest.mark.parametrize(
    "key",
    [
        0,
        (..., 1),
        np.s_[1:, ::2],
        np.array([0, 2]),
        (np.array([0, 1]), 2),
        np.array([True, False, True]),
    ],
)
def test_put_gives_what_an_assignment_would_have_made(key):
    a = np.arange(9.0).reshape(3, 3)
    x, v = mg.placeholder((3, 3), dtype=mg.float64), mg.variable(np.float64(5))
    y = x.put(key, v)
    value, gx, gv = mg.compile([x], [y, *mg.gradients((y * y).sum(), [x, v])])(a)
    expected = a.copy()
    expected[key] = 5
    np.testing.assert_array_equal(value.numpy(), expected)
    written = np.zeros((3, 3), bool)
    written[key] = True
    np.testing.assert_array_equal(gx.numpy(), np.where(written, 0, 2 * a))
    assert gv.item() == 10 * written.sum()


def test_put_of_a_value_that_does_not_fit_is_an_error_while_building():
    x = mg.placeholder((3, 3))
    for key in (0, np.array([0, 1])):
        with pytest.raises(ShapeError, match="the shape does not fit"):
            x.put(key, mg.placeholder((2,)))


def test_a_tensor_that_carries_a_tape_is_refused():
    w = mg.ones(2, requires_grad=True)
    with pytest.raises(GraphError, match="carries a tape"):
        mg.placeholder((2,)) * (w * 2)


def test_every_node_keeps_the_line_it_was_made_on():
    x = mg.placeholder((2,))
    y = x.exp()  # this line
    g = mg.gradients(y.sum(), x)
    assert y.origin.source == "y = x.exp()  # this line"
    assert "this line" in repr(g.origin)


def test_set_value_keeps_shape_and_dtype():
    w = mg.variable(np.zeros(2, np.float32))
    w.set_value([1, 2])
    assert w.get_value().dtype == np.float32
    with pytest.raises(ShapeError, match="keeps its shape"):
        w.set_value([1, 2, 3])


def test_a_failure_at_run_time_names_the_users_line():
    x, i = mg.placeholder((3,)), mg.placeholder((1,), dtype=mg.int64)
    program = mg.compile([x, i], x[i])  # picks
    with pytest.raises(GraphError, match="out of bounds") as info:
        program(np.zeros(3), np.array([7]))
    assert "# picks" in str(info.value)


def test_check_nan_names_the_first_bad_line_and_updates_nothing():
    w = mg.variable([1.0, 0.0])
    x = mg.placeholder((2,))
    y = (w * x).log()  # here
    step = mg.compile([x], y.sum(), updates={w: w + x}, check_nan=True)
    bad = pytest.raises(mg.errors.NotFiniteError, match="log: 1 of 2")
    with np.errstate(divide="ignore"), bad as info:
        step(np.ones(2))
    assert "# here" in str(info.value)
    assert w.get_value().tolist() == [1, 0]
    step = mg.compile([x], None, updates={w: w + x}, check_nan=True)
    step(np.ones(2))
    assert w.get_value().tolist() == [2, 1]


# --- print_node --------------------------------------------------------------------------


def test_print_node_prints_what_is_computed_when_it_is_computed(capsys):
    x = mg.placeholder((2,))
    y = mg.print_node(x * 2, "twice x:")
    program = mg.compile([x], mg.gradients((y * x).sum(), x))
    assert capsys.readouterr().out == ""
    assert program([1, 2]).tolist() == [4, 8]
    assert capsys.readouterr().out == "twice x: tensor([2., 4.])\n"


def test_prints_keep_the_order_in_which_they_were_written(capsys):
    x = mg.placeholder(())
    first, second, third = (mg.Print(x + i, f"{i}:") for i in range(3))
    again = mg.print_node(x + 0, "0:")
    program = mg.compile([x], [again, third, second + first])
    program(1.0)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{i}: tensor({i + 1}.)" for i in range(3)] + ["0: tensor(1.)"]


def test_a_print_of_a_constant_waits_for_the_call(capsys):
    program = mg.compile([], mg.print_node(mg.constant(1.0)) + 1)
    assert capsys.readouterr().out == ""
    program()
    program()
    assert capsys.readouterr().out == "tensor(1., dtype=float64)\n" * 2


def test_print_node_works_eagerly_and_with_any_batch(capsys):
    w = mg.ones(1, requires_grad=True)
    mg.print_node(w * 2).sum().backward()
    assert w.grad.tolist() == [2]
    x = mg.placeholder((None,))
    mg.compile([x], mg.print_node(x, "x"))(np.zeros(3))
    assert capsys.readouterr().out == "tensor([2.])\nx tensor([0., 0., 0.])\n"
