"""What cuDNN is told of a convolution, and that its package takes it."""

import types

import numpy as np
import pytest

from minigrad.gpu import cudnn
from minigrad.gpu.device import current
from minigrad.gpu.precision import matmul
from minigrad.ops import conv as ops
from minigrad.ops.conv import Window

WINDOW = Window((3, 2), (2, 1), ((1, 1), (0, 2)), (1, 2))
X, W, Y = (8, 4, 10, 9), (6, 2, 3, 2), (8, 6, 5, 9)
OPERANDS = {"conv": (X, W, Y), "conv_input": (Y, W, X), "conv_weight": (X, Y, W)}


def described(name, dtype="float32"):
    return cudnn.describe(name, *OPERANDS[name], dtype, WINDOW)


def test_the_shapes_above_are_those_of_a_convolution():
    x, w = np.zeros(X), np.zeros(W)
    assert ops.conv.fn(x, w, window=WINDOW, groups=2).shape == Y


@pytest.mark.parametrize(
    ("name", "method", "names"),
    [
        ("conv", "conv_fprop", ("image", "weight")),
        ("conv_input", "conv_dgrad", ("loss", "filter")),
        ("conv_weight", "conv_wgrad", ("image", "loss")),
    ],
)
def test_each_of_the_three_has_its_name_and_its_operands(name, method, names):
    what, (a, b, y) = described(name), OPERANDS[name]
    assert what.method == method
    assert what.operands == ((names[0], a), (names[1], b))
    assert what.output == y
    assert [size for _, size in what.sizes] == [(1, 0), (1, 2), (2, 1), (1, 2)]


def test_one_dim_becomes_two():
    window = Window((3,), (2,), ((1, 0),), (4,))
    what = cudnn.describe("conv", (2, 3, 20), (5, 3, 3), (2, 5, 7), "float32", window)
    assert dict(what.operands) == {"image": (2, 3, 1, 20), "weight": (5, 3, 1, 3)}
    assert what.output == (2, 5, 1, 7)
    assert dict(what.sizes) == {
        "pre_padding": (0, 1),
        "post_padding": (0, 0),
        "stride": (1, 2),
        "dilation": (1, 4),
    }


def test_float32_is_exact_unless_tf32_is_allowed(monkeypatch):
    assert described("conv").exact
    assert not described("conv", "float64").exact
    monkeypatch.setattr(matmul, "allow_tf32", True)
    assert not described("conv").exact


def test_strides_are_those_of_c_order():
    assert cudnn.strides((2, 3, 4, 5)) == (60, 20, 5, 1)


# A stand-in for the package that notes what it is told.


class Tensor:
    def __init__(self, **told):
        self.told = told

    def __getattr__(self, name):
        def tell(value):
            self.told[name.removeprefix("set_")] = value
            return self

        return tell


class Graph:
    def __init__(self, calls, refuses, **types):
        self.calls, self.refuses, self.types = calls, refuses, types

    def tensor(self, **told):
        return Tensor(**told)

    def get_workspace_size(self):
        return 4096

    def execute(self, at, workspace, handle):
        self.calls.append(("execute", [*at.values()], workspace, handle))

    def __getattr__(self, name):
        def call(*args, **kwargs):
            if name == self.refuses:
                raise Refused("no plan")
            self.calls.append((name, *args, kwargs) if kwargs else (name, *args))
            return Tensor()

        return call


class Refused(Exception):
    pass


def package(calls, refuses=None):
    name = lambda *names: types.SimpleNamespace(**{n: n for n in names})
    return types.SimpleNamespace(
        pygraph=lambda **types: Graph(calls, refuses, **types),
        data_type=name("HALF", "FLOAT", "DOUBLE"),
        heur_mode=name("A", "FALLBACK"),
        numerical_note=name("TENSOR_CORE", "DOWN_CONVERT_INPUTS"),
        set_stream=lambda handle, stream: calls.append(("stream", handle, stream)),
        create_handle=lambda: "handle",
        cudnnGraphNotSupportedError=Refused,
    )


