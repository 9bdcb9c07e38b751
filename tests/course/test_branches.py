"""Lesson 09: the frozen branch is drawn as it is, and its answers are measured."""

import warnings

import pytest
from coursekit.branches import frozen
from coursekit.exercises import nb09

import minigrad as mg


def test_only_what_the_lost_way_needs_is_a_ghost():
    x = mg.placeholder((), name="x")
    shared = x * 2
    picture = frozen("x > 0 ?", "yes", shared - 1, shared + 1)
    kinds = {node.lines[0].split(" = ")[-1]: n.kind for n in picture.nodes.values()
             for node in [n]}  # fmt: skip
    assert kinds["mul"] == "op"
    assert kinds["sub"] == "output"
    assert kinds["add"] == "ghost"
    assert kinds["x > 0 ?"] == "control"


def test_arrows_to_ghosts_are_dotted_and_the_taken_way_is_solid():
    x = mg.placeholder((), name="x")
    picture = frozen("x > 0 ?", "yes", x - 1, x + 1)
    styles = {
        (picture.nodes[e.target].lines[0], picture.nodes[e.source].lines[0]): e.kind
        for e in picture.edges
    }
    assert styles["sub", "x"] == "data"
    assert styles["add", "x"] == "order"


def test_a_frozen_sign_answers_as_the_first_exercise_says():
    python_runs = 0

    def sign(x):
        nonlocal python_runs
        python_runs += 1
        return 1.0 if x > 0 else -1.0

    answer = sign(-2.0)  # the one time that Python looks
    x = mg.placeholder(())
    program = mg.compile([x], x * 0 + answer)
    said = [program(value).item() for value in (-7.0, 0.5, 4.0)]
    assert [*said, python_runs] == nb09.FROZEN_SIGN.reference


def test_the_traces_of_the_third_exercise_are_measured():
    @mg.jit
    def scaled(x, k):
        return x * k

    counts = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x, k in nb09.trace_calls():
            scaled(x, k)
            counts.append(scaled.traces)
    assert counts == nb09.TRACES.reference


@pytest.mark.parametrize("case", range(len(nb09.IFS)), ids=lambda i: nb09.IFS[i][0])
def test_what_happens_to_each_if_of_the_fifth_exercise(case):
    _, build, before, after = nb09.IFS[case]
    assert nb09.fate_of(build, before, after) == nb09.WHICH_IFS.reference[case]
