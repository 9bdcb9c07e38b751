# %% title [markdown]
# # Read names letter by letter with plain for and if
#
# You build a network whose size depends on what it reads, train it to tell surnames from
# given names, and let it invent new ones. All it needs is Python's own `for` and `if`.

# %% article [markdown]
# ## The article says
#
# The article praises dynamic graphs, and its best example is the recurrent network. In
# our words:
#
# - **C25** A recurrent network wants a structure that depends on its input.
# - **C28** With a dynamic graph that takes a plain `for` and a plain `if`. The graph is
#   built anew each time.
# - **C29** This is useful whenever the amount of work varies.
#
# You will judge all three with real names.

# %% before [markdown]
# ## Before you start
#
# You need lesson 06 (the tape) and lesson 08 (how a network is trained). New words:
#
# - A **recurrent network** reads a sequence step by step. After each step it keeps a row
#   of numbers, its **state**: what it remembers so far.
# - The **cell** is the formula of one step: old state and next letter in, new state out.
#   Every step uses the same cell with the same weights.
# - To **unroll** the network means to write down the cell once for each step.

# %% setup
import coursekit as kit
import numpy as np
from coursekit import check, claim, hint, quiz, rounded, show

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F

# %% predict [markdown]
# ## Predict
#
# Decide first. Then write your letter into the call, for example `quiz("q10.1", "a")`, and
# run the cell again.

# %% predict-three-things
quiz("q10.1")
quiz("q10.2")
quiz("q10.3")

# %% run [markdown]
# ## Run
#
# ### The smallest recurrent network
#
# Here is one, and it is short. `E` holds a row of four numbers for each letter, `W` mixes
# the old state. The loop is Python's own, over the letters of the name. (The dot in the
# alphabet is for later: it will mean that a name is over.)

# %% smallest
ALPHABET = ".abcdefghijklmnopqrstuvwxyz"
rng = np.random.default_rng(0)
E = mg.tensor(rng.normal(size=(27, 4)), requires_grad=True)
W = mg.tensor(rng.normal(0, 0.5, size=(4, 4)), requires_grad=True)


def read(name):
    h = mg.zeros(1, 4, dtype=mg.float64)
    for letter in name:
        h = (E[ALPHABET.index(letter)] + h @ W).tanh()
    return h


print("state after 'anna':", rounded(read("anna")))

# %% smallest-read [markdown]
# Four operations a letter: cut out the letter's row (`slice`), mix the state
# (`matmul`), add, and squeeze the result between -1 and 1 (`tanh`).
#
# ### Three names, three tapes
#
# Nobody told the network how long a name is. So how large is its graph? Here are the real
# tapes of three names, read from memory.

# %% three-tapes
from coursekit.ladder import beside

from minigrad.viz.tape import tape_diagram

pictures = []
for name in "al", "ann", "mary":
    picture = tape_diagram(read(name))
    picture.title = f"{name}: {len(mg.tape(read(name)))} operations"
    pictures.append(picture)
alt = "Three tapes side by side; each letter adds the same four boxes to a tape."
show(beside("Three names, three tapes", *pictures), alt=alt)

# %% three-tapes-read [markdown]
# Follow one tape from top to bottom. Each letter adds the same piece, and each piece reads
# the *same* `W`. A short name makes a short tape.
#
# ### An if by value
#
# The tape does not care *why* a line ran. So the loop may also decide by the letters, or
# even by the numbers. This reader skips a letter that stands twice in a row.


# %% an-if
def read_once(name):
    h, before = mg.zeros(1, 4, dtype=mg.float64), ""
    for letter in name:
        if letter != before:
            h = (E[ALPHABET.index(letter)] + h @ W).tanh()
        before = letter
    return h


for name in "anna", "anita":
    print(f"{name:<5}  {len(name)} letters, {len(mg.tape(read_once(name)))} operations")
first, again = mg.tape(read("anna")), mg.tape(read("anna"))
anew = not {id(record) for record in first} & {id(record) for record in again}
print("the same name read twice: two tapes, nothing in common:", anew)

