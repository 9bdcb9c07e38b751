"""What a program that asks for a GPU is told where there is none."""

import pytest

import minigrad as mg


def test_a_program_that_asks_first_runs_on_the_cpu():
    device = mg.device("cuda" if mg.cuda.is_available() else "cpu")
    assert device == "cpu"
    assert mg.nn.Linear(2, 3).to(device).weight.device == "cpu"
    assert mg.cuda.device_count() == 0


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
def test_who_does_not_ask_is_told_what_there_is(ask):
    with pytest.raises(mg.errors.DeviceError, match="CPU"):
        ask()
