# %% [markdown]
# # Train the article's network four ways, then read digits
#
# You write one small network by hand, on the tape, as a graph and as a Module, and show that
# all four learn the same. Then you ask the question the article leaves out: did it learn anything?

# %% [markdown]
# ## The article says
#
# Near its end the article builds a small network. In our words:
#
# - A network is four sizes: batch, input, hidden, output. The data ask for no gradient. *(C31)*
# - The weights are random floats, and they do ask for one. *(C32)*
# - `mm` multiplies matrices, `clamp` cuts values off at a lower and an upper bound. *(C33)*
# - The squared error, summed up, is a popular measure of how wrong the output is. *(C34)*
# - Gradients have to be set to zero by hand before going backward. *(C35)*
# - `backward()` fills in every gradient that was asked for. A few hundred steps downhill, and
#   the outputs look great. *(C36)*
# - All this runs close to the machine, with hardly any overhead. *(C5)*
#
# You will judge all seven by what your own machine does.

# %% [markdown]
# ## Before you start
#
# You need two things: a matrix product (`a @ b` in NumPy, `a.mm(b)` here), and the idea that
# a gradient says how the loss changes when a number changes a little. The *loss* is one number
# that says how wrong the output is.
#
# The article prints no code. This is the network it tells about: 64 rows of 1000 numbers go in,
# 100 hidden units look at them, 10 numbers come out. Inputs, targets and weights are all random.
# `draw` makes the same random numbers every time, so that all four forms start alike.

# %% setup
import coursekit as kit
import numpy as np
from coursekit import check, claim, expect_error, hint, quiz, show

import minigrad as mg
from minigrad import nn, optim

N, D_in, H, D_out, RATE = 64, 1000, 100, 10, 1e-6


def draw(dtype):
    rng = np.random.default_rng(0)
    sizes = (N, D_in), (N, D_out), (D_in, H), (H, D_out)
    return [rng.standard_normal(size).astype(dtype) for size in sizes]


# %% [markdown]
# ## Predict
#
# Decide before you run anything. Then put your letter into the call, as the last line of each
# question shows, and run the cell again. A wrong guess costs nothing and helps you remember.

# %% predict
quiz("q08.1")
quiz("q08.2")
quiz("q08.3")

# %% [markdown]
# ## Run it four ways
#
# **One: by hand.** Nothing but NumPy. Three lines go forward to the error. Then the same chain
# is walked back from its end, to find how each weight should move. At last both weights take a small
# step downhill. You have to work out the two `grad_` lines yourself; no machine helps.
#
# **Two: the tape.** Now you write only the way forward, `loss_of`. minigrad remembers each operation
# while it computes: that memory is the *tape*. `backward()` reads the tape from its end and leaves a
# gradient in `w.grad`. `descend` is one step of training, in the article's order: zero, backward,
# update. `no_grad` keeps the update itself off the tape. It is no part of the network.


# %% by hand and tape tags=["from-scratch"]
def by_hand(dtype, steps=500):
    x, y, w1, w2 = draw(dtype)
    losses = []
    for _ in range(steps):
        # forward
        h = x @ w1
        r = np.maximum(h, 0)
        error = r @ w2 - y
        losses.append((error**2).sum())
        # backward
        slope = 2 * error
        grad_w2 = r.T @ slope
        grad_w1 = x.T @ ((slope @ w2.T) * (h > 0))
        # downhill
        w1 -= RATE * grad_w1
        w2 -= RATE * grad_w2
    return np.array(losses, float)


