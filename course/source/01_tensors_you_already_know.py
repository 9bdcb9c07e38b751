# %% title [markdown]
# # Use the tensors that you already know
#
# You write one text and run it twice: with NumPy's arrays and with tensors. Then you
# look at how both lie in memory, and measure what a Python loop costs.

# %% article [markdown]
# ## The article says
#
# In our words:
#
# - **C1** PyTorch is like NumPy, but it can also use a GPU.
# - **C7** Both have a backend in C. That makes them much faster than plain Python.
#
# minigrad writes its tensors as PyTorch does, so you can put both claims to the test
# here. The half of C1 that needs a GPU is not tested in this lesson.

# %% before [markdown]
# ## Before you start
#
# You need a little NumPy: `a + b` on arrays, `a[0]`, `a.sum()`. Four words:
#
# - **shape**: how many rows and columns. `(2, 3)` is two rows of three, `(3,)` is three
#   numbers in a row, `()` is a single number.
# - **dtype**: what kind of number, such as `float32` (about 7 digits) or `int64` (whole).
# - **dim**: which direction. Along dim 0 you go down the rows, along dim 1 to the right.
#   NumPy says *axis*.
# - **strides**: how far to jump in memory for the next row, and for the next column.

# %% setup
import coursekit as kit
import numpy as np
from coursekit import check, claim, hint, quiz, show
from coursekit.layout import broadcasting, memory_card

import minigrad as mg

# %% predict [markdown]
# ## Predict
#
# Decide first; then write your letter into the call and run the cell again.

# %% predict-three-things
quiz("q01.1")
quiz("q01.2")
quiz("q01.3")

# %% run [markdown]
# ## Run
#
# Here are twenty expressions. Each is a text. The next cell works it out twice, once
# with `lib` meaning NumPy and arrays in `a` and `b`, once with `lib` meaning minigrad and
# tensors in `a` and `b`.

# %% twenty-texts
texts = """a + b | 2 * a | a / b | -a | a ** 2 | a @ b.T | a.T | a[0] | a[:, 1] | a > b
a[a > 0] | a.sum() | a.sum(0) | a.mean() | a.argmax() | a.reshape(3, 2) | lib.exp(a)
lib.where(a > 0, a, b) | lib.maximum(a, b) | lib.stack([a, b])"""
texts = [text.strip() for line in texts.splitlines() for text in line.split("|")]
print(len(texts), "expressions")

# %% equal
a = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]], np.float32)
b = np.array([[2.0, 2.0, 1.0], [4.0, 1.0, 3.0]], np.float32)
arrays = {"lib": np, "a": a, "b": b}
tensors = {"lib": mg, "a": mg.tensor(a), "b": mg.tensor(b)}

equal = []
for text in texts:
    one, other = eval(text, arrays), eval(text, tensors).numpy()
    same = np.shape(one) == other.shape and one.dtype == other.dtype
    equal.append(same and np.allclose(one, other, rtol=1e-6))
print("equal in shape, dtype and numbers:", sum(equal), "of", len(equal))

# %% equal-read [markdown]
# If you know NumPy, you know tensors. Where do the two part ways? Mostly in names
# (`axis` is `dim`, `np.concatenate` is `cat`), and in one rule that matters: what kind
# of number comes out.

# %% where-they-part
rows = {
    "[1.0]": (np.array([1.0]), mg.tensor([1.0])),
    "whole numbers + 1.5": (
        np.ones(3, np.int32) + 1.5,
        mg.ones(3, dtype=mg.int32) + 1.5,
    ),
    "whole numbers / 2": (np.arange(3) / 2, mg.arange(3) / 2),
    "float32 + 1.5": (np.ones(3, np.float32) + 1.5, mg.ones(3) + 1.5),
}
print(f"{'':<20} NumPy    tensor")
for text, (array, tensor) in rows.items():
    print(f"{text:<20} {array.dtype!s:<8} {tensor.dtype}")

# %% where-they-part-read [markdown]
# Left alone, a tensor takes `float32`, which needs half the memory. For training a network
# its 7 digits are mostly enough. An array that comes from NumPy keeps its dtype.
#
# Two operations from the article's example. `mm` is the matrix product, and nothing
# else. `clamp` cuts off what is below `min` or above `max`.

# %% mm-and-clamp
m, n = mg.tensor(a), mg.tensor(b)
print("mm:   ", m.mm(n.T).tolist())
print("clamp:", m.clamp(min=0, max=2).tolist())
print("column by column:", kit.rounded(m.sum(dim=0)))
print("row by row:      ", kit.rounded(m.sum(dim=1)))

# %% see [markdown]
# ## See
#
# Memory has no rows and columns. It is one long line of numbers. A tensor is that line
# and a way to read it: the strides. Here is one line of six numbers, and three tensors
# that read it.

