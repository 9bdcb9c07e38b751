"""Every module in training and in use: as in PyTorch, and the same under jit."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import GraphError

# Both libraries warn of what KLDivLoss calls a mean.
pytestmark = pytest.mark.filterwarnings("ignore:kl_div", "ignore:reduction")


def compare(got, expected):
    assert got.keys() == expected.keys()
    for key, array in got.items():
        np.testing.assert_allclose(
            array, expected[key], rtol=1e-9, atol=1e-11, err_msg=key, strict=True
        )


def golden_of(modules, name):
    prefix = f"{name} | "
    return {
        key.removeprefix(prefix): array
        for key, array in modules.results.items()
        if key.startswith(prefix)
    }


def test_a_module_gives_what_pytorch_gave(module_case, modules):
    compare(modules.run(mg, module_case), golden_of(modules, module_case))


def test_a_module_gives_under_jit_what_pytorch_gave(module_case, modules):
    traced = modules.run(mg, module_case, lambda step: mg.jit(step, keep_grads=True))
    compare(traced, golden_of(modules, module_case))


def test_a_module_gives_what_pytorch_gives_now(module_case, modules, torch):
    expected = modules.run(torch, module_case)
    compare(modules.run(mg, module_case), expected)


# --- how they print, and what they are made of -------------------------------------------

BUILDS = """
    Linear(3, 2)  Linear(3, 2, bias=False)  Bilinear(2, 3, 4)  Identity(1, x=2)
    Embedding(5, 3)  Embedding(5, 3, padding_idx=-1)
    Conv1d(2, 4, 3)  Conv2d(2, 4, (3, 5), 2, padding=1, dilation=2, groups=2, bias=False)
    Conv2d(2, 2, 3, padding="same")  ConvTranspose2d(2, 4, 3, 2, 1, 1, 2)
    MaxPool1d(2)  MaxPool2d((2, 3), ceil_mode=True)  AvgPool1d(3, 2)  AvgPool2d(3, padding=1)
    AdaptiveAvgPool2d(1)  AdaptiveAvgPool2d((None, 2))
    BatchNorm1d(3)  BatchNorm2d(3, momentum=None, affine=False)
    BatchNorm1d(3, track_running_stats=False)  BatchNorm1d(3, bias=False)
    LayerNorm(3)  LayerNorm((2, 3), elementwise_affine=False)  GroupNorm(2, 4)
    Dropout()  Dropout(0.1, True)  ReLU()  ReLU(True)  LeakyReLU()
    LeakyReLU(0.2, inplace=True)  ELU()  SELU()  GELU()  GELU("tanh")  SiLU()  Mish()
    Softplus()  Softplus(2)  Hardtanh()  Hardtanh(0, 6, inplace=True)  Sigmoid()  Tanh()
    Softmax(1)  LogSoftmax(dim=-1)  Flatten()  Unflatten(1, (2, 3))
    MSELoss()  L1Loss()  SmoothL1Loss()  HuberLoss("sum", 2.0)  CrossEntropyLoss()
    NLLLoss(reduction="none")  BCELoss()  BCEWithLogitsLoss()  KLDivLoss()
    Sequential()  Sequential(nn.Linear(1,2),nn.Sequential(nn.ReLU(),nn.Dropout()))
    ModuleList()  ModuleList([nn.ReLU(),nn.ReLU(),nn.Linear(1,2),nn.ReLU()])
    ModuleList([nn.Sequential(nn.Tanh()),nn.Sequential(nn.Tanh())])
    ModuleDict({"a":nn.Linear(1,2),"b":nn.ModuleList([nn.Tanh()])})
"""
BUILDS = [
    text.strip() for text in BUILDS.replace("\n", "  ").split("  ") if text.strip()
]


def build(library, text):
    return eval(f"nn.{text}", {"nn": library})


@pytest.mark.parametrize("text", BUILDS)
def test_a_module_prints_as_pytorch_prints_it(text, torch):
    assert repr(build(nn, text)) == repr(build(torch.nn, text))


@pytest.mark.parametrize("text", BUILDS)
def test_a_module_keeps_what_pytorch_keeps(text, torch):
    ours, theirs = build(nn, text), build(torch.nn, text)

    def form(module):
        shapes = {k: (*t.shape,) for k, t in module.state_dict().items()}
        dtypes = [str(t.dtype).split(".")[-1] for t in module.state_dict().values()]
        names = [name for name, _ in module.named_parameters()]
        return shapes, dtypes, names, [type(m).__name__ for m in module.modules()]

    assert form(ours) == form(theirs)


DRAWN = """
    Linear(200, 300)  Bilinear(20, 30, 40)  Conv1d(20, 60, 7)  Conv2d(20, 60, (3, 5))
    Conv2d(20, 60, 5, groups=4)  ConvTranspose2d(20, 60, 5)  ConvTranspose2d(20, 60, 5, groups=4)
    Embedding(300, 100)
