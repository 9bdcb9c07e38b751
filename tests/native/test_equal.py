"""Native code gives what the interpreter gives, for every op and for graphs of them."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import TABLE
from minigrad.static.program import Program
from minigrad.testing import _on_nodes, evaluate, samples

CALLS = [
    pytest.param(op, sample, id=f"{name}-{i}")
    for name, op in TABLE.items()
    for i, sample in enumerate(samples(op))
]
calls = pytest.mark.parametrize(("op", "sample"), CALLS)
CLOSE = {"float32": 2e-5, "float64": 1e-12}


def native(outputs, feeds):
    program = Program(list(feeds), outputs, {}, target="native")
    assert program.target == "native", program.build.fallback
    program(*feeds.values())
    return program(*feeds.values())  # buffers of the first run must not shine through


def check(outputs, feeds, **close):
    expected = evaluate(outputs, feeds)
    for got, want in zip(native(outputs, feeds), expected, strict=True):
        np.testing.assert_allclose(got.array, want, strict=True, **close)


@pytest.mark.parametrize("dtype", CLOSE)
@calls
def test_every_op_agrees_in_values_first_and_second_derivatives(op, sample, dtype):
    args, attrs = sample.astype(dtype)
    got = _on_nodes(op, args, attrs, native)
    want = _on_nodes(op, args, attrs, evaluate)
    close = {"rtol": CLOSE[dtype], "atol": CLOSE[dtype]}
    np.testing.assert_allclose(got.value, want.value, strict=True, **close)
    for ours, theirs in ((got.first, want.first), (got.second, want.second)):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, strict=True, **close)
