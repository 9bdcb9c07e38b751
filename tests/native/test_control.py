"""Loops and branches as native code: what the interpreter's tests ask, asked of C."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.static.program import Build

from ..static import test_control as results
from ..static import test_control_cells as cells
from ..static import test_control_examples as examples
from ..static import test_control_random as programs


@pytest.fixture(autouse=True)
def native(monkeypatch):
    """Every program is native code, and none falls back to the interpreter."""
    make = Build._native

    def made(build):
        found = make(build)
        assert build.fallback == ""
        return found

    monkeypatch.setattr(Build, "_native", made)
    mg.set_default_target("native")
    yield
    mg.set_default_target("auto")


def shared(module):
    """The tests of a module, but for those that look at the interpreter's source."""
    for name, test in vars(module).items():
        if name.startswith("test_") and "source_of" not in test.__code__.co_names:
            globals()[f"{name}_of_{module.__name__.rpartition('_')[2]}"] = test


for module in (results, cells, examples, programs):
    shared(module)
