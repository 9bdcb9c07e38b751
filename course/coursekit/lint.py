"""The rules every notebook keeps, each a function from a notebook to problems.

Tests apply them to all notebooks; `SKELETON` is also what a writer of lessons follows.
"""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise

from nbformat import NotebookNode

from . import paths, quoting

# The sections of a lesson, in order, as second-level headings.
SKELETON = (
    "The article says",
    "Before you start",
    "Predict",
    "Run",
    "See",
    "Measure",
    "Explain",
    "The same in",
    "Exercises",
    "Recap",
    "Next",
)
CODE_CELLS = range(10, 17)  # without the exercises
# The tour before the first lesson tests no claim, so it has sections of its own.
TOUR = "Start here"
TOUR_SKELETON = (
    "Run",
    "See",
    "Predict",
    "The course",
    "Exercises",
    "Your machine",
    "Next",
)
TOUR_CODE_CELLS = range(6, 12)
EXERCISES = range(3, 6)
CELL_LINES, FROM_SCRATCH_LINES = 12, 40
SHORTEST_ALT = 15
GLOSSARY_WORDS = 4  # at least, in the recap
ALLOWED_MAGICS: tuple[str, ...] = ()
PICTURES = ("image/svg+xml", "image/png", "image/jpeg")
ANSWERS = re.compile(r"\]\(\.\./solutions/\d\d_\w+\.ipynb\)")
MACHINE = re.compile(
    r"/(?:home|Users|root|tmp|var|opt|usr|mnt)/|[A-Z]:\\|site-packages"
    rf"|ipykernel_\d| at 0x[0-9a-f]{{6,}}|{re.escape(str(paths.course().parent))}"
)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def is_exercise(cell: NotebookNode) -> bool:
    return bool({"exercise", "solution"} & set(tags(cell)))


def executed_in_order(notebook: NotebookNode) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), 1):
        if cell.execution_count != number:
            yield f"{cell.id}: execution count {cell.execution_count}, not {number}"


def no_errors(notebook: NotebookNode) -> Iterator[str]:
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{cell.id}: {output.ename}"
            if output.get("name") == "stderr":
                yield f"{cell.id}: wrote to stderr"


def kernel_and_format(notebook: NotebookNode) -> Iterator[str]:
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernelspec is not python3"
    if (notebook.nbformat, notebook.nbformat_minor) != (4, 5):
        yield f"format {notebook.nbformat}.{notebook.nbformat_minor}, not 4.5"
    for cell in notebook.cells:
        if set(cell.metadata) - {"tags"}:
            yield f"{cell.id}: metadata {sorted(set(cell.metadata) - {'tags'})}"


def no_magics_or_shell(notebook: NotebookNode) -> Iterator[str]:
    for cell in code_cells(notebook):
        for line in cell.source.splitlines():
            start = line.lstrip()
            if start.startswith("!") or "get_ipython()" in start:
                yield f"{cell.id}: leaves Python: {start}"
            if start.startswith("%") and start.split()[0] not in ALLOWED_MAGICS:
                yield f"{cell.id}: magic {start}"


def short_cells(notebook: NotebookNode) -> Iterator[str]:
    if sum("from-scratch" in tags(cell) for cell in notebook.cells) > 1:
        yield "more than one from-scratch cell"
    for cell in code_cells(notebook):
        limit = FROM_SCRATCH_LINES if "from-scratch" in tags(cell) else CELL_LINES
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > limit:
            yield f"{cell.id}: {len(lines)} lines, at most {limit}"


