"""Native code gives what the interpreter gives, for every op and for graphs of them."""

import itertools
import subprocess

import numpy as np
import pytest

import minigrad as mg
from minigrad.native import build
from minigrad.ops import TABLE
from minigrad.static.node import topological
from minigrad.static.program import Program
from minigrad.testing import (
    _node_gradients,
    evaluate,
    is_float,
    samples,
    wanted,
    weighted,
)

WITHOUT_C = ("effect", "matrix")  # Python's, and LAPACK's
OPS = [op for op in TABLE.values() if op.kind not in WITHOUT_C]
CALLS = [(op, i) for op in OPS for i in range(len(samples(op)))]
CLOSE = {"float32": 2e-5, "float64": 1e-12}


def native(outputs, feeds):
    program = Program(list(feeds), outputs, {}, target="native")
    assert program.target == "native", program.fallback
    program(*feeds.values())
    return program(*feeds.values())  # buffers of the first run must not shine through


def check(outputs, feeds, **close):
    expected = evaluate(outputs, feeds)
    for got, want in zip(native(outputs, feeds), expected, strict=True):
        np.testing.assert_allclose(got.array, want, strict=True, **close)


def ghosts(args):
    return [mg.placeholder(a.shape, a.dtype) for a in args]


def table(dtype):
    """Every call of the table with first and second derivatives, to be one program.

    Of each call, its outputs; and what to feed for all of them.
    """
    calls, feeds = [], {}
    for op, i in CALLS:
        args, attrs = samples(op)[i].astype(dtype)
        nodes = ghosts(args)
        feeds |= dict(zip(nodes, args))
        y = op(*nodes, **attrs)
        calls.append([y])
        xs = [nodes[i] for i in wanted(op, args)]
        if xs and is_float(y):
            first = _node_gradients(weighted(y), xs)
            calls[-1] += [*first, *_node_gradients(weighted(first, 1), xs)]
    return calls, feeds


@pytest.fixture(scope="module", params=CLOSE)
def computed(request):
    """Of each call, what native code gives and what is wanted; compiled all at once."""
    calls, feeds = table(request.param)
    outputs = [*itertools.chain(*calls)]
    pairs = iter(zip(native(outputs, feeds), evaluate(outputs, feeds), strict=True))
    return CLOSE[request.param], [[*itertools.islice(pairs, len(x))] for x in calls]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0].name}-{call[1]}")
def test_every_op_agrees_in_values_first_and_second_derivatives(call, computed):
    close, calls = computed
    for got, want in calls[CALLS.index(call)]:
        np.testing.assert_allclose(got.array, want, rtol=close, atol=close, strict=True)


class Written(Exception):
    """A program was written and shall not be compiled."""


def test_the_c_of_no_call_needs_what_another_s_brings(monkeypatch, tmp_path):
    def load(source):
        place = tmp_path / f"{len(list(tmp_path.iterdir()))}.c"
        place.write_text(source.replace("enum { TYPE", "#if 0\nenum { TYPE") + "#endif")
        raise Written

    monkeypatch.setattr(build, "load", load)
    calls, feeds = table("float32")
    for outputs in calls:
        inputs = [x for x in topological(outputs) if x in feeds]
        with pytest.raises(Written):
            Program(inputs, outputs, {}, target="native")
    line = [*build.compiler(), "-fsyntax-only", "-Werror=implicit-function-declaration"]
    checked = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run([*line, *checked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(checked) == len(CALLS)


# --- shapes, dtypes and values that are easily forgotten -----------------------------------

ELEMENTWISE = [op for op in TABLE.values() if op.kind == "elementwise"]
SHAPES = [(), (1,), (0,), (2, 0, 3), (2, 1, 3), (37,), (3, 70)]


def test_every_elementwise_op_says_what_an_element_is_in_c():
    assert [op.name for op in ELEMENTWISE if not op.c] == []


def test_a_program_with_an_op_that_has_no_c_is_the_interpreters():
    x = mg.placeholder((3, 3))
    for op in TABLE.values():
        if op.kind == "matrix":
            program = mg.compile([x], op(x) * 2, target="native")
            assert program.fallback == f"there is no C for {op.name}"
            assert program(np.eye(3)).numpy().any()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_elementwise_ops_of_every_shape(shape):
    outputs, feeds = [], {}
    for op in ELEMENTWISE:
        sample = samples(op)[0]
        args = [np.resize(a, shape).astype(a.dtype) for a in sample.args]
        nodes = ghosts(args)
        feeds |= dict(zip(nodes, args))
        outputs.append(op(*nodes, **sample.attrs))
    check(outputs, feeds, rtol=1e-12, atol=1e-12)


def takes(op, args, attrs):
    try:
        op(*ghosts(args), **attrs)
    except mg.errors.MinigradError:
        return False
    return True


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "int32", "int64", "uint8", "bool"]
)
def test_every_op_of_every_dtype(dtype):
    outputs, feeds = [], {}
    dtype = np.dtype(dtype)
    for op in OPS:
        for args, attrs in samples(op):
            if dtype.kind in "iu":
                args = [
                    np.ceil(np.abs(a) * 3 + 1) if a.dtype.kind == "f" else a
                    for a in args
                ]
            args = [
                a
                if op.kind == "indexing" and i and a.dtype.kind == "i"
                else a.astype(dtype)
                for i, a in enumerate(args)
            ]
            if op.dtype in ("given", "first") or takes(op, args, attrs):
                nodes = ghosts(args)
                feeds |= dict(zip(nodes, args))
                outputs.append(op(*nodes, **attrs))
    close = (
        {"rtol": 1e-5, "atol": 1e-5}
        if dtype.kind != "f"
        else {"rtol": CLOSE[dtype.name], "atol": CLOSE[dtype.name]}
    )
    with np.errstate(all="ignore"):
        check(outputs, feeds, **close)


