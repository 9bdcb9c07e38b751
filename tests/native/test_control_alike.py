"""Loops and branches as native code: what was asked of the interpreter, asked of C."""

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
    before = mg.static.program._default_target[0]
    mg.set_default_target("native")
    yield
    mg.set_default_target(before)


# All but those that look at the interpreter's source.
LOOKS = ("source_of", "source")
for module in (results, cells, examples):
    for name, test in vars(module).items():
        if name.startswith("test_") and not {*LOOKS} & {*test.__code__.co_names}:
            globals()[name] = test


@pytest.mark.parametrize("seed", range(3))
def test_random_programs_agree_to_the_second_derivative(seed):
    programs.check(seed, 2)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(3, 60))
def test_many_more_random_programs_agree_to_the_third_derivative(seed):
    programs.check(seed, 3 if seed % 5 == 0 else 2)
