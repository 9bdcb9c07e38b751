"""Lesson 00: the tour. How an exercise, a hint and a question behave."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any

from ..checking import Exercise, Wrong, judge
from ..display import Note
from ..quizzes import Question

# -- 00.1 make a check pass ------------------------------------------------------------


def forgets_to_return(x: int) -> None:
    _ = 2 * x


DOUBLE = Exercise(
    id="00.1",
    task="double(x): two times x.",
    reference=lambda x: 2 * x,
    wrong=(
        Wrong(lambda x: x + 2, "You add 2. To double means to multiply by 2."),
        Wrong(lambda x: x * x, "You square: x * x. To double is 2 * x."),
        Wrong(lambda x: x / 2, "That is half of x, not its double."),
        Wrong(lambda x: x, "You give x back as it came."),
        Wrong(
            forgets_to_return,
            "Nothing comes back. Does your function end with `return ...`?",
        ),
    ),
    hints=(
        "Replace the three dots by a formula with x in it.",
        "What times x is its double?",
        "return 2 * x",
    ),
    shows="That is what success looks like. Most exercises show you a picture as well.",
    cases=lambda rng: [(int(x),) for x in rng.integers(3, 50, 3)],
)

# -- 00.2 fail on purpose --------------------------------------------------------------

TRIED = range(5)


def where_it_doubles(answer: Callable[[int], Any]) -> list[Any]:
    """Of 0, 1, 2, 3, 4: which does the answer double?"""
    values = [answer(x) for x in TRIED]
    if ... in values:
        return values
    right = [value == 2 * x for x, value in zip(TRIED, values)]
    return [f"{'right' if r else 'wrong'} about {x}" for x, r in zip(TRIED, right)]


def refusal(answer: Callable[[int], Any]) -> Note:
    """What check 00.1 has to say about an answer that it refuses."""
    verdict = judge(DOUBLE, answer)
    words = verdict.mistake.hint if verdict.mistake else DOUBLE.hints[0]
    text = f"00.1: not yet.\n{verdict.report}\nHint 1 of 3: {words}"
    return Note(text, f"<pre>{escape(text)}</pre>")


ONLY_TWO = Exercise(
    id="00.2",
    task="only_two(x): right about 2, wrong about 0, 1, 3 and 4.",
    reference=lambda x: x + 2,
    wrong=(
        Wrong(
            lambda x: 2 * x,
            "This one doubles every number. Here you are asked to be wrong.",
        ),
        Wrong(
            lambda x: x * x,
            "x * x is right about 2, but about 0 as well: both give 0.",
        ),
        Wrong(
            lambda x: x + 1,
            "It should give 4 for 2, so that it is right once.",
        ),
    ),
    hints=(
        "Look for a formula that gives 4 for 2, and something else than the double "
        "for every other number.",
        "What could you add to 2 to get 4?",
        "return x + 2",
    ),
    shows="One lucky number is not enough. Check 00.1 would say about your function:",
    run=where_it_doubles,
    picture=refusal,
)

# -- 00.3 ask for a hint ---------------------------------------------------------------

LESSONS_LEFT = Exercise(
    id="00.3",
    task="lessons_left: how many lessons come after this one?",
    reference=14,
    wrong=(
        Wrong(15, "15 lessons in all. You are in one of them: do not count it."),
        Wrong(13, "From 01 to 14, both ends counted: that is one more."),
        Wrong(41, "41 is the number of the article's claims. Count the cards."),
        Wrong(4, "That is the number of parts. Each part is a row of lessons."),
    ),
    hints=(
        "The answer is on the map of the course.",
        "Count the cards, all but the one you are in, whether they are there or not.",
        "lessons_left = 14",
    ),
    shows="Hints cost nothing. Ask for as many as you like.",
)

EXERCISES = (DOUBLE, ONLY_TWO, LESSONS_LEFT)

QUESTIONS = (
    Question(
        "q00.1",
        "In the picture, what does an arrow from one box to another say?",
        {
            "a": (
                "this box is larger than that one",
                "The picture does not compare numbers. It shows what is made from what.",
            ),
            "b": (
                "the second box is made from the first",
                "Follow the arrows from the top and you follow the computation.",
            ),
            "c": (
                "the first box is run twice",
                "Each box stands for one thing that happened once.",
            ),
        },
        "b",
    ),
)
