"""Random programs of views and in-place writes: PyTorch, the tape and jit agree.

A program is Python source that means the same under PyTorch and minigrad, so a failure
prints a script that can be run by hand. Views share memory, writes go through any of
them, some lines run under `no_grad`, and some tensors are leaves that require grad.
"""

import random

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd.checking import numerical_gradient
from minigrad.errors import MinigradError
from minigrad.static import pieces

LEAVES = {"a": (2, 3), "b": (3, 2), "c": (2, 3), "d": (3,)}
WITH_GRAD = ("a", "b")
BLOCK = 25  # programs a test

# PyTorch refuses some programs that are right. Checked by difference quotients instead.
TORCH_ALONE_REFUSES = (
    "modified by an inplace operation",  # it saves operands that no rule here needs
    "refer to a single memory location",  # it does not compute aside what overlaps
    "a leaf Variable that requires grad",  # a view older than what gave its base a tape
    "A view was created in no_grad mode and its base",  # to turn a tensor writes nothing
)

# Programs that both compute, with different results.
TORCH_DIFFERS = {
    2552: "operands that overlap unnoticed: PyTorch reads what it has just written",
    3856: "PyTorch lays results out like their operands, so its reshape may copy "
    "where ours is a view, and a write through it is not seen",
}

# PyTorch writes into a part of an expanded tensor whose elements do not share memory.
MINIGRAD_ALONE_REFUSES = ("this memory cannot be written",)

# jit refuses what would leave a tape behind on a tensor from outside.
JIT_ALONE_REFUSES = ("now carries a tape", "cannot change the shape of its state")


# --- making programs ---------------------------------------------------------------------


