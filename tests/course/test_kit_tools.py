"""Stepper, predictions, measurements, progress and the command line."""

import itertools
import re

import coursekit as kit
import numpy as np
import pytest
from coursekit import __main__ as command
from coursekit import checking, exercises, measuring, paths, stepping
from coursekit.exercises import nb03

import minigrad as mg


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSEKIT_STATE", str(tmp_path))


def leaf(value):
    return mg.tensor(value, requires_grad=True)


def test_the_tape_is_walked_forward_and_back_with_the_real_gradients():
    x, w, b = mg.tensor(3.0), leaf(2.0), leaf(1.0)
    y = (x * w + b) ** 2
    captions = [frame.caption for frame in stepping.frames(y)]
    assert captions == [
        "before the first line",
        "forward 1 of 3: mul runs, saved: a",
        "forward 2 of 3: add runs",
        "forward 3 of 3: y = square runs, saved: a",
        "backward 1 of 3: 1 arrives at y = square",
        "backward 2 of 3: 14 arrives at add",
        "backward 3 of 3: 14 arrives at mul",
        "the end: w gets 42, b gets 14",
    ]
    assert w.grad is None  # looking leaves nothing behind
    y.backward()
    assert w.grad.item() == 42


def test_a_tape_that_was_walked_can_be_watched_forward_only():
    w = leaf(2.0)
    y = w * w
    y.backward()
    assert len(stepping.frames(y)) == 2


def test_what_has_not_run_is_drawn_as_not_computed():
    w = leaf(2.0)
    first, last = stepping.frames(w * w)[0], stepping.frames(w * w)[1]
    assert "no value yet" in first.text
    assert "no value yet" not in last.text


def test_a_program_is_stepped_through_its_stages():
    x = mg.placeholder((2,))
    program = mg.compile([x], x * 1 + 0)
    assert len(stepping.frames(program)) == len(program.stages)


def test_every_frame_is_there_without_scripts():
    w = leaf(2.0)
    shown = stepping.frames(w * w)
    html = stepping._html("two ways", shown)
    without = re.sub("<script>.*</script>", "", html, flags=re.DOTALL)
    assert without.count("<figure") == len(shown)
    assert without.count("<details open") == 1
    assert "<button" not in without


def test_a_prediction_says_how_it_turned_out(capsys):
    kit.predict("How many?", 2).turned_out(2)
    kit.predict("How many?", 3).turned_out(2)
    kit.predict("How many?").turned_out(2)
    kit.predict("What shape?", (2, 3)).turned_out((2, 3))
    assert capsys.readouterr().out.splitlines() == [
        "How many? 2: as you said.",
        "How many? 2: you said 3.",
        "How many? 2. Next time, say first what you expect.",
        "What shape? (2, 3): as you said.",
    ]


def test_measure_gives_ratios():
    found = measuring.Measured({"slow": 4.0, "fast": 1.0}, {"slow": 30, "fast": 10})
    assert found.faster("fast", "slow", times=3)
    assert not found.faster("fast", "slow", times=5)
    assert [line.split() for line in repr(found).splitlines()[1:]] == [
        ["slow", "4.0x", "3.0x"],
        ["fast", "1.0x", "1.0x"],
    ]
    assert "slow" in found.figure("How long two ways take, as bars").text


def test_measure_runs_every_way():
    ran = set()
    found = kit.measure(one=lambda: ran.add("one"), two=lambda: ran.add("two"))
    assert ran == {"one", "two"} == set(found.seconds)


def test_peak_memory_is_what_was_held_at_once():
    size = 800_000
    one = kit.peak_bytes(lambda: np.ones(size // 8).sum())
    two = kit.peak_bytes(lambda: (np.ones(size // 8) + np.ones(size // 8)).sum())
    assert size <= one < 1.1 * size
    assert 2 * size <= two < 3.1 * size


def test_progress_is_kept_only_when_asked_for(tmp_path, capsys):
    task = nb03.EXERCISES[0]
    checking.check(task.id, task.reference)
    kit.progress()
    assert not list(tmp_path.glob("progress*"))
    assert "Nothing is kept" in capsys.readouterr().out
    kit.progress(True)
    checking.check(task.id, task.reference)
    kit.quiz(nb03.QUESTIONS[0].id, nb03.QUESTIONS[0].right)
    capsys.readouterr()
    kit.progress()
    count = len(exercises.lessons()["03"])
    assert f"03  ##{'.' * (count - 2)}  2 of {count}" in capsys.readouterr().out
    kit.progress(False)
    assert not list(tmp_path.glob("progress*"))


def test_wrong_answers_are_not_progress(tmp_path):
    kit.progress(True)
    task = nb03.EXERCISES[0]
    checking.check(task.id, task.wrong[0].answer)
    assert (tmp_path / "progress.json").read_text() == "[]\n"


def test_doctor_looks_at_notebooks_and_data(capsys):
    assert command.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "03_line_by_line" in out
    assert "checksums right" in out


@pytest.mark.parametrize(("folder", "code"), [("solutions", 0), ("notebooks", 1)])
def test_check_runs_a_notebook_and_says_what_is_solved(folder, code, capsys):
    path = paths.course() / folder / "03_line_by_line.ipynb"
    assert command.main(["check", str(path)]) == code
    verdict = "right" if code == 0 else "not attempted"
    assert f"03.1  {verdict}" in capsys.readouterr().out


def test_check_names_a_notebook_that_is_not_there(capsys):
    assert command.main(["check", "lost.ipynb"]) == 2
    assert capsys.readouterr().out == "check: there is no notebook lost.ipynb\n"


def test_an_unknown_command_prints_the_help(capsys):
    assert command.main(["dance"]) == 2
    assert "python -m coursekit check" in capsys.readouterr().out


def test_ways_take_turns_so_that_each_meets_a_quiet_moment():
    order = []
    kit.measure(one=lambda: order.append("one"), other=lambda: order.append("other"))
    changes = sum(before != after for before, after in itertools.pairwise(order))
    assert changes >= 2 * measuring.FEWEST  # however busy the machine is
