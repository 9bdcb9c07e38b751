"""Programs on a GPU: the same results as on the CPU, few launches, and errors as there."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DeviceError, GraphError

pytestmark = pytest.mark.usefixtures("gpu")
CLOSE = {"rtol": 2e-5, "atol": 1e-6}


def net(where, target=None):
    """The article's net, small: the program of a step, and its weights."""
    rng = np.random.default_rng(0)
    x, y = mg.placeholder((8, 5), name="x"), mg.placeholder((8, 2), name="y")
    weights = [rng.normal(size=s).astype("f") for s in ((5, 7), (7, 2))]
    w1, w2 = (mg.variable(mg.tensor(w, device=where)) for w in weights)
    loss = ((x @ w1).clamp(min=0) @ w2 - y).pow(2).sum()  # the loss
    g1, g2 = mg.gradients(loss, [w1, w2])
    updates = {w1: w1 - 1e-3 * g1, w2: w2 - 1e-3 * g2}
    return mg.compile([x, y], loss, updates, target=target), w1, w2


def batch():
    rng = np.random.default_rng(1)
    return rng.normal(size=(8, 5)).astype("f"), rng.normal(size=(8, 2)).astype("f")


def test_the_article_s_net_learns_what_it_learns_on_the_cpu():
    (step, *weights), (there, *away) = net("cpu", "interpreter"), net("cuda")
    assert there.target == "cuda"
    for _ in range(5):
        want, got = step(*batch()), there(*batch())
        assert got.is_cuda
        np.testing.assert_allclose(got.item(), want.item(), **CLOSE)
    for a, b in zip(weights, away, strict=True):
        np.testing.assert_allclose(b.get_value(), a.get_value(), **CLOSE)


def test_from_the_second_call_on_a_step_is_one_launch(log):
    step, *_ = net("cuda")
    x, y = (mg.tensor(a, device="cuda") for a in batch())
    counts = []
    for _ in range(3):
        del log[:]
        step(x, y)
        counts.append([event.what for event in log.of("launch")])
        assert log.transfers == 0
    assert len(counts[0]) > 8
    assert counts[1] == counts[2] == ["copy", "copy", "graph", "copy"]


def test_the_update_is_part_of_the_product_that_makes_the_gradient():
    step, *_ = net("cuda")
    assert step.source.count(" += -0.001") == 2
    assert "# the loss" in step.source
    assert "__global__" in step.source
    assert "sub+square+sum" in repr(step.steps)


def test_large_arguments_are_read_where_they_lie(log):
    x = mg.placeholder((600, 700))
    program = mg.compile([x], (x * 2).tanh(), target="cuda")
    fed = mg.ones(600, 700, device="cuda")
    first = program(fed)
    del log[:]
    second = program(fed * 2)
    assert [event.what for event in log.of("launch")] == ["multiply", "mul_tanh_0"]
    assert first[0, 0].item() == pytest.approx(np.tanh(2))
    assert second[0, 0].item() == pytest.approx(np.tanh(4))
    assert "Four<float>" in program.source


def test_large_arguments_that_come_again_get_a_graph_each(log):
    x = mg.placeholder((600, 700))
    program = mg.compile([x], (x * 2).sum(), target="cuda")
    fed = [mg.full((600, 700), float(k), device="cuda") for k in range(2)]
    launches = []
    for k in (0, 1, 0, 1, 0):
        del log[:]
        assert program(fed[k]).item() == 840_000 * k
        launches.append(next(event.what for event in log.of("launch")))
    assert "graph" not in launches[:2]
    assert launches[2:] == ["graph"] * 3
    held = mg.cuda.memory_allocated()
    fed.clear()
    assert held - mg.cuda.memory_allocated() == 2 * 600 * 700 * 4


