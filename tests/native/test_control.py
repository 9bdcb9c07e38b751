"""Loops and branches as C: memory that grows, calls that are given up, what is shared."""

import gc
import re
import signal
import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad.native import nested
from minigrad.static.loop import item


def compiled(inputs, outputs, updates=None, **options):
    program = mg.compile(inputs, outputs, updates, target="native", **options)
    assert program.target == "native", program.fallback
    return program


def climb(bound, x):
    """A loop of many rounds, each of which the derivative reads."""
    return mg.while_loop(lambda y: y.sum() < bound, lambda y: (y * y + 0.1).sqrt(), x)


def test_stacks_of_unknown_height_grow_and_stay_high():
    x, bound = mg.placeholder((3,), mg.float64), mg.placeholder((), mg.float64)
    y = climb(bound, x)
    outputs = [y, *mg.gradients((y * y).sum(), [x])]
    program = compiled([x, bound], outputs)
    expected = mg.compile([x, bound], outputs, target="interpreter")
    for end in (1.0, 30.0, 2.0, 0.0, 60.0):
        for got, want in zip(program(np.ones(3), end), expected(np.ones(3), end)):
            np.testing.assert_allclose(got.array, want.array, rtol=1e-12)


def test_a_stack_of_unknown_height_that_leaves_the_program_is_left_to_the_interpreter():
    x = mg.placeholder((3,), mg.float64)
    made = climb(10.0, x).inputs[0]
    stack = item(made, i=made.op.entry(0))
    program = mg.compile([x], stack, target="native")
    assert "unknown height" in program.fallback
    assert program(np.ones(3)).shape[0] > 16


def endless(w):
    """A program that counts up to what it is given, and then adds to `w`."""
    stop = mg.placeholder((), mg.int64)
    i = mg.while_loop(lambda i: i < stop, lambda i: mg.where(i < stop, i + 1, i * 2), 0)
    return compiled([stop], i, {w: w + 1.0})


class Late(BaseException):
    pass


def test_what_a_signal_handler_raises_ends_a_loop_before_anything_is_updated():
    def handler(*_):
        raise Late

    w = mg.variable(np.array(0.0))
    program, before = endless(w), signal.signal(signal.SIGALRM, handler)
    try:
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Late):
                program(2**60)
            assert w.get_value() == 0.0
    finally:
        signal.signal(signal.SIGALRM, before)
    assert program(7).item() == 7
    assert w.get_value() == 1.0


def test_other_threads_run_while_a_loop_does():
    program, seen = endless(mg.variable(np.array(0.0))), []
    thread = threading.Thread(target=lambda: seen.append(program(3 * 10**8).item()))
    thread.start()
    rounds = 0
    while thread.is_alive():
        thread.join(0.001)
        rounds += 1
    assert seen == [3 * 10**8]
    assert rounds > 3


def test_programs_of_equal_source_share_a_library_and_nothing_else():
    def make():
        x = mg.placeholder((3,), mg.float64)
        y = climb(40.0, x)
        return compiled([x], mg.gradients(y.sum(), x))

    first, second = make(), make()
    assert first.source == second.source
    expected = first(np.ones(3)).numpy()
    del first
    gc.collect()
    np.testing.assert_array_equal(second(np.ones(3)).numpy(), expected)


def test_a_stack_for_which_there_is_no_memory_ends_the_call(monkeypatch):
    def grow(*_):
        raise MemoryError

    x = mg.placeholder((3,), mg.float64)
    program = compiled([x], mg.gradients(climb(40.0, x).sum(), x))
    with monkeypatch.context() as patch:
        patch.setattr(nested.Helper, "_grow", grow)
        with pytest.raises(MemoryError):
            program(np.ones(3))
    assert program(np.ones(3)).shape == (3,)


def test_a_body_is_fused():
    x = mg.placeholder((6, 4))
    y = mg.scan(lambda h, v: ((h * v + v).tanh() * 2, None), x[0], x)[0]
    assert re.search(r"= tanhf\(t\d\);\n +const float", compiled([x], y).source)


def test_odd_strides_of_what_a_body_reads():
    base = np.arange(48.0).reshape(4, 12) * 0.01
    x = mg.placeholder((4, 12), mg.float64)

    def body(h, v):
        w = x[::-2, 3:7].T
        return h.T.reshape(4, 2) * 0.5 + w, h[::-1] @ v.reshape(2, 2).T

    last, ys = mg.scan(body, x[:2, :4].T, x.T[::3])
    outputs = [last, ys, mg.gradients((ys * ys).sum() + last.sum(), x)]
    for got, want in zip(
        compiled([x], outputs)(base),
        mg.compile([x], outputs, target="interpreter")(base),
    ):
        np.testing.assert_allclose(got.array, want.array, rtol=1e-12)
