"""Events and streams: what a device without a GPU promises, and what CuPy is called with."""

import types

import pytest

import minigrad as mg
from minigrad.gpu import streams

on_gpus = pytest.mark.parametrize(
    "device", ["cuda", pytest.param("gpu", marks=pytest.mark.gpu)], indirect=True
)


def timed():
    return mg.cuda.Event(enable_timing=True)


@on_gpus
def test_two_events_measure_the_time_between(device):
    start, end = timed(), timed()
    start.record()
    y = mg.ones(1000, device=device) * 2
    end.record()
    end.synchronize()
    assert start.elapsed_time(end) > 0
    assert end.query()
    assert y.sum().item() == 2000


@on_gpus
def test_events_without_timing_are_refused(device):
    start, end = timed(), mg.cuda.Event()
    for event in (start, end):
        event.record()
    with pytest.raises(ValueError, match="enable_timing=True"):
        start.elapsed_time(end)


@on_gpus
def test_an_event_that_was_not_recorded_is_refused(device):
    start, end = timed(), timed()
    start.record()
    with pytest.raises(ValueError, match="recorded before"):
        start.elapsed_time(end)


@on_gpus
def test_work_in_another_stream_is_waited_for(device):
    side, x = mg.cuda.Stream(), mg.ones(5, device=device)
    side.wait_stream(mg.cuda.current_stream())
    with mg.cuda.stream(side):
        y = x * 3
    mg.cuda.current_stream().wait_stream(side)
    assert (y + 1).tolist() == [4.0] * 5
    side.synchronize()
    assert side.query()


@on_gpus
def test_a_block_has_its_stream_and_after_an_error_the_old_one_is_back(device):
    before, side = mg.cuda.current_stream(), mg.cuda.Stream()
    seen = []
    with pytest.raises(ZeroDivisionError), mg.cuda.stream(side):
        seen.append(mg.cuda.current_stream()) or 1 / 0
    assert seen == [side] != [before]
    assert mg.cuda.current_stream() == before
    with mg.cuda.stream(None):
        assert mg.cuda.current_stream() == before


def test_without_a_gpu_there_are_none(no_gpu):
    for ask in (mg.cuda.Event, mg.cuda.Stream, mg.cuda.current_stream):
        with pytest.raises(mg.errors.DeviceError):
            ask()


# CuPy, by a stand-in that notes the calls.


class Noted:
    """Anything at all; `calls` has what was asked of it and of what it made."""

    done = True

    def __init__(self, calls, name):
        self.calls, self.name = calls, name

    def __getattr__(self, method):
        def call(*args, **options):
            names = [getattr(x, "name", x) for x in args]
            self.calls.append((self.name, method, *names, *options.values()))

        return call


@pytest.fixture
def calls(monkeypatch):
    calls = []

    def make(name):
        def made(**options):
            calls.append((name, options))
            return Noted(calls, name)

        return made

    cuda = types.SimpleNamespace(
        Event=make("event"),
        Stream=make("stream"),
        get_current_stream=lambda: Noted(calls, "current"),
        get_elapsed_time=lambda a, b: 2.5,
    )
    use = lambda: calls.append(("use",))
    gpu = types.SimpleNamespace(xp=types.SimpleNamespace(cuda=cuda), index=0, use=use)
    monkeypatch.setattr(streams, "meant", lambda device: gpu)
    return calls


def test_cupy_is_called_with_its_own_words(calls):
    event = mg.cuda.Event(enable_timing=True)
    stream = mg.cuda.Stream(priority=-1)
    event.record(stream)
    event.record()
    stream.wait_event(event)
    with mg.cuda.stream(stream):
        pass
    assert calls == [
        ("stream", {"non_blocking": True, "priority": -1}),
        ("use",),
        ("event", {"block": False, "disable_timing": False}),
        ("event", "record", "stream"),
        ("use",),
        ("event", "record", "current"),
        ("use",),
        ("stream", "wait_event", "event"),
        ("use",),
        ("stream", "__enter__"),
        ("use",),
        ("stream", "__exit__", None, None, None),
    ]
    del calls[:]
    stream.synchronize()
    assert stream.query()
    assert calls == [("use",), ("stream", "synchronize"), ("use",)]
    assert event.elapsed_time(event) == 2.5


@on_gpus
def test_an_event_that_was_not_recorded_is_nothing_to_wait_for(device):
    event = mg.cuda.Event()
    event.synchronize()
    event.wait()
    assert event.query()


def test_cupy_has_what_is_called():
    cuda = pytest.importorskip("cupy").cuda
    for word in ("block (", "disable_timing ("):
        assert word in cuda.Event.__doc__
    for word in ("non_blocking (", "priority ("):
        assert word in cuda.Stream.__doc__
    for name in ("wait_event", "synchronize", "done", "__enter__", "__exit__"):
        assert hasattr(cuda.Stream, name)
    for name in ("record", "synchronize", "done"):
        assert hasattr(cuda.Event, name)
    assert cuda.get_elapsed_time
    assert cuda.get_current_stream
