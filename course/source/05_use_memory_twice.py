# %% title [markdown]
# # Use memory twice, and notice when you must not
#
# You measure how much memory the same two lines take in three ways, watch a planner put
# twelve results into two places, and break a gradient by writing over a number.

# %% article [markdown]
# ## The article says
#
# In our words:
#
# - **C18** Symbolic programs are more efficient, because the memory of a value can
#   safely be used again, *in place*, for the next one.
#
# That is one sentence with two promises: *less memory*, and *safely*. Test both.

# %% before [markdown]
# ## Before you start
#
# Lesson 04 ran a graph with a dictionary that kept every result until the end. That is
# simple, and wasteful: most results are read once or twice and never again.
#
# - A result **lives** from the step that makes it to the last step that reads it.
# - To write **in place** means to put a new result where an old one was.
# - A **buffer** is a piece of memory with a fixed size that is kept for results.
#   In pictures we call it a *box*.
#
# And two words for training, which lesson 06 explains in full. A **slope** (or
# *gradient*) says how much a result changes when an input changes a little. The
# **tape** is what a tensor with `requires_grad=True` remembers while your lines run.
# `backward()` reads it from its end, to find the slopes: that is the *way back*.
#
# `kit.peak_bytes(way)` calls `way()` and tells how much memory it held at the worst
# moment, beyond what was there before.

# %% setup
import coursekit as kit
import numpy as np
from coursekit import check, claim, expect_error, hint, quiz, show
from coursekit.lifelines import boxes_of, lifelines

import minigrad as mg

# %% predict [markdown]
# ## Predict
#
# Decide first. Then put your letter into the call and run the cell again.

# %% predict-three-things
quiz("q05.1")
quiz("q05.2")
quiz("q05.3")

# %% run [markdown]
# ## Run
#
# ### Two arrays or one
#
# The four lines of lesson 03 again, with a million numbers in each array. First as one
# would write them. Then by somebody who knows that nobody needs `C` any more, and
# writes `D` over it.

# %% two-ways
n = 1_000_000
A, B = mg.tensor(np.ones(n)), mg.tensor(np.full(n, 2.0))


def line_by_line():
    C = B * A
    return C + 1  # D


def in_place():
    C = B * A
    C += 1  # D, where C was
    return C


# %% two-ways-read [markdown]
# And as a graph. Here we write the lines in the plain way, and leave it to `compile` to
# see that `c` is read only once.

# %% peaks
a, b = (mg.placeholder((n,), mg.float64, name=name) for name in "ab")
c = b * a


def as_graph():
    return mg.compile([a, b], c + 1)(A, B)


arrays = {}
for way in (line_by_line, in_place, as_graph):
    arrays[way.__name__] = round(kit.peak_bytes(way) / (8 * n))
    print(f"{way.__name__:<13} {arrays[way.__name__]} x 8 MB")

# %% peaks-read [markdown]
# Two arrays, one, one. (The graph also needs a little room to work in, less than a
# tenth of an array; lesson 07 shows what for.)
#
# So the saving is real. Line by line you can have it too, but *you* must know that `C` is
# dead. Python cannot know: `C` has a name, and a later line might ask for it. A graph is
# known to its end, so the program can look.
#
# ### What if one is wrong about it?
#
# Take `(x + y) * (x - y)` and give both halves the same box.

# %% greedy
x, y = 5.0, 3.0
box = np.zeros(1)
np.add(x, y, out=box)  # x + y goes into the box
np.subtract(x, y, out=box)  # x - y goes into the same box
np.multiply(box, box, out=box)  # and now the product of the two
print("right:", (x + y) * (x - y), "  with one box:", box[0])

# %% greedy-read [markdown]
# A wrong number, and not a word of warning. `x + y` was still to be read when it was
# overwritten. That is what *safely* is about.
#
# On the tape the danger is larger, because there is a reader whom you do not see. The
# slope of `tanh` is `1 - y * y`, where `y` is its result. So the tape keeps `y` for the
# way back. (In the listing, `a` and `b` are what an operation read, `y` is its
# result.)

