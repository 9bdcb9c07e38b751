# %% title [markdown]
# # Start here: see a picture of your own code
#
# You run your first cells, look at the graph of your own lines, and try out everything
# that the lessons use: pictures, questions, exercises, hints. Ten minutes.

# %% run [markdown]
# ## Run a cell
#
# This page is a *notebook*. The grey boxes hold Python; they are called *cells*. Click
# on the one below and press **Shift + Enter**: the cell runs and its result appears
# under it. Then go on with the next. (The results you see already are from our run;
# yours replace them.)
#
# `mg` is short for *minigrad*, the library of this course. A number that goes through
# `mg.tensor` can be followed. The words `requires_grad=True` ask for that; lesson 06
# tells what else they do.

# %% three-lines
import minigrad as mg

each = mg.tensor(3.0, requires_grad=True)
postage = mg.tensor(4.0, requires_grad=True)
price = 5 * each + postage
print(price.item())

# %% see [markdown]
# ## See
#
# Five pieces at 3 each and 4 for postage: 19. And here is what your line really did,
# read from memory after it ran.

# %% first-picture
from coursekit import show

show(price, caption="Your line, as it ran. Follow the arrows from top to bottom.")

# %% first-picture-read [markdown]
# Read it like this:
#
# - The two barrels are the numbers you gave. They bear the names from your own code.
# - The other boxes are operations: `mul` multiplies, `add` adds. The one with the double
#   line is the result.
# - The 5 is not drawn. It is a plain Python number, and nobody asked to follow it.
# - `a` and `b` at the arrows mean the first and the second thing that goes in, and `()`
#   means a single number. *grad* and *saved* belong to a later lesson. Let them stand.
#
# Now make it yours. Change the line `price = ...` in the first cell, for example into
# `price = (each + postage) * each`, and run both cells again. The picture changes with
# your code. Every lesson has pictures like this one, and none of them is drawn by hand.

# %% predict [markdown]
# ## Predict
#
# You remember best what you guessed first. So each lesson begins with questions. Run
# the cell, choose a letter, write it into the call like this: `quiz("q00.1", "a")`, and
# run the cell again. Wrong letters explain themselves too.

# %% first-question
from coursekit import check, hint, predict, quiz

quiz("q00.1")

# %% predict-a-number [markdown]
# Sometimes you are asked for a value instead. Replace the three dots by your guess: what
# is the price of 10 pieces, with the same postage? Then run the cell.

# %% first-prediction
guess = predict("What do 10 pieces cost?", ...)
guess.turned_out(10 * each + postage)

# %% errors-read [markdown]
# Errors belong to learning. Some cells make one on purpose, and print its message. Read
# it from the top: what was expected, what came instead, what helps. `(3,)` means three
# numbers in a row.

# %% first-error
from coursekit import expect_error

with expect_error(mg.errors.ShapeError):
    mg.ones(3) + mg.ones(4)

# %% map [markdown]
# ## The course
#
# An article compares PyTorch and TensorFlow, the two best known libraries for
# neural networks. It makes 41 claims. In this course you test them, one after the other,
# by experiments that run on your machine. At the end you hold a verdict on each.
#
# Here is the way. Go from 00 to 14, or pick what you need: each lesson says at its
# beginning what it builds on. Every word that a lesson explains is in the
# [glossary](../guide/glossary.md) too.

# %% course-map
from coursekit import course_map

show(course_map())

# %% exercises [markdown]
# ## Exercises
#
# Replace the three dots and run the cell. `check` tells you whether you are right; if
# not, where and why. Nothing can break. Every solution is in the [solved
# notebook](../solutions/00_start_here.ipynb).
#
# ### 00.1 Make a check pass
#
# Let `double(x)` return two times `x`.


# %% exercise-double tags=["exercise"]
def double(x):
    return ...


check("00.1", double)


# %% tags=["solution"]
def double(x):
    return 2 * x


check("00.1", double)

# %% exercise-only-two-task [markdown]
# ### 00.2 Fail on purpose
#
# How does `check` know? It runs your function on several numbers. So being right once
# is not enough. Write `only_two(x)` so that it gives the double of 2 when `x` is 2, and
# something else than the double when `x` is 0, 1, 3 or 4. Then you will see what check
# 00.1 says to such a function.


# %% exercise-only-two tags=["exercise"]
def only_two(x):
    return ...


check("00.2", only_two)


# %% tags=["solution"]
def only_two(x):
    return x + 2


check("00.2", only_two)

# %% exercise-hint-task [markdown]
# ### 00.3 Ask for a hint
#
# How many lessons come after this one? If you do not know, run the cell with `hint` and
# open what appears. Run it again for the next hint: there are three, and the last one
# gives it away.

# %% ask-for-a-hint
hint("00.3")

# %% exercise-lessons-left tags=["exercise"]
lessons_left = ...

check("00.3", lessons_left)

# %% tags=["solution"]
lessons_left = 14

check("00.3", lessons_left)

# %% progress-read [markdown]
# Do you want the course to remember what you solved? `progress()` shows it. Nothing is
# kept before you ask for it, and nothing ever leaves your machine.

# %% see-progress
from coursekit import progress

progress()

# %% machine [markdown]
# ## Your machine
#
# One last look: is all there that the lessons need? No lesson needs a graphics card or
# the internet.

# %% is-it-ready
from coursekit import ready

ready()

# %% machine-read [markdown]
# If something is missing, the last line says what to do. For versions, and for what is
# nice to have (a graphics card, a C compiler), type `python -m coursekit doctor` in a
# terminal.

# %% next [markdown]
# ## Next
#
# [Lesson 01](01_tensors_you_already_know.ipynb) takes the arrays that you may know from NumPy and shows that they are here
# already, under the name of tensors.