class _Images(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.append(dict(attrs))


def _texts(cell: NotebookNode) -> Iterator[str]:
    """Every text that a cell put out, pictures inside it unpacked."""
    for output in cell.get("outputs", []):
        for text in (output.get("text", ""), *output.get("data", {}).values()):
            if isinstance(text, str):
                packed = re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", text)
                yield re.sub(r"base64,[\w+/=]+", "", text)
                yield from (base64.b64decode(p).decode() for p in packed)


def pictures_have_alt(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            yield from (f"{cell.id}: bare {kind}" for kind in PICTURES if kind in data)
            images = _Images()
            images.feed(data.get("text/html", ""))
            alts = [(image.get("alt") or "").strip() for image in images.found]
            yield from (f"{cell.id}: alt {a!r}" for a in alts if len(a) < SHORTEST_ALT)
        if cell.cell_type == "markdown":
            alts = re.findall(r"!\[(.*?)\]\(", cell.source)
            yield from (f"{cell.id}: alt {a!r}" for a in alts if len(a) < SHORTEST_ALT)


def no_machine_paths(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        for text in _texts(cell):
            for match in MACHINE.finditer(text):
                yield f"{cell.id}: {match[0]!r} depends on the machine"


def headings(notebook: NotebookNode) -> list[tuple[int, str]]:
    """`(level, text)` of every heading, in order."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
            for marks, text in re.findall(r"^(#+) +(.+)$", prose, re.MULTILINE):
                found.append((len(marks), text.strip()))
    return found


def one_title_no_skipped_level(notebook: NotebookNode) -> Iterator[str]:
    levels = [level for level, _ in headings(notebook)]
    if levels.count(1) != 1 or levels[0] != 1:
        yield "there must be one first-level heading, and it comes first"
    for before, after in pairwise(levels):
        if after > before + 1:
            yield f"a heading of level {after} follows one of level {before}"


def lesson_skeleton(notebook: NotebookNode) -> Iterator[str]:
    found = headings(notebook)
    tour = found[:1] != [] and found[0][1].startswith(TOUR)
    wanted = list(TOUR_SKELETON if tour else SKELETON)
    cells = TOUR_CODE_CELLS if tour else CODE_CELLS
    sections = [text for level, text in found if level == 2]
    for text in sections:
        if wanted and text.lower().startswith(wanted[0].lower()):
            wanted.pop(0)
    if wanted:
        yield f"section {wanted[0]!r} is missing or out of order"
    plain = [cell for cell in code_cells(notebook) if not is_exercise(cell)]
    if len(plain) not in cells:
        yield f"{len(plain)} code cells, {cells[0]} to {cells[-1]} wanted"
    number = len(called(notebook, "check"))
    if number not in EXERCISES:
        yield f"{number} exercises, {EXERCISES[0]} to {EXERCISES[-1]} wanted"


def called(notebook: NotebookNode, function: str) -> list[ast.Call]:
    """Every call of `function` in the code cells."""
    calls = []
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                calls += [node] if node.func.id == function else []
    return calls


def first_arguments(notebook: NotebookNode, function: str) -> list[str]:
    """The first argument (an id) of each call of `function`."""
    calls = called(notebook, function)
    return [ast.literal_eval(call.args[0]) for call in calls]


def claims_are_judged(notebook: NotebookNode) -> Iterator[str]:
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    named = set(re.findall(r"\bC[1-9]\d?\b", prose.partition("## Before you start")[0]))
    judged = set(first_arguments(notebook, "claim"))
    if named != judged:
        yield f"named {sorted(named)}, judged {sorted(judged)}"
    for call in called(notebook, "claim"):
        for keyword in call.keywords:
            if keyword.arg == "check" and isinstance(keyword.value, ast.Constant):
                yield f"{ast.unparse(call.args[0])}: a constant check cannot fail"


def verdicts_quote_the_run(notebook: NotebookNode) -> Iterator[str]:
    for cell in code_cells(notebook):
        for number in quoting.typed_in(cell):
            yield f"{cell.id}: {number} is typed into the evidence: take it from the run"


def prose_quotes_the_run(notebook: NotebookNode) -> Iterator[str]:
    known: set[float] = set()
    for cell in code_cells(notebook):
        known.update(*map(quoting.numbers_of, (cell.source, *_texts(cell))))
    section = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            section = ([section, *re.findall(r"^## (.+)$", cell.source, re.M)])[-1]
            if section.startswith(quoting.TOLD):
                for number in quoting.untold(cell.source, known):
                    yield f"{cell.id}: {number} stands in no code and in no output"


def recap_links_the_glossary(notebook: NotebookNode) -> Iterator[str]:
    """The recap of a lesson names its words; that the links lead somewhere is tested too."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## Recap"):
            words = re.findall(r"\[[^\]]+\]\(\.\./guide/glossary\.md#", cell.source)
            if len(words) < GLOSSARY_WORDS:
                yield f"{cell.id}: {len(words)} links to the glossary"


def exercises_link_their_answers(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        if cell.source.startswith("## Exercises") and not ANSWERS.search(cell.source):
            yield f"{cell.id}: no link to the solved notebook"


RULES = (
    executed_in_order,
    no_errors,
    kernel_and_format,
    no_magics_or_shell,
    short_cells,
    pictures_have_alt,
    no_machine_paths,
    one_title_no_skipped_level,
    lesson_skeleton,
    claims_are_judged,
    exercises_link_their_answers,
    recap_links_the_glossary,
    verdicts_quote_the_run,
    prose_quotes_the_run,
)
