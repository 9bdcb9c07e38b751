"""Lesson 03's pictures say what is really there, line by line and node by node."""

from types import SimpleNamespace

import pytest
from coursekit.exercises import nb03
from coursekit.ladder import beside, graph, ladder

import minigrad as mg


@pytest.fixture
def four():
    """The four lines, built from placeholders."""
    a, b = mg.placeholder((3,), name="a"), mg.placeholder((3,), name="b")
    c = b * a
    return SimpleNamespace(nodes={"a": a, "b": b, "c": c, "d": c + 1})


def computed(picture):
    return {node.lines[0]: node.computed for node in picture.nodes.values()}


def test_a_rung_shows_the_line_its_value_and_the_count():
    A = mg.tensor([1.0, 2.0])
    picture = ladder({"A = ...": A, "C = A * A": A * A}, [0, 1])
    assert [node.lines for node in picture.nodes.values()] == [
        ("A = ...", "[1, 2]", "operations so far: 0"),
        ("C = A * A", "[1, 4]", "operations so far: 1"),
    ]
    assert [node.kind for node in picture.nodes.values()] == ["constant", "op"]
    assert len(picture.edges) == 1


def test_a_rung_with_a_node_shows_that_nothing_is_there(four):
    picture = ladder({"c = b * a": four.nodes["c"]}, [0])
    assert computed(picture) == {"c = b * a": False}


def test_every_line_needs_its_count():
    with pytest.raises(ValueError, match="shorter"):
        ladder({"A": mg.ones(1), "B": mg.ones(1)}, [0])


def test_before_the_call_only_the_constant_has_a_value(four):
    assert computed(graph(four.nodes)) == {
        "a": False, "b": False, "c = mul": False, "1": True, "d = add": False,
    }  # fmt: skip


def test_after_the_call_every_node_holds_its_value(four):
    values = {"a": [1.0], "b": [2.0], "c": [2.0], "d": [3.0]}
    picture = graph(four.nodes, values)
    assert all(computed(picture).values())
    assert {node.lines for node in picture.nodes.values()} == {
        ("a", "[1]"), ("b", "[2]"), ("c = mul", "[2]"), ("1",), ("d = add", "[3]"),
    }  # fmt: skip


def test_two_pictures_stand_in_boxes_of_their_own(four):
    left, right = ladder({"A = ...": mg.ones(1)}, [0]), graph(four.nodes)
    both = beside("both", left, right)
    assert len(both.nodes) == len(left.nodes) + len(right.nodes)
    assert len(both.edges) == len(left.edges) + len(right.edges)
    scopes = {node.scope for node in both.nodes.values()}
    assert scopes == {("line by line",), ("all at once",)}
    assert sum(not node.computed for node in both.nodes.values()) == 4


def test_the_counts_of_the_first_exercise_are_measured():
    assert nb03.counts() == nb03.COUNTS.reference