class Writer:
    """Writes one random program; knows the shape of every name, and nothing more."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.shapes = dict(LEAVES)
        self.of_leaf = set(WITH_GRAD)  # names that show the memory of such a leaf
        self.cut = False  # does something stop gradients?
        self.lines = []
        for _ in range(self.rng.randint(4, 9)):
            self.line()

    def line(self):
        kinds = [self.view, self.compute, self.write]
        (kind,) = self.rng.choices(kinds, weights=(4, 2, 4))
        text = kind()
        if text is None:
            return
        if self.rng.random() < 0.15:
            text, self.cut = f"with lib.no_grad(): {text}", True
        self.lines.append(text)

    def pick(self, names=None):
        # Later names are likelier, so that programs get deep.
        names = list(self.shapes if names is None else names)
        return self.rng.choices(names, weights=range(1, len(names) + 1))[0]

    def new(self, shape, views=None):
        name = f"t{len(self.shapes) - len(LEAVES)}"
        self.shapes[name] = tuple(shape)
        if views in self.of_leaf:
            self.of_leaf.add(name)
        return name

    def key(self, shape):
        """A basic index that leaves at least one element."""
        parts = []
        for n in shape[: self.rng.randint(1, len(shape))] if shape else []:
            first = self.rng.randrange(n)
            parts.append(
                self.rng.choice(
                    [":", str(first), str(first - n), f"{first}:", ":-1" * (n > 1)]
                    + [f":{first + 1}", "::2"]
                )
                or ":"
            )
        if self.rng.random() < 0.15:
            parts.insert(self.rng.randint(0, len(parts)), "None")
        if not parts or self.rng.random() < 0.15:
            parts.append("...")
        key = ", ".join(parts)
        return key, eval(f"x[{key}]", {"x": np.empty(shape)}).shape

    def view(self):
        x = self.pick()
        shape, rng = self.shapes[x], self.rng
        n = len(shape)
        size = int(np.prod(shape))
        kind = rng.choice(
            ["index", "index", "permute", "reshape", "expand", "squeeze", "unsqueeze"]
            + ["flatten", "transpose", "detach"]
        )
        if kind == "index":
            key, new = self.key(shape)
            return f"{self.new(new, x)} = {x}[{key}]"
        if kind == "permute":
            dims = rng.sample(range(n), n)
            new = [shape[d] for d in dims]
            return f"{self.new(new, x)} = {x}.permute({tuple(dims)})"
        if kind == "transpose" and n >= 2:
            i, j = rng.sample(range(n), 2)
            new = list(shape)
            new[i], new[j] = new[j], new[i]
            return f"{self.new(new, x)} = {x}.transpose({i}, {j - n})"
        if kind == "reshape":
            k = rng.choice([k for k in range(1, size + 1) if size % k == 0])
            return f"{self.new((k, size // k), x)} = {x}.reshape({k}, -1)"
        if kind == "flatten":
            return f"{self.new((size,), x)} = {x}.flatten()"
        if kind == "expand" and size <= 12:
            return f"{self.new((2, *shape), x)} = {x}.expand(2, *{shape})"
        if kind == "squeeze":
            new = [m for m in shape if m != 1]
            return f"{self.new(new, x)} = {x}.squeeze()"
        if kind == "unsqueeze":
            d = rng.randint(0, n)
            return f"{self.new((*shape[:d], 1, *shape[d:]), x)} = {x}.unsqueeze({d})"
        if kind == "detach":
            self.cut = True
            return f"{self.new(shape)} = {x}.detach()"
        return None

    def fitting(self, shape, exact=False):
        """A name that broadcasts to `shape`, or a number."""
        names = [
            name
            for name, other in self.shapes.items()
            if other == shape
            or (not exact and other in (shape[i:] for i in range(len(shape))))
        ]
        if not names or self.rng.random() < 0.2:
            return str(self.rng.choice([0.5, -1.5, 2]))
        return self.pick(names)

    def compute(self):
        x = self.pick()
        shape = self.shapes[x]
        y = self.fitting(shape)
        text, new = self.rng.choice(
            [
                (f"{x} * {y}", shape),
                (f"{x} + {y}", shape),
                (f"{y} - {x}", shape),
                (f"{x} / ({x} * {x} + 1)", shape),
                (f"{x}.tanh()", shape),
                (f"{x}.relu()", shape),
                (f"{x}.clone()", shape),
                (f"{x}.sum(0)", shape[1:]),
                (f"{x}.reshape(-1, 1) @ {x}.reshape(1, -1)", None),
            ]
        )
        if new is None:
            new = (int(np.prod(shape)),) * 2
            if new[0] > 6:
                return None
        return f"{self.new(new)} = {text}"

    def write(self):
        targets = list(self.shapes)
        if self.rng.random() < 0.9:  # most programs should get past a leaf
            targets = [name for name in targets if name not in self.of_leaf]
        x = self.pick(targets)
        shape = self.shapes[x]
        y = self.fitting(shape)
        kind = self.rng.choice(
            ["binary"] * 4 + ["unary", "fill", "key", "key", "array"]
        )
        if kind == "binary":
            name = self.rng.choice(["mul_", "add_", "sub_", "copy_", "mul_"])
            if name == "copy_" and not y.isidentifier():
                name = "fill_"
            return f"{x}.{name}({y})"
        if kind == "unary":
            name = self.rng.choice(["tanh_", "sigmoid_", "relu_", "neg_", "exp_"])
            return f"{x}.{name}()"
        if kind == "fill":
            return self.rng.choice([f"{x}.zero_()", f"{x}.fill_(0.5)", f"{x}.div_(2)"])
        if kind == "key":
            key, part = self.key(shape)
            sign = self.rng.choice(["=", "=", "+=", "*="])
            return f"{x}[{key}] {sign} {self.fitting(part)}"
        if not shape:
            return None
        rows = [self.rng.randrange(shape[0]) for _ in range(2)]
        rows = sorted(set(rows))
        value = self.fitting((len(rows), *shape[1:]))
        return self.rng.choice([f"{x}[{rows}] = {value}", f"{x}[{x} > 0] = 0.25"])

    def source(self):
        """The program as a function of its leaves."""
        names = list(self.shapes)
        chosen = self.rng.sample(names, min(4, len(names)))
        loss = " + ".join(
            f"({name} * {name} * {0.3 + 0.1 * i:.1f}).sum()"
            for i, name in enumerate(chosen)
        )
        lines = [f"def program(lib, {', '.join(LEAVES)}):", *self.lines]
        lines += [f"loss = {loss}", f"return loss, [{', '.join(names)}]"]
        return "\n    ".join(lines) + "\n"


class WriterOfMoreViews(Writer):
    """Half of the views are of the kinds that are made of the basic ones."""

    def view(self):
        x = self.pick()
        shape, rng = self.shapes[x], self.rng
        n = len(shape)
        if rng.random() < 0.5 or n < 2 or 0 in shape:
            return super().view()
        i, j = rng.sample(range(n), 2)
        rest = [m for k, m in enumerate(shape) if k not in (i, j)]
        kind = rng.choice(
            ["diagonal", "diagonal", "select", "narrow", "movedim", "split"]
        )
        if kind == "diagonal":
            offset = rng.randint(1 - shape[i], shape[j] - 1)
            size = min(shape[i] + min(offset, 0), shape[j] - max(offset, 0))
            name = self.new((*rest, size), x)
            return f"{name} = {x}.diagonal({offset}, {i}, {j - n})"
        if kind == "select":
            index = rng.randint(-shape[i], shape[i] - 1)
            new = [m for k, m in enumerate(shape) if k != i]
            return f"{self.new(new, x)} = {x}.select({i}, {index})"
        if kind == "movedim":
            new = [m for k, m in enumerate(shape) if k != i]
            new.insert(j, shape[i])
            return f"{self.new(new, x)} = {x}.movedim({i - n}, {j})"
        start = rng.randrange(shape[i])
        length = rng.randint(1, shape[i] - start)
        new = [length if k == i else m for k, m in enumerate(shape)]
        if kind == "narrow":
            return f"{self.new(new, x)} = {x}.narrow({i}, {start}, {length})"
        sizes = [start, length, shape[i] - start - length]
        # A copy, as PyTorch refuses writes into one of several views made at once.
        return f"{self.new(new)} = {x}.split({sizes}, {i})[1] * 1"


class WriterOfTurns(Writer):
    """Between the lines a tensor is turned in place, views of it notwithstanding."""

    def view(self):
        # PyTorch's flatten of a vector is the vector itself, not a view of it.
        return (super().view() or "").replace("flatten()", "reshape(-1)") or None

    def line(self):
        super().line()
        names = [
            name
            for name in self.shapes
            if name not in LEAVES and name not in self.of_leaf
        ]
        if not names or self.rng.random() < 0.5:
            return
        x = self.pick(names)
        shape = list(self.shapes[x])
        d = self.rng.randint(0, len(shape))
        if len(shape) > 1 and self.rng.random() < 0.5:
            shape[0], shape[-1] = shape[-1], shape[0]
            self.lines.append(f"{x}.transpose_(0, -1)")
        elif 1 in shape:
            d = shape.index(1)
            del shape[d]
            self.lines.append(f"{x}.squeeze_({d})")
        else:
            shape.insert(d, 1)
            self.lines.append(f"{x}.unsqueeze_({d})")
        self.shapes[x] = tuple(shape)


class Program:
    """A random program, and the values its leaves start with."""

    def __init__(self, seed, write=Writer):
        writer = write(seed)
        self.seed, self.cut, self.source = seed, writer.cut, writer.source()
        scope = {}
        exec(compile(self.source, f"program {seed}", "exec"), scope)
        self.function = scope["program"]
        rng = np.random.default_rng(seed)
        self.arrays = [rng.uniform(-1, 1, shape) for shape in LEAVES.values()]

    def leaves(self, lib):
        return [
            lib.tensor(array.copy(), requires_grad=name in WITH_GRAD)
            for name, array in zip(LEAVES, self.arrays, strict=True)
        ]

    def __repr__(self):
        return f"seed {self.seed}\n{self.source}"


# --- running them ------------------------------------------------------------------------


def first_order(lib, function, leaves):
    loss, pool = function(lib, *leaves)
    loss.backward()
    return [*pool, *(leaf.grad for leaf in leaves[: len(WITH_GRAD)])]


def second_order(lib, function, leaves):
    """Gradients of a sum over the loss's gradients."""
    loss, pool = function(lib, *leaves)
    xs = leaves[: len(WITH_GRAD)]
    found = lib.autograd.grad(loss, xs, create_graph=True, allow_unused=True)
    cubes = [(g * g * g).sum() for g in found if g is not None and g.requires_grad]
    if cubes:
        sum(cubes).backward()
    return [*pool, *(leaf.grad for leaf in xs)]


