"""Sizes that are None: inference with unknowns, deferred gradients, a build per shape."""

import random

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.errors import FeedError, GraphError, IndexingError, ShapeError
from minigrad.static.program import BUILDS_KEPT

f8 = mg.float64


def batch(*rest, name="x", dtype=f8):
    return mg.placeholder((None, *rest), dtype=dtype, name=name)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# --- shapes while building -----------------------------------------------------------------


def test_a_node_shows_none_and_equals_it():
    x = batch(3)
    assert str(x.shape) == "(None, 3)"
    assert x.shape == (None, 3)
    assert repr(x) == "<Node placeholder x (None, 3) float64>"


def test_each_none_is_an_unknown_of_its_own():
    x, y = batch(3), batch(3)
    assert x.shape != y.shape
    assert (x + x).shape == x.shape
    assert (x * 2 + mg.constant(np.ones(3))).shape == x.shape
    assert (x + y).shape == (None, 3)
    assert (x + y).shape not in (x.shape, y.shape)
    assert x[1:].shape != x.shape
    assert mg.placeholder(x.shape).shape == x.shape


W = mg.constant(numbers(3, 5))


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda x: x @ W, (None, 5)),
        (lambda x: x + mg.constant(np.ones((4, 3))), (4, 3)),
        (lambda x: x.sum(1), (None,)),
        (lambda x: x.view(x.size(0), -1), (None, 3)),
        (lambda x: mg.ones_like(x[:, :2]) * 3, (None, 2)),
        (lambda x: x.mean(0, keepdim=True), (1, 3)),
        (lambda x: x.T, (3, None)),
        (lambda x: x.reshape(-1), (None,)),
        (lambda x: x.reshape(-1, 3, 1), (None, 3, 1)),
        (lambda x: x.reshape(x.shape[0], 1, 3), (None, 1, 3)),
        (lambda x: x.reshape(2, -1), (2, None)),
        (lambda x: x.reshape(4, 3), (4, 3)),
        (lambda x: x.unsqueeze(1).flatten(1), (None, 3)),
        (lambda x: x.unsqueeze(1) - x.unsqueeze(0), (None, None, 3)),
        (lambda x: x[0], (3,)),
        (lambda x: x[-1, 1:], (2,)),
        (lambda x: x[:, 0], (None,)),
        (lambda x: x[1:], (None, 3)),
        (lambda x: x[None, ..., 2], (1, None)),
        (lambda x: mg.constant(numbers(9, 2))[: x.shape[0]], (None, 2)),
        (lambda x: x[x.shape[0] :], (None, 3)),
        (lambda x: x[np.array([0, 1, 0])], (3, 3)),
        (lambda x: x[:, np.array([0, 1])], (None, 2)),
        (lambda x: x[:, np.array([True, False, True])], (None, 2)),
        (lambda x: x[0, np.array([[0, 1]])], (1, 2)),
        (lambda x: x[np.array([0, 1]), None, np.array([0, 1])], (2, 1)),
        # NumPy counts an Ellipsis that stands for no axis as something between, too.
        (
            lambda x: x.unsqueeze(1)[:, np.array([0, 0]), ..., np.array([1, 2])],
            (2, None),
        ),
        (lambda x: mg.constant(numbers(7, 2))[x.argmax(1)], (None, 2)),
        (lambda x: mg.cat([x, x]), (None, 3)),
        (lambda x: mg.cat([x, mg.constant(numbers(4, 2))], 1), (4, 5)),
        (lambda x: mg.stack([x, x]), (2, None, 3)),
        (lambda x: x.max(1).values, (None,)),
        (lambda x: (x @ x.T).diagonal(), (None,)),
        (lambda x: mg.einsum("bi,bj->bij", x, x), (None, 3, 3)),
        (lambda x: x.repeat(1, 2), (None, 6)),
        (lambda x: x.softmax(1).cumsum(0), (None, 3)),
        (lambda x: mg.constant(np.ones(3)).expand_as(x), (None, 3)),
    ],
)
@pytest.mark.parametrize("n", [4])
def test_shapes_are_inferred_and_right(make, shape, n):
    x = batch(3)
    y = make(x)
    assert y.shape == shape
    fed = numbers(n, 3)
    result = mg.compile([x], y)(fed)
    assert all(m is None or m == k for m, k in zip(shape, result.shape))
    expected = make(mg.placeholder((n, 3), dtype=f8))
    assert expected.shape == result.shape


