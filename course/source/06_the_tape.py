# %% title [markdown]
# # Walk the tape back: requires_grad, backward, zero
#
# You watch minigrad take notes while it computes, walk through the notes backward, and
# find out why gradients add up unless you set them to zero.

# %% article [markdown]
# ## The article says
#
# The article praises two things about PyTorch, and its example rests on two more. In our
# words:
#
# - **C4** PyTorch stands for tensors on a GPU, networks that change while they run, and
#   a deep integration with Python.
# - **C21** It *defines by running*: the graph is made while the lines run.
# - **C32** Weights are random floats, and they require a gradient.
# - **C35** Before going backward, gradients have to be set to zero by hand.
#
# You will test them here. Only the GPU has to wait: nothing in this lesson needs one.

# %% before [markdown]
# ## Before you start
#
# You need the first cells of lesson 00, and one idea from school: the **slope**. If `w`
# grows by a tiny bit, `y` grows by slope times as much. With many numbers, the slopes
# together are called the **gradient**. Three more words:
#
# - **tape**: the notes about what was computed, in the order in which it happened.
# - **leaf**: a tensor that you made yourself, and that asks for a gradient
#   (`requires_grad=True`). Everything else on the tape was computed.
# - **backward**: read the notes from the last to the first, and find every slope.

# %% setup
import coursekit as kit
from coursekit import check, claim, expect_error, hint, quiz, show

import minigrad as mg

# %% predict [markdown]
# ## Predict
#
# Decide first; then write your letter into the call and run the cell again.

# %% predict-three-things
quiz("q06.1")
quiz("q06.2")
quiz("q06.3")

# %% run [markdown]
# ## Run
#
# `x` is data: nobody wants to change it. `w` and `b` are to be learned, so they ask for
# a gradient. Then three lines compute. After each line we look at the value and at the
# note that the line left behind (`grad_fn`, the function that knows the way back).

# %% three-lines
x = mg.tensor(2.0)
w = mg.tensor(3.0, requires_grad=True)
b = mg.tensor(1.0, requires_grad=True)
p = x * w
q = p + b
y = q**2

for name, t in {"x": x, "w": w, "b": b, "p": p, "q": q, "y": y}.items():
    print(f"{name} = {t.item():<4}  leaf: {t.is_leaf!s:<5}  note: {t.grad_fn}")

# %% three-lines-read [markdown]
# The numbers you made have no note. Each line that computed left one. (Data count as
# leaves too, as in PyTorch; but no gradient will go there, because nobody asked.)
#
# ## See
#
# Here are the notes of your three lines. Press *next*: first the lines run, one by one.
# Then the walk back begins at `y`. It starts with the slope of `y` by itself, which is
# 1, and every operation answers one question: *if this much arrives at me, how much goes
# to what I was made from?*

# %% step-through
kit.stepper(y, "y = (x * w + b) ** 2, there and back")

# %% step-through-read [markdown]
# The letters at the arrows are not your names: `a` is the first thing that goes into an
# operation, `b` the second.
#
# - The square: its slope is 2 · q = 14, so 1 becomes 14.
# - The sum: it passes 14 on, to both sides.
# - The product: the slope for `w` is the *other* factor, `x` = 2. So `w` gets 28.
#
# That is why the product has **saved** a value: without `x` it could not answer. Now for
# real. Before: `None`, which means *not computed*. It does not mean zero.

# %% backward
print("before:", w.grad, b.grad)
y.backward()
print("after: ", w.grad.item(), b.grad.item())
print("x.grad:", x.grad, "  q.grad:", q.grad)

# %% backward-read [markdown]
# `x` did not ask. And `q` was only on the way: its 14 came by and was handed on. Only
# leaves that ask keep a gradient.
#
# ### The tape is made by running
#
# Nobody declared a graph. So what happens if the number of lines depends on a value?
# This function multiplies until the result is small. Python's own `while` decides.


# %% while-it-runs
def until_small(start, factor):
    values = [start]
    while values[-1] > 1:
        values.append(values[-1] * factor)
    return values


factor = mg.tensor(0.5, requires_grad=True)
short = until_small(mg.tensor(4.0), factor)
long = until_small(mg.tensor(100.0), factor)
print("operations on the tape:", len(short) - 1, "and", len(long) - 1)
last = short[-1]
show(last)

# %% while-it-runs-read [markdown]
# One function, two tapes of different length. Note that `factor` is used twice in this
# picture: two arrows leave it. On the way back, what comes along both arrows is added.
#
# The numbers above were counted from the lists. Does the tape agree? Follow the notes
# back from the two results, and count them.


# %% judge-the-tape
def notes_behind(t):
    todo, found = [t.grad_fn], set()
    while todo:
        note = todo.pop()
        if note and note not in found and note.next_functions:
            found.add(note)
            todo += [parent for parent, _ in note.next_functions]
    return len(found)


print(notes_behind(short[-1]), notes_behind(long[-1]))

