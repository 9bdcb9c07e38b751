"""The tests of the CPU, on a device: not copies, the tests themselves.

    python -m pytest -p tests.gpu.on_device tests/eager tests/nn tests/optim tests/ops

Tensors are made on the GPU, or on the simulated one where there is none, and reading one
as an array of NumPy copies it back first. What is about the CPU itself, and what traces,
is left out: compiled programs have device tests of their own.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad.eager.tensor import Tensor

SYMBOLIC = "traced tracing jit graph node placeholder one_program one_step".split()
ABOUT_THE_CPU = """
    a_gradient_set_to_zero a_parameter_prints a_parameter_without_a_gradient
    cuda_is_refused default_device detach_shares_memory every_number_may_change
    gradients_set_to_zero leave_no_cycles makers_take_device memory_is_shared
    momentum_may_begin share_memory_and_their_writes nested_values_come_back share_memory_through_dlpack
    to_keeps_the_parameters to_takes_all wrong_options_are_refused
""".split()
LONG = "a_chain_of a_long_chain".split()  # the tape's length is no device's business


def pytest_collection_modifyitems(config, items):
    words = [*SYMBOLIC, *ABOUT_THE_CPU, *([] if mg.cuda.is_available() else LONG)]
    left_out = [item for item in items if any(word in item.name for word in words)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(autouse=True)
def on_the_device(monkeypatch):
    """Make and read tensors there."""
    read, made = Tensor.numpy, mg.from_numpy

    def numpy(self):
        return read(self if self.requires_grad else self.cpu())

    def array(self, dtype=None, copy=None):
        return np.array(self.numpy(), dtype=dtype)

    def of_numpy(x):
        return made(x).to("cuda")

    monkeypatch.setattr(Tensor, "numpy", numpy)
    monkeypatch.setattr(Tensor, "__array__", array)
    monkeypatch.setattr(mg, "from_numpy", of_numpy)
    if mg.cuda.is_available():
        mg.set_default_device("cuda")
        yield
        mg.set_default_device("cpu")
        return
    with mg.cuda.simulate():
        mg.set_default_device("cuda")
        yield