# %% memory
line = mg.tensor([10, 20, 30, 40, 50, 60])
table = line.reshape(2, 3)
turned = table.T
every_second = table[:, ::2]
show(memory_card(line, table=table, turned=turned, every_second=every_second))

# %% memory-read [markdown]
# In `table` the next column is one place further, the next row three places: strides
# (3, 1). `turned` swaps the two strides, and that is all: not one number was moved. We
# call such a tensor a **view**. What happens if you write into one?

# %% write-through
turned[0, 1] = 99
print("line: ", line)
copied = table.clone()
copied[0, 0] = -1
print("table:", table)

# %% write-through-read [markdown]
# The 99 arrived in `line`, for there is only one memory. `clone` made a copy with a
# memory of its own: the -1 did not arrive.
#
# Now add a column to a row. The shapes differ, and yet it works: whatever has size 1 is
# repeated until it fits. That is **broadcasting**.

# %% broadcast
column = mg.tensor([[0.0], [10.0], [20.0]])
row = mg.tensor([1.0, 2.0, 3.0, 4.0])
show(broadcasting(column=column, row=row))

# %% measure [markdown]
# ## Measure
#
# The grey cells are not stored anywhere. Their stride is 0: the next number is the same
# number. Here is the proof. A column of three numbers, seen as a million columns:

# %% stride-zero
wide = column.expand(3, 1_000_000)
print("shape", wide.shape, " strides", wide.stride())
print("same memory:", wide.data_ptr() == column.data_ptr())

# %% loop-read [markdown]
# And how much does plain Python cost? A **dot product** multiplies two rows of numbers
# pair by pair and adds everything up. We do it three ways: a loop over lists, NumPy, and
# a tensor. The bars show how many times longer than the fastest each takes. Mind the
# axis: each grid line is ten times the one before. Your numbers will differ from ours.

# %% loop-and-array tags=["nbval-ignore-output"]
size = 100_000
u, v = [float(i % 7) for i in range(size)], [float(i % 5) for i in range(size)]
U, V = np.array(u), np.array(v)
S, T = mg.tensor(U), mg.tensor(V)
ways = kit.measure(
    loop=lambda: sum(p * q for p, q in zip(u, v)),
    array=lambda: U @ V,
    tensor=lambda: S.dot(T),
)
alt = "Bars on a logarithmic axis: the loop takes far longer than array and tensor."
show(ways.figure(alt, f"A dot product of {size:,} numbers, three ways."))

# %% nile-read [markdown]
# Speed is not all. Without loops you can also *say* more in a line. The Nile's flow at
# Aswan was measured every year from 1871 to 1970. In 1898 people began to build a dam.
# One comparison gives a mask, one line the two means.

# %% nile
years, flow = kit.load_nile()
years, flow = mg.tensor(years), mg.tensor(flow)
early = years <= 1898
before, after = flow[early].mean(), flow[~early].mean()
means = mg.where(early, before, after)
print("mean until 1898:", kit.rounded(before), "  from then on:", kit.rounded(after))
ys = {"flow": flow.numpy(), "mean": means.numpy()}
alt = "The flow goes up and down each year; its mean drops by a fifth after 1898."
axes = {"xlabel": "year", "ylabel": "flow"}
show(kit.curves(years.numpy(), ys, alt, "The Nile, in 100 million m³ a year.", **axes))

# %% judge [markdown]
# Time to judge. C1 has two halves. This run tested one of them, and the evidence says
# so.

# %% verdicts
text = "The same text gives NumPy's numbers on tensors; nothing was run on a GPU here"
claim("C1", "V", text, check=len(equal) == 20 and all(equal))
times = 10
text = f"A dot product of {size:,} numbers is over {times} times faster than a loop"
quick = [ways.faster(way, "loop", times) for way in ("array", "tensor")]
claim("C7", "V", text, check=all(quick))

# %% explain [markdown]
# ## Explain
#
# **Why the loop is slow.** Each number in a list is an object of its own. For each pair
# Python looks up what `*` means, makes a new object for the product, and throws it away.
# In an array the numbers lie side by side, all of one kind. The question "what does `*`
# mean?" is asked once, and then C runs along the memory.
#
# **Why views cost nothing.** Reading with strides is one line of arithmetic. Here is a
# matrix of your own.


# %% from-scratch tags=["from-scratch"]
class Strided:
    """A matrix that reads a list with two strides."""

    def __init__(self, memory, shape, strides):
        self.memory, self.shape, self.strides = memory, shape, strides

    def __getitem__(self, place):
        (i, j), (down, right) = place, self.strides
        return self.memory[i * down + j * right]

    @property
    def T(self):
        return Strided(self.memory, self.shape[::-1], self.strides[::-1])

    def tolist(self):
        height, width = self.shape
        return [[self[i, j] for j in range(width)] for i in range(height)]


