"""Lesson 11: the same recurrent network with a loop inside the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..checking import Exercise, Refused, Wrong
from ..display import figure
from ..quizzes import Question

LONGEST = 6

# -- 11.1 the condition ----------------------------------------------------------------


def more(i: Any, word: Any, most: Any) -> Any:
    return (i < most) & (word[i] != 0)


def loop_with(answer: Any) -> Any:
    """A graph that counts its rounds, with the learner's condition."""
    word = mg.placeholder((LONGEST,), mg.int64, name="word")
    most = mg.placeholder((), mg.int64, name="most")
    asked: list[Any] = []

    def condition(i: Any) -> Any:
        asked.append(answer(i, word, most))
        return asked[-1]

    try:
        rounds = mg.while_loop(
            condition, lambda i: i + 1, mg.constant(0), max_iterations=LONGEST - 1
        )
    except mg.errors.GraphError:
        if asked and (asked[-1] is None or asked[-1] is ...):
            return asked[-1], None
        if asked and isinstance(asked[-1], bool):
            raise Refused(
                "the condition is a plain bool, fixed while building"
            ) from None
        raise
    return mg.compile([word, most], rounds), rounds


def count_rounds(answer: Any, word: list[int], most: int) -> Any:
    program, _ = loop_with(answer)
    return program(word, most).item() if isinstance(program, mg.Program) else program


def picture_of(answer: Any) -> Any:
    caption = "Your condition, inside the loop node."
    return figure(loop_with(answer)[1], caption=caption)


MORE = Exercise(
    id="11.1",
    task="more(i, word, most): one more letter? A node, true or false.",
    reference=more,
    wrong=(
        Wrong(
            lambda i, word, most: i < most and word[i] != 0,
            "Python's `and` must know now whether the left side is true. Nodes are "
            "joined by &, with parentheses around each side.",
        ),
        Wrong(
            lambda i, word, most: word[i] != 0,
            "The end mark is seen, but `most` is not: a long word is read too far.",
        ),
        Wrong(
            lambda i, word, most: i < most,
            "You always read `most` letters. Where is the 0 that ends the word?",
        ),
        Wrong(
            lambda i, word, most: (i <= most) & (word[i] != 0),
            "One too many: i letters are read already, and `most` are allowed.",
        ),
        Wrong(
            lambda i, word, most: (i < most) | (word[i] != 0),
            "Both must hold for one more round: & is and, | is or.",
        ),
        Wrong(
            lambda i, word, most: (i < most) & (word[i] == 0),
            "That goes on *at* the end mark, so it never begins. Turn it round.",
        ),
        Wrong(
            lambda i, word, most: True,
            "A plain True would never change. Compute the answer from i, word and most.",
        ),
    ),
    hints=(
        "Two things must hold: there is room for one more, and the word is not over.",
        "i < most is one node, word[i] != 0 another.",
        "return (i < most) & (word[i] != 0)",
    ),
    shows="The decision is part of the graph now: find it in the box below.",
    cases=lambda rng: [
        ([3, 1, 20, 0, 0, 0], 5),
        ([5, 5, 5, 5, 5, 0], 3),
        ([0, 4, 4, 4, 4, 0], 5),
        ([*rng.integers(1, 27, 4).tolist(), 0, 0], 4),
    ],
    run=count_rounds,
    picture=picture_of,
)

# -- 11.2 the wrong loop variable ------------------------------------------------------

SHAPES = Exercise(
    id="11.2",
    task="Three pairs: which variable changes, and its shape after the first round.",
    reference=[("total", (3,)), ("seen", (2, 3)), ("h", (3, 3))],
    wrong=(
        Wrong(
            [("h", (3,)), ("seen", (2, 3)), ("h", (3, 3))],
            "First body: h stays (3,), which is what it was. What is added to total?",
        ),
        Wrong(
            [("total", ()), ("seen", (2, 3)), ("h", (3, 3))],
            "First body: () is what total was before. Adding (3,) to () gives (3,).",
        ),
        Wrong(
            [("total", (3,)), ("seen", (1, 6)), ("h", (3, 3))],
            "cat joins along the first axis unless told otherwise: rows are added.",
        ),
        Wrong(
            [("total", (3,)), ("seen", (2, 3)), ("h", (3, 1))],
            "Third body: (3, 1) times (3,) is not the end. Broadcasting makes a table.",
        ),
        Wrong(
            [("total", (3,)), ("seen", (2, 3)), ("best", ())],
            "Third body: best stays (), for .max() gives one number. Look at h.",
        ),
    ),
    hints=(
        "Write the shape of each right side beside it; one differs from its start.",
        "(), (3,) broadcast to (3,); cat adds up the rows; (3, 1) * (3,) is a table.",
        "They are total, seen and h.",
    ),
    shows="In a graph, start with the final shape, or let scan stack what you collect.",
)

# -- 11.3 backward through three rounds ------------------------------------------------


