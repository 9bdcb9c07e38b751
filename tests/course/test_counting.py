"""The counting device computes as NumPy does, and misses no transfer and no launch."""

import numpy as np
import pytest
from coursekit.counting import IN, LAUNCH, OUT, CountingDevice, cupy_if_it_runs
from coursekit.gpu_pictures import layers, thread_grid, timeline


@pytest.fixture
def xp():
    return CountingDevice()


def kinds(xp):
    return [event.kind for event in xp.log]


def test_a_round_trip_is_two_transfers_and_loses_nothing(xp):
    x = np.arange(3, dtype=np.float32)
    back = xp.asnumpy(xp.asarray(x))
    assert np.array_equal(back, x)
    assert back.dtype == x.dtype
    assert [(e.kind, e.bytes) for e in xp.log] == [(IN, 12), (OUT, 12)]


def test_what_is_there_already_does_not_move(xp):
    x = xp.asarray([1.0])
    assert xp.asarray(x) is x
    assert xp.transfers == 1


def test_the_device_holds_copies(xp):
    x = np.zeros(2)
    there = xp.asarray(x)
    x[0] = 1
    xp.asnumpy(there)[1] = 1
    assert xp.asnumpy(there).tolist() == [0, 0]


def test_each_operation_is_one_launch_and_gives_what_numpy_gives(xp):
    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0)
    x, y = xp.asarray(a), xp.asarray(b)
    z = xp.where(x @ y > 3, -xp.exp(y).sum(), 2 / x.mean(axis=1))
    wanted = np.where(a @ b > 3, -np.exp(b).sum(), 2 / a.mean(axis=1))
    assert np.array_equal(xp.asnumpy(z), wanted)
    names = [event.what for event in xp.log if event.kind == LAUNCH]
    assert names == [
        "matmul", "greater", "exp", "sum", "negative", "mean", "divide", "where",
    ]  # fmt: skip


@pytest.mark.parametrize("ask", [float, bool, lambda x: x.item()])
def test_every_question_is_a_transfer(xp, ask):
    x = xp.asarray(2.0)
    assert ask(x) == ask(np.array(2.0))
    assert kinds(xp) == [IN, OUT]


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, a: x + a,
        lambda x, a: a + x,
        lambda x, a: x.device.maximum(x, a),
        lambda x, a: np.asarray(x),
        lambda x, a: np.add.reduce(x),
    ],
)
def test_host_and_device_do_not_mix(xp, mix):
    x, a = xp.asarray([1.0, 2.0]), np.ones(2)
    with pytest.raises(TypeError):
        mix(x, a)
    assert kinds(xp) == [IN]


def test_looking_at_an_array_does_not_show_its_numbers(xp):
    assert repr(xp.asarray([1.5])) == "<on the device: (1,) float64>"


def test_cupy_is_used_only_where_it_runs():
    for name, module in cupy_if_it_runs().items():
        assert (name, module.__name__) == ("CuPy", "cupy")


def test_a_timeline_shows_every_event(xp):
    xp.asnumpy(xp.asarray([1.0]) + 1)
    drawn = timeline(xp.log)
    assert drawn.text.splitlines() == [
        "1  to device  (1,), 8 bytes", "2  launch     add", "3  to host    (1,), 8 bytes",
    ]  # fmt: skip
    assert drawn.svg.count("8 bytes") == 2
    assert drawn.svg.count(">add<") == 1


def test_threads_without_a_number_are_dashed():
    drawn = thread_grid(n=10, threads=4)
    assert drawn.svg.count("stroke-dasharray") == 2
    assert drawn.text.splitlines()[-1] == "block 2: i = 8, 9, 10 (idle), 11 (idle)"
    assert "stroke-dasharray" not in thread_grid(n=8, threads=4).svg


def test_what_was_not_run_is_drawn_as_such():
    kinds = {node.id: node.kind for node in layers().nodes.values()}
    assert kinds["BLAS"] == "op"
    assert kinds["GPU"] == kinds["NCCL"] == "ghost"
