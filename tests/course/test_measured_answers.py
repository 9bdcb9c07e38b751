"""Reference answers that are numbers are what the library really does."""

from coursekit.exercises import nb01, nb06


def test_gradients_of_two_walks_add_until_they_are_zeroed():
    assert nb06.grads_seen() == nb06.TWICE.reference


def test_which_gradients_are_none():
    assert nb06.none_after_backward() == nb06.NONE.reference


def test_the_shapes_of_lesson_01():
    assert nb01.shapes() == nb01.SHAPES.reference


def test_which_results_are_views():
    assert nb01.views() == nb01.VIEWS.reference
