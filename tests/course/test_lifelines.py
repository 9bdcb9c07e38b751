"""Lesson 05's picture: a bar for each value, as long as it lives."""

from coursekit.exercises import nb05
from coursekit.lifelines import FILLS, boxes_of, lifelines

import minigrad as mg

ALT = "a description long enough to stand in for it"


def test_values_in_one_box_have_one_colour_and_the_listing_says_the_rest():
    drawn = lifelines([("a", 0, 0, 1), ("b", 1, 1, 3), ("c", 0, 2, 4)], ALT)
    assert drawn.svg.count(f'fill="{FILLS[0]}"') == 2
    assert drawn.svg.count(f'fill="{FILLS[1]}"') == 1
    assert drawn.text.splitlines()[1] == "b  box 1, from step 1 to 3"
    assert (
        drawn.svg
        == lifelines([("a", 0, 0, 1), ("b", 1, 1, 3), ("c", 0, 2, 4)], ALT).svg
    )


def test_the_lives_of_a_program_are_its_plan():
    x = mg.placeholder((4,), name="x")
    program = mg.compile([x], (x.exp() * x.tanh()).sum())
    assert [box for _, box, *_ in boxes_of(program)] == [0, 1, 0, None]
    assert boxes_of(program)[0][2:] == (0, 2)


def test_what_the_exercises_ask_is_what_the_library_does():
    assert nb05.refused() == nb05.ILLEGAL.reference
    assert nb05.planned() == nb05.BUFFERS.reference
    assert nb05.saved() == nb05.KEPT.reference
