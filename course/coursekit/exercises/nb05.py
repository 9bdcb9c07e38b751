"""Lesson 05: reusing memory safely."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.errors import GradError

from ..checking import Exercise, Refused, Wrong
from ..lifelines import lifelines
from ..quizzes import Question

Steps = list[tuple[str, list[str]]]
Lives = list[tuple[str, int, int]]


def draw_steps(rng: np.random.Generator, size: int) -> Steps:
    """Steps that each read x or one or two earlier results."""
    steps: Steps = []
    for i in range(size):
        known = ["x", *(name for name, _ in steps)]
        near = known[-4:]
        count = min(len(near), int(rng.integers(1, 3)))
        reads = rng.choice(near, count, replace=False).tolist()
        steps.append((f"t{i}", reads))
    return steps


# -- 05.1 the last use -----------------------------------------------------------------


def last_use(steps: Steps) -> dict[str, int]:
    last = {}
    for i, (_, reads) in enumerate(steps):
        for name in reads:
            last[name] = i
    return last


def first_use(steps: Steps) -> dict[str, int]:
    last: dict[str, int] = {}
    for i, (_, reads) in enumerate(steps):
        for name in reads:
            last.setdefault(name, i)
    return last


def counts_reads(steps: Steps) -> dict[str, int]:
    last: dict[str, int] = {}
    for _, reads in steps:
        for name in reads:
            last[name] = last.get(name, 0) + 1
    return last


def where_made(steps: Steps) -> dict[str, int]:
    return {name: i for i, (name, _) in enumerate(steps)}


def notes_the_makers(steps: Steps) -> dict[str, int]:
    last: dict[str, int] = {}
    for i, (name, reads) in enumerate(steps):
        last |= dict.fromkeys([name, *reads], i)
    return last


def who_reads(steps: Steps) -> dict[str, str]:
    return {source: name for name, reads in steps for source in reads}


LAST_USE = Exercise(
    id="05.1",
    task="last_use(steps): each name that is read, with the number of its last reader.",
    reference=last_use,
    wrong=(
        Wrong(
            first_use,
            "You keep the first step that reads a name. If its memory went then, the "
            "later readers would find something else in it.",
        ),
        Wrong(
            counts_reads,
            "You count how often a name is read. Asked for is the number of the last "
            "step that does it.",
        ),
        Wrong(
            where_made,
            "That is the step in which a name is made: its life begins there. When "
            "does it end?",
        ),
        Wrong(
            lambda steps: {name: i + 1 for name, i in last_use(steps).items()},
            "You are one too far: the first step has number 0.",
        ),
        Wrong(
            notes_the_makers,
            "You also note the step that makes a name. Making is not reading: a name "
            "that nobody reads stays out.",
        ),
        Wrong(
            who_reads,
            "You found the last reader, but by name. Its number in the list is asked.",
        ),
    ),
    hints=(
        "Walk through the steps with enumerate. What do you learn at each one?",
        "At step i, all that it reads is still needed. A later step may say so again.",
        "for name in reads: last[name] = i",
    ),
    shows="A later entry overwrites an earlier one: that is all there is to it.",
    cases=lambda rng: [(draw_steps(rng, size),) for size in (4, 6, 8)],
)

# -- 05.2 share boxes ------------------------------------------------------------------


def share(lives: Lives) -> list[int]:
    ends: list[int] = []
    boxes = []
    for _, first, last in lives:
        free = [box for box, end in enumerate(ends) if end < first]
        if not free:
            free, ends = [len(ends)], [*ends, last]
        ends[free[0]] = last
        boxes.append(free[0])
    return boxes


def too_early(lives: Lives) -> list[int]:
    ends: list[int] = []
    boxes = []
    for _, first, last in lives:
        free = [box for box, end in enumerate(ends) if end <= first]
        if not free:
            free, ends = [len(ends)], [*ends, last]
        ends[free[0]] = last
        boxes.append(free[0])
    return boxes


def forgets_to_note(lives: Lives) -> list[int]:
    ends: list[int] = []
    boxes = []
    for _, first, last in lives:
        free = [box for box, end in enumerate(ends) if end < first]
        if not free:
            free, ends = [len(ends)], [*ends, last]
        boxes.append(free[0])
    return boxes


def without_clash(answer: Any, lives: Lives) -> Any:
    """How many boxes a plan takes, or which two values are in each other's way."""
    boxes = answer(lives)
    if boxes is None or boxes is ...:
        return boxes
    if not isinstance(boxes, (list, tuple)) or len(boxes) != len(lives):
        raise Refused("a list with one box for each value was expected")
    for i, (one, _, last) in enumerate(lives):
        for j, (other, first, _) in enumerate(lives[i + 1 :], i + 1):
            if boxes[i] == boxes[j] and first <= last:
                raise Refused(f"{other} is put into box {boxes[i]}, where {one} lives")
    return f"{len(set(boxes))} boxes, no clash"


