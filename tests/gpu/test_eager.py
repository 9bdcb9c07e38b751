"""Tensors on a device: eager mode there is eager mode here."""

import numpy as np
import pytest

import minigrad as mg


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
