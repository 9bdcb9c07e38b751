"""The error function is computed here, so its error is measured here."""

import math

import numpy as np
import pytest

from minigrad.ops.elementwise import erf


@pytest.mark.parametrize("low", [1e-300, 1e-8, 0.1, 0.4, 0.468, 1.0, 4.0, 5.9])
def test_erf_is_within_5_ulp_of_the_c_library(low):
    x = np.random.default_rng(0).uniform(low, low * 1.3, 20_000)
    expected = np.array([math.erf(v) for v in x])
    assert (np.abs(erf(x) - expected) <= 5 * np.spacing(expected)).all()
    np.testing.assert_array_equal(erf(-x), -erf(x))


def test_erf_at_its_ends():
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e308])
    got = erf(x)
    np.testing.assert_array_equal(got, [0, 0, 1, -1, np.nan, 1])
    assert np.signbit(got[1])


def test_erf_of_float32_is_the_rounded_erf_of_float64():
    x = np.linspace(-4, 4, 1001, dtype=np.float32)
    got = erf(x)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, erf(x.astype(np.float64)).astype(np.float32))
