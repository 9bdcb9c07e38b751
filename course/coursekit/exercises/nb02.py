"""Lesson 02: transfers, launches, kernels and the size from which a GPU pays."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.gpu.device import current

from ..checking import Exercise, Refused, Wrong
from ..gpu_pictures import timeline
from ..quizzes import Question

# -- 02.1 three transfers too many -----------------------------------------------------


def relative(xp: Any, x: Any) -> Any:
    z = xp.asarray(x) * 2 + 1
    return xp.asnumpy(z / z.max())


def as_given(xp: Any, x: Any) -> Any:
    y = xp.asnumpy(xp.asarray(x) * 2)
    z = xp.asarray(y + 1)
    top = float(z.max())
    return xp.asnumpy(z / top)


def asks_for_the_top(xp: Any, x: Any) -> Any:
    z = xp.asarray(x) * 2 + 1
    return xp.asnumpy(z / float(z.max()))


def goes_back_in_the_middle(xp: Any, x: Any) -> Any:
    z = xp.asarray(xp.asnumpy(xp.asarray(x) * 2) + 1)
    return xp.asnumpy(z / z.max())


def stays_on_the_host(xp: Any, x: Any) -> Any:
    z = x * 2 + 1
    return z / z.max()


def computes_on_the_host(xp: Any, x: Any) -> Any:
    z = x * 2 + 1
    return xp.asnumpy(xp.asarray(z / z.max()))


def never_comes_back(xp: Any, x: Any) -> Any:
    z = xp.asarray(x) * 2 + 1
    return z / z.max()


def on_a_simulated_gpu(answer: Any, x: np.ndarray) -> Any:
    """The answer's array and how many transfers it made."""
    with mg.cuda.simulate() as log:
        result = answer(current().xp, x)
    if result is None or result is ...:
        return result
    if not isinstance(result, np.ndarray):
        raise Refused(f"the result is not an array of NumPy: {result!r}")
    computed_there = log.launches >= 4  # times 2, plus 1, max, divide
    return {
        "array": result,
        "transfers": log.transfers,
        "all four operations on the device": computed_there,
    }


def own_timeline(answer: Any) -> Any:
    with mg.cuda.simulate() as log:
        answer(current().xp, np.array([1.0, 2.0, 4.0]))
    return timeline(log, "Your log: one arrow down, one arrow up.")


RELATIVE = Exercise(
    id="02.1",
    task="relative(xp, x): the same array with two transfers.",
    reference=relative,
    wrong=(
        Wrong(as_given, "These are still the five transfers you were given."),
        Wrong(
            asks_for_the_top,
            "float(...) asks the device for a number: that is a transfer. Divide by "
            "z.max() as it is, on the device.",
        ),
        Wrong(
            goes_back_in_the_middle,
            "+ 1 can be computed on the device too: do not go back for it.",
        ),
        Wrong(
            stays_on_the_host,
            "No transfer at all: now everything is computed by NumPy on the host. "
            "Begin with xp.asarray(x).",
        ),
        Wrong(
            computes_on_the_host,
            "Two transfers, but NumPy did the work on the host before the first one. "
            "Move x as it is, and compute on the device.",
        ),
        Wrong(
            never_comes_back,
            "The result still lies on the device. xp.asnumpy brings it back.",
        ),
    ),
    hints=(
        "One way there at the beginning, one way back at the end, nothing between.",
        "z = xp.asarray(x) * 2 + 1 is one way. What else asks the device for a number?",
        "return xp.asnumpy(z / z.max())",
    ),
    shows="Two transfers, however many kernels run between them.",
    cases=lambda rng: [(rng.uniform(1, 9, size=n),) for n in (3, 7)],
    run=on_a_simulated_gpu,
    picture=own_timeline,
)

# -- 02.2 the body of a kernel ---------------------------------------------------------


def clamp_kernel(block: int, thread: int, threads: int, x: Any, y: Any, n: int) -> None:
    i = block * threads + thread
    if i < n:
        y[i] = max(x[i], 0.0)


def without_guard(
    block: int, thread: int, threads: int, x: Any, y: Any, n: int
) -> None:
    i = block * threads + thread
    y[i] = max(x[i], 0.0)


def forgets_the_block(
    block: int, thread: int, threads: int, x: Any, y: Any, n: int
) -> None:
    if thread < n:
        y[thread] = max(x[thread], 0.0)


def loops_over_all(
    block: int, thread: int, threads: int, x: Any, y: Any, n: int
) -> None:
    for i in range(n):
        y[i] = max(x[i], 0.0)


