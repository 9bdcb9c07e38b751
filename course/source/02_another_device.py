# %% title [markdown]
# # Move the same code to another device
#
# You write one function for two kinds of machine, watch what has to travel between them,
# and work out when a GPU loses.

# %% article [markdown]
# ## The article says
#
# In our words:
#
# - **C1** PyTorch is like NumPy, but it can also use a GPU.
# - **C6** It rests on libraries of others: MKL for processors, cuDNN and NCCL for GPUs.
# - **C8** NumPy needs extra code to run on a GPU.
# - **C13** CUDA is NVIDIA's language for programming GPUs.
#
# **What this lesson cannot show.** The results stored here come from a machine without a
# GPU, and no run on a GPU has been recorded yet. Where you have one, the cells use it
# too. Otherwise a *simulated GPU* stands in. It knows what would travel and what would be
# launched, but not how fast. So each claim is judged only as far as it was tested.

# %% before [markdown]
# ## Before you start
#
# You need lesson 01. Five words:
#
# - **GPU**: a graphics card used for computing. It has thousands of small cores and a
#   memory of its own. The usual processor is also called the *CPU*.
# - **host** and **device**: the processor with its memory, and the GPU with its own.
# - **transfer**: copying data from one of the two memories to the other.
# - **kernel**: a small program that runs on the device, once for each number.
# - **launch**: the host asks the device to run a kernel.

# %% setup
import difflib
import inspect

import coursekit as kit
import numpy as np
from coursekit import check, claim, expect_error, hint, quiz, show
from coursekit.gpu_pictures import kernel_text, layers, thread_grid, timeline

import minigrad as mg
from minigrad.gpu.device import current

# %% predict [markdown]
# ## Predict
#
# Decide first; then write your letter into the call and run the cell again.

# %% predict-four-things
quiz("q02.1")
quiz("q02.2")
quiz("q02.3")
quiz("q02.4")

# %% run [markdown]
# ## Run
#
# Here is a function for NumPy, and the same for any **array module** `xp`: for CuPy, which
# is NumPy's twin on NVIDIA's GPUs, or for that of a simulated GPU.


# %% two-functions
def score(np, x):
    centred = x - x.mean()
    spread = np.sqrt((centred * centred).mean())
    return centred / spread


def score_on(xp, x):
    x = xp.asarray(x)
    centred = x - x.mean()
    spread = xp.sqrt((centred * centred).mean())
    return xp.asnumpy(centred / spread)


# %% two-functions-read [markdown]
# How much extra code is that? We let Python compare the two texts, line by line. The
# name of the module does not count: it is only a name.

# %% difference
before = inspect.getsource(score).replace("np.", "xp.").splitlines()[1:]
after = inspect.getsource(score_on).splitlines()[1:]
changes = [row for row in difflib.ndiff(before, after) if row[0] in "+-"]
print("\n".join(changes))
extra = [row for row in changes if "asarray" in row or "asnumpy" in row]
print("lines that differ:", len(extra))

# %% difference-read [markdown]
# Two lines: the way there, and the way back. (The `-` line is the last one without its
# way back.) Does it work?

# %% same-numbers
years, flow = kit.load_nile()
plain = score(np, flow)
with mg.cuda.simulate() as log:
    moved = [score_on(current().xp, flow)]
if mg.cuda.is_available():  # a real one
    moved.append(score_on(current().xp, flow))
agree = [np.allclose(plain, other, rtol=1e-9) for other in moved]
print("the same numbers everywhere:", all(agree))
print(log)

# %% same-numbers-read [markdown]
# They agree. The other lines are the log of the simulated GPU: 100 numbers of 8 bytes went
# in, six kernels were launched, 100 numbers came back.
#
# And tensors? For them nothing is written twice. `score` above is for NumPy; we give it
# minigrad in the place of `np`, and a tensor that has moved. `.to("cuda")` is the way
# there, `.cpu()` the way back.

# %% tensors-move
with mg.cuda.simulate() as tensor_log:
    there = score(mg, mg.tensor(flow).to("cuda"))
    print("computed on", there.device)
    agree.append(np.allclose(plain, there.cpu().numpy(), rtol=1e-9))
