"""The calls that are compared with PyTorch, from tests/golden/cases.py."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad.nn.functional  # noqa: F401 - the cases say t.nn

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))

import cases  # noqa: E402
import cases_nn  # noqa: E402, F401 - adds to the cases
import cases_shape  # noqa: E402


@pytest.fixture(scope="session")
def golden():
    """The cases, how to derive one, and what PyTorch gave when `make.py` ran."""
    found = SimpleNamespace(**vars(cases), folder=GOLDEN, results={})
    for file in ("ops.npz", "shape.npz", "nn.npz"):
        with np.load(GOLDEN / file) as packed:
            found.results |= cases.unpack(packed)
    with np.load(GOLDEN / "promotion.npz") as table:
        found.promotion = dict(table)
    return found


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", list(cases.CASES))
    if "shape_case" in metafunc.fixturenames:
        metafunc.parametrize("shape_case", cases_shape.OWN)
