"""Lesson 10: a recurrent network with plain for and if."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

from ..checking import Exercise, Refused, Wrong
from ..display import figure
from ..quizzes import Question

# -- 10.1 the cell ---------------------------------------------------------------------


def cell(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    return (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).tanh()


def as_tensors(answer: Any, *arrays: np.ndarray) -> Any:
    return answer(*map(mg.tensor, arrays))


def draw_cell(rng: np.random.Generator) -> list[tuple]:
    """The first is square, so that a forgotten transpose fits and still shows."""
    cases = []
    for batch, inputs, hidden in ((3, 3, 3), (2, int(rng.integers(4, 7)), 3)):
        shapes: list[tuple[int, ...]] = [(batch, inputs), (batch, hidden)]
        shapes += [(hidden, inputs), (hidden, hidden), (hidden,), (hidden,)]
        cases.append(tuple(rng.normal(size=s).astype(np.float32) for s in shapes))
    return cases


def two_steps(answer: Any) -> Any:
    """The learner's own cell, used twice."""
    x1, x2, h = (mg.ones(1, 2) for _ in range(3))
    w_ih, w_hh = (mg.eye(2).requires_grad_() for _ in range(2))
    b_ih, b_hh = mg.zeros(2), mg.zeros(2)
    h = answer(x1, h, w_ih, w_hh, b_ih, b_hh)
    h = answer(x2, h, w_ih, w_hh, b_ih, b_hh)
    caption = "Your cell, used twice: both steps read the same w_ih and w_hh."
    return figure(h, caption=caption)


CELL = Exercise(
    id="10.1",
    task="cell(x, h, w_ih, w_hh, b_ih, b_hh): the next state of an RNNCell.",
    reference=cell,
    wrong=(
        Wrong(
            lambda x, h, w_ih, w_hh, b_ih, b_hh: (
                x @ w_ih + b_ih + h @ w_hh + b_hh
            ).tanh(),
            "The weights lie on their side, (hidden, input): they need a .T before they "
            "fit behind x and h.",
        ),
        Wrong(
            lambda x, h, w_ih, w_hh, b_ih, b_hh: x @ w_ih.T + b_ih + h @ w_hh.T + b_hh,
            "The sum is right. Now squeeze it: tanh keeps the state between -1 and 1.",
        ),
        Wrong(
            lambda x, h, w_ih, w_hh, b_ih, b_hh: (x @ w_ih.T + b_ih).tanh(),
            "This cell has no memory: the old state h takes no part.",
        ),
        Wrong(
            lambda x, h, w_ih, w_hh, b_ih, b_hh: (
                (x @ w_ih.T + b_ih).tanh() + (h @ w_hh.T + b_hh).tanh()
            ),
            "One tanh around the whole sum, not one around each part.",
        ),
    ),
    hints=(
        "Two products and two biases are added up; then comes one tanh.",
        "x @ w_ih.T has the shape (batch, hidden); so has h @ w_hh.T.",
        "return (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).tanh()",
    ),
    shows="Below is the tape of two steps. The weights are read twice.",
    cases=draw_cell,
    run=as_tensors,
    picture=two_steps,
    tolerance=1e-4,
)

# -- 10.2 stop when sure ---------------------------------------------------------------

Step = Callable[[int, Any], tuple[float, Any]]


def read_until_sure(step: Step, word: list[int], sure: float) -> tuple[float, int]:
    state, count, p = None, 0, 0.5
    for letter in word:
        p, state = step(letter, state)
        count += 1
        if p > sure or p < 1 - sure:
            break
    return p, count


def make_step(read: list[int]) -> Step:
    """A little recurrent net with one number as its state; notes what it reads."""

    def step(letter: int, state: float | None) -> tuple[float, float]:
        read.append(letter)
        state = (state or 0.0) + (letter - 13) / 8
        return float(1 / (1 + np.exp(-state))), state

    return step


def with_step(answer: Any, word: list[int], sure: float) -> Any:
    read: list[int] = []
    result = answer(make_step(read), word, sure)
    if result is None or result is ...:
        return result
    if not isinstance(result, tuple) or len(result) != 2:
        raise Refused("return two things: p and how many letters were read")
    return [*result, len(read)]


def reads_all(step: Step, word: list[int], sure: float) -> tuple[float, int]:
    state, p = None, 0.5
    for letter in word:
        p, state = step(letter, state)
    return p, len(word)


def only_above(step: Step, word: list[int], sure: float) -> tuple[float, int]:
    state, count, p = None, 0, 0.5
    for letter in word:
        p, state = step(letter, state)
        count += 1
        if p > sure:
            break
    return p, count


