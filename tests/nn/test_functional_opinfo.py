"""nn.functional on the calls with which PyTorch tests its own."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.nn.functional as F

# PyTorch's op database: the functions whose samples mean here what they mean there.
NAMES = """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d avg_pool1d avg_pool2d
    batch_norm bilinear binary_cross_entropy binary_cross_entropy_with_logits conv1d
    conv2d conv_transpose2d cosine_similarity cross_entropy elu gelu
    group_norm hardsigmoid hardswish hardtanh huber_loss instance_norm kl_div l1_loss
    layer_norm leaky_relu linear logsigmoid max_pool1d max_pool2d mish mse_loss nll_loss
    normalize pad prelu relu relu6 scaled_dot_product_attention selu silu smooth_l1_loss
    softplus unfold
""".split()
MOST = 150  # samples of one function; the pools bring over a thousand


def not_here(name, sample):
    """What a sample asks for that is random, or refused by design."""
    options = sample.kwargs
    if name == "batch_norm":
        return sample.input.ndim < 2
    if name == "instance_norm":
        return options.get("running_mean") is not None
    if name == "adaptive_max_pool2d":
        return True in sample.args or options.get("return_indices")
    if name == "conv_transpose2d":
        return options.get("output_padding") == (2, 3)  # above the stride, (3, 2)
    return options.get("dropout_p") or options.get("enable_gqa")


def ours(torch, value):
    if isinstance(value, torch.Tensor):
        array = value.detach().numpy().copy()
        return mg.tensor(array, requires_grad=value.requires_grad)
    return value


def tensors(kind, args, options):
    found = [x for x in (*args, *options.values()) if isinstance(x, kind)]
    return [x for x in found if x.requires_grad]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_pytorch_s_own_samples_give_pytorch_s_values_and_gradients(
    torch, op_database, name
):
    torch.manual_seed(0)
    compared = 0
    for info in op_database:
        if info.name != f"nn.functional.{name}":
            continue
        samples = list(info.sample_inputs("cpu", torch.float64, requires_grad=True))
        for sample in samples[:: -(-len(samples) // MOST)]:
            if not not_here(name, sample):
                compare(torch, name, sample)
                compared += 1
    assert compared


def compare(torch, name, sample):
    args, options = (sample.input, *sample.args), sample.kwargs
    expected = getattr(torch.nn.functional, name)(*args, **options)
    mine = [ours(torch, x) for x in args]
    mine_options = {key: ours(torch, x) for key, x in options.items()}
    got = getattr(F, name)(*mine, **mine_options)
    several = isinstance(expected, tuple)
    for y, target in zip(*((got, expected) if several else ([got], [expected]))):
        what = f"{name} of {sample.summary()}"
        np.testing.assert_allclose(
            y.detach().numpy(),
            target.detach().numpy(),
            1e-9,
            1e-10,
            err_msg=what,
            strict=True,
        )
    y, target = (got[0], expected[0]) if several else (got, expected)
    if not target.requires_grad:
        return
    w = np.linspace(0.5, 1.5, max(target.numel(), 1))[: target.numel()]
    w = w.reshape(tuple(target.shape))
    theirs = torch.autograd.grad(
        (target * torch.tensor(w)).sum(),
        tensors(torch.Tensor, args, options),
        allow_unused=True,
    )
    mine = mg.autograd.grad(
        (y * mg.tensor(w)).sum(),
        tensors(mg.Tensor, mine, mine_options),
        allow_unused=True,
    )
    rtol = 1e-7 if name == "hardsigmoid" else 1e-8  # PyTorch's 1/6 is a float32
    for g, h in zip(mine, theirs, strict=True):
        if h is not None:
            zero = np.zeros(tuple(h.shape))
            np.testing.assert_allclose(
                zero if g is None else g.numpy(), h.numpy(), rtol, 1e-10
            )
