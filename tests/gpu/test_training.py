"""What surrounds the ops, on a device: modules, optimizers, data, random numbers, files."""

import copy
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn


@pytest.fixture
def simulated():
    with mg.cuda.simulate() as log:
        yield log


def small_net():
    mg.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(12, 4),
    )


OPTIMIZERS = {
    "SGD": lambda ps: mg.optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.1),
    "Adam": lambda ps: mg.optim.Adam(ps, lr=0.01, amsgrad=True),
    "AdamW": lambda ps: mg.optim.AdamW(ps, lr=0.01),
    "RMSprop": lambda ps: mg.optim.RMSprop(ps, lr=0.01, centered=True, momentum=0.5),
    "Adagrad": lambda ps: mg.optim.Adagrad(ps, lr=0.01, lr_decay=0.1),
}


def trained(where, optimizer):
    """The weights, statistics and losses after four steps."""
    net = small_net().to(where)
    opt, losses = OPTIMIZERS[optimizer](net.parameters()), []
    for _ in range(4):
        x = mg.randn(5, 1, 4, 4, device=where)
        target = mg.randint(0, 4, (5,), device=where)
        loss = nn.functional.cross_entropy(net(x), target)
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        losses.append(loss.item())
    return net, opt, losses


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_network_learns_the_same_on_every_device(optimizer, device):
    net, opt, losses = trained(device, optimizer)
    expected, _, same_losses = trained("cpu", optimizer)
    np.testing.assert_allclose(losses, same_losses, rtol=1e-4)
    for name, value in net.state_dict().items():
        assert value.device.type == device
        other = expected.state_dict()[name]
        np.testing.assert_allclose(
            value.cpu().numpy(), other.numpy(), rtol=1e-3, atol=1e-5
        )
    kept = [t for state in opt.state.values() for k, t in state.items() if k != "step"]
    assert {t.device.type for t in kept} == {device}


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.GRUCell])
def test_a_recurrent_layer_begins_with_zeros_where_its_input_is(kind, device):
    layer = kind(3, 4).to(device)
    size = (2, 3) if "Cell" in kind.__name__ else (5, 2, 3)
    y = layer(mg.ones(size, device=device))
    y = y[0] if isinstance(y, tuple) else y
    y.sum().backward()
    places = {y.device.type, *(p.grad.device.type for p in layer.parameters())}
    assert places == {device}


def test_sequences_of_several_lengths_are_packed_and_padded_on_a_device(device):
    rows = [mg.ones(n, 3, device=device) for n in (4, 2)]
    padded = nn.utils.rnn.pad_sequence(rows)
    packed = nn.utils.rnn.pack_padded_sequence(padded, [4, 2])
    y, _ = nn.LSTM(3, 2).to(device)(packed)
    back, lengths = nn.utils.rnn.pad_packed_sequence(y)
    assert back.device.type == device
    assert back.shape == (4, 2, 2)
    assert lengths.tolist() == [4, 2]


def test_weights_on_another_device_than_the_input_are_named(simulated):
    layer, x = nn.Linear(3, 2).cuda(), mg.ones(4, 3)
    with pytest.raises(mg.errors.DeviceError, match=r"x \(4, 3\) on cpu|on cuda:0"):
        layer(x)


def test_a_module_moves_whole_and_back_and_keeps_its_parameters(device):
    net = small_net()
    before, weight = copy.deepcopy(net.state_dict()), net[0].weight
    net(mg.ones(2, 1, 4, 4)).sum().backward()
    net.to(device)
    assert net[0].weight is weight
    assert weight.device.type == weight.grad.device.type == device
    assert net[1].num_batches_tracked.device.type == device
    net.cpu()
    assert weight.device == weight.grad.device == "cpu"
    for name, value in net.state_dict().items():
        if "running" not in name and "tracked" not in name:
            assert mg.equal(value, before[name])


