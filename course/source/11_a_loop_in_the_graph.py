# %% title [markdown]
# # Put the same loop inside a static graph
#
# You take the recurrent network of lesson 10, with the same weights, and unroll it in a
# static graph: once by padding, once with a loop that is itself a node. Then you compare.

# %% article [markdown]
# ## The article says
#
# The article explains dynamic graphs by what a static one finds hard. In our words:
#
# - **C26** To unroll a recurrent network in a static graph you need a special while loop.
#   A plain `for` will not do.
# - **C22** In a static graph conditions and loops live *inside* the graph, and that leaves
#   you less freedom.
#
# You will build that special loop, look inside it, and see what it costs and saves.

# %% before [markdown]
# ## Before you start
#
# You need lesson 10 (a recurrent network on the tape) and lesson 03 (placeholders and
# `compile`). New words:
#
# - A **loop node** is one node of a graph that holds a whole small graph, its **body**, and
#   runs it again and again.
# - **Loop variables** are the values that go round: what the body returns is what it gets
#   the next time. (JAX calls them the *carry*.)
# - The **condition** decides, before each round, whether there is one more.

# %% setup
from functools import partial

import coursekit as kit
import numpy as np
from coursekit import check, claim, expect_error, hint, quiz, rounded, show
from coursekit.lengths import growth

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F

ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
LONGEST = 11
WORDS = "al", "anna", "smith", "elizabeth"

# %% predict [markdown]
# ## Predict
#
# Decide first. Then write your letter into the call, for example `quiz("q11.1", "a")`, and
# run the cell again.

# %% predict-three-things
quiz("q11.1")
quiz("q11.2")
quiz("q11.3")

# %% run [markdown]
# ## Run
#
# Here is the network of lesson 10 again, a little smaller. One step and the final answer
# are methods of their own, so that each kind of loop can use them.


# %% net
class Net(nn.Module):
    def __init__(self, cell):
        super().__init__()
        self.embed = nn.Embedding(27, 8)
        self.cell = cell(8, 16)
        self.score = nn.Linear(16, 2)

    def step(self, letter, state):
        return self.cell(self.embed(letter), state)

    def answer(self, state):  # an LSTM keeps a pair
        return self.score(state[0] if isinstance(state, tuple) else state)


# %% python-loop-read [markdown]
# On the tape the loop is Python's own. `word` is a column of letters, `n` says how many of
# them count; behind them stand dots, up to 11.
#
# Now give the very same function placeholders, and read what happens.


# %% python-loop
def python_loop(net, word, n):
    state = None
    for letter in word[:n]:
        state = net.step(letter, state)
    return net.answer(state)


word = mg.placeholder((LONGEST, 1), mg.int64, name="word")
n = mg.placeholder((), mg.int64, name="n")
with expect_error(mg.errors.GraphError):
    python_loop(Net(nn.RNNCell), word, n)

# %% python-loop-after [markdown]
# `n` is a note, not a number. Python's `for` needs a number, now. So there are two ways
# left.
#
# **Padding.** Always do 11 steps. Where the name is over, `keep` throws the new state away
# and keeps the old one. Python's `for` runs while the graph is built, 11 times, and is
# gone.
#
# **A loop node.** `while_loop` gets a condition and a body, two functions. Both run once,
# with symbols, to be noted down. `i` counts the letters. `scan` is its sister: it goes
# through the rows of an array, so it needs no condition, but it always goes to the end.
# (`native_scan` will be a contestant later: the same graph, run as a program in C.)


# %% three-forms tags=["from-scratch"]
def keep(live, new, old):
    """The new state while the word lasts, else the old one."""
    if isinstance(new, tuple):
        return tuple(mg.where(live, a, b) for a, b in zip(new, old))
    return mg.where(live, new, old)


def start(net):
    zeros = mg.zeros(1, 16, dtype=mg.float64)
    return (zeros, zeros) if isinstance(net.cell, nn.LSTMCell) else zeros


def padded(net, word, n):
    state = None
    for t in range(word.shape[0]):
        new = net.step(word[t], state)
        state = new if t == 0 else keep(t < n, new, state)
    return net.answer(state)


def while_node(net, word, n):
    def body(i, state):
        return i + 1, net.step(word[i], state)

    _, state = mg.while_loop(lambda i, state: i < n, body, (0, start(net)))
    return net.answer(state)


