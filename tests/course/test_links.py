"""Every relative link of notebooks and guide leads somewhere; checked offline."""

import re

import nbformat
import pytest
from coursekit import exercises, paths
from coursekit.links import anchors, broken

COURSE = paths.course()
NOTEBOOKS = sorted(COURSE.glob("notebooks/*.ipynb")) + sorted(
    COURSE.glob("solutions/*.ipynb")
)
PAGES = sorted(COURSE.glob("guide/*.md")) + sorted(COURSE.parent.glob("*.md"))
GUIDE = (COURSE / "guide/instructor.md").read_text(encoding="utf-8")
GLOSSARY = (COURSE / "guide/glossary.md").read_text(encoding="utf-8")
SECTIONS = re.split(r"^## (?=\d\d )", GUIDE, flags=re.MULTILINE)[1:]


def text_of(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


@pytest.mark.parametrize("path", NOTEBOOKS + PAGES, ids=lambda path: path.name)
def test_relative_links_resolve(path):
    assert list(broken(text_of(path), path.parent)) == []


def test_a_broken_link_is_named(tmp_path):
    (tmp_path / "words.md").write_text("# Words\n\n## held-out data\n")
    good = "[a](words.md) [b](words.md#held-out-data) [c](https://example.org/x)"
    assert list(broken(good, tmp_path)) == []
    bad = "[a](lost.md) [b](words.md#lost) [c](#lost) [here](words.md)"
    assert len(list(broken(bad, tmp_path))) == 4


def test_links_in_code_are_no_links(tmp_path):
    assert list(broken("`f[0](x)` and\n```\n[a](lost.md)\n```\n", tmp_path)) == []


def test_a_heading_is_linked_as_it_is_in_browsers():
    assert anchors("# One\n\n## `cond`, drawn\n") == {"one", "cond-drawn"}


def test_the_glossary_has_each_word_once_in_order_with_its_lesson():
    entries = re.findall(r"^## (.+)\n\n((?:.+\n)+)", GLOSSARY, re.MULTILINE)
    words = [word for word, _ in entries]
    assert words == sorted(words, key=str.lower)
    assert len(set(words)) == len(words) >= 60
    assert all(re.search(r"Lessons?\s\d\d", meaning) for _, meaning in entries)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section[:2])
def test_a_section_for_instructors_is_whole_and_names_real_exercises(section):
    for part in ("Minutes:", "On the board:", "Typical mistakes:", "To discuss:"):
        assert f"**{part}**" in section
    named = re.findall(r"^  - (\d\d\.\d):", section, re.MULTILINE)
    assert len(named) == 3
    for id in named:
        assert id.startswith(section[:2])
        assert len(exercises.exercise(id).wrong) >= 3