"""
DRAWN = [text.strip() for text in DRAWN.replace("\n", "  ").split("  ") if text.strip()]


@pytest.mark.parametrize("text", DRAWN)
def test_weights_begin_in_the_distribution_of_pytorch(text, torch):
    torch.manual_seed(0)
    mg.manual_seed(0)
    theirs = dict(build(torch.nn, text).named_parameters())
    for name, p in build(nn, text).named_parameters():
        ours, reference = p.detach().numpy(), theirs[name].detach().numpy()
        spread = 5 / math.sqrt(ours.size)  # five standard errors, or more
        assert abs(ours.mean() - reference.mean()) < spread * 2 * reference.std()
        assert abs(ours.std() / reference.std() - 1) < 2 * spread
        if not text.startswith("Embedding"):  # evenly drawn: the edges are sharp
            assert abs(ours).max() <= abs(reference).max() * (1 + 2 * spread)
            assert abs(ours).max() >= abs(reference).max() * (1 - 2 * spread)


def test_norms_begin_with_ones_and_zeros_and_embeddings_with_a_row_of_padding():
    for layer in (nn.BatchNorm1d(3), nn.LayerNorm(3), nn.GroupNorm(1, 3)):
        assert layer.weight.tolist() == [1, 1, 1]
        assert layer.bias.tolist() == [0, 0, 0]
    assert nn.Embedding(4, 2, padding_idx=1).weight[1].tolist() == [0, 0]


def test_from_pretrained_keeps_the_rows_and_does_not_learn_unless_told_to():
    rows = mg.ones(3, 2)
    layer = nn.Embedding.from_pretrained(rows)
    assert not layer.weight.requires_grad
    assert layer(mg.tensor([2])).tolist() == [[1, 1]]
    assert nn.Embedding.from_pretrained(rows, freeze=False).weight.requires_grad


# --- dropout and batch norm --------------------------------------------------------------


def test_dropout_leaves_the_mean_and_drops_its_share_and_does_nothing_in_eval():
    mg.manual_seed(0)
    drop, x = nn.Dropout(0.25), mg.ones(40_000)
    y = drop(x)
    assert set(np.unique(y.numpy())) == {0, np.float32(1 / 0.75)}
    assert abs((y == 0).float().mean().item() - 0.25) < 0.02
    assert drop.eval()(x).tolist() == x.tolist()
    assert nn.Dropout(0)(x).tolist() == x.tolist()
    assert nn.Dropout(1.0)(x).sum().item() == 0
    with pytest.raises(ValueError, match="between 0 and 1, but got 3"):
        nn.Dropout(3)


def test_dropout_draws_anew_in_each_traced_call_as_in_the_eager_run():
    drop, x = nn.Dropout(0.5), mg.ones(50)
    traced = mg.jit(drop)
    mg.manual_seed(3)
    eager = [drop(x).tolist() for _ in range(3)]
    mg.manual_seed(3)
    assert [traced(x).tolist() for _ in range(3)] == eager
    assert eager[0] != eager[1]


def test_batch_norm_refuses_a_single_sample_and_inputs_of_another_rank():
    with pytest.raises(ValueError, match="more than one value for each channel"):
        nn.BatchNorm1d(3)(mg.ones(1, 3))
    nn.BatchNorm1d(3).eval()(mg.ones(1, 3))
    with pytest.raises(ValueError, match=r"expected 2D or 3D input \(got 4D input\)"):
        nn.BatchNorm1d(3)(mg.ones(2, 3, 1, 1))
    with pytest.raises(ValueError, match=r"expected 4D input \(got 2D input\)"):
        nn.BatchNorm2d(3)(mg.ones(2, 3))


def test_batch_norm_that_refuses_counts_no_batch():
    norm = nn.BatchNorm1d(3)
    with pytest.raises(ValueError):
        norm(mg.ones(1, 3))
    assert norm.num_batches_tracked.item() == 0
    assert norm.running_mean.tolist() == [0, 0, 0]


def test_batch_norm_counts_batches_in_a_0d_integer():
    norm = nn.BatchNorm1d(2)
    norm(mg.randn(4, 2))
    count = norm.num_batches_tracked
    assert (count.shape, count.dtype, count.item()) == ((), mg.int64, 1)
    norm.reset_running_stats()
    assert (count.item(), norm.running_var.tolist()) == (0, [1, 1])


def test_batch_norm_in_training_does_not_enter_a_graph_built_by_hand():
    x = mg.placeholder((4, 2))
    with pytest.raises(
        GraphError, match="batch_norm: a node of a graph cannot be written"
    ):
        nn.BatchNorm1d(2)(x)
    y = mg.compile([x], nn.BatchNorm1d(2).eval()(x))(np.ones((4, 2)))
    np.testing.assert_allclose(y.numpy(), 1, rtol=1e-4)


# --- arguments ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("ReLU(slope=1)", TypeError, "ReLU: .*slope"),
        ("MaxPool2d()", TypeError, "MaxPool2d: .*kernel_size"),
        ("MSELoss(size_average=True)", TypeError, "MSELoss: .*size_average"),
        ("Conv2d(3, 4, 3, groups=2)", ValueError, "in_channels must be divisible"),
        ("Conv2d(4, 3, 3, groups=2)", ValueError, "out_channels must be divisible"),
        ("Conv2d(4, 4, 3, groups=0)", ValueError, "positive"),
        ("Conv2d(1, 1, 3, 2, 'same')", ValueError, "strided"),
        ("Conv2d(1, 1, 3, padding='all')", ValueError, "padding"),
        ("Conv2d(1, 1, (3, 3, 3))", ValueError, "Conv2d: this kernel_size"),
        ("Conv2d(1, 1, 3, padding_mode='reflect')", NotImplementedError, "reflect"),
        ("GroupNorm(3, 4)", ValueError, "divisible by num_groups"),
        ("Embedding(3, 2, padding_idx=3)", ValueError, "within num_embeddings"),
        ("Linear(2, 2, device='cuda')", (RuntimeError, ValueError), "cuda"),
    ],
)
def test_wrong_options_are_refused_when_a_module_is_built(text, error, message):
    with pytest.raises(error, match=message):
        build(nn, text)


def test_weights_of_losses_are_buffers_that_move_with_the_module():
    loss = nn.CrossEntropyLoss(mg.ones(3))
    assert list(loss.state_dict()) == ["weight"]
    assert loss.double().weight.dtype == mg.float64
    assert nn.CrossEntropyLoss().weight is None
