"""Generated code stays inside its memory and inside C: run under gcc's sanitizers.

Of addresses (reads and writes out of bounds) and of undefined behaviour (casts, shifts,
alignment). Each ends the process with the first thing it finds. Nothing is optimised, so
that all that is written in C takes place; and the compiler takes a third of the time.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SCRIPT = """
import numpy as np
import minigrad as mg
from minigrad.testing import samples
from minigrad.ops import TABLE
import minigrad.static.program as program

mg.set_default_target("native")
count = 0

def run(outputs, feeds):
    global count
    p = program.Program(list(feeds), outputs, {})
    assert p.target == "native", p.fallback
    count += 1
    return p(*feeds.values())

outputs, feeds = [], {}
for op in (op for op in TABLE.values() if op.kind not in ("effect", "matrix")):
    for args, attrs in samples(op):
        nodes = [mg.placeholder(a.shape, a.dtype) for a in args]
        feeds |= dict(zip(nodes, args))
        outputs.append(op(*nodes, **attrs))
floats = [y.sum() for y in outputs if y.dtype.kind == "f"]
found = mg.gradients(floats, [x for x in feeds if x.dtype.kind == "f"])
run([*outputs, *(g for g in found if g is not None)], feeds)

rng = np.random.default_rng(0)
x = mg.placeholder((33, 70)); y = mg.placeholder((70, 41)); i = mg.placeholder((5,), mg.int64)
w = mg.variable(rng.normal(size=(33, 41)).astype("f"))
h = (x @ y).relu() + w
g = mg.gradients((h.softmax(1) * h[i].sum(0)).sum(), [x, y, w])
p = mg.compile([x, y, i], [h[::-2, 3], h.T.reshape(-1), *g], updates={w: w - 0.1 * g[2]})
feeds = [rng.normal(size=s).astype("f") for s in ((33, 70), (70, 41))]
p(*feeds, np.array([0, 32, -33, 4, 4]))
for bad in (33, -34):
    try:
        p(*feeds, np.array([0, bad, 0, 0, 0]))
    except mg.errors.MinigradError as error:
        count += "out of bounds" in str(error)
big = mg.placeholder((70001,))
run([(big * 2).sum(), big.exp().max(0).values, (big.reshape(-1, 1) + 1).sum(0)], {big: np.ones(70001, "f")})

x, bound = mg.placeholder((3,), mg.float64), mg.placeholder((), mg.float64)
y = mg.while_loop(lambda y: y.sum() < bound, lambda y: (y * y + 0.1).sqrt(), x)
step = lambda h, v: (mg.cond(v.sum() > 0, lambda: (h * v).sin(), lambda: h[::-1]), h * v)
h, ys = mg.scan(step, y, mg.stack([y, -y, y[::-1], x]), reverse=True)
outputs = [h, ys, mg.gradients((ys * ys).sum() + h.sum(), x)]
p = mg.compile([x, bound], outputs)
assert p.target == "native", p.fallback
for end in (1.0, 30.0, 2.0, 50.0):
    p(np.ones(3), end)
    count += 1

xs = mg.placeholder((7, 5, 33)); w = mg.variable(rng.normal(size=(33, 64)).astype("f"))
u = mg.variable(rng.normal(size=(64, 64)).astype("f") * 0.1)
h = mg.scan(lambda h, v: ((v @ w + h @ u).tanh(), None), np.zeros((5, 64), "f"), xs)[0]
gs = mg.gradients((h * h).sum(), [w, u])
p = mg.compile([xs], h, updates={w: w - 0.1 * gs[0], u: u - 0.1 * gs[1]})
assert p.target == "native", p.fallback
for _ in range(3):
    p(rng.normal(size=(7, 5, 33)).astype("f"))
    count += 1

F = mg.nn.functional
x, w = mg.placeholder((2, 64, 4, 6)), mg.variable(rng.normal(size=(64, 64, 1, 1)).astype("f"))
k = mg.variable(rng.normal(size=(64, 16, 3, 3)).astype("f"))
step = lambda h, v: (F.conv2d(h + v, k, stride=1, padding=1, groups=4).relu(), F.max_pool2d(h, 2))
h, ys = mg.scan(step, F.conv2d(x, w), mg.stack([x, x]))
run([h, ys, *mg.gradients(h.sum() + ys.square().sum(), [x, w, k])], {x: np.ones((2, 64, 4, 6), "f")})
print("ran", count)
"""


# The last of several -O counts.
WATCHED = "-fsanitize=address,undefined -fno-sanitize-recover=all -O0"


def environment(folder):
    """What makes a Python whose programs are watched, or a reason to skip."""
    gcc = shutil.which("gcc")
    ask = [gcc or "gcc", "-print-file-name=libasan.so"]
    there = subprocess.run(ask, capture_output=True, text=True).stdout if gcc else ""
    if not os.path.isabs(there):
        pytest.skip("gcc's address sanitizer is not installed")
    watched = Path(folder, "watched-gcc")
    watched.write_text(f'#!/bin/sh\nexec {gcc} "$@" {WATCHED}\n')
    watched.chmod(0o755)
    return os.environ | {
        "CC": str(watched),
        "LD_PRELOAD": os.path.realpath(there.strip()),
        "ASAN_OPTIONS": "detect_leaks=0",
        "MINIGRAD_CACHE": str(folder),
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(ROOT),
    }


def run(folder, *command):
    done = subprocess.run(
        [sys.executable, *command],
        env=environment(folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_programs_touch_their_own_memory_alone_and_do_what_c_defines(tmp_path):
    assert run(tmp_path, "-c", SCRIPT) == "ran 12\n"


MISTAKES = {
    "heap-buffer-overflow": "((volatile float *)p[0])[1 << 10] = 1",
    "null pointer": "int *volatile q = 0; return *q",
    "shift exponent": "volatile int n = 40; return 1 << n",
}


@pytest.mark.parametrize("said", MISTAKES)
def test_a_program_that_does_not_would_be_found(tmp_path, said):
    source = f"int program(void **p) {{ {MISTAKES[said]}; return 0; }}\n"
    script = (
        "import ctypes, numpy as np; from minigrad.native import build;"
        f"library = build.load({source!r}); a = np.empty(1 << 10, 'f');"
        "library.program((ctypes.c_void_p * 1)(a.ctypes.data))"
    )
    with pytest.raises(AssertionError, match=said):
        run(tmp_path, "-c", script)


@pytest.mark.full
@pytest.mark.parametrize(
    "tests", ["equal", "control", "control_alike", "jit", "source", "calls", "timers"]
)
def test_the_programs_of_the_other_tests_do_not_either(tmp_path, tests):
    run(tmp_path, "-m", "pytest", "-q", "-x", f"tests/native/test_{tests}.py")
