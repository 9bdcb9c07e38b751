"""Exercises that check themselves and answer a mistake with the hint that fits it.

An exercise records a reference answer and wrong ones, each with a hint. A learner's
answer is run on the same random cases as all of these: it is right if it does what the
reference does, and if it does exactly what a recorded wrong answer does, it made that
mistake. So the bank of mistakes is its own recogniser, and one test runs it all.
"""

from __future__ import annotations

import copy
import dis
import io
import zlib
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from html import escape
from types import CodeType
from typing import Any

import numpy as np

from .difference import describe, difference, holds_ellipsis, kind_of
from .display import Note, display, marked
from .progress import note


@dataclass(frozen=True)
class Wrong:
    """A mistake that learners make, and what to tell those who make it."""

    answer: Any
    hint: str


class Refused(Exception):
    """Raised by an exercise's `run` when an answer breaks the task's own rule."""


def call(answer: Any, *case: Any) -> Any:
    """What an answer does on a case: a function is called, anything else is itself."""
    return answer(*case) if callable(answer) else answer


def tell(*case: Any) -> str:
    """A case in a few words; what belongs to a dict is in braces."""
    texts = [describe(x) for x in case]
    dicts = [isinstance(x, dict) for x in case]
    return ", ".join(f"{{{t}}}" if d else t for t, d in zip(texts, dicts))


@dataclass(frozen=True)
class Exercise:
    """A task, its reference answer, its known mistakes, three hints, and its reward."""

    id: str
    task: str
    reference: Any
    wrong: tuple[Wrong, ...]
    hints: tuple[str, str, str]
    shows: str
    cases: Callable[[np.random.Generator], Iterable[tuple]] = lambda rng: [()]
    run: Callable[..., Any] = call
    picture: Callable[[Any], Any] | None = None
    tell: Callable[..., str] = tell
    tolerance: float = 1e-5


@dataclass(frozen=True)
class Verdict:
    """`status` is "right", "wrong" or "not attempted"; `mistake` the one recognised."""

    status: str
    report: str = ""
    mistake: Wrong | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of one run: a value, or the error raised instead."""

    value: Any = None
    error: Exception | None = None


def _instructions(code: CodeType) -> list[tuple[str, Any]]:
    return [(step.opname, step.argval) for step in dis.get_instructions(code)]


_EMPTY = _instructions((lambda: None).__code__)


def check(id: str, answer: Any) -> None:
    """Say whether `answer` solves exercise `id`, and if not, where and why."""
    from .exercises import exercise

    task = exercise(id)
    verdict = judge(task, answer)
    if verdict.status == "not attempted":
        print(f'{id}: not attempted yet. {task.task} hint("{id}") helps.')
        return
    if verdict.status == "right":
        print(f"{id}: right. {task.shows}")
        note(id)
        if task.picture is not None:
            display(task.picture(answer))
        return
    _state(id).met(verdict.mistake)
    print(f"{id}: not yet.\n{verdict.report}\n{_next_hint(task)[0]}")


def hint(id: str) -> None:
    """The next hint for exercise `id`, folded away until it is opened."""
    from .exercises import exercise

    _state(id).asked += 1
    title, words = _next_hint(exercise(id))[1:]
    html = (
        f"<details><summary>{escape(title)}</summary><p>{marked(words)}</p></details>"
    )
    display(Note(f"{title}: {words}", html))


def judge(task: Exercise, answer: Any) -> Verdict:
    """Compare `answer` with the reference on every case; bad answers never raise."""
    if callable(task.reference) and not (callable(answer) or _is_open(answer)):
        why = f"a function was expected, not {kind_of(answer)}: give its name alone"
        return Verdict("wrong", _table([("why", why)]))
    cases = list(task.cases(np.random.default_rng(zlib.crc32(task.id.encode()))))
    for case in cases:
        got = _outcome(task, answer, case)
        if _is_stub(answer, got):
            return Verdict("not attempted")
        want = _outcome(task, task.reference, case)
        if want.error is not None:
            raise want.error
        problem = _problem(task, got, want)
        if problem:
            report = _report(task, case, got, want, problem)
            return Verdict("wrong", report, _recognise(task, answer, cases))
    return Verdict("right")


def _outcome(task: Exercise, answer: Any, case: tuple) -> Outcome:
    try:
        return Outcome(task.run(answer, *copy.deepcopy(case)))
    except Exception as error:
        return Outcome(error=error)


def _is_open(answer: Any) -> bool:
    return answer is None or holds_ellipsis(answer)


def _is_stub(answer: Any, got: Outcome) -> bool:
    """`...` as the answer, in it, returned by it, or all there is to its body."""
    if _is_open(answer):
        return True
    code = getattr(answer, "__code__", None)
    if code is not None and _instructions(code) == _EMPTY:
        return True
    if got.error is not None:
        return code is not None and any(constant is ... for constant in code.co_consts)
    return holds_ellipsis(got.value)


def _problem(task: Exercise, got: Outcome, want: Outcome) -> str:
    if isinstance(got.error, Refused):
        return str(got.error)
    if got.error is not None:
        return f"it raised {type(got.error).__name__}: {_first_line(got.error)}"
    return difference(got.value, want.value, task.tolerance)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


def _recognise(task: Exercise, answer: Any, cases: list[tuple]) -> Wrong | None:
    """The recorded wrong answer that does the same as `answer` on every case."""
    with redirect_stdout(io.StringIO()):  # what it prints was shown already
        mine = [_outcome(task, answer, case) for case in cases]
        for wrong in task.wrong:
            theirs = [_outcome(task, wrong.answer, case) for case in cases]
            if all(_same(task, a, b) for a, b in zip(mine, theirs)):
                return wrong
    return None


def _same(task: Exercise, a: Outcome, b: Outcome) -> bool:
    if a.error is not None and b.error is not None:
        alike = type(a.error) is type(b.error)
        return alike and _first_line(a.error) == _first_line(b.error)
    if a.error is not None or b.error is not None:
        return False
    return not difference(a.value, b.value, task.tolerance)


def _report(
    task: Exercise, case: tuple, got: Outcome, want: Outcome, problem: str
) -> str:
    rows = [("why", problem)]
    if callable(task.reference):  # else the expected value would be the solution
        rows.append(("expected", describe(want.value)))
        if case:
            rows.insert(0, ("case", task.tell(*case)))
    if got.error is None:
        rows.append(("got", describe(got.value)))
    return _table(rows)


def _table(rows: list[tuple[str, str]]) -> str:
    return "\n".join(f"  {label:<9} {text}" for label, text in rows)


@dataclass
class Attempts:
    """How often a learner was wrong or asked, and the last mistake recognised."""

    asked: int = 0
    mistake: Wrong | None = None

    def met(self, mistake: Wrong | None) -> None:
        """Count on; a new mistake starts again at the hint that fits it."""
        self.asked = self.asked + 1 if mistake is self.mistake else 1
        self.mistake = mistake


_attempts: dict[str, Attempts] = {}


def _state(id: str) -> Attempts:
    return _attempts.setdefault(id, Attempts())


def _next_hint(task: Exercise) -> tuple[str, str, str]:
    """`(line, title, words)` of the hint that is due; the last one is repeated."""
    state = _state(task.id)
    fitting = state.mistake.hint if state.mistake else task.hints[0]
    number = min(max(state.asked, 1), len(task.hints))
    words = (fitting, *task.hints[1:])[number - 1]
    title = f"Hint {number} of {len(task.hints)} for {task.id}"
    return f"Hint {number} of {len(task.hints)}: {words}", title, words
