# %% title [markdown]
# # Watch D being computed: line by line, and all at once
#
# You run the same four lines in two ways and see *when* each of them computes.
# By the end you can build a graph, compile it, call it, and look inside both.

# %% article [markdown]
# ## The article says
#
# The article tells of four short lines that end in a value called `D`. Its print got
# lost on the way (the same line is read out in two garbled ways), but the lines can be
# restored:
#
# ```python
# A = ...
# B = ...
# C = B * A
# D = C + 1
# ```
#
# About these lines it makes four claims. In our words:
#
# - **C16** In an *imperative* program, `C = B * A` computes at that very line.
# - **C17** In a *symbolic* program, that line computes nothing. The work is done at the
#   end, when the finished graph is turned into a function and called.
# - **C19** TensorFlow is made for symbolic programs.
# - **C20** An imperative program can print and loop in the middle of a computation.
#
# You will test them on your own runs.

# %% before [markdown]
# ## Before you start
#
# You need a little Python and the idea of an array: a row of numbers that is computed
# with as one thing. Three words will do for now:
#
# - **tensor**: an array of numbers. They are there; you can print them.
# - **node**: a note that says "multiply these two". It holds no numbers. Nodes that
#   point to each other make a **graph**.
# - **program**: a graph made ready to run. You call it like a function.
#
# `mg.count_ops()` counts how many operations were really carried out.

# %% setup
from coursekit import check, claim, expect_error, figure, hint, quiz, rounded
from coursekit.ladder import beside, graph, ladder

import minigrad as mg

# %% predict [markdown]
# ## Predict
#
# Say what you expect *before* you run anything. To answer, write your letter into the
# call, for example `quiz("q03.1", "a")`, and run the cell again. Every option has an
# explanation, so a wrong guess teaches as much as a right one.

# %% predict-three-things
quiz("q03.1")
quiz("q03.2")
quiz("q03.3")

# %% run [markdown]
# ## Run
#
# ### Line by line
#
# First the way PyTorch works. It is called *imperative* or *eager*: each line does its
# work before the next one starts. After each line we note what the counter says.

# %% line-by-line
with mg.count_ops() as counter:
    A = mg.tensor([1.0, 2.0, 3.0])
    B = mg.tensor([4.0, 5.0, 6.0])
    given = counter.total
    C = B * A
    after_C = counter.total
    D = C + 1
    eager_counts = [given, given, after_C, counter.total]

print("C =", C)
print("D =", D)
print("operations after A, B, C, D:", eager_counts)

# %% line-by-line-read [markdown]
# Making `A` and `B` counts as nothing: their numbers were given. The third line
# multiplied (1), the fourth added (2). Nobody had to ask for it.
#
# ### All at once
#
# Now the way of TensorFlow 1 and Theano. It is called *symbolic* or *static*. `a` and
# `b` are **placeholders**: they stand for numbers that will come later. The two lines
# below them are the same as before; we only write the names small, to tell them apart.

# %% all-at-once
with mg.count_ops() as counter:
    a = mg.placeholder((3,), name="a")
    b = mg.placeholder((3,), name="b")
    given = counter.total
    c = b * a
    after_c = counter.total
    d = c + 1
    graph_counts = [given, given, after_c, counter.total]

print("c =", c)
print("d =", d)
print("operations after a, b, c, d:", graph_counts)

# %% all-at-once-read [markdown]
# Nothing was computed. `c` is a node. It knows what it will be, a product (`mul` is
# short for multiply), and its shape: `(3,)` means three numbers in a row. It does not
# know the numbers.
#
# Two steps are left. **Compile** turns the graph into a program. **Call** runs it.

# %% compile-and-call
with mg.count_ops() as counter:
    program = mg.compile([a, b], [c, d])
    after_compile = counter.total
    c_values, d_values = program(A, B)
    after_call = counter.total

print("after compile:", after_compile, "  after the call:", after_call)
print("d =", d_values)
print("same numbers as line by line:", mg.all(d_values == D).item())

# %% compile-and-call-read [markdown]
# Notice who did the work. Not `compile`, which only prepared it. The call did, both
# operations at once.

