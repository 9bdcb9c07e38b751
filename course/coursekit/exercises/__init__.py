"""Exercises and questions, a module a notebook: `nb03` holds "03.1" and "q03.1"."""

from __future__ import annotations

import importlib.util
import pkgutil
from types import ModuleType

from ..checking import Exercise
from ..quizzes import Question


def exercise(id: str) -> Exercise:
    """The exercise called `id`, such as "08.2"."""
    return _find(f"nb{id.partition('.')[0]}", "EXERCISES", id)


def question(id: str) -> Question:
    """The question called `id`, such as "q08.1"."""
    return _find(f"nb{id.partition('.')[0].removeprefix('q')}", "QUESTIONS", id)


def lessons() -> dict[str, list[str]]:
    """The ids of every lesson's questions and exercises, by the lesson's number."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {
        name.removeprefix("nb"): [
            entry.id
            for table in ("QUESTIONS", "EXERCISES")
            for entry in getattr(_load(name), table, ())
        ]
        for name in names
    }


def _find(module: str, table: str, id: str):
    for entry in getattr(_load(module), table, ()):
        if entry.id == id:
            return entry
    raise LookupError(f"coursekit: there is no {table[:-1].lower()} called {id!r}")


def _load(module: str) -> ModuleType | None:
    name = f"{__name__}.{module}"
    if importlib.util.find_spec(name) is None:
        return None
    return importlib.import_module(name)
