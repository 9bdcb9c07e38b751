"""`mg.save` and `mg.load`: what goes in comes out, others can read it, nothing runs."""

import math
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import FormatError

safetensors = pytest.importorskip("safetensors.numpy", reason="an optional package")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.safetensors"


def small_net(lib):
    nn = lib.nn
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))


def test_nested_values_come_back_as_they_were(path):
    state = {
        "model": {"w": mg.ones(2, 3), "b": mg.tensor(5)},
        "optimizer": {0: [mg.zeros(1), None, (1, 2.5, "text", True)], "lr": 1e-3},
        "odd": [math.inf, [], {}, ()],
        3: mg.tensor([True, False]),
    }
    mg.save(state, path)
    loaded = mg.load(path)
    assert repr(loaded) == repr(state)
    assert type(loaded["optimizer"][0][2]) is tuple


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", "float64", "int32", "int64", "uint8", "bool"]
)
@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (2, 0, 3)])
def test_every_dtype_and_shape_survives(path, dtype, shape):
    x = mg.ones(*shape, dtype=dtype) if shape else mg.tensor(1, dtype=dtype)
    mg.save(x, path)
    y = mg.load(path)
    assert (y.shape, y.dtype, y.tolist()) == (x.shape, x.dtype, x.tolist())
    y.zero_()  # in memory that can be written


def test_views_are_saved_as_they_look(path):
    x = mg.arange(6).reshape(2, 3)
    mg.save([x.T, x[:, 1]], path)
    assert [t.tolist() for t in mg.load(path)] == [x.T.tolist(), [1, 4]]


def test_a_shared_tensor_is_stored_once_and_is_shared_again(path):
    w = mg.randn(100)
    mg.save({"a": w, "b": [w, w.detach()]}, path)
    loaded = mg.load(path)
    assert loaded["a"] is loaded["b"][0]
    assert loaded["a"] is loaded["b"][1]
    assert path.stat().st_size < 100 * 4 * 2


def test_names_that_would_be_alike_are_kept_apart(path):
    mg.save({"a.b": mg.ones(1), "a": {"b": mg.zeros(1)}, 1: mg.ones(2), "1": 3}, path)
    loaded = mg.load(path)
    assert (loaded["a.b"].item(), loaded["a"]["b"].item(), loaded["1"]) == (1, 0, 3)


def test_a_parameter_comes_back_as_a_tensor(path):
    mg.save(nn.Parameter(mg.ones(1)), path)
    assert type(mg.load(path)) is mg.Tensor
    assert not mg.load(path).requires_grad


@pytest.mark.parametrize("what", [object(), nn.Linear(1, 1), {"f": print}, {1, 2}])
def test_what_cannot_be_stored_is_named_and_the_old_file_stays(path, what):
    mg.save(mg.ones(1), path)
    with pytest.raises(TypeError, match="cannot be stored"):
        mg.save({"good": mg.zeros(1), "bad": what}, path)
    assert mg.load(path).tolist() == [1]
    assert os.listdir(path.parent) == [path.name]


def test_saving_a_module_points_to_its_state_dict(path):
    with pytest.raises(TypeError, match=r"remedy .*state_dict\(\)"):
        mg.save(nn.Linear(1, 1), path)
    assert not path.exists()


def test_a_write_that_breaks_off_leaves_the_old_file(path, monkeypatch):
    mg.save(mg.ones(1), path)

    def break_off(tensors, part, metadata):
        part.write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(safetensors, "save_file", break_off)
    with pytest.raises(OSError, match="disk is full"):
        mg.save(mg.zeros(1), path)
    assert mg.load(path).tolist() == [1]
    assert os.listdir(path.parent) == [path.name]


# --- other people's files ----------------------------------------------------------------


def test_a_plain_safetensors_file_gives_a_flat_dict(path):
    arrays = {
        "0.weight": np.ones((2, 3), np.float32),
        "0.bias": np.zeros(2, np.float32),
    }
    safetensors.save_file(arrays, path)
    loaded = mg.load(path)
    assert set(loaded) == set(arrays)
    nn.Sequential(nn.Linear(3, 2)).load_state_dict(loaded)


def test_a_file_of_ours_is_read_by_others_under_the_same_names(path):
    net = small_net(mg)
    mg.save(net.state_dict(), path)
    theirs = safetensors.load_file(path)
    assert set(theirs) == set(net.state_dict())
    np.testing.assert_array_equal(theirs["0.bias"], net[0].bias.detach().numpy())


def test_a_model_trained_in_pytorch_gives_the_same_outputs_here(path, torch):
    theirs, ours = small_net(torch), small_net(mg)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    theirs(torch.tensor(x))  # one batch for the running statistics
    pytest.importorskip("safetensors.torch").save_file(theirs.state_dict(), path)
    assert (
        repr(ours.load_state_dict(mg.load(path))) == "<All keys matched successfully>"
    )
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    got = ours.eval()(mg.tensor(x)).detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_a_model_trained_here_gives_the_same_outputs_in_pytorch(path, torch):
    ours, theirs = small_net(mg), small_net(torch)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    ours(mg.tensor(x))
    mg.save(ours.state_dict(), path)
    theirs.load_state_dict(pytest.importorskip("safetensors.torch").load_file(path))
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    got = ours.eval()(mg.tensor(x)).detach().numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


class Trap:
    def __reduce__(self):
        return (os.mkdir, ("sprung",))


@pytest.mark.parametrize("kind", ["pickle", "zip"])
def test_a_pickle_is_refused_unread(path, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trap = pickle.dumps(Trap())
    if kind == "zip":  # as torch.save writes
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", trap)
    else:
        path.write_bytes(trap)
    with pytest.raises(FormatError, match="pickle would run"):
        mg.load(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"hello, world", bytes(100), b"\xff" * 50]
)
def test_a_foreign_file_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(FormatError, match="no safetensors file"):
        mg.load(path)


def test_a_truncated_file_is_refused_at_every_length(path):
    mg.save({"a": mg.ones(3), "b": [mg.zeros(2)]}, path)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError):
            mg.load(path)


@pytest.mark.parametrize(
    "structure",
    ["", "{", '{"tensor": "nobody"}', '{"tensor": 1}', '{"set": []}',
     '{"dict": 3}', '{"dict": [[1]]}', '{"a": 1, "b": 2}', '{"list": [{"dict": 1}]}'],
)  # fmt: skip
def test_a_structure_that_does_not_fit_its_file_is_refused(path, structure):
    safetensors.save_file({"x": np.ones(1)}, path, {"minigrad": structure})
    with pytest.raises(FormatError):
        mg.load(path)


def test_a_missing_file_is_a_missing_file(path):
    with pytest.raises(FileNotFoundError):
        mg.load(path)


def test_without_the_package_one_sentence_names_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.delitem(sys.modules, "safetensors.numpy")
    for call in (lambda: mg.save(mg.ones(1), path), lambda: mg.load(path)):
        with pytest.raises(ImportError, match="pip install safetensors"):
            call()