# %% an-if-read [markdown]
# "anna" is read as "ana": three pieces of four operations. And the same name read twice
# makes two tapes. Each is built while the lines run and thrown away afterwards.
#
# ## Real names
#
# The lists are from the census of 1990 in the United States. Which of them is a surname?

# %% lists
lists = kit.load_names()
given = {*lists["female"], *lists["male"]}
both = given.intersection(lists["surname"])
surnames = [name for name in lists["surname"] if name not in both]
given = sorted(given - both)
print(len(both), "on both:", *[n for n in lists["surname"][:12] if n in both], "...")
print("given names:", len(given), "  surnames:", len(surnames))

rng = np.random.default_rng(0)
names = np.array(given + list(rng.permutation(surnames)[: len(given)]))
labels = np.repeat([0, 1], len(given))
order = rng.permutation(len(names))
test, train = order[:1000], order[1000:]

# %% lists-read [markdown]
# The names on both lists have no right answer. "Thomas" is a given name *and* a surname.
# We drop them. Mind what that does: the task becomes easier than life. Many of the
# commonest surnames are gone, and our accuracy will say nothing about them.
#
# There are far more surnames than given names. Who always says "surname" would be right
# most of the time, and would know nothing. So we draw as many surnames as there are
# given names: a *balanced* sample. 1000 names are held out.

# %% reader-read [markdown]
# ### The network
#
# The same loop, now with the library's parts. `Embedding` is our `E`, with 12 numbers a
# letter. The cell is the step. `Linear` turns the last state into scores, one for each
# possible answer.
#
# There are two cells to choose from. An `RNNCell` keeps one row as its state. An
# `LSTMCell` forgets less: it keeps a pair, of which the first is what it shows. A plain
# `if` is enough to allow for both.
#
# To be fast, we read up to 128 names at once. They must be equally long, so that each of
# them takes part in every step. The loop stays as it is; `letter` is then a row of 128
# letters. A step of training is what it was in lesson 08: loss, zero, backward, update.
# Nothing in it says how long a name is.


# %% reader tags=["from-scratch"]
class Net(nn.Module):
    """Reads a word letter by letter; gives scores and the state it ends in."""

    def __init__(self, cell, hidden, answers):
        super().__init__()
        self.embed = nn.Embedding(27, 12)
        self.cell = cell(12, hidden)
        self.score = nn.Linear(hidden, answers)

    def forward(self, word, state=None):
        for letter in word:
            state = self.cell(self.embed(letter), state)
        shown = state
        if isinstance(state, tuple):  # an LSTM's
            shown = state[0]
        return self.score(shown), state


def letters(words):
    """Words of one length as numbers: a row for each letter, a column for each word."""
    return mg.tensor([[ALPHABET.index(c) for c in word] for word in words]).T


def batches(words, size, rng):
    """Where the words stand that are equally long, at most `size` of them together."""
    places = {}
    for i in rng.permutation(len(words)):
        places.setdefault(len(words[i]), []).append(i)
    found = [p[k : k + size] for p in places.values() for k in range(0, len(p), size)]
    return [found[i] for i in rng.permutation(len(found))]


