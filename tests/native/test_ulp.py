"""How exact the functions of floats are, in units in the last place, wherever they are."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad.native.expressions import VECTOR
from minigrad.ops import TABLE

# Units that a result may be off; 4 is what glibc promises of its functions for vectors.
BOUND = dict.fromkeys(VECTOR, 4) | {"sigmoid": 6}
WHOLE = (-np.inf, np.inf)
DOMAIN = {
    "log": (0, np.inf), "log2": (0, np.inf), "log10": (0, np.inf), "pow": (0, np.inf),
    "log1p": (-1, np.inf), "asin": (-1, 1), "acos": (-1, 1),
    "sigmoid": (-87, np.inf),  # what would be subnormal in float32 is 0
}  # fmt: skip
TWO = ("pow", "atan2")
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def drawn(rng, dtype, low, high, count):
    """Numbers of every magnitude there is, subnormal ones too, and many near 0."""
    info = np.finfo(dtype)
    ends = np.log(float(info.smallest_subnormal)), np.log(float(info.max)) - 0.001
    anywhere = np.exp(rng.uniform(*ends, count)) * rng.choice([-1, 1], count)
    near = [rng.uniform(max(low, -x), min(high, x), count) for x in (1, 100)]
    x = rng.permutation(np.concatenate([anywhere, *near])).astype(dtype)
    return x[(x >= low) & (x <= high)]


def native(name, args):
    nodes = [mg.placeholder(a.shape, a.dtype) for a in args]
    program = mg.compile(nodes, TABLE[name](*nodes), target="native")
    assert program.target == "native", program.fallback
    return program(*args).numpy()


def exact(name, args):
    """The results in a format with more digits."""
    wide = np.longdouble if args[0].dtype == np.float64 else np.float64
    args = [a.astype(wide) for a in args]
    with np.errstate(all="ignore"):
        if name == "erf":  # C's, within 1 unit of float64
            return np.vectorize(math.erf)(args[0].astype(np.float64))
        if name == "sigmoid":
            return 1 / (1 + np.exp(-args[0]))
        return TABLE[name].fn(*args)


def units_off(got, want):
    """By how many units each result is off; infinite where one is finite, one is not."""
    with np.errstate(all="ignore"):
        near = want.astype(got.dtype)
        unit = np.spacing(np.abs(near)).astype(want.dtype)
        off = np.abs(got.astype(want.dtype) - want) / unit
    same = (got == near) | (np.isnan(got) & np.isnan(near))
    return np.where(
        same, 0, np.where(np.isfinite(got) & np.isfinite(near), off, np.inf)
    )


def inputs(name, dtype, count):
    rng = np.random.default_rng(0)
    args = [drawn(rng, dtype, *DOMAIN.get(name, WHOLE), count)]
    if name in TWO:
        args.append(drawn(rng, dtype, *WHOLE, count))
        args = [a[: min(map(len, args))] for a in args]
    return args


def check(name, dtype, count):
    args = inputs(name, dtype, count)
    off = units_off(native(name, args), exact(name, args))
    worst = off.argmax()
    assert off[worst] <= BOUND[name], (
        f"{off[worst]} units at {[a[worst] for a in args]}"
    )


@dtypes
@pytest.mark.parametrize("name", BOUND)
def test_functions_are_exact_to_a_few_units_in_the_last_place(name, dtype):
    check(name, dtype, 20_000)


@pytest.mark.full
@dtypes
@pytest.mark.parametrize("name", BOUND)
def test_functions_are_exact_at_a_million_places(name, dtype):
    check(name, dtype, 1_000_000)


@dtypes
@pytest.mark.parametrize("name", BOUND)
def test_what_is_special_gives_what_numpy_gives(name, dtype):
    info = np.finfo(dtype)
    edges = [0.0, 1.0, np.inf, info.max, info.tiny, info.smallest_subnormal]
    special = np.array([np.nan, *edges, *np.negative(edges)], dtype)
    args = [special]
    if name in TWO:
        args = [x.ravel() for x in np.meshgrid(special, special)]
    args = [np.tile(x, 3) for x in args]  # whole vectors, and a rest
    with np.errstate(all="ignore"):
        want = TABLE[name].fn(*args)
    got = native(name, args)
    assert units_off(got, want.astype(np.longdouble)).max() <= BOUND[name] + 1
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    zeros = want == 0
    np.testing.assert_array_equal(np.signbit(got[zeros]), np.signbit(want[zeros]))


def test_sums_of_a_million_floats_lose_little():
    a = np.random.default_rng(0).uniform(size=1_000_000).astype(np.float32)
    x = mg.placeholder(a.shape)
    total = mg.compile([x], x.sum(), target="native")(a).item()
    assert abs(total / a.sum(dtype=np.float64) - 1) < 2e-7