# %% version
x = mg.tensor([1.0], requires_grad=True)
y = mg.tanh(x)
print(mg.tape(y))
right = 1 - y.item() ** 2
print("version of y's memory:", y.cell.version)
y += 1
print("after y += 1:", y.cell.version)

with expect_error(mg.errors.GradError):
    y.sum().backward()
print(f"slope: {right:.2f}; from the overwritten y: {1 - y.item() ** 2:.2f}")

# %% version-read [markdown]
# Nothing was copied to make this safe. Each piece of memory counts how often it was
# written to: its **version**. The tape notes the version together with what it saves. On
# the way back it compares the two numbers, and refuses to go on if they differ.
#
# This fits on half a page. Here is a tape with one operation, and a counter.


# %% from-scratch tags=["from-scratch"]
class Memory:
    """A number, and how often it was written over."""

    def __init__(self, number):
        self.number, self.version = number, 0

    def write(self, number):
        self.number, self.version = number, self.version + 1


def tanh(memory):
    """The result, and a function that gives the slope later."""
    y = Memory(np.tanh(memory.number))
    saved_version = y.version

    def slope():
        if y.version != saved_version:
            raise ValueError("y was changed in place")
        return 1 - y.number**2

    return y, slope


y, slope = tanh(Memory(1.0))
z = Memory(y.number + 1)  # z = y + 1: new memory
print("new memory: same slope as the library:", np.isclose(slope(), right))
y.write(y.number + 1)  # y += 1: the same memory
with expect_error(ValueError):
    slope()

# %% chain-read [markdown]
# ### Let a program plan
#
# Now a longer graph: six times a matrix product, then `tanh`. That makes twelve results
# of the same size, and a sum at the end.

# %% chain
start = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
w = mg.tensor(start / 10)


def chain(x, w):
    for _ in range(6):
        x = mg.tanh(x @ w)
    return x.sum()


x = mg.placeholder((100, 100), name="x")
forward = mg.compile([x], chain(x, w))
print(forward.steps)

# %% chain-counts-read [markdown]
# Read the right-hand side. `matmul#0` is written into buffer 0, and `tanh#1` is written
# over it: `tanh` works number by number, so it can replace each number as it goes.
#
# A matrix product cannot do that. Every number of its result reads a whole row, so the
# old matrix must stay until the new one is complete. It goes into buffer 1. Then the
# old one is dead, and buffer 0 is free for the next.

# %% see [markdown]
# ## See
#
# Each row is a value, and each bar its life. The number and the colour say which box it
# lies in. A box may appear in many rows, but never twice at the same time.

# %% lifelines
show(
    lifelines(
        boxes_of(forward),
        "Thirteen bars like a staircase; boxes 0 and 1 take turns, two bars each; "
        "the sum at the end has memory of its own.",
        "Twelve results in two boxes. The sum leaves the program: it gets its own.",
    )
)
results = sum(life.bytes == start.nbytes for life in forward.lifetimes)
boxes = len(forward.plan.sizes)
print(f"{results} results of one size -> {boxes} boxes")

# %% plan-read [markdown]
# The same plan, seen from the memory: one row for each buffer, and in it, from left to
# right, who lives there. Every program can show this about itself.

# %% plan
show(forward.show("plan"))

# %% plan-numbers [markdown]
# ### Now with gradients
#
# To train, a program needs the way back as well. `tanh` needs its result there, as you
# saw. Here are the same twelve results, in the plan of a program that also computes the
# gradient of `w`.

# %% training
weight = mg.tensor(start / 10, requires_grad=True)
loss = chain(x, weight)
training = mg.compile([x], [loss, mg.gradients(loss, weight)])

show(
    lifelines(
        boxes_of(training)[:12],
        "The same twelve values with gradients: the products are short, but each tanh "
        "lives far to the right, the first one the longest.",
        "With gradients: the first results are the last to be free.",
    )
)

