"""Lesson 09: control flow runs once."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

from ..checking import Exercise, Refused, Wrong
from ..display import figure
from ..quizzes import Question

# -- 09.1 what a frozen program says ---------------------------------------------------

FROZEN_SIGN = Exercise(
    id="09.1",
    task="Three results of a sign frozen with -2.0, then how often Python ran its if.",
    reference=[-1, -1, -1, 1],
    wrong=(
        Wrong(
            [-1, 1, 1, 1],
            "You let the program ask again at each call. Python asked once, while it "
            "looked at -2.0; the program does not know the question.",
        ),
        Wrong(
            [1, 1, 1, 1],
            "The example was -2.0, so the if went the other way.",
        ),
        Wrong(
            [-1, -1, -1, 4],
            "The results are right. But the calls run the graph, not your Python "
            "lines: the if ran for the example and never again.",
        ),
        Wrong(
            [-1, 1, 1, 4],
            "That is what plain Python does: ask at every call. Here the if was asked "
            "once, with -2.0, and its answer is all that was kept.",
        ),
        Wrong(
            [-1, -1, -1, 3],
            "The results are right. The if did run before the first call, while the "
            "function was noted down; the three calls did not run it at all.",
        ),
        Wrong(
            [-1, -1, -1, 0],
            "The results are right. But somebody must have run the if once, to know "
            "which way to note down.",
        ),
    ),
    hints=(
        "Which number did the if look at, and when?",
        "x > 0 was answered with the example, -2.0. The other way was never noted.",
        "Three times the same result, and one run of the if.",
    ),
    shows="The program is now a number that reads no input at all: -1, for everything.",
)

# -- 09.2 the repair -------------------------------------------------------------------


def sign(x: Any) -> Any:
    return mg.cond(x > 0, lambda x: x * 0 + 1, lambda x: x * 0 - 1, x)


def ask_each(answer: Any, values: np.ndarray) -> Any:
    """Build the graph once, call it with each value, and see that it chooses."""
    x = mg.placeholder((), name="x")
    node = answer(x)
    if node is None or node is ...:
        return node
    if not isinstance(node, mg.Node):
        raise Refused("the result is no node: it cannot depend on what x will be")
    program = mg.compile([x], node)
    with mg.count_ops() as counter:
        results = [program(value).item() for value in values]
    right = np.array_equal(results, np.where(values > 0, 1, -1))
    if right and "branch" not in counter.by_name:
        raise Refused("the results are right, but the graph holds no cond node")
    return results


def sign_graph(answer: Any) -> Any:
    x = mg.placeholder((), name="x")
    return figure(
        answer(x), caption="Your own sign: the choice is a node, both ways in."
    )


SIGN = Exercise(
    id="09.2",
    task="sign(x): a graph that gives 1 where x > 0, else -1, chosen at each call.",
    reference=sign,
    wrong=(
        Wrong(
            lambda x: x * 0 + 1 if x > 0 else x * 0 - 1,
            "This if asks a placeholder, which has no number yet. Hand the question "
            "and both ways to mg.cond instead.",
        ),
        Wrong(
            lambda x: mg.cond(x > 0, lambda x: x * 0 - 1, lambda x: x * 0 + 1, x),
            "The two ways are the wrong way round: the first function is for true.",
        ),
        Wrong(
            lambda x: mg.cond(x >= 0, lambda x: x * 0 + 1, lambda x: x * 0 - 1, x),
            "Look at 0: the task says x > 0, so 0 gives -1.",
        ),
        Wrong(
            lambda x: mg.where(x > 0, x * 0 + 1, x * 0 - 1),
            "where computes both ways and picks. It works here; for ways that cost "
            "much, or fail, you want cond, which runs one of them.",
        ),
        Wrong(
            lambda x: mg.cond(x > 0, x * 0 + 1, x * 0 - 1, x),
            "cond wants two functions, so that it can run one of them. Put `lambda x:` "
            "before each way.",
        ),
        Wrong(
            lambda x: x * 0 + 1,
            "Only one way is in this graph. cond wants a function for each of them.",
        ),
        Wrong(
            lambda x: mg.tensor(1.0),
            "A tensor holds its number now. Build the result from x, with mg.cond.",
        ),
    ),
    hints=(
        "The question must become a node, as everything else in a graph.",
        "mg.cond(question, function if true, function if false, x)",
        "mg.cond(x > 0, lambda x: x * 0 + 1, lambda x: x * 0 - 1, x)",
    ),
    shows="The question is a node now, so it is asked at every call.",
    cases=lambda rng: [(np.array([3.0, -3.0, 0.0, *rng.normal(size=2)], np.float32),)],
    run=ask_each,
    picture=sign_graph,
)

# -- 09.3 count the traces -------------------------------------------------------------


def trace_calls() -> list[tuple]:
    """The calls of this exercise, in order."""
    return [
        (mg.ones(3), 2),
        (mg.zeros(3), 2),
        (mg.ones(3), 3),
        (mg.ones(4), 3),
        (mg.ones(3), 2),
        (mg.ones(3), mg.tensor(2.0)),
        (mg.ones(3), mg.tensor(9.0)),
    ]


TRACES = Exercise(
    id="09.3",
    task="scaled.traces after each of the seven calls.",
    reference=[1, 1, 2, 3, 3, 4, 4],
    wrong=(
        Wrong(
            [1, 2, 3, 4, 5, 6, 7],
            "You counted calls. A call that fits an old graph is not traced.",
        ),
        Wrong(
            [1, 2, 3, 4, 4, 5, 6],
            "Other numbers inside a tensor are no reason to trace: they are fed in. "
            "Its shape is a reason.",
        ),
        Wrong(
            [1, 1, 1, 2, 2, 2, 2],
            "Shapes count, but k counts too: a plain Python number is built into the "
            "graph, so each one needs a graph of its own.",
        ),
        Wrong(
            [1, 1, 2, 3, 4, 5, 5],
            "The fifth call is the first one again. Its graph was kept.",
        ),
        Wrong(
            [1, 1, 2, 3, 3, 4, 5],
            "In the last two calls k is a tensor: its number is fed in, so one graph "
            "serves both.",
        ),
        Wrong(
            [1, 1, 2, 3, 3, 3, 3],
            "k = 2 and k = tensor(2.0) are not alike: one is built in, one is fed in.",
        ),
    ),
    hints=(
        "Ask of each call: is there a graph already that was made for such a call?",
        "Shapes, dtypes and Python numbers are built in. Tensors' numbers are fed in.",
        "New graphs come with calls 1, 3, 4 and 6.",
    ),
    shows="What is built in costs a trace; what is fed in does not.",
)

# -- 09.4 the side effect that vanished ------------------------------------------------


def counted(count: Any, x: Any) -> Any:
    count.add_(1)
    return x * 2


def four_calls(answer: Any, x: np.ndarray) -> Any:
    """What the counter says after four calls under jit, and the last result."""
    count, step = mg.tensor(0.0), mg.jit(answer)
    for _ in range(4):
        result = step(count, mg.tensor(x))
    if result is ...:
        return result
    return [count.item(), "nothing" if result is None else result]


def rebinds(count: Any, x: Any) -> Any:
    count = count + 1
    return x * 2


def fills_a_number(count: Any, x: Any) -> Any:
    count.fill_(1)
    return x * 2


def reads_the_number(count: Any, x: Any) -> Any:
    count.fill_(count.item() + 1)
    return x * 2


def forgets_the_result(count: Any, x: Any) -> Any:
    count.add_(1)
    return None


def counts_alone(count: Any, x: Any) -> Any:
    count.add_(1)
    return count


COUNTED = Exercise(
    id="09.4",
    task="counted(count, x): x * 2, and count grows by 1 at each call, under jit too.",
    reference=counted,
    wrong=(
        Wrong(
            rebinds,
            "count stayed 0. count = count + 1 gives a new tensor the name count and "
            "leaves the old one; a Python list or number changes while tracing only. "
            "Write into the tensor itself.",
        ),
        Wrong(
            fills_a_number,
            "count says 1 for ever: the 1 was built into the graph. Add to what is "
            "there at each call.",
        ),
        Wrong(
            reads_the_number,
            "item() asks for a number while there is none. Stay with tensors.",
        ),
        Wrong(forgets_the_result, "count is right. Return x * 2 as well."),
        Wrong(counts_alone, "count is right, but the result should be x * 2."),
    ),
    hints=(
        "What Python does happens once. What must happen at each call is an operation.",
        "An operation in place changes the tensor that it is called on.",
        "count.add_(1)",
    ),
    shows="Writing into a tensor is noted down like any operation, so every call does it.",
    cases=lambda rng: [(rng.normal(size=3).astype(np.float32),)],
    run=four_calls,
)

# -- 09.5 which ifs are safe -----------------------------------------------------------

flag = True


def by_size(x: Any, k: int) -> Any:
    return x * 2 if x.shape[0] > 3 else x


def by_value(x: Any, k: int) -> Any:
    return x * 2 if x.sum() > 3 else x


def by_dtype(x: Any, k: int) -> Any:
    return x * 2 if x.dtype == mg.float64 else x


def by_flag(x: Any, k: int) -> Any:
    return x * 2 if flag else x


def by_argument(x: Any, k: int) -> Any:
    return x * 2 if k > 3 else x


def with_flag(on: bool) -> Callable[[], tuple]:
    """Set the flag outside the function, then give the arguments."""

    def arguments() -> tuple:
        global flag
        flag = on
        return mg.ones(3), 1

    return arguments


# What the if asks, the function, and arguments that answer it differently.
IFS: list[tuple[str, Callable, Callable[[], tuple], Callable[[], tuple]]] = [
    ("x.shape[0] > 3", by_size, lambda: (mg.ones(3), 1), lambda: (mg.ones(5), 1)),
    ("x.sum() > 3", by_value, lambda: (mg.ones(3), 1), lambda: (mg.ones(3) * 9, 1)),
    (
        "x.dtype == mg.float64", by_dtype,
        lambda: (mg.ones(3), 1), lambda: (mg.ones(3, dtype=mg.float64), 1),
    ),
    ("flag", by_flag, with_flag(True), with_flag(False)),
    ("k > 3", by_argument, lambda: (mg.ones(3), 1), lambda: (mg.ones(3), 5)),
]  # fmt: skip


def fate_of(
    function: Callable, before: Callable[[], tuple], after: Callable[[], tuple]
) -> str:
    """Under jit, is this function's if "refused", "frozen" or "fine"?"""
    traced = mg.jit(function)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", mg.errors.RetraceNotice)
            traced(*before())
            arguments = after()
            same = np.array_equal(traced(*arguments), function(*arguments))
    except mg.errors.GraphError:
        return "refused"
    return "fine" if same else "frozen"