@pytest.mark.parametrize("dtype", CLOSE)
def test_nan_and_infinities_stay_what_they_are(dtype):
    hostile = np.array(
        [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.5, 1e30, -1e30, 5e-324], dtype
    )
    a, b = (x.ravel().copy() for x in np.meshgrid(hostile, hostile))
    x, y = mg.placeholder(a.shape, dtype), mg.placeholder(b.shape, dtype)
    outputs = []
    for op in ELEMENTWISE:
        ((args, attrs),) = samples(op)[:1]
        if takes(op, [a, b][: len(args)], attrs) and op.name not in (
            "sin",
            "cos",
            "tan",
        ):
            outputs.append(op(*[x, y][: len(args)], **attrs))
    for name in ("amax", "amin", "sum", "logsumexp"):
        grid = x.reshape(10, 10)
        outputs += [
            TABLE[name](grid, axis=axis, keepdims=False)
            for axis in ((0,), (1,), (0, 1))
        ]
    outputs += [
        TABLE[n](x.reshape(10, 10), axis=(1,), keepdims=False)
        for n in ("argmax", "argmin")
    ]
    with np.errstate(all="ignore"):
        check(outputs, {x: a, y: b}, rtol=CLOSE[dtype], atol=0)


@pytest.mark.parametrize(
    "shape", [(5, 4, 3), (1, 4, 1), (64, 5000), (5000, 3), (300000,)]
)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions_over_every_choice_of_axes(shape, keepdims):
    rng = np.random.default_rng(0)
    a = rng.normal(size=shape).astype(np.float32)
    x = mg.placeholder(shape)
    outputs = []
    for bits in range(1, 1 << len(shape)):
        axis = tuple(i for i in range(len(shape)) if bits >> i & 1)
        for name in ("sum", "amax", "amin", "all", "any", "logsumexp"):
            outputs.append(TABLE[name](x * 2, axis=axis, keepdims=keepdims))
        if len(axis) in (1, len(shape)):
            outputs.append(TABLE["argmin"](x, axis=axis, keepdims=keepdims))
    expected = evaluate(outputs, {x: a.astype(np.float64)})
    for got, want in zip(native(outputs, {x: a}), expected, strict=True):
        np.testing.assert_allclose(got.array, want, rtol=2e-5, atol=2e-4)
        assert got.shape == want.shape


def test_odd_strides_of_arguments_and_variables():
    base = np.arange(48.0).reshape(4, 12)
    for view in (
        base[::-1, ::-2],
        base.T[::3],
        base[1:3, 4:7].T,
        np.broadcast_to(base[0], (3, 12)),
    ):
        x = mg.placeholder(view.shape, np.float64)
        w = mg.from_numpy(view if view.flags.writeable else view.copy())
        outputs = [
            x * 2 + w,
            (x.T @ w).sum(0),
            x.reshape(-1),
            w.reshape(-1) * 2,
            w.T.sum(1),
        ]
        program = mg.compile([x], outputs, updates={w: x + w}, target="native")
        before, fed = w.array.copy(), view.copy()
        want = [
            view * 2 + before,
            (view.T @ before).sum(0),
            view.ravel(),
            before.ravel() * 2,
            before.T.sum(1),
        ]
        for got, expected in zip(program(view), want, strict=True):
            np.testing.assert_allclose(got.array, expected)
        np.testing.assert_array_equal(w.array, fed + before)


MATRICES = [
    (1, 1, 1),
    (3, 1, 5),
    (2, 7, 1),
    (0, 3, 2),
    (3, 0, 2),
    (33, 40, 50),
    (70, 130, 90),
]