def arrays_of(tensors):
    return [None if t is None else np.array(t.detach().numpy()) for t in tensors]


def run_eager(program, lib=mg, differentiate=first_order):
    leaves = program.leaves(lib)
    return arrays_of(differentiate(lib, program.function, leaves))


def outcome(program, refusals, lib=mg, differentiate=first_order):
    """Lists of arrays, or the error that refused the program."""
    try:
        return run_eager(program, lib, differentiate), None
    except refusals as error:
        return None, error


def run_jit(program, differentiate=first_order):
    """Two calls under jit, the leaves being arguments, or state reached from outside."""
    leaves = program.leaves(mg)
    if program.seed % 2:
        step = mg.jit(lambda: differentiate(mg, program.function, leaves))
        given = ()
    else:
        step = mg.jit(lambda *given: differentiate(mg, program.function, list(given)))
        given = leaves
    results = step(*given)
    first = arrays_of(results)
    second = arrays_of(step(*given))
    assert step.traces == 1
    for before, now in zip(first, results, strict=True):
        # The second call leaves alone what the first one returned, but for state itself.
        if now is not None and not any(x.cell is now.cell for x in leaves):
            np.testing.assert_array_equal(now.numpy(), before, repr(program))
    return first, second


def equal(got, expected, program):
    """Compare the pool and the gradients; no gradient is a gradient of zero."""
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        if a is None or b is None:
            a = np.zeros_like(b) if a is None and b is not None else a
            b = np.zeros_like(a) if b is None and a is not None else b
            if a is None:
                continue
        np.testing.assert_allclose(
            a, b, rtol=1e-9, atol=1e-9, err_msg=f"value {i} of {program!r}"
        )