def forgets_the_state(step: Step, word: list[int], sure: float) -> tuple[float, int]:
    count, p = 0, 0.5
    for letter in word:
        p, _ = step(letter, None)
        count += 1
        if p > sure or p < 1 - sure:
            break
    return p, count


def counts_from_zero(step: Step, word: list[int], sure: float) -> tuple[float, int]:
    p, count = read_until_sure(step, word, sure)
    return p, count - 1


SURE = Exercise(
    id="10.2",
    task="read_until_sure(step, word, sure): the last p, and how many letters it took.",
    reference=read_until_sure,
    wrong=(
        Wrong(reads_all, "You always read to the end. Put an if and a break inside."),
        Wrong(
            only_above,
            "One can also be sure of the other answer: p below 1 - sure ends it too.",
        ),
        Wrong(
            forgets_the_state,
            "Each letter begins from nothing. Hand the state that step returned to the "
            "next step.",
        ),
        Wrong(
            counts_from_zero,
            "Letters read, not the index of the last one: enumerate begins with 0.",
        ),
    ),
    hints=(
        "A plain for over the word, and a plain if with a break in it.",
        "p, state = step(letter, state), then count, then decide.",
        "if p > sure or p < 1 - sure: break",
    ),
    shows="The output decides how large the graph becomes. A tape takes that as it comes.",
    cases=lambda rng: [
        ([20, 20, 20, 20, 1], 0.8),
        ([10, 2, 2, 26, 26], 0.8),
        ([14, 12, 13], 0.9),
        (rng.integers(1, 27, 8).tolist(), 0.7),
        ([17, 17, 17, 17, 17], 0.75),
    ],
    run=with_step,
)

# -- 10.3 gradients add ----------------------------------------------------------------

ADD = Exercise(
    id="10.3",
    task="Three numbers: w.grad after one backward, after two, and with a cut.",
    reference=[2.5, 5.0, 1.0],
    wrong=(
        Wrong(
            [1.0, 2.0, 1.0],
            "You took the last step's part alone. Every step that used w adds its part.",
        ),
        Wrong(
            [2.5, 2.5, 1.0],
            "Nobody zeroed: the second backward() adds to what is there.",
        ),
        Wrong(
            [2.5, 5.0, 2.5],
            "A detached state is a number without a past: nothing flows through it to "
            "the steps before.",
        ),
        Wrong(
            [2.5, 5.0, 1.5],
            "You kept the steps before the cut. The loss stands after the third step, so "
            "only that step is still connected with it.",
        ),
        Wrong(
            [2.5 / 3, 5.0 / 3, 1.0],
            "Gradients are added where paths meet; nobody divides by their number.",
        ),
    ),
    hints=(
        "Draw the tape: w has three arrows going out. What comes back along each?",
        "1. is the sum of all three parts. 2. is twice that.",
        "3. After the cut the loss knows w only through the third step.",
    ),
    shows="Cutting the state every few steps is a known trick: truncated "
    "back-propagation. It is cheaper, and it is blind to the past.",
)

# -- 10.4 clip -------------------------------------------------------------------------


def clip(grads: list[Any], limit: float) -> list[Any]:
    length = sum((g * g).sum() for g in grads) ** 0.5
    return [g * min(1.0, limit / length) for g in grads]


def each_on_its_own(grads: list[Any], limit: float) -> list[Any]:
    return [g * min(1.0, limit / (g * g).sum() ** 0.5) for g in grads]


def always_to_the_limit(grads: list[Any], limit: float) -> list[Any]:
    length = sum((g * g).sum() for g in grads) ** 0.5
    return [g * (limit / length) for g in grads]


def without_the_root(grads: list[Any], limit: float) -> list[Any]:
    return [g * min(1.0, limit / sum((g * g).sum() for g in grads)) for g in grads]


CLIP = Exercise(
    id="10.4",
    task="clip(grads, limit): all gradients by one factor, at most `limit` long together.",
    reference=clip,
    wrong=(
        Wrong(
            lambda grads, limit: [np.clip(g, -limit, limit) for g in grads],
            "You cut every number off by itself, which turns the arrow. Shorten the "
            "whole arrow by one factor instead.",
        ),
        Wrong(
            each_on_its_own,
            "Each gradient was shortened by itself. The length is that of all of them "
            "together, and so is the factor.",
        ),
        Wrong(
            always_to_the_limit,
            "Short gradients became longer. If the length is below the limit, leave them.",
        ),
        Wrong(without_the_root, "The length is the square root of the sum of squares."),
    ),
    hints=(
        "First one length for everything, then one factor for everything.",
        "The length is (sum of all squares) ** 0.5, over all gradients.",
        "factor = min(1.0, limit / length)",
    ),
    shows="The direction stays. In the library it is nn.utils.clip_grad_norm_.",
    cases=lambda rng: [
        ([rng.normal(size=(2, 3)), rng.normal(size=4) * scale], limit)
        for scale, limit in ((1.0, 0.5), (0.1, 9.0), (3.0, 2.0))
    ],
)