def writes_positive_only(
    block: int, thread: int, threads: int, x: Any, y: Any, n: int
) -> None:
    i = block * threads + thread
    if i < n and x[i] > 0:
        y[i] = x[i]


def returns_it(block: int, thread: int, threads: int, x: Any, y: Any, n: int) -> Any:
    i = block * threads + thread
    return max(x[i], 0.0) if i < n else None


def keeps_the_smaller(
    block: int, thread: int, threads: int, x: Any, y: Any, n: int
) -> None:
    i = block * threads + thread
    if i < n:
        y[i] = min(x[i], 0.0)


def blocks_of_blocks(
    block: int, thread: int, threads: int, x: Any, y: Any, n: int
) -> None:
    i = thread * threads + block
    if i < n:
        y[i] = max(x[i], 0.0)


class Written:
    """An array that counts how often each place is written."""

    def __init__(self, n: int) -> None:
        self.values, self.times = np.full(n, 7.0), np.zeros(n, int)

    def __setitem__(self, i: int, value: float) -> None:
        if not 0 <= i < len(self.values):
            raise IndexError(f"a thread writes to place {i} of {len(self.values)}")
        self.values[i] = value
        self.times[i] += 1


def launched(answer: Any, x: np.ndarray, threads: int) -> Any:
    """What the kernel leaves in y, and how often it wrote each place."""
    y, n = Written(len(x)), len(x)
    for block in range(-(-n // threads)):
        for thread in range(threads):
            result = answer(block, thread, threads, x, y, n)
            if result is ...:
                return result
    return {"y": y.values, "times written": y.times}


KERNEL = Exercise(
    id="02.2",
    task="clamp_kernel(block, thread, threads, x, y, n): one thread of clamp(min=0).",
    reference=clamp_kernel,
    wrong=(
        Wrong(
            without_guard,
            "The last block has more threads than numbers left. Guard it: if i < n.",
        ),
        Wrong(
            forgets_the_block,
            "Every block works on the same first numbers. Threads start at 0 in each "
            "block: i = block * threads + thread.",
        ),
        Wrong(
            loops_over_all,
            "Every thread does all the work. A kernel is written for one number: no "
            "loop.",
        ),
        Wrong(
            writes_positive_only,
            "Where x is negative nothing is written, so the old number stays. Write 0.",
        ),
        Wrong(
            returns_it,
            "Nothing was written. Nobody takes what a kernel returns: write it to y[i].",
        ),
        Wrong(
            keeps_the_smaller,
            "min=0 says that nothing may be below 0: keep the larger of x[i] and 0.",
        ),
        Wrong(
            blocks_of_blocks,
            "The places are mixed up: block * threads says where the block begins, "
            "thread says how far from there.",
        ),
    ),
    hints=(
        "Three lines: which number is mine, is there one, write.",
        "i = block * threads + thread, then if i < n:",
        "y[i] = max(x[i], 0.0)",
    ),
    shows="Every place was written once, by a thread of its own.",
    cases=lambda rng: [(rng.normal(size=10), 4), (rng.normal(size=7), 3)],
    run=launched,
)

# -- 02.3 from which size on? ----------------------------------------------------------

Sizes = list[int]
Seconds = list[float]


def break_even(sizes: Sizes, host: Seconds, device: Seconds) -> int | None:
    found = None
    for size, h, d in zip(sizes, host, device):
        if d >= h:
            found = None
        elif found is None:
            found = size
    return found


def first_win(sizes: Sizes, host: Seconds, device: Seconds) -> int | None:
    return next((s for s, h, d in zip(sizes, host, device) if d < h), None)


def last_loss(sizes: Sizes, host: Seconds, device: Seconds) -> int | None:
    lost = [s for s, h, d in zip(sizes, host, device) if d >= h]
    return lost[-1] if lost else None


def host_wins(sizes: Sizes, host: Seconds, device: Seconds) -> int | None:
    return break_even(sizes, device, host)


def position(sizes: Sizes, host: Seconds, device: Seconds) -> int | None:
    found = break_even(sizes, host, device)
    return None if found is None else sizes.index(found)


def last_size(sizes: Sizes, host: Seconds, device: Seconds) -> int:
    found = break_even(sizes, host, device)
    return sizes[-1] if found is None else found


BREAK_EVEN = Exercise(
    id="02.3",
    task="break_even(sizes, host, device): from which size on the device stays faster.",
    reference=break_even,
    wrong=(
        Wrong(
            first_win,
            "That is the first win. One lucky measurement is not enough: it must stay "
            "faster for all larger sizes.",
        ),
        Wrong(last_loss, "That is the last size at which it loses. Take the next one."),
        Wrong(host_wins, "This is where the host is faster. Compare the other way."),
        Wrong(position, "That is the place in the list. The size itself is wanted."),
        Wrong(
            last_size,
            "If the device loses at the largest size, there is no such size: None.",
        ),
    ),
    hints=(
        "Walk through the sizes; remember where the present row of wins began.",
        "A loss makes you forget what you remembered.",
        "if d >= h: found = None; elif found is None: found = size",
    ),
    shows="Small work stays at home: that is the price of the way.",
    cases=lambda rng: [
        ([10, 100, 1000, 10000], [1.0, 2.0, 10.0, 90.0], [3.0, 3.0, 4.0, 9.0]),
        (
            [8, 64, 512, 4096, 9000],
            [2.0, 3.0, 5.0, 20.0, 30.0],
            [1.0, 4.0, 5.0, 9.0, 9.0],
        ),
        ([1, 2, 4], [1.0, 1.0, 1.0], [5.0, 0.5, 5.0]),
    ],
)

# -- 02.4 predict the log --------------------------------------------------------------


def log_counts() -> list[int]:
    """What the simulated GPU really writes down for the loop of this exercise."""
    with mg.cuda.simulate() as log:
        xp = current().xp
        x = xp.asarray(np.full(3, 1.5))
        for _ in range(3):
            x = x * 2 - 1
            if x.max() > 100:
                break
        xp.asnumpy(x)
    return [log.transfers, log.launches]


LOG = Exercise(
    id="02.4",
    task="my_log: [transfers, launches].",
    reference=[5, 12],
    wrong=(
        Wrong(
            [2, 12],
            "`if` needs a True or False of Python, so each round one answer travels "
            "back.",
        ),
        Wrong(
            [5, 6],
            "max and > are operations on the device too: four launches a round.",
        ),
        Wrong([5, 9], "max and > are two launches, not one: four in each round."),
        Wrong(
            [2, 9],
            "Two things are missing in each round: > is a launch of its own, and `if` "
            "asks for its answer.",
        ),
        Wrong([5, 4], "Those are the launches of one round. There are three rounds."),
        Wrong([3, 12], "The way there and the way back count as well."),
        Wrong([12, 5], "The numbers are right; transfers come first, then launches."),
    ),
    hints=(
        "Go through one round: which operations run, and when must the host know?",
        "A round: *, -, max, > are launches; `if` needs the answer on the host.",
        "Transfers: 1 + 3 + 1. Launches: 3 rounds of 4.",
    ),
    shows="An `if` on a device's number makes the host wait, in every round.",
)

EXERCISES = (RELATIVE, KERNEL, BREAK_EVEN, LOG)

QUESTIONS = (
    Question(
        "q02.1",
        "An array lies in the processor's memory. What must happen before a GPU adds 1?",
        {
            "a": (
                "nothing, a GPU reads the same memory",
                "A graphics card has a memory of its own; the data have to get there.",
            ),
            "b": (
                "the numbers are copied to the GPU's memory",
                "That is a transfer, and the result needs one more to come back.",
            ),
            "c": (
                "the array is written as text and compiled",
                "The kernel is compiled, once. The data are only copied.",
            ),
        },
        "b",
    ),
    Question(
        "q02.2",
        "One addition on ten numbers, data on the host. Which is faster?",
        {
            "a": (
                "the GPU, it has thousands of cores",
                "Ten numbers keep ten of them busy, and the way there and back costs far "
                "more than the additions.",
            ),
            "b": (
                "the processor",
                "It is done long before the first transfer would have begun.",
            ),
            "c": (
                "both the same",
                "The additions hardly count; the transfers and the launch do.",
            ),
        },
        "b",
    ),
    Question(
        "q02.3",
        "What is cuDNN for?",
        {
            "a": (
                "it adds up the results of several GPUs",
                "That is NCCL, a library for communication between GPUs.",
            ),
            "b": (
                "it compiles Python for GPUs",
                "cuDNN brings finished, tuned kernels; it does not compile your Python.",
            ),
            "c": (
                "tuned kernels for layers of networks, on NVIDIA's GPUs",
                "Convolutions, normalisations, attention and the like, made by NVIDIA.",
            ),
        },
        "c",
    ),
    Question(
        "q02.4",
        "And NCCL?",
        {
            "a": (
                "it moves data between GPUs and adds them up on the way",
                "Its best known operation is all-reduce: every GPU gets the sum of all.",
            ),
            "b": (
                "it is the language in which kernels are written",
                "That is CUDA, an extension of C++.",
            ),
            "c": (
                "a matrix library for processors",
                "That would be MKL or OpenBLAS.",
            ),
        },
        "a",
    ),
)
