"""Fusion: what may run as one step, and what may not."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.static.fuse import fuse
from minigrad.static.node import topological
from minigrad.static.rewrite import optimize


def joins(node):
    return node.op.kind == "elementwise" or node.op.name == "sum"


def labels(*wanted):
    return [step.label for step in fuse(topological(wanted), wanted, joins)]


X, Y = mg.placeholder((4, 4), name="x"), mg.placeholder((4, 4), name="y")
B, Z = mg.placeholder((4,), name="b"), mg.placeholder((2, 4, 4), name="z")
T, E = X.tanh(), X.exp()

CASES = {
    "a chain": ([(X * Y + 1).tanh()], ["mul+add+tanh"]),
    "what broadcasts is read from outside": ([(X + B).exp()], ["add+exp"]),
    "another shape is another step": ([B.exp() + X], ["exp", "add"]),
    "a sum comes last": ([(X * Y).sum()], ["mul+sum"]),
    "who reads the sum stays outside": ([E / E.sum()], ["exp+sum", "div"]),
    "a sum of what comes from outside": ([X.sum() * 2], ["sum", "mul"]),
    "a view is a step": ([X.exp().T.tanh()], ["exp", "permute", "tanh"]),
    "a path may not leave and come back": ([T * (T @ Y)], ["tanh", "matmul", "mul"]),
    "an op goes to its reader": ([X.exp() * (X @ Y)], ["matmul", "exp+mul"]),
    "two results of one step": ([T @ Y, T + 1], ["tanh+add", "matmul"]),
    "results that nobody shares": ([X.exp(), Y.exp()], ["exp", "exp"]),
    "larger shapes do not mix": ([(X.exp() + Z).tanh()], ["exp", "add+tanh"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_fusion(name):
    wanted, expected = CASES[name]
    assert labels(*wanted) == expected


def test_forward_and_backward_of_a_chain_are_one_step():
    w = mg.variable(np.ones((4, 4), np.float32))
    loss = ((X * w).tanh() - Y).square().sum()
    loss, new = optimize([loss, w - 0.1 * mg.gradients(loss, w)])
    (step,) = fuse(topological([loss, new]), [loss, new], joins)
    assert [n.op.name for n in step.outputs] == ["sum", "sub"]
    assert {n for n in step.inputs if n.op.name != "constant"} == {X, Y, w}


def test_without_a_policy_every_node_is_a_step():
    order = topological([(X * Y).tanh().sum()])
    assert [len(step.nodes) for step in fuse(order, order[-1:])] == [1, 1, 1]


@pytest.mark.parametrize("seed", range(30))
def test_steps_read_from_earlier_steps_alone(seed):
    rng, nodes = np.random.default_rng(seed), [X, Y]
    for _ in range(40):
        a, b = (nodes[i] for i in rng.integers(len(nodes), size=2))
        nodes.append([a + b, a.tanh(), a @ b, a.T, a + b.sum(0)][rng.integers(5)])
    order = topological(nodes[-3:])
    steps = fuse(order, nodes[-3:], joins)
    known = {node for node in order if node.op.kind == "source"}
    for step in steps:
        assert known.issuperset(step.inputs)
        for node in step.nodes:  # in running order, too
            assert known.union(step.nodes[: step.times[node]]).issuperset(node.inputs)
        known.update(step.outputs)
    assert sum(len(step.nodes) for step in steps) == len([n for n in order if n.inputs])
