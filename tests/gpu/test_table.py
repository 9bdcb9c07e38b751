"""Every op of the table on a device gives what it gives on the CPU."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd.checking import grad_or_zeros, leaf, weighted
from minigrad.ops import TABLE
from minigrad.testing import samples, wanted

CALLS = [
    pytest.param(op, sample, id=f"{name}-{i}")
    for name, op in TABLE.items()
    for i, sample in enumerate(samples(op))
]
calls = pytest.mark.parametrize(("op", "sample"), CALLS)


def outcome(op, sample, where, create_graph):
    """The result, and the first and second derivatives where there are any."""
    xs = [leaf(a) for a in sample.args]
    on = [x.to(where) for x in xs]
    y = op(*on, **sample.attrs)
    assert y.device.type == (where if op.name != "transfer" else "cpu")
    which = [xs[i] for i in wanted(op, sample.args)]
    if not which or y.dtype.kind != "f":
        return [y]
    if not create_graph:
        (y * y).sum().backward()
        return [y, *(x.grad for x in which)]
    total = (y * mg.ones_like(y)).sum() + (y * y).sum()
    first = grad_or_zeros(total, which, create_graph=True)
    return [y, *first, *grad_or_zeros(weighted(first, 1), which, True)]


@calls
@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
def test_values_and_derivatives_are_those_of_the_cpu(op, sample, create_graph, device):
    for dtype in (np.float64, np.float32):
        cast = sample.astype(dtype)
        expected = outcome(op, cast, "cpu", create_graph)
        got = outcome(op, cast, device, create_graph)
        for mine, theirs in zip(got, expected, strict=True):
            assert mine.dtype == theirs.dtype
            close = {"rtol": 1e-5, "atol": 1e-5} if dtype is np.float32 else {}
            np.testing.assert_allclose(
                mine.detach().cpu().numpy(), theirs.detach().numpy(), **close
            )


@calls
def test_every_dtype_that_the_cpu_takes_the_device_takes(op, sample):
    with mg.cuda.simulate():
        for dtype in ("int64", "int32", "uint8", "bool", "float16"):
            args = [
                np.ceil(np.abs(a)).astype(dtype) if a.dtype.kind == "f" else a
                for a in sample.args
            ]
            results = []
            for where in ("cpu", "cuda"):
                try:
                    y = op(*(mg.tensor(a, device=where) for a in args), **sample.attrs)
                    results.append(y.cpu().numpy())
                except mg.errors.MinigradError as error:
                    results.append(type(error))
            expected, got = results
            if isinstance(expected, type):
                assert got is expected
            else:
                np.testing.assert_array_equal(got, expected, strict=True)