def check_by_difference_quotients(program, gradients):
    def loss(*arrays):
        leaves = [mg.tensor(array, requires_grad=True) for array in arrays]
        leaves[2:] = [leaf.detach() for leaf in leaves[2:]]
        return program.function(mg, *leaves)[0].item()

    for i, got in enumerate(gradients):
        expected = numerical_gradient(loss, program.arrays, i)
        got = np.zeros_like(expected) if got is None else got
        np.testing.assert_allclose(
            got, expected, rtol=1e-4, atol=1e-5, err_msg=f"gradient {i} of {program!r}"
        )


def compare_with_torch(torch, seed, differentiate=first_order, write=Writer):
    program = Program(seed, write)
    theirs, refused = outcome(program, RuntimeError, torch, differentiate)
    ours, error = outcome(program, MinigradError, mg, differentiate)
    if seed in TORCH_DIFFERS:
        return "documented"
    if refused is None and error is None:
        equal(ours, theirs, program)
        return "both compute"
    if refused is None:
        # To PyTorch a view of a leaf made under no_grad requires grad, and gets none.
        useless = "nothing here requires" in str(error) and theirs[-2:] == [None, None]
        allowed = useless or any(text in str(error) for text in MINIGRAD_ALONE_REFUSES)
        assert allowed, f"only minigrad refuses: {error}\n{program!r}"
        return "only minigrad refuses"
    if error is not None:
        return "both refuse"
    assert any(text in str(refused) for text in TORCH_ALONE_REFUSES), (
        f"only PyTorch refuses: {refused}\n{program!r}"
    )
    if not program.cut and differentiate is first_order:
        check_by_difference_quotients(program, ours[-len(WITH_GRAD) :])
    return "only PyTorch refuses"


