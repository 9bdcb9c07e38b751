"""Softmax, normalisation and their like on a GPU: all walks along a row are one launch."""

import re

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.gpu import rowwise, simulated
from minigrad.gpu.rowwise import LONG, ROWS
from minigrad.static.program import Program

from ..native import test_equal as alike
from ..native import test_rowwise as walks
from .test_kernels import check, cuda, full

pytestmark = pytest.mark.usefixtures("gpu")
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def on_the_gpu(monkeypatch):
    """What the tests of C run, runs here."""
    monkeypatch.setattr(alike, "native", cuda)


@pytest.fixture
def launches(monkeypatch):
    """How many launches and products a program is, copies of results left out.

    Its kernels are not compiled.
    """
    monkeypatch.setattr(simulated.Simulated, "kernel", lambda *_: None)

    def launches(inputs, outputs):
        source = mg.compile(inputs, outputs, target="cuda").source
        listed = source.partition("/* The program:")[2].splitlines()
        return len([x for x in listed if re.search("<<<| @ ", x) and "copy" not in x])

    return launches


def several(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


@pytest.mark.parametrize("name", walks.CASES)
def test_rows_are_walked_in_one_launch(name, launches):
    build, steps = walks.CASES[name]
    assert launches(list(walks.FEEDS), several(build())) == steps


def test_forward_and_backward_are_one_launch_together(launches):
    x, g, w = (mg.placeholder(shape) for shape in ((8, 100), (8, 100), (100,)))
    softmax = mg.gradients((x.softmax(1) * g).sum(), x)
    assert launches([x, g], softmax) == 1
    norm = mg.gradients((F.layer_norm(x, (100,), w, w) * g).sum(), x)
    assert launches([x, g, w], norm) == 1


@pytest.mark.parametrize(("rows", "more"), [(64, 0), (4096, 1)])
def test_sums_of_columns_come_after_all_walks_along_the_rows(rows, more, launches):
    x, g, w = (mg.placeholder(s) for s in ((rows, 768), (rows, 768), (768,)))
    softmax = ((x + w).softmax(1) * g).sum()
    # Long columns are added up in pieces first.
    assert launches([x, g, w], mg.gradients(softmax, [x, w])) == 1 + 1 + more
    norm, b = F.layer_norm(x, (768,), w), mg.placeholder((768,))
    grads = mg.gradients(((norm + b) * g).sum(), [x, w, b])
    assert launches([x, g, w, b], grads) == 1 + 2 * (1 + more)


def test_few_long_rows_are_a_launch_for_each_walk_which_several_blocks_share(launches):
    x, g, w = (mg.placeholder(shape) for shape in ((4, 100_000),) * 2 + ((100_000,),))
    softmax, norm = x.softmax(1), F.layer_norm(x, (100_000,), w, w)
    assert launches([x], softmax) == 3
    assert launches([x, w], norm) == 3
    assert launches([x, g], mg.gradients((softmax * g).sum(), x)) == 4
    assert launches([x], x.logsumexp(1)) == 3
    source = mg.compile([x], softmax, target="cuda").source
    assert source.count("<<<4 x 49, 256>>>") == 3


def test_the_loss_of_labels_among_many_needs_no_matrix_of_zeros(launches):
    x, y = mg.placeholder((64, 32_000)), mg.placeholder((64,), "int64")
    loss = F.cross_entropy(x, y)
    source = mg.compile([x, y], mg.gradients(loss, x), target="cuda").source
    assert "zeros" not in source
    assert "index_add" not in source


@pytest.fixture(params=["whole", "in pieces"])
def rows(request, monkeypatch):
    """Rows are walked by one block each, or by several."""
    if request.param == "in pieces":
        monkeypatch.setattr(rowwise, "pieces_of", lambda shape: 3)


@pytest.mark.parametrize("dtype", ["float64", *full("float32")])
def test_all_of_them_and_their_gradients(dtype, monkeypatch):
    outputs, feeds = [], {}
    for name in "XTW":
        x = getattr(walks, name)
        monkeypatch.setattr(walks, name, mg.placeholder(x.shape, dtype))
        feeds[getattr(walks, name)] = walks.FEEDS[x].astype(dtype)
    for build, _ in walks.CASES.values():
        for y in several(build()):
            outputs += [y, mg.gradients((y * y.tanh()).sum(), walks.X)]
    close = 1e-11 if dtype == "float64" else 2e-4
    check(outputs, feeds, rtol=close, atol=close)


@pytest.mark.full
@pytest.mark.usefixtures("rows")
def test_all_of_them_in_pieces(monkeypatch):
    test_all_of_them_and_their_gradients("float64", monkeypatch)


SHAPES = [
    (0, 5), (1, 1), (2, 3, 1), (5, 3), (300, 7), (9, 33), (3, 2, 4, 9),
    (2, 1024), (3, 1025), (1, LONG + 1), (ROWS, LONG + 1),
]  # fmt: skip


def test_rows_of_every_length_and_number():
    outputs, feeds = [], {}
    for shape in SHAPES:
        x = mg.placeholder(shape, "float64")
        feeds[x] = rng.normal(size=shape)
        y = (x - x.mean(-1, keepdim=True)).softmax(-1)
        outputs += [y, x.logsumexp(-1), mg.gradients((y * x).sum(), x)]
    check(outputs, feeds, rtol=1e-11, atol=1e-12)


@pytest.mark.usefixtures("rows")
def test_labels_are_comparisons_in_their_rows():
    outputs, y = [], walks.Y
    for rule in walks.RULES.values():
        loss = F.cross_entropy(walks.X * 2, y, **rule)
        outputs += [loss, mg.gradients((loss * loss).sum(), walks.X)]
    feeds = walks.FEEDS | {y: walks.LABELS}
    check(outputs, feeds, rtol=1e-11, atol=1e-13)
    with pytest.raises(mg.errors.GraphError):
        cuda(outputs, feeds | {y: walks.LABELS + 70})


def test_loss_gradient_and_update_go_along_the_rows_in_one_launch():
    results = []
    for where, target in (("cpu", "interpreter"), ("cuda", "cuda")):
        start = mg.tensor(walks.FEEDS[walks.X], dtype=mg.float64)
        w, y = mg.variable(start.to(where)), mg.placeholder((37,), mg.int64)
        loss = F.cross_entropy(w, y)
        step = mg.compile([y], loss, {w: w - mg.gradients(loss, w)}, target=target)
        losses = [step(walks.LABELS).item() for _ in range(3)]
        results.append([*losses, w.get_value()])
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11)
    kernels = step.source.split("__global__")
    assert len([text for text in kernels if "exp(" in text]) == 1


