# %% title [markdown]
# # Watch an `if` run once, and then never again
#
# You catch Python's `if` and `for` at the moment when a graph is made, and see what is
# left of them afterwards. Then you put the choice into the graph, where it belongs.

# %% article [markdown]
# ## The article says
#
# About graphs that are defined first and run later, it makes two claims. In our words:
#
# - **C22** TensorFlow is *define-and-run*: conditions and loops are part of the graph,
#   and that leaves the writer less freedom.
# - **C27** Python's own control flow runs only once, when the graph is built. That is
#   why special nodes are needed for loops and conditions.
#
# Lesson 04 looked at what is in a graph. Here you look at what is *not*.

# %% before [markdown]
# ## Before you start
#
# From lesson 03 you know placeholders, `mg.compile`, and that `mg.jit` runs a function
# once to note down what it does. Two words for this lesson:
#
# - **Control flow** is what decides which lines run, and how often: `if`, `for`, `while`.
# - **Tracing** is the noting down. While `jit` traces a function, Python runs its lines
#   with symbols in place of numbers. After that, calls run the graph.
#
# Our example takes one step towards zero. Which step that is depends on the *sign* of
# `x`: down from a positive number, else up.

# %% setup
import warnings

from coursekit import check, claim, expect_error, hint, predict, quiz, show
from coursekit.branches import frozen

import minigrad as mg


def nearer(x):
    if x > 0:
        return x - 1
    return x + 1


print("from 3:", nearer(3.0), "  from -3:", nearer(-3.0))

# %% predict [markdown]
# ## Predict
#
# Say what you expect before you run anything. Put your letter into the call, for example
# `quiz("q09.1", "a")`, and run the cell again.

# %% predict-three-things
quiz("q09.1")
quiz("q09.2")
quiz("q09.3")

# %% run [markdown]
# ## Run
#
# ### Two lines that leave no trace
#
# This function prints, appends to a list, and multiplies. It is called five times. Write
# your guess in place of the dots first.

# %% print-once
heard = predict("How long is the list after five calls?", ...)
calls = []


@mg.jit
def double(x):
    print("Python is here; x is", x)
    calls.append("a call")
    return x * 2


print("results:", [double(mg.tensor(float(k))).item() for k in range(5)])
heard.turned_out(len(calls))

# %% print-once-read [markdown]
# Five right results, but Python came by only once. Its `x` was a symbol, for this was
# the tracing. The `print` and the `append` are called **side effects**: they change
# something other than the result. They are no operations on tensors, so they were not
# noted down, and no call repeats them. Only `x * 2` is in the graph.
#
# ### An `if` that runs once
#
# Now an `if`. We build the simplest tracer that can be built: it looks at *one example*
# and keeps notes. A `Noted` holds the example's value and a recipe that does the same
# with another number. Mind its last method: it must answer `x > 0` with yes or no, and
# all it can look at is the example.


# %% from-scratch tags=["from-scratch"]
class Noted:
    """The example's value, and a recipe that computes the same for another number."""

    def __init__(self, value, again):
        self.value, self.again = value, again

    def __sub__(self, n):
        return Noted(self.value - n, lambda x: self.again(x) - n)

    def __add__(self, n):
        return Noted(self.value + n, lambda x: self.again(x) + n)

    def __gt__(self, n):
        return self.value > n  # an answer, not a note


def trace(function, example):
    return function(Noted(example, lambda x: x)).again


from_3, from_minus_3 = trace(nearer, 3.0), trace(nearer, -3.0)
print("           x   plain   traced with 3   traced with -3")
for x in 3.0, -3.0:
    print(f"{x:12} {nearer(x):7} {from_3(x):15} {from_minus_3(x):16}")

# %% from-scratch-read [markdown]
# Read the lower row. Plain Python takes -3 one step up, to -2. The program that was
# traced with 3 takes it *down*, to -4, away from zero. No error, no warning: a wrong
# number. The `if` was **frozen**: its answer for the example became the answer for all.
#
# Real libraries know this trap. PyTorch's `torch.jit.trace` works as our `Noted` does,
# with an example; it freezes the `if` too, and prints a warning. minigrad's `jit` has no
# example to look at. It refuses:

