"""What tests of kernels share: every text they make is compiled by NVIDIA's compiler too."""

import itertools
import re
from contextlib import contextmanager

import pytest

import minigrad as mg
from minigrad.errors import DeviceError
from minigrad.gpu import nvrtc, shim, simulated

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")
KERNEL = re.compile(
    r'extern "C" __global__ void (\w+)(.*?^\})', re.DOTALL | re.MULTILINE
)
_turn = itertools.cycle(ARCHITECTURES).__next__
_seen: set[str] = set()


def compile_kernels(source, architectures):
    """Compile the kernels of a text that no other text has had."""
    head = source[: source.index('extern "C"')] if 'extern "C"' in source else ""
    fresh = []
    for name, body in KERNEL.findall(source):
        if body not in _seen:
            _seen.add(body)
            fresh.append(f'extern "C" __global__ void {name}{body}')
    for architecture in architectures if fresh else ():
        nvrtc.compile("\n".join([head, *fresh]), architecture)


@pytest.fixture(scope="session")
def compilers():
    """Skip where one of the two compilers is missing."""
    if why := shim.explain_absence():
        pytest.skip(why)
    try:
        nvrtc.library()
    except DeviceError as why:
        pytest.skip(str(why))


GPUS = "simulated", pytest.param("real", marks=pytest.mark.gpu)


@contextmanager
def a_gpu(request, monkeypatch):
    """The GPU that a fixture's parameter names, one of `GPUS`; of the simulated one the log.

    Each of its new kernels is compiled for a real one too, under --full for all.
    """
    if request.param == "real":
        yield None
        return
    make = simulated.Simulated.kernel
    full = request.config.getoption("--full")

    def kernel(device, source, name):
        compile_kernels(source, ARCHITECTURES if full else [_turn()])
        return make(device, source, name)

    monkeypatch.setattr(simulated.Simulated, "kernel", kernel)
    with mg.cuda.simulate() as log:
        yield log


@pytest.fixture(params=GPUS)
def gpu(request, compilers, monkeypatch):
    """A GPU, the real one where there is one, and always a simulated one."""
    with a_gpu(request, monkeypatch) as log:
        yield log


@pytest.fixture
def log(gpu):
    """What the simulated GPU was asked for."""
    if gpu is None:
        pytest.skip("a real GPU keeps no log")
    return gpu


@pytest.fixture(params=["native", *GPUS])
def compiled(request, compilers, monkeypatch):
    """`mg.compile` for native code or for CUDA; tensors are made where that runs."""
    target = "native" if request.param == "native" else "cuda"

    def compiled(*args, **options):
        program = mg.compile(*args, target=target, **options)
        assert program.target == target, program.fallback
        return program

    if target == "native":
        yield compiled
        return
    with a_gpu(request, monkeypatch):
        mg.set_default_device("cuda")
        yield compiled
        mg.set_default_device("cpu")