def scan_node(net, word, n):
    def step(carry, letter):
        i, state = carry
        return (i + 1, keep(i < n, net.step(letter, state), state)), None

    (_, state), _ = mg.scan(step, (0, start(net)), word)
    return net.answer(state)


def native_scan(net, word, n):  # the same graph, to be run as C
    return scan_node(net, word, n)


def program_of(form, net, longest=LONGEST):
    word = mg.placeholder((longest, 1), mg.int64, name="word")
    n = mg.placeholder((), mg.int64, name="n")
    loss = F.cross_entropy(form(net, word, n), mg.tensor([1]))
    weights = list(net.parameters())
    target = "native" if form is native_scan else None
    return mg.compile([word, n], [loss, *mg.gradients(loss, weights)], target=target)


def on_tape(net, word, n):
    loss = F.cross_entropy(python_loop(net, word, n), mg.tensor([1]))
    return [loss, *mg.autograd.grad(loss, list(net.parameters()))]


# %% compare-read [markdown]
# Five forms of one network. Do they agree? `program_of` builds the graph of the loss and
# of all gradients; `on_tape` does the same with tensors. Same weights, same names: the
# loss and every gradient must be equal, up to rounding. We ask for both kinds of cell.


# %% compare
for cell in nn.LSTMCell, nn.RNNCell:
    mg.manual_seed(0)
    net = Net(cell).double()
    for form in padded, while_node, scan_node, native_scan:
        program, worst = program_of(form, net), 0.0
        for name in WORDS:
            numbers = [ALPHABET.index(c) for c in name.ljust(LONGEST, ".")]
            word, n = mg.tensor(numbers).reshape(LONGEST, 1), len(name)
            for a, b in zip(program(word, n), on_tape(net, word, n)):
                worst = max(worst, abs(a.numpy() - b.detach().numpy()).max())
        print(f"{cell.__name__:<8} {form.__name__:<10} equal: {worst < 1e-5}")
        assert worst < 1e-5

# %% see [markdown]
# ## See
#
# What does a loop node look like? To keep the picture small, we take the smallest
# network of lesson 10, which made `tanh(E[letter] + h @ W)` of `h`. `x` holds the rows of
# `E` that belong to the letters, so a round is `tanh(x[i] + h @ W)`.

# %% loop-picture
W = mg.variable(np.random.default_rng(1).normal(0, 0.5, size=(4, 4)), name="W")
x = mg.placeholder((LONGEST, 4), mg.float64, name="x")
n = mg.placeholder((), mg.int64, name="n")


def body(i, h):
    return i + 1, (x[i] + h @ W).tanh()


zeros = mg.constant(0), mg.constant(np.zeros((1, 4)))
i, h = mg.while_loop(lambda i, h: i < n, body, zeros)
show(h, caption="One loop node. The box is its body: the condition and one round.")

# %% loop-picture-read [markdown]
# The box is drawn once, however long the name is. Find the condition, `lt` (less than).
# Find the two loop variables `i` and `h`, and the new values that are made of them: those
# go into the loop node, which hands them to the next round.
#
# **And backward?** The gradient has to walk through the rounds in reverse, and in each of
# them it needs the `h` of that round. So when a derivative is asked for, the loop keeps a
# *stack*: a row for each round. Nobody knows how many that will be, so its height is
# written as `?`.
#
# What does a loop node ask of you? On the tape the state might grow from round to round.
# The last lines below try that in the graph.

# %% history
dW = mg.gradients(h.sum(), W)
listing = kit.figure(dW).text.splitlines()
loops = [row for row in listing if row.split()[1] == "loop"]
print("loops in the graph of the gradient:", len(loops), "(one each way)")
for row in listing:
    if "(?" in row:
        print("kept for the way back:", row[row.index("float64") :].split(", no")[0])

with expect_error(mg.errors.ShapeError):
    mg.while_loop(lambda i, h: i < n, lambda i, h: (i + 1, mg.cat([h, h])), zeros)

# %% measure [markdown]
# ## Measure
#
# ### How large is the graph?
#
# Let the longest name grow: 2, 4, 8, 16, 32 letters. We count the operations on the tape
# and the nodes in each graph, gradients included.

