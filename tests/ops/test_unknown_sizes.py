"""Every golden call on nodes whose sizes are None: a lesson, or the very same result."""

import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import MinigradError


def nodes_in(value):
    if isinstance(value, (tuple, list)):
        return [node for part in value for node in nodes_in(part)]
    return [value] if isinstance(value, mg.Node) else []


def placeholders(arrays, none):
    shapes = ([None if none(i) else n for i, n in enumerate(a.shape)] for a in arrays)
    return [mg.placeholder(s, dtype=a.dtype) for s, a in zip(shapes, arrays)]


@pytest.fixture
def known(case, golden):
    """The call, its arrays, and what it gives where all sizes are known."""
    fn, arrays, _ = golden.CASES[case]
    inputs = placeholders(arrays, lambda i: False)
    try:
        wanted = nodes_in(fn(mg, *inputs))
    except (MinigradError, NotImplementedError, TypeError, AttributeError):
        pytest.skip("not for nodes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return fn, arrays, mg.compile(inputs, wanted)(*arrays)


@pytest.mark.parametrize(
    "none",
    [
        pytest.param(lambda i: i == 0, id="first"),
        pytest.param(lambda i: True, id="all", marks=pytest.mark.full),
    ],
)
def test_sizes_that_are_none_give_a_lesson_or_the_same_result(known, none):
    fn, arrays, expected = known
    inputs = placeholders(arrays, none)
    try:
        wanted = nodes_in(fn(mg, *inputs))
    except MinigradError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        results = mg.compile(inputs, wanted)(*arrays)
    for node, got, right in zip(wanted, results, expected, strict=True):
        np.testing.assert_array_equal(got.numpy(), right.numpy(), strict=True)
        assert len(node.shape) == got.ndim
        assert all(n == m for n, m in zip(node.shape, got.shape) if n != None)  # noqa: E711