def test_mistakes_that_do_not_hang_on_the_none_are_raised_while_building():
    x = batch(3)
    with pytest.raises(ShapeError, match="inner sizes differ"):
        x @ mg.constant(numbers(4, 2))
    with pytest.raises(ShapeError, match="broadcast"):
        x + mg.constant(np.ones(4))
    with pytest.raises(ShapeError, match="number of elements changes"):
        x.reshape(x.shape[0], 4)
    with pytest.raises(IndexingError, match="out of range"):
        x[:, 3]
    with pytest.raises(IndexingError, match="too many"):
        x[0, 0, 0]
    with pytest.raises(IndexingError, match="symbolic mask") as caught:
        x[x > 0]
    assert str(caught.value).count("got") == 1, "a lesson within a lesson"
    with pytest.raises(IndexingError, match=r"a mask of \(2,\) does not fit"):
        x[:, np.array([True, False])]
    with pytest.raises(ShapeError, match="sizes differ outside"):
        mg.cat([x, batch(4)])
    with pytest.raises(ShapeError, match="does not fit"):
        mg.constant(np.ones((2, 2))).broadcast_to(x.shape)
    with pytest.raises(GraphError, match="does not fit its variable"):
        mg.compile([x], None, updates={mg.variable(np.ones(2)): x.sum(0)})


@pytest.mark.parametrize(
    "use",
    [
        lambda n: n * 2,
        lambda n: 1 / n,
        lambda n: n > 1,
        lambda n: -n,
        int,
        range,
        lambda n: 0 if n else 1,
    ],
)
def test_python_arithmetic_on_none_is_a_lesson(use):
    n = batch(3).shape[0]
    with pytest.raises(GraphError, match=r"reshape\(-1, ...\).*\n  at .*n"):
        use(n)


def test_len_numel_and_loops_over_a_none_are_lessons():
    x = batch(3)
    for use in (len, lambda x: x.numel(), lambda x: x.unbind(), lambda x: x.split(2)):
        with pytest.raises(GraphError, match="a size that is None"):
            use(x)
    with pytest.raises(ShapeError, match=r"name the dims: x.squeeze\(1\)"):
        x.squeeze()
    assert x.unsqueeze(1).squeeze(1).shape == x.shape


# --- calls ---------------------------------------------------------------------------------


def test_a_batch_of_another_size_is_another_build_and_builds_are_kept():
    x = batch(2)
    program = mg.compile([x], x.mean(0))
    for n in (3, 1, 3, 5, 1):
        fed = numbers(n, 2, seed=n)
        np.testing.assert_allclose(program(fed).numpy(), fed.mean(0))
    assert program.stats["builds"] == 3
    for n in range(6, 6 + BUILDS_KEPT):
        program(numbers(n, 2))
    program(numbers(5, 2))
    assert program.stats["builds"] == 3 + BUILDS_KEPT + 1
    assert len(program._builds) == BUILDS_KEPT


def test_a_program_has_nothing_to_show_before_its_first_call():
    x = batch(2)
    program = mg.compile([x], x + 1)
    assert repr(program) == "<Program (x) -> 1 outputs, 0 updates>"
    with pytest.raises(GraphError, match="call the program once"):
        program.show("graph")
    program(numbers(2, 2))
    assert "add" in program.source


def test_a_feed_that_does_not_fit_is_named():
    x = mg.placeholder((None, 3), name="pixels")
    program = mg.compile([x], x.sum())
    with pytest.raises(FeedError, match=r"pixels has another shape\n.*\(None, 3\)"):
        program(np.zeros((2, 4)))
    with pytest.raises(FeedError, match="another shape"):
        program(np.zeros(3))