def test_an_optimizer_s_state_is_loaded_onto_its_parameters_device(device):
    net, opt, _ = trained("cpu", "Adam")
    saved = copy.deepcopy(opt.state_dict())
    net.to(device)
    opt.load_state_dict(saved)
    state = next(iter(opt.state.values()))
    assert state["exp_avg"].device.type == device
    assert state["step"].device == "cpu"
    opt.step()


def test_the_same_seed_gives_the_same_numbers_on_every_device(device):
    def drawn(where):
        stream = mg.Generator(device=where).manual_seed(5)
        mg.manual_seed(5)
        x = mg.ones(3, 2, device=where)
        return [
            mg.rand(3, device=where, generator=stream),
            mg.randn(3, device=where),
            mg.randint(0, 9, (4,), device=where),
            mg.randperm(6, device=where),
            mg.rand_like(x),
            mg.bernoulli(x * 0.5),
            mg.multinomial(x, 1),
            x.clone().normal_(),
            mg.normal(x, 2.0),
            nn.functional.dropout(x, 0.5),
        ]

    for mine, theirs in zip(drawn(device), drawn("cpu"), strict=True):
        assert mine.device.type == device
        np.testing.assert_allclose(mine.cpu().numpy(), theirs.numpy(), rtol=1e-6)


def test_batches_are_pinned_and_brought_over(simulated):
    data = mg.utils.data.TensorDataset(mg.arange(6.0), mg.arange(6))
    loader = mg.utils.data.DataLoader(data, batch_size=4, pin_memory=True)
    moved = [
        (x.to("cuda", non_blocking=True), y.cuda(non_blocking=True)) for x, y in loader
    ]
    assert [x.tolist() for x, _ in moved] == [[0, 1, 2, 3], [4, 5]]
    assert {y.device.type for _, y in moved} == {"cuda"}


def test_files_copies_and_pickles_keep_the_numbers(device, tmp_path):
    pytest.importorskip("safetensors")
    w = mg.arange(4.0, device=device).requires_grad_()
    mg.save({"w": w}, tmp_path / "w")
    assert mg.load(tmp_path / "w")["w"].device == "cpu"
    back = mg.load(tmp_path / "w", map_location=device)["w"]
    for other in (back, copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        assert other.device.type == device
        assert other.tolist() == [0, 1, 2, 3]


def test_loading_to_a_device_that_is_not_there_says_so(no_gpu, tmp_path):
    pytest.importorskip("safetensors")
    mg.save(mg.ones(1), tmp_path / "x")
    with pytest.raises(mg.errors.DeviceError, match="no NVIDIA driver"):
        mg.load(tmp_path / "x", map_location="cuda")


def test_a_function_of_one_s_own_and_hooks_see_tensors_of_the_device(device):
    seen = []

    class Double(mg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2, x + 1

        @staticmethod
        def backward(ctx, g, other):
            (x,) = ctx.saved_tensors
            seen.extend([x.device.type, g.device.type, other.device.type])
            return g * 2 + other

    x = mg.ones(3, device=device, requires_grad=True)
    x.register_hook(lambda g: seen.append(g.device.type))
    y, _ = Double.apply(x)
    y.sum().backward()
    assert seen == [device] * 4
    assert x.grad.tolist() == [2, 2, 2]


def test_detect_anomaly_finds_the_nan_on_a_device(device):
    x = mg.zeros(2, device=device, requires_grad=True)
    with mg.autograd.detect_anomaly(), pytest.raises(mg.errors.GradError, match="nan"):
        (x.sqrt() * 0).sum().backward()


def test_tf32_is_a_switch_that_products_obey(simulated):
    a, b = mg.randn(2, 4, 3), mg.randn(2, 5, 3)
    expected = (a @ b.mT).numpy()
    matmul = mg.backends.cuda.matmul
    assert not matmul.allow_tf32
    matmul.allow_tf32 = True
    try:
        y = a.cuda() @ b.cuda().mT
        with pytest.raises(mg.errors.ShapeError):
            a.cuda() @ b.cuda()
    finally:
        matmul.allow_tf32 = False
    assert "gemm" in [event.what for event in simulated]
    np.testing.assert_allclose(y.cpu().numpy(), expected, rtol=1e-5)
