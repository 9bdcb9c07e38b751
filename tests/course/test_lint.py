"""Each rule for notebooks accepts a good lesson and names what a bad one breaks."""

import base64
import itertools

import pytest
from coursekit import lint
from coursekit.build import METADATA
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

FIGURE = '<figure class="minigrad"><img alt="{}" src="data:image/svg+xml;base64,{}">'

ANSWERS = "[solved notebook](../solutions/99_a_lesson.ipynb)"
WORDS = "[tape](../guide/glossary.md#tape) " * 4


def shown(svg="<svg/>", alt="a good description"):
    packed = base64.b64encode(svg.encode()).decode()
    return new_output("display_data", {"text/html": FIGURE.format(alt, packed)})


def lesson():
    """A lesson that keeps every rule."""
    cells = [new_markdown_cell("# Watch a lesson\n\nTwo lines.", id="title")]
    bodies = {"The article says": " C16 ", "Exercises": ANSWERS, "Recap": WORDS}
    for section in lint.SKELETON:
        body = bodies.get(section, "")
        cells.append(
            new_markdown_cell(
                f"## {section}\n{body}", id=section.lower().replace(" ", "-")
            )
        )
    sources = ["x = 1"] * 10 + ['claim("C16", "V", "it ran", check=x == 1)']
    sources += [f'check("99.{i}", ...)' for i in range(3)]
    for number, source in enumerate(sources, 1):
        tags = {"tags": ["exercise"]} if "check(" in source else {}
        cell = new_code_cell(source, execution_count=number, metadata=tags)
        cell.id = f"code-{number}"
        cells.append(cell)
    lint_me = new_notebook(cells=cells, metadata=METADATA)
    lint.code_cells(lint_me)[0].outputs = [shown()]
    return lint_me


def code(notebook, number):
    return lint.code_cells(notebook)[number - 1]


def put_out(output):
    return lambda n: code(n, 2).outputs.append(output)


def write(source):
    return lambda n: code(n, 2).update(source=source)


def stream(text, name="stdout"):
    return put_out(new_output("stream", name=name, text=text))


def heading(text):
    return lambda n: n.cells.insert(3, new_markdown_cell(text))


BAD = [
    (lint.executed_in_order, lambda n: code(n, 2).update(execution_count=None)),
    (lint.executed_in_order, lambda n: code(n, 3).update(execution_count=9)),
    (lint.no_errors, put_out(new_output("error", ename="E", evalue="", traceback=[]))),
    (lint.no_errors, stream("a warning", "stderr")),
    (lint.kernel_and_format, lambda n: n.metadata.kernelspec.update(name="my-env")),
    (lint.kernel_and_format, lambda n: n.update(nbformat_minor=4)),
    (lint.kernel_and_format, lambda n: code(n, 1).metadata.update(collapsed=True)),
    (lint.no_magics_or_shell, write("%time x = 1")),
    (lint.no_magics_or_shell, write("!pip list")),
    (lint.no_magics_or_shell, write("get_ipython().system('ls')")),
    (lint.short_cells, write("x = 1\n" * 13)),
    (lint.pictures_have_alt, put_out(shown(alt="image"))),
    (lint.pictures_have_alt, put_out(new_output("display_data", {"image/png": "x"}))),
    (lint.pictures_have_alt, heading("![](picture.svg)")),
    (lint.no_machine_paths, stream("/home/somebody/x.py")),
    (lint.no_machine_paths, stream("<object at 0x7f3a2b1c>")),
    (lint.no_machine_paths, put_out(shown(svg="<text>/tmp/ipykernel_12/3.py</text>"))),
    (lint.one_title_no_skipped_level, heading("# Second title")),
    (lint.one_title_no_skipped_level, heading("#### Deep down")),
    (lint.lesson_skeleton, lambda n: n.cells.pop(4)),
    (lint.lesson_skeleton, lambda n: n.cells.insert(9, n.cells.pop(2))),
    (lint.lesson_skeleton, lambda n: n.cells.__delitem__(slice(12, 20))),
    (lint.lesson_skeleton, lambda n: n.cells.pop()),
    (lint.exercises_link_their_answers, heading("## Exercises\n\nWithout a link.")),
    (lint.recap_links_the_glossary, heading("## Recap\n\nWithout links.")),
    (lint.claims_are_judged, write('claim("C17", "V", "no", check=x)')),
    (lint.claims_are_judged, lambda n: code(n, 11).update(source="x")),
    (lint.claims_are_judged, write('claim("C16", "V", "so", check=True)')),
    (lint.verdicts_quote_the_run, write('claim("C16", "V", "it took 23", check=x)')),
    (lint.verdicts_quote_the_run, write('t = f"{x} of 7"\nclaim("C16", "O", t)')),
    (lint.verdicts_quote_the_run, write('t = "no"\nt += " 9"\nclaim("C16", "X", t)')),
    (lint.prose_quotes_the_run, heading("## Measure\n\nIt took 1,023 steps.")),
    (
        lint.prose_quotes_the_run,
        heading("### More\n\n## See\n\nAll 0.5 of them, or 46%."),
    ),
]


