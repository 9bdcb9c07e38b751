"""Several processes, played by threads; one process by itself; NCCL by a stand-in."""

import os
import subprocess
import sys
import threading
import types
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad import distributed
from minigrad.distributed import DataParallel
from minigrad.gpu import nccl, shim
from minigrad.ops import comm
from minigrad.static.node import topological


class Threads(comm.Group):
    """A group whose processes are threads: `sum` waits for all and adds in rank order."""

    def __init__(self, rank, size, places, barrier):
        self.rank, self.size, self.places, self.barrier = rank, size, places, barrier

    def _exchange(self, a):
        self.places[self.rank] = a.copy()
        self.barrier.wait(timeout=20)
        all_of_them = list(self.places)
        self.barrier.wait(timeout=20)
        return all_of_them

    def sum(self, a):
        return sum(self._exchange(a))

    def share(self, a, source):
        return self._exchange(a)[source]


def play(work, size=2):
    """What `work(rank)` returns in each of `size` processes."""
    results, places, barrier = [None] * size, [None] * size, threading.Barrier(size)

    def run(rank):
        comm.GROUP.set(Threads(rank, size, places, barrier))
        try:
            results[rank] = work(rank)
        except Exception as error:
            barrier.abort()
            results[rank] = error

    threads = [threading.Thread(target=run, args=(r,)) for r in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def test_a_sum_goes_over_all_processes_and_is_in_place():
    def work(rank):
        x = mg.tensor([1.0, 10.0]) * (rank + 1)
        assert distributed.all_reduce(x) is x
        return distributed.rank(), distributed.world_size(), x.tolist()

    assert play(work, 3) == [(r, 3, [6.0, 60.0]) for r in range(3)]


def test_a_broadcast_gives_everybody_what_one_has():
    def work(rank):
        x = mg.full((2,), float(rank), requires_grad=True)
        return distributed.broadcast(x, src=1).tolist(), x.requires_grad

    assert play(work) == [([1.0, 1.0], True)] * 2


def test_the_derivative_of_a_sum_sums_what_all_processes_want():
    def work(rank):
        x = mg.tensor([1.0, 2.0], requires_grad=True)
        y = distributed.all_reduce(x * (rank + 1.0))
        (y * (10.0**rank)).sum().backward()
        return x.grad.tolist()

    # Each x is in both losses: once times 1, once times 10.
    assert play(work) == [[11.0, 11.0], [22.0, 22.0]]


def model():
    mg.manual_seed(0)
    return mg.nn.Sequential(mg.nn.Linear(3, 4), mg.nn.Tanh(), mg.nn.Linear(4, 2))


def trained(net, x, y, compiled):
    """The weights after three steps on `x` and `y`."""
    for p in net.parameters():
        distributed.broadcast(p)
    opt = mg.optim.SGD(net.parameters(), lr=0.1)

    def step(x, y):
        opt.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        distributed.average_gradients(net.parameters())
        opt.step()
        return loss

    step = mg.jit(step) if compiled else step
    for _ in range(3):
        step(x, y)
    return [p.detach().numpy().copy() for p in net.parameters()]


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "jit"])
def test_two_halves_of_a_batch_train_like_the_whole(compiled):
    mg.manual_seed(1)
    x, y = mg.randn(8, 3), mg.randn(8, 2)
    whole = trained(model(), x, y, compiled)
    nets, parts = [model(), model()], [np.s_[:4], np.s_[4:]]
    with mg.no_grad():
        nets[1][0].weight.zero_()  # the broadcast mends it
    halves = play(lambda r: trained(nets[r], x[parts[r]], y[parts[r]], compiled))
    for half in halves:
        for a, b in zip(half, whole, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for a, b in zip(*halves, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_graph_exchanges_at_every_run_and_in_one_order():
    def work(rank):
        x = mg.placeholder((2,))
        one, two = distributed.all_reduce(x * 2), distributed.all_reduce(x + 1)
        outputs = (one, two) if rank == 0 else (two, one)
        program = mg.compile([x], outputs)
        runs = [program([1.0 + rank, i]) for i in range(3)]
        return [[y.tolist() for y in (out if rank == 0 else out[::-1])] for out in runs]

    one, two = play(work)
    assert one == two
    assert one[1] == [[6.0, 4.0], [5.0, 4.0]]


def test_a_parameter_without_a_gradient_is_named_before_anything_is_exchanged():
    w, b = mg.ones(2, requires_grad=True), mg.ones(2, requires_grad=True)
    (w * 2).sum().backward()
    with pytest.raises(mg.errors.GradError, match="no gradient"):
        distributed.average_gradients([w, b])


# --- data parallel, as a rewrite of the graph --------------------------------------------


def exchanges(program, stage="strategy"):
    return [x for x in topological(program.stages[stage]) if x.op.name == "all_reduce"]


def by_hand(x, y, sizes, strategy, target=None):
    """Weights and program after three steps that use gradients in no linear way."""
    draw = np.random.default_rng(0).standard_normal
    w1, w2 = (mg.variable(draw(n).astype("f"), "w") for n in ((3, 4), (4, 2)))
    b = mg.variable(np.zeros(4, "f"), "b")
    seen = [mg.variable(mg.zeros(*w.shape)) for w in (w1, w2, b)]
    px, py, rate = (
        mg.placeholder((sizes, 3)),
        mg.placeholder((sizes, 2)),
        mg.placeholder(()),
    )
    loss = (((px @ w1 + b).tanh() @ w2 - py) ** 2).mean()
    updates = {}
    for w, m, g in zip((w1, w2, b), seen, mg.gradients(loss, [w1, w2, b])):
        squares = 0.5 * m + g * g
        updates |= {m: squares, w: w - rate * g / (squares.sqrt() + 1.0)}
    step = mg.compile(
        [px, py, rate], loss, updates=updates, strategy=strategy, target=target
    )
    for _ in range(3):
        loss = step(x, y, 0.1)
    return [w.get_value() for w in updates], step, loss.item()


@pytest.mark.parametrize("together", [0, 40, 1 << 20])
@pytest.mark.parametrize("sizes", [4, None])
def test_a_graph_trains_on_parts_like_one_on_the_whole(sizes, together):
    mg.manual_seed(1)
    x, y = mg.randn(12, 3), mg.randn(12, 2)
    whole, _, loss = by_hand(x, y, sizes and 12, None)
    strategy = DataParallel(together)
    part = lambda r: np.s_[4 * r : 4 * r + 4]
    parts = play(lambda r: by_hand(x[part(r)], y[part(r)], sizes, strategy), 3)
    for weights, step, _ in parts:
        for a, b in zip(weights, whole, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert len(exchanges(step)) == {0: 3, 40: 2}.get(together, 1)
    np.testing.assert_allclose(np.mean([r[2] for r in parts]), loss, rtol=1e-5)


def test_the_graph_is_shown_before_and_after():
    _, step, _ = by_hand(mg.ones(4, 3), mg.ones(4, 2), 4, DataParallel())
    assert [*step.stages][:3] == ["graph", "strategy", "merge"]
    assert not exchanges(step, "graph")
    assert "all_reduce" in str(step.show("strategy"))
    assert "all_reduce" not in str(step.show("graph"))
    _, plain, _ = by_hand(mg.ones(4, 3), mg.ones(4, 2), 4, None)
    assert "strategy" not in plain.stages


with_shim = pytest.mark.skipif(bool(why := shim.explain_absence()), reason=why or "-")


@pytest.mark.parametrize(
    "target", ["interpreter", "native", pytest.param("cuda", marks=with_shim)]
)
def test_a_process_by_itself_takes_the_same_steps_with_the_strategy(target):
    mg.manual_seed(1)
    x, y = mg.randn(4, 3), mg.randn(4, 2)
    plain = by_hand(x, y, 4, None)
    if target == "cuda":
        with mg.cuda.simulate():
            mg.set_default_device("cuda")
            there = by_hand(x.numpy(), y.numpy(), 4, DataParallel(), target)
    else:
        there = by_hand(x, y, 4, DataParallel(), target)
    for a, b in zip(there[0], plain[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def jitted(net, x, y, strategy, optimizer):
    opt = getattr(mg.optim, optimizer)(net.parameters(), lr=0.1)

    def step(x, y):
        opt.zero_grad()
        ((net(x) - y) ** 2).mean().backward()
        (net[0].weight ** 2).mean().backward()
        mg.nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        opt.step()

    step = mg.jit(step, strategy=strategy)
    for _ in range(3):
        step(x, y)
    return [p.detach().numpy().copy() for p in net.parameters()], step.program


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_a_traced_step_clips_and_uses_the_mean_of_what_backward_left(optimizer):
    mg.manual_seed(1)
    x, y = mg.randn(8, 3), mg.randn(8, 2)
    whole, _ = jitted(model(), x, y, None, optimizer)
    nets, parts = [model(), model()], [np.s_[:4], np.s_[4:]]
    data = lambda r: (nets[r], x[parts[r]], y[parts[r]])
    work = lambda r: jitted(*data(r), DataParallel(), optimizer)
    for weights, program in play(work):
        for a, b in zip(weights, whole, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
        assert len(exchanges(program)) == 1


def test_a_gradient_inside_of_a_loss_stays_that_of_the_process():
    def work(rank, strategy=None):
        w, x = mg.variable([1.0, 2.0]), mg.placeholder((2,))
        loss = (w * w * x).sum()
        (inner,) = mg.gradients(loss, [w])
        (g,) = mg.gradients(loss + (inner * inner).sum(), [w])
        step = mg.compile([x], g, updates={w: w - g}, strategy=strategy)
        return step([1.0 + rank, 3.0]).numpy(), w.get_value(), step

    own = [work(r)[0] for r in range(2)]
    for r, (g, w, step) in enumerate(play(lambda r: work(r, DataParallel()))):
        np.testing.assert_allclose(g, own[r])  # an output
        np.testing.assert_allclose(w, [1.0, 2.0] - np.mean(own, 0))
        (exchange,) = exchanges(step)
        assert exchange.shape == (2,)  # nothing travels that no update uses


def test_gradients_of_one_dtype_travel_together():
    x = mg.placeholder((3,), dtype="float64")
    kinds = ("float32", "float64", "float32")
    variables = [mg.variable(np.ones(3, kind)) for kind in kinds]
    loss = sum((x * w).sum() for w in variables)
    updates = {w: w - g for w, g in zip(variables, mg.gradients(loss, variables))}
    step = mg.compile([x], updates=updates, strategy=DataParallel())
    assert [(y.shape, y.dtype) for y in exchanges(step)] == [
        ((6,), "float32"), ((3,), "float64"),
    ]  # fmt: skip
    step(np.array([0.5, 1.0, 2.0]))
    assert [w.get_value().tolist() for w in variables] == [[0.5, 0.0, -1.0]] * 3


def test_two_weights_may_have_one_gradient():
    def work(rank):
        x = mg.placeholder((2, 2))
        w, b = mg.variable(np.eye(2, dtype="f")), mg.variable(np.ones((2, 2), "f"))
        loss = ((x @ w + b) ** 2).mean()
        gw, gb = mg.gradients(loss, [w, b])  # gb is also what gw is made of
        updates = {w: w - gw, b: b - gb}
        mg.compile([x], updates=updates, strategy=DataParallel())(
            np.full((2, 2), rank + 1.0, "f")
        )
        return w.get_value(), b.get_value()

    own = [np.full((2, 2), r + 1.0) for r in range(2)]
    slopes = [(x + 1) / 2 for x in own]
    gw = np.mean([x.T @ s for x, s in zip(own, slopes)], 0)
    for w, b in play(work):
        np.testing.assert_allclose(w, np.eye(2) - gw)
        np.testing.assert_allclose(b, 1 - np.mean(slopes, 0))


def test_an_update_that_would_differ_between_processes_is_refused():
    x, mean = mg.placeholder((4, 3), name="x"), mg.variable(mg.zeros(3), name="mean")
    running = 0.9 * mean + 0.1 * x.mean(0)
    with pytest.raises(mg.errors.GraphError, match="mean would differ") as raised:
        mg.compile([x], updates={mean: running}, strategy=DataParallel())
    assert "all_reduce" in str(raised.value)
    alike = 0.9 * mean + 0.1 * distributed.all_reduce(x.mean(0))
    step = mg.compile([x], updates={mean: alike}, strategy=DataParallel())
    step(np.ones((4, 3)))
    np.testing.assert_allclose(mean.get_value(), 0.1)


@pytest.mark.parametrize("strategy", [DataParallel, "data parallel"])
def test_what_is_no_strategy_is_told_what_is_one(strategy):
    x = mg.placeholder((2,))
    with pytest.raises(TypeError, match=r"DataParallel\(\)"):
        mg.compile([x], x * 2, strategy=strategy)


def test_a_traced_function_has_to_take_the_step_itself():
    step = mg.jit(lambda w, x: w.sub_(x), strategy=DataParallel())
    with pytest.raises(mg.errors.GraphError, match="w is written in place"):
        step(mg.ones(2), mg.ones(2))
    with pytest.raises(mg.errors.ArgumentError, match="gradients are no update"):
        mg.jit(lambda x: x * 2, strategy=DataParallel(), keep_grads=True)


# --- who belongs together ----------------------------------------------------------------


@pytest.fixture
def alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    yield
    distributed.destroy()


def test_by_itself_a_process_needs_no_gpu(alone):
    distributed.init()
    assert (distributed.rank(), distributed.world_size()) == (0, 1)
    assert distributed.all_reduce(mg.tensor([3.0])).tolist() == [3.0]


def test_a_number_outside_the_group_is_refused(alone):
    with pytest.raises(ValueError, match="no process 2 of 2"):
        distributed.init(2, 2)


def test_several_processes_need_a_gpu_each(alone, no_gpu):
    with pytest.raises(mg.errors.DeviceError):
        distributed.init(0, 2)
    assert distributed.world_size() == 1


class Channel:
    """CuPy's communicator, as if the other process had brought zeros."""

    def __init__(self):
        self.calls = []

    def all_reduce(self, a, y):
        self.calls.append(("all_reduce", a is y))

    def broadcast(self, a, root):
        self.calls.append(("broadcast", root))

    def stop(self):
        self.calls.append(("stop",))


@pytest.fixture
def channel(alone, monkeypatch):
    channel = Channel()

    def join(size, rank, host, port):
        channel.calls.append((size, rank, host, port))
        return channel

    module = types.SimpleNamespace(init_process_group=join)
    monkeypatch.setitem(sys.modules, "cupyx.distributed", module)
    monkeypatch.setattr(nccl, "absence", lambda: "")
    with mg.cuda.simulate():
        yield channel


def test_variables_of_the_environment_say_who_belongs_together(channel, monkeypatch):
    settings = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_PORT": "4242"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    distributed.init()
    assert (distributed.rank(), distributed.world_size()) == (1, 2)
    assert channel.calls == [(2, 1, "127.0.0.1", 4242)]


def test_nccl_sums_and_shares_arrays_of_the_gpu(channel):
    distributed.init(0, 2)
    x = mg.ones(3, device="cuda")
    assert distributed.all_reduce(x * 2).tolist() == [2.0, 2.0, 2.0]
    assert distributed.broadcast(x, src=1).tolist() == [1.0, 1.0, 1.0]
    assert channel.calls[1:] == [("all_reduce", True), ("broadcast", 1)]


def test_nccl_refuses_tensors_on_the_cpu(channel):
    distributed.init(0, 2)
    with pytest.raises(mg.errors.DeviceError, match="this tensor is on the CPU"):
        distributed.all_reduce(mg.ones(3))


def test_without_nccl_the_remedy_names_its_package(alone, monkeypatch):
    monkeypatch.setattr(
        nccl, "absence", lambda: f"NCCL is not installed: {nccl.INSTALL}"
    )
    with mg.cuda.simulate(), pytest.raises(mg.errors.DeviceError, match="nvidia-nccl"):
        distributed.init(0, 2)


def test_cupys_communicator_has_what_is_called():
    pytest.importorskip("cupy")
    warnings.simplefilter("ignore")  # it says that NCCL itself is not there
    from cupyx.distributed import NCCLBackend, init_process_group

    assert init_process_group.__code__.co_varnames[:2] == ("n_devices", "rank")
    names = NCCLBackend.all_reduce.__code__.co_varnames[:4]
    assert names == ("self", "in_array", "out_array", "op")
    assert NCCLBackend.broadcast.__code__.co_varnames[:3] == (
        "self",
        "in_out_array",
        "root",
    )


# --- real GPUs ---------------------------------------------------------------------------

PROGRAM = """
import minigrad as mg
mg.distributed.init()
r = mg.distributed.rank()
w = mg.distributed.broadcast(mg.full((3,), float(r), device="cuda").requires_grad_(), 1)
(w * (r + 1.0)).sum().backward()
mg.distributed.average_gradients([w])
v, x = mg.variable(mg.ones(3, device="cuda")), mg.placeholder((3,))
updates = {v: v - mg.gradients((v * x).sum(), v)}
step = mg.compile([x], updates=updates, strategy=mg.distributed.DataParallel())
step(mg.full((3,), r + 1.0, device="cuda"))
print(w.tolist(), w.grad.tolist(), v.get_value().tolist(), flush=True)
mg.distributed.destroy()
"""


@with_shim
def test_the_program_for_two_gpus_runs_by_itself_on_a_simulated_one(alone, capsys):
    with mg.cuda.simulate():
        exec(PROGRAM.replace("float(r)", "1.0"), {})
    said = capsys.readouterr().out
    assert said.strip() == "[1.0, 1.0, 1.0] [1.0, 1.0, 1.0] [0.0, 0.0, 0.0]"


@pytest.mark.gpu
def test_nccl_with_one_process():
    if why := nccl.absence():
        pytest.skip(why)
    group = nccl.Group(0, 1, "127.0.0.1", 29511)
    x = mg.tensor([1.0, 2.0], device="cuda").array
    assert group.sum(x).tolist() == [1.0, 2.0]
    assert group.share(x, 0).tolist() == [1.0, 2.0]
    group.leave()


@pytest.mark.gpu
def test_nccl_with_two_processes_on_two_gpus():
    cuda = pytest.importorskip("cupy").cuda
    if not cuda.is_available() or cuda.runtime.getDeviceCount() < 2:
        pytest.skip("there are no two GPUs")
    runs = []
    for r in range(2):
        settings = {"RANK": r, "WORLD_SIZE": 2, "CUDA_VISIBLE_DEVICES": r}
        settings |= {"MASTER_PORT": 29512}
        env = os.environ | {name: str(value) for name, value in settings.items()}
        command = [sys.executable, "-c", PROGRAM]
        runs.append(
            subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
        )
    for run in runs:
        said, _ = run.communicate(timeout=60)
        assert said.strip() == "[1.0, 1.0, 1.0] [1.5, 1.5, 1.5] [-0.5, -0.5, -0.5]"
