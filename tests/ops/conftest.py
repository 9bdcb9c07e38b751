"""The calls that are compared with PyTorch, from tests/golden/cases.py."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session")
def golden():
    """The cases, how to derive one, and what PyTorch gave when `make.py` ran."""
    found = SimpleNamespace(**runpy.run_path(str(GOLDEN / "cases.py")))
    found.folder = GOLDEN
    with np.load(GOLDEN / "ops.npz") as packed:
        found.results = found.unpack(packed)
    with np.load(GOLDEN / "promotion.npz") as table:
        found.promotion = dict(table)
    return found


def pytest_generate_tests(metafunc):
    if "case" in metafunc.fixturenames:
        cases = runpy.run_path(str(GOLDEN / "cases.py"))["CASES"]
        metafunc.parametrize("case", list(cases))
