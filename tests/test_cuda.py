"""What a program that asks for a GPU is told where there is none."""

import re
import sys
from types import SimpleNamespace

import pytest

import minigrad as mg
from minigrad.gpu import device as found


def test_a_program_that_asks_first_runs_on_the_cpu(no_gpu):
    device = mg.device("cuda" if mg.cuda.is_available() else "cpu")
    assert device == "cpu"
    assert mg.nn.Linear(2, 3).to(device).weight.device == "cpu"
    assert mg.cuda.device_count() == 0


@pytest.fixture
def without_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    found._find.cache_clear()
    yield
    found._find.cache_clear()


def test_without_cupy_the_reason_is_what_to_install(without_cupy):
    assert not mg.cuda.is_available()
    assert "pip install" in mg.cuda.why_not()
    with pytest.raises(mg.errors.DeviceError, match="CuPy is not installed"):
        mg.zeros(2, device="cuda")


class Refused(Exception):
    """What CuPy raises."""


def pretended(driver=13000, devices=1, library=None):
    """A stand-in for CuPy on a machine where something is missing."""

    def count():
        if devices is None:
            raise Refused("cudaErrorNoDevice")
        return devices

    def ones(shape):
        raise library

    runtime = SimpleNamespace(
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: 13010,
        getDeviceCount=count,
        CUDARuntimeError=Refused,
    )
    return SimpleNamespace(cuda=SimpleNamespace(runtime=runtime), ones=ones)


MISSING = {
    "no NVIDIA driver": pretended(driver=0),
    "too old: it runs CUDA 12, CuPy wants 13": pretended(driver=12080),
    "finds no GPU$": pretended(devices=0),
    "finds no GPU .cudaErrorNoDevice": pretended(devices=None),
    "toolkit is missing.*ImportError: libcublas": pretended(
        library=ImportError("libcublas.so.13: not found.\nmore")
    ),
    "toolkit is missing.*RuntimeError: no text": pretended(library=RuntimeError()),
}


@pytest.mark.parametrize(("why", "cupy"), MISSING.items(), ids=list(MISSING))
def test_each_thing_that_can_be_missing_has_a_sentence(why, cupy, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    found._find.cache_clear()
    try:
        assert not mg.cuda.is_available()
        assert re.search(why, mg.cuda.why_not())
        assert "\n" not in mg.cuda.why_not()
    finally:
        found._find.cache_clear()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: mg.cuda.get_device_name(0),
        mg.cuda.synchronize,
        lambda: mg.zeros(2, device="cuda"),
        lambda: mg.zeros(2).to("cuda"),
        lambda: mg.zeros(2).cuda(),
    ],
)
def test_who_does_not_ask_is_told_what_there_is(no_gpu, ask):
    with pytest.raises(mg.errors.DeviceError, match="is_available"):
        ask()
