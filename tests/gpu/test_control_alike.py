"""Loops and branches on a GPU: what was asked of the interpreter, asked of CUDA."""

import pytest

import minigrad as mg

from ..static import test_control as results
from ..static import test_control_cells as cells
from ..static import test_control_examples as examples
from ..static import test_control_random as programs

pytestmark = pytest.mark.full  # each program is compiled twice


@pytest.fixture(autouse=True)
def on_the_gpu(gpu):
    """Every tensor is made on the GPU, and every program runs there."""
    before = mg.static.program._default_target[0]
    mg.set_default_target("cuda")
    mg.set_default_device("cuda")
    yield
    mg.set_default_device("cpu")
    mg.set_default_target(before)


# All but those that look at the interpreter's source, or into memory.
LOOKS = {"source_of", "source", "numpy"}
for module in (results, cells, examples):
    for name, test in vars(module).items():
        if name.startswith("test_") and not LOOKS & {*test.__code__.co_names}:
            globals()[name] = test


@pytest.mark.parametrize("seed", range(6))
def test_random_programs_agree_to_the_second_derivative(seed):
    programs.check(seed, 2)