def test_large_results_have_memory_of_their_own_each():
    x = mg.placeholder((600, 700))
    program = mg.compile([x], (x * 2).tanh(), target="cuda")
    fed = [mg.full((600, 700), float(k), device="cuda") for k in range(2)]
    kept = [program(fed[k]) for k in (0, 1, 0, 1)]
    assert len({y.data_ptr() for y in kept}) == 4
    assert [y[0, 0].item() for y in kept] == pytest.approx(2 * [0, np.tanh(2)])


def test_graphs_of_a_loop_leave_their_results_in_one_place():
    """A carry and its next value change places three times; the update follows them."""
    x, at = mg.placeholder((300, 1000)), mg.placeholder((1,), dtype="int64")
    ones, turn = (mg.constant(np.float32(a)) for a in ([[1, 1]], [[0, 1], [-1, 0]]))
    start = x.sum() * ones + 1
    last, _ = mg.scan(lambda carry, _: (carry @ turn, None), start, length=3)
    w = mg.variable(mg.zeros(1, 2, device="cuda"))
    program = mg.compile([x, at], x[0][at], {w: last})
    fed = [mg.full((300, 1000), k / 1000, device="cuda") for k in range(2)]
    for _ in range(2):  # the first half is run, and captured, by itself
        with pytest.raises(GraphError, match="index"):
            program(fed[0], [5000])
    for k in (1, 0, 0, 1, 0):
        program(fed[k], [1])
        first = 300 * k + 1
        np.testing.assert_allclose(w.get_value(), [[first, -first]], rtol=1e-4)


@pytest.mark.parametrize("offset", [0, 1])
def test_arguments_that_begin_anywhere_are_right(offset):
    n = 1 << 18
    x = mg.placeholder((n,))
    fed = mg.arange(n + 4.0, device="cuda")[offset : offset + n]
    got = mg.compile([x], x * 2)(fed).cpu().numpy()
    np.testing.assert_array_equal(got, 2 * np.arange(n, dtype="f") + 2 * offset)


def test_a_program_without_variables_runs_where_its_arguments_are():
    x = mg.placeholder((3,))
    program = mg.compile([x], x * 2 + 1)
    assert program(mg.ones(3)).device == "cpu"
    assert program(mg.ones(3, device="cuda")).is_cuda
    assert program.target == "cuda"
    assert "__global__" in program.source
    assert program(mg.ones(3)).tolist() == [3, 3, 3]
    assert program.target != "cuda"
    assert program([1, 2, 3]).device == "cpu"


def test_sizes_that_are_none_make_kernels_for_each_shape():
    x, w = mg.placeholder((None, 3)), mg.variable(mg.ones(3, 2, device="cuda"))
    loss = (x @ w).mean()
    step = mg.compile([x], loss, {w: w - mg.gradients(loss, w)})
    for n in (4, 1, 4, 4):
        w.set_value(np.ones((3, 2)))
        assert step(np.ones((n, 3))).item() == 3
        np.testing.assert_allclose(w.get_value(), 0.5)
    assert step.builds == 2


def test_results_of_earlier_calls_are_not_overwritten():
    for size in (2, 500_000):
        x = mg.placeholder((size,))
        program = mg.compile(
            [x], [x * 2, (x * 2).reshape(1, -1), x, x * 2], target="cuda"
        )
        for _ in range(3):
            first = program(mg.ones(size, device="cuda"))
            program(mg.zeros(size, device="cuda"))
            sums = [t.sum().item() for t in first]
            assert sums == [2 * size, 2 * size, size, 2 * size]


@pytest.mark.parametrize("array", [np.array(2.5), np.ones((2, 3)).T], ids=["()", "T"])
def test_what_is_written_keeps_its_shape_and_comes_row_by_row(array):
    class Memory:
        def set(self, values):  # as CuPy's arrays, which take no other shape
            self.values = values

    memory, device = Memory(), SimpleNamespace(_is_pinned=lambda array: False)
    mg.gpu.device.Device.write(device, memory, array)
    assert memory.values.shape == array.shape
    assert memory.values.flags.c_contiguous


# --- where things lie ----------------------------------------------------------------------