WHICH_IFS = Exercise(
    id="09.5",
    task='Five words, "fine", "frozen" or "refused", one for each if.',
    reference=["fine", "refused", "fine", "frozen", "fine"],
    wrong=(
        Wrong(
            ["refused", "refused", "refused", "refused", "refused"],
            "Only an if that asks for a value of a tensor is refused. Shapes, dtypes "
            "and Python's own values are known while tracing.",
        ),
        Wrong(
            ["frozen", "refused", "frozen", "frozen", "frozen"],
            "Each of these ifs runs once a graph, true. But jit makes another graph "
            "for another shape, dtype or argument, so those answers are never stale.",
        ),
        Wrong(
            ["fine", "frozen", "fine", "frozen", "fine"],
            "x.sum() has no number while tracing, so there is nothing to freeze: the "
            "if is refused, and the message names cond.",
        ),
        Wrong(
            ["fine", "refused", "fine", "fine", "fine"],
            "flag is no argument. jit does not look at it again, so nobody notices "
            "when it changes.",
        ),
        Wrong(
            ["fine", "refused", "fine", "frozen", "frozen"],
            "k is an argument. A call with another k is traced again, so its if runs "
            "again.",
        ),
        Wrong(
            ["fine", "fine", "fine", "frozen", "fine"],
            "x.sum() is a value of a tensor: while tracing there is none to ask.",
        ),
    ),
    hints=(
        "Ask twice: is the answer known while tracing? Does a change of it make a new "
        "graph?",
        "Known, and a reason to trace again: fine. Known, but not watched: frozen. Not "
        "known: refused.",
        "Two of the five are not fine: the one that asks for a value, and the flag.",
    ),
    shows="Pass what may change as an argument, and jit watches it for you.",
)