def test_placeholders_that_share_a_none_must_be_fed_alike():
    x = batch(3)
    y = mg.placeholder(x.shape, dtype=f8, name="y")
    program = mg.compile([x, y], (x - y).sum())
    assert program(np.ones((2, 3)), np.zeros((2, 3))).item() == 6
    with pytest.raises(
        FeedError, match=r"must be the same differ(.*\n)*.*in y \(3, 3\)"
    ):
        program(np.ones((2, 3)), np.zeros((3, 3)))


def test_sizes_that_turn_out_not_to_fit_name_the_line_that_built_it():
    x, y = batch(3), batch(3, name="y")
    program = mg.compile([x, y], (x - y).sum())  # the difference
    assert program(np.ones((1, 3)), np.zeros((4, 3))).item() == 12
    with pytest.raises(ShapeError, match="# the difference"):
        program(np.ones((2, 3)), np.zeros((4, 3)))


def test_a_none_that_happens_to_be_one_broadcasts_and_its_gradient_is_summed():
    x, y = batch(3), batch(3, name="y")
    gx, gy = mg.gradients((x * y).sum(), [x, y])
    assert (gx.shape, gy.shape) == (x.shape, y.shape)
    program = mg.compile([x, y], [gx, gy])
    for n, m in ((1, 4), (4, 1), (4, 4), (1, 1)):
        a, b = numbers(n, 3), numbers(m, 3, seed=1)
        ta, tb = (mg.tensor(v, requires_grad=True) for v in (a, b))
        expected = mg.autograd.grad((ta * tb).sum(), [ta, tb])
        for found, right in zip(program(a, b), expected):
            np.testing.assert_array_equal(found.numpy(), right.numpy())


def test_batches_of_none_at_all():
    x = batch(3)
    w = mg.variable(numbers(3, 2))
    loss = (x @ w).pow(2).sum()
    program = mg.compile([x], [loss, mg.gradients(loss, x), x.sum(0)], {w: w + loss})
    loss, g, total = program(np.zeros((0, 3)))
    assert (loss.item(), g.shape, total.tolist()) == (0, (0, 3), [0, 0, 0])
    with np.errstate(invalid="ignore"):
        assert np.isnan(mg.compile([x], x.mean())(np.zeros((0, 3))).item())
    with pytest.raises(ShapeError, match="no largest or smallest"):
        mg.compile([x], x.amax(0))(np.zeros((0, 3)))


def test_the_training_step_of_the_readme_with_any_batch():
    rng = np.random.default_rng(0)
    x, y = mg.placeholder((None, 6)), mg.placeholder((None, 2))
    w1 = mg.tensor(rng.normal(size=(6, 5)), dtype=mg.float32, requires_grad=True)
    w2 = mg.tensor(rng.normal(size=(5, 2)), dtype=mg.float32, requires_grad=True)
    e1, e2 = (w.detach().clone().requires_grad_() for w in (w1, w2))
    loss = ((x @ w1).clamp(min=0) @ w2 - y).pow(2).mean()
    g1, g2 = mg.gradients(loss, [w1, w2])
    step = mg.compile([x, y], loss, updates={w1: w1 - 0.01 * g1, w2: w2 - 0.01 * g2})
    for n in (4, 4, 1, 9, 4):
        a = rng.normal(size=(n, 6)).astype(np.float32)
        b = rng.normal(size=(n, 2)).astype(np.float32)
        expected = ((mg.tensor(a) @ e1).clamp(min=0) @ e2 - mg.tensor(b)).pow(2).mean()
        expected.backward()
        with mg.no_grad():
            for e in (e1, e2):
                e -= 0.01 * e.grad
                e.grad = None
        assert step(a, b).item() == expected.item()
    for w, e in ((w1, e1), (w2, e2)):
        np.testing.assert_array_equal(w.detach().numpy(), e.detach().numpy())


