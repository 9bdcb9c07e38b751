# %% title [markdown]
# # Define once, run many, and make it better first
#
# You watch a graph of 23 nodes shrink to 14 before it runs, find out after how many
# calls that pays, and measure what a single operation costs.

# %% article [markdown]
# ## The article says
#
# - **C5** PyTorch is no thin cover over a C library, and it adds hardly any overhead.
# - **C23** A graph is defined once and run many times. So it can be made better before
#   it runs, and even be spread over several machines.
# - **C24** Static graphs work well for networks of a fixed size, such as
#   feed-forward and convolutional networks.
#
# (Several machines come in lesson 13. The rest is tested here.)

# %% before [markdown]
# ## Before you start
#
# You know from lesson 04 that a graph is a set of notes, and from lesson 05 that a
# program looks at all of them before it runs. Some new words:
#
# - A **constant** is a number that is known while the graph is built.
# - A **rewrite** replaces a node by a better one with the same value.
# - **Overhead** is the time that a call takes besides the real work: finding out what
#   to do, checking, making the result.

# %% setup
import coursekit as kit
import numpy as np
from coursekit import check, claim, expect_error, hint, quiz, show

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.static.node import topological

# %% predict [markdown]
# ## Predict
#
# Decide first. Then put your letter into the call and run the cell again.

# %% predict-three-things
quiz("q07.1")
quiz("q07.2")
quiz("q07.3")

# %% run [markdown]
# ## Run
#
# ### A formula, written for people
#
# This is the bell curve of statistics, with its slope. Its middle is `m`, its width is
# `s`. It is written as in a textbook: nobody tried to save work. `(x - m) / s` stands
# there twice, and the part under the fraction does not depend on `x` at all.


# %% bell
def bell_and_slope(x, m, s, height, pi):
    bell = height * mg.exp(-(((x - m) / s) ** 2) / 2) / (s * mg.sqrt(2 * pi))
    slope = -((x - m) / s) * bell / s
    return bell, slope


settings = 1.0, 2.0, 1.0, np.pi
x = mg.placeholder((1000,), mg.float64, name="x")
bell, slope = bell_and_slope(x, *map(mg.constant, settings))
program = mg.compile([x], [bell, slope])

# %% stages-read [markdown]
# The settings are constants here, so `compile` knows them. It works in stages, and
# keeps the graph as it was after each. How many nodes are there?

# %% stages
counts = {
    stage: len(topological(program.stages[stage]))
    for stage in ("graph", "merge", "fold", "simplify")
}
print(counts)

X = mg.tensor(np.linspace(-5, 7, 1000))
known = [mg.tensor(number, dtype=mg.float64) for number in settings]
with mg.count_ops() as counter:
    bell_and_slope(X, *known)
    by_line = counter.total
    program(X)
print("operations line by line:", by_line, "  by the graph:", counter.total - by_line)

# %% stages-explained [markdown]
# From 23 nodes to 14, and from 16 operations to 10, in three stages:
#
# - **merge**: nodes that do the same with the same inputs become one. `(x - m) / s`
#   is computed once. (Books say *common subexpression elimination*.)
# - **fold**: what depends on constants alone is computed now, and never again.
#   `s * sqrt(2 * pi)` becomes the number 5.013.
# - **simplify**: `1 * something` is something. The height of 1 is gone.
#
# A fourth stage, *stabilise*, found nothing to do here. It replaces forms that lose
# digits, such as `log(1 + x)` for a small `x`.

# %% see [markdown]
# ## See
#
# First the graph as you wrote it, then as it runs. In the first, look for the two `sub`,
# each with a `div` below it, and for the branch that begins with 3.142 and 2. In the
# second, that branch is one number.

# %% before-and-after
show(program.show("graph"))
show(program.show("optimized"))

# %% unsafe-read [markdown]
# ### Not every good idea is a good rewrite
#
# A rewrite must keep the value for *every* input. Here is a tempting one: `z / z` is 1.
# A rewrite is a function that gets a node and returns a better one, or `None`. You
# can hand your own to `compile`.


# %% unsafe
def same_over_same(node):
    if node.op.name == "div" and node.inputs[0] is node.inputs[1]:
        return mg.constant(np.ones(node.shape, node.dtype))
    return None


z = mg.placeholder((3,), name="z")
numbers = [2.0, 0.0, -5.0]
print("as written:", mg.compile([z], z / z)(numbers))
print("rewritten: ", mg.compile([z], z / z, rewrites=[same_over_same])(numbers))