# -- 10.5 batch by length --------------------------------------------------------------


def padded(lengths: list[int], size: int) -> int:
    lengths, waste = sorted(lengths), 0
    for start in range(0, len(lengths), size):
        batch = lengths[start : start + size]
        waste += max(batch) * len(batch) - sum(batch)
    return waste


def unsorted_batches(lengths: list[int], size: int) -> int:
    batches = [lengths[k : k + size] for k in range(0, len(lengths), size)]
    return sum(max(batch) * len(batch) - sum(batch) for batch in batches)


def to_the_longest_of_all(lengths: list[int], size: int) -> int:
    return max(lengths) * len(lengths) - sum(lengths)


def drops_the_last(lengths: list[int], size: int) -> int:
    return padded(sorted(lengths)[: len(lengths) // size * size], size)


def all_steps(lengths: list[int], size: int) -> int:
    return padded(lengths, size) + sum(lengths)


def full_last_batch(lengths: list[int], size: int) -> int:
    ordered = sorted(lengths)
    batches = [ordered[k : k + size] for k in range(0, len(ordered), size)]
    return sum(max(batch) * size - sum(batch) for batch in batches)


PADDED = Exercise(
    id="10.5",
    task="padded(lengths, size): the padding steps of batches sorted by length.",
    reference=padded,
    wrong=(
        Wrong(
            unsorted_batches,
            "Your batches mix short and long names. Sort the lengths first.",
        ),
        Wrong(
            to_the_longest_of_all,
            "You pad everything to the longest name of all. Each batch has a longest of "
            "its own.",
        ),
        Wrong(drops_the_last, "The last, smaller batch counts as well."),
        Wrong(
            full_last_batch,
            "You filled the last batch up to its full size. It may be smaller.",
        ),
        Wrong(all_steps, "These are all steps. Take those of the letters away."),
    ),
    hints=(
        "sorted(lengths), then slices of `size`.",
        "A batch needs max(batch) * len(batch) steps, and sum(batch) of them are letters.",
        "for start in range(0, len(lengths), size): batch = lengths[start : start + size]",
    ),
    shows="Sorted into batches, real names waste next to nothing. This is how static "
    "graphs live with lengths that vary.",
    cases=lambda rng: [
        ([3, 9, 4, 8, 5, 2, 7], 3),
        (rng.integers(2, 12, int(rng.integers(9, 14))).tolist(), 4),
        ([11, 2, 4, 9, 3], 3),
    ],
)

EXERCISES = (CELL, SURE, ADD, CLIP, PADDED)

QUESTIONS = (
    Question(
        "q10.1",
        "One network reads 'al' and 'elizabeth' on the tape. What is the same for both?",
        {
            "a": (
                "the size of the graph",
                "Each letter adds its piece to the tape: nine letters, nine pieces.",
            ),
            "b": (
                "the weights",
                "Every step of every name uses the same weights. Only their number of "
                "uses differs.",
            ),
            "c": (
                "the number of gradients that meet in the weights",
                "One comes from each step, so the longer name sends more of them.",
            ),
        },
        "b",
    ),
    Question(
        "q10.2",
        "Women's, men's and surnames: if all were padded to the longest, how many steps "
        "would be useless?",
        {
            "a": (
                "about 5 in 100",
                "That would be so if nearly all names were equally long.",
            ),
            "b": (
                "about 45 in 100",
                "The longest name has 11 letters, the usual one about 6.",
            ),
            "c": (
                "about 90 in 100",
                "Then a usual name would have just one letter.",
            ),
        },
        "b",
    ),
    Question(
        "q10.3",
        "An `if` in the loop looks at the network's own output. On the tape this ...",
        {
            "a": (
                "works: the output is a number already",
                "Python asks the tensor, the tensor answers, and only what ran is on "
                "the tape.",
            ),
            "b": (
                "is frozen into what it was the first time",
                "That is what happens to a graph that is built once. The tape is built "
                "anew each time.",
            ),
            "c": (
                "needs a special node",
                "A static graph needs one (lessons 09 and 11). The tape only notes "
                "down what ran.",
            ),
        },
        "a",
    ),
)
