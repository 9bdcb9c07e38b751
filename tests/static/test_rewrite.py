"""Each rewrite does what its name says, and changes no result."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.static.node import topological
from minigrad.static.rewrite import optimize


def ops(node, **options):
    return [n.op.name for n in topological(optimize([node], **options))]


X = mg.placeholder((2, 3), name="x")

CASES = {
    "fold": (lambda: X + (mg.constant(2.0) * 3.0).exp(), ["placeholder", "constant", "add"]),
    "merge": (lambda: X.exp() + X.exp(), ["placeholder", "exp", "add"]),
    "times_one": (lambda: X * 1, ["placeholder"]),
    "divided_by_one": (lambda: X / 1, ["placeholder"]),
    "plus_zero": (lambda: 0 + X, ["placeholder"]),
    "minus_zero": (lambda: X - 0, ["placeholder"]),
    "double_negation": (lambda: (-X).neg(), ["placeholder"]),
    "same_shape": (lambda: X.reshape(2, 3), ["placeholder"]),
    "same_order": (lambda: X.permute(0, 1), ["placeholder"]),
    "broadcast": (lambda: X * X.sum().expand(2, 3), ["placeholder", "sum", "mul"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rewrites_shrink_the_graph(name):
    build, expected = CASES[name]
    assert ops(build()) == expected


def test_without_rewrites_only_equal_nodes_are_merged():
    assert ops(X * 1, rewrites=()) == ["placeholder", "constant", "mul"]


def test_slices_with_other_bounds_are_not_merged():
    y = X[:, 0:1] + X[:, 1:2]
    assert ops(y).count("slice") == 2


def test_broadcasting_that_makes_the_shape_stays():
    one = mg.placeholder((1, 3))
    y = one.expand(2, 3) * one
    (better,) = optimize([y])
    assert better.shape == (2, 3)
    assert mg.compile([one], y)(np.ones((1, 3))).shape == (2, 3)


def test_optimizing_long_chains_does_not_recurse():
    y = X
    for _ in range(5000):
        y = y + 1.5
    assert mg.compile([X], y.sum())(np.zeros((2, 3))).item() == 5000 * 1.5 * 6