print("transfers:", tensor_log.transfers, "  the same numbers:", agree[-1])

with mg.cuda.simulate(), expect_error(mg.errors.DeviceError):
    mg.tensor(flow).to("cuda") + mg.tensor(flow)

# %% forgotten [markdown]
# The last two lines forgot one of the ways. The two memories do not mix, and the message
# says what is where.

# %% see [markdown]
# ## See
#
# This is the log as a picture. Time runs to the right. Arrows are transfers, boxes are
# launches.

# %% good-timeline
show(timeline(log, "There once, six kernels, back once."))

# %% chatty-read [markdown]
# Now a version that looks innocent. It wants to know the mean and the spread as Python
# numbers. Each question is a transfer. (A tensor's `mean` is two kernels: it adds up, then
# it divides.)


# %% chatty
def chatty(x):
    centred = x - x.mean().item()
    spread = (centred * centred).mean().item() ** 0.5
    return centred / spread


with mg.cuda.simulate() as talk:
    back = chatty(mg.tensor(flow).to("cuda")).cpu()
same = np.allclose(plain, back.numpy())
print("same numbers:", same, "  transfers:", talk.transfers)
show(timeline(talk, "Two questions in the middle: two more ways back."))

# %% chatty-cost-read [markdown]
# Eight bytes are quickly copied. But the host has to *wait* for them: everything that
# was launched must be finished first. That is why `loss.item()` in each step of a
# training loop is a well known brake.
#
# ### A kernel
#
# What is it that is launched? In CUDA, the element-wise kernel for `y = a * x + b` can be
# written like this:
#
# ```c
# __global__ void scale_add(float *x, float *y, float a, float b, int n) {
#   int i = blockIdx.x * blockDim.x + threadIdx.x;
#   if (i < n) y[i] = a * x[i] + b;
# }
# ```
#
# It is written for **one** number. Thousands of threads run it at once, and each works out
# from its place which number is its own: `i`. Here is the kernel that minigrad itself
# prints for such a line, and under it who takes what, if blocks have four threads.

# %% kernel-text
x = mg.placeholder((10,), name="x")
y = 2.0 * x + 1.0
print(kernel_text(y))
show(thread_grid(n=10, threads=4))

# %% kernel-read [markdown]
# Threads come in **blocks** of one size. Ten numbers do not fill three blocks of four, so
# two threads have nothing to do. The `if (i < n)` sends them home. In minigrad's kernel
# the condition `i < 10` of a loop does so. The loop is there for large arrays: a thread
# that is done with one number takes another, as many threads further on.
#
# ## Measure
#
# ### What a library is worth
#
# C6 speaks of libraries. One of them, BLAS, multiplies matrices on the processor. NumPy
# brings one along. We multiply matrices of 128 by 128 in three ways: loops in Python
# (for 16 of the rows only, times 8), loops in C without BLAS, and BLAS.

# %% three-products tags=["nbval-ignore-output"]
left, right = np.random.default_rng(0).random((2, 128, 128)).astype(np.float32)
rows, columns = left[:16].tolist(), right.T.tolist()
ways = kit.measure(
    python=lambda: [[sum(map(float.__mul__, r, c)) for c in columns] for r in rows],
    c_loops=lambda: np.einsum("ij,jk->ik", left, right),
    blas=lambda: left @ right,
)
ways.seconds["python"] *= 8
alt = "Bars on a logarithmic axis: Python loops longest, C loops next, BLAS shortest."
show(ways.figure(alt, "A product of two 128 by 128 matrices, three ways."))
print("NumPy's BLAS:", np.show_config("dicts")["Build Dependencies"]["blas"]["name"])

# %% stack-read [markdown]
# Same work, same numbers. C beats Python, and a library that knows the processor beats
# plain C. This is what your one line stands on. The dotted half was not run here: on a GPU
# cuBLAS and cuDNN do the work of BLAS, and NCCL lets several GPUs add up.

