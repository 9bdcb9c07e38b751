"""Numbers in words: what a lesson says must come from what it ran.

A number that was typed into a sentence is not noticed when the run changes. So the
evidence of a verdict takes its numbers from variables, and a number in the prose must
stand in the code of its notebook or in what that printed, which every test run compares.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

# 23, 1,797, 0.5 and 46 in 46%, but no digits of a name such as C18 or float32.
NUMBER = re.compile(r"(?<![\w.#-])\d[\d,]*(?:\.\d+)?(?![\w-])")
# Code, links, lessons and exercises, and years, which are facts and not results.
NAMES = re.compile(
    r"`[^`]*`|\]\([^)]*\)|lessons? \d\d|\b\d\d\.\d\b|\b(?:1[5-9]|20)\d\d\b",
    re.IGNORECASE,
)
TOLD = ("Run", "See", "Measure", "Explain")  # the sections that tell what a run gave


def typed_in(cell: NotebookNode) -> Iterator[str]:
    """Numbers typed into the evidence of an experiment; D and S rest on a source."""
    tree = ast.parse(cell.source)
    texts: list[ast.AST] = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("claim"), args=[_, verdict, evidence, *_]):
                texts += [] if ast.literal_eval(verdict) in "DS" else [evidence]
    names = {x.id for text in texts for x in ast.walk(text) if isinstance(x, ast.Name)}
    for node in ast.walk(tree):
        match node:
            case ast.Assign([ast.Name(name)], value) | ast.AugAssign(
                ast.Name(name), _, value
            ):
                texts += [value] if name in names else []
    for text in texts:
        for part in ast.walk(text):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield from NUMBER.findall(part.value)


def numbers_of(text: str) -> set[float]:
    """The numbers in code or output, without what groups their digits."""
    plain = re.sub(r"(?<=\d)[,_](?=\d{3})", "", text)
    return set(map(float, re.findall(r"\d+(?:\.\d+)?", plain)))


def untold(prose: str, known: set[float]) -> Iterator[str]:
    """The numbers of two digits or more in `prose` that are not among `known`."""
    for number in NUMBER.findall(NAMES.sub("", prose)):
        if len(number) > 1 and float(number.replace(",", "")) not in known:
            yield number