# %% see [markdown]
# ## See
#
# Here are your own tensors and your own nodes. On the left is what each line held when
# it was done. On the right is the graph, first as it was *before* the call: grey, dashed
# boxes are notes without a number. Step on to see it *after* the call: the same boxes are
# filled, all of them at once. (Use the buttons or the arrow keys. If there are no buttons,
# open the lines one by one.)

# %% before-and-after-the-call
from coursekit import stepper

lines = {"A = ...": A, "B = ...": B, "C = B * A": C, "D = C + 1": D}
nodes = {"a": a, "b": b, "c": c, "d": d}
held = {"a": A, "b": B, "c": c_values, "d": d_values}
steps = ladder(lines, eager_counts)
early = "Left: four lines, each with its value. Right: their graph, dashed, no values."
late = "Left: the lines as before. Right: each node now holds the value of its line."
first = beside("The four lines, before the call", steps, graph(nodes))
second = beside("The four lines, after the call", steps, graph(nodes, held))
pictures = [figure(first, early, first.title), figure(second, late, second.title)]
stepper(pictures, "The four lines, before and after the call")

# %% see-read [markdown]
# Read the left picture from top to bottom: it is a *story*, one event after the other.
# Read the right one along the arrows: it is a *recipe*. Note the small oval with the 1:
# the number in `c + 1` became a node as well, so four lines make five nodes.

# %% measure [markdown]
# ## Measure
#
# A recipe is written once and cooked often. Every node has a serial number, so we can
# tell whether a call writes new ones: make one node before, one after, and compare. Write
# your guess in place of the dots.

# %% ten-calls
from coursekit import predict

meals = [mg.full((3,), float(k)) for k in range(10)]
p = predict("New nodes in ten calls:", ...)

before = mg.constant(0).seq
with mg.count_ops() as counter:
    for meal in meals:
        program(meal, B)
p.turned_out(mg.constant(0).seq - before - 1)

print("nodes in the graph:", program.stats["nodes"])
print("operations:", counter.by_name)

# %% ten-calls-read [markdown]
# Ten calls, no new node, and two operations each. Define once, run many.
#
# ### Stop in the middle
#
# An eager program can be stopped anywhere, because the numbers are there. Here is a
# loop that prints as it goes, and that decides by itself when to end. It finds the
# square roots of `B`: take the average of a guess `x` and of `B / x`, again and again.

# %% print-and-loop
x = B
errors = [9.0]  # too large, so that the loop begins
while errors[-1] > 1e-4:
    x = (x + B / x) / 2
    errors.append(mg.abs(x * x - B).max().item())
    print(f"round {len(errors) - 1}: x = {rounded(x)}, error {rounded(errors[-1], 1)}")

# %% breakpoint-read [markdown]
# Nobody told that loop to stop after four rounds. Python asked the tensor how large the
# error is, and the tensor could answer.
#
# A debugger does the same: it stops inside a function and shows the names that live
# there. `look()` below is such a stop, small enough for a page. (With Python's own
# `breakpoint()` in its place you could type commands; `c` goes on.)

# %% a-look-in-the-middle
import sys


def look():
    for name, value in sys._getframe(1).f_locals.items():
        print(f"    {name} = {value}")


def four_lines(A, B):
    C = B * A
    look()
    return C + 1


print("stopped in the middle, with tensors:")
four_lines(A, B)
print("stopped in the middle, with placeholders:")
_ = four_lines(a, b)

# %% questions-to-a-node [markdown]
# The function is one and the same. What it meets in the middle is not: numbers the
# first time, notes the second time.
#
# So what happens if Python wants to *decide* something by a node? There is no number to
# decide by. Read the message; it says what to do instead, and where in your cell.

# %% if-on-a-node
with expect_error(mg.errors.GraphError):
    if d.sum() > 30:
        print("large")

with expect_error(mg.errors.GraphError):
    while mg.abs(d).max() > 1e-4:
        d = d / 2

# %% loop-around [markdown]
# That is not the end of loops. A graph can repeat by a node of its own, `mg.while_loop`:
# lesson 11 is about it. Or the loop stands *around* the graph: one round of the square
# roots is a program, Python calls it, reads the error that comes out, and decides. The
# middle of a graph is visible if you ask for it as an output.

# %% a-loop-around-the-program
guess = mg.placeholder((3,), name="guess")
better = (guess + b / guess) / 2
error = mg.abs(better * better - b).max()
round_of = mg.compile([guess, b], [better, error])

