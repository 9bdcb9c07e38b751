"""A small lesson is built, rebuilt without a difference, and passes strict nbval."""

import os
import re
import subprocess
import sys

import nbformat
import pytest
from coursekit import build, paths

LESSON = """\
# %% title [markdown]
# # Try the builder

# %% first-sum
from coursekit import show
from minigrad.viz import Diagram, new_chart

print(1 + 1)

# %% picture
show(Diagram("one node").node("x"))

# %% chart
drawing, axes = new_chart()
axes.plot([1, 2, 3], label="line")
show(drawing, alt="A line that rises from 1 to 3")

# %% own-sum tags=["exercise"]
answer = ...
print(answer)

# %% tags=["solution"]
answer = 3
print(answer)
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of one lesson, built once."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "source").mkdir()
    (folder / "source" / "99_builder.py").write_text(LESSON, encoding="utf-8")
    build.write(folder, [])
    return folder


def read(course, variant):
    return nbformat.read(course / variant / "99_builder.ipynb", as_version=4)


def test_the_twins_have_the_same_cells_but_the_solution(course):
    open_, solved = read(course, "notebooks"), read(course, "solutions")
    ids = ["title", "first-sum", "picture", "chart", "own-sum"]
    assert [cell.id for cell in open_.cells] == ids
    assert [cell.id for cell in solved.cells] == ids
    assert open_.cells[-1].outputs[0].text == "Ellipsis\n"
    assert solved.cells[-1].outputs[0].text == "3\n"
    assert open_.cells[:-1] == solved.cells[:-1]


def test_the_files_hold_nothing_of_this_machine(course):
    notebook = read(course, "notebooks")
    assert notebook.metadata == build.METADATA
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    assert counts == [1, 2, 3, 4]
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)


def test_a_rebuild_differs_where_the_source_did_and_nowhere_else(course):
    source = course / "source" / "99_builder.py"
    source.write_text(LESSON.replace("1 + 1", "1 + 2"), encoding="utf-8")
    try:
        assert build.differences(course, ["99"]) == [
            "notebooks/99_builder.ipynb: first-sum",
            "solutions/99_builder.ipynb: first-sum",
        ]
    finally:
        source.write_text(LESSON, encoding="utf-8")


def nbval(notebook):
    rules = paths.course() / "nbval_sanitize.cfg"
    options = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(rules)]
    plain = ["-p", "nbval.plugin", "-p", "no:cacheprovider", "-rfp"]
    settings = notebook.parent / "none.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plain, "-c", settings, *options, notebook],
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_strict_nbval_masks_a_chart_and_nothing_else(course, tmp_path):
    notebook = read(course, "notebooks")
    for cell in notebook.cells[2:4]:  # a graph and a chart, drawn in another way
        shown = cell.outputs[0].data
        payload = shown["text/html"].split("base64,")[1].partition('"')[0]
        shown["text/html"] = shown["text/html"].replace(payload, "PHN2Zy8+")
    path = tmp_path / "masked.ipynb"
    nbformat.write(notebook, path)
    run = nbval(path)
    passed = re.findall(r"^PASSED .*Cell (\d)", run.stdout, re.MULTILINE)
    failed = re.findall(r"^FAILED .*Cell (\d)", run.stdout, re.MULTILINE)
    assert (passed, failed) == (["0", "2", "3"], ["1"]), run.stdout


def test_a_solution_needs_its_exercise(tmp_path):
    source = tmp_path / "98_lonely.py"
    source.write_text('# %% tags=["solution"]\nx = 1\n', encoding="utf-8")
    with pytest.raises(ValueError, match="without its exercise"):
        build.assemble(source, "solutions")


def test_equal_names_are_numbered_and_nameless_cells_named_by_their_first_line(
    tmp_path,
):
    source = tmp_path / "97_names.py"
    source.write_text("# %%\nx = 1\n# %%\nx = 1\n# %% [markdown]\n# ## See it\n")
    ids = [cell.id for cell in build.assemble(source, "notebooks").cells]
    assert ids == ["x-1", "x-1-2", "see-it"]


def test_main_checks_without_touching_the_state(course, monkeypatch, capsys):
    monkeypatch.setattr(paths, "course", lambda: course)
    (course / "nbval_sanitize.cfg").write_text(
        'regex: (data-chart[^>]*><img[^>]*base64,)[^"]*\nreplace: \\1masked\n'
    )
    monkeypatch.setattr(build, "rebuild", lambda course, numbers: iter(()))
    monkeypatch.setenv("COURSEKIT_STATE", "untouched")
    assert build.main(["--check"]) == 0
    assert "what their sources say" in capsys.readouterr().out
