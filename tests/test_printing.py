"""Tensors print as PyTorch prints them."""

import numpy as np
import pytest

import minigrad as mg

RNG = np.random.default_rng(0)
ARRAYS = {
    "0-d": np.float32(3.5),
    "0-d integer": np.array(7),
    "0-d whole": np.float32(2),
    "whole": np.float32([1, 2, -30]),
    "fractions": np.float32([0.1, 2.25, -30]),
    "zeros": np.zeros((2, 2), np.float32),
    "negative zero": np.float32([-0.0, 0.0]),
    "small": np.float32([1e-5, 0.5]),
    "large": np.float32([1e9, 0.5]),
    "large whole": np.float32([1e9, 1]),
    "whole, far apart": np.float32([1, 2000]),
    "thousand": np.float32([1.5, 1500]),
    "wider than a thousand": np.float32([1.5, 1501]),
    "tiny 0-d": np.float32(1e-7),
    "nan": np.float32([np.nan, 1]),
    "nan and fraction": np.float32([np.nan, 0.5, -np.inf]),
    "infinity": np.float32([np.inf, -np.inf]),
    "all nan": np.float32([np.nan]),
    "float64": np.array([0.1, 2]),
    "float16": np.array([0.1, 2], np.float16),
    "integers": np.array([[1, -20], [300, 4]]),
    "int32": np.array([1, 2], np.int32),
    "uint8": np.array([1, 200], np.uint8),
    "bools": np.array([[True, False], [False, True]]),
    "0-d bool": np.array(True),
    "empty": np.zeros(0, np.float32),
    "empty integer": np.zeros(0, np.int64),
    "empty bool": np.zeros(0, bool),
    "empty matrix": np.zeros((0, 3), np.float32),
    "empty inside": np.zeros((2, 0, 3)),
    "matrix": RNG.normal(size=(3, 4)).astype(np.float32),
    "three dims": RNG.normal(size=(2, 3, 4)),
    "four dims": np.arange(16.0, dtype=np.float32).reshape(2, 2, 2, 2),
    "a long row": RNG.normal(size=30).astype(np.float32),
    "a long row of float64": RNG.normal(size=20),
    "long integers": np.arange(100),
    "exactly 1000": np.arange(1000).reshape(10, 100),
    "summary": np.arange(1001),
    "summary of floats": RNG.normal(size=(64, 1000)).astype(np.float32),
    "summary of a tall one": RNG.normal(size=(1000, 2)),
    "summary of a wide one": RNG.normal(size=(2, 1000)).astype(np.float32),
    "summary of three dims": np.arange(8000.0).reshape(20, 20, 20),
    "summary of four dims": np.arange(7.0**4).reshape(7, 7, 7, 7).astype(np.float32),
    "size one in the middle": np.arange(1200).reshape(600, 1, 2),
}


def plain(text):
    return text.replace("torch.", "")


@pytest.mark.parametrize("array", ARRAYS.values(), ids=list(ARRAYS))
def test_a_tensor_prints_as_in_pytorch(torch, array):
    theirs = torch.from_numpy(np.array(array))
    expected = plain(repr(theirs))
    # Without "torch." a suffix may still fit on a line that was too short for it.
    got = repr(mg.tensor(np.array(array)))
    assert " ".join(got.split()) == " ".join(expected.split())
    if "dtype" not in expected:
        assert got == expected


def test_random_tensors_print_as_in_pytorch(torch):
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shape = tuple(rng.integers(1, 8, size=rng.integers(0, 4)))
        array = rng.normal(size=shape) * 10.0 ** rng.integers(-6, 7)
        if seed % 3 == 0:
            array = np.round(array)
        array = np.asarray(array, np.float32)
        assert repr(mg.tensor(array)) == repr(torch.from_numpy(array))


def test_a_leaf_and_a_result_say_so(torch):
    for library in (mg, torch):
        x = library.tensor([1.0, 2.0], requires_grad=True)
        assert repr(x) == "tensor([1., 2.], requires_grad=True)"
        assert repr((x * x).sum()) == "tensor(5., grad_fn=<SumBackward0>)"
        assert repr(x.detach()) == "tensor([1., 2.])"


def test_a_long_suffix_goes_on_a_line_of_its_own(torch):
    values = np.arange(16, dtype=np.float32) + 100
    ours = mg.tensor(values, requires_grad=True)
    assert repr(ours) == repr(torch.tensor(values, requires_grad=True))


def test_the_default_dtype_is_not_mentioned():
    mg.set_default_dtype(mg.float64)
    try:
        assert repr(mg.tensor([0.5])) == "tensor([0.5000])"
        assert repr(mg.tensor(np.float32([0.5]))) == "tensor([0.5000], dtype=float32)"
    finally:
        mg.set_default_dtype(mg.float32)


STEPS = {
    "x * 2", "x + 1", "x - 1", "x / 2", "-x", "x ** 2", "x ** 3.0", "x.abs()", "x.exp()",
    "x.relu()", "x.sigmoid()", "x.tanh()", "x.sqrt()", "x.sign()", "x.clamp(min=0)",
    "x.sum()", "x.sum(0)", "x.amax()", "x.logsumexp(0)", "x.mm(x.T)", "x @ x.T",
    "x.permute(1, 0)", "x[0]", "x[1:]", "x[:, 1:]", "x[:, None]", "x[0, 1:]", "x[0, 0]",
    "x[1:, 0]", "x[...]", "x[:]", "x[[0, 1]]", "x[x > 0.5]", "x.reshape(12)",
    "x.expand(2, 3, 4)", "x.clone()", "x.double()", "x.maximum(x)",
}  # fmt: skip


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_step_of_the_tape_has_pytorch_s_name(torch, step):
    array = np.linspace(0.1, 0.9, 12, dtype=np.float32).reshape(3, 4)
    ours = eval(step, {"x": mg.tensor(array, requires_grad=True)})
    theirs = eval(step, {"x": torch.tensor(array, requires_grad=True)})
    assert ours.grad_fn.name() == theirs.grad_fn.name()


def test_a_view_that_fell_behind_can_still_be_looked_at():
    y = mg.ones(2, requires_grad=True) * 1
    with mg.no_grad():
        view = y[0]
        y.mul_(2)
    assert "Invalid" in repr(view)
