"""The page of windows, beside loops that say what it means."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, ShapeError
from minigrad.ops.conv import (
    Window,
    conv,
    conv_input,
    conv_weight,
    max_at,
    overlap,
    windows,
)

RNG = np.random.default_rng(0)


def window(kernel, stride=1, padding=(0, 0), dilation=1):
    n = len(kernel)
    return Window(kernel, (stride,) * n, (padding,) * n, (dilation,) * n)


# What is convolved: (batch, channels, filters, groups, size, window). Large batches are
# done in blocks, and rows of 2048 bytes are laid apart.
CALLS = [
    (2, 3, 4, 1, (7,), window((3,), stride=2, padding=(1, 1))),
    (2, 4, 6, 2, (5, 6), window((2, 3), padding=(1, 0), dilation=2)),
    (1, 2, 2, 1, (4, 3, 5), window((2, 2, 2), padding=(0, 1))),
    (40, 4, 8, 2, (8, 8), window((3, 3), padding=(1, 1))),
    (64, 8, 4, 1, (8, 8), window((2, 2), stride=2)),
    (0, 2, 3, 1, (5, 5), window((3, 3))),
]
calls = pytest.mark.parametrize("call", CALLS, ids=str)


def operands(call, dtype="float64"):
    batch, channels, filters, groups, size, how = call
    x = RNG.normal(size=(batch, channels, *size))
    w = RNG.normal(size=(filters, channels // groups, *how.kernel))
    g = RNG.normal(size=(batch, filters, *how.counts(size)))
    options = {"window": how, "groups": groups}
    return *(a.astype(dtype) for a in (x, w, g)), options


def by_loops(x, w, options):
    how, groups = options["window"], options["groups"]
    padded = np.pad(x, ((0, 0), (0, 0), *how.padding))
    counts = how.counts(x.shape[2:])
    y = np.zeros((len(x), len(w), *counts))
    each, given = len(w) // groups, x.shape[1] // groups
    for position in itertools.product(*map(range, counts)):
        spans = zip(position, how.stride, how.kernel, how.dilation)
        at = tuple(np.s_[p * s : p * s + d * (k - 1) + 1 : d] for p, s, k, d in spans)
        for f in range(len(w)):
            group = f // each * given
            seen = padded[:, group : group + given][(np.s_[:], np.s_[:], *at)]
            y[(np.s_[:], f, *position)] = (
                (seen * w[f]).reshape(len(x), w[f].size).sum(axis=1)
            )
    return y


@calls
def test_a_convolution_is_what_a_loop_over_positions_computes(call):
    x, w, _, options = operands(call)
    np.testing.assert_allclose(
        conv(x, w, **options), by_loops(x, w, options), rtol=1e-12, atol=1e-12
    )


@calls
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_three_convolutions_are_adjoints_of_each_other(call, dtype):
    x, w, g, options = operands(call, dtype)
    inner = [
        (conv(x, w, **options) * g).sum(dtype="float64"),
        (x * conv_input(g, w, size=x.shape[2:], **options)).sum(dtype="float64"),
        (w * conv_weight(x, g, **options)).sum(dtype="float64"),
    ]
    close = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(inner, inner[0], rtol=close, atol=close * 10)


@calls
def test_results_lie_in_memory_as_every_result_does(call):
    x, w, g, options = operands(call, "float32")
    for y in (
        conv(x, w, **options),
        conv_input(g, w, size=x.shape[2:], **options),
        conv_weight(x, g, **options),
        max_at(x, window=options["window"]),
    ):
        assert y.flags.c_contiguous


@calls
def test_windows_and_overlap_are_adjoints(call):
    x, _, _, options = operands(call)
    seen = windows(x, window=options["window"])
    g = RNG.normal(size=seen.shape)
    back = overlap(g, size=x.shape[2:], window=options["window"])
    np.testing.assert_allclose((seen * g).sum(), (x * back).sum(), rtol=1e-12)


def test_operands_in_another_memory_order_give_the_same():
    x, w, g, options = operands(CALLS[3])
    turned = [np.asfortranarray(a) for a in (x, w, g)]
    np.testing.assert_array_equal(conv(*turned[:2], **options), conv(x, w, **options))
    np.testing.assert_array_equal(
        conv_weight(turned[0], turned[2], **options), conv_weight(x, g, **options)
    )


@calls
def test_the_place_of_the_largest_is_where_a_loop_finds_it(call):
    batch, channels, _, _, size, how = call
    x = RNG.integers(-2, 3, (batch, channels, *size)).astype("float64")  # with ties
    pads = ((0, 0), (0, 0), *how.padding)
    padded = np.pad(x, pads, constant_values=-np.inf)
    places = np.pad(np.arange(x.size).reshape(x.shape), pads)
    got, flat = max_at(x, window=how), (batch, channels, int(np.prod(how.kernel)))
    for position in itertools.product(*map(range, got.shape[2:])):
        spans = zip(position, how.stride, how.kernel, how.dilation)
        at = tuple(np.s_[p * s : p * s + d * (k - 1) + 1 : d] for p, s, k, d in spans)
        key = (np.s_[:], np.s_[:], *at)
        first = padded[key].reshape(flat).argmax(axis=2)
        expected = np.take_along_axis(places[key].reshape(flat), first[..., None], 2)[
            ..., 0
        ]
        np.testing.assert_array_equal(got[(np.s_[:], np.s_[:], *position)], expected)


def test_padding_is_never_the_largest_not_even_of_infinities():
    x = np.full((1, 1, 2, 2), -np.inf)
    at = max_at(x, window=window((2, 2), padding=(1, 1)))
    np.testing.assert_array_equal(at[0, 0], [[0, 0, 1], [0, 0, 1], [2, 2, 3]])


def test_integers_have_a_largest_too():
    x = np.array([[[3, -5, 7, 7]]])
    np.testing.assert_array_equal(max_at(x, window=window((2,), 2)), [[[0, 2]]])


def test_operands_that_do_not_fit_are_refused_while_a_graph_is_built():
    x, w, g, options = operands(CALLS[3])
    node = mg.placeholder(x.shape, x.dtype)
    for call in (
        lambda: conv(node, w[:, 1:], **options),
        lambda: conv_input(node, w, size=(8, 8), **options),
        lambda: conv_weight(node, g[:, :, 1:], **options),
    ):
        with pytest.raises(ShapeError, match="do not fit together"):
            call()
    with pytest.raises(DTypeError, match="conv: the dtypes differ"):
        conv(node, w.astype("float32"), **options)


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="does not fit"):
        conv(np.ones((1, 1, 2)), np.ones((1, 1, 3)), window=window((3,)), groups=1)
