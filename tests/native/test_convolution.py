"""Convolutions in C: every window, every layout, and what follows them in one step."""

import itertools
import re

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.native import columns, convolution, products
from minigrad.ops.conv import Window, conv, conv_input, conv_weight, max_at
from minigrad.testing import evaluate
from tests.native.test_equal import check

rng = np.random.default_rng(0)


def operands(window, size, batch, channels, filters, groups, dtype=np.float64):
    """An image, filters, and what they have seen: whole numbers, so that all is exact."""
    shapes = (
        (batch, channels, *size),
        (filters, channels // groups, *window.kernel),
        (batch, filters, *window.counts(size)),
    )
    return [rng.integers(-4, 5, shape).astype(dtype) for shape in shapes]


def three(arrays, window, size, groups):
    image, filter, seen = (mg.placeholder(x.shape, x.dtype) for x in arrays)
    shared = {"window": window, "groups": groups}
    outputs = [
        conv(image, filter, **shared),
        conv_input(seen, filter, size=size, **shared),
        conv_weight(image, seen, **shared),
    ]
    return outputs, dict(zip((image, filter, seen), arrays, strict=True))


AXES = {  # size, kernel, stride, padding, dilation of an axis
    "plain": (7, 3, 1, (0, 0), 1),
    "padded": (6, 3, 1, (1, 1), 1),
    "before only": (5, 2, 1, (1, 0), 1),
    "wide padding": (4, 3, 1, (2, 3), 1),
    "strided": (9, 3, 2, (1, 1), 1),
    "skips": (8, 2, 3, (0, 1), 1),
    "with holes": (9, 3, 1, (2, 2), 2),
    "strided with holes": (11, 3, 2, (1, 2), 3),
    "one": (5, 1, 1, (0, 0), 1),
    "every third": (7, 1, 3, (0, 0), 1),
    "long": (70, 5, 1, (2, 2), 1),
}


def window_of(*names):
    size, *rest = zip(*(AXES[name] for name in names), strict=True)
    return size, Window(*rest)


PAIRS = [*itertools.combinations([name for name in AXES if name != "long"], 2)]
WINDOWS = {
    "one axis": [(name,) for name in AXES],
    **{
        f"{a} and another": [p for p in PAIRS if p[0] == a] for a in AXES if a != "long"
    },
    "three axes": [("padded", "strided", "plain"), ("with holes", "one", "skips")],
}


IN_GROUPS = ("one axis", "strided and another", "three axes")


@pytest.mark.parametrize(
    ("name", "groups"),
    [(name, 1) for name in WINDOWS if WINDOWS[name]]
    + [(name, 3) for name in IN_GROUPS],
)
def test_every_window(name, groups):
    outputs, feeds = [], {}
    for names in WINDOWS[name]:
        size, window = window_of(*names)
        arrays = operands(window, size, 3, 2 * groups, 3 * groups, groups)
        more, fed = three(arrays, window, size, groups)
        outputs, feeds = outputs + more, feeds | fed
    check(outputs, feeds, rtol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_every_dtype(dtype):
    size, window = window_of("strided", "padded")
    arrays = [abs(x) for x in operands(window, size, 8, 4, 6, 2)]
    check(*three([x.astype(dtype) for x in arrays], window, size, 2), rtol=0)


@pytest.mark.parametrize("batch", [1, 2, 7, 31, 64])
def test_blocks_of_images_at_the_same_time(batch):
    size, window = window_of("padded", "plain")
    arrays = operands(window, size, batch, 24, 40, 1)
    check(*three(arrays, window, size, 1), rtol=0)


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spreads_as_far_as_it_does_in_the_interpreter(which, bad):
    for names in (("padded", "padded"), ("plain", "strided"), ("with holes", "skips")):
        size, window = window_of(*names)
        arrays = operands(window, size, 3, 2, 2, 1)
        arrays[which].flat[0] = bad
        arrays[which].flat[-1] = bad
        with np.errstate(invalid="ignore"):
            check(*three(arrays, window, size, 1), rtol=0)


def test_operands_that_do_not_lie_in_order():
    x, w = rng.normal(size=(8, 6, 9, 5)), rng.normal(size=(3, 3, 4, 9))
    image, filter = mg.placeholder(x.shape, x.dtype), mg.placeholder(w.shape, w.dtype)
    turned = F.conv2d(
        image.permute(0, 3, 1, 2)[:, 1:], filter.permute(3, 2, 0, 1), padding=1
    )
    loss = turned.square().sum()
    outputs = [turned, *mg.gradients(loss, [image, filter])]
    check(outputs, {image: x, filter: w}, rtol=1e-10, atol=1e-10)


def test_nothing_at_all():
    for batch, channels in ((0, 2), (2, 0)):
        window = Window((2,), (1,), ((0, 0),), (1,))
        arrays = operands(window, (4,), batch, channels, 3, 1)
        check(*three(arrays, window, (4,), 1), rtol=0)


# --- as products of matrices ----------------------------------------------------------------

MIXED = ("one",), ("strided with holes",), ("padded", "strided"), ("skips", "one")


@pytest.mark.parametrize(("groups", "together"), [(1, 1), (3, 512)])
def test_products_of_columns_give_the_same(groups, together, monkeypatch):
    monkeypatch.setattr(convolution, "is_for_blas", lambda node: True)
    monkeypatch.setattr(columns, "TOGETHER", together)  # positions of several images
    monkeypatch.setattr(products, "SMALL", 0)  # all of them go to BLAS
    outputs, feeds = [], {}
    for names in MIXED:
        size, window = window_of(*names)
        arrays = operands(window, size, 3, 2 * groups, 3 * groups, groups)
        arrays[len(outputs) // 3 % 3].flat[-1] = np.inf
        more, fed = three(arrays, window, size, groups)
        outputs, feeds = outputs + more, feeds | fed
    with np.errstate(invalid="ignore"):
        check(outputs, feeds, rtol=0)


def test_many_channels_and_windows_of_one_element_are_products():
    for channels, kernel, expected in ((64, 1, True), (4, 1, False), (8, 3, False)):
        x = mg.placeholder((2, channels, 6, 6), "float64")
        w = mg.placeholder((2 * channels, channels, kernel, kernel), "float64")
        b = mg.placeholder((2 * channels,), "float64")
        y = F.conv2d(x, w, b).relu()
        program = mg.compile([x, w, b], y, target="native")
        assert labels(program)[-1] == "conv+add+relu"
        assert ("blas_dgemm(ROWS" in program.source) is expected
        feeds = {x: rng.normal(size=x.shape) for x in (x, w, b)}
        check([y], feeds, rtol=1e-10, atol=1e-10)
    many = mg.placeholder((1, 64, 6, 6)), mg.placeholder((1, 64, 4, 4))
    window = Window((3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1))
    assert convolution.is_for_blas(conv_weight(*many, window=window, groups=1))
    assert not convolution.is_for_blas(conv_weight(*many, window=window, groups=4))


# --- what follows in the same step --------------------------------------------------------

X = mg.placeholder((6, 2, 7, 7), "float64")
W, B = mg.placeholder((4, 2, 3, 3), "float64"), mg.placeholder((4,), "float64")
FEEDS = {x: rng.normal(size=x.shape) for x in (X, W, B)}


def labels(program):
    return [step.label for step in program._build.plan.steps]


def steps_of(outputs):
    program = mg.compile([X, W, B], outputs, target="native")
    return [name for name in labels(program) if name.startswith("conv")]


CASES = {
    "bias and relu": (lambda y: y.relu(), "conv+add+relu"),
    "what is read twice": (lambda y: y * y.tanh(), "conv+add+tanh+mul"),
    "a sum is a step of its own": (lambda y: y.exp().sum(), "conv+add+exp"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"groups": 2}], ids=str)
def test_elementwise_ops_follow_in_the_same_step(name, options):
    follow, label = CASES[name]
    w = W[:, : 2 // options.get("groups", 1)]
    y = follow(F.conv2d(X, w, B, padding=1, **options))
    assert label in steps_of([y])
    check([y], FEEDS, rtol=1e-10, atol=1e-12)


def test_a_result_that_is_read_elsewhere_is_kept():
    seen = F.conv2d(X, W, B)
    outputs = [seen, seen.relu(), seen.relu() @ seen.relu().swapaxes(-1, -2)]
    check(outputs, FEEDS, rtol=1e-10, atol=1e-12)


def test_the_weight_update_joins_the_convolution_that_makes_the_gradient():
    w = mg.variable(FEEDS[W])
    loss = F.conv2d(X, w, padding=1).square().sum()
    new = w - 0.01 * mg.gradients(loss, w)
    program = mg.compile([X], loss, updates={w: new}, target="native")
    assert "conv_weight+mul+sub" in labels(program)
    (want,) = evaluate(
        [W - 0.01 * mg.gradients(F.conv2d(X, W, padding=1).square().sum(), W)], FEEDS
    )
    program(FEEDS[X])
    np.testing.assert_allclose(w.get_value(), want, rtol=1e-10)


def test_a_result_as_large_as_an_operand_does_not_take_its_place_too_early():
    x = mg.placeholder((4, 4, 3, 3), "float64")  # image, filter and result alike
    w = mg.placeholder((4, 4, 3, 3), "float64")
    y = F.conv2d(x.tanh(), w.tanh(), padding=1).tanh()
    feeds = {x: rng.normal(size=x.shape), w: rng.normal(size=w.shape)}
    check([y], feeds, rtol=1e-10, atol=1e-12)


def test_a_network_of_convolutions_trains_as_in_the_interpreter():
    def train(target):
        data = np.random.default_rng(1)
        x, t = mg.placeholder((12, 1, 8, 8)), mg.placeholder((12, 10))
        shapes = (8, 1, 3, 3), (8,), (16, 8, 3, 3), (16,), (10, 256), (10,)
        weights = [mg.variable(data.normal(size=s).astype("f4") * 0.2) for s in shapes]
        k1, b1, k2, b2, w, b = weights
        h = F.relu(F.conv2d(x, k1, b1, padding=1))
        h = F.max_pool2d(F.relu(F.conv2d(h, k2, b2, padding=1)), 2)
        z = F.linear(h.flatten(1), w, b)
        loss = (z.logsumexp(1) - (z * t).sum(1)).mean()
        updates = {w: w - 0.1 * g for w, g in zip(weights, mg.gradients(loss, weights))}
        step = mg.compile([x, t], loss, updates=updates, target=target)
        images = data.normal(size=x.shape).astype("f4")
        labels = np.eye(10, dtype="f4")[data.integers(0, 10, 12)]
        losses = [float(step(images, labels)) for _ in range(30)]
        return losses, [w.get_value() for w in weights]

    losses, weights = train("native")
    expected, wanted = train("interpreter")
    assert losses[-1] < 0.5 * losses[0]
    np.testing.assert_allclose(losses, expected, rtol=1e-3)
    for got, want in zip(weights, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


# --- pooling ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64", "uint8"])
def test_the_largest_of_every_window(dtype):
    lowest = -np.inf if dtype[0] == "f" else np.iinfo(dtype).min
    outputs, feeds = [], {}
    for names in [(name,) for name in AXES] + PAIRS:
        size, window = window_of(*names)
        if any(2 * max(pad) > n for pad, n in zip(window.padding, window.extent())):
            continue  # a window would lie in the padding
        x = rng.integers(0, 5, (3, 2, *size)).astype(dtype)
        x[0] = lowest
        if dtype[0] == "f":
            x[1].flat[::3] = np.nan
        image = mg.placeholder(x.shape, x.dtype)
        outputs.append(max_at(image, window=window))
        feeds[image] = x
    check(outputs, feeds, rtol=0)


def test_pooling_of_views_and_its_gradient():
    x = mg.placeholder((5, 9, 8, 3), "float64")
    y = F.max_pool2d(x.permute(0, 3, 2, 1)[:, 1:], 3, 2, 1)
    check([y, *mg.gradients(y.square().sum(), [x])], {x: rng.normal(size=x.shape)})


SIDE_BY_SIDE = {  # size, kernel, stride, dilation of windows that share no element
    "all covered": ((6, 4), (3, 2), (3, 2), (1, 1)),
    "a rest": ((7, 5), (2, 2), (2, 2), (1, 1)),
    "gaps": ((9, 8), (2, 1), (4, 3), (1, 1)),
    "holes": ((9, 9), (2, 2), (3, 4), (2, 3)),
    "one axis": ((13,), (4,), (4,), (1,)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_pooling_side_by_side_looks_nothing_up_by_index(name, dtype):
    size, *how = SIDE_BY_SIDE[name]
    pool = F.max_pool2d if len(size) == 2 else F.max_pool1d
    values = rng.integers(0, 3, (3, 2, *size)).astype(dtype)  # often two are equal
    values[0, 0].flat[::3] = np.nan
    values[1, 1] = -np.inf
    x = mg.placeholder(values.shape, dtype)
    y = pool(x, how[0], stride=how[1], dilation=how[2])
    outputs = [y, *mg.gradients((y * np.arange(y.numel()).reshape(y.shape)).sum(), [x])]
    names = labels(mg.compile([x], outputs, target="native"))
    assert {"largest", "spread_to_largest"} <= {*names}
    assert not {"max_at", "index", "index_add"} & {*names}
    with np.errstate(invalid="ignore"):
        check(outputs, {x: values}, rtol=0)


def test_pooling_where_windows_overlap_is_a_search():
    x = mg.placeholder((2, 1, 6, 6))
    y = F.max_pool2d(x, 3, 2)
    assert "max_at" in labels(mg.compile([x], y, target="native"))
    values, places = F.max_pool2d(x, 2, return_indices=True)
    check([y, values, places], {x: rng.normal(size=x.shape).astype("f4")}, rtol=0)


def test_convolution_and_pooling_in_a_body_run_as_outside_of_it():
    xs = mg.placeholder((3, 2, 4, 8, 8), "float64")
    w = mg.variable(rng.normal(size=(4, 4, 3, 3)) * 0.2)

    b = mg.variable(rng.normal(size=4))

    def step(h, x):
        y = F.conv2d(h + x, w, b, padding=1).relu()
        return y, F.max_pool2d(y, 2)

    h, ys = mg.scan(step, np.zeros((2, 4, 8, 8)), xs)
    outputs = [h, ys, *mg.gradients(h.sum() + ys.square().sum(), [xs, w])]
    program = mg.compile([xs], outputs, target="native")
    assert re.search(r"= seen\[.*\];\n *const double t0 = .* \+ ", program.source)
    given = rng.normal(size=xs.shape)
    expected = mg.compile([xs], outputs, target="interpreter")(given)
    for got, want in zip(program(given), expected, strict=True):
        np.testing.assert_allclose(got.array, want.array, rtol=1e-10, atol=1e-12)