# %% refused
with expect_error(mg.errors.GraphError):
    mg.jit(nearer)(mg.tensor(3.0))

# %% see [markdown]
# ## See
#
# Here are both ways of the `if`, as real nodes. What Python took is drawn solid. What it
# did not take is a ghost: no program made of `taken` will ever compute it.

# %% frozen-branch
x = mg.placeholder((), name="x")
taken, lost = x - 1, x + 1
show(
    frozen("if x > 0", "asked once, about 3", taken, lost),
    alt="An if decided once, about 3. From x a solid way leads to sub, which was taken; "
    "the way to add is dotted and a ghost.",
)

# %% frozen-loop-read [markdown]
# ### A loop that runs once
#
# A `for` freezes in the same way, and here minigrad cannot refuse: `rounds` is an
# ordinary number that Python knows. Guess first: what does the second call give?

# %% frozen-loop
rounds = 3


@mg.jit
def walk(x):
    for _ in range(rounds):
        x = x - 1
    return x


p = predict("From 10, three rounds gave 7. With rounds = 5 the call gives", ...)
print("rounds = 3:", walk(mg.tensor(10.0)).item())
rounds = 5
frozen_walk = walk(mg.tensor(10.0)).item()
p.turned_out(frozen_walk)

# %% frozen-loop-picture
show(
    walk.program,
    alt="The traced walk: a placeholder and three subtractions in a row. There is no "
    "loop in it.",
    caption="What is left of the loop: its body, three times. Nothing here can turn.",
)

# %% repair-read [markdown]
# ### The repair
#
# A question that is to be asked at every call must be *in* the graph. `mg.cond` is a
# node that holds the question and both ways, each written as a function:
# `mg.cond(question, way_if_true, way_if_false, x)`.


# %% repair
def nearer_in_graph(x):
    return mg.cond(x > 0, lambda x: x - 1, lambda x: x + 1, x)


y = nearer_in_graph(x)
program = mg.compile([x], y)
values = [3.0, -3.0, 0.5]
repaired = [program(value).item() for value in values]
print("the graph:", repaired, "  plain Python:", [nearer(value) for value in values])

# %% repair-picture
show(
    program,
    alt="The graph of y: x leads to the question gt and to a branch node; two boxes, if "
    "true with sub and if false with add, lead into the branch node too.",
    caption="The question and both of its ways are in the graph; 4 is the branch.",
)

# %% repair-picture-read [markdown]
# Compare this with the ghost. Now both ways are solid, each in a box of its own, and the
# question is a node: `gt` means *greater than*. Inside a box, `x` is what the box is given. `branch` is the special node that the
# article tells of. Each call computes `gt`, and then the side that it names. (The small
# `item` takes one result out of the branch, which could have several.)
#
# A loop has such a node as well, `mg.while_loop`. Lesson 11 is about it. Here it repairs
# our walk, with `n` as one more input. And the price of it all: the graph wants both ways
# to give *one* shape, where Python would not mind.

# %% loop-node
n = mg.placeholder((), mg.int64, name="n")
left, place = mg.while_loop(lambda n, x: n > 0, lambda n, x: (n - 1, x - 1), (n, x))
walk_in_graph = mg.compile([x, n], place)
print("3 rounds:", walk_in_graph(10.0, 3), "  5 rounds:", walk_in_graph(10.0, 5))

with expect_error(mg.errors.ShapeError):
    mg.cond(x > 0, lambda x: x, lambda x: mg.zeros(2), x)

# %% measure [markdown]
# ## Measure
#
# When does `jit` trace again? `traces` counts. A trace costs far more than a call, and it
# runs your side effects once more, so minigrad says so: it warns with a `RetraceNotice`.
# A warning would fill the page here, so `listen` collects what is said.


