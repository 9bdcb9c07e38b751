"""The target "auto": the interpreter first, native code for what is called often."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GraphError
from minigrad.static import build
from minigrad.static.build import PATIENCE


def descent(target):
    w = mg.ones(3)
    x = mg.placeholder((3,))
    loss = ((w * x).tanh() - 1).square().sum()
    (grad,) = mg.gradients(loss, [w])
    return w, mg.compile([x], loss, updates={w: w - 0.1 * grad}, target=target)


def test_it_turns_native_between_two_calls_and_goes_on_as_before():
    (w, step), (v, reference) = descent("auto"), descent("interpreter")
    x = np.array([1, -2, 0.5], "f")
    for i in range(2 * PATIENCE):
        assert step.target == ("interpreter" if i <= PATIENCE else "native")
        np.testing.assert_allclose(step(x).item(), reference(x).item(), rtol=1e-5)
        if i < PATIENCE:
            np.testing.assert_array_equal(w.numpy(), v.numpy())
    np.testing.assert_allclose(w.numpy(), v.numpy(), rtol=1e-5)
    assert "int program(void **p)" in step.source
    assert reference.target == "interpreter"
    assert step.fallback == ""


def test_jit_takes_the_same_way():
    double = mg.jit(lambda x: x * 2, target="auto")
    for _ in range(PATIENCE + 1):
        assert double(mg.ones(2)).tolist() == [2, 2]
    assert double.program.target == "native"
    assert double(mg.ones(2)).tolist() == [2, 2]


def test_what_has_no_c_stays_and_asks_once(monkeypatch):
    asked = []
    late = build.late

    def counted(name):
        asked.append(name)
        return late(name)

    monkeypatch.setattr(build, "late", counted)
    x = mg.placeholder((2,), mg.float16)
    program = mg.compile([x], x * 2, target="auto")
    for _ in range(3 * PATIENCE):
        assert program(np.ones(2, np.float16)).tolist() == [2, 2]
    assert asked == ["native"]
    assert program.target == "interpreter"
    assert program.fallback == "there is no C for float16"


def test_sizes_that_come_with_the_call_turn_native_one_by_one():
    x = mg.placeholder((None,))
    program = mg.compile([x], x * 2, target="auto")
    for _ in range(PATIENCE + 1):
        program(np.ones(3))
    assert program.target == "native"
    assert program(np.ones(4)).tolist() == [2, 2, 2, 2]
    assert program.target == "interpreter"


def test_code_that_the_compiler_refuses_does_not_stop_a_program_that_runs(monkeypatch):
    def broken(*args):
        raise GraphError("native: the C compiler refused generated code")

    monkeypatch.setattr(build, "late", lambda name: broken)
    x = mg.placeholder((2,))
    program = mg.compile([x], x * 2, target="auto")
    for _ in range(PATIENCE + 1):
        assert program(np.ones(2)).tolist() == [2, 2]
    assert "refused" in program.fallback
    with pytest.raises(GraphError, match="refused"):
        mg.compile([x], x * 2, target="native")


def test_a_large_program_is_compiled_only_if_asked_for(monkeypatch):
    monkeypatch.setattr(build, "LARGEST", 3)
    x = mg.placeholder((2,))
    small, large = (mg.compile([x], y, target="auto") for y in (x * 2, x * 2 + x.exp()))
    for _ in range(PATIENCE + 1):
        small(np.ones(2)), large(np.ones(2))
    assert (small.target, large.target) == ("native", "interpreter")
    assert mg.compile([x], x * 2 + x.exp(), target="native").target == "native"
