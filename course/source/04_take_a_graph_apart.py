# %% title [markdown]
# # Take a graph apart: nodes, arrows and an order
#
# You open a graph, see what is in a node, and write the machine that runs it.
# By the end you know why an unused node costs nothing, and how a piece of metal cools.

# %% article [markdown]
# ## The article says
#
# The article explains in two sentences what TensorFlow is, and later what its way of
# working costs. In our words:
#
# - **C10** TensorFlow is a deep network. It learns by being rewarded, and it works in
#   layers of nodes, which are data.
# - **C11** It comes from the Google Brain team, and its core of numerical
#   computation also serves other sciences.
# - **C22** It *defines, then runs*: conditions and loops live inside the graph, and
#   that leaves less freedom.
#
# To judge the first claim you have to know what a node is. So look inside.

# %% before [markdown]
# ## Before you start
#
# From lesson 03 you need three words. A **placeholder** stands for a number that comes
# later. A **node** is a note of what to do. A **program** is a graph made ready to run;
# you call it like a function.
#
# Here is one more: an **arrow** (books also say *edge*) goes from a node to each node
# that reads its result.

# %% setup
import coursekit as kit
import numpy as np
from coursekit import check, claim, expect_error, hint, quiz, show
from coursekit.ordering import numbered

import minigrad as mg

# %% predict [markdown]
# ## Predict
#
# Say what you expect before you run anything. Put your letter into the call, for
# example `quiz("q04.1", "a")`, and run the cell again.

# %% predict-three-things
quiz("q04.1")
quiz("q04.2")
quiz("q04.3")

# %% run [markdown]
# ## Run
#
# ### What is in a node?
#
# Two inputs, four lines. The names on the left belong to you; a node does not need them.

# %% build
x = mg.placeholder((), name="x")  # () is the shape of a single number
y = mg.placeholder((), name="y")
s = x + y
d = x - y
p = s * d
r = p + 1

nodes = {"x": x, "y": y, "s": s, "d": d, "p": p, "r": r}
for name, node in nodes.items():
    reads = [source.op.name for source in node.inputs]
    print(f"{name}: {node.op.name:<11}  reads {reads}, holds {node.value}")
empty = all(node.value is None for node in nodes.values())

# %% build-read [markdown]
# That is the whole of it. A node knows **which operation** it stands for and **which
# nodes it reads**. (It also knows the shape and the kind of number that will come out,
# and the line of your program where it was written.) It holds `None`: no data at all.
#
# `r` reads one node that has no name, a `constant`. That is the 1 in `p + 1`. It is the
# only kind of node in this graph that brings a number along.

# %% picture
show(
    r,
    alt="The graph of r. x and y both feed an add and a sub; these two feed a mul; "
    "the mul and the constant 1 feed the last add, r.",
)

# %% picture-read [markdown]
# Data is nowhere in the boxes. Data will travel along the **arrows**, when somebody
# calls. So nodes are operations, and arrows carry the numbers.
#
# ### A machine that runs graphs
#
# How does one run such a thing? Two rules are enough.
#
# 1. A node can run when all that it reads has run. So first find an **order** in which
#    every node comes after those that it reads. This is called a *topological order*.
# 2. Go through the order and keep each result in a dictionary: the node is the key.
#
# Here are both rules, in fifteen lines. `op.fn` is the function that does the
# operation's work; the library calls the same one.


# %% from-scratch tags=["from-scratch"]
def number(node, order):
    """Give `node` a number in `order`, after all that it reads."""
    for source in node.inputs:
        if source not in order:
            number(source, order)
    order[node] = len(order) + 1


def run(order, given):
    """Compute every node of `order`; all results, by node."""
    values = dict(given)
    for node in order:
        if node.op.name == "constant":
            values[node] = node.value
        elif node not in values:
            operands = [values[source] for source in node.inputs]
            values[node] = node.op.fn(*operands, **node.attrs)
    return values


order = {}
number(r, order)
values = run(order, {x: np.float32(5), y: np.float32(3)})
program = mg.compile([x, y], r)
print("r by hand:", values[r], "  by the library:", program(5, 3).item())

# %% from-scratch-read [markdown]
# (5 + 3) * (5 - 3) + 1 is 17. Your machine and the library agree.