y, off, rounds = B, 9.0, 0
while off > 1e-4:
    y, off = round_of(y, B)
    off, rounds = off.item(), rounds + 1
print("rounds:", rounds, "  same roots:", mg.all(x == y).item())

# %% judge [markdown]
# Time to judge. Each verdict below comes with a check that would fail if your runs had
# said something else.

# %% verdicts
at_the_line = eager_counts == [0, 0, 1, 2]
evidence = f"the counter says {after_C} after C and {eager_counts[-1]} after D"
claim("C16", "V", evidence, check=at_the_line)

quiet = [*graph_counts, after_compile] == [0] * 5
evidence = f"no operation while building and compiling, {after_call} at the call"
claim("C17", "V", evidence, check=quiet and after_call == 2)

ended = errors[-1] <= 1e-4 < min(errors[:-1])
evidence = "a while loop printed every round and ended at the first good one"
claim("C20", "V", evidence, check=ended)

# %% explain [markdown]
# ## Explain
#
# How can the *same* line `b * a` compute in one case and only take a note in the other?
# Because Python hands every `*` to the object it stands beside. A tensor answers by
# multiplying. A node answers by making another node.
#
# That is easy to build. Here is a symbolic engine of your own, and after it the
# same comparison with the library as before.


# %% from-scratch tags=["from-scratch"]
class Symbol:
    """A note: what to do (None for an input), and with which other symbols."""

    def __init__(self, do=None, *parts):
        self.do, self.parts = do, parts

    def __mul__(self, other):
        return Symbol(lambda left, right: left * right, self, other)

    def __add__(self, number):
        return Symbol(lambda left: left + number, self)

    def run(self, given):
        """Compute this note, after the notes it is made from."""
        if self.do is None:
            return given[self]
        return self.do(*[part.run(given) for part in self.parts])


p, q = Symbol(), Symbol()
with mg.count_ops() as counter:
    r = q * p
    s = r + 1
    built = counter.total
    answer = s.run({p: A, q: B})

print("operations while building:", built, "  after run:", counter.total)
print("same as the library's program:", mg.all(answer == d_values).item())

# %% from-scratch-read [markdown]
# Fifteen lines of class, and it has the whole idea: build first, run later. What the
# library adds is what a graph is *good* for. It is known before it runs, so it can be
# checked, drawn, differentiated and made faster. Later lessons do each of these.
#
# ### Both at once
#
# Must you choose? `mg.jit` takes an ordinary function, runs it once with symbols to see
# what it does, and from then on calls the graph. Watch how often `print` speaks.


# %% jit
@mg.jit
def noisy(A, B):
    C = B * A
    print("C is", C)
    return C + 1


with mg.count_ops() as counter:
    first = noisy(A, B)
    noisy(meals[0], B)
print("operations in two calls:", counter.by_name, "  noted down:", noisy.traces)
print("same as line by line:", mg.all(first == D).item())

# %% jit-read [markdown]
# `print` ran once, while the function was being noted down, and it saw a symbol. The
# second call did not run your Python lines at all; it ran their graph. (An
# `if C.sum() > 30` in there would be refused, as above.) That is fast, and
# it is a trap. Lesson 09 is about that trap.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# The eager lines *are* PyTorch's own: only the import differs. TensorFlow's first version
# is the other way: placeholders, then a session that runs what you ask for. Compare it
# with TensorFlow 2 and JAX. There the four lines compute at once, and a word above a
# function asks for its graph. (The columns that say "run now" were run by the cell below.
# What the others print was recorded, because they need not be installed here.)

# %% side-by-side
from coursekit import compare

compare("03_lines")
claim(
    "C19",
    "D",
    "true of TensorFlow 1; since 2.0 it computes line by line unless asked for a graph",
    source="tensorflow 2.0.0, put on the Python Package Index on that day",
    date="2019-09-30",
)

# %% side-by-side-read [markdown]
# minigrad has a `Session` too, so that old programs can be read and tried. It takes what
# you want to know, and a dictionary of what you feed:

# %% a-session
with mg.Session() as session:
    print("d =", session.run(d, {a: A, b: B}))
    c_again, d_again = session.run([c, d], {a: A, b: B})