def draw_lives(rng: np.random.Generator, size: int) -> list[tuple[str, int, int]]:
    return [(f"t{i}", i, i + int(rng.integers(1, 4))) for i in range(size)]


def plan_picture(answer: Any) -> Any:
    lives = [
        ("a", 0, 2),
        ("b", 1, 2),
        ("c", 2, 5),
        ("d", 3, 4),
        ("e", 4, 6),
        ("f", 5, 6),
    ]
    lives += [("g", 6, 7)]
    rows = [
        (name, box, first, last)
        for (name, first, last), box in zip(lives, answer(list(lives)))
    ]
    count = len({box for _, box, *_ in rows})
    alt = f"Your plan: seven bars in {count} colours; no colour overlaps itself."
    return lifelines(rows, alt, f"Your plan: seven values in {count} boxes.")


SHARE = Exercise(
    id="05.2",
    task="share(lives): a box for each value, as few as possible, and no clash.",
    reference=share,
    wrong=(
        Wrong(
            lambda lives: list(range(len(lives))),
            "Safe, but every value has a box of its own. Use one again when the value "
            "in it is dead.",
        ),
        Wrong(
            lambda lives: [0] * len(lives),
            "One box for all cannot be right as soon as two values are alive at once.",
        ),
        Wrong(
            lambda lives: [i % 2 for i in range(len(lives))],
            "Two boxes in turn fit a plain chain. Here some values live longer: look "
            "at last.",
        ),
        Wrong(
            too_early,
            "In its last step a value is still being read. Its box is free only in the "
            "step after: last < first.",
        ),
        Wrong(
            forgets_to_note,
            "When a box is used again, note until when. The new value's end is what "
            "counts from then on.",
        ),
    ),
    hints=(
        "Keep a list with one entry for each box: until which step it is taken.",
        "For a new value, look for a box whose entry is smaller than first. If there "
        "is none, open a new box.",
        "Remember ends[box] = last, both for a new box and for one used again.",
    ),
    shows="Take any free box, else a new one: for lives like these nothing beats it.",
    cases=lambda rng: [(draw_lives(rng, size),) for size in (5, 8, 12)],
    run=without_clash,
    picture=plan_picture,
)

# -- 05.3 which one is illegal? --------------------------------------------------------


def of_exp(x: Any) -> Any:
    y = x.exp()
    y += 1
    return y


def of_sum(x: Any) -> Any:
    y = x + 3
    y *= 2
    return y


def of_square(x: Any) -> Any:
    y = x * x
    y += 1
    return y


def of_product(x: Any) -> Any:
    h = x + 1
    y = h * h
    h += 1
    return y


SNIPPETS = {"a": of_exp, "b": of_sum, "c": of_square, "d": of_product}


def refused() -> set[str]:
    """The letters of the snippets whose backward the tape refuses."""
    found = set()
    for letter, snippet in SNIPPETS.items():
        x = mg.tensor([0.5, 1.0], requires_grad=True)
        try:
            snippet(x).sum().backward()
        except GradError:
            found.add(letter)
    return found


