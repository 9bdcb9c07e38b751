"""The C source: short, commented with the user's lines, free of the user's own strings."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GraphError


def native(*args, **options):
    program = mg.compile(*args, target="native", **options)
    assert program.target == "native", program.fallback
    return program


def net():
    """The article's net, and its training step."""
    rng = np.random.default_rng(0)
    x, y = mg.placeholder((64, 1000)), mg.placeholder((64, 10))
    w1 = mg.variable(rng.normal(size=(1000, 100)).astype("f"))
    w2 = mg.variable(rng.normal(size=(100, 10)).astype("f"))
    loss = ((x @ w1).clamp(min=0) @ w2 - y).pow(2).sum()  # the loss
    g1, g2 = mg.gradients(loss, [w1, w2])
    return native([x, y], loss, updates={w1: w1 - 1e-6 * g1, w2: w2 - 1e-6 * g2})


def test_a_training_step_is_one_short_function():
    source = net().source
    assert source.count("int program(void **p)") == 1
    assert "# the loss" in source
    assert len(source.splitlines()) < 110


def test_the_weight_update_is_part_of_the_product_that_makes_the_gradient():
    program = net()
    assert [n.op.name for n in program.ops].count("gemm") == 2
    assert "-1e-06f" in program.source
    weights = 4 * (1000 * 100 + 100 * 10)
    assert program.stats["bytes_planned"] < weights


def test_a_chain_is_one_loop_without_memory_of_its_own():
    x = mg.placeholder((1000,))
    y = x
    for _ in range(6):
        y = (y * 2).tanh() - x
    program = native([x], y.sum())
    assert program.source.count("for (") == 1
    assert program.stats["bytes_planned"] == 0


HOSTILE = '*/ int evil; /* " \\ \n #define x 1 \x00 ' + "é"


def test_names_and_lines_of_the_user_cannot_leave_their_comment():
    x = mg.placeholder((3,), name=HOSTILE)
    w = mg.variable(np.ones(3, np.float32), name=HOSTILE)
    y = x * w  # */ int evil; /* \
    z = y.exp()  # ??/ \x00
    program = native([x], z, updates={w: y})
    code = "".join(part.split("*/")[-1] for part in program.source.split("/*"))
    assert "evil" not in code
    np.testing.assert_allclose(program(np.ones(3)).numpy(), np.full(3, np.e), rtol=1e-6)


def test_an_argument_that_comes_again_is_read_again():
    x = mg.placeholder((2,))
    program = native([x], x.sum())
    fed = np.ones(2, np.float32)
    assert program(fed).item() == 2
    fed[:] = 5
    assert program(fed).item() == 10
    assert program(fed[::-1]).item() == 10
    assert program(mg.from_numpy(fed)).item() == 10
    with pytest.raises(mg.errors.FeedError):
        program(fed[:1])


def test_none_is_not_mistaken_for_an_argument_that_is_gone():
    x = mg.placeholder((2,))
    program = native([x], x.sum())
    with pytest.raises(mg.errors.FeedError):
        program(None)
    program(np.ones(2, np.float32))
    with pytest.raises(mg.errors.FeedError):
        program(None)


def test_a_program_without_outputs_runs_once_a_call():
    w, x = mg.variable([0.0]), mg.placeholder((1,))
    step = native([x], None, updates={w: w + x})
    one = mg.ones(1)
    for _ in range(3):
        step(one)
    assert w.get_value() == [3]


def test_feeding_the_variable_that_is_updated():
    w = mg.ones(2)
    x = mg.placeholder((2,))
    a = mg.variable([1.0, 1.0])
    step = native([x], None, updates={w: x + a, a: x * 2})
    for _ in range(2):
        step(w)
    assert w.tolist() == [4, 4]
    assert a.get_value().tolist() == [4, 4]


def test_an_output_shows_the_argument_as_it_was_fed():
    w, x = mg.ones(2), mg.placeholder((2,))
    step = native([x], [x, x.reshape(1, 2)], updates={w: w + 1})
    assert [t.tolist() for t in step(w.numpy())] == [[1, 1], [[1, 1]]]
    assert w.tolist() == [2, 2]


def test_whole_powers_below_0_are_refused_and_update_nothing():
    w, x = mg.variable(np.array([2, 3])), mg.placeholder((2,), mg.int64)
    v = mg.variable(np.array([1, 1]))
    step = native([x], None, updates={v: v + 1, w: w**x})
    with pytest.raises(GraphError, match="negative"):
        step(np.array([1, -1]))
    assert v.get_value().tolist() == [1, 1]
    step(np.array([3, 2]))
    assert w.get_value().tolist() == [8, 9]


def test_sizes_that_are_none_make_a_function_for_each_shape():
    x, w = mg.placeholder((None, 3)), mg.variable(np.ones((3, 2), np.float32))
    loss = (x @ w).mean()
    step = mg.compile([x], loss, {w: w - mg.gradients(loss, w)}, target="native")
    for n in (4, 1, 4):
        w.set_value(np.ones((3, 2)))
        assert step(np.ones((n, 3))).item() == 3
        assert step.target == "native"
        np.testing.assert_allclose(w.get_value(), 0.5)
    assert step.builds == 2


def test_results_of_earlier_calls_are_not_overwritten():
    for size in (2, 5000):
        x = mg.placeholder((size,))
        program = native([x], [x * 2, (x * 2).reshape(1, -1), x, x * 2])
        first = program(mg.ones(size))
        program(mg.zeros(size))
        assert [t.sum().item() for t in first] == [2 * size, 2 * size, size, 2 * size]
