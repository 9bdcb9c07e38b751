"""Calls that compiled code refuses, in C and in CUDA: the line is named, nothing changed."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GraphError, NotFiniteError


def test_an_index_out_of_range_names_the_users_line_and_updates_nothing(compiled):
    w = mg.variable(mg.arange(3.0))
    i = mg.placeholder((2,), mg.int64)
    step = compiled([i], None, updates={w: w * 2 + w[i].sum()})  # picks
    for bad in (3, -4, 1 << 60):
        for _ in range(2):
            with pytest.raises(GraphError, match="out of bounds") as caught:
                step(np.array([0, bad]))
            assert "# picks" in str(caught.value)
    assert w.get_value().tolist() == [0, 1, 2]
    step(np.array([-3, 2]))
    assert w.get_value().tolist() == [2, 4, 6]


def test_division_of_integers_by_0_names_the_users_line_and_updates_nothing(compiled):
    w = mg.variable(mg.tensor([7, -7]))
    x = mg.placeholder((2,), mg.int64)
    step = compiled([x], None, updates={w: w // x})  # divides
    with pytest.raises(GraphError, match="divided by 0") as caught:
        step(np.array([1, 0]))
    assert "# divides" in str(caught.value)
    assert w.get_value().tolist() == [7, -7]
    step(np.array([2, 2]))
    assert w.get_value().tolist() == [3, -4]


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_check_nan_names_the_first_bad_line_and_updates_nothing(compiled):
    w = mg.variable(mg.tensor([1.0, 0.0]))
    x = mg.placeholder((2,))
    y = (w * x).log()  # here
    step = compiled([x], y.sum(), updates={w: w + x}, check_nan=True)
    with pytest.raises(NotFiniteError, match="log: 1 of 2") as caught:
        step(np.ones(2))
    assert "# here" in str(caught.value)
    assert w.get_value().tolist() == [1, 0]
    w.set_value([1.0, 1.0])
    assert step(np.ones(2)).item() == 0
    assert w.get_value().tolist() == [2, 2]


def test_a_result_that_is_not_finite_in_some_round_updates_nothing(compiled):
    w = mg.variable(mg.tensor(1.0))
    x = mg.placeholder((5,))
    y = mg.scan(lambda h, v: (h + v.log(), None), np.zeros((), "f"), x)[0]
    program = compiled([x], y, {w: w + y}, check_nan=True)
    program(np.ones(5))
    with pytest.raises(NotFiniteError, match="log"):
        program(np.array([1.0, 1.0, 1.0, 0.0, 1.0]))
    assert w.get_value() == 1.0


def test_an_index_out_of_range_in_some_round_updates_nothing(compiled):
    w = mg.variable(mg.arange(3.0))
    i = mg.placeholder((4,), mg.int64)
    start = np.zeros((), "f")
    y = mg.scan(lambda h, k: (h + w[k.reshape(1)].sum(), None), start, i)[0]
    program = compiled([i], y, {w: w + y})
    assert program(np.array([0, 1, 2, -1])).item() == 5.0
    with pytest.raises(GraphError, match="out of bounds"):
        program(np.array([0, 1, 3, 0]))
    np.testing.assert_array_equal(w.get_value(), [5.0, 6.0, 7.0])
