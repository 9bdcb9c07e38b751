"""The modules that are compared with PyTorch, from tests/golden/cases_module.py."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))

import cases  # noqa: E402
import cases_module  # noqa: E402


@pytest.fixture(scope="session")
def modules():
    """The cases, how to run one, and what PyTorch gave when `make.py` ran."""
    with np.load(GOLDEN / "module.npz") as packed:
        results = cases.unpack(packed)
    return SimpleNamespace(run=cases_module.run, results=results)


def pytest_generate_tests(metafunc):
    if "module_case" in metafunc.fixturenames:
        metafunc.parametrize("module_case", list(cases_module.CASES))
