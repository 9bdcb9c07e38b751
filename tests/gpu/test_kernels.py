"""CUDA kernels give what the interpreter gives, on the samples that C is held to."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad.gpu import nvrtc
from minigrad.static.program import Program
from minigrad.testing import evaluate

from ..native import test_equal as alike
from .conftest import ARCHITECTURES

pytestmark = pytest.mark.usefixtures("gpu")


def cuda(outputs, feeds):
    """Three runs: launch by launch, captured, and replayed."""
    program = Program(list(feeds), outputs, {}, target="cuda")
    assert program.target == "cuda"
    alone = {x.op.name for x in program.ops if x.op.kind == "matrix"}
    assert program.fallback.count(",") + bool(program.fallback) == len(alone)
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


def full(*values):
    return [pytest.param(value, marks=pytest.mark.full) for value in values]


@pytest.mark.parametrize("dtype", ["float32", *full("float64")])
def test_every_op_agrees_in_values_first_and_second_derivatives(dtype):
    calls, feeds = alike.table(dtype)
    assert len(calls) > 150
    close = alike.CLOSE[dtype]
    check([*itertools.chain(*calls)], feeds, rtol=close, atol=close)


@pytest.fixture(scope="module")
def kernels():
    """The text of every kernel of the table."""
    calls, feeds = alike.table("float32")
    outputs = [*itertools.chain(*calls)]
    with mg.cuda.simulate():
        return Program(list(feeds), outputs, {}, target="cuda").source


@pytest.mark.parametrize(
    "architecture", [ARCHITECTURES[0], *full(*ARCHITECTURES[1:-1]), ARCHITECTURES[-1]]
)
def test_the_whole_table_compiles_for_every_architecture(architecture, kernels):
    assert nvrtc.compile(kernels, architecture)[:4] == b"\x7fELF"


@pytest.mark.parametrize(
    "shape", [(), (1,), (0,), (2, 0, 3), (3, 70), *full((2, 1, 3), (37,))], ids=str
)
def test_elementwise_ops_of_every_shape(shape):
    alike.test_elementwise_ops_of_every_shape(shape)


@pytest.mark.parametrize("dtype", ["int64", *full("int32", "uint8", "bool")])
def test_every_op_of_every_dtype(dtype):
    alike.test_every_op_of_every_dtype(dtype)


@pytest.mark.parametrize("dtype", ["float32", *full("float64")])
def test_nan_and_infinities_stay_what_they_are(dtype):
    alike.test_nan_and_infinities_stay_what_they_are(dtype)


@pytest.mark.parametrize(
    "shape", [(5, 4, 3), (1, 4, 1), (64, 5000), (5000, 3), (300000,)]
)
@pytest.mark.parametrize("keepdims", [False, *full(True)])
def test_reductions_over_every_choice_of_axes(shape, keepdims):
    alike.test_reductions_over_every_choice_of_axes(shape, keepdims)


@pytest.mark.parametrize("sizes", alike.MATRICES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", *full("int64")])
def test_matrix_products_of_every_layout(sizes, dtype):
    alike.test_matrix_products_of_every_layout(sizes, dtype)


def test_indices_of_every_kind():
    alike.test_indices_of_every_kind()


@pytest.mark.parametrize("shape", [(1000,), (3, 700), (700, 2)], ids=str)
def test_long_rows_are_added_up_by_blocks(shape):
    x = mg.placeholder(shape, mg.int64)
    fed = np.random.default_rng(0).integers(-9, 9, shape)
    outputs = [x.cumsum(i) for i in range(len(shape))]
    check([*outputs, x.T.cumsum(0)], {x: fed}, rtol=0)


def test_what_one_walk_leaves_in_pieces_is_folded_in_one_launch():
    x = mg.placeholder((3, 20_000))
    y = x * 2 - 1
    outputs = [y.sum(1, keepdim=True), y.amin(1, keepdim=True)]
    source = mg.compile([x], outputs, target="cuda").source
    assert source.partition("/* The program:")[2].count("<<<") == 2
    fed = np.random.default_rng(0).normal(size=x.shape).astype("f")
    check(outputs, {x: fed}, rtol=1e-4, atol=1e-3)


# --- whole graphs --------------------------------------------------------------------------


def graph(seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(4, 4)) for _ in range(3)]
    x, y = (mg.placeholder((4, 4), dtype=mg.float64) for _ in range(2))
    return rng, arrays, x, y


@pytest.mark.parametrize("seed", [0, 1, *full(*range(2, 25))])
def test_random_graphs_with_updates(seed):
    results = []
    for where in ("cpu", "cuda"):
        rng, arrays, x, y = graph(seed)
        w, v = (mg.variable(mg.tensor(arrays[i]).double().to(where)) for i in (2, 0))
        w.set_value(arrays[2])
        v.set_value(arrays[0])
        nodes = alike.random_graph(rng, [x, y, w, v])
        picked = [nodes[i] for i in rng.integers(4, len(nodes), size=3)]
        loss = nodes[-1].sum()
        grads = [g for g in mg.gradients(loss, [x, y, w, v]) if g is not None]
        updates = {w: w - 0.1 * (x @ y) + nodes[-1], v: nodes[-2]}
        target = "interpreter" if where == "cpu" else "cuda"
        program = mg.compile([x, y], [*picked, loss, *grads], updates, target=target)
        for _ in range(3):
            got = program(*arrays[:2])
        results.append([*(t.cpu().array for t in got), w.get_value(), v.get_value()])
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-8)


def test_odd_strides_of_variables_and_views():
    base = np.arange(48.0).reshape(4, 12)
    there = mg.tensor(base, dtype=mg.float64, device="cuda").array
    for view in (np.s_[::-1, ::-2], np.s_[1:3, 4:7]):
        for turned in (False, True):
            fed = base[view].T if turned else base[view]
            array = there[view].T if turned else there[view]
            x, w = mg.placeholder(fed.shape, mg.float64), mg.as_tensor(array.copy("K"))
            v = mg.as_tensor(array)
            outputs = [x * 2 + v, (x.T @ v).sum(0), v.reshape(-1) * 2, v.T.sum(1)]
            program = mg.compile([x], outputs, {w: x + v})
            want = [fed * 3, (fed.T @ fed).sum(0), fed.ravel() * 2, fed.T.sum(1)]
            for got, expected in zip(program(fed), want, strict=True):
                np.testing.assert_allclose(got.cpu().array, expected)
            np.testing.assert_array_equal(w.cpu().array, fed * 2)
