"""What the real device asks of CuPy, by a stand-in that notes it down, and by CuPy itself."""

import inspect
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from minigrad.gpu import device as found


class Cupy:
    """As much of CuPy as `Device` calls."""

    ndarray = type("ndarray", (), {})

    def __init__(self, pinned=False):
        self.calls = calls = []
        note = lambda name: lambda *args: calls.append((name, *args))
        stream = SimpleNamespace(synchronize=note("wait for the stream"))
        event = SimpleNamespace(
            record=note("record"), synchronize=note("wait for the copy")
        )
        pool = SimpleNamespace(used_bytes=lambda: 8, total_bytes=lambda: 16)
        self.get_default_memory_pool = lambda: pool
        self.asarray = lambda x, **options: calls.append(("asarray", options)) or "copy"
        self.cuda = SimpleNamespace(
            Device=self.device,
            Event=lambda: event,
            get_current_stream=lambda: stream,
            pinned_memory=SimpleNamespace(is_memory_pinned=lambda address: pinned),
            runtime=SimpleNamespace(setDevice=note("set")),
        )

    def device(self, index):
        calls = self.calls

        class Device:
            compute_capability = "90" if index else "75"

            def synchronize(self):
                calls.append(("wait for", index))

            def __enter__(self):
                calls.append(("within", index))

            def __exit__(self, *error):
                pass

        return Device()


@pytest.mark.parametrize("pinned", [False, True])
def test_pinned_memory_may_be_written_again_once_it_was_copied(pinned):
    cupy = Cupy(pinned)
    device = found.Device(cupy, 0)
    assert device.put(np.ones(3)) == "copy"
    assert cupy.calls == [("asarray", {"order": "C", "blocking": pinned})]
    del cupy.calls[:]
    device.write(SimpleNamespace(set=lambda array: None), np.ones(3))
    assert cupy.calls == ([("wait for the stream",)] if pinned else [])


def test_a_copy_that_is_not_waited_for_keeps_its_memory_until_it_is_there(monkeypatch):
    cupy = Cupy(pinned=True)
    device = found.Device(cupy, 0)
    device.put(np.ones(3), waits=False)
    assert cupy.calls.pop() == ("asarray", {"order": "C", "blocking": False})
    cupyx = SimpleNamespace(empty_pinned=np.empty)
    monkeypatch.setitem(sys.modules, "cupyx", cupyx)
    get = lambda out, blocking: cupy.calls.append((out.shape, blocking))
    array = SimpleNamespace(shape=(3,), dtype=np.dtype("f"), get=get)
    y = device.get(array, waits=False)
    assert cupy.calls == [((3,), False), ("record",)]
    del y
    assert cupy.calls[2:] == [("wait for the copy",)]


def test_a_copy_from_another_gpu_waits_for_both(monkeypatch):
    cupy = Cupy()
    monkeypatch.setattr(found, "DEVICE_ARRAYS", [])
    monkeypatch.setattr("minigrad.backend.DEVICE_ARRAYS", [Cupy.ndarray])
    array = Cupy.ndarray()
    array.device = cupy.device(0)
    assert found.Device(cupy, 1).put(array) == "copy"
    assert cupy.calls == [("wait for", 0), ("asarray", {}), ("wait for", 1)]


def test_figures_are_of_the_device_itself():
    cupy = Cupy()
    device = found.Device(cupy, 1)
    device.use()
    assert (device.allocated(), device.reserved()) == (8, 16)
    assert cupy.calls == [("set", 1), ("within", 1), ("within", 1)]


def test_from_hopper_on_products_want_more_memory(monkeypatch):
    cupy = Cupy()
    cupy.empty = lambda size, dtype: size
    sizes = [found.Device(cupy, i).workspace() for i in range(2)]
    assert sizes == [4 << 20, 32 << 20]


def test_cupy_has_what_is_called():
    cupy, cupyx = pytest.importorskip("cupy"), pytest.importorskip("cupyx")
    cuda = cupy.cuda
    assert cuda.pinned_memory.is_memory_pinned
    assert cuda.runtime.setDevice
    assert "blocking" in inspect.signature(cupy.asarray).parameters
    assert "out=None, blocking=True" in cupy.ndarray.get.__doc__
    assert "stream=None" in cuda.Event.record.__doc__
    assert list(inspect.signature(cupyx.empty_pinned).parameters)[:2] == [
        "shape",
        "dtype",
    ]
    assert cuda.Device.compute_capability
    for name in ("synchronize", "__enter__", "__exit__"):
        assert hasattr(cuda.Device, name)
