"""CUDA kernels give what the interpreter gives, on the samples that C is held to."""

import numpy as np
import pytest

from minigrad.gpu import nvrtc
from minigrad.static.program import Program
from minigrad.testing import (
    _node_gradients,
    evaluate,
    is_float,
    samples,
    wanted,
    weighted,
)

from ..native import test_equal as alike
from .conftest import ARCHITECTURES

pytestmark = pytest.mark.usefixtures("gpu")


def cuda(outputs, feeds):
    """Three runs: launch by launch, captured, and replayed."""
    program = Program(list(feeds), outputs, {}, target="cuda")
    assert program.target == "cuda"
    assert program.fallback == ""
    for _ in range(3):
        results = program(*feeds.values())
    return [x.cpu() for x in results]


def check(outputs, feeds, **close):
    for got, want in zip(cuda(outputs, feeds), evaluate(outputs, feeds), strict=True):
        np.testing.assert_allclose(got.array, want, strict=True, **close)


@pytest.fixture(autouse=True)
def on_the_gpu(monkeypatch):
    """What the tests of C run, runs here."""
    monkeypatch.setattr(alike, "native", cuda)


def table(dtype):
    """Every op of the table, with first and second derivatives, as one program."""
    outputs, feeds = [], {}
    for op in alike.OPS:
        for sample in samples(op):
            args, attrs = sample.astype(dtype)
            nodes = alike.ghosts(args)
            feeds |= dict(zip(nodes, args))
            y = op(*nodes, **attrs)
            outputs.append(y)
            xs = [nodes[i] for i in wanted(op, args)]
            if xs and is_float(y):
                first = _node_gradients(weighted(y), xs)
                outputs += [*first, *_node_gradients(weighted(first, 1), xs)]
    return outputs, feeds


@pytest.mark.parametrize("dtype", alike.CLOSE)
def test_every_op_agrees_in_values_first_and_second_derivatives(dtype):
    outputs, feeds = table(dtype)
    assert len(outputs) > 400
    check(outputs, feeds, rtol=alike.CLOSE[dtype], atol=alike.CLOSE[dtype])


def test_the_whole_table_compiles_for_every_architecture():
    source = Program(*reversed(table("float32")), {}, target="cuda").source
    for architecture in ARCHITECTURES:
        assert nvrtc.compile(source, architecture)[:4] == b"\x7fELF"


@pytest.mark.parametrize("shape", alike.SHAPES, ids=str)
def test_elementwise_ops_of_every_shape(shape):
    alike.test_elementwise_ops_of_every_shape(shape)


FULL = [pytest.param(x, marks=pytest.mark.full) for x in ("int32", "uint8")]


@pytest.mark.parametrize("dtype", ["int64", "bool", *FULL])
def test_every_op_of_every_dtype(dtype):
    alike.test_every_op_of_every_dtype(dtype)


@pytest.mark.parametrize("dtype", alike.CLOSE)
def test_nan_and_infinities_stay_what_they_are(dtype):
    alike.test_nan_and_infinities_stay_what_they_are(dtype)


@pytest.mark.parametrize(
    "shape", [(5, 4, 3), (1, 4, 1), (64, 5000), (5000, 3), (300000,)]
)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_over_every_choice_of_axes(shape, keepdims):
    alike.test_reductions_over_every_choice_of_axes(shape, keepdims)


@pytest.mark.parametrize("sizes", alike.MATRICES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_matrix_products_of_every_layout(sizes, dtype):
    alike.test_matrix_products_of_every_layout(sizes, dtype)


def test_indices_of_every_kind():
    alike.test_indices_of_every_kind()
