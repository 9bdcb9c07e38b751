"""Lesson 04's picture says in which order a graph runs, and what stays out of it."""

import pytest
from coursekit.ordering import numbered

import minigrad as mg


@pytest.fixture
def nodes():
    """r = x * x + 1, and an unused line."""
    x = mg.placeholder((), name="x")
    p = x * x
    return {"x": x, "p": p, "r": p + 1, "unused": x / 2}


def lines(picture):
    return [node.lines for node in picture.nodes.values()]


def test_each_node_bears_its_place_and_its_value(nodes):
    one = nodes["r"].inputs[1]
    order = [nodes["x"], nodes["p"], one, nodes["r"]]
    picture = numbered(nodes, order, {nodes["x"]: 3.0, nodes["p"]: 9.0})
    assert lines(picture)[:4] == [
        ("1. x", "3"), ("2. p = mul", "9"), ("3. 1",), ("4. r = add",),
    ]  # fmt: skip
    computed = [node.computed for node in picture.nodes.values()]
    assert computed[:4] == [True, True, True, False]


def test_what_is_not_in_the_order_is_drawn_as_not_used(nodes):
    picture = numbered(nodes, [nodes["x"], nodes["p"]])
    kinds = {node.lines[0]: node.kind for node in picture.nodes.values()}
    assert kinds["unused = div"] == kinds["r = add"] == "ghost"
    assert kinds["1. x"] == "placeholder"
    assert kinds["2. p = mul"] == "op"
