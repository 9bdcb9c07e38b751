"""Counting and timing operations, in eager mode and in programs."""

import numpy as np

import minigrad as mg


def step(w, x):
    loss = (w * x).tanh().sum()
    loss.backward()
    return loss


def test_profile_counts_operations_and_derivatives():
    w, x = mg.ones(3, requires_grad=True), mg.ones(3)
    with mg.profile() as p:
        for _ in range(2):
            step(w, x)
    calls = {name: n for name, (n, _) in p.rows.items()}
    for name in ("mul", "tanh", "sum", "mul backward", "tanh backward", "sum backward"):
        assert calls[name] == 2
    assert p.seconds > 0


def test_profile_prints_a_table_with_the_dearest_first():
    x = mg.ones(300, 300)
    with mg.profile() as p:
        x.mm(x)
        x[0]
    first, second, third, last = str(p).splitlines()
    assert first.split() == ["op", "calls", "ms", "share"]
    assert second.split()[:2] == ["matmul", "1"]
    assert third.split()[:2] == ["slice", "1"]
    assert last.split()[:2] == ["all", "2"]


def test_profile_times_the_steps_of_a_program():
    x = mg.placeholder((3,))
    program = mg.compile([x], (x * x).exp().sum(), rewrites=())
    with mg.profile() as p:
        result = program(mg.ones(3))
    assert result.item() == np.float32(3 * np.exp(np.float32(1)))
    assert {name: n for name, (n, _) in p.rows.items()} == {
        "mul": 1,
        "exp": 1,
        "sum": 1,
    }


def test_profile_times_a_jitted_step_and_its_updates_happen():
    w = mg.ones(3, requires_grad=True)

    @mg.jit
    def train(x):
        loss = step(w, x)
        with mg.no_grad():
            w.sub_(w.grad)
        return loss

    train(mg.ones(3))
    before = w.tolist()
    with mg.profile() as p:
        train(mg.ones(3))
    assert w.tolist() != before
    assert p.calls > 2


def test_an_operation_in_place_is_timed_and_done():
    y = mg.ones(2)
    with mg.profile() as p:
        y.add_(1)
        y[0] = 5
    assert y.tolist() == [5, 2]
    assert p.rows["add"][0] == 1


def test_blocks_may_be_nested_and_each_sees_what_ran_in_it():
    x, placed = mg.ones(2), mg.placeholder((2,))
    program = mg.compile([placed], placed * 2)
    with mg.count_ops() as outer:
        x + 1
        with mg.profile() as p, mg.count_ops() as inner:
            x * 2
            program(x)
    assert outer.by_name == {"add": 1, "mul": 2}
    assert inner.by_name == {"mul": 2}
    assert p.rows["mul"][0] == 2
    with mg.count_ops() as after:
        x + 1
    assert (after.total, outer.total) == (1, 3)


def test_an_error_inside_a_block_ends_the_watching():
    for watch in (mg.profile(), mg.count_ops(), mg.autograd.detect_anomaly()):
        try:
            with watch:
                mg.ones(2).mm(mg.ones(3))
        except RuntimeError:
            pass
    x = mg.ones(2)
    assert (x + x).tolist() == [2, 2]
    assert outer_watch() is None


def outer_watch():
    from minigrad.ops.op import MODE

    return MODE.get().watch