def loss_of(x, y, w1, w2):
    return (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()


def descend(loss, weights, rate):
    for w in weights:
        if w.grad is not None:
            w.grad.zero_()
    loss.backward()
    with mg.no_grad():
        for w in weights:
            w -= rate * w.grad
    return loss


def tape_step(w1, w2):
    return lambda x, y: descend(loss_of(x, y, w1, w2), (w1, w2), RATE)


# %% [markdown]
# **Three: the graph.** `x` and `y` are now *placeholders*: names without numbers. The same `loss_of`
# does not compute. It notes down what is to be done, and `gradients` adds what backward needs.
# `compile` turns the notes into a program that can run many times. That will be `graph_step`.
#
# **Four: the Module.** This is how most programs are written today. A *Module* is an object that owns
# its weights, each wrapped in a `Parameter`, which means "train me"; `forward` says what to do with an
# input. An *optimizer*, such as `SGD`, knows the weights and how to change them. So `train` needs no
# weights by name: it fits any network and any loss, and you will use it again for the digits.


# %% a module and its training
class TwoLayers(nn.Module):
    def __init__(self, w1, w2):
        super().__init__()
        self.w1, self.w2 = nn.Parameter(w1), nn.Parameter(w2)

    def forward(self, x):
        return x.mm(self.w1).clamp(min=0).mm(self.w2)


def train(net, loss_of, optimizer, x, y):
    optimizer.zero_grad()
    loss = loss_of(net(x), y)
    loss.backward()
    optimizer.step()
    return loss


# %% [markdown]
# Find the same three moves in `train`: zero, backward, update. Now all is there to make a step of each
# form. `partial` fills in the first arguments of `train`, so that `x` and `y` are left.
#
# And there is **a word more: `jit`.** It takes the tape's own step, runs it once to note down what
# happens, and keeps the graph. Not a line of the step changes.


# %% three more forms
from functools import partial


def graph_step(w1, w2):
    x = mg.placeholder((N, D_in), w1.dtype, name="x")
    y = mg.placeholder((N, D_out), w1.dtype, name="y")
    loss = loss_of(x, y, w1, w2)
    g1, g2 = mg.gradients(loss, [w1, w2])
    return mg.compile([x, y], loss, updates={w1: w1 - RATE * g1, w2: w2 - RATE * g2})


def module_step(w1, w2):
    net, squared_error = TwoLayers(w1, w2), nn.MSELoss(reduction="sum")
    return partial(train, net, squared_error, optim.SGD(net.parameters(), lr=RATE))


def jit_step(w1, w2):
    return mg.jit(tape_step(w1, w2))


# %% [markdown]
# Do they agree? Each form makes 500 steps. After each step we ask how far its loss is from the
# hand-written one, as a share of it. `1e-4` means one part in ten thousand.
#
# We ask twice. `float32` keeps about 7 digits of each number, `float64` about 16. Read `{50: 0.0001}` as: in the
# first 50 steps, no further away than that.

# %% agree
bounds = {np.float32: {50: 1e-4, 150: 1e-3, 500: 5e-2}, np.float64: {500: 1e-8}}
for dtype, limits in bounds.items():
    hand = by_hand(dtype)
    print(f"{dtype.__name__}: within", limits)
    for form in tape_step, graph_step, module_step, jit_step:
        x, y, w1, w2 = map(mg.tensor, draw(dtype))
        step = form(w1.requires_grad_(), w2.requires_grad_())
        losses = np.array([step(x, y).item() for _ in range(500)])
        away = abs(losses / hand - 1)
        agrees = all(away[:steps].max() < limit for steps, limit in limits.items())
        print(f"  {form.__name__:<11} agrees with NumPy by hand: {agrees}")
        assert agrees

# %% [markdown]
# All forms say the same thing. In `float32` they drift apart slowly, and the reason is not
# a mistake: each form may add its numbers in another order, and each sum is rounded. A step feeds its rounding
# into the next one. With 16 digits there is nothing to see of it.

# %% [markdown]
# ## See
#
# First the sizes. A matrix product eats the inner size: `(64, 1000) @ (1000, 100)` is `(64, 100)`.

# %% sizes
formula = [("x", N, D_in), "@", ("w1", D_in, H), "clamp", "@", ("w2", H, D_out)]
formula += ["-", ("y", N, D_out)]
alt = "Matrices to scale: x is wide, w1 is tall, w2 is a thin strip, y is small."
show(kit.matrices(formula, alt, "The article's network, drawn to scale."))
print(f"numbers to learn: {D_in * H + H * D_out:,}")
print(f"numbers to hit:   {N * D_out:,}")

# %% [markdown]
# Now the real things. The first picture is the tape of one loss, read from memory: what ran, and what
# it saved for the way back. The data are not on it, for no gradient has to reach them. The gradients are "not
# computed": nobody has called `backward()` yet.
#
# The second picture is the compiled program. It begins with the same six operations. But the way back and both
# updates are in it too, before a single number was seen.
#
# Under the pictures, two habits of older programs. They zeroed the gradients before the first `backward()`,
# and they read the loss as `loss.data[0]`. Both fail now; read what each message offers in their place.

# %% tape and graph
x, y, w1, w2 = map(mg.tensor, draw(np.float32))
loss = loss_of(x, y, w1.requires_grad_(), w2.requires_grad_())
show(loss)
show(graph_step(w1, w2).show("optimized"))
with expect_error(AttributeError):
    w1.grad.data.zero_()
loss.backward()
with expect_error(IndexError):
    loss.data[0]
text = "Random float32 leaves; backward() leaves a gradient in each"
claim("C32", "V", text, check=all(w.is_leaf and w.grad is not None for w in (w1, w2)))

# %% [markdown]
# `clamp` is the only bend in this network. Without it, two products would be no more than one. Look at
# its slope: inside the bounds a change goes through whole, outside nothing goes through. With `min=0` and no
# upper bound it is what the field calls *relu*.

# %% clamp
z = mg.tensor(np.linspace(-2, 2, 160), requires_grad=True)
cut = z.clamp(min=-1, max=1)
cut.sum().backward()
at, slope = z.detach().numpy(), z.grad.numpy()
ys = {"clamp(z, -1, 1)": cut.detach().numpy(), "its slope": slope}
alt = "clamp rises between its bounds, flat outside; its slope is 1 inside, 0 outside."
show(kit.curves(at, ys, alt, "clamp and its slope.", xlabel="z"))
product = np.allclose(x.mm(w1).detach().numpy(), x.numpy() @ w1.detach().numpy())
text = "Data get no gradient; what was a Variable then is a plain Tensor today"
claim("C31", "V", text, check=x.grad is None and w1.grad.shape == (D_in, H))
text = "mm is the matrix product; clamp is steep inside its bounds, flat outside"
claim("C33", "V", text, check=product and np.array_equal(slope, abs(at) < 1))

# %% [markdown]
# ## Measure
#
# The loss over 500 steps. Mind the axis: from one grid line to the next, the loss is a hundred times larger. From
# ten million down to less than a millionth: that does look great.

# %% loss curve
exact, single = by_hand(np.float64), by_hand(np.float32)
assert 10 * exact[-1] < single[-1] < 1e-9 * single[0]
axes = {"yscale": "log", "xlabel": "step", "ylabel": "loss (log axis)"}
alt = "Both losses fall steeply for 500 steps; at the end float32 lies above float64."
caption = "The loss by hand. With 7 digits it ends at the size of its own rounding."
text = f"float64: from {exact[0]:.1e} to {exact[-1]:.0e}; float32 ends 10 times higher"
ys = {"float64": exact, "float32": single}
show(kit.curves(range(500), ys, alt, caption, text, **axes))

# %% [markdown]
# Are the gradients right? There is a slow way to know. Move one number up a little, then down a little, and see
# how the loss changes: that is a *central difference*. `gradcheck` does so for each number of a small copy
# of the network, and raises an error if the tape says anything else.
#
# Then two small questions. What if nobody zeroes the gradients? And what if we take the mean of the squared
# errors, not the sum?

# %% gradients
from minigrad.testing import gradcheck

small = [array[:6, :6] for array in draw(np.float64)]
print("144 slopes match central differences:", gradcheck(loss_of, small))
x, y, w1, w2 = (mg.tensor(array, requires_grad=True) for array in small)
loss_of(x, y, w1, w2).backward()
once = w1.grad.numpy().copy()
loss_of(x, y, w1, w2).backward()
text = "Two backward calls without a zero between them leave twice the gradient"
claim("C35", "V", text, check=np.allclose(w1.grad.numpy(), 2 * once))
(loss_of(x, y, w1, w2) / 36).backward()
text = "It trains the net; the mean is as common, its step is N * D_out times smaller"
claim("C34", "V", text, check=np.allclose(w1.grad.numpy() - 2 * once, once / 36))

# %% [markdown]
# ## Now real data
#
# So far inputs and targets were random. Nobody can tell whether anything was understood. So here are
# 1797 handwritten digits, 8 by 8 pixels each. 360 of them are *held out*: the network never sees them while
# it learns. Only they can say whether it can read.
#
# Two things change. The output is ten scores, one a digit. And the loss is the *cross-entropy*: it is
# small when the right digit's score stands out from the rest.
#
# The network is built of layers that `nn` brings with it. `Linear(64, 32)` is a matrix product with a
# weight of its own, and adds one number to each output, the *bias*. `ReLU` is our clamp at 0.
# `Sequential` runs them one after the other. The step is `train`, as before.
#
# `learn` takes 50 digits at a time, in a new order each round; what does not fill a last batch is left out. We use
# `float64` (`double()`), so that every machine misreads the same digits.


# %% a reader of digits
def reader(hidden):
    mg.manual_seed(0)
    layers = nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10)
    return nn.Sequential(*layers).double()