# %% measure [markdown]
# ## Measure
#
# ### Three times backward
#
# Now the question of the article: why set gradients to zero? Weights are random floats
# that require a gradient, as it says. We run the same lines three times and call
# `backward()` each time. What do you expect: the third gradient is how many times the
# first? Replace the dots.

# %% three-times
guess = kit.predict("The third gradient is the first one times", ...)
mg.manual_seed(0)
weight = mg.randn(4, requires_grad=True)
seen = []
for _ in range(3):
    (weight * weight).sum().backward()
    seen.append(weight.grad.clone())

times = [(g / seen[0]).mean().item() for g in seen]
guess.turned_out(round(times[-1], 4))

# %% three-times-bars
heights = {f"after backward {i}": t for i, t in enumerate(times, 1)}
alt = "Three bars of lengths 1, 2 and 3: each backward adds the same gradient again."
caption = "w.grad after each backward, as a multiple of the first."
show(kit.bars(heights, alt, caption, xlabel="times the first gradient"))

# %% three-times-read [markdown]
# `backward()` *adds* to `.grad`. That is a decision, not a mistake: two losses can put
# their gradients together, or a large batch can come in small parts. The price is that
# you have to say when a new sum begins.
#
# ### Zero, but not too early
#
# The article sets to zero first and goes backward then. At the very first round there
# is nothing to set to zero yet. Its order crashes:

# %% zero-too-early
fresh = mg.randn(4, requires_grad=True)
with expect_error(mg.errors.MissingGradError):
    fresh.grad.zero_()

# %% zero-too-early-read [markdown]
# The message names the remedy. With it, the article's loop runs: zero, backward, update.
# The update stands under `no_grad`, which means: do not take notes about this. Without
# it minigrad refuses to change a leaf, because the tape still needs its old value.

# %% article-loop
target = mg.tensor([1.0, 2.0, 3.0, 4.0])
for _ in range(50):
    loss = ((fresh - target) ** 2).sum()
    if fresh.grad is not None:
        fresh.grad.zero_()
    loss.backward()
    with mg.no_grad():
        fresh -= 0.1 * fresh.grad
print("learned:", kit.rounded(fresh, 3))
with expect_error(mg.errors.GradError):
    fresh -= 0.1 * fresh.grad

# %% differences-read [markdown]
# ### Are the slopes right?
#
# There is a slow way to know without any notes: move `w` a little up, a little down, and
# see how much `y` moves. And is the tape long enough? A chain of 10,000 operations
# would break a walk back that calls itself once for each step: Python stops such a
# function after a thousand calls or so.

# %% differences
at = mg.tensor(3.0, dtype=mg.float64, requires_grad=True)
((2 * at + 1) ** 2).backward()
h = 1e-5
slope = ((2 * (3 + h) + 1) ** 2 - (2 * (3 - h) + 1) ** 2) / (2 * h)
print("slope within 1e-6 of the tape's:", abs(slope - at.grad.item()) < 1e-6)

chain = at
for _ in range(10_000):
    chain = chain + 1
at.grad = None
chain.backward()
print("10,000 operations back:", at.grad.item())

# %% judge [markdown]
# Time to judge. Mind how C4 is worded: two of its three parts were tested.

# %% verdicts
lengths = [notes_behind(short[-1]), notes_behind(long[-1])]
dynamic = lengths == [len(short) - 1, len(long) - 1] and lengths[0] < lengths[1]
text = "One function left tapes of {} and of {} operations: its input decided"
text = text.format(*lengths)
claim("C21", "V", text, check=dynamic)
text = "Dynamic, with Python's while and lists: shown. GPU tensors: not run here"
claim("C4", "V", text, check=dynamic and isinstance(long, list))
text = "Random float32 leaves; backward() leaves a gradient in each"
leaves = all(t.is_leaf and t.grad is not None for t in (weight, fresh))
claim("C32", "V", text, check=leaves and weight.dtype is mg.float32)
text = "Two backward calls without a zero between them leave twice the gradient"
claim("C35", "V", text, check=[round(t, 4) for t in times] == [1, 2, 3])

# %% explain [markdown]
# ## Explain
#
# A tape is nothing but a list. Here is one of your own, in twenty lines. Each operation
# appends a note: its result, and for each number it was made from, the slope. Going back
# is a loop over the list, from its end.

# %% from-scratch tags=["from-scratch"]
TAPE = []