# %% see [markdown]
# ## See
#
# Here is the order that `number` found. Follow any arrow: it leads from a small number
# to a larger one. That is all an order has to keep.

# %% order-picture
show(
    numbered(nodes, list(order), title="the order that number found"),
    alt="The graph of r with a number on each node; every arrow leads from a smaller "
    "number to a larger one.",
)

# %% order-read [markdown]
# Is it the only one? No. `s` and `d` do not read each other, so `d` may well come
# first. A graph says what depends on what, and not more. A machine with two workers
# could do `s` and `d` at the same time.
#
# Now watch the dictionary fill, one node at a time.

# %% fill-step-by-step
frames, known = [], {}
for node in order:
    known[node] = values[node]
    name = node.name or next((n for n in nodes if nodes[n] is node), "the constant")
    picture = numbered(nodes, list(order), known, f"after {len(known)} of 7")
    frames.append(kit.figure(picture, caption=f"{name} is there: {known[node]:g}"))
kit.stepper(frames, "r is computed, node by node")

# %% unused [markdown]
# ### What nobody needs
#
# Next, a line that cannot work: a whole number divided by zero. Line by line, it fails
# at once, though nobody ever uses `broken`.

# %% unused-eager
N, ZERO = mg.tensor(7), mg.tensor(0)

with expect_error(mg.errors.ArgumentError):
    broken = N // ZERO
    total = N + ZERO

# %% unused-static-read [markdown]
# As a graph, the same two lines are written down, compiled and called. Watch the
# operations that are carried out.

# %% unused-static
n = mg.placeholder((), mg.int64, name="n")
zero = mg.placeholder((), mg.int64, name="zero")
broken = n // zero
total = n + zero

with mg.count_ops() as counter:
    print("total =", mg.compile([n, zero], total)(N, ZERO).item())
print("operations:", counter.by_name)

with expect_error(mg.errors.GraphError):
    mg.compile([n, zero], [total, broken])(N, ZERO)

# %% unused-picture-read [markdown]
# The first program never divides. It starts at its result and asks backward: what do I
# read, and what does *that* read? The broken node is not on the way, so it does not
# exist for the program. Only when you ask for it as well does it run, and fail.

# %% unused-picture
order = {}
number(total, order)
show(
    numbered(
        {"n": n, "zero": zero, "broken": broken, "total": total},
        list(order),
        title="a program for total",
    ),
    alt="n and zero feed total, numbered 3; broken also reads both, but it is dotted, "
    "without a number: it is not used.",
)

# %% choice-read [markdown]
# ### A choice inside the graph
#
# In Python, `if` looks at a number and then runs one side only. A node has no number to
# look at, so Python's `if` is refused. `mg.where` puts the choice into the graph. But a
# graph node runs when all that it reads has run; what does that mean for the two sides?


# %% choice
def by_if(v):
    return v * v if v > 0 else v / 2


with expect_error(mg.errors.GraphError):
    by_if(x)
choice = mg.compile([x], mg.where(x > 0, x * x, x / 2))

with mg.count_ops() as counter:
    one_side = by_if(mg.tensor(3.0)).item(), counter.total
    both_sides = choice(3).item(), counter.total - one_side[1]
print("if:   ", one_side[0], "with", one_side[1], "operations")
print("where:", both_sides[0], "with", both_sides[1], "operations")

# %% rod [markdown]
# The result is the same. But `if` asked (1) and took one side (2), while the graph
# asked, computed *both* sides, and then chose: four operations.
#
# ### Something that learns nothing
#
# Now a graph from another science. A metal rod is cut in thought into 61 pieces. Each
# moment, the heat of a piece becomes the mean of four numbers: its left neighbour's,
# twice its own, and its right neighbour's. The two ends lie in ice and stay as they are.
# Physics calls this the *heat equation*.

# %% rod-graph
u = mg.placeholder((61,), mg.float64, name="u")
left, middle, right = u[:-2], u[1:-1], u[2:]
inner = (left + 2 * middle + right) / 4
cooler = mg.cat([u[:1], inner, u[-1:]])
moment = mg.compile([u], cooler)

show(
    cooler,
    alt="The graph of one moment: five slices of u; three are added up and divided by "
    "4, two are the ends; a cat joins ends and inner part.",
)

