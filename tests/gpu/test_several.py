"""Two GPUs in one process, simulated: every op is computed where its operands are.

The simulated devices keep CuPy's rule: what is computed or made on one that is not the
current GPU raises.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DeviceError


@pytest.fixture(autouse=True)
def log():
    with mg.cuda.simulate(devices=2) as log:
        yield log


def test_a_number_says_which_gpu_is_meant():
    assert mg.cuda.device_count() == 2
    x = mg.ones(2, device="cuda:1")
    assert x.device == "cuda:1"
    assert x.to("cuda:0").device == "cuda:0" == mg.ones(2, device="cuda").device
    assert x.cuda(1) is x
    assert mg.ones(2).cuda(1).device == mg.device("cuda", 1)
    with pytest.raises(DeviceError, match="there is no such GPU"):
        x.to("cuda:2")


def test_the_chosen_gpu_is_what_cuda_means():
    with mg.cuda.device(1):
        assert mg.cuda.current_device() == 1
        x = mg.ones(3, device="cuda")
        assert x.device == "cuda:1"
    assert mg.cuda.current_device() == 0
    assert x.to("cuda").device == "cuda:0"
    mg.cuda.set_device("cuda:1")
    assert mg.ones(3, device="cuda").device == "cuda:1"


def test_the_choice_ends_with_the_simulation():
    with mg.cuda.simulate(devices=3):
        mg.cuda.set_device(2)
    assert mg.cuda.current_device() == 0
    assert mg.cuda.device_count() == 2


def test_tensors_of_two_gpus_do_not_meet_and_both_are_named():
    x, w = mg.ones(2, 3, device="cuda:0"), mg.ones(3, device="cuda:1")
    for meet in (lambda: x + w, lambda: x.add_(w), lambda: x @ w, lambda: x * w[0]):
        with pytest.raises(DeviceError) as raised:
            meet()
        text = str(raised.value)
        assert "on cuda:0" in text
        assert "on cuda:1" in text
        assert 'x.to("cuda:1")' in text


def test_copies_go_from_one_to_the_other(log):
    x, y = mg.arange(4.0, device="cuda:0"), mg.zeros(4, device="cuda:1")
    del log[:]
    y.copy_(x)
    assert y.tolist() == [0, 1, 2, 3]
    assert y.device == "cuda:1"
    assert log.transfers >= 1


def test_ops_views_and_gradients_stay_where_the_operands_are():
    for where in ("cuda:1", "cuda:0", "cuda:1"):
        x = mg.arange(6.0, device=where).requires_grad_()
        y = x.reshape(2, 3).t().reshape(6) * x[::2].sum() + x.exp().cumsum(0)
        y = mg.cat([y[1:], y[:1]]).softmax(0)
        loss = (y * y).mean() + x.to("cpu").sum()
        loss.backward()
        assert x.grad.device == y.device == where
        assert loss.device == "cpu" or loss.device == where


def test_a_graph_over_both_has_the_gradients_of_one():
    def gradients(first, second):
        mg.manual_seed(0)
        w1 = mg.randn(3, 4).to(first).requires_grad_()
        w2 = mg.randn(4, 2).to(second).requires_grad_()
        hidden = (mg.randn(5, 3).to(first) @ w1).tanh()
        out = hidden.to(second) @ w2
        (out.pow(2).sum() + hidden.sum().to(second)).backward()
        assert w1.grad.device == mg.device(first).type or w1.grad.device == first
        return [w.grad.cpu().numpy() for w in (w1, w2)]

    for got, want in zip(gradients("cuda:0", "cuda:1"), gradients("cpu", "cpu")):
        np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_an_optimizer_updates_parameters_on_both(name):
    layers = [mg.nn.Linear(2, 2).to(f"cuda:{i}") for i in range(2)]
    parameters = [p for layer in layers for p in layer.parameters()]
    before = [p.detach().cpu().numpy().copy() for p in parameters]
    optimizer = getattr(mg.optim, name)(parameters, lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        for i, layer in enumerate(layers):
            layer(mg.ones(3, 2, device=f"cuda:{i}")).pow(2).sum().backward()
        optimizer.step()
    for p, old in zip(parameters, before, strict=True):
        assert not np.allclose(p.detach().cpu().numpy(), old)


@pytest.mark.parametrize("traced", [False, True])
def test_a_program_runs_where_its_variables_are(traced):
    w = mg.full((3,), 2.0, device="cuda:1").requires_grad_()

    def step(x):
        loss = (x * w).sum()
        loss.backward()
        with mg.no_grad():
            w.sub_(w.grad)
        w.grad = None
        return loss

    run = mg.jit(step) if traced else step
    for k in range(3):
        mg.ones(1, device="cuda:0")  # another GPU is current meanwhile
        loss = run(mg.ones(3, device="cuda:1"))
        assert loss.device == "cuda:1"
        assert loss.item() == 3 * (2 - k)


def test_a_program_refuses_what_lies_on_another_gpu():
    w, x = mg.variable(mg.ones(3, device="cuda:1")), mg.placeholder((3,))
    program = mg.compile([x], (x * w).sum())
    assert program(np.ones(3, "f")).device == "cuda:1"
    with pytest.raises(DeviceError) as raised:
        program(mg.ones(3, device="cuda:0"))
    assert "cuda:0" in str(raised.value)
    assert "cuda:1" in str(raised.value)
    other = mg.variable(mg.ones(3, device="cuda:0"))
    with pytest.raises(DeviceError, match="different devices"):
        mg.compile([x], (x * w * other).sum())(np.ones(3, "f"))


def test_memory_is_counted_for_each():
    x = mg.ones(256, device="cuda:1")
    assert mg.cuda.memory_allocated(1) == 4 * x.numel()
    assert mg.cuda.memory_allocated() == 0
    assert mg.cuda.get_device_name(1) == "simulated GPU"


def test_numbers_and_arrays_of_numpy_go_where_the_tensor_is():
    x = mg.ones(3, device="cuda:1")
    mg.ones(1, device="cuda:0")
    assert (x * np.float32([1, 2, 3]) + 1).tolist() == [2, 3, 4]
    assert (x * mg.tensor(2.0)).device == "cuda:1"
    assert x[mg.tensor([0, 2])].tolist() == [1, 1]
    assert mg.from_dlpack(x).device == "cuda:1"
    assert mg.randn(2, device="cuda:1").device == "cuda:1"
    assert mg.cat([x, x]).device == mg.zeros_like(x).device == "cuda:1"


def test_layers_of_every_kind_compute_on_the_second():
    layer = mg.nn.Sequential(
        mg.nn.Conv2d(1, 2, 3), mg.nn.BatchNorm2d(2), mg.nn.ReLU(), mg.nn.MaxPool2d(2),
        mg.nn.Flatten(), mg.nn.LayerNorm(18), mg.nn.Dropout(0.5), mg.nn.Linear(18, 3),
    ).to("cuda:1")  # fmt: skip
    mg.ones(1, device="cuda:0")
    x, y = mg.randn(4, 1, 8, 8, device="cuda:1"), mg.tensor([0, 1, 2, 0]).to("cuda:1")
    mg.ones(1, device="cuda:0")
    loss = mg.nn.functional.cross_entropy(layer(x), y)
    loss.backward()
    assert all(p.grad.device == "cuda:1" for p in layer.parameters())


def test_a_stream_brings_its_gpu_along():
    before, side = mg.cuda.current_stream(), mg.cuda.Stream(device=1)
    assert side.device == "cuda:1"
    with mg.cuda.stream(side):
        assert mg.cuda.current_stream() == side
        assert mg.ones(2, device="cuda").device == "cuda:1"
        with mg.cuda.stream(before):
            assert mg.ones(2, device="cuda").device == "cuda:0"
        assert mg.cuda.current_device() == 1
    assert mg.cuda.current_device() == 0
    assert mg.cuda.current_stream() == before != mg.cuda.current_stream(1) != side


def test_an_event_is_recorded_where_the_stream_is_and_waited_for_anywhere():
    event, side = mg.cuda.Event(), mg.cuda.Stream(device=1)
    with mg.cuda.stream(side):
        y = mg.ones(2, device="cuda").to("cpu", non_blocking=True)
    mg.ones(1, device="cuda:0")  # another GPU is current meanwhile
    event.record(side)
    event.wait(mg.cuda.current_stream(0))
    mg.cuda.synchronize(0)
    assert y.tolist() == [1, 1]
    side.wait_stream(mg.cuda.current_stream(0))
    side.synchronize()
    mg.cuda.current_stream(1).synchronize()
    mg.cuda.current_stream(0).synchronize()


def test_an_event_stays_on_the_gpu_where_it_was_recorded_first():
    first, second = (mg.cuda.Event(enable_timing=True) for _ in range(2))
    first.record(mg.cuda.current_stream(1))
    second.record()
    for refused in (first.record, lambda: first.elapsed_time(second)):
        with pytest.raises(DeviceError, match="belongs to the GPU") as raised:
            refused()
        assert "cuda:0" in str(raised.value)
        assert "cuda:1" in str(raised.value)