# %% stack
caption = "What one line stands on. White and dotted: needs a GPU, not used here."
show(layers(), caption=caption)

# %% break-even-read [markdown]
# ### When the GPU loses
#
# Let us put prices on the log. **These prices are assumed**, round numbers of the usual
# size, not measured here: a transfer takes 10 microseconds to begin and then moves 20 GB
# a second; a launch takes 5 microseconds; the device's own memory moves 1000 GB a second,
# the host's 20. An element-wise operation reads and writes 8 bytes a number.


# %% break-even
def on_host(n, operations):
    return operations * (1e-6 + 8 * n / 20e9)


def on_device(n, operations):
    transfers = 2 * (10e-6 + 4 * n / 20e9)
    return transfers + operations * (5e-6 + 8 * n / 1000e9)


for size in (1_000, 100_000):
    faster = on_device(size, 10) < on_host(size, 10)
    print(f"10 in a row, {size:,} numbers: GPU faster: {faster}")

# %% break-even-curves
n = np.logspace(2, 8, 6001)
gain = {f"{k} in a row": on_host(n, k) / on_device(n, k) for k in (1, 10, 100)}
for name, times in gain.items():
    wins = f"from {n[times > 1][0]:,.0f} numbers on" if times.max() > 1 else "never"
    print(f"{name}: the GPU wins {wins}")
axes = {"xscale": "log", "yscale": "log", "xlabel": "numbers", "ylabel": "host / GPU"}
alt = "Three rising curves: 1 operation stays below 1, a hundred rise above 30."
show(kit.curves(n, gain, alt, "Time on the host over time on the GPU.", **axes))

# %% break-even-result [markdown]
# Above 1 the GPU wins. A single operation never pays for its way. Ten in a row do, and a
# hundred in a row, as in a network, pay earlier and gain far more. So: move data once, and
# do much with it.

# %% judge [markdown]
# Time to judge, and to be careful with words. What was not run is not verified.

# %% verdicts
text = "The same text gives NumPy's numbers on tensors; nothing was run on a GPU here"
claim("C1", "V", text, check=agree[-1])
text = "A BLAS, as MKL is one, beats plain C and Python loops; cuDNN, NCCL: not run"
fast = ways.faster("blas", "c_loops") and ways.faster("blas", "python", 10)
claim("C6", "V", text, check=fast)
text = "Two more lines, there and back; tried on a simulated GPU, not on a real one"
claim("C8", "V", text, check=len(extra) == 2 and all(agree))
text = "A platform and an extension of C++; here the text of a kernel, not run on a GPU"
guide = "NVIDIA, CUDA C++ Programming Guide 12.6.1"
claim("C13", "S", text, source=guide, date="2024-08-29")

# %% explain [markdown]
# ## Explain
#
# **How can one text run on both?** Because it asks `xp` and its arrays for everything.
# `centred * centred` means what the object on its left says it means: NumPy's array
# computes at once, a GPU's array launches a kernel and goes on.
#
# **How can one kernel do all numbers?** Here is a device of your own. A launch is two
# loops, over blocks and over threads. A real GPU does not loop: it runs them side by side
# and in no fixed order. So no thread may wait for the result of another.


# %% from-scratch tags=["from-scratch"]
def launch(kernel, blocks, threads, *args):
    """Run the kernel once for each thread of each block."""
    for block in range(blocks):
        for thread in range(threads):
            kernel(block, thread, threads, *args)


def scale_add(block, thread, threads, x, y, a, b, n):
    i = block * threads + thread
    if i < n:
        y[i] = a * x[i] + b


x, y = np.arange(10.0), np.full(10, np.nan)
launch(scale_add, 3, 4, x, y, 2.0, 1.0, 10)
print(y)
print("as NumPy says:", np.array_equal(y, 2 * x + 1))


def without_guard(block, thread, threads, x, y, a, b, n):
    i = block * threads + thread
    y[i] = a * x[i] + b


with expect_error(IndexError):
    launch(without_guard, 3, 4, x, y, 2.0, 1.0, 10)

# %% from-scratch-read [markdown]
# Python stops at the eleventh number. CUDA does not: without its guard, a kernel reads
# and writes memory that is not its own.

