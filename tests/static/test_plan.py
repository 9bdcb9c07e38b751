"""The memory plan: fewer buffers, never another result."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.static import pieces
from minigrad.static.plan import make_plan, root_of


def test_a_chain_runs_in_one_buffer():
    x = mg.placeholder((1000,))
    y = x
    for _ in range(12):
        y = y.tanh()
    program = mg.compile([x], y.sum())
    assert program.stats["bytes_planned"] == 4000
    assert program.stats["bytes_naive"] == 12 * 4000 + 4


def test_a_value_that_is_read_later_keeps_its_buffer():
    x = mg.placeholder((4,))
    a = x.exp()
    y = a.tanh() + a
    assert np.allclose(
        mg.compile([x], y)(np.ones(4)).numpy(), np.tanh(np.e) + np.e, rtol=1e-6
    )


def test_a_transposed_operand_is_not_overwritten():
    x = mg.placeholder((2, 2))
    a = x + 0.5
    b = (a.T + a).sin() * 1.5
    fed = np.array([[0, 1], [2, 3]], np.float32)
    expected = np.sin((fed + 0.5).T + fed + 0.5) * 1.5
    assert np.allclose(mg.compile([x], b)(fed).numpy(), expected, rtol=1e-6)


def test_the_weight_update_is_written_straight_into_the_weight():
    w, x = mg.variable(np.ones(3)), mg.placeholder((3,), dtype=mg.float64)
    program = mg.compile([x], None, updates={w: w - 0.1 * x})
    assert "subtract(w0, b" in program.source
    assert "copyto" not in program.source


def random_graph(rng, leaves):
    """A graph over `leaves` that branches, shares and views."""
    nodes = list(leaves)
    for _ in range(25):
        a, b = (nodes[i] for i in rng.integers(len(nodes), size=2))
        nodes.append(
            [
                lambda a, b: a + b,
                lambda a, b: a * b,
                lambda a, b: a.T - b,
                lambda a, b: (a @ b) * 0.3,
                lambda a, b: a.tanh(),
                lambda a, b: a[::-1].sin(),
                lambda a, b: a.sum(0, keepdim=True) * 0.2 + b,
                lambda a, b: a.reshape(-1).reshape(4, 4),
                lambda a, b: a[1].expand(4, 4) - b,
                lambda a, b: mg.where(a > b, a, b.T),
                lambda a, b: mg.cat([a[:2], b[2:]]),
                lambda a, b: a.softmax(1),
            ][rng.integers(12)](a, b)
        )
    return nodes


@pytest.fixture(params=["op by op", "fused"])
def fusion(request, monkeypatch):
    """Either no array is large enough to fuse for, or all are, and pieces are tiny."""
    if request.param == "fused":
        monkeypatch.setattr(pieces, "LARGE", 2)
        monkeypatch.setattr(pieces, "PIECE", 6)
        monkeypatch.setattr(pieces, "SPREAD", 1)
    return request.param


@pytest.mark.parametrize("seed", range(60))
def test_planned_programs_equal_eager_runs(seed, fusion):
    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=(4, 4)) for _ in range(3)]
    x, y = (mg.placeholder((4, 4), dtype=mg.float64) for _ in range(2))
    w = mg.variable(arrays[2])
    state = rng.bit_generator.state
    nodes = random_graph(rng, [x, y, w])
    rng.bit_generator.state = state
    tensors = [mg.tensor(a, requires_grad=True) for a in arrays]
    values = random_graph(rng, tensors)
    picked = rng.integers(3, len(nodes), size=3)
    loss, value = nodes[-1].sum(), values[-1].sum()
    grads = [g for g in mg.gradients(loss, [x, y, w]) if g is not None]
    outputs = [*(nodes[i] for i in picked), loss, *grads]
    program = mg.compile([x, y], outputs, updates={w: nodes[-1] * 0.5})
    for _ in range(2):  # buffers of the first run must not shine through
        w.set_value(arrays[2])
        results = program(*arrays[:2])
    value.backward()
    expected = [*(values[i] for i in picked), value]
    expected += [t.grad for t in tensors if t.grad is not None]
    for result, tensor in zip(results, expected, strict=True):
        np.testing.assert_allclose(
            result.array, tensor.detach().array, rtol=1e-9, atol=1e-9
        )
    np.testing.assert_allclose(w.get_value(), values[-1].detach().array * 0.5)


def last_reads(plan):
    return {root_of(x): i for i, step in enumerate(plan.steps) for x in step.inputs}


@pytest.mark.parametrize("joins", [None, lambda node: node.op.kind == "elementwise"])
@pytest.mark.parametrize("seed", range(20))
def test_two_live_values_never_share_a_buffer(seed, joins):
    rng = np.random.default_rng(seed)
    x, y = mg.placeholder((4, 4)), mg.placeholder((4, 4))
    w = mg.variable(np.ones((4, 4), np.float32))
    *_, a, b = random_graph(rng, [x, y, w])
    plan = make_plan([a], {w.value: b}, joins=joins)
    read, held = last_reads(plan), {}
    for i, step in enumerate(plan.steps):
        made = [n for n in step.outputs if isinstance(plan.place[n], int)]
        for node in made:
            before = held.get(plan.place[node])
            assert before is None or read[before] <= i
        held.update((plan.place[node], node) for node in made)
        assert len({plan.place[node] for node in made}) == len(made)
    assert set(held) == set(range(len(plan.sizes)))


def test_one_step_may_update_several_variables_in_place():
    w, m = (mg.variable(np.ones(3), dtype) for dtype in ("w", "m"))
    x = mg.placeholder((3,), dtype=mg.float64)
    mean = 0.9 * m + x
    plan = make_plan([], {m.value: mean, w.value: w - mean}, joins=lambda node: True)
    (step,) = plan.steps
    assert step.label == "mul+add+sub"
    assert plan.copied == {}
    assert {plan.place[n] for n in step.outputs} == {w.value, m.value}


def test_a_value_read_after_its_variable_would_change_is_copied_at_the_end():
    a, b = mg.variable(np.ones(3), "a"), mg.variable(np.ones(3), "b")
    both = a + b
    updates = {a.value: both, b.value: both - a}  # the second still reads a
    plan = make_plan([], updates, joins=lambda node: True)
    assert len(plan.steps) == 1
    assert list(plan.copied) == [a.value]


def test_what_may_fail_runs_before_anything_is_written():
    w, x = mg.variable(np.ones(3)), mg.placeholder((3,), dtype=mg.float64)
    i = mg.placeholder((1,), dtype=mg.int64)
    new = w + x
    loss = (new * x).sum()
    joins = lambda node: node.op.kind in ("elementwise", "reduce")
    assert make_plan([loss * 2], {w.value: new}, joins=joins).copied == {}
    picked = (new * x)[i]
    plan = make_plan([picked], {w.value: new}, joins=joins)
    assert list(plan.copied) == [w.value]
    program = mg.compile([x, i], [loss, picked], updates={w: new})
    with pytest.raises(mg.errors.GraphError):
        program(np.ones(3), [7])
    assert w.get_value().tolist() == [1, 1, 1]
