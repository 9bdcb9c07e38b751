"""What PyTorch made of tests/golden/cases_optim.py."""

import sys
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden"
sys.path.insert(0, str(GOLDEN))

import cases  # noqa: E402


@pytest.fixture(scope="session")
def golden():
    with np.load(GOLDEN / "optim.npz") as packed:
        return cases.unpack(packed)