def test_operands_that_lie_anywhere():
    x, row = mg.placeholder((6, 40, 8), "float64"), mg.placeholder((40, 1), "float64")
    w = mg.placeholder((6,), "float64")
    outputs = [
        x[::-1, ::2, ::-1].softmax(-1),
        x.T.log_softmax(-1),
        (x.permute(2, 1, 0) * row + w).softmax(-1),
        (row.expand(40, 6) + w * 2).log_softmax(-1),
        F.layer_norm(x.permute(1, 2, 0), (6,), w, w * 0.5, 1e-3),
        (x[1:2, 3:4].softmax(-1) * x[..., :1]).amax(-1, True),
    ]
    feeds = {a: rng.normal(size=a.shape) for a in (x, row, w)}
    check(outputs, feeds, rtol=1e-11, atol=1e-12)


@pytest.mark.usefixtures("rows")
def test_rows_that_are_not_finite():
    bad = (np.nan, np.inf, -np.inf, 1e300)
    x = mg.placeholder((3 * len(bad), 70), "float64")
    fed = rng.normal(size=x.shape)
    for i, value in enumerate(bad):
        fed[3 * i, 3] = value
        fed[3 * i + 1] = 0 if np.isfinite(value) else value
        fed[3 * i + 2] = [value] + [-np.inf] * 69
    outputs = [
        x.softmax(1), x.log_softmax(1), x.logsumexp(1, True), x.amax(1, True) + x,
        (x - x.amin(1, True)) / (x.amax(1, True) - x.amin(1, True)),
    ]  # fmt: skip
    with np.errstate(all="ignore"):
        check(outputs, {x: fed}, rtol=1e-12)


@pytest.mark.parametrize("length", [13, 2000])
def test_equal_rows_have_equal_bits_wherever_they_are(length):
    x = mg.placeholder((37, length))
    fed = np.tile(rng.normal(size=length).astype("f"), (37, 1))
    outputs = [x.softmax(1), x / x.sum(1, keepdim=True)]
    program = Program([x], outputs, {}, target="cuda")
    for y in program(fed):
        rows = y.cpu().numpy()
        np.testing.assert_array_equal(rows, np.tile(rows[:1], (37, 1)))


def test_long_sums_of_floats_stay_exact():
    x = mg.placeholder((ROWS, 100_000))
    fed = rng.random(x.shape, dtype="f")
    (got,) = Program([x], [x / x.sum(1, keepdim=True)], {}, target="cuda")(fed)
    wide = fed.astype("f8")
    want = wide / wide.sum(1, keepdims=True)
    np.testing.assert_allclose(got.cpu().numpy(), want, rtol=3e-6)


@pytest.mark.usefixtures("rows")
def test_an_operand_that_a_later_walk_reads_is_not_overwritten():
    walks.test_an_operand_that_a_later_walk_reads_is_not_overwritten()


@pytest.mark.usefixtures("rows")
def test_weights_are_updated_in_the_step_that_normalises_their_gradient():
    fed, start = rng.normal(size=(8, 9)), rng.normal(size=(8, 9))
    t, results = mg.placeholder((8, 9), "float64"), []
    for where, target in (("cpu", "interpreter"), ("cuda", "cuda")):
        w = mg.variable(mg.tensor(start, dtype=mg.float64).to(where))
        loss = (w.softmax(1) * t).sum()
        g = mg.gradients(loss, w)
        new = w - 0.1 * g / (g.square().sum(1, keepdim=True).sqrt() + 1e-3)
        step = mg.compile([t], loss, updates={w: new}, target=target)
        for _ in range(3):
            step(fed)
        results.append(w.get_value())
    np.testing.assert_allclose(*results, rtol=1e-12)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("seed", [*range(2), *full(*range(2, 40))])
def test_random_rows(seed):
    results = []
    for where, target in (("cpu", "interpreter"), ("cuda", "cuda")):
        x, start, outputs, new = walks.random_rows(seed, where)
        step = mg.compile([x], outputs, updates={start: new}, target=target)
        fed = np.random.default_rng(seed).normal(size=x.shape)
        for _ in range(2):
            got = step(fed)
        results.append([*(y.cpu().numpy() for y in got), start.get_value()])
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


def test_softmax_in_the_body_of_a_loop(launches):
    x = mg.placeholder((6, 9))
    h = mg.scan(lambda h, _: (h.softmax(1) * 3, None), x, length=4)[0]
    assert launches([x], h) == 1
