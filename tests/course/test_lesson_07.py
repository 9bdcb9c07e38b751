"""Lesson 07's answers are what really happens."""

from coursekit.exercises import nb07


def test_the_rewrites_that_lie_are_those_that_change_a_float():
    assert nb07.lying() == nb07.UNSAFE.reference


def test_merged_lines_keep_their_result_on_any_input():
    for lines in nb07.PROGRAMS:
        merged = nb07.merge(lines)
        assert len(merged) < len(lines)
        for x, y in ((2.0, 3.0), (-1.5, 0.0)):
            assert nb07.run_lines(merged, x, y) == nb07.run_lines(lines, x, y)
