"""nn.functional beyond its values, which tests/golden compares with PyTorch's."""

import inspect
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F
from minigrad.errors import MinigradError

sys.path.insert(0, str(Path(__file__).parents[1] / "golden"))

import cases_nn
from cases import CASES, uniform

FUNCTIONS = [
    name
    for name, value in vars(F).items()
    if callable(value) and name[0] != "_" and not inspect.ismodule(value)
]


def tensor(*shape, **options):
    return mg.tensor(uniform(*shape).astype("float32"), **options)


def results(fn, xs):
    ys = fn(mg, *xs)
    return list(ys) if isinstance(ys, tuple) else [ys]


# What a graph built by hand cannot do, and says.
NOT_ON_NODES = {"F.batch_norm, training=True": "Tensors", "padding_idx": "a Tensor"}


@pytest.mark.parametrize("name", cases_nn.OWN)
def test_a_graph_built_by_hand_computes_what_the_tape_computes(name):
    fn, arrays, _ = CASES[name]
    nodes = [mg.placeholder(a.shape, a.dtype) for a in arrays]
    if any(what in name for what in NOT_ON_NODES):
        with pytest.raises((MinigradError, NotImplementedError), match="ensor"):
            fn(mg, *nodes)
        return
    outputs = results(fn, nodes)
    expected = results(fn, map(mg.tensor, arrays))
    for got, y in zip(mg.compile(nodes, outputs)(*arrays), expected, strict=True):
        np.testing.assert_allclose(
            got.numpy(), y.numpy(), rtol=1e-12, atol=1e-14, strict=True
        )


WITH_FLOAT64 = ("weighted", "plain")  # these bring constants of float64 along


@pytest.mark.parametrize(
    "name", [n for n in cases_nn.OWN if not any(w in n for w in WITH_FLOAT64)]
)
def test_float32_stays_float32_in_values_and_gradients(name):
    fn, arrays, order = CASES[name]
    found = []
    for dtype in ("float32", "float64"):
        floats = [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]
        xs = [mg.tensor(a, requires_grad=a.dtype.kind == "f") for a in floats]
        ys = [y for y in results(fn, xs) if y.dtype.kind == "f"]
        if order and any(y.requires_grad for y in ys):
            total = sum((y * y).sum() for y in ys if y.requires_grad)
            leaves = [x for x in xs if x.requires_grad]
            gs = mg.autograd.grad(total, leaves, allow_unused=True)
            ys += [g for g in gs if g is not None]
        assert all(y.dtype == dtype for y in ys)
        found.append(ys)
    atol = 2e-3 if "far out" in name else 1e-4  # of values near 1000
    for single, double in zip(*found, strict=True):
        got, expected = single.detach().numpy(), double.detach().numpy()
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=atol)


def test_every_function_has_a_case_or_a_test_of_its_own():
    tested = " ".join(cases_nn.OWN) + Path(__file__).read_text()
    assert [name for name in FUNCTIONS if f"F.{name}" not in tested] == []


# --- what is random ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("drop", "shape", "alike"),
    [
        (F.dropout, (200, 50), ()),
        (F.dropout1d, (200, 50, 3), (2,)),
        (F.dropout2d, (200, 50, 2, 3), (2, 3)),
    ],
)
def test_dropout_keeps_the_mean_and_drops_whole_channels_where_it_says_so(
    drop, shape, alike
):
    mg.manual_seed(1)
    y = drop(mg.ones(shape), 0.25).numpy()
    assert set(np.unique(y)) == {0, np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    assert (y.min(axis=alike) == y.max(axis=alike)).all()


def test_dropout_in_place_and_its_gradient():
    x = mg.ones(1000, requires_grad=True)
    y = x * 1
    assert F.dropout(y, 0.5, inplace=True) is y
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())


def test_dropout_draws_the_same_numbers_in_eager_and_under_jit_and_anew_each_time():
    x, found = mg.ones(40), []
    for transform in (lambda step: step, mg.jit):
        step = transform(lambda x: F.dropout(x, 0.5))
        mg.manual_seed(7)
        found.append([step(x).tolist() for _ in range(3)])
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]


def test_dropout_in_a_graph_built_by_hand_draws_anew_in_each_run():
    x = mg.placeholder((40,))
    program = mg.compile([x], F.dropout(x, 0.5))
    runs = [program(np.ones(40, "float32")).tolist() for _ in range(2)]
    assert set(runs[0]) == {0, 2}
    assert runs[0] != runs[1]


