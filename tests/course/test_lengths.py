"""What the length of sequences costs, drawn."""

from coursekit.lengths import growth, padding, padding_chart
from coursekit.measuring import Measured


def test_padding_is_what_is_missing_to_the_longest():
    assert padding([2, 5, 3]) == 5
    assert padding([4, 4]) == 0


def test_the_chart_lists_every_length_and_both_areas():
    figure = padding_chart([2, 5, 3, 3], "Bars of lengths, and an area of padding.")
    assert "length 3: 2" in figure.text
    assert "13 for letters, 7 for padding" in figure.text


def test_growth_draws_one_curve_a_way():
    found = {k: Measured({"a": 0.1 * k, "b": 1.0}, {"a": k, "b": 2}) for k in (1, 2)}
    assert "a: 2 points from 0.1 to 0.2" in growth(found, "seconds", "Time.").text
    assert "b: 2 points from 2 to 2" in growth(found, "peaks", "Memory.").text
    assert "a curve for each of: a, b" in growth(found, "peaks", "Memory.").alt
