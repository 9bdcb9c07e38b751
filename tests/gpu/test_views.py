"""Views, writes in place and indices on a device."""

import numpy as np
import pytest

import minigrad as mg


def write_in_every_way(where):
    w = mg.arange(12.0, device=where).requires_grad_()
    x = w.reshape(3, 4) * 1
    x[0] = 7.0
    x[:, 1] += 1
    x[1].mul_(3)
    x.T[2] = x[0, 0]
    x[mg.tensor([2, 0], device=where), 3] = -1.0
    x[x > 20] = 0
    x.diagonal()[0] = 5
    x[1:].copy_(x[:-1])
    x.view(4, 3)[0].zero_()
    (x * x).sum().backward()
    return x.detach(), w.grad


def test_views_and_writes_in_place_are_those_of_the_cpu(device):
    for mine, theirs in zip(write_in_every_way(device), write_in_every_way("cpu")):
        np.testing.assert_allclose(mine.cpu().numpy(), theirs.numpy())


def test_expanded_memory_cannot_be_written(device):
    x = mg.zeros(1, 3, device=device).expand(2, 3)
    with pytest.raises(mg.errors.GradError, match="cannot be written"):
        x.add_(1)


def test_a_write_that_backward_needed_is_found(device):
    x = mg.ones(2, device=device, requires_grad=True)
    y = x.exp()
    y.mul_(2)
    with pytest.raises(mg.errors.GradError, match="exp"):
        y.sum().backward()


INDICES = {
    "a row that is not there": lambda x, i: x[i + 3],
    "a row below the first": lambda x, i: x[i - 9],
    "gather": lambda x, i: x.gather(0, (i + 3).reshape(1, 1)),
    "gather below 0": lambda x, i: x.gather(0, (i - 1).reshape(1, 1)),
    "a mask of another shape": lambda x, i: x[x[0] > 0],
    "too many": lambda x, i: x[i, i, i],
    "a write": lambda x, i: x.index_add(0, i + 3, x[:1]),
}


@pytest.mark.parametrize("read", INDICES.values(), ids=list(INDICES))
def test_an_index_out_of_range_is_an_error_and_not_another_element(read, device):
    x, i = mg.ones(3, 2, device=device), mg.tensor([0], device=device)
    with pytest.raises(IndexError):
        read(x, i)


def test_indices_may_lie_on_the_cpu(device):
    x = mg.arange(4.0, device=device)
    assert x[mg.tensor([2, 0])].tolist() == [2, 0]
    assert x[np.array([3])].tolist() == [3]
    assert x[[True, False, False, True]].tolist() == [0, 3]
    x[mg.tensor([1])] = mg.tensor(1.0)
    assert x.tolist() == [0, 1, 2, 3]


def test_copies_and_assignments_carry_over(device):
    here, there = mg.ones(2, requires_grad=True), mg.zeros(2, 2, device=device)
    there[0] = here * 3
    there.sum().backward()
    assert here.grad.tolist() == [3, 3]
    assert mg.zeros(2, 2).copy_(there).tolist() == [[3, 3], [0, 0]]


def test_a_write_into_the_cpu_is_not_moved_away(simulated_pair):
    cpu, cuda = simulated_pair
    with pytest.raises(mg.errors.DeviceError, match="different devices"):
        cpu.add_(cuda)
    with pytest.raises(mg.errors.DeviceError, match="different devices"):
        cpu[0].add_(cuda[0])
    assert cpu.tolist() == [1, 1]


@pytest.fixture
def simulated_pair():
    with mg.cuda.simulate():
        yield mg.ones(2), mg.ones(2, device="cuda")


def test_sizes_that_numbers_decide(device):
    x = mg.tensor([[3, 0], [1, 3]], device=device)
    assert x.nonzero().tolist() == [[0, 0], [1, 0], [1, 1]]
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert values.tolist() == [0, 1, 3]
    assert inverse.tolist() == [[2, 0], [1, 2]]
    assert counts.tolist() == [1, 1, 2]
    assert x[x > 0].device.type == device


def test_text_names_the_device(device):
    x = mg.tensor([1.0, 2.0], dtype=mg.float64, device=device)
    where = "" if device == "cpu" else "device='cuda:0', "
    assert repr(x) == f"tensor([1., 2.], {where}dtype=float64)"
    assert f"{mg.tensor(2.5, device=device):.1f}" == "2.5"


def test_other_libraries_see_the_same_memory(device):
    x = mg.zeros(3, device=device)
    y = mg.from_dlpack(x.detach())
    assert y is not None
    kind, _ = x.__dlpack_device__()
    assert kind == (1 if device == "cpu" else 2)
    shared = mg.from_dlpack(Lender(x))
    shared[0] = 5
    assert x.tolist() == [5, 0, 0]


class Lender:
    """An array of another library."""

    def __init__(self, x):
        self.__dlpack__, self._where = x.__dlpack__, x.__dlpack_device__()

    def __dlpack_device__(self):
        return self._where


@pytest.mark.gpu
def test_pytorch_shares_memory_on_the_gpu(torch):
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch knows no GPU")
    x = mg.zeros(3, device="cuda")
    torch.from_dlpack(x).fill_(2)
    mg.cuda.synchronize()
    assert x.tolist() == [2, 2, 2]
    theirs = torch.ones(2, device="cuda")
    mg.from_dlpack(theirs).mul_(3)
    mg.cuda.synchronize()
    assert theirs.tolist() == [3, 3]
