"""Captured launches: the same results, started at once, and no way to do anything else."""

import types

import numpy as np
import pytest

from minigrad.errors import DeviceError
from minigrad.gpu import capture
from minigrad.gpu.device import current


class Toy(capture.Recorder):
    """A device with one number for memory."""

    def __init__(self):
        self.value, self.recorded = 1, 0

    def launch(self, function):
        self.start(self._set, function)

    def _set(self, function):
        self.value = function(self.value)

    def allocate(self):
        self.refuse("allocates")

    def record(self, run):
        self.recorded += 1
        return super().record(run)


@pytest.fixture
def toy():
    return Toy()


def test_every_call_runs_every_launch_once_captured_or_not(toy):
    def run():
        toy.launch(lambda x: x + 1)
        toy.launch(lambda x: x * 2)

    step, expected = capture.Captured(toy, run), 1
    for _ in range(5):
        step()
        expected = (expected + 1) * 2
        assert toy.value == expected
    assert toy.recorded == 1


def test_the_first_call_is_not_captured(toy):
    step = capture.Captured(toy, toy.allocate)  # as a kernel that is loaded late
    step()
    assert not step.graphs
    assert not step.refused


def test_python_runs_at_capture_and_not_after(toy):
    seen = []

    def run():
        seen.append(1)
        toy.launch(lambda x: x + 1)

    step = capture.Captured(toy, run)
    for _ in range(6):
        step()
    assert len(seen) == 2
    assert toy.value == 7


def test_every_set_of_addresses_has_a_graph_and_the_oldest_goes(toy):
    step = capture.Captured(toy, lambda: toy.launch(lambda x: x + 1))
    for key in [*range(capture.KEPT), *range(capture.KEPT)]:
        step(key)
    step(0)
    assert list(step.graphs) == list(range(capture.KEPT))
    step(99)
    assert toy.recorded == capture.KEPT, "it may never come again"
    step(99)
    assert 0 not in step.graphs
    assert 99 in step.graphs
    assert toy.value == 1 + 2 * capture.KEPT + 3


def test_what_is_remembered_of_addresses_that_do_not_come_again_is_bounded(toy):
    step = capture.Captured(toy, lambda: toy.launch(lambda x: x + 1))
    for key in range(100 * capture.KEPT):
        step(key)
    assert not step.graphs
    assert len(step.seen) <= 4 * capture.KEPT


def test_what_allocates_runs_plainly_and_says_why(toy):
    def run():
        toy.launch(lambda x: x + 1)
        toy.allocate()

    step = capture.Captured(toy, run)
    for _ in range(3):
        step()
    assert toy.value == 4
    assert "may only launch; this one allocates" in step.refused
    assert toy.recorded == 1


def test_a_capture_that_fails_leaves_the_device_as_it_was(toy):
    with pytest.raises(DeviceError):
        toy.record(toy.allocate)
    assert toy.recording is None
    toy.allocate()


# CuPy, by a stand-in that checks the order of calls.


class Stream:
    def __init__(self, calls, fails=False):
        self.calls, self.fails = calls, fails

    def __enter__(self):
        self.calls.append("enter")

    def __exit__(self, *_):
        self.calls.append("exit")

    def begin_capture(self, mode):
        self.calls.append(f"begin {mode}")

    def end_capture(self):
        self.calls.append("end")
        if self.fails:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated")
        return types.SimpleNamespace(launch=lambda: self.calls.append("launch"))


def cupy(calls, **options):
    allocators = []

    class Using:
        def __init__(self, allocator):
            allocators.append(allocator)

        def __enter__(self):
            calls.append("no memory")

        def __exit__(self, *_):
            calls.append("memory")

    return types.SimpleNamespace(
        allocators=allocators,
        cuda=types.SimpleNamespace(
            Stream=lambda non_blocking: Stream(calls, **options),
            using_allocator=Using,
            runtime=types.SimpleNamespace(streamCaptureModeThreadLocal="thread"),
        ),
    )


def test_cupy_captures_on_a_stream_of_its_own_without_memory():
    calls = []
    start = capture.record(cupy(calls), lambda: calls.append("run"))
    start()
    around = ["enter", "no memory", "begin thread", "run", "end", "memory", "exit"]
    assert calls == [*around, "launch"]


def test_a_capture_that_raises_is_ended_and_its_error_kept():
    calls = []

    def run():
        raise DeviceError("too much")

    with pytest.raises(DeviceError, match="too much"):
        capture.record(cupy(calls, fails=True), run)
    assert calls[-3:] == ["end", "memory", "exit"]


def test_memory_asked_for_in_a_capture_is_refused():
    xp = cupy([])
    capture.record(xp, lambda: None)
    with pytest.raises(DeviceError, match="allocates 64 bytes"):
        xp.allocators[0](64)


def test_cupy_has_what_is_called():
    cuda = pytest.importorskip("cupy").cuda
    assert cuda.runtime.streamCaptureModeThreadLocal == 1
    assert "allocator" in cuda.using_allocator.__doc__
    for name in ("begin_capture", "end_capture"):
        assert hasattr(cuda.Stream, name)
    assert "mode" in cuda.Stream.begin_capture.__doc__


# A real GPU.

ADD = 'extern "C" __global__ void add(float *a) { a[threadIdx.x] += 1; }'


@pytest.mark.gpu
def test_a_gpu_replays_kernels_and_products(monkeypatch):
    device = current()
    a, b, y = (device.put(np.eye(4, dtype=np.float32)) for _ in range(3))
    add = device.kernel(ADD, "add")
    monkeypatch.setattr(device, "room", device.workspace())

    def run():
        add((1,), (16,), (a,))
        device.gemm(a, b, y, 1, 1)

    step = capture.Captured(device, run)
    expected_a = expected_y = np.eye(4, dtype=np.float32)
    for _ in range(5):
        step()
        expected_a = expected_a + 1
        expected_y = expected_a + expected_y
    np.testing.assert_array_equal(device.get(a), expected_a)
    np.testing.assert_array_equal(device.get(y), expected_y)
    assert step.refused == ""
    assert len(step.graphs) == 1


@pytest.mark.gpu
@pytest.mark.parametrize("what", ["allocates", "copies to the host"])
def test_what_a_gpu_may_not_do_in_a_capture_leaves_it_running_plainly(what):
    device = current()
    a = device.put(np.zeros(16, np.float32))
    add = device.kernel(ADD, "add")

    def run():
        add((1,), (16,), (a,))
        device.xp.empty(1 << 20) if what == "allocates" else device.get(a)

    step = capture.Captured(device, run)
    for _ in range(3):
        step()
    assert step.refused
    assert (device.get(a) == 3).all()
