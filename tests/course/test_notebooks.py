"""Every committed notebook keeps the rules, and is what its source says."""

import ast
from pathlib import Path

import nbformat
import pytest
from coursekit import build, claims, exercises, lint, paths

COURSE = paths.course()
SOURCES = build.sources(COURSE, [])
NOTEBOOKS = [
    COURSE / variant / f"{source.stem}.ipynb"
    for source in SOURCES
    for variant in build.VARIANTS
]


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def read(path: Path):
    assert path.exists(), f"{name(path)} is not built: make notebooks"
    return nbformat.read(path, as_version=4)


def test_every_notebook_has_a_source():
    built = [
        p for variant in build.VARIANTS for p in (COURSE / variant).glob("*.ipynb")
    ]
    assert sorted(built) == sorted(NOTEBOOKS)


@pytest.mark.skipif(not (COURSE / "notebooks").exists(), reason="no notebooks yet")
def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
@pytest.mark.parametrize("rule", lint.RULES, ids=lambda rule: rule.__name__)
def test_rule(rule, path):
    assert list(rule(read(path))) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_the_cells_are_those_of_the_source(path):
    source = COURSE / "source" / f"{path.stem}.py"
    wanted = build.assemble(source, path.parent.name)
    assert [(c.id, c.cell_type, c.source, lint.tags(c)) for c in read(path).cells] == [
        (c.id, c.cell_type, c.source, lint.tags(c)) for c in wanted.cells
    ]


def test_few_cells_are_excused_from_comparison():
    cells = [cell for path in NOTEBOOKS for cell in lint.code_cells(read(path))]
    excused = [cell.id for cell in cells if any("nbval" in t for t in lint.tags(cell))]
    assert len(excused) <= 0.05 * len(cells), excused


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_every_claim_of_a_notebook_is_judged(path):
    known = claims.load()
    for id in lint.first_arguments(read(path), "claim"):
        assert path.stem[:2] in known[id]["notebooks"]
        assert known[id].get("verdict"), f"{id}: python -m coursekit record"
    for id, row in known.items():
        if path.stem[:2] == row["notebooks"][-1]:
            assert row.get("verdict"), f"{id} ends in {path.stem} without a verdict"


def test_a_claim_gets_one_verdict_wherever_it_is_judged():
    known = claims.load()
    for path in NOTEBOOKS:
        for call in lint.called(read(path), "claim"):
            id, verdict = (ast.literal_eval(argument) for argument in call.args[:2])
            assert verdict == known[id].get("verdict"), f"{name(path)}: {id}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_notebook_uses_every_exercise_and_question_written_for_it(path):
    module = exercises._load(f"nb{path.stem[:2]}")
    notebook = read(path)
    tasks = {task.id for task in getattr(module, "EXERCISES", ())}
    asked = {question.id for question in getattr(module, "QUESTIONS", ())}
    assert set(lint.first_arguments(notebook, "check")) == tasks
    assert set(lint.first_arguments(notebook, "quiz")) == asked


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_exercises_are_open_in_the_notebook_and_solved_in_its_twin(path):
    notebook = read(path)
    printed = "".join(
        output.get("text", "")
        for cell in lint.code_cells(notebook)
        for output in cell.outputs
    )
    for id in lint.first_arguments(notebook, "check"):
        wanted = "right." if path.parent.name == "solutions" else "not attempted yet."
        assert f"{id}: {wanted}" in printed