def test_dropout_of_attention_drops_weights():
    q = mg.ones(1, 50, 4)
    y = F.scaled_dot_product_attention(q, q, q, dropout_p=1.0)
    np.testing.assert_array_equal(y.numpy(), np.zeros((1, 50, 4)))


# --- statistics that are updated ---------------------------------------------------------


def test_batch_norm_updates_its_statistics_in_place_in_eager_and_under_jit():
    found = []
    for transform in (lambda step: step, mg.jit):
        mean, var = mg.zeros(3), mg.ones(3)
        step = transform(
            lambda x, mean=mean, var=var: F.batch_norm(x, mean, var, training=True)
        )
        for seed in range(3):
            y = step(mg.tensor(uniform(5, 3, 2, seed=seed).astype("float32")))
        found.append([y.numpy(), mean.numpy(), var.numpy()])
    for eager, traced in zip(*found, strict=True):
        np.testing.assert_allclose(traced, eager, rtol=1e-6)
    assert abs(found[0][1]).max() > 0


def test_batch_norm_that_is_refused_leaves_its_statistics_alone():
    mean, var = mg.zeros(3), mg.ones(3)
    with pytest.raises(ValueError, match="one value for a channel"):
        F.batch_norm(mg.ones(1, 3), mean, var, training=True)
    assert not mean.any()
    assert (var == 1).all()


def test_the_padding_row_of_an_embedding_gets_no_gradient_under_jit_either():
    weight = tensor(4, 3, requires_grad=True)

    @mg.jit
    def step(at):
        (g,) = mg.autograd.grad(F.embedding(at, weight, padding_idx=1).sum(), [weight])
        return g

    got = step(mg.tensor([1, 2, 2]))
    np.testing.assert_array_equal(got.numpy()[:, 0], [0, 0, 2, 0])


# --- what is refused, as PyTorch refuses it ----------------------------------------------

