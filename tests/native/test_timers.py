"""`profile()` of native code: the compiled function itself takes down what a step takes."""

import re
from time import perf_counter

import numpy as np

import minigrad as mg


def compiled(*args, **options):
    program = mg.compile(*args, target="native", **options)
    assert program.target == "native", program.fallback
    return program


def runs(table):
    """How often each step ran, by its number and ops."""
    return {name: calls for name, (calls, _) in table.rows.items()}


def net():
    x = mg.placeholder((40, 50))
    w = mg.variable(np.full((50, 60), 0.1, np.float32))
    loss = (x @ w).tanh().sum()
    return w, compiled([x], loss, updates={w: w - 0.1 * mg.gradients(loss, w)})


def test_steps_are_numbered_and_named_as_the_program_lists_them():
    _, program = net()
    listed = {f"{s.number} {'+'.join(s.ops)}": 1 for s in program.steps}
    profiled = runs(program.profile(np.ones((40, 50))))
    assert profiled.items() <= listed.items()
    assert "permute" not in str(profiled), "a view takes no time"
    assert len(profiled) == program.stats["steps"]


def test_a_profiled_run_computes_and_updates_as_any_other():
    (w, program), (v, plain) = net(), net()
    for _ in range(2):
        with mg.profile() as table:
            got = program(np.ones((40, 50)))
        assert got.item() == plain(np.ones((40, 50))).item()
        assert table.rows["matmul"][0] == 1
    np.testing.assert_array_equal(w.get_value(), v.get_value())


def test_the_times_are_of_the_steps_and_lie_within_the_call():
    program = compiled([x := mg.placeholder((300, 300))], (x @ x).exp().sum())
    began = perf_counter()
    table = program.profile(np.zeros((300, 300)))
    assert all(seconds > 0 for _, seconds in table.rows.values())
    assert table.seconds < perf_counter() - began


def test_steps_inside_loops_and_branches_add_up_their_runs():
    xs = mg.placeholder((7, 3), mg.float64)

    def body(h, v):
        h = mg.cond(v.sum() > 0, lambda: (h @ h.T) @ v, lambda: h[0].cumsum(0))
        return h.reshape(1, 3).expand(3, 3) * 0.5, None

    last = mg.scan(body, np.eye(3), xs)[0]
    program = compiled([xs], last)
    feed = np.ones((7, 3))
    feed[:2] = -1
    found = runs(program.profile(feed))
    inside = {name: n for name, n in found.items() if name.count(".") == 2}
    assert {n for name, n in inside.items() if "matmul" in name} == {5}
    assert {n for name, n in inside.items() if "cumsum" in name} == {2}
    assert [n for name, n in found.items() if re.fullmatch(r"\d+ loop", name)] == [1]
    assert [n for name, n in found.items() if "branch" in name] == [7]
    assert runs(program.profile(feed)) == found, "each profile begins at 0"


def test_the_function_that_is_not_profiled_has_no_clock():
    _, program = net()
    before = program.source
    program.profile(np.ones((40, 50)))
    assert program.source == before
    assert "nanoseconds" not in before