EXERCISES = (FROZEN_SIGN, SIGN, TRACES, COUNTED, WHICH_IFS)

QUESTIONS = (
    Question(
        "q09.1",
        "A function under jit prints a line. It is called five times with tensors of "
        "one shape. How often does the line appear?",
        {
            "a": (
                "five times",
                "That is what plain Python does. Under jit the calls run the graph, "
                "and print is no part of a graph.",
            ),
            "b": (
                "once",
                "Python runs the function once, to note down its operations. After "
                "that, only the operations run.",
            ),
            "c": (
                "never",
                "Somebody has to run your lines once, or nothing would be known about "
                "them.",
            ),
        },
        "b",
    ),
    Question(
        "q09.2",
        "An if was answered while the graph was made, with x = 3. Now the program is "
        "called with x = -3. Which way does it go?",
        {
            "a": (
                "the way for -3: an if is an if",
                "The if was Python's. The program holds operations only, and the if "
                "is not among them.",
            ),
            "b": (
                "the way that 3 took",
                "Only that way was noted down. The program does not know that there "
                "was another.",
            ),
            "c": (
                "both ways, one after the other",
                "The other way was never run, so nothing of it was noted down.",
            ),
        },
        "b",
    ),
    Question(
        "q09.3",
        "if x.shape[0] > 3 stands in a function under jit. Is that safe?",
        {
            "a": (
                "no, every if is refused",
                "Refused is an if about a value that is not there yet. A shape is "
                "there while the graph is made.",
            ),
            "b": (
                "no, the first shape decides for all later ones",
                "It would be so if one graph served all shapes. But another shape "
                "makes another graph.",
            ),
            "c": (
                "yes: one graph a shape, and each is right for its own",
                "The if runs once for each shape, and a graph only serves calls with "
                "its own shape.",
            ),
        },
        "c",
    ),
)