ILLEGAL = Exercise(
    id="05.3",
    task="A set of letters: in which snippets does backward() refuse to work?",
    reference={"a", "d"},
    wrong=(
        Wrong(
            {"a", "b", "c", "d"},
            "Writing in place is often fine. It is refused only if the way back needs "
            "the old numbers.",
        ),
        Wrong(
            {"a"},
            "a is right. In d, what does the slope of h * h need, and what happened to "
            "it afterwards?",
        ),
        Wrong(
            {"d"},
            "d is right. But the slope of exp(x) is exp(x) itself: the tape keeps y.",
        ),
        Wrong(
            {"a", "c", "d"},
            "c is allowed: the slope of x * x needs x, and it is y that was changed.",
        ),
        Wrong(
            {"a", "b", "d"},
            "b is allowed: the slope of x + 3 is 1 and that of 2 * y is 2. Neither needs "
            "an old number.",
        ),
        Wrong(
            {"b", "c"},
            "These are the two that work. Ask of each: which numbers does the slope "
            "need?",
        ),
        Wrong(
            set(),
            "Two of them are refused. Copy them into a cell and call backward().",
        ),
    ),
    hints=(
        "For each operation: is there an old number in the formula of its slope?",
        "exp keeps its result, a product keeps its inputs, a sum keeps nothing.",
        "Run them: x = mg.tensor([0.5], requires_grad=True), and at the end backward.",
    ),
    shows="Same +=, different fate: it depends on what the operation before has kept.",
    run=lambda answer: set(answer) if isinstance(answer, (list, tuple)) else answer,
)

# -- 05.4 how many buffers? ------------------------------------------------------------


def planned() -> list[int]:
    """How many buffers the library plans for the three graphs of this exercise."""
    x = mg.placeholder((1000,), name="x")
    e, t = x.exp(), x.tanh()
    first = (e * t).sum()
    second = x.exp().tanh().sin().cos().sum()
    p = e * t
    third = (p.sin() * e * t).sum()
    plans = [mg.compile([x], graph).plan for graph in (first, second, third)]
    return [len(plan.sizes) for plan in plans]


BUFFERS = Exercise(
    id="05.4",
    task="Three counts: how many buffers does the plan need for each graph?",
    reference=[2, 1, 3],
    wrong=(
        Wrong(
            [3, 4, 5],
            "You count results. Which of them are alive at the same time?",
        ),
        Wrong(
            [3, 1, 3],
            "In the first graph, e * t may be written over e: nobody reads e again.",
        ),
        Wrong(
            [2, 2, 3],
            "In the second graph each operation works number by number, so it may "
            "write over what it reads. Two boxes are needed for matrix products.",
        ),
        Wrong(
            [2, 4, 3],
            "In the second graph you gave each result a box of its own. Who still reads "
            "the one before?",
        ),
        Wrong(
            [2, 1, 2],
            "In the third graph e and t are read again after p is made. p needs a box "
            "of its own.",
        ),
        Wrong(
            [2, 1, 4],
            "In the third graph sin may write over p, which nobody reads again.",
        ),
        Wrong(
            [1, 1, 1],
            "One box holds one value at a time. e and t are both needed for e * t.",
        ),
    ),
    hints=(
        "Write down after each line which values somebody will still read.",
        "An operation that works number by number may write over a value that dies.",
        "First: e and t. Second: one after the other. Third: e, t and p.",
    ),
    shows="The most values alive at one time is the least memory that will do.",
)

# -- 05.5 what must the tape keep? -----------------------------------------------------


def saved() -> dict[str, str]:
    """What the tape keeps for each operation: its inputs, its result, or nothing."""
    ways = {
        "a + b": lambda x: x + x,
        "a * b": lambda x: x * x,
        "exp(a)": mg.exp,
        "tanh(a)": mg.tanh,
        "log(a)": mg.log,
    }
    found = {}
    for name, way in ways.items():
        listed = str(mg.tape(way(mg.tensor([1.0], requires_grad=True))))
        result, inputs = "saved: y" in listed, "saved: a" in listed
        found[name] = "result" if result else "inputs" if inputs else "nothing"
    return found