def test_a_variable_on_the_cpu_is_named_with_the_remedy():
    x, w = mg.placeholder((3,)), mg.variable(np.ones(3), name="w")
    with pytest.raises(DeviceError, match=r"w \(3,\) on cpu") as caught:
        mg.compile([x], x * w, target="cuda")
    assert 'w.to("cuda")' in str(caught.value)


def test_variables_on_both_sides_are_both_named():
    here, there = mg.variable(np.ones(3), name="here"), mg.ones(3, device="cuda")
    with pytest.raises(DeviceError, match=r"here .* on cpu, there .* on cuda"):
        mg.compile([], here * there)


def test_a_tensor_on_the_cpu_is_not_fed_but_an_array_is():
    step, *_ = net("cuda")
    x, y = batch()
    step(x, y.tolist())
    with pytest.raises(DeviceError, match="x lies on another device") as caught:
        step(mg.tensor(x), y)
    assert '.to("cuda")' in str(caught.value)


@pytest.mark.parametrize("target", ["interpreter", "native"])
def test_a_target_on_the_cpu_is_held_to_what_it_says(target):
    x = mg.placeholder((3,))
    with pytest.raises(DeviceError, match="another device"):
        mg.compile([x], x * 2, target=target)(mg.ones(3, device="cuda"))
    w = mg.ones(3, device="cuda")
    with pytest.raises(DeviceError, match="runs on the CPU"):
        mg.compile([x], x * w, target=target)


def test_the_target_cuda_says_what_is_missing(no_gpu, monkeypatch):
    monkeypatch.setattr(mg.gpu.device, "_SIMULATED", [])
    x = mg.placeholder((3,))
    with pytest.raises(DeviceError, match="no NVIDIA driver"):
        mg.compile([x], x * 2, target="cuda")


# --- jit -----------------------------------------------------------------------------------


def trained(where, steps=6):
    """A classifier with dropout, trained by a jitted step on one device."""
    mg.manual_seed(3)
    model = mg.nn.Sequential(
        mg.nn.Linear(6, 16), mg.nn.ReLU(), mg.nn.Dropout(0.25), mg.nn.Linear(16, 3)
    ).to(where)
    optimizer = mg.optim.Adam(model.parameters(), lr=0.05)
    schedule = mg.optim.lr_scheduler.StepLR(optimizer, 2)

    def step(x, y):
        loss = mg.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step = mg.jit(step, target=None if where == "cuda" else "interpreter")
    x = mg.randn(12, 6).to(where)
    y = mg.randint(0, 3, (12,)).to(where)
    losses = []
    for _ in range(steps):
        losses.append(step(x, y).item())
        schedule.step()
    return losses, [p.detach().cpu().numpy() for p in model.parameters()], step