def slope_of_w(w: float, xs: list[float], h0: float) -> float:
    return _walk(w, xs, h0)


def _walk(
    w: float,
    xs: list[float],
    h0: float,
    *,
    rounds: int = 99,
    through_w: bool = True,
    bend: bool = True,
    late: bool = False,
) -> float:
    """The way back, with the parts that mistakes leave out."""
    stack, h = [], h0
    for x in xs:
        stack.append(h)
        h = float(np.tanh(w * h + x))
    slope, g = 0.0, 1.0
    for before in stack[::-1][:rounds]:
        g *= 1 - h**2 if bend else 1.0
        slope += g * (h if late else before)
        g *= w if through_w else 1.0
        h = before
    return slope


HAND = Exercise(
    id="11.3",
    task="slope_of_w(w, xs, h0): the derivative of the last h with respect to w.",
    reference=slope_of_w,
    wrong=(
        Wrong(
            lambda w, xs, h0: _walk(w, xs, h0, rounds=1),
            "That is the last round's part. w is used in the earlier rounds too, and "
            "all parts are added.",
        ),
        Wrong(
            lambda w, xs, h0: _walk(w, xs, h0, through_w=False),
            "On its way to the round before, the gradient passes through w * h: "
            "multiply it by w.",
        ),
        Wrong(
            lambda w, xs, h0: _walk(w, xs, h0, bend=False),
            "The tanh is missing on the way back: multiply by its slope, 1 - h**2.",
        ),
        Wrong(
            lambda w, xs, h0: _walk(w, xs, h0, late=True),
            "In w * h + x stands the old h, the one the round began with. Use that one.",
        ),
    ),
    hints=(
        "Keep the h of each round in a list: the way back needs them all.",
        "Back through one round: first tanh (1 - h**2), then w's part (g * old h), then "
        "on to the old h (g * w).",
        "for before in reversed(stack): g *= 1 - h**2; slope += g * before; g *= w; "
        "h = before",
    ),
    shows="Your list is the stack that the loop node keeps, and your loop its backward.",
    cases=lambda rng: [
        (float(rng.uniform(0.3, 1.5)), rng.normal(size=3).tolist(), float(rng.normal()))
        for _ in range(3)
    ],
)

# -- 11.4 node counts ------------------------------------------------------------------

NODES = Exercise(
    id="11.4",
    task="Three counts: padded for 10 and for 100 letters, while for 100.",
    reference=[126, 1206, 41],
    wrong=(
        Wrong(
            [150, 1500, 41],
            "15 nodes a letter would be 60 for 4 letters, but there are 54. A part of "
            "the 30 is there once only.",
        ),
        Wrong(
            [120, 1200, 41],
            "12 nodes a letter is right. Do not forget those that are there once.",
        ),
        Wrong(
            [126, 1206, 1217],
            "The body of the while node is noted down once, however long the word is.",
        ),
        Wrong(
            [126, 1206, 2050],
            "The while graph does not grow in proportion. It does not grow at all.",
        ),
        Wrong(
            [222, 2382, 41],
            "24 nodes more are for *two* letters more.",
        ),
    ),
    hints=(
        "Two letters more, 24 nodes more: how many is that a letter?",
        "Padded: a fixed part and 12 for each letter. While: only a fixed part.",
        "30 = 6 + 12 * 2.",
    ),
    shows="Linear against constant. The work of a call is another matter.",
)

EXERCISES = (MORE, SHAPES, HAND, NODES)

QUESTIONS = (
    Question(
        "q11.1",
        "`for letter in word[:n]`, with placeholders for word and n. What happens?",
        {
            "a": (
                "it loops when the program is called",
                "Python's for runs while the graph is built, long before any call.",
            ),
            "b": (
                "it is refused: nobody knows n yet",
                "A for needs a number to count to, and a placeholder has none.",
            ),
            "c": (
                "it loops as often as the longest word needs",
                "Only if you write that number down yourself: that is padding.",
            ),
        },
        "b",
    ),
    Question(
        "q11.2",
        "The longest word grows from 2 to 32 letters. How does the graph with a while "
        "node grow?",
        {
            "a": (
                "16 times",
                "So does the padded graph, nearly. A loop node is one node.",
            ),
            "b": (
                "by 30 nodes, one a letter",
                "Not even that: the body is noted down once for all letters.",
            ),
            "c": (
                "not at all",
                "One round is noted down, and the node says how often.",
            ),
        },
        "c",
    ),
    Question(
        "q11.3",
        "A while node reads 16 times as many letters, and you ask for gradients. Its "
        "memory ...",
        {
            "a": (
                "stays: the graph has the same size",
                "The graph stays. But the way back needs the state of every round.",
            ),
            "b": (
                "grows about 16 times",
                "Each round leaves a row on a stack, for the way back.",
            ),
            "c": (
                "grows 256 times",
                "One row for each round is enough: it grows like the length itself.",
            ),
        },
        "b",
    ),
)
