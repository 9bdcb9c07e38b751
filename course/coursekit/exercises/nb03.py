"""Lesson 03: D, line by line and all at once."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..checking import Exercise, Refused, Wrong
from ..display import figure
from ..quizzes import Question

# -- 03.1 what the counter says --------------------------------------------------------


def counts() -> list[int]:
    """What the counter really says about the lines of this exercise."""
    said = []
    with mg.count_ops() as counted:
        A, B = mg.ones(3), mg.ones(3)
        E = (A + B) * A
        said.append(counted.total)
        E - 1
        said.append(counted.total)
    with mg.count_ops() as counted:
        a, b = mg.placeholder((3,)), mg.placeholder((3,))
        e = (a + b) * a
        said.append(counted.total)
        program = mg.compile([a, b], e - 1)
        for _ in range(3):
            said.append(counted.total)
            program(A, B)
    return said


COUNTS = Exercise(
    id="03.1",
    task="Six counts: eager after E and F; graph after e, after f, after two calls.",
    reference=[2, 3, 0, 0, 3, 6],
    wrong=(
        Wrong(
            [1, 2, 0, 0, 2, 4],
            "You counted lines. E's line holds two operations, a sum and a product.",
        ),
        Wrong(
            [2, 1, 0, 0, 3, 3],
            "The counter is not reset between lines: it counts everything so far.",
        ),
        Wrong(
            [2, 3, 2, 3, 6, 9],
            "You let the graph compute while it is built. (a + b) * a on placeholders "
            "only writes down two nodes; there are no numbers to work with yet.",
        ),
        Wrong(
            [2, 3, 0, 0, 3, 3],
            "A program keeps its recipe, not its results: the second call does all the "
            "work again.",
        ),
        Wrong(
            [2, 3, 0, 0, 0, 0],
            "Building costs nothing, but the call has to do the work in the end.",
        ),
        Wrong(
            [4, 5, 0, 0, 3, 6],
            "You counted the making of A and B. Filling a tensor with given numbers is "
            "no operation.",
        ),
    ),
    hints=(
        "Go through the lines and ask of each: could this line know its numbers?",
        "Eager lines compute at once: E is two operations, F is one more.",
        "In the graph nothing is computed before a call, and then all of it is.",
    ),
    shows="The work is the same three operations; only its moment differs.",
)

# -- 03.2 a formula as a graph ---------------------------------------------------------


def half_square(a: Any, b: Any) -> Any:
    return (a - b) ** 2 / 2


def build_then_call(answer: Any, a: np.ndarray, b: np.ndarray) -> Any:
    """Build the graph, see that nothing ran, then call it."""
    inputs = [mg.placeholder(x.shape, name=n) for x, n in ((a, "A"), (b, "B"))]
    with mg.count_ops() as counted:
        node = answer(*inputs)
    if node is None or node is ...:
        return node
    if not isinstance(node, mg.Node):
        raise Refused("the result is a value already: nothing is left for the call")
    if counted.total:
        raise Refused("something was computed while the graph was built")
    return mg.compile(inputs, node)(a, b)


def graph_of(answer: Any) -> Any:
    inputs = mg.placeholder((3,), name="A"), mg.placeholder((3,), name="B")
    caption = "Your own graph of (A - B)^2 / 2: nothing has run yet."
    return figure(answer(*inputs), caption=caption)


HALF_SQUARE = Exercise(
    id="03.2",
    task="half_square(a, b): the graph of (A - B)^2 / 2 on two placeholders.",
    reference=half_square,
    wrong=(
        Wrong(lambda a, b: (a - b) ** 2, "The square is there; the half is not."),
        Wrong(
            lambda a, b: ((a - b) / 2) ** 2,
            "You halve before you square, which divides by 4 in the end.",
        ),
        Wrong(
            lambda a, b: a - b**2 / 2,
            "** and / bind tighter than -: only b is squared here. Use parentheses.",
        ),
        Wrong(
            lambda a, b: (a - b) ^ 2 / 2,
            "In Python ^ is no power; it works on bits. Write ** for a power.",
        ),
        Wrong(
            lambda a, b: mg.zeros(a.shape),
            "A tensor holds numbers now. Build the result from a and b alone, so that "
            "it is a node that waits for them.",
        ),
        Wrong(
            lambda a, b: (np.asarray(a) - np.asarray(b)) ** 2 / 2,
            "NumPy wants numbers and a placeholder has none. Use the operators on a "
            "and b themselves.",
        ),
    ),
    hints=(
        "Write the formula as if a and b were numbers, and return it.",
        "Three operations on nodes: a difference, a power, a division.",
        "return (a - b) ** 2 / 2",
    ),
    shows="The formula reads the same as in NumPy, and yet no line of it computed.",
    cases=lambda rng: [
        (rng.normal(size=shape).astype(np.float32), rng.normal(size=shape).astype("f4"))
        for shape in ((3,), (2, int(rng.integers(2, 5))))
    ],
    run=build_then_call,
    picture=graph_of,
)

# -- 03.3 look into the middle of a graph ----------------------------------------------


def peek(a: Any, b: Any) -> Any:
    c = b * a
    return mg.compile([a, b], [c + 1, c])


def _is_program(value: Any) -> bool:
    return isinstance(value, mg.Program)


def call_program(answer: Any, a: np.ndarray, b: np.ndarray) -> Any:
    program = answer(*(mg.placeholder(x.shape) for x in (a, b)))
    if program is None or program is ...:
        return program
    if isinstance(program, (list, tuple)) and any(map(_is_program, program)):
        raise Refused("these are several programs: one with two outputs will do")
    if not _is_program(program):
        raise Refused("return the compiled program, so that it can be called")
    values = program(a, b)
    if not isinstance(values, (list, tuple)):
        raise Refused("a call gives one value only: C is still hidden inside")
    return list(values)


def prints_while_building(a: Any, b: Any) -> Any:
    c = b * a
    return mg.compile([a, b], c + 1)


def middle_only_first(a: Any, b: Any) -> Any:
    c = b * a
    return mg.compile([a, b], [c, c + 1])


def returns_nodes(a: Any, b: Any) -> Any:
    c = b * a
    return [c + 1, c]


def outputs_first(a: Any, b: Any) -> Any:
    c = b * a
    return mg.compile([c + 1, c], [a, b])


def two_programs(a: Any, b: Any) -> Any:
    c = b * a
    return [mg.compile([a, b], c + 1), mg.compile([a, b], c)]


def feeds_the_middle(a: Any, b: Any) -> Any:
    c = mg.placeholder(a.shape)
    return mg.compile([a, b, c], [c + 1, c])


PEEK = Exercise(
    id="03.3",
    task="peek(a, b): a program that gives [D, C], so that C can be printed.",
    reference=peek,
    wrong=(
        Wrong(
            prints_while_building,
            "A print beside the graph shows a node, once, while building. To see C's "
            "numbers at each call, make C an output: mg.compile([a, b], [d, c]).",
        ),
        Wrong(middle_only_first, "Both values are there; D comes first, then C."),
        Wrong(
            returns_nodes,
            "These are nodes, not numbers. mg.compile turns them into a program.",
        ),
        Wrong(
            outputs_first,
            "compile wants the list of inputs first, then the list of outputs.",
        ),
        Wrong(
            two_programs,
            "Each of the two would compute C anew. One program may give both: hand "
            "compile a list of outputs.",
        ),
        Wrong(
            feeds_the_middle,
            "You made C an input, so somebody has to compute it first. C = B * A is "
            "the graph's own work.",
        ),
    ),
    hints=(
        "C's numbers are born inside the call, so the call must hand them out.",
        "A program may have several outputs: give compile a list.",
        "mg.compile([a, b], [d, c])",
    ),
    shows="To see the middle of a graph's computation, ask for it as an output.",
    cases=lambda rng: [
        (rng.normal(size=n).astype(np.float32), rng.normal(size=n).astype(np.float32))
        for n in (3, 5)
    ],
    run=call_program,
)

# -- 03.4 the input that does nothing --------------------------------------------------


def unused(program: Any, values: list[np.ndarray]) -> list[int]:
    before = program(*values).numpy()
    found = []
    for i, value in enumerate(values):
        poked = [*values[:i], value + 1, *values[i + 1 :]]
        if np.array_equal(program(*poked).numpy(), before):
            found.append(i)
    return found


def with_unused_inputs(answer: Any, used: list[int], values: list[np.ndarray]) -> Any:
    """Compile a program that reads only the inputs in `used`."""
    inputs = [mg.placeholder(v.shape, name=f"X{i}") for i, v in enumerate(values)]
    total = inputs[used[0]] * 2
    for i in used[1:]:
        total = total + inputs[i] * (i + 3)
    return answer(mg.compile(inputs, total), values)


def used_instead(program: Any, values: list[np.ndarray]) -> list[int]:
    return [i for i in range(len(values)) if i not in unused(program, values)]


def never_restores(program: Any, values: list[np.ndarray]) -> list[int]:
    before, found = program(*values).numpy(), []
    for i in range(len(values)):
        values[i] = values[i] + 1
        if np.array_equal(program(*values).numpy(), before):
            found.append(i)
    return found


def finds_all(program: Any, values: list[np.ndarray]) -> list[int]:
    return list(range(len(values)))


def first_only(program: Any, values: list[np.ndarray]) -> list[int]:
    return unused(program, values)[:1]


def draw_unused(rng: np.random.Generator) -> list[tuple]:
    cases = []
    for used, count in (([0, 2], 4), ([1], 3), ([1, 3, 4], 6)):
        values = [rng.normal(size=3).astype(np.float32) for _ in range(count)]
        cases.append((used, values))
    return cases


UNUSED = Exercise(
    id="03.4",
    task="unused(program, values): the numbers of the inputs that change nothing.",
    reference=unused,
    wrong=(
        Wrong(used_instead, "These are the inputs that do matter. Keep the others."),
        Wrong(
            never_restores,
            "After poking an input, put its old value back before you poke the next.",
        ),
        Wrong(
            first_only,
            "You stop at the first one found; there may be several.",
        ),
        Wrong(
            finds_all,
            "You found every input unused. Compare the result after a poke with the "
            "result before it, and make sure that the poke changes the input.",
        ),
    ),
    hints=(
        "Change one input at a time and see whether the result moves.",
        "Keep the result of the unchanged values; compare each new result with it.",
        "For input i: poked = [*values[:i], values[i] + 1, *values[i + 1 :]]",
    ),
    shows="A graph is known before it runs: what no path reaches is never read.",
    cases=draw_unused,
    tell=lambda used, values: f"a program of {len(values)} inputs, and their values",
    run=with_unused_inputs,
)

EXERCISES = (COUNTS, HALF_SQUARE, PEEK, UNUSED)

QUESTIONS = (
    Question(
        "q03.1",
        "Eager, and A and B hold numbers. When is C = B * A multiplied?",
        {
            "a": (
                "at that very line",
                "An eager line computes before the next begins.",
            ),
            "b": (
                "when C is printed first",
                "Printing only looks. The numbers were there before, whether or not "
                "anybody looks.",
            ),
            "c": (
                "when D = C + 1 needs it",
                "That would be lazy evaluation, which some libraries do; here the line "
                "itself does the work.",
            ),
        },
        "a",
    ),
    Question(
        "q03.2",
        "Now A and B are placeholders. What does print(C) show after C = B * A?",
        {
            "a": (
                "the product of the first numbers fed",
                "Nothing has been fed: the program does not even exist yet.",
            ),
            "b": (
                "zeros, because nothing is fed yet",
                "A placeholder does not stand for zero. It stands for a number that is "
                "not known.",
            ),
            "c": (
                "a node: its operation, shape and dtype",
                "There is no number to show, but the shape is known while building.",
            ),
        },
        "c",
    ),
    Question(
        "q03.3",
        "The program is called ten times. How often is B * A written down as a node?",
        {
            "a": ("once", "Define once, run many: the calls only run what was noted."),
            "b": (
                "ten times",
                "That is what a tape does, which is made anew by each run. The graph "
                "was made before the first call.",
            ),
            "c": (
                "eleven times: once to build and once a call",
                "Building is over when compile returns; a call builds nothing.",
            ),
        },
        "a",
    ),
)
