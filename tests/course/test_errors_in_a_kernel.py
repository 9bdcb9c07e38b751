"""Errors in a real notebook kernel name the cell and the learner's own line.

A kernel gives every cell a file name of its own, somewhere in a temporary folder. What a
learner reads must be the number beside the cell, and never that path.
"""

import re

import nbformat
import pytest
from coursekit import lint
from nbclient import NotebookClient

CELLS = {
    "setup": """\
import minigrad as mg
x, w2 = mg.ones(4, 3), mg.ones(2, 5)
w = mg.ones(3, requires_grad=True)
a, b = mg.placeholder((3,), name="a"), mg.placeholder((3,), name="b")""",
    "inner sizes": """\
w1 = mg.ones(3, 2)
y = x.mm(w2)""",
    "inside a function": """\
def layer(x):
    return x.mm(w2)

layer(x)""",
    "not among the inputs": """\
c = a * b
f = mg.compile([a], c)""",
    "one argument short": """\
f = mg.compile([a, b], a * b)

f(mg.ones(3))""",
    "not a scalar": """\
y = w * 2
y.backward()""",
    "backward twice": """\
loss = (w * w).sum()
loss.backward()
loss.backward()""",
    "if on a node": """\
if a > 0:
    print("positive")""",
    "graph of the wrong shape": """\
p = mg.placeholder((4, 3))
q = p.mm(w2)""",
}

EXPECTED = {
    "inner sizes": ("ShapeError", "cell 2, line 2:  y = x.mm(w2)"),
    "inside a function": ("ShapeError", "cell 3, line 2:  return x.mm(w2)"),
    "not among the inputs": ("GraphError", "cell 4, line 2:  f = mg.compile([a], c)"),
    "one argument short": ("FeedError", "cell 5, line 3:  f(mg.ones(3))"),
    "not a scalar": ("GradError", "cell 6, line 2:  y.backward()"),
    "backward twice": ("GradError", "cell 7, line 3:  loss.backward()"),
    "if on a node": ("GraphError", "cell 8, line 1:  if a > 0:"),
    "graph of the wrong shape": ("ShapeError", "cell 9, line 2:  q = p.mm(w2)"),
}


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """The error each cell ended in, from one run through a kernel."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in CELLS.values()]
    NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=60,
        allow_errors=True,
        resources={"metadata": {"path": str(tmp_path_factory.mktemp("kernel"))}},
    ).execute()
    found = {}
    for name, cell in zip(CELLS, notebook.cells):
        ends = [output for output in cell.outputs if output.output_type == "error"]
        found[name] = ends[0] if ends else None
    return found


def test_the_cells_before_run_without_an_error(errors):
    assert errors["setup"] is None


@pytest.mark.parametrize("name", EXPECTED)
def test_a_typed_error_names_the_cell_and_the_learners_own_line(errors, name):
    kind, place = EXPECTED[name]
    assert errors[name].ename == kind
    rows = errors[name].evalue.splitlines()[1:]
    assert f"  {'at':<9} {place}" in rows


@pytest.mark.parametrize("name", EXPECTED)
def test_every_error_says_more_than_where(errors, name):
    labels = [row.split()[0] for row in errors[name].evalue.splitlines()[1:]]
    assert {"expected", "remedy"} & set(labels), labels
    assert labels == sorted(labels, key=["expected", "got", "remedy", "at"].index)


@pytest.mark.parametrize("name", EXPECTED)
def test_no_error_tells_of_the_machine(errors, name):
    text = errors[name].evalue
    assert not lint.MACHINE.search(text), text
    assert not re.search(r"\w+\.py\b", text), text


def test_the_names_in_the_message_are_the_learners(errors):
    text = errors["inner sizes"].evalue
    assert "x (4, 3) @ w2 (2, 5)" in text
    assert "x.mm(w1)" in text