# %% rod-run-read [markdown]
# `slice` cuts a part out, `cat` joins parts. Find the five slices: left, middle, right
# and the two ends.
#
# One moment is one call. We heat the middle of the rod and call the program 800 times.
# Is the result true to nature? There is a case that can be solved on paper: a
# start in the form of a single arch (a sine) keeps its form, and each moment makes it
# lower by the same factor.

# %% rod-run
place = np.arange(61)
spot = np.where(abs(place - 30) < 6, 100.0, 0.0)
arch = 100 * np.sin(np.pi * place / 60)
factor = np.cos(np.pi / 120) ** 2  # from the paper
curve_at = {"start": spot}
state, bow = spot, arch
for t in range(1, 801):
    state, bow = moment(state), moment(bow)
    if t in (20, 200, 800):
        curve_at[f"after {t}"] = state.numpy()
true_to_paper = np.allclose(bow.numpy(), arch * factor**800, atol=1e-9)
print("as on paper after 800 moments:", true_to_paper)

# %% rod-curves
show(
    kit.curves(
        place,
        curve_at,
        "A hot block in the middle of the rod becomes a bell, lower and wider each time.",
        "Heat along the rod.",
        xlabel="piece of the rod",
        ylabel="heat",
    )
)

# %% measure [markdown]
# ## Measure
#
# How large is the graph, and how much work does it stand for? Three rods, from coarse
# to fine. Count the nodes, and count the numbers that one call computes.

# %% rods
rod_nodes, rod_work = {}, {}
for pieces in (61, 601, 6001):
    u = mg.placeholder((pieces,), mg.float64, name="u")
    inner = (u[:-2] + 2 * u[1:-1] + u[2:]) / 4
    finer = mg.compile([u], mg.cat([u[:1], inner, u[-1:]]))
    before = mg.constant(0).seq  # every node has a serial number
    for _ in range(100):
        finer(np.zeros(pieces))
    assert mg.constant(0).seq == before + 1  # no call makes a node
    rod_nodes[pieces] = finer.stats["nodes"]
    rod_work[pieces] = sum(node.numel() for node in finer.ops)
print("nodes:", rod_nodes, "\nnumbers computed in a call:", rod_work)

# %% rods-read [markdown]
# The graph has the same thirteen nodes each time, and a hundred calls add none. Only
# what travels along the arrows grows. A graph is the size of your *program*, not of
# your data.

# %% explain [markdown]
# ## Explain
#
# **What is in a box?** The article calls the nodes data. In the pictures above, data
# comes in at the top, moves along the arrows and leaves at the end. The nodes say what
# is to be done with it. (The name of the library says it well: *tensors flow*.)
#
# **Is it a network that learns?** The cooling rod was computed by the same machine. It
# has no weights, no goal and no reward. A deep network is one thing that one can write
# as a graph; it is not what the graph is. And networks of the kind in this
# course learn from examples with known answers (lesson 08), not from reward.
#
# **Why is a choice less free?** The graph must be whole before the first number comes.
# So both sides of a choice are in it, and `where` even computes both. There are
# nodes that run one side only (lesson 09) and nodes that repeat (lesson 11), but you
# have to say it in their words, not in Python's.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# The rod again, 200 moments. In PyTorch no graph is made at all, since no gradient is
# asked for: each line computes. minigrad and TensorFlow 1 write the graph down once; in
# TensorFlow 2 and JAX it is made when `moment` is called first. The numbers are the same.
# Then the verdicts.

# %% side-by-side
kit.compare("04_rod")
evidence = "nodes are operations and hold no data; a cooling rod learns nothing"
claim("C10", "X", evidence, check=empty and true_to_paper)

paper = "Abadi et al., TensorFlow (white paper of the Google Brain team)"
evidence = "so say its makers; a graph of the heat equation runs as on paper"
claim("C11", "S", evidence, check=true_to_paper, source=paper, date="2015-11-09")

evidence = "if on a node is refused; the choice is a node, and both its sides are there"
claim("C22", "V", evidence, check=both_sides == (9, 4) and one_side == (9, 2))