KEEP = {
    "a + b": "nothing", "a * b": "inputs", "exp(a)": "result", "tanh(a)": "result",
    "log(a)": "inputs",
}  # fmt: skip

WORDS = ("inputs", "result", "nothing")


def in_the_three_words(answer: dict[str, str]) -> dict[str, str]:
    for name, word in answer.items():
        if word is not ... and word not in WORDS:
            raise Refused(f"{name}: {word!r} is none of {', '.join(WORDS)}")
    return answer


KEPT = Exercise(
    id="05.5",
    task="For each operation: does the tape keep its inputs, its result, or nothing?",
    reference=KEEP,
    wrong=(
        Wrong(
            dict.fromkeys(KEEP, "inputs"),
            "Inputs would always be enough, but not always needed. The slope of a + b "
            "is 1, whatever a and b are.",
        ),
        Wrong(
            KEEP | {"a + b": "inputs"},
            "The slope of a + b is 1 for both. No number has to be kept for that.",
        ),
        Wrong(
            KEEP | {"exp(a)": "inputs"},
            "The slope of exp(a) is exp(a), and that is there already: the result.",
        ),
        Wrong(
            KEEP | {"tanh(a)": "inputs"},
            "The slope of tanh is 1 - y * y, where y is the result. It would be "
            "wasteful to compute y again from a.",
        ),
        Wrong(
            KEEP | {"exp(a)": "inputs", "tanh(a)": "inputs"},
            "From a you would have to compute exp and tanh once more. Their slopes can "
            "be had from the results.",
        ),
        Wrong(
            KEEP | {"log(a)": "result"},
            "The slope of log(a) is 1 / a. You cannot see a from the result without "
            "work.",
        ),
        Wrong(
            KEEP | {"a * b": "result"},
            "The slope of a * b towards a is b. The product does not tell what b was.",
        ),
    ),
    hints=(
        "Write down each slope. Which letters stand in it?",
        "Slopes: 1 and 1; b and a; exp(a); 1 - tanh(a)**2; 1 / a.",
        "print(mg.tape(mg.exp(x))) says what was saved: a, b are inputs, y is the result.",
    ),
    shows="What the tape keeps is what you may not overwrite, and what a plan keeps too.",
    run=in_the_three_words,
)

EXERCISES = (LAST_USE, SHARE, ILLEGAL, BUFFERS, KEPT)

QUESTIONS = (
    Question(
        "q05.1",
        "C = B * A, then D = C + 1, and only D is wanted. How many new arrays are there "
        "at the worst moment, line by line?",
        {
            "a": (
                "one: C becomes D",
                "Python cannot know that nobody will ask for C. It has a name, so it "
                "stays.",
            ),
            "b": (
                "two: C and D",
                "C is still there while D is made, and afterwards too, as long as it "
                "has a name.",
            ),
            "c": (
                "four: A, B, C and D",
                "A and B were there before. The question is what the two lines add.",
            ),
        },
        "b",
    ),
    Question(
        "q05.2",
        "You change a tensor in place after the tape has saved it. What happens at "
        "backward()?",
        {
            "a": (
                "an error that says what was changed",
                "Every write counts a version up, and the tape compares versions.",
            ),
            "b": (
                "a wrong gradient, and nobody notices",
                "That would happen if nobody looked. You will do it by hand to see it.",
            ),
            "c": (
                "nothing, the tape has copied everything",
                "Copies of everything would take twice the memory. The tape keeps the "
                "arrays themselves.",
            ),
        },
        "a",
    ),
    Question(
        "q05.3",
        "A program computes a result. Now it must compute the gradients too. What becomes "
        "of its memory?",
        {
            "a": (
                "it stays the same: gradients are numbers like others",
                "The way back reads results of the way forward, so they live longer.",
            ),
            "b": (
                "it grows: early results are needed once more, at the end",
                "That is why training takes so much more memory than use.",
            ),
            "c": (
                "it shrinks: more nodes, more chances to share",
                "Sharing needs values that are dead. On the way back they are alive.",
            ),
        },
        "b",
    ),
)
