"""Lesson 06: the tape, backward, and why gradients are set to zero."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..checking import Exercise, Wrong
from ..display import figure
from ..quizzes import Question

# -- 06.1 the way back through a product -----------------------------------------------


def draw_three(rng: np.random.Generator) -> list[tuple]:
    shapes = (3,), (2, int(rng.integers(2, 5)))
    return [tuple(rng.normal(size=shape) for _ in range(3)) for shape in shapes]


MUL_BACKWARD = Exercise(
    id="06.1",
    task="mul_backward(g, a, b): what goes to a, and what goes to b.",
    reference=lambda g, a, b: (g * b, g * a),
    wrong=(
        Wrong(
            lambda g, a, b: (g * a, g * b),
            "The wrong way round. If a grows by 1, a * b grows by b: a's slope is b.",
        ),
        Wrong(
            lambda g, a, b: (b, a),
            "These are the slopes of the product alone. Multiply them by g, which came "
            "from further up.",
        ),
        Wrong(
            lambda g, a, b: (g, g),
            "That is the way back through a sum, which passes g on unchanged.",
        ),
        Wrong(
            lambda g, a, b: (g + b, g + a),
            "Along one way slopes are multiplied, not added.",
        ),
        Wrong(
            lambda g, a, b: (np.sum(g * b), np.sum(g * a)),
            "Each entry of a has a slope of its own: do not sum.",
        ),
    ),
    hints=(
        "Ask for one number: if a grows by a little, by how much does a * b grow?",
        "The slope for a is b, and the other way round. Each is multiplied by g.",
        "return g * b, g * a",
    ),
    shows="That is why a product saves both factors: each needs the other one.",
    cases=draw_three,
)

# -- 06.2 two ways lead back -----------------------------------------------------------


def diamond(x: float) -> list[float]:
    a, b = 3 * x, x + 2
    return [b * 3, a * 1, b * 3 + a * 1]


def diamond_tape(_: Any) -> Any:
    x = mg.tensor(2.0, requires_grad=True)
    a, b = 3 * x, x + 2
    y = a * b
    return figure(y, caption="The diamond: two ways lead from y back to x.")


DIAMOND = Exercise(
    id="06.2",
    task="diamond(x): [slope by way of a, slope by way of b, both together].",
    reference=diamond,
    wrong=(
        Wrong(
            lambda x: [3 * (x + 2), 3 * x, 3 * (x + 2) * 3 * x],
            "Two ways that meet are added. Only along one way do you multiply.",
        ),
        Wrong(
            lambda x: [3 * x * 3, x + 2, 9 * x + x + 2],
            "The factors are swapped: what reaches a is b, and what reaches b is a.",
        ),
        Wrong(
            lambda x: [x + 2, 3 * x, x + 2 + 3 * x],
            "You stopped at a and b. One more step: a = 3 * x has the slope 3.",
        ),
        Wrong(
            lambda x: [3 * x, 3 * (x + 2), 6 * x + 6],
            "The numbers are right, but first comes the way by a, then the way by b.",
        ),
        Wrong(
            lambda x: [3, 1, 4],
            "These are the slopes of a and b. Multiply by what arrives at each from y.",
        ),
        Wrong(
            lambda x: [3 * (x + 2), 3 * x, 3 * (x + 2)],
            "The last one leaves out the way through b: the total is the sum of both.",
        ),
    ),
    hints=(
        "Walk from y to x along each side on its own, and multiply on the way.",
        "What reaches a is b = x + 2, then times 3. What reaches b is a = 3 * x.",
        "[3 * (x + 2), 3 * x, 3 * (x + 2) + 3 * x]",
    ),
    shows="Where two ways meet, slopes add. A tape does it with one +=.",
    cases=lambda rng: [(float(x),) for x in rng.integers(1, 9, 3)],
    picture=diamond_tape,
)

# -- 06.3 why is it different the second time? -----------------------------------------


def grads_seen() -> list[float]:
    """What the four lines of this exercise really leave."""
    w = mg.tensor(1.0, requires_grad=True)
    seen = []
    for line in (lambda: (2 * w).backward(), lambda: (5 * w).backward(),
                 lambda: w.grad.zero_(), lambda: (2 * w).backward()):  # fmt: skip
        line()
        seen.append(w.grad.item())
    return seen


TWICE = Exercise(
    id="06.3",
    task="my_grads: w.grad after each of the four lines.",
    reference=[2, 7, 0, 2],
    wrong=(
        Wrong([2, 5, 0, 2], "The second backward adds to what is there: 2 and 5."),
        Wrong([2, 7, 0, 9], "zero_() wiped out the old sum; the last line starts new."),
        Wrong(
            [2, 10, 0, 2],
            "Gradients of two walks are added, not multiplied.",
        ),
        Wrong(
            [2, 7, None, 2],
            "zero_() sets the gradient to zero. It is there; it is not None.",
        ),
        Wrong(
            [2, 7, 7, 9],
            "The third line is w.grad.zero_(): it throws the sum away.",
        ),
    ),
    hints=(
        "The slope of 2 * w is 2. What does backward do with what is there already?",
        "backward adds, zero_ clears.",
        "2, then 2 + 5, then 0, then 2",
    ),
    shows="backward() adds; only you know when a new sum should begin.",
)

# -- 06.4 freeze one leaf --------------------------------------------------------------


def frozen(x: Any, w: Any, b: Any) -> Any:
    return (x * w.detach() + b) ** 2


def freezes_all(x: Any, w: Any, b: Any) -> Any:
    with mg.no_grad():
        return (x * w + b) ** 2


def after_backward(answer: Any, *numbers: float) -> Any:
    """The value, whether w and b got a gradient, and the one that b got."""
    x, w, b = (mg.tensor(number) for number in numbers)
    y = answer(x, w.requires_grad_(), b.requires_grad_())
    if y is None or y is ...:
        return y
    y.backward()
    got = 0.0 if b.grad is None else b.grad.item()
    return {
        "value": y.item(),
        "w has a gradient": w.grad is not None,
        "b has a gradient": b.grad is not None,
        "b.grad": got,
    }


def frozen_tape(answer: Any) -> Any:
    x, w, b = (mg.tensor(number) for number in (2.0, 3.0, 1.0))
    y = answer(x, w.requires_grad_(), b.requires_grad_())
    return figure(y, caption="Your tape: w is not on it, so no gradient can reach it.")


FROZEN = Exercise(
    id="06.4",
    task="frozen(x, w, b): (x * w + b) ** 2, with a gradient for b only.",
    reference=frozen,
    wrong=(
        Wrong(
            lambda x, w, b: (x * w + b) ** 2,
            "Nothing is frozen yet: w still gets a gradient.",
        ),
        Wrong(
            lambda x, w, b: (x * w + b.detach()) ** 2,
            "You froze b. It is w that should get nothing.",
        ),
        Wrong(
            freezes_all,
            "Under no_grad nothing is noted at all, so b gets nothing either. Detach "
            "one tensor instead.",
        ),
        Wrong(
            lambda x, w, b: b**2,
            "The value changed: x * w has to stay in the sum, only without its notes.",
        ),
        Wrong(
            lambda x, w, b: (x * w).detach() ** 2 + b**2,
            "The value changed: first add, then square.",
        ),
    ),
    hints=(
        "w should take part as a plain number, without notes.",
        "w.detach() is such a number.",
        "return (x * w.detach() + b) ** 2",
    ),
    shows="To train one part of a network and not the other, cut the tape between them.",
    cases=lambda rng: [tuple(rng.integers(1, 9, 3).astype(float)) for _ in range(2)],
    run=after_backward,
    picture=frozen_tape,
)

# -- 06.5 which gradients are None? ----------------------------------------------------


def none_after_backward() -> set[str]:
    """Which gradients of this exercise's tensors really are None."""
    x = mg.ones(3)
    u, v = mg.ones(3, requires_grad=True), mg.ones(3, requires_grad=True)
    z = mg.zeros(3, requires_grad=True)
    h = x * u
    with mg.no_grad():
        k = h * v
    (h * z).sum().backward()
    tensors = {"x": x, "u": u, "v": v, "z": z, "h": h, "k": k}
    return {name for name, t in tensors.items() if t.grad is None}


