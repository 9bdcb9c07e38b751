"""The quick way into native code takes what fits as it is, and nothing else."""

import gc
import sys
import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import FeedError


def double(n=3, dtype=mg.float32):
    x = mg.placeholder((2, n), dtype)
    return mg.compile([x], x * 2, target="native")


def ones(*shape, dtype="f"):
    return np.ones(shape, dtype)


@pytest.mark.parametrize(
    "value",
    [
        ones(2, 3),
        ones(3, 2).T,
        ones(2, 6)[:, ::2],
        ones(2, 3, dtype="d"),
        ones(2, 3, dtype=">f4"),
        ones(2, 3, dtype="i8"),
        np.broadcast_to(np.float32(1), (2, 3)),
        [[1, 1, 1], [1, 1, 1]],
        mg.ones(2, 3),
        mg.ones(3, 2).T,
    ],
)
def test_whatever_holds_the_numbers_gives_the_same(value):
    program = double()
    for _ in range(3):
        assert program(value).tolist() == [[2, 2, 2], [2, 2, 2]]


def test_memory_out_of_line_is_copied_first():
    raw = np.zeros(25, "u1")
    crooked = raw[1:].view("f")  # between the places where floats lie
    crooked[:] = 1
    assert double()(crooked.reshape(2, 3)).tolist() == [[2, 2, 2], [2, 2, 2]]


@pytest.mark.parametrize("value", [ones(2, 4), ones(6), ones(2, 3, 1), ones(0, 3)])
def test_an_array_that_does_not_fit_is_refused_after_one_that_did(value):
    program = double()
    program(ones(2, 3))
    with pytest.raises(FeedError, match="another shape"):
        program(value)


def test_an_array_that_changes_its_shape_is_looked_at_again():
    program, a = double(), ones(2, 3)
    program(a)
    a.shape = (3, 2)
    with pytest.raises(FeedError, match="another shape"):
        program(a)
    assert program(mg.ones(2, 3)).shape == (2, 3)


def test_arrays_that_were_freed_are_forgotten():
    program = double(1000)
    for i in range(50):
        assert program(np.full((2, 1000), i, "f")).tolist()[1][999] == 2 * i


def test_too_few_and_too_many_arguments_are_refused():
    for args in ((), (ones(2, 3), ones(2, 3))):
        with pytest.raises(FeedError, match="wrong number"):
            double()(*args)


@pytest.mark.parametrize("row", [0, 1])
def test_an_argument_in_the_memory_of_an_updated_variable_is_read_as_it_was(row):
    w, x = mg.arange(8.0).view(2, 4).clone(), mg.placeholder((4,))
    expected = w[row].tolist()[::-1]
    program = mg.compile([x], None, updates={w: w * 0 + x.flip(0)}, target="native")
    program(w[row])
    assert w.tolist() == [expected, expected]


def test_threads_that_share_a_program_get_their_own_results():
    program = double(20)
    wrong = []

    def run(k):
        value = np.full((2, 20), k, "f")
        for _ in range(300):
            if program(value).numpy()[1, 19] != 2 * k:
                wrong.append(k)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


@pytest.mark.parametrize("row", [0, 1])
def test_an_array_in_the_memory_of_an_updated_variable_is_read_as_it_was(row):
    w, x = mg.arange(8.0).view(2, 4).clone(), mg.placeholder((4,))
    expected = w[row].tolist()[::-1]
    program = mg.compile([x], None, updates={w: w * 0 + x.flip(0)}, target="native")
    program(w[row].numpy())
    assert w.tolist() == [expected, expected]


def test_results_are_ordinary_tensors_with_memory_of_their_own():
    program, a = double(), mg.ones(2, 3)
    first, second = program(a), program(a * 2)
    fresh = mg.zeros(1)
    for t in (first, second):
        assert (t.record, t.view_of, t.version, t.grad) == (None, None, 0, None)
        assert type(t.cell) is type(fresh.cell)
        assert t.cell.array is t.array
        assert not hasattr(t, "hooks")
    assert first.tolist() != second.tolist()
    first.requires_grad_()
    (first * first).sum().backward()
    assert first.grad.tolist() == [[4, 4, 4], [4, 4, 4]]


def test_an_update_counts_as_a_write():
    w, x = mg.ones(3), mg.placeholder((3,))
    program = mg.compile([x], None, updates={w: w + x}, target="native")
    before = w.cell.version
    for _ in range(300):  # more than the small numbers that Python keeps
        program(mg.ones(3))
    assert w.cell.version == before + 300


def test_calls_keep_nothing_of_their_arguments_and_results():
    program, a = double(), mg.ones(2, 3)
    counted = a, a.array, a.dtype, mg.Tensor, type(a.cell)
    counts = []
    for _ in range(2):
        for value in [a, ones(2, 3), [[1, 1, 1], [1, 1, 1]]] * 100:
            program(value)
        gc.collect()
        counts.append([sys.getrefcount(x) for x in counted])
    assert counts[0] == counts[1]


def test_a_view_of_another_kind_of_array_is_taken_as_an_array(tmp_path):
    mapped = np.memmap(tmp_path / "numbers", "f", "w+", shape=(2, 3))
    mapped[:] = 1
    assert double()(mapped).tolist() == [[2, 2, 2], [2, 2, 2]]


def test_a_tensor_without_memory_is_refused():
    with pytest.raises(AttributeError):
        double()(object.__new__(mg.Tensor))
