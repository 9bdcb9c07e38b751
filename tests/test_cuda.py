"""What a program that asks for a GPU is told where there is none."""

import sys

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