# %% retraces
def listen(function, *calls):
    """Call `function` with each tuple of arguments; what was warned of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for arguments in calls:
            function(*arguments)
            print("traces:", function.traces)
    return [str(warning.message) for warning in said]


@mg.jit
def scaled(x, k):
    return x * k


print(*listen(scaled, (mg.ones(3), 2), (mg.zeros(3), 2), (mg.ones(4), 2)), sep="\n")

# %% retraces-read [markdown]
# The second call has other numbers but the same shape: the graph fits. The third has
# another shape: a new graph, and a notice that says why. Both graphs are kept; a call with
# three numbers would find the first one again.
#
# A Python number is built into the graph, so each new one costs a trace. The number in a
# tensor is fed in. Here are eight calls with a `k` of each kind (`scaled.fn` is the plain
# function, so both start without a graph):

# %% numbers-and-tensors
with_numbers, with_tensors = mg.jit(scaled.fn), mg.jit(scaled.fn)
ones = mg.ones(3)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for k in range(8):
        with_numbers(ones, k)
        with_tensors(ones, mg.tensor(float(k)))
print(
    "traces with numbers:", with_numbers.traces, "  with tensors:", with_tensors.traces
)
print(said[-1].message)

# %% shapes-read [markdown]
# The advice comes at the sixth trace, before it gets costly.
#
# So an `if` about a *shape* does no harm. It runs once, like every `if`; but it runs once
# for each shape, and a graph is only used for calls with its own shape. Here short inputs
# are summed, longer ones averaged:


# %% if-on-a-shape
@mg.jit
def short_or_long(x):
    if x.shape[0] > 3:
        return x.mean()
    return x.sum()


sizes = [2, 5, 2, 3, 5]
arguments = [(mg.arange(float(size)),) for size in sizes]
print("sizes:", sizes)
_ = listen(short_or_long, *arguments)
alike = [short_or_long(x).item() == short_or_long.fn(x).item() for (x,) in arguments]
print("same as plain Python, each time:", all(alike))

# %% judge [markdown]
# Time to judge. Each check would fail if your runs had said something else.

# %% verdicts
once = len(calls) == 1 and frozen_walk == 7
wrong_way = from_3(-3.0) == -4 != nearer(-3.0)
evidence = "one print in five calls; an if and a loop bound frozen, without any error"
claim("C27", "V", evidence, check=once and wrong_way)

chosen = repaired == [nearer(value) for value in values]
evidence = "if on a node is refused; the choice is a node, and both its sides are there"
claim("C22", "V", evidence, check=chosen and "if false" in str(mg.show(y)))

# %% explain [markdown]
# ## Explain
#
# **Two machines.** Python runs while the graph is made. The graph runs while it is
# called. Whatever Python decides, it decides in the first moment: which way an `if` goes,
# how often a `for` turns, what a global number is, when to print. A graph knows nothing
# of these words. It has operations.
#
# **What is safe, then?** Ask two questions about the thing that you decide by. Is it
# known while tracing? If not (a value of a tensor), minigrad refuses, and names `cond`.
# And if it changes, is there a new trace? For a shape, a dtype and a Python argument
# there is. For a global number there is not: that one freezes, in silence.
#
# **Is it really less freedom?** Both ways of a `cond` must give the same shapes, and
# neither may print. That is less than Python allows. But the choice can be drawn,
# differentiated and run without Python. Later libraries hide the difference: since 2019,
# TensorFlow's `tf.function` rewrites a Python `if` about a tensor into such a node.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# In PyTorch's own way, line by line, there is nothing to repair: the `if` and the `for`
# are Python's and run at every call. The graphs of minigrad, TensorFlow 1 and JAX say the
# same with two special nodes. TensorFlow 2 reads the text of your function and puts in
# the nodes by itself. (What others print was recorded, with version and date.)

# %% side-by-side
from coursekit import compare

compare("09_nearer")

# %% exercises [markdown]
# ## Exercises
#
# Replace each `...` and run the cell. A wrong answer gets the hint that fits it, and
# `hint("09.1")` asks for one. The answers are in the [solved
# notebook](../solutions/09_control_flow_runs_once.ipynb).
#
# ### 09.1 A frozen sign
#
# `sign` gives 1.0 if `x > 0`, else -1.0. Our `trace` of above notes it down with the
# example -2.0. What does the program give for -7.0, 0.5 and 4.0? And how often did Python
# run the `if` in all this: one tracing and three calls?

# %% exercise-frozen-sign tags=["exercise"]
my_answers = [..., ..., ..., ...]

check("09.1", my_answers)
hint("09.1")

# %% tags=["solution"]
my_answers = [-1, -1, -1, 1]

check("09.1", my_answers)

# %% exercise-sign-task [markdown]
# ### 09.2 Repair it
#
# Write `sign(x)` for a placeholder `x`, so that the program chooses at every call: 1 where
# `x > 0`, else -1. Use `mg.cond`. (`x * 0 + 1` is a 1 of the right kind.)


# %% exercise-sign tags=["exercise"]
def sign(x):
    return ...


check("09.2", sign)


# %% tags=["solution"]
def sign(x):
    return mg.cond(x > 0, lambda x: x * 0 + 1, lambda x: x * 0 - 1, x)


check("09.2", sign)

# %% exercise-traces-task [markdown]
# ### 09.3 Count the traces
#
# A new `scaled = mg.jit(lambda x, k: x * k)` is called seven times. What does
# `scaled.traces` say after each call?
#
# | call | x | k |
# |---|---|---|
# | 1 | `mg.ones(3)` | `2` |
# | 2 | `mg.zeros(3)` | `2` |
# | 3 | `mg.ones(3)` | `3` |
# | 4 | `mg.ones(4)` | `3` |
# | 5 | `mg.ones(3)` | `2` |
# | 6 | `mg.ones(3)` | `mg.tensor(2.0)` |
# | 7 | `mg.ones(3)` | `mg.tensor(9.0)` |

# %% exercise-traces tags=["exercise"]
my_traces = [..., ..., ..., ..., ..., ..., ...]

check("09.3", my_traces)

# %% tags=["solution"]
my_traces = [1, 1, 2, 3, 3, 4, 4]

check("09.3", my_traces)

# %% exercise-counted-task [markdown]
# ### 09.4 The side effect that vanished
#
# Somebody counted the calls of a function with `calls.append(...)`, put `jit` around it,
# and found the count stuck at 1. Write `counted(count, x)`: it returns `x * 2`, and
# `count`, a tensor with one number, grows by 1 at each call. The check runs it under
# `jit`, four times.


# %% exercise-counted tags=["exercise"]
def counted(count, x):
    return ...


check("09.4", counted)


# %% tags=["solution"]
def counted(count, x):
    count.add_(1)
    return x * 2


check("09.4", counted)

# %% exercise-which-ifs-task [markdown]
# ### 09.5 Which `if` is safe?
#
# Each of these stands alone in a function `f(x, k)` under `jit`. The function is called,
# then the answer to the question changes, and it is called again. Say for each: `"fine"`
# (the second call is right), `"frozen"` (it silently goes the old way), or `"refused"` (an
# error).
#
# 1. `if x.shape[0] > 3`
# 2. `if x.sum() > 3`
# 3. `if x.dtype == mg.float64`
# 4. `if flag`, where `flag` is set outside the function
# 5. `if k > 3`, where `k` is a Python number

# %% exercise-which-ifs tags=["exercise"]
my_words = [..., ..., ..., ..., ...]

check("09.5", my_words)

# %% tags=["solution"]
my_words = ["fine", "refused", "fine", "frozen", "fine"]

check("09.5", my_words)

# %% recap [markdown]
# ## Recap
#
# Python's control flow runs while the graph is made, and only its decisions get in, not
# its questions. What must be asked at every call has to be a node: `cond` for an `if`,
# `while_loop` for a loop. `jit` traces again when a shape, a dtype or a Python argument
# changes; at a global number or a list it never looks again.
#
# The words of this lesson, in the glossary:
# [control flow](../guide/glossary.md#control-flow),
# [tracing](../guide/glossary.md#tracing), [frozen](../guide/glossary.md#frozen),
# [branch](../guide/glossary.md#branch),
# [side effect](../guide/glossary.md#side-effect),
# [retrace](../guide/glossary.md#retrace).

# %% next [markdown]
# ## Next
#
# [Lesson 10](10_plain_for_and_if.ipynb) goes the other way: a recurrent net with plain `for` and `if`, whose tape is
# as long as the word it reads.
