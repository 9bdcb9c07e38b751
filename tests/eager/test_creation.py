"""Tensors from data: values, dtypes, shared memory, refusals; beside PyTorch where it is."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import MinigradError

MADE = {
    "arange of one float": lambda t: t.arange(3.0),
    "arange in tenths": lambda t: t.arange(0, 1, 0.1),
    "arange to itself": lambda t: t.arange(2, 2),
    "arange with dtype": lambda t: t.arange(1, 4, dtype=t.float64),
    "linspace": lambda t: t.linspace(-1, 1, 7),
    "linspace of one": lambda t: t.linspace(2, 3, 1),
    "linspace of none": lambda t: t.linspace(2, 3, 0),
    "linspace with dtype": lambda t: t.linspace(0, 1, 5, dtype=t.float64),
    "eye of two sizes": lambda t: t.eye(2, 3),
    "full": lambda t: t.full((2, 3), 7.5, dtype=t.float64),
    "full_like": lambda t: t.full_like(t.ones(2, dtype=t.float64), 3),
    "full_like with dtype": lambda t: t.full_like(t.ones(2), 3, dtype=t.int64),
    "zeros_like with dtype": lambda t: t.zeros_like(t.ones(2), dtype=t.int32),
    "empty": lambda t: t.empty(2, 3).zero_(),
    "empty_like": lambda t: t.empty_like(t.ones(2)) * 0,
    "zeros of ()": lambda t: t.zeros(()),
    "zeros of nothing": lambda t: t.zeros(0, 3),
    "tensor of tensors": lambda t: t.tensor([t.tensor(1.5), t.tensor(2.5)]),
    "tensor of numpy numbers": lambda t: t.tensor([np.float32(1.5), np.float32(2.5)]),
    "tensor on the cpu": lambda t: t.tensor([1.0], device="cpu"),
    "tensor of dtype": lambda t: t.tensor([1.9, -1.9], dtype=t.int64),
    "as_tensor with dtype": lambda t: t.as_tensor(np.ones(2), dtype=t.float32),
    "Tensor of a list": lambda t: t.Tensor([1, 2]),
    "Tensor of a tensor": lambda t: t.Tensor(t.tensor([1, 2])),
    "Tensor of nothing": lambda t: t.Tensor(),
    "FloatTensor": lambda t: t.FloatTensor([[1, 2]]),
    "LongTensor": lambda t: t.LongTensor([1, 2]),
    "LongTensor of floats": lambda t: t.LongTensor([1.5]),
    "from_dlpack of numpy": lambda t: t.from_dlpack(np.arange(3.0)),
}
SIZED = {
    "Tensor": lambda t: t.Tensor(2, 3),
    "FloatTensor": lambda t: t.FloatTensor(2, 3),
    "rand": lambda t: t.rand(2, 3),
    "rand of a tuple": lambda t: t.rand((2, 3), dtype=t.float64),
    "randn": lambda t: t.randn(2, 3),
    "randint": lambda t: t.randint(2, 5, (2, 3)),
    "randint from 0": lambda t: t.randint(5, (2, 3)),
    "randint with dtype": lambda t: t.randint(0, 5, (2, 3), dtype=t.int32),
    "rand_like": lambda t: t.rand_like(t.ones(2, dtype=t.float64)),
    "randn_like": lambda t: t.randn_like(t.ones(2), dtype=t.float64),
    "randperm": lambda t: t.randperm(5),
}


@pytest.mark.parametrize("make", MADE.values(), ids=list(MADE))
def test_values_shapes_and_dtypes_are_pytorch_s(torch, make):
    ours, theirs = make(mg).numpy(), make(torch).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7, strict=True)


@pytest.mark.parametrize("make", SIZED.values(), ids=list(SIZED))
def test_shapes_and_dtypes_of_what_is_drawn_are_pytorch_s(torch, make):
    ours, theirs = make(mg), make(torch)
    assert ours.shape == tuple(theirs.shape)
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")


MAKERS = (
    "zeros", "ones", "empty", "rand", "randn",
)  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_makers_take_device_dtype_and_requires_grad(no_gpu, name):
    make = getattr(mg, name)
    x = make(2, dtype=mg.float64, device="cpu", requires_grad=True)
    assert x.is_leaf
    assert x.requires_grad
    assert x.dtype == mg.float64
    with pytest.raises(MinigradError, match="no NVIDIA driver"):
        make(2, device="cuda")


REFUSED = {
    "a device that is not there": lambda t: t.ones(2, device="cuda:7"),
    "a negative size": lambda t: t.zeros(-1),
    "a size that is no integer": lambda t: t.zeros(2.5),
    "text": lambda t: t.tensor("a"),
    "rows of unlike length": lambda t: t.tensor([[1, 2], [3]]),
    "too large an integer": lambda t: t.tensor(2**63),
    "tensors with several elements": lambda t: t.tensor([t.ones(2), t.ones(2)]),
    "a step away from the end": lambda t: t.arange(0, 5, -1),
    "a step of 0": lambda t: t.arange(0, 5, 0),
    "negative steps": lambda t: t.linspace(0, 1, -1),
    "a negative eye": lambda t: t.eye(-1),
    "integers from a continuum": lambda t: t.rand(2, dtype=t.int64),
    "randint of an empty range": lambda t: t.randint(3, 3, (2,)),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=list(REFUSED))
def test_what_pytorch_refuses_is_refused(torch, make):
    with pytest.raises((RuntimeError, TypeError, ValueError, AssertionError)):
        make(torch)
    with pytest.raises(MinigradError):
        make(mg)


@pytest.mark.parametrize("name", ["zeros", "ones", "rand", "randn"])
def test_sizes_are_wanted(name):
    with pytest.raises(TypeError, match="wants sizes"):
        getattr(mg, name)()


def test_memory_is_shared_with_numpy_and_through_dlpack():
    array = np.zeros(3)
    x, y = mg.from_numpy(array), mg.from_dlpack(array)
    z = mg.as_tensor(array)
    shown = np.from_dlpack(x)
    array[1] = 7
    for shared in (x.numpy(), y.numpy(), z.numpy(), shown):
        np.testing.assert_array_equal(shared, [0, 7, 0])


def test_a_tensor_is_its_own_dlpack_and_a_copy_under_tensor():
    x = mg.ones(2)
    assert mg.from_dlpack(x) is x
    assert mg.as_tensor(x) is x
    y = mg.tensor(x)
    y.zero_()
    np.testing.assert_array_equal(x.numpy(), [1, 1])


def test_dlpack_of_a_tensor_with_a_tape_is_refused():
    with pytest.raises(MinigradError, match="detach"):
        np.from_dlpack(mg.ones(2, requires_grad=True))


def test_pytorch_and_minigrad_share_memory_through_dlpack(torch):
    ours, theirs = mg.zeros(3), torch.zeros(3)
    seen, back = torch.from_dlpack(ours), mg.from_dlpack(theirs)
    ours[0] = 1.0
    theirs[2] = 2.0
    assert seen.tolist() == [1, 0, 0]
    assert back.tolist() == [0, 0, 2]


def test_the_same_seed_gives_the_same_numbers():
    mg.manual_seed(3)
    first = mg.rand(4), mg.randn(3), mg.randint(10, (5,)), mg.randperm(6)
    stream = mg.Generator().manual_seed(3)
    assert stream.initial_seed() == 3
    again = (
        mg.rand(4, generator=stream), mg.randn(3, generator=stream),
        mg.randint(10, (5,), generator=stream), mg.randperm(6, generator=stream),
    )  # fmt: skip
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert sorted(first[3].tolist()) == list(range(6))


def test_the_default_device_is_the_cpu_and_must_exist(no_gpu):
    assert mg.get_default_device() == "cpu"
    with pytest.raises(RuntimeError, match="no NVIDIA driver"):
        mg.set_default_device("cuda")
    mg.set_default_device("cpu")
    assert mg.zeros(2).device == mg.get_default_device()
