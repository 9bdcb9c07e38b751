"""Reference answers that are numbers are what the library really does."""

from coursekit.exercises import nb06


def test_gradients_of_two_walks_add_until_they_are_zeroed():
    assert nb06.grads_seen() == nb06.TWICE.reference


def test_which_gradients_are_none():
    assert nb06.none_after_backward() == nb06.NONE.reference
