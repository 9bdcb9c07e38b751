"""Charts come out without dates, with a listing, in colours that everyone can tell."""

import builtins

import pytest

from minigrad.errors import MissingPackageError
from minigrad.viz import chart, new_chart

ALT = "The loss falls from 4 to 1 in three steps."


def loss_curve():
    pytest.importorskip("matplotlib")
    drawing, axes = new_chart()
    axes.plot([4.0, 2.0, 1.0], label="tape")
    axes.plot([4.0, 3.0, 1.5], label="graph")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    return drawing


def test_two_drawings_of_the_same_data_are_equal_and_undated():
    one, other = (chart(loss_curve(), alt=ALT) for _ in range(2))
    assert one == other
    assert "<metadata>" not in one.svg
    assert one.chart


def test_the_listing_describes_each_curve():
    assert chart(loss_curve(), alt=ALT).text == (
        "step / loss, logarithmic\n"
        "  tape: 3 points from 4 to 1, smallest 1, largest 4\n"
        "  graph: 3 points from 4 to 1.5, smallest 1.5, largest 4"
    )


def test_bars_are_listed_by_height():
    pytest.importorskip("matplotlib")
    drawing, axes = new_chart()
    axes.bar(["a", "b"], [1, 2.5], label="ops")
    assert "ops: bars 1, 2.5" in chart(drawing, alt=ALT).text


def test_curves_differ_in_dash_and_colour():
    one, other = loss_curve().axes[0].get_lines()
    assert one.get_color() != other.get_color()
    assert one.get_linestyle() != other.get_linestyle()


def test_without_matplotlib_one_sentence_names_the_package(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingPackageError, match="pip install matplotlib"):
        new_chart()
