"""One program in several libraries: the records belong to it and hold today."""

import json
import re

import pytest
from coursekit import paths, peers

COURSE = paths.course()
PROGRAMS = sorted((COURSE / "peers").glob("*.*.py"))
RECORDED = [p for p in PROGRAMS if p.stem.split(".")[1] in peers.RECORDED]
IN_TORCH = [p for p in RECORDED if p.stem.endswith(".torch")]


def stem(path):
    return path.stem


def numbers(text):
    """What a program computed; digits of names, such as float32 and CPU:0, aside."""
    return set(map(float, re.findall(r"(?<![\w.:])\d+(?:\.\d*)?", text)))


@pytest.fixture
def course(monkeypatch, tmp_path):
    """A course of our own with one program."""
    (tmp_path / "peers").mkdir()
    (tmp_path / "recorded").mkdir()
    text = "import torch\nprint(torch.tensor([1.0, 2.0]).sum().item())\n"
    (tmp_path / "peers" / "99_sum.torch.py").write_text(text)
    record = {
        "library": "PyTorch <9> (CPU)",
        "date": "2026-01-02",
        "program": peers.digest(text),
        "output": "3.0\n",
    }
    (tmp_path / "recorded" / "99_sum.torch.json").write_text(json.dumps(record))
    monkeypatch.setattr(paths, "course", lambda: tmp_path)
    return tmp_path


def test_minigrad_runs_the_same_text_beside_the_record(course, capsys):
    peers.compare("99_sum")
    said = capsys.readouterr().out
    assert "== minigrad, tape (run now) ==\nimport minigrad as torch\n" in said
    assert "== PyTorch <9> (CPU) (recorded 2026-01-02) ==\nimport torch\n" in said
    assert said.count("-- prints --\n3.0\n") == 2


def test_a_static_form_is_a_column_of_its_own(course):
    (course / "peers" / "99_sum.static.py").write_text("print(1 + 2, 'of it')\n")
    titles = [column.title for column in peers.columns_of("99_sum")]
    assert titles[1] == "minigrad, graph"
    assert peers.columns_of("99_sum")[1].output == "3 of it\n"


def test_the_table_is_escaped_and_has_headers(course):
    html = peers._table(peers.columns_of("99_sum"))
    assert html.count('<th scope="col"') == 2
    assert "PyTorch &lt;9&gt;" in html


def test_columns_that_would_not_fit_beside_each_other_go_below(course):
    narrow = peers.Column("one of many", "run now", "print(1)\n", "1\n")
    wide = peers.Column("one of many", "run now", "x" * 60 + "\n", "1\n")
    assert peers._table([narrow] * 5).count("<table>") == 1
    html = peers._table([wide] * 5)
    assert (html.count("<table>"), html.count('<th scope="col"')) == (3, 5)


def test_a_library_that_is_installed_may_run_live(course, monkeypatch):
    said = {"-c": "9.1+cpu\n"}
    monkeypatch.setattr(peers, "_is_installed", lambda peer: True)
    monkeypatch.setattr(peers, "_python", lambda *what: said.get(what[0], "3 now\n"))
    column = peers.columns_of("99_sum", live=True)[1]
    assert (column.title, column.when) == ("PyTorch 9.1 (CPU)", "run now")
    assert column.output == "3 now\n"


def test_a_program_that_changed_asks_for_a_new_record(course):
    path = course / "peers" / "99_sum.torch.py"
    path.write_text(path.read_text() + "print('more')\n")
    with pytest.raises(LookupError, match="record-peers"):
        peers.columns_of("99_sum")


def test_a_program_without_the_import_line_is_refused(course):
    (course / "peers" / "99_sum.torch.py").write_text("print(1)\n")
    with pytest.raises(ValueError, match="import torch"):
        peers.columns_of("99_sum")


@pytest.mark.parametrize("path", RECORDED, ids=stem)
def test_every_program_is_recorded_as_it_stands(path):
    record = peers.load_record(*path.stem.split("."))
    assert record["output"]


@pytest.mark.parametrize("path", IN_TORCH, ids=stem)
def test_minigrad_prints_what_pytorch_printed(path):
    columns = peers.columns_of(path.stem.removesuffix(".torch"))
    alike = [c for c in columns if c.title.startswith(("minigrad", "PyTorch"))]
    assert {column.output for column in alike} == {columns[0].output}


@pytest.mark.parametrize("path", RECORDED, ids=stem)
def test_other_libraries_printed_no_other_numbers(path):
    name, peer = path.stem.split(".")
    said, known = (peers.load_record(name, p)["output"] for p in (peer, "torch"))
    assert numbers(said) <= numbers(known)


@pytest.mark.parametrize("path", IN_TORCH, ids=stem)
def test_pytorch_still_prints_what_was_recorded(path, torch):
    assert (
        peers._python(str(path)) == peers.load_record(path.stem[:-6], "torch")["output"]
    )
