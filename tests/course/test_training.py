"""Training that is watched, and what stays of it where nobody watches."""

import sys
import types

import pytest
from coursekit.training import training

watching = sys.modules["coursekit.training"]  # the name is the function's as well

ALT = "A curve that falls from round to round."


def run_three(run):
    for number in run:
        run.note("loss", 9 - number)
    return run


def test_the_rounds_are_counted_and_the_curve_is_shown_once(capsys):
    run = run_three(training(3, ALT, "Three rounds."))
    assert run.noted == {"loss": [9.0, 8.0, 7.0]}
    said = capsys.readouterr()
    assert said.out.count("loss: 3 points from 9 to 7") == 1
    assert said.err == ""


def test_the_axes_have_room_for_all_rounds_from_the_start():
    run = training(40, ALT)
    run.note("loss", 1.0)
    assert "loss: 1 points" in run.figure().text


@pytest.mark.parametrize("name", watching.UNWATCHED)
def test_builds_and_tests_are_not_watched(monkeypatch, name):
    there = types.SimpleNamespace(get_ipython=lambda: object())
    monkeypatch.setitem(sys.modules, "IPython", there)
    for other in watching.UNWATCHED:
        monkeypatch.delenv(other, raising=False)
    assert watching.is_watched()
    monkeypatch.setenv(name, "1")
    assert not watching.is_watched()


def test_who_watches_sees_a_bar_and_every_round(monkeypatch):
    pytest.importorskip("tqdm")
    shown = []

    class Handle:
        def update(self, thing):
            shown.append(thing)

    def place(thing, display_id):
        shown.append(thing)
        return Handle()

    display = types.SimpleNamespace(display=place)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(display=display))
    monkeypatch.setattr(watching, "is_watched", lambda: True)
    run_three(training(3, ALT, "Three rounds."))
    assert "0/3" in shown[0].text
    assert len(shown) == 5  # the empty bar, three rounds, the curve alone
    assert "loss: 3 points" in shown[-1].text