# %% training-read [markdown]
# The products are as short-lived as before. But each `tanh` now waits for the way back,
# and the way back begins at the end. The first result lives the longest. Nothing can be
# shared with those who wait.

# %% measure [markdown]
# ## Measure
#
# How much does planning save, then? We compare with line by line, in three habits:
# every result keeps its name; names are used again, as in the loop of `chain`; and with a
# tape, for training. For programs we count boxes and results that leave.


# %% three-habits
def all_named(kept):
    for _ in range(6):
        product = kept[-1] @ w
        kept += [product, mg.tanh(product)]
    return kept[-1].sum()


def trained():
    weight.grad = None
    chain(X, weight).backward()


X = mg.tensor(start)

# %% held
ways = {
    "line by line, every name kept": lambda: all_named([X]),
    "line by line, names used again": lambda: chain(X, w),
    "training, tape": trained,
}
held = {name: round(kit.peak_bytes(way) / start.nbytes) for name, way in ways.items()}
for name, program in {"graph": forward, "training, graph": training}.items():
    leaving = [life for life in program.lifetimes if life.place == "new memory"]
    large = sum(life.bytes == start.nbytes for life in leaving)
    held[name] = len(program.plan.sizes) + large
for name, count in held.items():
    print(f"{name:<31} {count:>2} arrays")

# %% held-read [markdown]
# So the saving depends on what you compare with.
#
# - Whoever keeps every name holds all twelve. The plan needs two.
# - But a plain loop needs only three, since Python gives memory back as soon as nothing
#   has a name for it. The plan wins one more array, not ten.
# - In training there is little left to win: most of what is held has to be held, and the
#   tape too lets go of each result once the way back has read it.
#
# One thing speaks against the program: its boxes stay when the call is over. Line by
# line, nothing does.

# %% explain [markdown]
# ## Explain
#
# **Why is it safe?** The planner knows every step and every reader before anything runs.
# For each value it finds the last reader. After that step, and never before, the box is
# free. Overwriting a value *in* its last step is allowed only where each number is
# read before it is replaced, as in `tanh`, and not in a matrix product.
#
# **Why can line by line not do it?** It does not know what comes next. It can only look
# at who still has a name for an array. What has a name, or is on the tape, stays.
#
# **And `+=`?** With it *you* are the planner. The version counter does not stop you; it
# tells you afterwards, at `backward()`, that a saved number is gone. A wrong gradient
# would be worse than an error.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# `y = y + 1` makes a new tensor, `y += 1` writes over the old one. For the numbers it is
# the same. For the way back it is not, and PyTorch checks it in the same way, with a
# version for each memory. TensorFlow and JAX took another way out: there is no writing
# over. `y += 1` gives the name to something new, and only the compiler uses memory twice.

# %% side-by-side
kit.compare("05_overwrite")
more, one, planned = arrays.values()
less = (more, one, planned) == (2, 1, 1)
chains = (held["line by line, every name kept"], boxes) == (results, 2)
graph, tape = held["training, graph"], held["training, tape"]
trains = boxes < graph <= tape
evidence = f"{more} arrays become {planned}, {results} results fit into {boxes} boxes; "
evidence += f"in training the plan holds {graph}, the tape {tape}"
claim("C18", "V", evidence, check=less and chains and trains)

# %% exercises [markdown]
# ## Exercises
#
# Replace each `...` and run the cell. The answers are in the [solved
# notebook](../solutions/05_use_memory_twice.ipynb).
#
# ### 05.1 Who reads it last?
#
# `steps` is a list of pairs: a name, and the names that it reads. The steps run in this
# order and have the numbers 0, 1, 2, ... Write `last_use(steps)`: a dictionary from each
# name that is read to the number of the last step that reads it.
#
# For `[("s", ["x"]), ("t", ["x", "s"])]` it is `{"x": 1, "s": 1}`.


# %% exercise-last-use tags=["exercise"]
def last_use(steps):
    return ...