# %% unsafe-explained [markdown]
# 0 / 0 has no value. The computer says `nan`, *not a number*, and you would want to
# see it: something went wrong before. The rewrite hides it behind a friendly 1. So the
# library does not do this one. Exercise 07.4 has more of the kind.
#
# ### One walk in place of ten
#
# Ten operations on a million numbers: each one walks through a large array and leaves
# another large array. Here is a different way. Cut the array into pieces, and do
# **all ten** operations on one piece before you take the next. The small
# results in between stay near the processor, and their memory is used again.


# %% from-scratch tags=["from-scratch"]
PIECE = 65_536
n = 1_000_000


def in_pieces(X):
    """bell and slope in one walk over X."""
    bell, slope = np.empty_like(X), np.empty_like(X)
    below = 2.0 * np.sqrt(2 * np.pi)
    for begin in range(0, len(X), PIECE):
        here = slice(begin, begin + PIECE)
        u = (X[here] - 1.0) / 2.0
        bell[here] = np.exp(-(u**2) / 2) / below
        slope[here] = -u * bell[here] / 2.0
    return bell, slope


MANY = mg.tensor(np.linspace(-5, 7, n))
many = mg.placeholder((n,), mg.float64, name="many")
large = mg.compile([many], bell_and_slope(many, *map(mg.constant, settings)))

ways = {
    "line by line": lambda: bell_and_slope(MANY, *known),
    "in pieces": lambda: in_pieces(MANY.numpy()),
    "graph": lambda: large(MANY),
}
for name, way in ways.items():
    right = np.allclose(way()[1], in_pieces(MANY.numpy())[1])
    held = round(kit.peak_bytes(way) / (8 * n))
    print(f"{name:<13} {held} arrays at the worst moment, same numbers: {right}")

# %% fuse-read [markdown]
# Two arrays are the two results themselves, so less is not possible. And the program
# does by itself what you wrote by hand. It is called **fusion**. Each box below
# is one walk; here one box holds all ten operations.

# %% fuse
show(large.show("fuse"))
print("steps:", large.stats["steps"], "  operations in it:", large.stats["fused"])

# %% measure [markdown]
# ## Measure
#
# ### When does it pay?
#
# Building and compiling takes time once. Each call then saves a little. So there is a
# number of calls after which the graph has paid for itself: the **break-even**. We
# measure it for the small program, with 1000 numbers. Your own figures stand below; they
# are different on each machine.


# %% break-even tags=["nbval-ignore-output"]
def define():
    x = mg.placeholder((1000,), mg.float64, name="x")
    return mg.compile([x], bell_and_slope(x, *map(mg.constant, settings)))


by_line, by_graph = lambda: bell_and_slope(X, *known), lambda: program(X)
timed = kit.measure(line_by_line=by_line, graph=by_graph)
seconds = timed.seconds | kit.measure(compile=define).seconds
spent = {name: 1000 * time for name, time in seconds.items()}
print({name: f"{time:.3f} ms" for name, time in spent.items()})
paid_after = spent["compile"] / (spent["line_by_line"] - spent["graph"])
print("break-even after", round(paid_after), "calls")

# %% break-even-lines
calls = np.arange(0, round(3 * paid_after))
lines = {
    "line by line": calls * spent["line_by_line"],
    "graph": spent["compile"] + calls * spent["graph"],
}
alt = "Two straight lines. The graph's begins higher, rises more slowly; they cross."
words = "time over calls: the graph begins higher and is ahead from the break-even on"
names = {"xlabel": "calls", "ylabel": "milliseconds in all"}
show(kit.curves(calls, lines, alt, "When does compiling pay?", words, **names))
pays = timed.faster("graph", "line_by_line", times=1.2) and 1 < paid_after < 20_000
print("it pays, and not at the first call:", pays)

# %% break-even-read [markdown]
# A hundred calls, or some hundreds, on the machines we tried. Training takes thousands.
# But for a formula that is computed once, a graph is a waste of time.
#
# ### What does one operation cost?
#
# Now the smallest piece of work: `a + a`. Once for one number, once for a million, and
# for what lies between. NumPy stands for the work itself. What a library needs
# beyond that is overhead.


# %% overhead
def cost(size):
    array = np.ones(size, np.float32)
    tensor, a = mg.tensor(array), mg.placeholder((size,))
    node = mg.compile([a], a + a)
    ways = {"NumPy": lambda: array + array, "line by line": lambda: tensor + tensor}
    return kit.measure(**ways, graph=lambda: node(tensor)).seconds


sizes = [10**k for k in range(7)]
costs = [cost(size) for size in sizes]
relative = [seconds["line by line"] / seconds["NumPy"] for seconds in costs]
print("clearly dearer than NumPy for one number:", relative[0] > 1.5)
print("about the same for a million:", relative[-1] < 1.5)

