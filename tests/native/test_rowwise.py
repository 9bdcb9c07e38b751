"""Softmax, normalisation and their like: all walks along a row in one step."""

import re

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from tests.native.test_equal import check, native

rng = np.random.default_rng(0)
X = mg.placeholder((37, 70), "float64", name="x")
T = mg.placeholder((37, 70), "float64", name="t")
W = mg.placeholder((70,), "float64", name="w")
FEEDS = {x: rng.normal(size=x.shape) for x in (X, T, W)}


def labels(outputs, feeds=FEEDS):
    program = mg.compile(list(feeds), outputs, target="native")
    steps = program._build.plan.steps
    return [step.label for step in steps if not step.nodes[0].op.view]


def centred(x):
    return x - x.mean(1, keepdim=True)


CASES = {
    "softmax": (lambda: X.softmax(1), 1),
    "log_softmax": (lambda: X.log_softmax(1), 1),
    "softmax by hand": (lambda: X.exp() / X.exp().sum(1, keepdim=True), 1),
    "standardised": (lambda: centred(X) / (centred(X).square().mean(1, keepdim=True) + 1e-5).sqrt(), 1),
    "layer norm": (lambda: F.layer_norm(X, (70,), W, W), 1),
    "largest and smallest": (lambda: (X - X.amin(1, True)) / (X.amax(1, True) - X.amin(1, True)), 1),
    "what is left is read outside too": (lambda: [X.softmax(1), X.logsumexp(1, True)], 1),
    "twice": (lambda: (X.softmax(1) * W).softmax(1), 1),
    "a single row": (lambda: (X[3:4] * 2).softmax(1), 1),
    "a view": (lambda: X[::2, 1:].softmax(1), 1),
    "kept again": (lambda: X.exp() / X.exp().sum(1).sqrt().unsqueeze(1), 1),
    "kept after a number": (lambda: X * (X.mean(1) * 2 + X.amax(1))[:, None], 1),
    "labels as probabilities": (lambda: (X.logsumexp(1) - (X * T).sum(1)) * X.softmax(1).amax(1), 2),
    "columns": (lambda: X.T.log_softmax(1), 1),
    "a product in between": (lambda: (X.softmax(1) @ T.T).softmax(1), 3),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rows_are_walked_in_one_step(name):
    build, steps = CASES[name]
    outputs = build()
    outputs = outputs if isinstance(outputs, list) else [outputs]
    assert len(labels(outputs)) == steps
    check(outputs, FEEDS, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_their_gradients(name):
    outputs = CASES[name][0]()
    y = outputs[0] if isinstance(outputs, list) else outputs
    loss = (y * y.tanh()).sum()
    check([loss, *mg.gradients(loss, [X])], FEEDS, rtol=1e-11, atol=1e-11)


def test_cross_entropy_and_its_gradient():
    loss = -(X.log_softmax(1) * T).sum() / 37
    outputs = [loss, *mg.gradients(loss, [X])]
    check(outputs, FEEDS, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_rows_that_are_not_finite(bad):
    x = FEEDS[X].copy()
    x[0, 3], x[1], x[2] = bad, [bad] + [1e4] * 69, [bad] + [-np.inf] * 69
    x[3] = bad
    outputs = [
        X.softmax(1),
        X.log_softmax(1),
        X.logsumexp(1, True),
        X.amax(1, True) + X,
    ]
    with np.errstate(all="ignore"):
        check(outputs, FEEDS | {X: x}, rtol=1e-12)


def test_large_scores_keep_their_digits():
    x = 1e6 + np.arange(X.shape[0] * 70).reshape(X.shape) % 5
    scores = mg.placeholder(X.shape)
    (got,) = native([scores.log_softmax(1)], {scores: x.astype(np.float32)})
    wanted = mg.tensor(x).log_softmax(1).numpy()
    np.testing.assert_allclose(got.array, wanted, rtol=1e-6)


# --- labels ------------------------------------------------------------------------------

Y = mg.placeholder((37,), "int64", name="labels")
LABELS = np.arange(37) * 7 % 70
RULES = {
    "mean": {},
    "sum": {"reduction": "sum"},
    "one for each": {"reduction": "none"},
    "some ignored": {"ignore_index": int(LABELS[5])},
    "weights": {"weight": W.square()},
    "smoothed": {"label_smoothing": 0.1},
    "all of it": {"weight": W.square(), "label_smoothing": 0.2, "ignore_index": 0},
}


@pytest.mark.parametrize("name", RULES)
def test_a_label_is_a_comparison_in_its_row(name):
    loss = F.cross_entropy(X * 2, Y, **RULES[name])
    outputs = [loss, *mg.gradients((loss * loss).sum(), [X])]
    feeds = FEEDS | {Y: LABELS}
    check(outputs, feeds, rtol=1e-11, atol=1e-13)
    found = labels(outputs, feeds)
    assert not any("index_add" in label or "zeros" in label for label in found)


def trained(dtype, target):
    """Two steps down the slope of a cross entropy of weights, and whatever is left."""
    w, y = mg.variable(FEEDS[X].astype(dtype)), mg.placeholder((37,), "int64")
    loss = F.cross_entropy(w, y)
    new = w - 3.0 * mg.gradients(loss, w)
    program = mg.compile([y], loss, updates={w: new}, target=target)
    return program, w, [program(LABELS).numpy(), program(LABELS).numpy(), w.get_value()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_gradient_and_update_are_one_step_over_the_rows(dtype):
    program, _, got = trained(dtype, "native")
    for a, b in zip(got, trained(dtype, "interpreter")[2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5 if dtype == "float32" else 1e-12)
    wide = [
        s for s in program._build.plan.steps if (37, 70) in [x.shape for x in s.nodes]
    ]
    assert len(wide) == 1
    assert not program._build.plan.copied


@pytest.mark.parametrize("wrong", [-1, 70, 2**40, -(2**33)])
def test_a_label_that_does_not_exist_changes_nothing(wrong):
    program, w, (*_, before) = trained("float32", "native")
    with pytest.raises(mg.errors.GraphError):
        program(np.where(np.arange(37) == 36, wrong, LABELS))
    np.testing.assert_array_equal(w.get_value(), before)


def test_a_label_is_looked_at_where_nobody_asks_for_the_loss():
    row = mg.placeholder((37, 1), "float64")
    loss = F.cross_entropy(T * X + row, Y, reduction="sum")
    outputs, feeds = (
        mg.gradients(loss, [row, T]),
        FEEDS | {Y: LABELS, row: np.ones((37, 1))},
    )
    check(outputs, feeds, rtol=1e-11, atol=1e-12)
    with pytest.raises(mg.errors.GraphError):
        native(outputs, feeds | {Y: LABELS + 70})


@pytest.mark.parametrize("kept", [False, True])
def test_labels_that_count_from_the_end(kept):
    at = np.arange(37), Y
    if kept:
        at = np.arange(37)[:, None], Y[:, None]
    loss = -X.log_softmax(1)[at].mean()
    outputs, feeds = (
        [loss, *mg.gradients(loss, [X])],
        FEEDS | {Y: LABELS - 70 * (LABELS % 2)},
    )
    check(outputs, feeds, rtol=1e-11, atol=1e-13)
    assert not any("index_add" in label for label in labels(outputs, feeds))
    with pytest.raises(mg.errors.GraphError):
        native(outputs, feeds | {Y: LABELS - 71})


def test_labels_that_only_look_alike():
    shuffled = mg.constant(np.arange(37)[::-1].copy())
    outputs = []
    for key in ((shuffled, Y), (Y % 37, Y), (Y % 37,)):
        y = X[key]
        outputs += [y, *mg.gradients((y * y).sum(), [X])]
    check(outputs, FEEDS | {Y: LABELS}, rtol=1e-12)


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (4, 5000), (2, 3, 4), (3, 1)])
def test_labels_of_every_shape(shape):
    x, y = mg.placeholder(shape, "float64"), mg.placeholder((*shape[:-1], 1), "int64")
    p = x.log_softmax(-1).gather(-1, y)
    feeds = {x: rng.normal(size=shape), y: rng.integers(0, shape[-1], y.shape)}
    check([p, *mg.gradients((p * p).sum(), [x])], feeds, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_labels_of_rows_that_are_not_finite(bad):
    x = FEEDS[X].copy()
    x[0, LABELS[0]], x[1, 5], x[2] = bad, bad, bad
    loss = F.cross_entropy(X, Y, reduction="none")
    with np.errstate(all="ignore"):
        outputs = [loss, *mg.gradients(loss.sum(), [X])]
        check(outputs, FEEDS | {X: x, Y: LABELS}, rtol=1e-11, atol=1e-13)


# --- the same inside of loops ------------------------------------------------------------


def test_rows_in_a_body_are_walked_in_one_step():
    xs, ys = mg.placeholder((6, 5, 8), "float64"), mg.placeholder((6, 5), "int64")

    def body(h, row):
        x, y = row
        h = (h + x).softmax(1)
        return h, F.cross_entropy(h * 3, y)

    h, losses = mg.scan(body, xs[0], (xs, ys))
    outputs = [h, losses, mg.gradients(losses.sum() + (h * h).sum(), xs)]
    feeds = {xs: rng.normal(size=xs.shape), ys: rng.integers(0, 8, ys.shape)}
    expected = mg.compile([*feeds], outputs, target="interpreter")(*feeds.values())
    for got, want in zip(native(outputs, feeds), expected, strict=True):
        np.testing.assert_allclose(got.array, want.array, rtol=1e-10, atol=1e-13)
    source = mg.compile([*feeds], losses, target="native").source
    assert len(re.findall("for .*trip", source)) == 1
    assert "double kept" in source


@pytest.mark.parametrize(
    "shape", [(0, 5), (3, 0), (1, 1), (2, 3, 1), (4, 5000), (2, 3, 4, 9)]
)
def test_shapes(shape):
    if shape[-1]:
        x = mg.placeholder(shape, "float32")
        y = (x - x.sum(-1, keepdim=True)).softmax(-1)
        feeds = {x: rng.normal(size=shape).astype("f4") / shape[-1]}
        check([y, *mg.gradients(y.square().sum(), [x])], feeds, rtol=1e-4, atol=1e-6)


def test_numbers_that_leave_are_copied_only_where_a_walk_makes_more():
    check([X.sum(1), X.softmax(1), X.amax(1) * 2], FEEDS, rtol=1e-12, atol=1e-12)
    assert len(labels([X.sum(1), X.softmax(1), X.amax(1) * 2])) == 2
    program = mg.compile([X], (X * 2).sum(1), target="native")
    assert [node.op.name for node in program.ops] == ["mul", "sum"]


def test_columns_of_a_square_are_no_rows():
    x = mg.placeholder((9, 9), "float64")
    outputs = [x.sum(0).unsqueeze(1) * x.sum(1).unsqueeze(1), x * x.amax(0)[:, None]]
    check(outputs, {x: rng.normal(size=(9, 9))}, rtol=1e-12)


def test_an_operand_that_a_later_walk_reads_is_not_overwritten():
    x = X.tanh()  # dies in the step, as large as its result
    y = (x - x.sum(1, keepdim=True)).exp()
    z = y / y.sum(1, keepdim=True) + x @ W.reshape((70, 1))
    check([z * (x @ x.T).sum(1, keepdim=True)], FEEDS, rtol=1e-12, atol=1e-12)


def test_weights_are_updated_in_the_step_that_normalises_their_gradient():
    w = mg.variable(rng.normal(size=(8, 9)))
    before = w.get_value()
    loss = (w.softmax(1) * T[:8, :9]).sum()
    g = mg.gradients(loss, w)
    new = w - 0.1 * g / (g.square().sum(1, keepdim=True).sqrt() + 1e-3)
    native = mg.compile([T], loss, updates={w: new}, target="native")
    native(FEEDS[T])
    got = w.get_value()
    w.set_value(before)
    mg.compile([T], loss, updates={w: new}, target="interpreter")(FEEDS[T])
    np.testing.assert_allclose(got, w.get_value(), rtol=1e-12)


MAKE = [
    lambda a, b, wide: a * 0.3 + b,
    lambda a, b, wide: (a - b).tanh(),
    lambda a, b, wide: wide.amax(1, True),
    lambda a, b, wide: wide.mean(1, keepdim=True),
    lambda a, b, wide: wide.softmax(1),
    lambda a, b, wide: wide.sum(0),
    lambda a, b, wide: wide.sin() * b,
]


def random_rows(seed, where="cpu"):
    """An input, a variable, outputs of both, and what the variable becomes."""
    draw = np.random.default_rng(seed)
    start = mg.tensor(draw.normal(size=(5, 8)), dtype=mg.float64)
    x, v = mg.placeholder((5, 8), "float64"), mg.variable(start.to(where))
    nodes = [x, v, x.sum(1, keepdim=True)]
    for _ in range(25):
        a, b = (nodes[i] for i in draw.integers(len(nodes), size=2))
        wide = a if a.shape == (5, 8) else a + x
        nodes.append(MAKE[draw.integers(len(MAKE))](a, b, wide))
    fit = [n for n in nodes if n.shape in ((5, 8), (5, 1))]
    new = next(n for n in reversed(fit) if n.shape == (5, 8))
    gradient = mg.gradients(fit[-1].sum() + new.sum() + x.sum(), x)
    return x, v, [*fit[-3:], gradient], new


@pytest.mark.parametrize("seed", range(12))
def test_random_rows(seed):
    x, v, outputs, new = random_rows(seed)
    feeds = {x: np.random.default_rng(seed).normal(size=(5, 8))}
    check(outputs, feeds, rtol=1e-9, atol=1e-9)
    before, results = v.get_value(), []
    for target in ("native", "interpreter"):
        v.set_value(before)
        mg.compile([x], outputs[2], updates={v: new}, target=target)(*feeds.values())
        results.append(v.get_value())
    np.testing.assert_allclose(*results, rtol=1e-9, atol=1e-9)
