"""A program told step by step."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.static import pieces


def training_step():
    x, w = mg.placeholder((8,), name="x"), mg.variable(np.ones(8, np.float32), "w")
    loss = (w * x).tanh().sum()
    return mg.compile([x], loss, updates={w: w - 0.5 * mg.gradients(loss, w)})


def test_steps_say_what_they_read_and_where_they_write():
    lines = repr(training_step().steps).splitlines()
    assert lines[0] == "  0  mul: w, x -> mul#0 in buffer 0"
    assert lines[2] == "  2  sum: tanh#1 -> sum#2 in new memory"
    assert lines[-1].endswith("-> sub#7 in w")


def test_fused_steps_are_one_line(monkeypatch):
    monkeypatch.setattr(pieces, "LARGE", 2)
    (step,) = training_step().steps
    assert step.ops[:3] == ("mul", "tanh", "sum")
    assert step.writes == ("sum#0 in new memory", "sub#0 in w")


def test_lifetimes_end_with_the_last_reader():
    values = {value.name: value for value in training_step().lifetimes}
    tanh, end = values["tanh#1"], len(training_step().steps)
    assert (tanh.place, tanh.bytes, tanh.first) == ("buffer 0", 32, 1)
    assert values["sum#2"].last == values[f"sub#{end - 1}"].last == end
    assert all(value.last > value.first for value in values.values())


def test_memory_is_counted_without_and_with_fusion(monkeypatch):
    alone = training_step().stats
    assert alone["bytes_naive"] == alone["bytes_fused"] == 7 * 32 + 4
    assert alone["fused"] == 0
    monkeypatch.setattr(pieces, "LARGE", 2)
    fused = training_step().stats
    assert (fused["steps"], fused["fused"]) == (1, alone["steps"])
    assert fused["bytes_naive"] == alone["bytes_naive"]
    assert (fused["bytes_fused"], fused["bytes_planned"]) == (36, 0)


def test_a_program_is_profiled_step_by_step():
    step = training_step()
    table = step.profile(np.ones(8))
    assert [*table.rows][:3] == ["0 mul", "1 tanh", "2 sum"]
    assert table.calls == len(step.steps)
    assert table.table().splitlines()[0].split() == ["op", "calls", "ms", "share"]


@pytest.mark.parametrize("stage", ["fuse", "schedule", "plan"])
def test_later_stages_hold_the_final_nodes(stage):
    step = training_step()
    assert len(step.stages[stage]) == 2
    assert set(step.stages[stage]) == {*step.plan.outputs, *step.plan.updates.values()}