def test_check_nan_names_the_line_and_updates_nothing_with_any_batch():
    x, w = batch(2), mg.variable(np.ones(2))
    y = (w * x).log().sum()  # logs
    g = mg.gradients(y, w)
    step = mg.compile([x], y, updates={w: w - g}, check_nan=True)
    bad = pytest.raises(mg.errors.NotFiniteError, match="log: 1 of 4")
    with np.errstate(divide="ignore"), bad as info:
        step(np.array([[1.0, 1.0], [0.0, 1.0]]))
    assert "# logs" in str(info.value)
    assert w.get_value().tolist() == [1, 1]


def test_a_failure_at_run_time_names_the_users_line_with_any_batch():
    x, i = batch(2), mg.placeholder((None,), dtype=mg.int64)
    program = mg.compile([x, i], x[i].sum())  # picks
    with pytest.raises(GraphError, match="out of bounds") as info:
        program(np.zeros((2, 2)), np.array([0, 2]))
    assert "# picks" in str(info.value)


# --- gradients that wait -------------------------------------------------------------------


def test_deferred_gradients_have_the_shape_of_what_they_belong_to():
    x, w = batch(3), mg.variable(numbers(3, 2))
    gx, gw = mg.gradients((x @ w).sum(), [x, w])
    assert gx.shape == x.shape
    assert (w - 0.1 * gw).shape == (3, 2)
    assert gw.origin.source.startswith("gx, gw = ")


def test_what_nothing_depends_on_is_none_at_once():
    x, z = batch(3), mg.variable(np.ones(3))
    assert mg.gradients(x.sum(), [z, x])[0] is None
    assert mg.gradients((x > z).double().sum(), [z])[0] is None


def test_gradients_of_what_is_not_a_float_are_refused_at_once():
    x = batch(3)
    with pytest.raises(mg.errors.GradError):
        mg.gradients(x.argmax(1), x)


def test_cotangents_may_be_given():
    x, g = batch(3), batch(3, name="g")
    program = mg.compile([x, g], mg.gradients([x * x, x.sum()], x, [g, None]))
    a, b = numbers(2, 3), numbers(2, 3, seed=1)
    np.testing.assert_allclose(program(a, b).numpy(), 2 * a * b + 1)


def test_gradients_of_deferred_gradients():
    x = batch(2)
    first = mg.gradients((x**4).sum(), x)
    second = mg.gradients(first, x)
    third = mg.gradients((second * first.sum()).sum(), x)
    program = mg.compile([x], [first, second, third])
    for n in (1, 3):
        a = numbers(n, 2)
        g1, g2, g3 = program(a)
        np.testing.assert_allclose(g1.numpy(), 4 * a**3)
        np.testing.assert_allclose(g2.numpy(), 12 * a**2)
        expected = 24 * a * (4 * a**3).sum() + 12 * a**2 * (12 * a**2).sum()
        np.testing.assert_allclose(g3.numpy(), expected)


def test_a_derivative_that_turns_out_constant_has_zeros_as_its_own():
    x, w = batch(2), mg.variable(np.ones(2))
    g = mg.gradients((x * w).sum(), w)
    again = mg.gradients(g.sum(), w)
    assert mg.compile([x], again)(numbers(3, 2)).tolist() == [0, 0]


def test_session_takes_any_batch():
    x = batch(2)
    g = mg.gradients((x * x).sum(), x)
    with mg.Session() as session:
        for n in (1, 3):
            assert session.run(g, {x: np.ones((n, 2))}).tolist() == [[2, 2]] * n
        assert len(session._programs) == 1


def test_random_numbers_are_drawn_anew_for_any_batch():
    x = batch(2)
    noise = mg.rand_like(x)
    g = mg.gradients((noise * x).sum(), x)
    program = mg.compile([x], [noise, g])
    drawn = []
    for n in (3, 1, 3):
        value, derivative = program(np.ones((n, 2)))
        assert value.shape == (n, 2)
        np.testing.assert_array_equal(value.numpy(), derivative.numpy())
        drawn += value.flatten().tolist()
    assert len(set(drawn)) == len(drawn)


def pixels(n):
    return numbers(n, 2, 6, 6, seed=n)


