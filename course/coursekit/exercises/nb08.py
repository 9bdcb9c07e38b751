"""Lesson 08: the article's two-layer network, then digits."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..checking import Exercise, Wrong
from ..quizzes import Question


def on_tensors(answer: Any, *case: Any) -> Any:
    """Call the answer with tensors in place of arrays."""
    return answer(*(mg.tensor(x) if isinstance(x, np.ndarray) else x for x in case))


# -- 08.1 the gradient by hand ---------------------------------------------------------


def grad_w1(x: Any, y: Any, w1: Any, w2: Any) -> Any:
    h = x.mm(w1)
    error = 2 * (h.clamp(min=0).mm(w2) - y)
    return x.T.mm(error.mm(w2.T) * (h > 0))


def grad_without_kink(x: Any, y: Any, w1: Any, w2: Any) -> Any:
    error = 2 * (x.mm(w1).clamp(min=0).mm(w2) - y)
    return x.T.mm(error.mm(w2.T))


def grad_without_two(x: Any, y: Any, w1: Any, w2: Any) -> Any:
    return grad_w1(x, y, w1, w2) / 2


def grad_transposed(x: Any, y: Any, w1: Any, w2: Any) -> Any:
    return grad_w1(x, y, w1, w2).T


def grad_wrong_side(x: Any, y: Any, w1: Any, w2: Any) -> Any:
    h = x.mm(w1)
    error = 2 * (h.clamp(min=0).mm(w2) - y)
    return x.T.mm(error.mm(w2.T) * (h <= 0))


def grad_clamped(x: Any, y: Any, w1: Any, w2: Any) -> Any:
    h = x.mm(w1)
    error = 2 * (h.clamp(min=0).mm(w2) - y)
    return x.T.mm(error.mm(w2.T) * h.clamp(min=0))


def draw_network(rng: np.random.Generator) -> list[tuple]:
    """Four sizes that differ, so that a transposed factor cannot fit by chance."""
    cases = []
    for _ in range(2):
        n, d, h, o = rng.permutation([2, 3, 4, 5]).tolist()
        shapes = ((n, d), (n, o), (d, h), (h, o))
        cases.append(tuple(rng.normal(size=s).astype(np.float32) for s in shapes))
    return cases


GRAD_W1 = Exercise(
    id="08.1",
    task="grad_w1(x, y, w1, w2): the derivative of the summed squared error, by hand.",
    reference=grad_w1,
    wrong=(
        Wrong(
            grad_without_kink,
            "Where the clamp cut h off, nothing flows back: multiply by (h > 0).",
        ),
        Wrong(grad_without_two, "The derivative of e ** 2 is 2 * e. The 2 is missing."),
        Wrong(
            grad_transposed,
            "A gradient has the shape of its weight. Yours is (hidden, input).",
        ),
        Wrong(
            grad_wrong_side,
            "Your mask lets through what the clamp has cut off. Turn it round.",
        ),
        Wrong(
            grad_clamped,
            "You multiply by the clamped h. Its derivative is 1 or 0: (h > 0).",
        ),
    ),
    hints=(
        "Walk the forward pass backwards: square, second mm, clamp, first mm.",
        "Through p = r.mm(w2) the gradient of r is g.mm(w2.T); of w2 it is r.T.mm(g).",
        "error = 2 * (p - y); then x.T.mm(error.mm(w2.T) * (h > 0))",
    ),
    shows="backward() does exactly these three products, for any program you write.",
    cases=draw_network,
    run=on_tensors,
    tolerance=1e-4,
)

# -- 08.2 a leak in place of the clamp -------------------------------------------------


def leaky(h: Any) -> Any:
    return h.clamp(min=0) + 0.01 * h.clamp(max=0)


def value_and_slope(answer: Any, h: np.ndarray) -> Any:
    """What the answer gives, and the slope that the tape finds in it."""
    leaf = mg.tensor(h, requires_grad=True)
    out = answer(leaf)
    if out is None or out is ...:
        return out
    out.sum().backward()
    return [out.detach(), leaf.grad]


LEAKY = Exercise(
    id="08.2",
    task="leaky(h): h where h is positive, h / 100 elsewhere, with clamp alone.",
    reference=leaky,
    wrong=(
        Wrong(
            lambda h: h.clamp(min=0),
            "That is the old clamp: negative numbers must leak through, times 0.01.",
        ),
        Wrong(
            lambda h: h.clamp(min=0) - 0.01 * h.clamp(max=0),
            "The leak has the wrong sign: h.clamp(max=0) is negative already.",
        ),
        Wrong(
            lambda h: h.clamp(min=0.01),
            "clamp(min=0.01) moves the floor. A leak has a slope, not a floor.",
        ),
        Wrong(
            lambda h: 0.01 * h,
            "Now everything is small: positive numbers must come through whole.",
        ),
        Wrong(
            lambda h: mg.tensor(
                np.where(
                    h.detach().numpy() > 0,
                    h.detach().numpy(),
                    0.01 * h.detach().numpy(),
                )
            ),
            "The numbers are right, but they left the tape when they went through "
            "NumPy. Stay with tensors, so that a gradient finds its way back.",
        ),
    ),
    hints=(
        "Cut h into its positive and its negative part and treat each on its own.",
        "h.clamp(min=0) keeps the positive part, h.clamp(max=0) the negative one.",
        "return h.clamp(min=0) + 0.01 * h.clamp(max=0)",
    ),
    shows="No unit is dead for good any more: below zero the slope is 0.01, not 0.",
    cases=lambda rng: [
        (rng.normal(size=(2, int(rng.integers(3, 6)))).astype(np.float32),)
        for _ in range(2)
    ],
    run=value_and_slope,
)

# -- 08.3 sum or mean ------------------------------------------------------------------


def rate_for_mean(rate: float, n: int, d_out: int) -> float:
    return rate * n * d_out


RATE = Exercise(
    id="08.3",
    task="rate_for_mean(rate, n, d_out): the rate that keeps the steps the same.",
    reference=rate_for_mean,
    wrong=(
        Wrong(
            lambda rate, n, d_out: rate,
            "The same rate makes much smaller steps: the mean's gradient is smaller.",
        ),
        Wrong(
            lambda rate, n, d_out: rate / (n * d_out),
            "The wrong way round: the gradient shrank, so the rate must grow.",
        ),
        Wrong(
            lambda rate, n, d_out: rate * n,
            "The mean is taken over the whole error, which has n * d_out entries.",
        ),
        Wrong(
            lambda rate, n, d_out: rate * (n + d_out),
            "A table of n rows and d_out columns has n * d_out entries.",
        ),
    ),
    hints=(
        "Write the mean as a sum divided by something. By what?",
        "If the loss is divided by k, so is its gradient.",
        "A step is rate * gradient: multiply the rate by n * d_out.",
    ),
    shows="1e-6 on a sum over 64 * 10 errors is the same step as 6.4e-4 on their mean.",
    cases=lambda rng: [
        (float(rng.choice([1e-6, 1e-4, 0.5])), *rng.integers(2, 99, 2).tolist())
        for _ in range(3)
    ],
    tolerance=1e-9,
)

# -- 08.4 the missing zero -------------------------------------------------------------


def step(w: Any, x: Any, y: Any) -> None:
    if w.grad is not None:
        w.grad.zero_()
    (x.mm(w) - y).pow(2).sum().backward()
    with mg.no_grad():
        w -= 0.01 * w.grad


def never_zeroes(w: Any, x: Any, y: Any) -> None:
    (x.mm(w) - y).pow(2).sum().backward()
    with mg.no_grad():
        w -= 0.01 * w.grad


def zeroes_too_late(w: Any, x: Any, y: Any) -> None:
    (x.mm(w) - y).pow(2).sum().backward()
    w.grad.zero_()
    with mg.no_grad():
        w -= 0.01 * w.grad


def zeroes_what_is_not_there(w: Any, x: Any, y: Any) -> None:
    w.grad.data.zero_()
    step(w, x, y)


def updates_on_the_tape(w: Any, x: Any, y: Any) -> None:
    if w.grad is not None:
        w.grad.zero_()
    (x.mm(w) - y).pow(2).sum().backward()
    w -= 0.01 * w.grad


def three_steps(answer: Any, w: np.ndarray, x: np.ndarray, y: np.ndarray) -> Any:
    """The weights after each of three steps."""
    weight = mg.tensor(w, requires_grad=True)
    seen = []
    for _ in range(3):
        answer(weight, mg.tensor(x), mg.tensor(y))
        seen.append(weight.detach().numpy().copy())
    return seen


def draw_regression(rng: np.random.Generator) -> list[tuple]:
    cases = []
    for _ in range(2):
        n, d = int(rng.integers(4, 7)), int(rng.integers(2, 4))
        shapes = ((d, 1), (n, d), (n, 1))
        cases.append(tuple(rng.normal(size=s).astype(np.float32) for s in shapes))
    return cases


STEP = Exercise(
    id="08.4",
    task="step(w, x, y): one descent step, rate 0.01, that never mixes two gradients.",
    reference=step,
    wrong=(
        Wrong(
            never_zeroes,
            "The first step is right, the later ones use the sum of all gradients so "
            "far. Zero w.grad before backward().",
        ),
        Wrong(
            zeroes_too_late,
            "The weights never move: the gradient is zeroed between backward() and the "
            "update (or the update made a new tensor in place of w).",
        ),
        Wrong(
            zeroes_what_is_not_there,
            "Before the first backward() there is no gradient: w.grad is None. Ask for "
            "that first.",
        ),
        Wrong(
            updates_on_the_tape,
            "The update itself is no part of the network. Put it under mg.no_grad().",
        ),
    ),
    hints=(
        "Print w.grad before and after each backward(): does it start again at zero?",
        "Three parts, in this order: zero what is there, backward, update.",
        "if w.grad is not None: w.grad.zero_()",
    ),
    shows="backward() adds to w.grad. That is useful, and it makes zeroing your job.",
    cases=draw_regression,
    run=three_steps,
    tolerance=1e-4,
)

# -- 08.5 data that asks for a gradient ------------------------------------------------

DATA_GRAD = Exercise(
    id="08.5",
    task="If x.requires_grad: (loss changes?, w1.grad changes?, x.grad.shape).",
    reference=(False, False, (64, 1000)),
    wrong=(
        Wrong(
            (True, False, (64, 1000)),
            "requires_grad is a wish about derivatives. It moves no number forward.",
        ),
        Wrong(
            (False, True, (64, 1000)),
            "w1's gradient sums over the paths from loss to w1. None of them is new.",
        ),
        Wrong(
            (False, False, (1000, 100)),
            "That is w1's shape. A gradient has the shape of what it belongs to.",
        ),
        Wrong(
            (False, False, None),
            "x asks for a gradient now, so backward() gives it one.",
        ),
    ),
    hints=(
        "Which numbers does requires_grad touch on the way forward?",
        "backward() fills .grad of every leaf that asks; the others do not notice.",
        "Two times False, and the shape of x.",
    ),
    shows="It costs one more product, (64, 100) by (100, 1000), for nothing.",
)

EXERCISES = (GRAD_W1, LEAKY, RATE, STEP, DATA_GRAD)

QUESTIONS = (
    Question(
        "q08.1",
        "NumPy by hand, tape, graph and Module train one net. How do the losses compare?",
        {
            "a": (
                "equal to the last bit for all 500 steps",
                "In exact arithmetic, yes. float32 rounds, and the forms add up in "
                "different orders.",
            ),
            "b": (
                "close at first, then rounding grows",
                "The update feeds each rounding error into the next step, and this net "
                "amplifies it. In float64 the forms stay together throughout.",
            ),
            "c": (
                "each form learns something else",
                "They compute the same formula and the same derivative; only the "
                "moment of computing differs.",
            ),
        },
        "b",
    ),
    Question(
        "q08.2",
        "The targets are random and yet the loss falls almost to 0. What was learned?",
        {
            "a": (
                "a rule that holds for new data too",
                "There is no rule in random targets; held-out data shows it at once.",
            ),
            "b": (
                "nothing, the loss must be computed wrongly",
                "The loss is right. A net with more weights than targets can fit any "
                "targets at all.",
            ),
            "c": (
                "these 64 rows by heart",
                "101,000 weights against 640 targets: it memorised them. A falling "
                "training loss alone proves nothing.",
            ),
        },
        "c",
    ),
    Question(
        "q08.3",
        "What does clamp(min=0) pass back where its input is negative?",
        {
            "a": (
                "the gradient unchanged",
                "That is the positive side, where clamp is the identity.",
            ),
            "b": (
                "zero: a small change of the input changes nothing",
                "The output stays 0 there, so its slope is 0 and no gradient passes.",
            ),
            "c": (
                "minus the gradient",
                "That would be the derivative of abs, not of clamp.",
            ),
        },
        "b",
    ),
)