def learn(net, optimizer, words, answers, rng):
    for at in batches(words, 128, rng):
        scores, _ = net(letters(words[at]))
        loss = F.cross_entropy(scores, mg.tensor(answers[at]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def guesses(net, words):
    found = np.zeros(len(words), int)
    with mg.no_grad():
        for at in batches(words, len(words), np.random.default_rng(0)):
            found[at] = net(letters(words[at]))[0].argmax(dim=1).numpy()
    return found


# %% train-read [markdown]
# Two networks learn side by side: one with an `RNNCell`, one with an `LSTMCell`. A round
# goes once through all names. The curve grows while you wait.

# %% train
nets, rng = {}, np.random.default_rng(0)
for cell in nn.RNNCell, nn.LSTMCell:
    mg.manual_seed(0)
    net = Net(cell, 24, 2).double()
    nets[cell.__name__] = net, mg.optim.Adam(net.parameters(), lr=0.02)

alt = "The share of held-out names read right rises over the rounds, for both cells."
run = kit.training(4, alt, "Names it never saw.", ylabel="share right")
for _ in run:
    for name, (net, optimizer) in nets.items():
        learn(net, optimizer, names[train], labels[train], rng)
        run.note(name, (guesses(net, names[test]) == labels[test]).mean())

# %% misread-read [markdown]
# Is that good? The bar to clear is the commoner answer. We demand 25 points more than
# that. Then look at what it gets wrong. Would you have known?

# %% misread
share = labels[test].mean()
MARGIN, majority = 0.25, max(share, 1 - share)
print(f"the commoner answer: {majority:.1%}")
for name, values in run.noted.items():
    print(f"{name}: {values[-1]:.1%} of the held-out names")
    assert values[-1] > majority + MARGIN

found = guesses(nets["LSTMCell"][0], names[test])
for answer, word in enumerate(["a given name", "a surname"]):
    wrong = names[test][(found == answer) & (labels[test] != answer)][:8]
    print(f"wrongly read as {word}:", ", ".join(wrong))

# %% see [markdown]
# ## See
#
# What if the tape could not be short? Then every name would have to be as long as the
# longest: *padded* with dots that mean nothing. Here is what that would cost: 1000 women's
# names, 1000 men's names and 1000 surnames, the commonest of each list.

# %% padding
from coursekit.lengths import padding, padding_chart

lengths = [len(name) for label in lists for name in lists[label][:1000]]
cells = max(lengths) * len(lengths)
waste = padding(lengths) / cells
alt = "Left: most names have 5 to 7 letters. Right: padding fills almost half the area."
show(padding_chart(lengths, alt, "Real lengths, and what padding would add."))
print(f"steps for letters: {sum(lengths)},  with padding: {cells},  waste: {waste:.0%}")

# %% measure [markdown]
# ## Measure
#
# Now count, on the tape, how much the network does for each length: the operations of one
# name with 2, 3, ... 11 letters. Then judge.

# %% count
net = nets["RNNCell"][0]
by_length = {len(name): name for name in lists["male"]}
counts = {n: len(mg.tape(net(letters([by_length[n]]))[0])) for n in sorted(by_length)}
steps = set(np.diff(list(counts.values())).tolist())
print("operations by length:", counts, " a letter more costs:", steps)
evidence = f"one net read {min(counts)} to {max(counts)} letters, on tapes to fit"
claim("C25", "V", evidence, check=len(steps) == 1 and len(counts) > 5)
skipped = len(mg.tape(read_once("anna"))) < len(mg.tape(read("anna")))
claim("C28", "V", "a plain for and if, a new tape each time", check=skipped and anew)
evidence = f"padding would waste {waste:.0%} of the steps, the tape wastes none"
claim("C29", "V", evidence, check=waste > 0.4 and len(steps) == 1)

# %% write [markdown]
# ## Let it write
#
# A network that reads can also write. Ask it after each letter: *which letter comes
# next?* Then there are 27 answers, and the dot means "the name is over". It learns from
# surnames of 5 to 7 letters.
#
# Here is a place where a graph pays. The training step for names of one length always
# does the same. So we let `jit` note it down: one program for each length. The step
# itself is the plain loop that you know.

# %% writer
mg.manual_seed(0)
writer = Net(nn.RNNCell, 64, 27).double()
optimizer = mg.optim.Adam(writer.parameters(), lr=0.005)


def write_step(word, state=None, loss=0):
    for t in range(len(word) - 1):
        scores, state = writer(word[t : t + 1], state)
        loss = loss + F.cross_entropy(scores, word[t + 1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss / (len(word) - 1)


# %% train-writer
words = np.array([f".{n}." for n in lists["surname"] if 5 <= len(n) <= 7])
programs = {length: mg.jit(write_step) for length in (7, 8, 9)}  # with both dots
rng = np.random.default_rng(0)
alt = "The loss of the writer falls from round to round."
run = kit.training(5, alt, "How badly it guesses the next letter.", ylabel="loss")
for _ in run:
    full = [at for at in batches(words, 64, rng) if len(at) == 64]
    losses = [programs[len(words[at[0]])](letters(words[at])).item() for at in full]
    run.note("loss", np.mean(losses))
print("guessing blindly costs", rounded(np.log(27), 3))
traces = {program.traces for program in programs.values()}
print("programs:", len(programs), "  each traced:", traces)

# %% invent-read [markdown]
# To write, begin with a dot. Draw the next letter by its chance, feed it back in, go on.
# When the dot is drawn, stop: a plain `if` by the network's own output. No graph could
# know beforehand how long the name will be.
#
# (Dividing the scores by 0.7 makes likely letters likelier. The names get tamer.)


# %% invent
def invent(rng):
    name, letter, state = "", ".", None
    while True:
        scores, state = writer(letters([letter]), state)
        chances = (scores.detach() / 0.7).softmax(dim=1).numpy()[0]
        letter = str(rng.choice(list(ALPHABET), p=chances))
        if letter == ".":
            return name
        name += letter


rng = np.random.default_rng(0)
new = [invent(rng) for _ in range(14)]
print(", ".join(new), "-- real:", sum(name in lists["surname"] for name in new))

# %% explain [markdown]
# ## Explain
#
# **One weight, many uses.** `W` takes part in every step. How does it get *one* gradient?
# Give each step a copy of its own, all equal. Then each copy gets its own gradient. Their
# sum is what the shared `W` gets. That is the rule of lesson 06 (where paths meet,
# gradients add), and the field calls it *back-propagation through time*.

# %% copies
W.grad = None
read("elizabeth").sum().backward()
copies = [W.detach().clone().requires_grad_() for _ in "elizabeth"]
h = mg.zeros(1, 4, dtype=mg.float64)
for letter, w in zip("elizabeth", copies):
    h = (E[ALPHABET.index(letter)] + h @ w).tanh()
h.sum().backward()
parts = [w.grad.numpy() for w in copies]
print("the parts add up to W.grad:", np.allclose(sum(parts), W.grad.numpy()))
alt = "The size of each letter's part of the gradient; the last letters count most."
sizes, caption = {"part": [np.linalg.norm(p) for p in parts]}, "Who counts in W.grad?"
show(kit.curves(range(1, 10), sizes, alt, caption, xlabel="letter", ylabel="size"))

# %% copies-read [markdown]
# The first letter's part is 0, for there is no old state to mix yet. And the far past
# counts little: on its way back, the gradient passes through `W` and the slope of `tanh`
# once for every letter, and each passage shrinks it. This is why an LSTM, which shrinks
# less, may learn more from long sequences.
#
# **What does the tape buy?** No waste, and loops that may decide by value. **What does it
# cost?** Each loop runs Python for each operation, every time. Lesson 11 puts the same
# network into a graph, and looks at the price there.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# The same text runs in PyTorch; only the import differs. TensorFlow 2 and JAX can also go
# line by line, with a plain `for` and `if`. TensorFlow 1 could not: see lesson 11. (What
# others print was recorded, with version and date.)

# %% side-by-side
kit.compare("10_names")

# %% exercises [markdown]
# ## Exercises
#
# Replace each `...` and run the cell. If an answer is not right yet, you get a hint
# that fits it. `hint("10.1")` asks for one. The answers are in the [solved
# notebook](../solutions/10_plain_for_and_if.ipynb).
#
# ### 10.1 Write the cell
#
# Write the step of an `RNNCell` yourself: tanh of (`w_ih` x + `b_ih` + `w_hh` h + `b_hh`).
# `x` has the shape (batch, input), `h` (batch, hidden). As in PyTorch, the weights lie on
# their side: `w_ih` is (hidden, input), `w_hh` is (hidden, hidden).


# %% exercise-cell tags=["exercise"]
def cell(x, h, w_ih, w_hh, b_ih, b_hh):
    return ...


check("10.1", cell)
hint("10.1")


# %% tags=["solution"]
def cell(x, h, w_ih, w_hh, b_ih, b_hh):
    return (x @ w_ih.T + b_ih + h @ w_hh.T + b_hh).tanh()


check("10.1", cell)

# %% exercise-sure-task [markdown]
# ### 10.2 Stop when you are sure
#
# Often the first letters say it all. `step(letter, state)` gives `(p, state)`; `p` is the
# chance, from 0 to 1, that the word is a surname. Begin with the state None. Stop as
# soon as `p` is above `sure` *or* below `1 - sure`, else at the end. Return the last `p`
# and how many letters were read.


# %% exercise-sure tags=["exercise"]
def read_until_sure(step, word, sure):
    return ...


check("10.2", read_until_sure)


# %% tags=["solution"]
def read_until_sure(step, word, sure):
    state, count = None, 0
    for letter in word:
        p, state = step(letter, state)
        count += 1
        if p > sure or p < 1 - sure:
            break
    return p, count


check("10.2", read_until_sure)

# %% exercise-add-task [markdown]
# ### 10.3 Why gradients add over time
#
# A weight `w` is used in three steps. Copies of it, one for each step, would get the
# gradients 2, -0.5 and 1. What is in `w.grad`
#
# 1. after one `backward()`;
# 2. after the loss is computed again and a second `backward()`, with no zero in between;
# 3. after one `backward()` from a fresh start, if the state is detached (cut off the tape)
#    between the second and the third step?

# %% exercise-add tags=["exercise"]
my_grads = [..., ..., ...]

check("10.3", my_grads)

# %% tags=["solution"]
my_grads = [2.5, 5.0, 1.0]

check("10.3", my_grads)

# %% exercise-clip-task [markdown]
# ### 10.4 Clip
#
# Gradients through many steps may also explode. Write `clip(grads, limit)`: a list of
# gradients in, a list out. Look at all numbers of all gradients as one long arrow. If it is
# longer than `limit`, make everything shorter by the same factor, so that its length
# is `limit`. Else leave all as it is.


# %% exercise-clip tags=["exercise"]
def clip(grads, limit):
    return ...


check("10.4", clip)


# %% tags=["solution"]
def clip(grads, limit):
    length = sum((g * g).sum() for g in grads) ** 0.5
    factor = min(1.0, limit / length)
    return [g * factor for g in grads]


check("10.4", clip)

# %% exercise-waste-task [markdown]
# ### 10.5 Batch by length
#
# Suppose you must pad. Then it helps to put names of nearly the same length together.
# Sort the lengths, cut them into batches of `size` (the last may be smaller), and pad each
# batch to its own longest name only. How many steps are padding? Write
# `padded(lengths, size)`.


# %% exercise-waste tags=["exercise"]
def padded(lengths, size):
    return ...


check("10.5", padded)


# %% tags=["solution"]
def padded(lengths, size):
    lengths, waste = sorted(lengths), 0
    for start in range(0, len(lengths), size):
        batch = lengths[start : start + size]
        waste += max(batch) * len(batch) - sum(batch)
    return waste


check("10.5", padded)

# %% recap [markdown]
# ## Recap
#
# On the tape a recurrent network is a plain loop around one cell, and each input gets a
# graph of its own size. The shared weights collect one gradient, the sum over all steps.
# Nothing is padded, and the network may decide by its own numbers when to stop.
#
# The words of this lesson, in the glossary:
# [recurrent network](../guide/glossary.md#recurrent-network),
# [cell](../guide/glossary.md#cell),
# [state](../guide/glossary.md#state),
# [unroll](../guide/glossary.md#unroll),
# [padding](../guide/glossary.md#padding),
# [back-propagation through time](../guide/glossary.md#back-propagation-through-time).

# %% next [markdown]
# ## Next
#
# [Lesson 11](11_a_loop_in_the_graph.ipynb) unrolls the same network in a static graph, where a plain `for` is not enough.