def test_a_jitted_step_with_adam_dropout_and_a_schedule_is_the_same():
    losses, weights, _ = trained("cpu")
    got, away, step = trained("cuda")
    assert step.program.target == "cuda"
    assert step.program.fallback == ""
    np.testing.assert_allclose(got, losses, rtol=1e-5)
    for a, b in zip(weights, away, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


def test_a_function_is_traced_for_each_device():
    f = mg.jit(lambda x: x * 2)
    assert f(mg.ones(2)).device == "cpu"
    with pytest.warns(mg.errors.RetraceNotice, match="x is on cuda, before on cpu"):
        assert f(mg.ones(2, device="cuda")).is_cuda
    assert f(mg.ones(2)).device == "cpu"
    assert f.traces == 2


def test_arguments_on_two_devices_are_refused():
    f = mg.jit(lambda a, b: a + b)
    with pytest.raises(DeviceError, match="b lies on another device"):
        f(mg.ones(2, device="cuda"), mg.ones(2))
    assert f(mg.ones(2, device="cuda"), mg.tensor(1.0)).tolist() == [2, 2]


def test_writes_to_an_argument_reach_it():
    @mg.jit
    def double(x):
        x.mul_(2)

    x = mg.ones(3, device="cuda")
    for _ in range(3):
        double(x)
    assert x.tolist() == [8, 8, 8]


# --- what else a program has ---------------------------------------------------------------


def test_a_long_sort_is_left_to_the_array_module_and_listed():
    x = mg.placeholder((20_000,))
    program = mg.compile([x], x.sort().values, target="cuda")
    assert "argsort" in program.fallback
    fed = np.random.default_rng(0).normal(size=20_000).astype("f")
    for _ in range(2):
        np.testing.assert_array_equal(program(fed).cpu().numpy(), np.sort(fed))


def test_profile_times_every_launch():
    step, *_ = net("cuda")
    table = step.profile(*batch())
    assert any("sub_square_sum" in name for name in table.rows)
    assert len([name for name in table.rows if "@" in name]) == 5
    assert table.seconds > 0


def test_positions_that_repeat_add_up_and_the_last_one_put_stays():
    rows = mg.placeholder((5,), mg.int64)
    b = mg.placeholder((5, 3))
    base = mg.zeros(4, 3, device="cuda")
    index_add, index_put = (mg.ops.TABLE[n] for n in ("index_add", "index_put"))
    outputs = [op(base, b, rows, key=("array",)) for op in (index_add, index_put)]
    program = mg.compile([rows, b], outputs)
    at, new = np.array([1, 3, 1, -1, 1]), np.arange(15.0, dtype="f").reshape(5, 3)
    added, put = np.zeros((4, 3), "f"), np.zeros((4, 3), "f")
    np.add.at(added, at, new)
    put[at] = new
    got = program(at, new)
    np.testing.assert_array_equal(got[0].cpu().numpy(), added)
    np.testing.assert_array_equal(got[1].cpu().numpy(), put)


def test_a_plan_of_cudnn_takes_the_place_of_the_kernels(log, monkeypatch):
    asked, ran = [], []

    class Plan:
        workspace = 64

        def __call__(self, a, b, y, workspace, stream):
            assert a.flags.c_contiguous
            assert workspace.nbytes == 64
            ran.append((a.shape, b.shape, y.shape, stream))

    def planned(device, what):
        asked.append(what)
        return Plan()

    monkeypatch.setattr(mg.gpu.simulated.Simulated, "convolution", planned)
    x = mg.placeholder((2, 3, 8, 8))
    w = mg.randn(8, 4, 3, 3, device="cuda")[:, :3]
    program = mg.compile([x], mg.nn.functional.conv2d(x, w, padding=1))
    program(np.ones((2, 3, 8, 8), "f"))
    assert asked[0].method == "conv_fprop"
    assert ran == [((2, 3, 8, 8), (8, 3, 3, 3), (2, 8, 8, 8), 0)]
    assert re.search(r"= conv\(x0, w\d\), by cuDNN", program.source)


def test_a_small_cnn_trains_as_on_the_cpu():
    def run(where):
        mg.manual_seed(0)
        model = mg.nn.Sequential(
            mg.nn.Conv2d(1, 4, 3, padding=1), mg.nn.ReLU(), mg.nn.MaxPool2d(2),
            mg.nn.Conv2d(4, 6, 3), mg.nn.BatchNorm2d(6), mg.nn.ReLU(), mg.nn.Flatten(),
            mg.nn.Linear(24, 3),
        ).to(where)  # fmt: skip
        optimizer = mg.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x, y):
            optimizer.zero_grad()
            loss = mg.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        step = mg.jit(step, target=None if where == "cuda" else "interpreter")
        x, y = mg.randn(5, 1, 8, 8).to(where), mg.randint(0, 3, (5,)).to(where)
        losses = [step(x, y).item() for _ in range(4)]
        return losses, [t.detach().cpu().numpy() for t in model.state_dict().values()]

    (losses, state), (got, away) = run("cpu"), run("cuda")
    np.testing.assert_allclose(got, losses, rtol=1e-4)
    for a, b in zip(state, away, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)
