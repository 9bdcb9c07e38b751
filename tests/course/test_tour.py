"""The tour: the map is that of the folder, and the machine's report tells the truth."""

import re

import nbformat
from coursekit import course_map, data, paths, readiness, ready

MAP = re.compile(r"^\d\d  .+$", re.MULTILINE)


def test_the_map_names_every_lesson_once_and_marks_those_that_are_missing(
    tmp_path, monkeypatch
):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/03_line.ipynb").touch()
    monkeypatch.setattr(paths, "course", lambda: tmp_path)
    drawn = course_map()
    rows = MAP.findall(drawn.text)
    assert [row[:2] for row in rows] == [f"{i:02}" for i in range(15)]
    assert rows[0].endswith("(you are here)")
    assert [row[:2] for row in rows if "not there" not in row] == ["00", "03"]
    assert drawn.svg.count("stroke-dasharray") == drawn.svg.count("not there yet") == 13


def test_the_stored_map_is_that_of_the_folder():
    stored = nbformat.read(paths.course() / "notebooks/00_start_here.ipynb", 4)
    printed = next(c for c in stored.cells if c.id == "course-map").outputs[0]
    hint = "python -m coursekit.build 00"
    assert MAP.findall(printed.data["text/plain"]) == MAP.findall(course_map().text), (
        hint
    )


def test_a_ready_machine_is_told_so_and_another_what_to_install(capsys, monkeypatch):
    monkeypatch.setattr(readiness, "find_spec", lambda name: object())
    ready()
    assert capsys.readouterr().out.endswith("You are ready.\n")
    monkeypatch.setitem(data.CHECKSUMS, "nile.csv.gz", "something else")
    monkeypatch.setattr(readiness, "find_spec", lambda name: None)
    ready()
    said = capsys.readouterr().out
    assert re.search(r"^charts .*MISSING$", said, re.MULTILINE)
    assert re.search(r"^data .*MISSING$", said, re.MULTILINE)
    assert readiness.INSTALL in said.splitlines()[-1]
