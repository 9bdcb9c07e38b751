"""NVIDIA's compiler, which needs no GPU: machine code, PTX, and the log when it refuses."""

import importlib.metadata

import pytest

from minigrad.errors import DeviceError, GraphError
from minigrad.gpu import nvrtc

TEXT = 'extern "C" __global__ void one(float *a) { a[threadIdx.x] = 1; }'


@pytest.fixture(autouse=True)
def _installed():
    try:
        nvrtc.library()
    except DeviceError as absent:
        pytest.skip(str(absent))


@pytest.mark.parametrize("arch", ["sm_75", "sm_80", "sm_90"])
def test_a_kernel_becomes_machine_code(arch):
    assert nvrtc.compile(TEXT, arch).startswith(b"\x7fELF")


def test_a_virtual_architecture_gives_ptx():
    assert b".visible .entry one(" in nvrtc.compile(TEXT, "compute_75")


def test_what_nvrtc_refuses_is_an_error_with_its_log_and_the_text():
    with pytest.raises(GraphError) as caught:
        nvrtc.compile(TEXT.replace("= 1", "= nothing"))
    assert 'identifier "nothing" is undefined' in str(caught.value)
    assert "threadIdx.x] = nothing" in str(caught.value)


def test_options_reach_the_compiler():
    line = TEXT.replace("= 1", "= VALUE")
    assert nvrtc.compile(line, options=("-DVALUE=3",))


def test_the_prelude_gives_the_names_that_c_has_in_headers():
    text = """extern "C" __global__ void f(int64_t *a, uint64_t b, uint8_t c, float *d) {
      a[0] = b + c + int32_t(1) + uint32_t(2), d[0] = NAN, d[1] = INFINITY; }"""
    assert nvrtc.compile(nvrtc.PRELUDE + text)


def test_without_the_package_the_remedy_names_it(monkeypatch):
    def absent(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    with pytest.raises(DeviceError, match="pip install nvidia-cuda-nvrtc"):
        nvrtc.library.__wrapped__()