@pytest.mark.parametrize(
    "layer",
    [
        lambda x, w: F.conv2d(x, w[:, :, :3, :3], padding=1),
        lambda x, w: F.max_pool2d(x * w[0, :, :1, :1], 2),
        lambda x, w: F.avg_pool2d(x, 3, 2, 1) * w[0, 0, 0, 0],
        lambda x, w: F.adaptive_avg_pool2d(x, 1).flatten(1) @ w[0, :, 0, :2],
        lambda x, w: F.linear(x, w[0, 0]),
        lambda x, w: F.layer_norm(x, (6, 6)) * w[0, 0],
        lambda x, w: F.group_norm(x, 2) * w[0, 1],
        lambda x, w: F.batch_norm(x, None, None, training=True) * w[0],
        lambda x, w: F.cross_entropy((x * w[0]).flatten(1), x[:, 0, 0].argmax(1)),
        lambda x, w: F.cross_entropy(x * w[0], x.softmax(1)),
        lambda x, w: F.mse_loss(x * w[0], x),
        lambda x, w: F.scaled_dot_product_attention(x, x * w[0], x),
        lambda x, w: F.pad(x * w[0], (1, 1)),
    ],
)
def test_layers_and_losses_take_any_batch(layer):
    x, w = batch(2, 6, 6), mg.variable(numbers(2, 2, 6, 6))
    y = layer(x, w)
    program = mg.compile([x], [y, *mg.gradients((y * y).sum(), [x, w])])
    leaf = mg.tensor(w.get_value(), requires_grad=True)
    for n in (4, 1):
        image = mg.tensor(pixels(n), requires_grad=True)
        expected = layer(image, leaf)
        right = expected, *mg.autograd.grad((expected * expected).sum(), [image, leaf])
        for ours, theirs in zip(program(pixels(n)), right):
            theirs = theirs.detach().numpy()
            np.testing.assert_allclose(ours.numpy(), theirs, 1e-9, 1e-12)


# --- random graphs -------------------------------------------------------------------------

# Values are named by their shape: m (n, 3), v (n,), k (n, 1), c (3,), q (3, 3), s ().
# A row is what it takes, what it gives, and a function that Tensors and Nodes share.
STEPS = [
    ("mm", "m", lambda a, b: a + b),
    ("mm", "m", lambda a, b: a * b),
    ("mm", "m", lambda a, b: mg.where(a > b, a, b - 1)),
    ("mq", "m", lambda a, b: (a @ b).tanh()),
    ("mq", "m", lambda a, b: mg.einsum("bi,ij->bj", a, b)),
    ("mm", "v", lambda a, b: mg.einsum("bi,bi->b", a, b)),
    ("mm", "q", lambda a, b: (a.T @ b).tanh()),
    ("mc", "m", lambda a, b: a - b),
    ("mk", "m", lambda a, b: a * b),
    ("mv", "m", lambda a, b: a + b.unsqueeze(1)),
    ("ms", "m", lambda a, b: a * b.tanh()),
    ("m", "c", lambda a: a.mean(0)),
    ("m", "c", lambda a: a.var(0, correction=0)),
    ("m", "v", lambda a: a.var(1)),
    ("m", "v", lambda a: a.sum(1)),
    ("m", "s", lambda a: a.mean()),
    ("m", "s", lambda a: a.norm()),
    ("m", "m", lambda a: a.softmax(1)),
    ("m", "m", lambda a: a.softmax(0)),
    ("m", "v", lambda a: a.logsumexp(1)),
    ("m", "v", lambda a: a.max(1).values),
    ("m", "c", lambda a: a.amax(0)),
    ("m", "k", lambda a: a.gather(1, a.argmin(1, keepdim=True))),
    ("m", "v", lambda a: a[:, 1]),
    ("m", "c", lambda a: a[-1] + a[0]),
    ("m", "c", lambda a: a[1:].sum(0) - a[:-1].sum(0)),
    ("m", "m", lambda a: a.flip(0)),
    ("m", "m", lambda a: a[:, np.array([2, 0, 1])]),
    ("mq", "m", lambda a, b: b[a.argmax(1)]),
    ("m", "q", lambda a: a[a.argmax(0)]),
    ("m", "m", lambda a: a.sort(1).values),
    ("m", "m", lambda a: a.masked_fill(a > 0.5, 0.25)),
    ("m", "m", lambda a: a.reshape(-1).reshape(-1, 3)),
    ("m", "m", lambda a: a.T.flatten().reshape(3, -1).T),
    ("mm", "c", lambda a, b: mg.cat([a, b]).mean(0)),
    ("mk", "m", lambda a, b: mg.cat([a, b], 1)[:, 1:]),
    ("mm", "m", lambda a, b: (a.unsqueeze(1) * b.unsqueeze(0)).mean(0)),
    ("mm", "v", lambda a, b: (a @ b.T).diagonal()),
    ("mc", "m", lambda a, b: b.expand_as(a) * a),
    ("v", "v", lambda a: a.cumsum(0).tanh()),
    ("v", "k", lambda a: a.unsqueeze(1)),
    ("k", "v", lambda a: a.squeeze(1)),
    ("v", "s", lambda a: a.mean()),
    ("q", "q", lambda a: a.T.tanh()),
    ("c", "q", lambda a: a.unsqueeze(0) * a.unsqueeze(1)),
]


