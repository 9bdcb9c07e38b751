"""Lesson 01's pictures say where each number really lies, and what is only repeated."""

import numpy as np
import pytest
from coursekit.layout import broadcasting, memory_card, places

import minigrad as mg

LINE = mg.arange(6)
TABLE = LINE.reshape(2, 3)


@pytest.mark.parametrize(
    ("t", "wanted"),
    [
        (TABLE, [[0, 1, 2], [3, 4, 5]]),
        (TABLE.T, [[0, 3], [1, 4], [2, 5]]),
        (TABLE[1:, ::2], [[3, 5]]),
        (TABLE[:1].expand(2, 3), [[0, 1, 2], [0, 1, 2]]),
        (TABLE.clone(), [[-1, -1, -1], [-1, -1, -1]]),
    ],
)
def test_each_entry_has_its_place(t, wanted):
    assert places(t, LINE).tolist() == wanted
    if wanted[0][0] >= 0:
        assert np.array_equal(LINE.numpy()[places(t, LINE)], t.numpy())


def test_a_card_lists_memory_and_tensors():
    drawn = memory_card(LINE, turned=TABLE.T, copied=TABLE.clone())
    assert drawn.text.splitlines() == [
        "the memory: [0, 1, 2, 3, 4, 5]",
        "turned: shape (3, 2), int64, strides (1, 3)",
        "  at 0  at 3",
        "  at 1  at 4",
        "  at 2  at 5",
        "copied: shape (2, 3), int64, strides (3, 1)",
        "  own  own  own",
        "  own  own  own",
    ]
    assert drawn.svg.count("<rect") == 1 + 6 + 6 + 6


def test_what_is_repeated_is_dashed():
    drawn = broadcasting(column=mg.ones(3, 1), row=mg.ones(4))
    assert drawn.svg.count("stroke-dasharray") == (12 - 3) + (12 - 4)
    assert "column + row (3, 4): [[2, 2, 2, 2]," in drawn.text
    assert "stroke-dasharray" not in broadcasting(a=mg.ones(2, 2), b=mg.ones(2, 2)).svg
    assert "a * b (1, 2): [[3, 8]]" in broadcasting("*", a=[[1, 2]], b=[3, 4]).text
