"""How exact the functions of floats are, in units in the last place."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.native.expressions import VECTOR
from minigrad.ops import TABLE

# Where each is tried, and how many units it may be off; 4 is what glibc promises.
RANGES = {
    "exp": (-87, 88), "exp2": (-126, 127), "expm1": (-20, 80), "log": (1e-30, 1e30),
    "log2": (1e-30, 1e30), "log10": (1e-30, 1e30), "log1p": (-0.99, 1e20),
    "sin": (-1000, 1000), "cos": (-1000, 1000), "tan": (-1000, 1000), "asin": (-1, 1),
    "acos": (-1, 1), "atan": (-1e6, 1e6), "sinh": (-80, 80), "cosh": (-80, 80),
    "tanh": (-12, 12), "erf": (-5, 5), "atan2": (-100, 100), "pow": (0.01, 10),
}  # fmt: skip
BOUND = 4


def test_every_function_of_floats_is_listed():
    assert sorted(RANGES) == sorted(VECTOR)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RANGES)
def test_functions_are_exact_to_a_few_units_in_the_last_place(name, dtype):
    op, (low, high) = TABLE[name], RANGES[name]
    rng = np.random.default_rng(0)
    if low > 0 and high / low > 1e6:
        draw = np.exp(rng.uniform(np.log(low), np.log(high), 40_001))
    else:
        draw = np.concatenate(
            [
                rng.uniform(low, high, 30_001),
                rng.normal(0, 0.01, 10_000).clip(low, high),
            ]
        )
    args = [draw.astype(dtype)]
    if name in ("atan2", "pow"):
        args.append(rng.uniform(-8, 8, draw.size).astype(dtype))
    nodes = [mg.placeholder(a.shape, dtype) for a in args]
    got = mg.compile(nodes, op(*nodes), target="native")(*args).numpy()
    wide = np.float64 if dtype == "float32" else np.longdouble
    if name == "erf":
        want = op.fn(*(a.astype(np.float64) for a in args))  # itself within 5 units
    else:
        want = op.fn(*(a.astype(wide) for a in args))
    unit = np.spacing(np.abs(want).astype(dtype)).astype(wide)
    off = np.abs(got.astype(wide) - want) / unit
    bound = BOUND + 5 * (name == "erf" and dtype == "float64")
    assert off.max() <= bound, f"{off.max()} units at {[a[off.argmax()] for a in args]}"


def test_sums_of_a_million_floats_lose_little():
    a = np.random.default_rng(0).uniform(size=1_000_000).astype(np.float32)
    x = mg.placeholder(a.shape)
    total = mg.compile([x], x.sum(), target="native")(a).item()
    assert abs(total / a.sum(dtype=np.float64) - 1) < 2e-7
