"""The text of errors: what stands in it, and what stands there once."""

import pytest

import minigrad as mg
from minigrad.errors import ShapeError, user_origin


def test_a_line_that_made_several_nodes_is_named_once():
    start = (mg.constant([0.0]),)
    with pytest.raises(ShapeError) as caught:
        mg.while_loop(lambda h: h.sum() < 1, lambda h: (mg.cat([h, h]),), start)
    assert str(caught.value).count("  at  ") == 1


def test_different_lines_are_all_named():
    error = ShapeError("a", at=[user_origin(), user_origin()])
    assert len(error.origins) == 1
    error.also_at(
        user_origin(),
    )
    assert len(error.origins) == 2
    assert str(error).count("  at  ") == 2