def random_recipe(rng):
    """Steps over the values x m, y m, w q, b c: (indices of operands, function)."""
    kinds, recipe = list("mmqc"), []
    while len(recipe) < 8:
        takes, gives, fn = rng.choice(STEPS)
        places = [[i for i, kind in enumerate(kinds) if kind == k] for k in takes]
        if all(places):
            recipe.append(([rng.choice(p[-3:]) for p in places], fn))
            kinds.append(gives)
    return recipe


def follow(recipe, values):
    values = list(values)
    for operands, fn in recipe:
        values.append(fn(*(values[i] for i in operands)))
    return sum(value.sum() for value in values[-4:])


@pytest.mark.parametrize(
    "block", [pytest.param(i, marks=[pytest.mark.full] * (i > 3)) for i in range(12)]
)
def test_random_graphs_with_any_batch_equal_eager(block):
    for seed in range(25 * block, 25 * (block + 1)):
        rng = random.Random(seed)
        recipe = random_recipe(rng)
        w, b = numbers(3, 3, seed=seed), numbers(3, seed=seed + 1)
        nodes = [batch(3), batch(3, name="y"), mg.variable(w), mg.variable(b)]
        loss = follow(recipe, nodes)
        first = mg.gradients(loss, nodes)
        at = [i for i, g in enumerate(first) if g is not None]
        first = [first[i] for i in at]
        total = sum((g * g).sum() for g in first)
        second = mg.gradients(total, [nodes[i] for i in at])
        wanted = [loss, *first, *second]
        program = mg.compile(nodes[:2], [node for node in wanted if node is not None])
        for n in (1, 4, 7):
            x, y = numbers(n, 3, seed=seed + 2), numbers(n, 3, seed=seed + 3)
            found = [t.numpy() for t in program(x, y)]
            leaves = [mg.tensor(v, requires_grad=True) for v in (x, y, w, b)]
            right = eagerly(recipe, leaves, at)
            right = [r for r, node in zip(right, wanted) if node is not None]
            for ours, theirs in zip(found, right, strict=True):
                np.testing.assert_allclose(
                    ours, theirs, 1e-7, 1e-7, err_msg=f"seed {seed}, n {n}"
                )


def eagerly(recipe, leaves, at):
    """The loss, its derivatives and those of the sum of their squares, on the tape."""
    loss = follow(recipe, leaves)
    chosen = [leaves[i] for i in at]
    first = mg.autograd.grad(loss, chosen, create_graph=True)
    total = sum((g * g).sum() for g in first)
    second = [None] * len(at)
    if total.requires_grad:
        second = mg.autograd.grad(total, chosen, allow_unused=True)
    zeros = [mg.zeros_like(x) if g is None else g for x, g in zip(chosen, second)]
    return [t.detach().numpy() for t in (loss, *first, *zeros)]