NONE = Exercise(
    id="06.5",
    task="are_none: the set of names whose .grad is None.",
    reference={"x", "v", "h", "k"},
    wrong=(
        Wrong(
            {"x", "v", "k"},
            "h was computed on the way: the gradient passes it, but only leaves keep it.",
        ),
        Wrong(
            {"x", "u", "v", "h", "k"},
            "u gets zeros, because z is zero. Zeros are a gradient; None is none.",
        ),
        Wrong(
            {"x", "h", "k"},
            "v is used once only, under no_grad. Nothing was noted about it.",
        ),
        Wrong(
            {"v", "h", "k"},
            "x is data: it never asked for a gradient.",
        ),
        Wrong(
            {"x", "v", "h"},
            "k was computed under no_grad: no way leads back to it.",
        ),
        Wrong(
            {"x"},
            "Asking is not enough. Is the tensor a leaf, and does a noted way lead to it "
            "from the end?",
        ),
    ),
    hints=(
        "Three questions: did it ask? Is it a leaf? Does a noted way lead back to it?",
        "u and z are leaves that asked, and h * z was noted.",
        'are_none = {"x", "v", "h", "k"}',
    ),
    shows="None means that no gradient came; zero means that one came, and it was zero.",
)

EXERCISES = (MUL_BACKWARD, DIAMOND, TWICE, FROZEN, NONE)

QUESTIONS = (
    Question(
        "q06.1",
        "w asks for a gradient, y was computed from it. What is w.grad before backward?",
        {
            "a": (
                "0",
                "Zero would be an answer to a question that nobody has asked yet.",
            ),
            "b": ("None", "Nothing was computed, so there is nothing, not even zero."),
            "c": (
                "the slope of y already, since every line computes at once",
                "The lines compute values at once and take notes. The slopes are worked "
                "out when backward reads the notes.",
            ),
        },
        "b",
    ),
    Question(
        "q06.2",
        "The same loss is computed and walked back twice. What is w.grad then?",
        {
            "a": (
                "the same as after the first time",
                "That would be so if backward replaced what is there. It adds to it.",
            ),
            "b": ("twice as much", "backward adds its result to what is in .grad."),
            "c": (
                "zero, since the second time cancels the first",
                "Nothing is subtracted; the second walk finds the same slopes again.",
            ),
        },
        "b",
    ),
    Question(
        "q06.3",
        "A while loop multiplies x by w until x is small. How many notes are on the tape?",
        {
            "a": (
                "one, the loop",
                "The tape knows nothing of loops. It sees the products, one by one.",
            ),
            "b": (
                "as many as the loop made rounds",
                "Every product that ran left a note; another x leaves another tape.",
            ),
            "c": (
                "always the same number, fixed when the function was written",
                "That holds for a graph written down beforehand, not for a tape.",
            ),
        },
        "b",
    ),
)