REFUSED = {
    "channels that differ": lambda F, t: F.conv2d(t(1, 3, 5, 5), t(2, 4, 3, 3)),
    "groups that do not divide": lambda F, t: F.conv2d(t(1, 3, 5, 5), t(2, 3, 3, 3), groups=2),
    "no groups": lambda F, t: F.conv2d(t(1, 3, 5, 5), t(2, 3, 3, 3), groups=0),
    "a kernel too large": lambda F, t: F.conv2d(t(1, 1, 2, 2), t(1, 1, 3, 3)),
    "a vector convolved": lambda F, t: F.conv2d(t(5), t(1, 1, 3, 3)),
    "a weight of other dims": lambda F, t: F.conv1d(t(1, 1, 5), t(1, 1, 3, 3)),
    "a bias of another size": lambda F, t: F.conv1d(t(1, 1, 5), t(2, 1, 3), t(3)),
    "unlike dtypes": lambda F, t: F.conv1d(t(1, 1, 5), t(2, 1, 3).double()),
    "same with a stride": lambda F, t: F.conv1d(t(1, 1, 5), t(1, 1, 3), padding="same", stride=2),
    "another padding": lambda F, t: F.conv1d(t(1, 1, 5), t(1, 1, 3), padding="full"),
    "a stride of 0": lambda F, t: F.conv1d(t(1, 1, 5), t(1, 1, 3), stride=0),
    "padding below 0": lambda F, t: F.conv1d(t(1, 1, 5), t(1, 1, 3), padding=-1),
    "three strides": lambda F, t: F.conv2d(t(1, 1, 5, 5), t(1, 1, 3, 3), stride=(1, 1, 1)),
    "transposed channels": lambda F, t: F.conv_transpose2d(t(1, 3, 5, 5), t(2, 3, 3, 3)),
    "too much output_padding": lambda F, t: F.conv_transpose2d(t(1, 1, 5, 5), t(1, 1, 3, 3), output_padding=1),
    "a pool too large": lambda F, t: F.max_pool2d(t(1, 1, 2, 2), 3),
    "a pool in the padding": lambda F, t: F.max_pool2d(t(1, 1, 5, 5), 2, padding=2),
    "a pool without size": lambda F, t: F.avg_pool2d(t(1, 1, 5, 5), 0),
    "a mean over nothing": lambda F, t: F.avg_pool2d(t(1, 1, 5, 5), 2, divisor_override=0),
    "columns too many": lambda F, t: F.fold(t(1, 4, 5), (3, 3), 2),
    "odd padding": lambda F, t: F.pad(t(1, 1, 5), (1, 2, 3)),
    "padding of more dims": lambda F, t: F.pad(t(5), (1, 1, 1, 1)),
    "a mirror too small": lambda F, t: F.pad(t(1, 1, 5), (5, 0), mode="reflect"),
    "an unknown mode": lambda F, t: F.pad(t(1, 1, 5), (1, 0), mode="wrap"),
    "linear sizes": lambda F, t: F.linear(t(2, 3), t(4, 2)),
    "a class too high": lambda F, t: F.cross_entropy(t(2, 3), t.ints(0, 3)),
    "a class below 0": lambda F, t: F.cross_entropy(t(2, 3), t.ints(0, -1)),
    "a target too many": lambda F, t: F.cross_entropy(t(2, 3), t.ints(0, 1, 1)),
    "probabilities of another shape": lambda F, t: F.cross_entropy(t(2, 3), t(2, 2)),
    "a weight too many": lambda F, t: F.cross_entropy(t(2, 3), t.ints(0, 1), t(4)),
    "float classes": lambda F, t: F.nll_loss(t(2, 3), t(2)),
    "int32 classes": lambda F, t: F.nll_loss(t(2, 3), t.ints(0, 1).int()),
    "smoothing above 1": lambda F, t: F.cross_entropy(t(2, 3), t.ints(0, 1), label_smoothing=1.5),
    "an unknown reduction": lambda F, t: F.mse_loss(t(2), t(2), reduction="average"),
    "bce sizes": lambda F, t: F.binary_cross_entropy(t(2).sigmoid(), t(3).sigmoid()),
    "logits as probabilities": lambda F, t: F.binary_cross_entropy(t(9) * 5, t(9) ** 2),
    "logits sizes": lambda F, t: F.binary_cross_entropy_with_logits(t(2), t(2, 1)),
    "beta below 0": lambda F, t: F.smooth_l1_loss(t(2), t(2), beta=-1.0),
    "delta 0": lambda F, t: F.huber_loss(t(2), t(2), delta=0.0),
    "p above 1": lambda F, t: F.dropout(t(2), 1.5),
    "one value a channel": lambda F, t: F.batch_norm(t(1, 3), None, None, training=True),
    "no statistics": lambda F, t: F.batch_norm(t(2, 3), None, None),
    "statistics too many": lambda F, t: F.batch_norm(t(2, 3), t(4), t(4)),
    "instances of one value": lambda F, t: F.instance_norm(t(2, 3, 1)),
    "another normalized_shape": lambda F, t: F.layer_norm(t(2, 3), (2,)),
    "groups of channels": lambda F, t: F.group_norm(t(2, 3), 2),
    "a row too high": lambda F, t: F.embedding(t.ints(0, 3), t(3, 2)),
    "a row below 0": lambda F, t: F.embedding(t.ints(0, -1), t(3, 2)),
    "a padding row too high": lambda F, t: F.embedding(t.ints(0, 1), t(3, 2), padding_idx=3),
    "mask and causal": lambda F, t: F.scaled_dot_product_attention(
        t(1, 2, 3), t(1, 2, 3), t(1, 2, 3), attn_mask=t(2, 2), is_causal=True
    ),
    "a class beyond one_hot": lambda F, t: F.one_hot(t.ints(0, 3), 3),
    "prelu weights": lambda F, t: F.prelu(t(2, 3), t(2)),
}  # fmt: skip


class Maker:
    """Makes float32 and int64 tensors with either library."""

    def __init__(self, lib):
        self.lib = lib

    def __call__(self, *shape):
        return self.lib.tensor(uniform(*shape).astype("float32"))

    def ints(self, *values):
        return self.lib.tensor(np.array(values))


KINDS = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_with_an_error_that_explains(name):
    with pytest.raises(KINDS) as caught:
        REFUSED[name](F, Maker(mg))
    assert isinstance(caught.value, (MinigradError, NotImplementedError))


@pytest.mark.parametrize("name", REFUSED)
def test_pytorch_refuses_it_too(torch, name):
    with pytest.raises(KINDS) as theirs:
        REFUSED[name](torch.nn.functional, Maker(torch))
    with pytest.raises(KINDS) as ours:
        REFUSED[name](F, Maker(mg))
    if theirs.type is IndexError:
        assert issubclass(ours.type, IndexError)