# %% node-counts
lengths = [2, 4, 8, 16, 32]
forms = padded, while_node, scan_node, native_scan
programs = {(f, k): program_of(f, net, k) for f in forms for k in lengths}
nodes = {f.__name__: [programs[f, k].stats["nodes"] for k in lengths] for f in forms}
words = [mg.ones((k, 1), dtype=mg.int64) for k in lengths]
nodes["tape"] = [len(mg.tape(on_tape(net, w, len(w))[0])) for w in words]

alt = "Nodes against length: padded and tape rise, while and scan stay flat."
axes = {"xlabel": "longest name", "ylabel": "nodes"}
show(kit.curves(lengths, nodes, alt, "The graph's size and the name's length.", **axes))
for name, counts in nodes.items():
    print(f"{name:<10}", counts, " a letter more:", (counts[1] - counts[0]) // 2)

# %% memory-read [markdown]
# Tape and padded graph grow with every letter, always by the same amount: they are
# *linear*. The loop nodes do not grow at all: they are *constant*. (The tape lists the way
# forward alone, the graphs hold the way back too. That is why the tape's numbers are lower.)
#
# ### How much memory?
#
# A small graph is not yet a small memory. Let the while node run through more and more
# letters, without and with gradients.


# %% memory
def peaks(k):
    x, rows = mg.placeholder((k, 4)), mg.ones(k, 4)
    round_of = lambda i, h: (i + 1, (x[i] + h @ W).tanh())
    _, last = mg.while_loop(lambda i, h: i < k, round_of, zeros)
    programs = [mg.compile([x], y) for y in (last, mg.gradients(last.sum(), W))]
    calls = [partial(program, rows) for program in programs]
    return [min(kit.peak_bytes(call) for _ in range(3)) for call in calls]


forward, with_gradient = np.divide(peaks(1024), peaks(64))
print("16 times the letters, forward: less than twice the memory:", forward < 2)
print("16 times the letters, with gradient: over 8 times:", with_gradient > 8)
assert forward < 2
assert with_gradient > 8

# %% time-read [markdown]
# There is the stack. Without gradients only the last `h` is needed. With gradients each
# round leaves its row, here as on the tape. That is the price of going back, and no kind
# of loop avoids it.
#
# ### How long does it take?
#
# The figures below are those of *your* machine, so they differ from what is stored here.
# We measure the loss and all gradients: first of a name as long as the graph allows, then
# of a name of 2 letters.
#
# `native_scan` is the scan once more, but here the graph becomes a program in C. That takes
# a C compiler; where there is none, it runs like `scan_node`. (To the memory of a call belongs what its program keeps between the calls.)

# %% times tags=["nbval-ignore-output"]
full, short = {}, {}
for k, w in zip(lengths, words):
    for found, n in (full, k), (short, 2):
        ways = {form.__name__: partial(programs[form, k], w, n) for form in forms}
        found[k] = kit.measure(on_tape=partial(on_tape, net, w, n), **ways)
    for form in forms:
        full[k].peaks[form.__name__] += programs[form, k].stats["bytes_planned"]
show(growth(full, "seconds", "Time for a name of full length."))
show(growth(short, "seconds", "Time for a name of 2 letters."))
show(growth(full, "peaks", "Memory for a name of full length."))
assert short[32].faster("while_node", than="padded", times=1.5)

# %% times-after [markdown]
# Four things to see. First, for long names the graphs need less time than the tape:
# nothing has to be noted down again. Second, look at the short name. The padded graph and
# both scans do all their steps for two letters. The while node and the tape stop after two.
# Third, the tape's memory rises steeply: it keeps every record until the gradient has
# passed. Fourth, the scan in C is far ahead of all. It does the same steps as `scan_node`,
# but between two operations nobody goes back to Python.
#
# ## Forecast the sun
#
# Loops are not only for names. Here is the number of sunspots, year by year from 1700 to
# 2008. Can a small recurrent network say next year's number? The last 70 years are held
# out. First what simple rules reach: "as this year", and a straight-line formula of the
# last nine years, fitted by least squares.


# %% sunspots
years, spots = kit.load_sunspots()
spots, TEST = spots / 100, 70


def rmse(forecast):
    """The usual size of an error on the held-out years."""
    return np.sqrt(np.mean((forecast[-TEST:] - spots[-TEST:]) ** 2))


past = np.stack([spots[k : k - 9] for k in range(9)] + [np.ones(300)], axis=1)
formula = np.linalg.lstsq(past[:-TEST], spots[9:-TEST], rcond=None)[0]
last_value, nine_years = rmse(spots[:-1]), rmse(past @ formula)
print("error of the last value:", rounded(last_value, 3))
print("error of nine years, least squares:", rounded(nine_years, 3))

# %% forecaster-read [markdown]
# Now a cell of 8 numbers. `scan` reads the years one by one and, after each, says by how
# much the next year will differ. Its second result, `y`, is stacked into a row of all
# forecasts. `clip_grad_norm_` is the clipping of exercise 10.4.
#
# The step is written for the tape. `jit` makes a graph of it, in which the scan is one
# node.


# %% forecaster
mg.manual_seed(0)
cell, out = nn.RNNCell(1, 8).double(), nn.Linear(8, 1).double()
weights = [*cell.parameters(), *out.parameters()]
optimizer = mg.optim.Adam(weights, lr=0.02)


def forecasts(series):
    def step(h, x):
        h = cell(x, h)
        return h, x + out(h)

    rows = series.reshape(-1, 1, 1)
    return mg.scan(step, mg.zeros(1, 8, dtype=mg.float64), rows)[1].reshape(-1)


# %% train-sun
@mg.jit
def learn(series):
    loss = (forecasts(series[:-1]) - series[1:]).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()
    return loss


seen = mg.tensor(spots[:-TEST])
run = kit.training(15, "The error falls, fast at first.", "Years it has seen.")
for _ in run:
    run.note("error", np.sqrt([learn(seen).item() for _ in range(10)][-1]))

# %% forecast-read [markdown]
# How good is it on the years it has not seen? We demand an error at least a quarter smaller
# than that of the last value. (The nine-year formula is a harder rival: compare.)

# %% forecast
with mg.no_grad():
    said = forecasts(mg.tensor(spots[:-1])).numpy()
error = rmse(said)
print("error of the network:", rounded(error, 3))
print("last value:", rounded(last_value, 3), "  nine years:", rounded(nine_years, 3))
assert error < 0.75 * last_value
ys = {"real": spots[-TEST:], "said a year before": said[-TEST:]}
alt = "The forecast follows the real numbers through six cycles, mostly closely."
axes = {"xlabel": "year", "ylabel": "sunspots / 100"}
show(kit.curves(years[-TEST:], ys, alt, "70 years the network never saw.", **axes))
print("nodes for", len(seen) - 1, "years:", learn.program.stats["nodes"])

# %% explain [markdown]
# ## Explain
#
# **Why a special node?** A graph is written before the numbers come. A `for` in Python runs
# while it is written. So it can only copy the step a fixed number of times. To decide
# *later*, the decision itself has to be part of the graph: condition and body go into a
# node.
#
# **Why must shapes stay?** The body is noted down once, for all rounds. What goes out of it
# has to fit into it again.
#
# **How does the gradient get through?** The derivative of a loop is a loop the other way
# round. Its loop variables are the gradient on its way back, and one sum for each weight.
# This is what lesson 10 did on the tape, written once.
#
# **Is the claim still true?** The node is still needed, but you need not write it
# yourself any more. Since version 2.0, TensorFlow's *AutoGraph* reads the text of your
# function and turns a plain `while` over tensors into such a node.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# One small loop in six forms. The first two run now. The others were recorded, each in its
# own library. TensorFlow 1's loop is ours almost word for word. TensorFlow 2 makes such a
# loop of a plain `while`. JAX has `scan`, and makes a new program for each length. PyTorch
# just loops. Then judge.

# %% side-by-side
kit.compare("11_loop")
in_c = programs[native_scan, 32].target == "native"
assert not in_c or full[32].faster("native_scan", than="scan_node", times=3)
flat = all(len(set(nodes[form.__name__])) == 1 for form in (while_node, scan_node))
grows = nodes["padded"][-1] > 5 * nodes["padded"][0]
evidence = "a plain for copies the step; a while node has one size for all lengths"
about = "TensorFlow 2.0, AutoGraph: a plain while may become such a node since"
claim("C26", "V", evidence, check=flat and grows, source=about, date="2019-09-30")
evidence = "the loop is a node with a body, and its variables must keep their shapes"
claim("C22", "V", evidence, check=len(loops) == 2 and flat)

# %% exercises [markdown]
# ## Exercises
#
# Replace each `...` and run the cell. If an answer is not right yet, you get a hint
# that fits it. `hint("11.1")` asks for one. The answers are in the [solved
# notebook](../solutions/11_a_loop_in_the_graph.ipynb).
#
# ### 11.1 Write the condition
#
# This time nobody tells the loop how long the word is. The word ends with a 0 (our dot),
# and at most `most` letters may be read. Write the condition: is there one more round? `i`
# is the number of letters read so far, `word` the placeholder. All of them are nodes.


# %% exercise-condition tags=["exercise"]
def more(i, word, most):
    return ...


check("11.1", more)
hint("11.1")


# %% tags=["solution"]
def more(i, word, most):
    return (i < most) & (word[i] != 0)


check("11.1", more)

# %% exercise-shape-task [markdown]
# ### 11.2 Find the wrong loop variable
#
# Each of these bodies changes the shape of one loop variable. `x` has the shape (5, 3).
#
# ```python
# # first: start with (i, h, total), shapes (), (3,), ()
# return i + 1, (h + x[i]).tanh(), total + x[i]
#
# # second: start with (i, h, seen), shapes (), (3,), (1, 3)
# return i + 1, h * 2, mg.cat([seen, h.reshape(1, 3)])
#
# # third: start with (i, h, best), shapes (), (3,), ()
# return i + 1, h.reshape(3, 1) * x[i], mg.maximum(best, h.max())
# ```
#
# For each, say which variable it is and what shape it has after the first round.

# %% exercise-shape tags=["exercise"]
my_shapes = [("...", ...), ("...", ...), ("...", ...)]

check("11.2", my_shapes)

# %% tags=["solution"]
my_shapes = [("total", (3,)), ("seen", (2, 3)), ("h", (3, 3))]

check("11.2", my_shapes)

# %% exercise-hand-task [markdown]
# ### 11.3 The gradient through three rounds, by hand
#
# The smallest loop of all: `h = tanh(w * h + x)`, once for each of the three numbers in
# `xs`, beginning with `h0`. All are plain numbers. Return the derivative of the last `h`
# with respect to `w`. You may use `np.tanh`. Go forward and keep every `h`; then walk
# back, from the last round to the first.
#
# The slope of tanh is 1 - h², where `h` is what came out of it.


# %% exercise-hand tags=["exercise"]
def slope_of_w(w, xs, h0):
    return ...


check("11.3", slope_of_w)


# %% tags=["solution"]
def slope_of_w(w, xs, h0):
    stack, h = [], h0
    for x in xs:
        stack.append(h)
        h = np.tanh(w * h + x)
    slope, g = 0.0, 1.0
    for before in reversed(stack):
        g = g * (1 - h**2)
        slope += g * before
        g, h = g * w, before
    return slope


check("11.3", slope_of_w)

# %% exercise-nodes-task [markdown]
# ### 11.4 Predict node counts
#
# Somebody counts: her padded graph has 30 nodes for at most 2 letters and 54 nodes for at
# most 4. Her while graph has 41 nodes for at most 2 letters. How many nodes have
#
# 1. the padded graph for at most 10 letters;
# 2. the padded graph for at most 100 letters;
# 3. the while graph for at most 100 letters?

# %% exercise-nodes tags=["exercise"]
my_nodes = [..., ..., ...]

check("11.4", my_nodes)

# %% tags=["solution"]
my_nodes = [126, 1206, 41]

check("11.4", my_nodes)

# %% recap [markdown]
# ## Recap
#
# A static graph cannot be made longer when a longer word comes. It either does all the
# steps it was built for, or it holds a loop as a node. All forms compute the same; the
# loop node's graph has the same size for every length, and gradients cost a stack that
# grows with the rounds.
#
# The words of this lesson, in the glossary:
# [loop node](../guide/glossary.md#loop-node),
# [loop variable](../guide/glossary.md#loop-variable),
# [padding](../guide/glossary.md#padding),
# [unroll](../guide/glossary.md#unroll).

# %% next [markdown]
# ## Next
#
# Lesson 12 breaks things on purpose and asks which of the two worlds tells you sooner
# where.