def test_a_plan_is_asked_for_in_the_packages_order():
    calls = []
    plan = cudnn.Plan(package(calls), "handle", described("conv_input"))
    names = [name for name, *_ in calls]
    assert (
        names
        == """conv_dgrad validate build_operation_graph create_execution_plans
        deselect_numeric_notes check_support build_plans""".split()
    )
    assert plan.workspace == 4096
    assert plan.graph.types["compute_data_type"] == "FLOAT"
    assert plan.tensors[-1].told["dim"] == list(X)
    assert plan.tensors[-1].told["output"] is True


def test_halves_are_added_up_as_floats():
    plan = cudnn.Plan(package([]), "handle", described("conv", "float16"))
    assert plan.graph.types["io_data_type"] == "HALF"
    assert plan.graph.types["compute_data_type"] == "FLOAT"


def test_a_plan_runs_on_the_stream_that_is_given():
    calls = []
    plan = cudnn.Plan(package(calls), "handle", described("conv"))
    arrays = [
        types.SimpleNamespace(data=types.SimpleNamespace(ptr=i)) for i in range(4)
    ]
    plan(*arrays, stream=77)
    assert calls[-2:] == [
        ("stream", "handle", 77),
        ("execute", [0, 1, 2], 3, "handle"),
    ]


def test_plans_are_kept_and_what_cudnn_refuses_is_none(monkeypatch):
    monkeypatch.setattr(cudnn, "absence", lambda: "")
    fake = package([])
    monkeypatch.setattr(cudnn, "_library", lambda *_: (fake, "handle"))
    find = cudnn.plan.__wrapped__
    assert find(described("conv")).workspace == 4096
    fake = package([], refuses="check_support")
    assert find(described("conv")) is None
    cudnn.plan.cache_clear()
    assert cudnn.plan(described("conv_weight")) is cudnn.plan(described("conv_weight"))
    cudnn.plan.cache_clear()


def test_without_the_package_there_is_a_sentence_and_no_plan(monkeypatch):
    def absent():
        raise ImportError("cudnn")

    monkeypatch.setattr(cudnn, "_library", absent)
    why = cudnn.absence.__wrapped__()
    assert why == f"cuDNN's package is not installed: {cudnn.INSTALL}"
    monkeypatch.setattr(cudnn, "absence", lambda: why)
    assert cudnn.plan.__wrapped__(described("conv")) is None


@pytest.mark.parametrize("name", list(OPERANDS))
def test_the_package_itself_takes_the_description(name, monkeypatch):
    """Up to where it needs a GPU: the graph is made and its sizes agree."""
    real = pytest.importorskip("cudnn", reason="nvidia-cudnn-frontend is not installed")
    monkeypatch.setattr(cudnn.Plan, "_choose", lambda self, exact: None)
    monkeypatch.setattr(real.pygraph, "get_workspace_size", lambda self: 0)
    plan = cudnn.Plan(real, None, described(name))
    assert list(plan.tensors[-1].get_dim()) == list(OPERANDS[name][2])
    for missing in ("validate", "build_operation_graph", "create_execution_plans"):
        assert callable(getattr(plan.graph, missing))
    assert real.heur_mode.A != real.heur_mode.FALLBACK
    assert real.numerical_note.TENSOR_CORE != real.numerical_note.DOWN_CONVERT_INPUTS


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", list(OPERANDS))
def test_a_gpu_computes_what_the_table_says(name, dtype):
    if why := cudnn.absence():
        pytest.skip(why)
    device, rng = current(), np.random.default_rng(0)
    a, b, y = (rng.normal(size=shape).astype(dtype) for shape in OPERANDS[name])
    more = {"size": X[2:]} if name == "conv_input" else {}
    expected = getattr(ops, name).fn(a, b, window=WINDOW, groups=2, **more)
    plan = cudnn.plan(described(name, dtype))
    if plan is None:
        pytest.skip("cuDNN has no plan for this")
    there = [device.put(x) for x in (a, b, y)]
    room = device.xp.empty(plan.workspace, "uint8")
    plan(*there, room, device.xp.cuda.get_current_stream().ptr)
    np.testing.assert_allclose(device.get(there[2]), expected, rtol=1e-4, atol=1e-4)