@pytest.mark.parametrize("rule", lint.RULES, ids=lambda rule: rule.__name__)
def test_a_good_lesson_passes(rule):
    assert list(rule(lesson())) == []


@pytest.mark.parametrize(
    ("rule", "spoil"), BAD, ids=[f"{r.__name__}-{i}" for i, (r, _) in enumerate(BAD)]
)
def test_a_bad_lesson_is_named(rule, spoil):
    notebook = lesson()
    spoil(notebook)
    assert list(rule(notebook))


def test_every_rule_is_shown_to_refuse_something():
    assert {rule for rule, _ in BAD} == set(lint.RULES)


def test_one_from_scratch_cell_may_be_longer():
    notebook = lesson()
    code(notebook, 2).update(source="x = 1\n" * 40, metadata={"tags": ["from-scratch"]})
    assert list(lint.short_cells(notebook)) == []
    code(notebook, 3).update(source="x = 1\n" * 40, metadata={"tags": ["from-scratch"]})
    assert list(lint.short_cells(notebook))


def test_comments_and_code_blocks_in_prose_are_no_headings():
    notebook = lesson()
    notebook.cells.insert(3, new_markdown_cell("```python\n# a comment\n```"))
    assert list(lint.one_title_no_skipped_level(notebook)) == []
    levels = [level for level, _ in lint.headings(notebook)]
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels))


def test_the_tour_has_sections_of_its_own():
    notebook = lesson()
    sections = notebook.cells[1 : 1 + len(lint.SKELETON)]
    notebook.cells[0].source = "# Start here: see a picture"
    assert list(lint.lesson_skeleton(notebook))
    for cell, section in zip(sections, lint.TOUR_SKELETON):
        cell.source = f"## {section}"
    assert list(lint.lesson_skeleton(notebook)) == []
    notebook.cells.remove(sections[2])
    assert list(lint.lesson_skeleton(notebook)) == [
        "section 'Predict' is missing or out of order"
    ]


@pytest.mark.parametrize(
    "said",
    ["in 1,023 calls, of 19", "`f(77)`, lesson 44, exercise 10.4, C33, float32, 2018"],
)
def test_numbers_that_stand_in_code_or_output_and_names_are_fine(said):
    notebook = lesson()
    write("steps = 1_023")(notebook)
    stream("done: 19.0\n")(notebook)
    notebook.cells.insert(5, new_markdown_cell(f"## Run\n\nIt ended {said}."))
    assert list(lint.prose_quotes_the_run(notebook)) == []


def test_evidence_from_a_variable_or_a_dated_source_is_fine():
    for source in (
        'text = f"{n} nodes of the C16 kind"\nclaim("C16", "V", text, check=x)',
        'claim("C16", "D", "until 2.0", source="notes", date="2019-09-30")',
    ):
        notebook = lesson()
        write(source)(notebook)
        assert list(lint.verdicts_quote_the_run(notebook)) == []
