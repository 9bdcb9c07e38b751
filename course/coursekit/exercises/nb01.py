"""Lesson 01: tensors, shapes, views and the price of a loop."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..checking import Exercise, Refused, Wrong
from ..data import load_nile
from ..drawings import curves
from ..layout import broadcasting
from ..quizzes import Question
from ..rounding import as_array

FEW = 10  # operations; a loop over the numbers needs more


def without_loop(answer: Any, *arrays: np.ndarray) -> Any:
    """Call the answer on tensors; refuse it if it computes number by number."""
    tensors = [mg.tensor(x) if isinstance(x, np.ndarray) else x for x in arrays]
    with mg.count_ops() as counted:
        result = answer(*tensors)
    if counted.total > FEW:
        raise Refused(
            f"{counted.total} operations ran: that is a loop over the numbers"
        )
    return result


# -- 01.1 all products at once ---------------------------------------------------------


def outer_by_loop(a: Any, b: Any) -> Any:
    return mg.stack([x * b for x in a])


def draw_two_rows(rng: np.random.Generator) -> list[tuple]:
    sizes = (12, 4), (int(rng.integers(12, 15)), 5)
    return [
        tuple(rng.normal(size=n).astype(np.float32) for n in pair) for pair in sizes
    ]


OUTER = Exercise(
    id="01.1",
    task="outer(a, b): the (n, m) table of all products, without a loop.",
    reference=lambda a, b: a[:, None] * b,
    wrong=(
        Wrong(
            lambda a, b: a * b,
            "Shapes (n,) and (m,) do not fit together. Make a a column: (n, 1).",
        ),
        Wrong(
            lambda a, b: a * b[:, None],
            "This is the table lying on its side: a belongs down the rows.",
        ),
        Wrong(
            lambda a, b: a[:, None] + b,
            "The broadcasting is right. Now multiply in place of adding.",
        ),
        Wrong(outer_by_loop, "The numbers are right, but Python loops over the rows."),
        Wrong(
            lambda a, b: (a[:, None] * b).sum(),
            "You add the products up. The table itself is asked for.",
        ),
    ),
    hints=(
        "Broadcasting repeats what has size 1. Which shapes give (n, m) together?",
        "A column (n, 1) and a row (m,). a[:, None] makes a column of a.",
        "return a[:, None] * b",
    ),
    shows="One line, no loop, and neither a nor b was copied to do it.",
    cases=draw_two_rows,
    run=without_loop,
    picture=lambda answer: broadcasting(
        "*", a=np.array([[1.0], [2.0], [3.0]]), b=np.array([10.0, 20.0, 30.0, 40.0])
    ),
)

# -- 01.2 the Nile by decades ----------------------------------------------------------


def decade_means(flow: Any) -> Any:
    return flow.reshape(-1, 10).mean(dim=1)


def decades_by_loop(flow: Any) -> Any:
    return mg.stack([flow[i : i + 10].mean() for i in range(0, len(flow), 10)])


def decades_of_the_nile(answer: Any) -> Any:
    years, flow = load_nile()
    means = as_array(answer(mg.tensor(flow))).repeat(10)
    ys = {"flow": flow, "mean of the decade": means}
    alt = "The Nile's flow year by year, and your means of its ten decades as steps."
    return curves(years, ys, alt, "Your ten numbers.", xlabel="year")


DECADES = Exercise(
    id="01.2",
    task="decade_means(flow): the mean of each ten years, without a loop.",
    reference=decade_means,
    wrong=(
        Wrong(
            lambda flow: flow.reshape(-1, 10).mean(dim=0),
            "You averaged down the rows: all first years of a decade, all second years, "
            "and so on. Go along the rows.",
        ),
        Wrong(
            lambda flow: flow.reshape(10, -1).mean(dim=1),
            "That makes ten rows. A decade is a row of ten numbers: the 10 is how long "
            "the rows are, not how many there are.",
        ),
        Wrong(
            lambda flow: flow.reshape(-1, 10),
            "The table is right. Now take the mean along each of its rows.",
        ),
        Wrong(
            lambda flow: flow.reshape(10, -1).mean(dim=0),
            "This puts the k-th part of every tenth of the data together. A decade is "
            "ten numbers that follow each other: one row of ten.",
        ),
        Wrong(
            lambda flow: flow.reshape(-1, 10).sum(dim=1),
            "These are sums. Divide by ten, or ask for the mean.",
        ),
        Wrong(
            lambda flow: flow.mean(),
            "One mean over all years. First give each decade a row of its own.",
        ),
        Wrong(
            lambda flow: flow.reshape(-1, 10).mean(dim=1, keepdim=True),
            "The numbers are right, but as a column. Leave keepdim out.",
        ),
        Wrong(decades_by_loop, "The numbers are right, but Python loops over decades."),
    ),
    hints=(
        "Turn the row of years into a table: one decade a row.",
        "flow.reshape(-1, 10); -1 means: as many rows as it takes.",
        "return flow.reshape(-1, 10).mean(dim=1)",
    ),
    shows="A reshape costs nothing, and it turned a loop into a direction.",
    cases=lambda rng: [
        (rng.normal(900, 100, size=10 * n),) for n in (7, int(rng.integers(8, 12)))
    ],
    run=without_loop,
    picture=decades_of_the_nile,
)

# -- 01.3 clamp by where ---------------------------------------------------------------


def clamp(x: Any, low: float, high: float) -> Any:
    raised = mg.where(x < low, low, x)
    return mg.where(raised > high, high, raised)


def clamp_by_if(x: Any, low: float, high: float) -> Any:
    if x < low:
        return low
    return high if x > high else x


CLAMP = Exercise(
    id="01.3",
    task="clamp(x, low, high): cut off at both ends with mg.where.",
    reference=clamp,
    wrong=(
        Wrong(
            lambda x, low, high: mg.where(x < low, low, x),
            "The lower end is right. Now the upper one, on what came out.",
        ),
        Wrong(
            lambda x, low, high: mg.where(x > high, high, x),
            "The upper end is right. Now the lower one, on what came out.",
        ),
        Wrong(
            lambda x, low, high: mg.where(x < low, x, low),
            "where(condition, here, elsewhere): where x is too small you need low.",
        ),
        Wrong(
            clamp_by_if,
            "`if` wants one yes or no, but x holds many numbers. mg.where decides for "
            "each of them.",
        ),
        Wrong(
            lambda x, low, high: mg.where((x < low) | (x > high), 0.0, x),
            "What is outside goes to the nearest bound, not to zero.",
        ),
        Wrong(
            lambda x, low, high: x[(x >= low) & (x <= high)],
            "A mask in brackets throws entries away; the shape has to stay.",
        ),
    ),
    hints=(
        "Do one end first, then the other end on the result.",
        "mg.where(x < low, low, x) does the lower end.",
        "raised = mg.where(x < low, low, x); return mg.where(raised > high, high, raised)",
    ),
    shows="clamp is nothing but two decisions for each number.",
    cases=lambda rng: [
        (rng.normal(size=(3, 4)).astype(np.float32), -0.5, 0.7),
        (rng.normal(size=9).astype(np.float32), 0.0, 0.4),
    ],
    run=without_loop,
)

# -- 01.4 predict the shapes -----------------------------------------------------------


def shapes() -> list[tuple]:
    """What the five expressions of this exercise really give."""
    p, q, r = mg.ones(4, 1), mg.ones(3), mg.ones(4, 3)
    results = p + q, r.sum(dim=0), r.T.mm(p), r[0], r[:, None, :]
    return [tuple(t.shape) for t in results]


SHAPES = Exercise(
    id="01.4",
    task="shapes: five tuples, such as (4, 3) or (3,).",
    reference=[(4, 3), (3,), (3, 1), (3,), (4, 1, 3)],
    wrong=(
        Wrong(
            [(4, 3), (4,), (3, 1), (3,), (4, 1, 3)],
            "sum(dim=0) goes down the rows: dim 0 is gone afterwards, dim 1 is left.",
        ),
        Wrong(
            [(4, 3), (1, 3), (3, 1), (3,), (4, 1, 3)],
            "A sum takes its dim away; only keepdim=True would leave a 1.",
        ),
        Wrong(
            [(4, 3), 3, (3, 1), 3, (4, 1, 3)],
            "(3) is the number 3 in brackets. With a comma, (3,), it is a tuple.",
        ),
        Wrong(
            [(4, 3), (3,), (3, 1), (1, 3), (4, 1, 3)],
            "A number in brackets takes the dim away: r[0] is one row, (3,).",
        ),
        Wrong(
            [(4, 3), (3,), (4, 1), (3,), (4, 1, 3)],
            "r.T is (3, 4). Times (4, 1) the inner 4 goes away: (3, 1).",
        ),
        Wrong(
            [(4, 3), (3,), (3, 1), (3,), (4, 3)],
            "None puts in a new dim of size 1, at the place where it stands.",
        ),
        Wrong(
            [(4, 1), (3,), (3, 1), (3,), (4, 1, 3)],
            "p has size 1 in its last dim, so it is stretched to the 3 of q.",
        ),
    ),
    hints=(
        "Compare shapes from the right; a 1 is stretched.",
        "A sum over a dim, and a number in brackets, take a dim away; None adds one.",
        "(4, 3), (3,), (3, 1), (3,), (4, 1, 3)",
    ),
    shows="Who can tell the shapes has found most mistakes before they happen.",
)

# -- 01.5 view or copy -----------------------------------------------------------------


def views() -> set[str]:
    """Which of the results of this exercise really share the memory of t."""
    t = mg.arange(6).reshape(2, 3)
    results = {
        "a": t.T,
        "b": t + 0,
        "c": t[0],
        "d": t.reshape(3, 2),
        "e": t[[0, 1]],
        "f": t.clone(),
        "g": t[:, ::2],
    }
    return {
        letter
        for letter, result in results.items()
        if np.shares_memory(as_array(result), as_array(t))
    }


VIEWS = Exercise(
    id="01.5",
    task="are_views: the letters of the results that share t's memory.",
    reference={"a", "c", "d", "g"},
    wrong=(
        Wrong(
            {"a", "c", "d", "e", "g"},
            "t[[0, 1]] takes rows by a list. A list can name any rows in any order, so "
            "no two strides could describe them: it is a copy.",
        ),
        Wrong(
            {"a", "b", "c", "d", "g"},
            "t + 0 looks the same, but every operation writes its result somewhere new.",
        ),
        Wrong(
            {"c", "d", "g"},
            "t.T only swaps the strides: no number moves.",
        ),
        Wrong(
            {"a", "c", "d"},
            "Every second column is a stride of 2: nothing has to be copied.",
        ),
        Wrong(
            {"a", "c", "g"},
            "Six numbers in a row can be read as 3 rows of 2 without moving them.",
        ),
        Wrong(
            {"a", "d", "g"},
            "One row of t lies in one piece: t[0] only starts reading there.",
        ),
    ),
    hints=(
        "Ask of each: can it be read from the same memory with a start and two strides?",
        "A computation and a clone are new; a list of rows is new as well.",
        'are_views = {"a", "c", "d", "g"}',
    ),
    shows="Views are free and dangerous: who writes into one writes into all of them.",
)

EXERCISES = (OUTER, DECADES, CLAMP, SHAPES, VIEWS)

QUESTIONS = (
    Question(
        "q01.1",
        "a is (3, 1) and b is (4,). What is a + b?",
        {
            "a": (
                "an error: the shapes differ",
                "They fit: compared from the right, 1 and 4 differ, but a 1 is repeated.",
            ),
            "b": ("(3, 4)", "The column is repeated to the right, the row downwards."),
            "c": (
                "(7,)",
                "Adding does not put them behind each other. That would be cat.",
            ),
        },
        "b",
    ),
    Question(
        "q01.2",
        "What does t.T do with the numbers of a large matrix?",
        {
            "a": (
                "copies them in a new order",
                "It could, but there is a cheaper way: read the same memory otherwise.",
            ),
            "b": (
                "moves them within the memory",
                "Then t itself would change. It does not.",
            ),
            "c": ("nothing", "Only the strides are swapped, however large t is."),
        },
        "c",
    ),
    Question(
        "q01.3",
        "How much longer does a loop over two lists take than an array's dot product?",
        {
            "a": (
                "about twice as long",
                "That would be a fair price. The real one is much higher.",
            ),
            "b": (
                "ten times as long, or much longer",
                "Each number costs Python objects and look-ups; C just runs along.",
            ),
            "c": (
                "the same, for the work is the same",
                "The multiplications are the same. What Python does around each is not.",
            ),
        },
        "b",
    ),
)