def compare_with_jit(seed, differentiate=first_order, write=Writer):
    program = Program(seed, write)
    ours, error = outcome(program, MinigradError, mg, differentiate)
    try:
        traced, refused = run_jit(program, differentiate), None
    except MinigradError as wrong:
        traced, refused = None, wrong
    if error is not None:
        assert refused is not None, f"only eager refuses: {error}\n{program!r}"
    elif refused is not None:
        allowed = any(text in str(refused) for text in JIT_ALONE_REFUSES)
        assert allowed, f"only jit refuses: {refused}\n{program!r}"
    else:
        equal(traced[0], ours, program)
        program.arrays = ours[: len(LEAVES)]
        equal(traced[1], run_eager(program, mg, differentiate), program)


def blocks_of(count):
    return pytest.mark.parametrize("block", range(count // BLOCK))


def seeds(block):
    return range(block * BLOCK, (block + 1) * BLOCK)


pytestmark = [
    # PyTorch warns of writes into expanded tensors before it does them.
    pytest.mark.filterwarnings("ignore:Use of .* on expanded tensors"),
    pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning"),
]


# --- the checks --------------------------------------------------------------------------


orders = pytest.mark.parametrize("differentiate", [first_order, second_order])


@orders
@blocks_of(300)
def test_random_programs_agree_with_torch(torch, block, differentiate):
    for seed in seeds(block):
        compare_with_torch(torch, seed, differentiate)


@orders
@blocks_of(300)
def test_random_programs_agree_under_jit(block, differentiate):
    for seed in seeds(block):
        compare_with_jit(seed, differentiate)


@blocks_of(100)
def test_gradients_of_random_programs_equal_difference_quotients(block):
    for seed in seeds(block):
        program = Program(seed)
        if program.cut:
            continue
        ours, error = outcome(program, MinigradError)
        if error is None:
            check_by_difference_quotients(program, ours[-len(WITH_GRAD) :])


@blocks_of(200)
def test_random_programs_of_more_views_agree_with_torch(torch, block):
    for seed in seeds(block):
        compare_with_torch(torch, seed, write=WriterOfMoreViews)


@blocks_of(200)
def test_random_programs_of_more_views_agree_under_jit(block):
    for seed in seeds(block):
        compare_with_jit(seed, write=WriterOfMoreViews)


@blocks_of(200)
def test_random_programs_that_turn_tensors_in_place_agree_with_torch(torch, block):
    for seed in seeds(block):
        compare_with_torch(torch, seed, write=WriterOfTurns)


@blocks_of(200)
def test_random_programs_that_turn_tensors_in_place_agree_under_jit(block):
    for seed in seeds(block):
        compare_with_jit(seed, write=WriterOfTurns)


def run_in_pieces(monkeypatch):
    """Let programs fuse whatever can be fused, and run it in pieces of a few elements."""
    for name, value in {"LARGE": 2, "PIECE": 2, "SPREAD": 1}.items():
        monkeypatch.setattr(pieces, name, value)


@blocks_of(200)
def test_random_programs_agree_under_jit_in_pieces(block, monkeypatch):
    run_in_pieces(monkeypatch)
    for seed in seeds(block):
        compare_with_jit(seed, write=WriterOfMoreViews)


@pytest.mark.full
@blocks_of(1000)
def test_a_thousand_random_programs_agree_under_jit_in_pieces(block, monkeypatch):
    run_in_pieces(monkeypatch)
    for seed in seeds(block):
        compare_with_jit(seed)
        compare_with_jit(seed, second_order)


def test_enough_random_programs_are_computed_and_not_refused():
    errors = [outcome(Program(seed), MinigradError)[1] for seed in range(100)]
    assert sum(error is None for error in errors) >= 60


@pytest.mark.full
@orders
@blocks_of(4000)
def test_four_thousand_random_programs_agree(torch, block, differentiate):
    for seed in seeds(block):
        compare_with_torch(torch, seed, differentiate)
        compare_with_jit(seed, differentiate)