# %% the-same-in [markdown]
# ## The same in PyTorch, TensorFlow and JAX
#
# PyTorch and minigrad name the device by a word, and `x.to(...)` and `x.cpu()` are the
# transfers. TensorFlow asks *where* a block of lines is to run, and moves what it needs
# there by itself. JAX puts an array on a device, and what is computed from it stays there.
# All programs below stay on the processor; what the other libraries print was recorded.

# %% side-by-side
kit.compare("02_device")

# %% exercises [markdown]
# ## Exercises
#
# Replace the dots and run the cell. `hint("02.1")` asks for a hint. The answers are in
# the [solved notebook](../solutions/02_another_device.ipynb).
#
# ### 02.1 Three transfers too many
#
# This function makes five transfers. Write it with two, so that it gives the same array.
# `xp` is the array module of a simulated GPU, `x` an array of NumPy.
#
# ```python
# def relative(xp, x):
#     y = xp.asnumpy(xp.asarray(x) * 2)
#     z = xp.asarray(y + 1)
#     top = float(z.max())
#     return xp.asnumpy(z / top)
# ```


# %% exercise-relative tags=["exercise"]
def relative(xp, x):
    return ...


check("02.1", relative)
hint("02.1")


# %% tags=["solution"]
def relative(xp, x):
    z = xp.asarray(x) * 2 + 1
    return xp.asnumpy(z / z.max())


check("02.1", relative)

# %% exercise-kernel-task [markdown]
# ### 02.2 The body of a kernel
#
# Write the kernel of `y = clamp(x, min=0)` for **one** thread, as in `scale_add` above:
# which number is mine, is there one, and what do I write? `y` is full of old numbers.


# %% exercise-kernel tags=["exercise"]
def clamp_kernel(block, thread, threads, x, y, n): ...


check("02.2", clamp_kernel)


# %% tags=["solution"]
def clamp_kernel(block, thread, threads, x, y, n):
    i = block * threads + thread
    if i < n:
        y[i] = max(x[i], 0.0)


check("02.2", clamp_kernel)

# %% exercise-break-even-task [markdown]
# ### 02.3 From which size on?
#
# Somebody measured. `sizes` grow; `host` and `device` are the seconds for each size.
# Return the first size from which on the device is faster *and stays* faster, or None if
# there is no such size.


# %% exercise-break-even tags=["exercise"]
def break_even(sizes, host, device):
    return ...


check("02.3", break_even)


# %% tags=["solution"]
def break_even(sizes, host, device):
    found = None
    for size, h, d in zip(sizes, host, device):
        if d >= h:
            found = None
        elif found is None:
            found = size
    return found


check("02.3", break_even)

# %% exercise-log-task [markdown]
# ### 02.4 Predict the log
#
# How many transfers and how many launches does the simulated GPU write down?
#
# ```python
# x = xp.asarray(data)
# for step in range(3):
#     x = x * 2 - 1
#     if x.max() > 100:
#         break
# result = xp.asnumpy(x)
# ```
#
# The loop is never left early. Answer with two numbers.

# %% exercise-log tags=["exercise"]
my_log = [..., ...]

check("02.4", my_log)

# %% tags=["solution"]
my_log = [5, 12]

check("02.4", my_log)

# %% recap [markdown]
# ## Recap
#
# One text runs on another device if it asks the array module for everything; two more
# lines move the data there and back. Transfers and launches cost time before anything is
# computed, so a GPU wins where much is done with what was moved once. Under your line
# stand libraries, and they, not Python, are fast.
#
# The words of this lesson, in the glossary: [device](../guide/glossary.md#device),
# [host](../guide/glossary.md#host), [transfer](../guide/glossary.md#transfer),
# [kernel](../guide/glossary.md#kernel), [launch](../guide/glossary.md#launch), [array
# module](../guide/glossary.md#array-module).

# %% next [markdown]
# ## Next
#
# [Lesson 03](03_line_by_line.ipynb) asks *when* a line computes: at once, or after the whole graph is there.