def learn(step, images, labels, epochs):
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        for rows in rng.permutation(len(images) // 50 * 50).reshape(-1, 50):
            step(mg.tensor(images[rows]), mg.tensor(labels[rows]))


# %% [markdown]
# The step runs twice: on the tape, and through `jit`. The only difference is the word. `print` shows
# what a Module is made of.


# %% train on digits
def digit_step(net):
    return partial(train, net, nn.CrossEntropyLoss(), optim.SGD(net.parameters(), 0.5))


def read(images, net):
    return net(mg.tensor(images)).argmax(dim=1).numpy()


x_train, y_train, x_test, y_test = kit.split_digits(dtype=np.float64)
tape, graph = reader(32), reader(32)
print(tape)
learn(digit_step(tape), x_train, y_train, epochs=40)
learn(mg.jit(digit_step(graph)), x_train, y_train, epochs=40)
guess = read(x_test, tape)
print("tape and jit read alike:", np.array_equal(guess, read(x_test, graph)))

# %% [markdown]
# How good is it on digits it has never seen? And which ones does it get wrong? Look at them. Some of them you
# would not be sure about either.

# %% misread
accuracy = (guess == y_test).mean()
print("digits:", len(x_train) + len(x_test), "  held out:", len(x_test))
print(f"held-out digits read right: {accuracy:.1%}")
assert accuracy >= 0.95
wrong = np.flatnonzero(guess != y_test)[:9]
titles = [f"{y_test[i]} read as {guess[i]}" for i in wrong]
alt = "Nine held-out digits of 8 by 8 pixels that the network misread."
caption = "Nine digits it got wrong: what was written, and what it read."
show(kit.gallery(x_test[wrong].reshape(-1, 8, 8), titles, alt, caption))

# %% [markdown]
# Now the experiment that the article lacks. Take 200 digits. Train once with their true labels, and once with
# the labels *shuffled*, so that they mean nothing. What does the training data say? What do the
# held-out digits say?

# %% memorise
few, truth, held_out = x_train[:200], y_train[:200], {}
shuffled = np.random.default_rng(1).permutation(truth)
for name, labels in {"true": truth, "shuffled": shuffled}.items():
    net = reader(100)
    learn(mg.jit(digit_step(net)), few, labels, epochs=250)
    seen = (read(few, net) == labels).mean()
    held_out[name] = (read(x_test, net) == y_test).mean()
    assert seen == 1
    print(f"{name:>8} labels: {seen:.0%} in training, {held_out[name]:.0%} held out")
text = "Gradients are right and the loss falls; but nonsense is learned as perfectly"
claim("C36", "O", text, check=held_out["true"] > 0.8 and held_out["shuffled"] < 0.2)

# %% [markdown]
# ## Explain
#
# **Why four forms agree.** They are one formula. By hand, you differentiate on paper. The tape notes down what ran and walks
# back. The graph notes down what will run and adds the way back. A Module is the tape with the weights
# put in order, and `jit` gets its graph from the tape's step. The rules of differentiation are the same entries of one table each time.
#
# **Why the loss alone proves little.** The article's network has 101,000 weights and 640 targets. With so many
# more numbers to turn than numbers to hit, it can hit any targets, even random ones. It learns the rows by
# heart. That the outputs look great is true, and it means nothing before you look at data the network has not seen.
#
# **Why zero by hand.** `backward()` adds. That is useful: two losses can add up to one gradient. The price is that you
# say when a new sum begins. Before the very first `backward()` there is nothing to zero, and `w.grad` is `None`.

# %% [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# The same text runs in PyTorch; only the import differs. What other libraries print was recorded, with
# version and date, so that you need not install them. TensorFlow 1 is minigrad's graph almost word for
# word. TensorFlow 2 has a tape that you switch on; JAX has no tape to see: it makes a function of a function.
#
# The second program is in the older spelling, the one the article tells of. A `Variable` was a tensor
# with a gradient; since PyTorch `0.4` (2018) it is the tensor itself. The two old habits that you met above are in it, each
# in a `try`: PyTorch refuses them as minigrad does.
#
# The third asks for the price of a call: it adds one number, then a million. The claim speaks of
# PyTorch, so both answer. The cell also compares minigrad with plain NumPy on your machine: is a call on
# one number *dear*, and is its price *lost* in a sum of a million?


# %% side by side
def cost(n):
    t, a = mg.ones(n), np.ones(n, np.float32)
    return kit.measure(ours=lambda: t + t, plain=lambda: a + a).seconds


one, million = cost(1), cost(1_000_000)
dear = one["ours"] > 1.2 * one["plain"]
lost = one["ours"] < 0.1 * million["plain"]
kit.compare("08_net")
kit.compare("08_older")
kit.compare("08_overhead")
text = "On one number a call costs more than the work, on a million next to nothing"
claim("C5", "O", text, check=dear and lost)

# %% [markdown]
# ## Exercises
#
# Replace the dots and run the cell. Nothing breaks if you are wrong: you get the first
# case that fails, and a hint that fits your mistake. `hint("08.1")` folds up a hint for
# you; run it again for the next one. The answers are in the [solved
# notebook](../solutions/08_two_layer_network.ipynb).
#
# ### 08.1 The gradient by hand
#
# Without looking back: return the derivative of `loss_of(x, y, w1, w2)` with respect to `w1`. You get tensors.
# Use `mm`, `.T`, `clamp` and comparisons.


# %% exercise 1 tags=["exercise"]
def grad_w1(x, y, w1, w2): ...


check("08.1", grad_w1)
hint("08.1")


# %% solution 1 tags=["solution"]
def grad_w1(x, y, w1, w2):
    h = x.mm(w1)
    error = 2 * (h.clamp(min=0).mm(w2) - y)
    return x.T.mm(error.mm(w2.T) * (h > 0))


check("08.1", grad_w1)
hint("08.1")

# %% [markdown]
# ### 08.2 A leak in place of the clamp
#
# A unit below zero passes no gradient, so it may never come back. Let it leak: `h` where `h` is positive, one
# hundredth of `h` elsewhere. Use `clamp` and nothing else, so that the tape can follow.


# %% exercise 2 tags=["exercise"]
def leaky(h): ...


check("08.2", leaky)


# %% solution 2 tags=["solution"]
def leaky(h):
    return h.clamp(min=0) + 0.01 * h.clamp(max=0)


check("08.2", leaky)

# %% [markdown]
# ### 08.3 Sum or mean
#
# Someone replaces the sum of the squared errors by their mean. Which rate keeps every step the same?


# %% exercise 3 tags=["exercise"]
def rate_for_mean(rate, n, d_out): ...


check("08.3", rate_for_mean)


# %% solution 3 tags=["solution"]
def rate_for_mean(rate, n, d_out):
    return rate * n * d_out


check("08.3", rate_for_mean)

# %% [markdown]
# ### 08.4 The missing zero
#
# Write one step for a network with a single weight matrix: prediction `x.mm(w)`, summed squared error, rate
# 0.01, `w` changed in place. The check makes three steps in a row.


# %% exercise 4 tags=["exercise"]
def step(w, x, y): ...


check("08.4", step)


# %% solution 4 tags=["solution"]
def step(w, x, y):
    if w.grad is not None:
        w.grad.zero_()
    (x.mm(w) - y).pow(2).sum().backward()
    with mg.no_grad():
        w -= 0.01 * w.grad


check("08.4", step)

# %% [markdown]
# ### 08.5 Data that ask for a gradient
#
# Suppose the data `x` of the article's network asked for a gradient too. Does the loss change? Does the gradient
# of `w1` change? What shape has `x.grad`? Answer with `True` or `False` twice, and a shape.

# %% exercise 5 tags=["exercise"]
loss_changes = ...
grad_of_w1_changes = ...
shape_of_x_grad = ...

check("08.5", (loss_changes, grad_of_w1_changes, shape_of_x_grad))

# %% solution 5 tags=["solution"]
loss_changes = False
grad_of_w1_changes = False
shape_of_x_grad = (64, 1000)

check("08.5", (loss_changes, grad_of_w1_changes, shape_of_x_grad))

# %% [markdown]
# ## Recap
#
# A two-layer network is two matrix products with a clamp between them, and its gradient is three more products.
# Written by hand, on the tape, as a graph or as a Module, it learns the same numbers, up to rounding. A falling loss
# shows that the gradients are right; only held-out data show that something was learned.
#
# The words of this lesson, in the glossary: [loss](../guide/glossary.md#loss),
# [gradient](../guide/glossary.md#gradient), [tape](../guide/glossary.md#tape),
# [Module](../guide/glossary.md#module), [Parameter](../guide/glossary.md#parameter),
# [optimizer](../guide/glossary.md#optimizer), [relu](../guide/glossary.md#relu),
# [cross-entropy](../guide/glossary.md#cross-entropy),
# [held-out data](../guide/glossary.md#held-out-data).

# %% [markdown]
# ## Next
#
# [Lesson 09](09_control_flow_runs_once.ipynb) asks what happens to `if` and `for` when a graph is made: Python runs them once, and then never
# again.