@pytest.mark.parametrize("sizes", MATRICES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_matrix_products_of_every_layout(sizes, dtype):
    m, k, n = sizes
    rng = np.random.default_rng(0)
    feeds, outputs = {}, []
    for left in (False, True):
        for right in (False, True):
            a = rng.integers(-4, 5, (k, m) if left else (m, k)).astype(dtype)
            b = rng.integers(-4, 5, (n, k) if right else (k, n)).astype(dtype)
            x, y = ghosts([a, b])
            feeds |= {x: a, y: b}
            outputs.append((x.T if left else x) @ (y.T if right else y))
    a = rng.integers(-4, 5, (2, 1, 2 * m, k)).astype(dtype)
    b = rng.integers(-4, 5, (3, k, 2 * n)).astype(dtype)
    x, y = ghosts([a, b])
    outputs += [x[:, :, ::2] @ y[:, :, ::2], x[0, 0, ::-1] @ y[1]]
    check(outputs, feeds | {x: a, y: b}, rtol=0, atol=0)


def test_indices_of_every_kind():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 5, 6))
    i, j = np.array([[0, -1], [2, 1]]), np.array([3, -4])
    x, p, q = ghosts([a, i, j])
    outputs = [
        x[p], x[:, p], x[..., p], x[p, q], x[p, :, q], x[1, :, q], x[p, 1:4], x[:, 2, q],
        x[None, p, None], x[::-2, q, ::3], x[q][..., None, 0],
        x.gather(1, p.abs().reshape(2, 2, 1)), x[:, p].sum(), x[p, q, q],
    ]  # fmt: skip
    grads = [mg.gradients(y.pow(2).sum(), x) for y in outputs]
    check(outputs + grads, {x: a, p: i, q: j}, rtol=1e-12)


# --- whole graphs --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs_with_updates(seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(4, 4)) for _ in range(3)]
    x, y = (mg.placeholder((4, 4), dtype=mg.float64) for _ in range(2))
    w, v = mg.variable(arrays[2]), mg.variable(arrays[0])
    nodes = random_graph(rng, [x, y, w, v])
    picked = [nodes[i] for i in rng.integers(4, len(nodes), size=3)]
    loss = nodes[-1].sum()
    grads = [g for g in mg.gradients(loss, [x, y, w, v]) if g is not None]
    updates = {w: w - 0.1 * (x @ y) + nodes[-1], v: nodes[-2]}
    results = []
    for target in ("interpreter", "native"):
        w.set_value(arrays[2])
        v.set_value(arrays[0])
        program = mg.compile([x, y], [*picked, loss, *grads], updates, target=target)
        for _ in range(2):
            got = program(*arrays[:2])
        results.append([*(t.array for t in got), w.get_value(), v.get_value()])
        assert program.target == target
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-8)


def random_graph(rng, leaves):
    """A graph over `leaves` that branches, shares and views."""
    nodes = list(leaves)
    steps = [
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a.T - b,
        lambda a, b: (a @ b) * 0.3,
        lambda a, b: a.tanh(),
        lambda a, b: a[::-1].sin(),
        lambda a, b: a.sum(0, keepdim=True) * 0.2 + b,
        lambda a, b: a.reshape(-1).reshape(4, 4),
        lambda a, b: a[1].expand(4, 4) - b,
        lambda a, b: mg.where(a > b, a, b.T),
        lambda a, b: mg.cat([a[:2], b[2:]]),
        lambda a, b: a.softmax(1),
        lambda a, b: a.max(1, keepdim=True).values * b,
        lambda a, b: a.sort(0).values + b,
        lambda a, b: a.cumsum(1) * 0.1,
        lambda a, b: a.T.reshape(2, 8).T.reshape(4, 4),
    ]
    for _ in range(25):
        a, b = (nodes[i] for i in rng.integers(len(nodes), size=2))
        nodes.append(steps[rng.integers(len(steps))](a, b))
    return nodes


@pytest.mark.parametrize(
    "shape", [(1_500_000,), (900, 700), (3, 700, 300), (1, 1_000_001)]
)
def test_loops_that_run_in_threads(shape):
    rng = np.random.default_rng(0)
    a = rng.normal(size=shape)
    x = mg.placeholder(shape, np.float64)
    y = (x.tanh() * 2).exp().tanh() + x.T.T
    outputs = [y, y.sum(-1), y.amax(-1)]
    program = mg.compile([x], outputs, target="native")
    assert "omp parallel" in program.source
    want = evaluate(outputs, {x: a})
    for _ in range(3):
        for got, expected in zip(program(a), want, strict=True):
            np.testing.assert_allclose(got.array, expected, rtol=1e-10, atol=1e-8)