# %% overhead-curve
curve = {name: [1e6 * seconds[name] for seconds in costs] for name in costs[0]}
alt = "Three curves, flat on the left and far apart; on the right they rise and meet."
words = (
    "time of a + a, 1 to 1,000,000 numbers: apart on the left, together on the right"
)
axes = {"xscale": "log", "yscale": "log"}
axes |= {"xlabel": "numbers in the array", "ylabel": "microseconds a call"}
show(kit.curves(sizes, curve, alt, "One addition, by size.", words, **axes))

# %% overhead-read [markdown]
# Both axes are logarithmic: each grid line is ten times the one before. On the left the
# curves are flat. There it does not matter how many numbers you add; you pay for the
# *call*. On the right you pay for the numbers, and all three are the same.
#
# Notice the graph of one node: a call of a program checks its arguments, so for a
# single tiny operation it costs the most of all. Graphs win when they hold many
# operations.
#
# ### A network of fixed size
#
# A small convolutional network for the digits of 8 by 8 pixels: eight filters of
# 3 by 3, a clamp, the largest of each 2 by 2 pixels, and one matrix. Every batch has 50
# images, each with 64 numbers. Nothing in it depends on what the image shows.

# %% network
rng = np.random.default_rng(0)
k = mg.variable(rng.normal(0, 0.3, (8, 1, 3, 3)), name="k")
w = mg.variable(rng.normal(0, 0.1, (72, 10)), name="w")


def scores(images):
    found = F.conv2d(images.reshape(-1, 1, 8, 8), k).clamp(min=0)
    return F.max_pool2d(found, 2).reshape(-1, 72).mm(w)


images = mg.placeholder((50, 64), mg.float64, name="images")
labels = mg.placeholder((50,), mg.int64, name="labels")
show(scores(images))

# %% network-read [markdown]
# (`max_pool2d` is made of several nodes: one finds *where* the largest pixel is, the
# others fetch it.) Define the training step once, with its gradients and updates. Then
# run it for fifteen rounds, and read digits that it has never seen.

# %% train
error = F.cross_entropy(scores(images), labels)
updates = {v: v - 0.3 * g for v, g in zip((k, w), mg.gradients(error, [k, w]))}
step = mg.compile([images, labels], error, updates=updates)
x_train, y_train, x_test, y_test = kit.split_digits(dtype=np.float64)
rounds = [rng.permutation(1400).reshape(-1, 50) for _ in range(15)]
batches = np.concatenate(rounds)
for rows in batches:
    step(x_train[rows], y_train[rows])
reader = mg.compile([images], scores(images).argmax(dim=1))
guess = [reader(x_test[i : i + 50]).numpy() for i in range(0, 350, 50)]
good = np.mean(np.concatenate(guess) == y_test[:350]) >= 0.95
print("calls:", len(batches), "  held out:", len(x_test), "  95 % read right:", good)

# %% other-sizes-read [markdown]
# One graph, 420 calls. But 360 digits are held out, and we read 350. What about the
# last ten?

# %% other-sizes
with expect_error(mg.errors.FeedError):
    reader(x_test[350:])

any_number = mg.placeholder((None, 64), mg.float64, name="any_number")
open_reader = mg.compile([any_number], scores(any_number).argmax(dim=1))
builds = []
for batch in (x_test[:50], x_test[50:100], x_test[350:], x_test[:50]):
    open_reader(batch)
    builds.append(open_reader.stats["builds"])
print("plans made so far, for 50, 50, 10 and 50 images:", builds)

# %% other-sizes-explained [markdown]
# The first reader was made for 50 images and says so. A size may be left open with
# `None`. But look at what happens then: for each new size, the program is planned anew.
# That is fine for two sizes. It would not be for a million.

# %% explain [markdown]
# ## Explain
#
# **Why may a graph be improved, and your lines not?** Because all of it is known before
# it runs, and because a node has no side effects: it prints nothing and changes nothing.
# So nobody can tell whether `(x - m) / s` ran once or twice. Python cannot be sure of
# that for your functions.
#
# **Why is there overhead at all?** Line by line, each operation looks at its inputs, finds
# out shape and kind of the result, and asks whether a gradient is wanted. That
# takes about a microsecond, for one number or for a million. The claim is right for large
# arrays, which is what training mostly has. For small ones it is too good to be true.
# (You have measured minigrad. Lesson 08 asks PyTorch itself, with the same outcome.)
#
# **Why fixed sizes?** Shapes decide how much memory is reserved and what can be fused. If
# every input has the same shape, this is decided once. Lesson 10 has inputs of many
# lengths, and a different answer.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# The bell curve once more. PyTorch computes line by line, as it did when the article was
# written. TensorFlow 1 builds a graph first, and a session runs it. In TensorFlow 2 and in
# JAX a word above the function asks for the graph. PyTorch has had such a word since
# version 2.0 (2023), `torch.compile`, and minigrad's is `mg.jit`. So all sides now have
# both ways. (What others print was recorded, with version and date.)