print("same as line by line:", mg.all(d_again == D).item())

# %% a-session-read [markdown]
# So TensorFlow's lines compute at once since version 2.0, like PyTorch's, and `tf.function`
# makes a graph of them, like our `mg.jit`. The claim was true when it was made, and is not
# true any more. That is what *dated* means. PyTorch has moved as well: since version 2.0
# (2023) its `torch.compile` makes graphs of eager lines.

# %% exercises [markdown]
# ## Exercises
#
# Replace each `...` and run the cell. If an answer is not right yet, you get a hint
# that fits it. `hint("03.1")` asks for one; open it only when you want it. The answers
# are in the [solved notebook](../solutions/03_line_by_line.ipynb).
#
# ### 03.1 Predict the counter
#
# Take two other lines: `E = (A + B) * A`, then `F = E - 1`. What does the counter say
#
# 1. after `E`, line by line;
# 2. after `F`, line by line;
# 3. after `e`, when `a` and `b` are placeholders;
# 4. after `f`, when `a` and `b` are placeholders;
# 5. after the first call of the compiled program;
# 6. after the second call of the compiled program?
#
# There are two counters, one for 1 and 2, one for 3 to 6. Nobody sets them back in
# between.

# %% exercise-counts tags=["exercise"]
my_counts = [..., ..., ..., ..., ..., ...]

check("03.1", my_counts)
hint("03.1")

# %% tags=["solution"]
my_counts = [2, 3, 0, 0, 3, 6]

check("03.1", my_counts)

# %% exercise-half-square-task [markdown]
# ### 03.2 A formula as a graph
#
# Write `half_square(a, b)` so that it returns the graph of (A - B)² / 2. The check
# feeds it two placeholders, and makes sure that nothing was computed before the call.


# %% exercise-half-square tags=["exercise"]
def half_square(a, b):
    return ...


check("03.2", half_square)


# %% tags=["solution"]
def half_square(a, b):
    return (a - b) ** 2 / 2


check("03.2", half_square)

# %% exercise-peek-task [markdown]
# ### 03.3 Print inside a graph, the right way
#
# A `print` beside the graph shows a node. Write `peek(a, b)` so that it builds the four
# lines on two placeholders and returns a compiled program, which gives the values of
# `D` *and* `C`, in this order.


# %% exercise-peek tags=["exercise"]
def peek(a, b):
    return ...


check("03.3", peek)


# %% tags=["solution"]
def peek(a, b):
    c = b * a
    return mg.compile([a, b], [c + 1, c])


check("03.3", peek)

# %% exercise-unused-task [markdown]
# ### 03.4 The input that does nothing
#
# Somebody gives you a compiled program and a list of values for its inputs. Some inputs
# are not used at all. Write `unused(program, values)` so that it returns the numbers
# (0, 1, ...) of those inputs, smallest first. You may call `program(*values)` as often
# as you like; each call gives one tensor.


# %% exercise-unused tags=["exercise"]
def unused(program, values):
    return ...


check("03.4", unused)


# %% tags=["solution"]
def unused(program, values):
    before = program(*values)
    found = []
    for i, value in enumerate(values):
        poked = [*values[:i], value + 1, *values[i + 1 :]]
        if mg.all(program(*poked) == before).item():
            found.append(i)
    return found


check("03.4", unused)

# %% recap [markdown]
# ## Recap
#
# Line by line, every line computes at once, so you may print, loop and stop wherever
# you like. All at once, the lines only take notes, and the work is done when the
# compiled graph is called, as often as you like. The work is the same two operations in
# both; only its moment differs.
#
# The words of this lesson, in the glossary: [tensor](../guide/glossary.md#tensor),
# [node](../guide/glossary.md#node), [graph](../guide/glossary.md#graph),
# [placeholder](../guide/glossary.md#placeholder),
# [compile](../guide/glossary.md#compile), [program](../guide/glossary.md#program),
# [eager](../guide/glossary.md#eager), [symbolic](../guide/glossary.md#symbolic),
# [session](../guide/glossary.md#session).

# %% next [markdown]
# ## Next
#
# [Lesson 04](04_take_a_graph_apart.ipynb) takes the notes apart: what is in a node, in which order a graph is
# computed, and why an input that nobody uses costs nothing.