# %% exercises [markdown]
# ## Exercises
#
# In the first three, a graph is a dictionary: each name with the names that it reads.
# For example `{"r": ["s"], "s": ["x", "y"], "x": [], "y": []}`. The names may stand in
# any order in it. Replace each `...` and run the cell. The answers are in the [solved
# notebook](../solutions/04_take_a_graph_apart.ipynb).
#
# ### 04.1 Find an order
#
# Write `order(reads)` so that it returns all names in a list, each one after the names
# that it reads. If there are several such lists, any of them is right. No graph here
# has a circle.


# %% exercise-order tags=["exercise"]
def order(reads):
    return ...


check("04.1", order)
hint("04.1")


# %% tags=["solution"]
def order(reads):
    found = []

    def visit(name):
        if name not in found:
            for source in reads[name]:
                visit(source)
            found.append(name)

    for name in reads:
        visit(name)
    return found


check("04.1", order)

# %% exercise-cycle-task [markdown]
# ### 04.2 Is there a circle?
#
# If `s` reads `t` and `t` reads `s`, nobody can begin. Write `has_circle(reads)` so that
# it returns `True` if one can walk against the arrows and come back to where one was.


# %% exercise-cycle tags=["exercise"]
def has_circle(reads):
    return ...


check("04.2", has_circle)


# %% tags=["solution"]
def has_circle(reads):
    waiting = dict(reads)
    while waiting:
        ready = [n for n in waiting if not any(s in waiting for s in waiting[n])]
        if not ready:
            return True
        for name in ready:
            del waiting[name]
    return False


check("04.2", has_circle)

# %% exercise-needed-task [markdown]
# ### 04.3 How many nodes does a call run?
#
# Write `needed(reads, wanted)`: how many nodes are there on the way to `wanted`, itself
# included? What the result does not need is not counted.


# %% exercise-needed tags=["exercise"]
def needed(reads, wanted):
    return ...


check("04.3", needed)


# %% tags=["solution"]
def needed(reads, wanted):
    found, todo = set(), [wanted]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += reads[name]
    return len(found)


check("04.3", needed)

# %% exercise-evaluate-task [markdown]
# ### 04.4 Evaluate, with a dictionary
#
# Now the notes say what to do: `{"s": ("add", "x", "y"), "r": ("mul", "s", "s")}`. The
# inputs come in `values`, and `do["add"](2, 3)` is 5. Write `evaluate(graph, wanted,
# values, do)` so that it returns the number at `wanted`. Each node may run once at most,
# and what is not needed must not run: some of it would fail.


# %% exercise-evaluate tags=["exercise"]
def evaluate(graph, wanted, values, do):
    return ...


check("04.4", evaluate)


# %% tags=["solution"]
def evaluate(graph, wanted, values, do):
    if wanted not in values:
        op, *reads = graph[wanted]
        operands = [evaluate(graph, name, values, do) for name in reads]
        values[wanted] = do[op](*operands)
    return values[wanted]


check("04.4", evaluate)

# %% exercise-sentence-task [markdown]
# ### 04.5 Repair the sentence
#
# Choose a letter for each gap, as in `("a", "c", "b")`.
#
# "TensorFlow is (1). In its graphs the nodes are (2). A network in it usually learns
# by (3)."
#
# 1. **a** a deep neural network, **b** a library that runs graphs, **c** a kind of
#    hardware
# 2. **a** data, **b** layers, **c** operations
# 3. **a** reward for good behaviour, **b** smaller and smaller errors on examples with
#    known answers, **c** copying itself

# %% exercise-sentence tags=["exercise"]
my_sentence = (..., ..., ...)

check("04.5", my_sentence)

# %% tags=["solution"]
my_sentence = ("b", "c", "b")

check("04.5", my_sentence)

# %% recap [markdown]
# ## Recap
#
# A node is an operation and what it reads; numbers travel along the arrows. To run a
# graph, put its nodes in an order in which everyone comes after what it reads, and keep
# the results in a dictionary. What the result does not need never runs.
#
# The words of this lesson, in the glossary: [node](../guide/glossary.md#node),
# [graph](../guide/glossary.md#graph), [topological
# order](../guide/glossary.md#topological-order),
# [placeholder](../guide/glossary.md#placeholder),
# [constant](../guide/glossary.md#constant), [program](../guide/glossary.md#program).

# %% next [markdown]
# ## Next
#
# That dictionary kept every result until the end. [Lesson 05](05_use_memory_twice.ipynb) asks who still needs them,
# and lets two nodes share one piece of memory.