check("05.1", last_use)
hint("05.1")


# %% tags=["solution"]
def last_use(steps):
    last = {}
    for i, (_, reads) in enumerate(steps):
        for name in reads:
            last[name] = i
    return last


check("05.1", last_use)

# %% exercise-share-task [markdown]
# ### 05.2 Share boxes
#
# `lives` is a list of `(name, first, last)`, sorted by `first`. Write `share(lives)`: a list
# with the number of a box for each value. Two values may share a box only if the second
# begins *after* the last step of the first. Use as few boxes as you can.


# %% exercise-share tags=["exercise"]
def share(lives):
    return ...


check("05.2", share)


# %% tags=["solution"]
def share(lives):
    until, boxes = [], []  # until when each box is taken; the box of each value
    for _, first, last in lives:
        free = [box for box, end in enumerate(until) if end < first]
        if not free:
            free = [len(until)]
            until.append(last)
        until[free[0]] = last
        boxes.append(free[0])
    return boxes


check("05.2", share)

# %% exercise-illegal-task [markdown]
# ### 05.3 Which one is refused?
#
# In each snippet `x` asks for a gradient, and `y.sum().backward()` follows. Which of them
# end in an error? Answer with a set of letters, such as `{"b", "c"}`.
#
# | letter | snippet |
# |---|---|
# | a | `y = x.exp()`, then `y += 1` |
# | b | `y = x + 3`, then `y *= 2` |
# | c | `y = x * x`, then `y += 1` |
# | d | `h = x + 1`, then `y = h * h`, then `h += 1` |

# %% exercise-illegal tags=["exercise"]
refused = ...

check("05.3", refused)

# %% tags=["solution"]
refused = {"a", "d"}

check("05.3", refused)

# %% exercise-buffers-task [markdown]
# ### 05.4 How many boxes?
#
# `x` is a placeholder with 1000 numbers, `e = x.exp()` and `t = x.tanh()`. All the
# operations below but `sum` work number by number. How many boxes does the plan need for
# each of these three results? (The sum leaves the program; do not count it.)
#
# 1. `(e * t).sum()`
# 2. `x.exp().tanh().sin().cos().sum()`
# 3. `p = e * t`, then `(p.sin() * e * t).sum()`

# %% exercise-buffers tags=["exercise"]
my_boxes = [..., ..., ...]

check("05.4", my_boxes)

# %% tags=["solution"]
my_boxes = [2, 1, 3]

check("05.4", my_boxes)

# %% exercise-kept-task [markdown]
# ### 05.5 What must the tape keep?
#
# For each operation, what does its slope need: its `"inputs"`, its `"result"`, or
# `"nothing"`? If both would do, the tape takes what saves work.

# %% exercise-kept tags=["exercise"]
kept = {
    "a + b": ...,
    "a * b": ...,
    "exp(a)": ...,
    "tanh(a)": ...,
    "log(a)": ...,
}

check("05.5", kept)

# %% tags=["solution"]
kept = {
    "a + b": "nothing",
    "a * b": "inputs",
    "exp(a)": "result",
    "tanh(a)": "result",
    "log(a)": "inputs",
}

check("05.5", kept)

# %% recap [markdown]
# ## Recap
#
# A value's memory is free after its last reader, and a graph knows the last reader
# before it runs. So a plan can use memory again without a mistake, where line by line
# you have to know it yourself. The way back is a reader too: in training, results live
# long, and a version counter tells you if you wrote over one of them.
#
# The words of this lesson, in the glossary: [buffer](../guide/glossary.md#buffer), [in
# place](../guide/glossary.md#in-place), [plan](../guide/glossary.md#plan),
# [tape](../guide/glossary.md#tape), [gradient](../guide/glossary.md#gradient),
# [backward](../guide/glossary.md#backward).

# %% next [markdown]
# ## Next
#
# [Lesson 06](06_the_tape.ipynb) is about that reader: the tape, and how it finds every slope.
