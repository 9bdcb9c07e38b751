"""Copies that nobody waits for: when what they give may be read, what they read written.

The simulated GPU makes every one of them late, so that reading too early always shows.
"""

import numpy as np
import pytest

import minigrad as mg

on_gpus = pytest.mark.parametrize(
    "device", ["cuda", pytest.param("gpu", marks=pytest.mark.gpu)], indirect=True
)


@pytest.fixture
def log():
    with mg.cuda.simulate() as log:
        yield log


def wait_for_all():
    mg.cuda.synchronize()


def wait_for_the_stream():
    mg.cuda.current_stream().synchronize()


def wait_for_an_event():
    mg.cuda.current_stream().record_event().synchronize()


def wait_for_another_copy():
    mg.ones(1, device="cuda").cpu()


def ask_until_it_is_done():
    event = mg.cuda.current_stream().record_event()
    assert not event.query()
    assert event.query()


def wait_for_a_stream_that_waits():
    side = mg.cuda.Stream()
    side.wait_stream(mg.cuda.current_stream())
    assert not side.query()
    assert side.query()


WAYS = (
    wait_for_all, wait_for_the_stream, wait_for_an_event, wait_for_another_copy,
    ask_until_it_is_done, wait_for_a_stream_that_waits,
)  # fmt: skip


@pytest.mark.parametrize("wait", WAYS)
def test_a_result_on_the_cpu_is_there_once_it_was_waited_for(wait, log):
    x = mg.arange(3.0, device="cuda")
    y = x.to("cpu", non_blocking=True)
    assert y.device == "cpu"
    assert log.of("to host")[0].bytes == y.numpy().nbytes
    assert y.isnan().all()
    wait()
    assert y.tolist() == [0, 1, 2]


@on_gpus
def test_it_has_the_values_of_when_it_was_asked_for(device):
    x = mg.arange(6.0, device=device).reshape(2, 3)
    turned, number = (
        x.t().to("cpu", non_blocking=True),
        x[1, 1].to("cpu", non_blocking=True),
    )
    x.zero_()
    mg.cuda.synchronize()
    assert turned.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert number.item() == 4


@on_gpus
def test_another_dtype_is_made_before_the_copy_that_is_not_waited_for(device):
    x = mg.tensor([1.0, 2.5], device=device)
    y = x.to("cpu", mg.float64, non_blocking=True)
    mg.cuda.synchronize()
    assert y.dtype == mg.float64
    assert y.tolist() == [1.0, 2.5]
    z = mg.arange(2).pin_memory().to(device, mg.float32, non_blocking=True)
    assert z.dtype == mg.float32
    assert z.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("wait", WAYS)
def test_pinned_memory_may_be_written_once_its_copy_was_waited_for(wait, log):
    x = mg.ones(3).pin_memory()
    y = x.to("cuda", non_blocking=True) + 1
    wait()
    x.zero_()
    mg.cuda.synchronize()
    assert y.tolist() == [2, 2, 2]


def test_pinned_memory_written_too_early_is_told(log):
    x = mg.ones(4).pin_memory()
    x[1:].cuda(non_blocking=True)
    x[:1] = 0  # another part
    mg.cuda.synchronize()
    x[1:].to("cuda", non_blocking=True)
    x[2] = 0
    with pytest.raises(RuntimeError, match="written before it had been copied"):
        mg.cuda.synchronize()


@on_gpus
@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("non_blocking", [True, False])
def test_other_memory_and_other_copies_may_be_forgotten(device, pinned, non_blocking):
    x = mg.ones(3)
    x = x.pin_memory() if pinned else x
    y = x.to(device, non_blocking=non_blocking and not pinned)
    x.zero_()
    mg.cuda.synchronize()
    assert y.tolist() == [1, 1, 1]


@on_gpus
def test_gradients_flow_through_copies_that_are_not_waited_for(device):
    x = mg.ones(3).pin_memory().requires_grad_()
    y = (x.to(device, non_blocking=True) * 3).to("cpu", non_blocking=True)
    mg.cuda.synchronize()
    y.sum().backward()
    assert x.grad.tolist() == [3, 3, 3]
    assert x.grad.device == "cpu"


def test_a_prefetched_batch_is_waited_for_by_the_stream_that_reads_it(log):
    side, here = mg.cuda.Stream(), mg.cuda.current_stream()
    ready, read = mg.cuda.Event(), mg.cuda.Event()  # recorded again and again
    batches = [mg.full((2,), float(i)).pin_memory() for i in range(3)]
    sums = []
    for batch in batches:
        with mg.cuda.stream(side):
            side.wait_event(read)
            x = batch.to("cuda", non_blocking=True)
            ready.record()
        with pytest.raises(RuntimeError, match="another stream has not copied"):
            x[1:].sum()
        with pytest.raises(RuntimeError, match="another stream has not copied"):
            x.to("cpu", non_blocking=True)
        here.wait_event(ready)
        sums.append(x.sum())
        read.record()
    assert [s.item() for s in sums] == [0, 2, 4]


def test_a_third_stream_waits_through_the_second(log):
    first, second = mg.cuda.Stream(), mg.cuda.Stream()
    with mg.cuda.stream(first):
        x = mg.ones(2).pin_memory().to("cuda", non_blocking=True)
    second.wait_stream(first)
    mg.cuda.current_stream().wait_stream(second)
    assert (x + 1).tolist() == [2, 2]


def test_a_copy_in_another_stream_is_not_waited_for(log):
    x, side = mg.ones(2, device="cuda"), mg.cuda.Stream()
    with mg.cuda.stream(side):
        y = x.to("cpu", non_blocking=True)
    mg.cuda.current_stream().synchronize()
    assert np.isnan(y.numpy()).all()
    side.synchronize()
    assert y.tolist() == [1, 1]