def test_errors_name_the_function_that_was_called():
    with pytest.raises(MinigradError, match=r"^conv2d: the operands do not fit"):
        F.conv2d(tensor(1, 3, 5, 5), tensor(2, 4, 3, 3))
    with pytest.raises(MinigradError, match=r"^max_pool2d: the window does not fit"):
        F.max_pool2d(tensor(1, 1, 2, 2), 3)


def test_what_is_not_supported_says_so():
    x = tensor(1, 2, 4, 4)
    with pytest.raises(NotImplementedError, match="output_padding"):
        F.conv_transpose2d(x, tensor(2, 1, 2, 2), dilation=2, output_padding=1)
    with pytest.raises(NotImplementedError, match="enable_gqa"):
        F.scaled_dot_product_attention(x, x, x, enable_gqa=True)
    with pytest.raises(NotImplementedError, match="return_indices"):
        F.adaptive_max_pool2d(x, 2, return_indices=True)
    with pytest.raises(NotImplementedError, match="running statistics"):
        F.instance_norm(x, mg.zeros(2), mg.ones(2))


def test_writing_in_place_is_for_tensors():
    x = tensor(3)
    assert F.relu(x, inplace=True) is x
    assert (x >= 0).all()
    with pytest.raises(MinigradError, match="relu: a node of a graph"):
        F.relu(mg.placeholder((3,)), inplace=True)


def test_a_class_that_does_not_exist_is_found_in_a_program_too():
    scores, labels = mg.placeholder((2, 3)), mg.placeholder((2,), "int64")
    loss = mg.compile([scores, labels], F.cross_entropy(scores, labels))
    with pytest.raises(MinigradError, match="index"):
        loss(np.zeros((2, 3), "float32"), np.array([0, -1]))


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_a_batch_of_nothing_is_a_batch(pool):
    x = mg.zeros(0, 2, 4, 4, requires_grad=True)
    y = F.conv2d(pool(x, 2), mg.ones(3, 2, 1, 1))
    assert y.shape == (0, 3, 2, 2)
    y.sum().backward()
    assert x.grad.shape == x.shape


# --- warnings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss]
)
def test_losses_of_different_sizes_warn(loss):
    with pytest.warns(UserWarning, match="different sizes") as caught:
        loss(tensor(3), tensor(3, 1))
    assert caught[0].filename == __file__


def test_softmax_without_dim_warns_and_guesses_as_pytorch_does(torch):
    for shape in [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5)]:
        x = uniform(*shape)
        with pytest.warns(UserWarning, match="dim"):
            y = F.softmax(mg.tensor(x))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = torch.nn.functional.softmax(torch.tensor(x))
        np.testing.assert_allclose(y.numpy(), expected.numpy())


def test_kl_div_says_that_mean_is_not_the_mathematics(torch):
    x, y = uniform(2, 3), uniform(2, 3, low=0.1, high=1)
    with pytest.warns(UserWarning, match="batchmean"):
        got = F.kl_div(mg.tensor(x), mg.tensor(y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = torch.nn.functional.kl_div(torch.tensor(x), torch.tensor(y))
    np.testing.assert_allclose(got.numpy(), expected.numpy())


# --- lines straight through 0 and 1 ------------------------------------------------------


def test_hardsigmoid_and_hardswish_have_the_slope_of_a_sixth():
    # PyTorch rounds 1/6 to float32 in its backward, so it is no model for these digits.
    x = mg.tensor([-4.0, -1.0, 1.0, 4.0], dtype="float64", requires_grad=True)
    (g,) = mg.autograd.grad(F.hardsigmoid(x).sum(), [x])
    np.testing.assert_allclose(g.numpy(), [0, 1 / 6, 1 / 6, 0])
    (g,) = mg.autograd.grad(F.hardswish(x).sum(), [x])
    np.testing.assert_allclose(g.numpy(), [0, 1 / 6, 5 / 6, 1])


def test_a_saturated_probability_stops_the_gradient_instead_of_making_it_nan():
    p = mg.tensor([0.0, 1.0, 0.5], requires_grad=True)
    F.binary_cross_entropy(p, mg.tensor([1.0, 1.0, 1.0]), reduction="sum").backward()
    np.testing.assert_array_equal(p.grad.numpy(), [0, -1, -2])