class Number:
    def __init__(self, value):
        self.value, self.grad = value, 0.0

    def __add__(self, other):
        return note(self.value + other.value, (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        return note(self.value * other.value, (self, other.value), (other, self.value))


def note(value, *made_from):
    result = Number(value)
    TAPE.append((result, made_from))
    return result


def walk_back(end):
    end.grad = 1.0
    for result, made_from in reversed(TAPE):
        for number, slope in made_from:
            number.grad += result.grad * slope


X, W, B = Number(2.0), Number(3.0), Number(1.0)
Q = X * W + B
walk_back(Q * Q)
print("W and B get:", W.grad, B.grad)
print("as the library says:", [W.grad, B.grad] == [w.grad.item(), b.grad.item()])

# %% from-scratch-read [markdown]
# Look at the one line that matters: `number.grad += result.grad * slope`. The `*` is the
# chain rule. The `+=` is why a number that is used twice gets both parts (as `Q` here,
# in `Q * Q`). It is also why gradients add up over several walks: nobody set them back.
#
# The library does the same with whole arrays. It keeps notes only behind results that
# are still in use, and it frees what was saved once it has walked back.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# The same text runs in PyTorch; only the import differs. The second column is minigrad's
# graph: there the way back is part of the program, and it does not add up by itself.
# Whoever wants the sums has to write them down, as updates of two variables. So it is in
# TensorFlow and JAX: a gradient is a result like any other, there is nothing to zero, and
# C35 speaks of PyTorch alone. (What the other libraries print was recorded.)

# %% side-by-side
kit.compare("06_tape")

# %% exercises [markdown]
# ## Exercises
#
# Replace the dots and run the cell. `hint("06.1")` asks for a hint. The answers are in
# the [solved notebook](../solutions/06_the_tape.ipynb).
#
# ### 06.1 The way back through a product
#
# For `c = a * b`, a gradient `g` arrives at `c`. Return what goes to `a` and what goes to
# `b`, in this order. All are arrays of one shape.


# %% exercise-mul tags=["exercise"]
def mul_backward(g, a, b):
    return ..., ...


check("06.1", mul_backward)
hint("06.1")


# %% tags=["solution"]
def mul_backward(g, a, b):
    return g * b, g * a


check("06.1", mul_backward)

# %% exercise-diamond-task [markdown]
# ### 06.2 Two ways lead back
#
# `x` is used twice: `a = 3 * x`, `b = x + 2`, and then `y = a * b`. Drawn, this is a
# diamond. Return three numbers: the slope that reaches `x` by way of `a`, the one by way
# of `b`, and the slope of `y` with respect to `x`. Work it out by hand, for any `x`.


# %% exercise-diamond tags=["exercise"]
def diamond(x):
    return [..., ..., ...]


check("06.2", diamond)


# %% tags=["solution"]
def diamond(x):
    a, b = 3 * x, x + 2
    return [b * 3, a * 1, b * 3 + a * 1]


check("06.2", diamond)

# %% exercise-twice-task [markdown]
# ### 06.3 Why is it different the second time?
#
# ```python
# w = mg.tensor(1.0, requires_grad=True)
# (2 * w).backward()      # w.grad is now ...?
# (5 * w).backward()      # and now?
# w.grad.zero_()          # and now?
# (2 * w).backward()      # and now?
# ```
#
# Answer with four numbers, without running it.

# %% exercise-twice tags=["exercise"]
my_grads = [..., ..., ..., ...]

check("06.3", my_grads)

# %% tags=["solution"]
my_grads = [2, 7, 0, 2]

check("06.3", my_grads)

# %% exercise-freeze-task [markdown]
# ### 06.4 Freeze one leaf
#
# Return `(x * w + b) ** 2` as before, but so that `backward()` leaves a gradient in `b`
# only. The value must not change. (`t.detach()` gives the numbers of `t` without the
# notes behind it.)


# %% exercise-freeze tags=["exercise"]
def frozen(x, w, b):
    return ...


check("06.4", frozen)


# %% tags=["solution"]
def frozen(x, w, b):
    return (x * w.detach() + b) ** 2


check("06.4", frozen)

# %% exercise-none-task [markdown]
# ### 06.5 Which gradients are None?
#
# ```python
# x = mg.ones(3)
# u = mg.ones(3, requires_grad=True)
# v = mg.ones(3, requires_grad=True)
# z = mg.zeros(3, requires_grad=True)
# h = x * u
# with mg.no_grad():
#     k = h * v
# (h * z).sum().backward()
# ```
#
# After this, for which of `x`, `u`, `v`, `z`, `h`, `k` is `.grad` None? Answer with a set
# of letters, such as `{"x", "u"}`. One of the others holds a gradient that is all zeros:
# that is not None.

# %% exercise-none tags=["exercise"]
are_none = ...

check("06.5", are_none)

# %% tags=["solution"]
are_none = {"x", "v", "h", "k"}

check("06.5", are_none)

# %% recap [markdown]
# ## Recap
#
# While your lines compute, each notes what it did; the notes are the tape, and it is as
# long as the run was. `backward()` walks it from the end, multiplies along each way, adds
# where ways meet, and adds the result to `.grad` of the leaves that asked. So zero them,
# once they are there, before you walk again.
#
# The words of this lesson, in the glossary: [tape](../guide/glossary.md#tape),
# [leaf](../guide/glossary.md#leaf),
# [requires_grad](../guide/glossary.md#requires_grad),
# [backward](../guide/glossary.md#backward), [gradient](../guide/glossary.md#gradient),
# [define-by-run](../guide/glossary.md#define-by-run).

# %% next [markdown]
# ## Next
#
# [Lesson 07](07_define_once_run_many.ipynb) goes back to the graph that is written down once, and makes it better before
# it runs.