# %% side-by-side
kit.compare("07_bell")
text = "On one number a call costs more than the work, on a million next to nothing"
claim("C5", "O", text, check=relative[0] > 1.5 > relative[-1])

before, after = counts["graph"], counts["simplify"]
text = f"{before} nodes became {after}, and compiling paid after some hundred calls"
claim("C23", "V", text, check=after < 0.7 * before and pays)

text = f"a small convolution, compiled once, learned in {len(batches)} calls; "
text += "a new size is a new plan"
claim("C24", "V", text, check=good and builds == [1, 1, 2, 2])

# %% exercises [markdown]
# ## Exercises
#
# Replace each `...` and run the cell. The answers are in the [solved
# notebook](../solutions/07_define_once_run_many.ipynb).
#
# ### 07.1 Fold what is known
#
# Write a rewrite of your own. `fold(node)` gets a node. If all of `node.inputs` are
# constants, it returns `mg.constant(value)`, else `None`. A constant has
# `op.name == "constant"` and its number in `.value`; the work of a node is
# `node.op.fn(*values, **node.attrs)`. The check gives your function to `compile`.


# %% exercise-fold tags=["exercise"]
def fold(node):
    return ...


check("07.1", fold)
hint("07.1")


# %% tags=["solution"]
def fold(node):
    if all(source.op.name == "constant" for source in node.inputs):
        values = [source.value for source in node.inputs]
        return mg.constant(node.op.fn(*values, **node.attrs))
    return None


check("07.1", fold)

# %% exercise-merge-task [markdown]
# ### 07.2 Do nothing twice
#
# A program is a list of lines, each with a name, an operation and what it reads:
# `("t", "add", "x", "y")`. Write `merge(lines)`: the list without the lines that
# compute what an earlier line computed already. What read such a line must read the
# earlier one instead. The result, the last line, is never a repetition.


# %% exercise-merge tags=["exercise"]
def merge(lines):
    return ...


check("07.2", merge)


# %% tags=["solution"]
def merge(lines):
    seen, instead, kept = {}, {}, []
    for name, op, *reads in lines:
        reads = [instead.get(source, source) for source in reads]
        key = (op, *reads)
        if key in seen:
            instead[name] = seen[key]
        else:
            seen[key] = name
            kept.append((name, *key))
    return kept


check("07.2", merge)

# %% exercise-break-even-task [markdown]
# ### 07.3 After how many calls?
#
# Write `break_even(building, by_line, by_graph)`. You get three times in microseconds: to
# build and compile once, one call line by line, one call of the program. Return the
# smallest whole number of calls with which the graph has cost no more in all, or `-1`
# if there is none.


# %% exercise-break-even tags=["exercise"]
def break_even(building, by_line, by_graph):
    return ...


check("07.3", break_even)


# %% tags=["solution"]
def break_even(building, by_line, by_graph):
    saving = by_line - by_graph
    if saving <= 0:
        return -1
    return -(-building // saving)  # division, rounded up


check("07.3", break_even)

# %% exercise-unsafe-task [markdown]
# ### 07.4 Which rewrites lie?
#
# `x` may be any float: negative, zero, `inf` (too large to be written) or `nan`. Which of
# these change the result for some `x`? Answer with a set of letters.
#
# | letter | from | to |
# |---|---|---|
# | a | `x - x` | `0` |
# | b | `x * 1` | `x` |
# | c | `x * 0` | `0` |
# | d | `-(-x)` | `x` |
# | e | `sqrt(x * x)` | `x` |
# | f | `x + x` | `2 * x` |

# %% exercise-unsafe tags=["exercise"]
unsafe = ...

check("07.4", unsafe)

# %% tags=["solution"]
unsafe = {"a", "c", "e"}

check("07.4", unsafe)

# %% recap [markdown]
# ## Recap
#
# A graph that is known before it runs can be made smaller: equal nodes merge, constants
# fold, neighbours run in one walk. That costs time once and pays after some
# hundred calls. A single operation has overhead, which only large arrays hide.
#
# The words of this lesson, in the glossary:
# [constant](../guide/glossary.md#constant), [rewrite](../guide/glossary.md#rewrite),
# [fusion](../guide/glossary.md#fusion), [break-even](../guide/glossary.md#break-even),
# [overhead](../guide/glossary.md#overhead).

# %% next [markdown]
# ## Next
#
# [Lesson 08](08_two_layer_network.ipynb) puts the pieces together: one network, written in four ways, and the question
# whether it has learned anything.
