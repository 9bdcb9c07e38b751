"""`show` draws the real tape, graph or program, in the learner's own names."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.viz import show
from minigrad.viz.adapters import diagram


def rows(thing, **options):
    """The listing without its first line, columns joined by one space."""
    listing = show(thing, **options).text
    return [" ".join(line.split()) for line in listing.splitlines()[1:]]


def test_a_tape_shows_records_leaves_and_what_each_keeps():
    x = mg.tensor([[1.0, 2.0]])
    w = mg.tensor([[3.0], [4.0]], requires_grad=True)
    y = (x @ w).pow(2).sum()
    assert rows(y) == [
        "1 w variable float32 (2, 1), grad: not computed",
        "2 matmul operation float32 (1, 1), keeps a from 1",
        "3 square operation float32 (1, 1), keeps a from 2",
        "4 sum output float32 (), keeps sa from 3",
    ]
    assert show(y).text.startswith("the tape of y (4 nodes, 3 edges)")


def test_a_gradient_is_not_computed_before_backward_and_never_zero():
    w = mg.tensor([1.0], requires_grad=True)
    assert rows(w) == ["1 w variable float32 (1,), grad: not computed"]
    (w * 2).sum().backward()
    assert rows(w) == ["1 w variable float32 (1,), grad: computed"]


def test_a_value_used_twice_has_two_arrows():
    w = mg.tensor([1.0], requires_grad=True)
    assert rows(w * w)[1].endswith("from 1, 1")


def test_a_long_tape_does_not_recurse():
    y = mg.tensor([1.0], requires_grad=True)
    for _ in range(3000):
        y = y + 1
    assert len(diagram(y).nodes) == 3001


def test_a_graph_shows_sources_ops_and_the_names_of_values():
    A = mg.placeholder((3,), name="A")
    B = mg.placeholder((3,))
    C = B * A
    D = C + 1
    assert rows(D) == [
        "1 B placeholder float32 (3,)",
        "2 A placeholder float32 (3,)",
        "3 C = mul operation float32 (3,) from 1, 2",
        "4 1 constant float32 ()",
        "5 D = add output float32 (3,) from 3, 4",
    ]


def test_a_program_shows_its_updates_at_each_stage():
    x = mg.placeholder((3,), name="x")
    v = mg.variable(np.zeros(3, np.float32), name="v")
    loss = (x * v).sum()
    step = mg.compile([x], loss, updates={v: v - mg.gradients(loss, v)})
    before, after = rows(step), rows(step, stage="optimized")
    assert len(after) < len(before)
    for listing in (before, after):
        assert any("v := update" in row for row in listing)
        assert any("update next call" in row for row in listing)
        assert sum("output" in row for row in listing) == 1


def test_what_has_no_picture_is_refused():
    with pytest.raises(TypeError, match="no picture of a int"):
        show(3)
