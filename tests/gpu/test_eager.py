"""Tensors on a device: eager mode there is eager mode here."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.gpu import simulated
from minigrad.ops import conv


def test_the_articles_net_learns_the_same_on_every_device(device):
    def losses(where):
        mg.manual_seed(0)
        x, y = mg.randn(8, 10, device=where), mg.randn(8, 3, device=where)
        w1 = mg.randn(10, 5, device=where, requires_grad=True)
        w2 = mg.randn(5, 3, device=where, requires_grad=True)
        found = []
        for _ in range(5):
            loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
            loss.backward()
            with mg.no_grad():
                for w in (w1, w2):
                    w -= 1e-3 * w.grad
                    w.grad = None
            found.append(loss.item())
        assert w1.device.type == mg.device(where).type
        return found

    np.testing.assert_allclose(losses(device), losses("cpu"), rtol=1e-5)


def test_a_body_may_write_to_the_numbers_that_it_drew(device):
    def body(h, v):
        drawn = mg.rand(2, device=device)
        drawn[0] = v
        return h + drawn.mul_(2.0).sum(), None

    ones = mg.ones(3, device=device)
    assert mg.scan(body, ones[0] * 0, ones)[0].item() > 6.0


def test_two_devices_in_one_op_are_named_with_the_remedy():
    with mg.cuda.simulate():
        x, w = mg.ones(2, 3, device="cuda"), mg.ones(3)
        with pytest.raises(mg.errors.DeviceError) as raised:
            x + w
    text = str(raised.value)
    assert "x (2, 3) on cuda:0" in text
    assert "w (3,) on cpu" in text
    assert 'w.to("cuda")' in text


def test_a_cpu_tensor_without_dims_goes_along_and_gets_its_gradient_back(device):
    x, s = mg.ones(3, device=device), mg.tensor(2.0, requires_grad=True)
    (x * s).sum().backward()
    assert s.grad.device == "cpu"
    assert s.grad.item() == 3


def test_looking_is_a_transfer_and_computing_is_not():
    with mg.cuda.simulate() as log:
        x = mg.ones(3, device="cuda")
        y = (x * 2).sum()
        assert log.transfers == 0
        assert y.item() == 6
    assert [str(event) for event in log.of("to host")] == ["to host    (), 4 bytes"]
    assert log.launches == 3  # ones, multiply, sum


def test_numpy_is_refused_with_the_way_round():
    with mg.cuda.simulate():
        x = mg.ones(2, device="cuda")
        with pytest.raises(TypeError, match=r"x\.cpu\(\)\.numpy\(\)"):
            x.numpy()
        assert x.cpu().numpy().tolist() == [1, 1]


def test_out_of_memory_says_what_was_asked_and_what_is_held():
    with mg.cuda.simulate(memory=4096):
        x = mg.ones(512, device="cuda")
        with pytest.raises(mg.errors.OutOfMemoryError) as raised:
            x.double()
    assert "4.0 KiB more" in str(raised.value)
    assert "2.0 KiB taken" in str(raised.value)


CREATE = {
    "tensor": lambda **o: mg.tensor([1.0, 2.0], **o),
    "as_tensor": lambda **o: mg.as_tensor(np.ones(2), **o),
    "zeros": lambda **o: mg.zeros(2, **o),
    "ones": lambda **o: mg.ones(2, **o),
    "empty": lambda **o: mg.empty(2, **o),
    "full": lambda **o: mg.full((2,), 3.0, **o),
    "arange": lambda **o: mg.arange(3, **o),
    "linspace": lambda **o: mg.linspace(0, 1, 3, **o),
    "eye": lambda **o: mg.eye(2, **o),
    "rand": lambda **o: mg.rand(2, **o),
    "randn": lambda **o: mg.randn(2, **o),
    "randint": lambda **o: mg.randint(0, 5, (2,), **o),
    "randperm": lambda **o: mg.randperm(4, **o),
    "normal": lambda **o: mg.normal(0.0, 1.0, (2,), **o),
}


@pytest.mark.parametrize("make", CREATE.values(), ids=list(CREATE))
def test_every_maker_takes_a_device_and_follows_the_default(make, device):
    assert make(device=device).device.type == device
    mg.set_default_device(device)
    try:
        assert make().device.type == device
        assert make(device="cpu").device == "cpu"
    finally:
        mg.set_default_device("cpu")


@pytest.mark.parametrize("like", [mg.zeros_like, mg.ones_like, mg.rand_like])
def test_what_is_made_like_a_tensor_lies_where_it_lies(like, device):
    assert like(mg.ones(2, device=device)).device.type == device
    assert like(mg.ones(2, device=device), device="cpu").device == "cpu"


def test_moving_keeps_what_is_there_already(device):
    x = mg.ones(2, device=device)
    assert x.to(device) is x
    assert x.to(x) is x
    assert x.to(device, mg.float64).dtype == mg.float64
    assert x.to(device, copy=True) is not x
    assert x.cpu().device == "cpu"
    assert x.is_cuda == (device != "cpu")


def test_there_is_one_gpu_in_a_process():
    with mg.cuda.simulate():
        assert mg.cuda.device_count() == 1
        assert mg.cuda.current_device() == 0
        assert mg.ones(1).cuda(0).device == mg.device("cuda", 0) == "cuda:0"
        mg.cuda.set_device(0)
        with pytest.raises(mg.errors.DeviceError, match="CUDA_VISIBLE_DEVICES"):
            mg.ones(1, device="cuda:1")


@pytest.mark.parametrize("dims", [1, 2])
def test_convolutions_and_their_gradients_go_by_cudnns_plans(dims, monkeypatch):
    ops = {"conv_fprop": conv.conv, "conv_dgrad": conv.conv_input}
    asked = []

    class Plan:
        workspace = 64

        def __init__(self, what):
            asked.append(what.method)
            self.fn = ops.get(what.method, conv.conv_weight).fn
            more = {"size": what.output[-dims:]} if what.method == "conv_dgrad" else {}
            self.attrs = {"window": window, "groups": 1, **more}

        def __call__(self, a, b, y, workspace, stream):
            assert all(x.flags.c_contiguous for x in (a, b, y))
            assert workspace.nbytes == 64
            y._values[...] = self.fn(a._values, b._values, **self.attrs)

    window = conv.Window((3,) * dims, (2,) * dims, ((1, 1),) * dims, (1,) * dims)
    forward = mg.nn.functional.conv1d if dims == 1 else mg.nn.functional.conv2d

    def found(where):
        mg.manual_seed(0)
        x = mg.randn(2, *[8] * dims, 3).to(where).movedim(-1, 1).requires_grad_()
        w = mg.randn(4, 3, *[3] * dims).to(where).requires_grad_()
        y = forward(x, w, stride=2, padding=1)
        (y * y).sum().backward()
        return [t.detach().cpu().numpy() for t in (y, x.grad, w.grad)]

    monkeypatch.setattr(simulated.Simulated, "convolution", lambda _, what: Plan(what))
    with mg.cuda.simulate():
        for got, want in zip(found("cuda"), found("cpu"), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    assert sorted(asked) == ["conv_dgrad", "conv_fprop", "conv_wgrad"]


def test_a_convolution_on_a_device_refuses_what_it_does_on_the_cpu(device):
    x, w = mg.ones(1, 3, 8, 8, device=device), mg.ones(4, 2, 3, 3, device=device)
    with pytest.raises(mg.errors.ShapeError, match="do not fit together"):
        mg.nn.functional.conv2d(x, w)


def test_memory_is_counted_while_it_is_held():
    with mg.cuda.simulate():
        x = mg.ones(256, device="cuda")
        y = x * 2
        assert mg.cuda.memory_allocated() == 2048
        del y
        assert mg.cuda.memory_allocated() == 1024
        assert mg.cuda.max_memory_allocated() == 2048
        mg.cuda.reset_peak_memory_stats()
        assert mg.cuda.max_memory_allocated() == 1024
        x *= 2
        assert mg.cuda.max_memory_allocated() == 1024


def test_dtypes_promote_as_on_the_cpu(device):
    half, single = np.float16(1), mg.ones(2, device=device)
    whole, flags = mg.arange(2, device=device), mg.arange(2, device=device) > 0
    double = mg.tensor(2.0, dtype=mg.float64, device=device)
    for y, dtype in [
        (single * half, "float32"),
        (single + 1, "float32"),
        (single * double, "float32"),
        (whole * 2, "int64"),
        (whole * 2.0, "float32"),
        (whole / whole.sum(), "float32"),
        (flags + 1, "int64"),
        (single.to(mg.float16) + 1.5, "float16"),
        (whole.to(mg.uint8) + 1, "uint8"),
        (single.sum() * 3.0, "float32"),
        (2.0**single, "float32"),
    ]:
        assert y.dtype == dtype
        assert y.device.type == device