mine = Strided(list(range(6)), (2, 3), (3, 1))
theirs = mg.arange(6).reshape(2, 3)
print("table: ", mine.tolist(), mine.tolist() == theirs.tolist())
print("turned:", mine.T.tolist(), mine.T.tolist() == theirs.T.tolist())
print("a row, three times:", Strided([7, 8], (3, 2), (0, 1)).tolist())

# %% from-scratch-read [markdown]
# The last line is broadcasting: a stride of 0 reads the same row again and again.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# Between minigrad and PyTorch only the import differs. TensorFlow and JAX have other names
# for the same things, and two other habits. Their tensors cannot be written into: you ask
# for a new one. And TensorFlow makes `float64` of whole numbers that are divided. (What
# the other libraries print was recorded, so that none of them need be installed. With
# `live=True` in the call, those that you do have are run as well.)

# %% side-by-side
kit.compare("01_tensors")

# %% exercises [markdown]
# ## Exercises
#
# Replace the dots and run the cell. `hint("01.1")` asks for a hint. The answers are in
# the [solved notebook](../solutions/01_tensors_you_already_know.ipynb).
#
# ### 01.1 All products at once
#
# `a` has n numbers, `b` has m. Return the (n, m) table of all products, without a loop.
# Use broadcasting: what shape must `a` have?


# %% exercise-outer tags=["exercise"]
def outer(a, b):
    return ...


check("01.1", outer)
hint("01.1")


# %% tags=["solution"]
def outer(a, b):
    return a[:, None] * b


check("01.1", outer)

# %% exercise-decades-task [markdown]
# ### 01.2 The Nile by decades
#
# `flow` has one number a year, for a whole number of decades. Return the mean of each
# decade, the first ten years first. No loop.


# %% exercise-decades tags=["exercise"]
def decade_means(flow):
    return ...


check("01.2", decade_means)


# %% tags=["solution"]
def decade_means(flow):
    return flow.reshape(-1, 10).mean(dim=1)


check("01.2", decade_means)

# %% exercise-clamp-task [markdown]
# ### 01.3 Clamp by where
#
# Write `clamp` yourself: below `low` becomes `low`, above `high` becomes `high`. Use
# `mg.where(condition, here, elsewhere)` and comparisons.


# %% exercise-clamp tags=["exercise"]
def clamp(x, low, high):
    return ...


check("01.3", clamp)


# %% tags=["solution"]
def clamp(x, low, high):
    raised = mg.where(x < low, low, x)
    return mg.where(raised > high, high, raised)


check("01.3", clamp)

# %% exercise-shapes-task [markdown]
# ### 01.4 Predict the shapes
#
# `p` is `(4, 1)`, `q` is `(3,)`, `r` is `(4, 3)`. What are the shapes of
#
# 1. `p + q`
# 2. `r.sum(dim=0)`
# 3. `r.T.mm(p)`
# 4. `r[0]`
# 5. `r[:, None, :]`?

# %% exercise-shapes tags=["exercise"]
shapes = [..., ..., ..., ..., ...]

check("01.4", shapes)

# %% tags=["solution"]
shapes = [(4, 3), (3,), (3, 1), (3,), (4, 1, 3)]

check("01.4", shapes)

# %% exercise-views-task [markdown]
# ### 01.5 View or copy?
#
# `t` is a `(2, 3)` tensor. You write into the result of one of these. In which cases
# does `t` change too? Answer with a set of letters, such as `{"a", "b"}`.
#
# - a) `t.T`
# - b) `t + 0`
# - c) `t[0]`
# - d) `t.reshape(3, 2)`
# - e) `t[[0, 1]]`
# - f) `t.clone()`
# - g) `t[:, ::2]`

# %% exercise-views tags=["exercise"]
are_views = ...

check("01.5", are_views)

# %% tags=["solution"]
are_views = {"a", "c", "d", "g"}

check("01.5", are_views)

# %% recap [markdown]
# ## Recap
#
# A tensor is NumPy's array under another name: the same text gives the same numbers. It
# is one line of memory and a way to read it, so turning, slicing and stretching cost
# nothing. Let the array do the loop: it runs in C.
#
# The words of this lesson, in the glossary: [tensor](../guide/glossary.md#tensor),
# [shape](../guide/glossary.md#shape), [dtype](../guide/glossary.md#dtype),
# [strides](../guide/glossary.md#strides), [view](../guide/glossary.md#view),
# [broadcasting](../guide/glossary.md#broadcasting),
# [clamp](../guide/glossary.md#clamp).

# %% next [markdown]
# ## Next
#
# [Lesson 02](02_another_device.ipynb) sends the same code to another device, and asks when that is worth the way.
