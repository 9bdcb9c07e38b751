"""What loops and branches refuse, and how they explain it."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import DTypeError, GradError, GraphError, ShapeError

WORLDS = pytest.mark.parametrize("world", [lambda fn: fn, mg.jit], ids=["eager", "jit"])


def vectors(world, fn):
    return lambda: world(lambda x: fn(x))(mg.tensor([1.0, 2.0, 3.0]))


def grows(x):
    return mg.while_loop(
        lambda i, acc: i < 3, lambda i, acc: (i + 1, mg.cat([acc, acc])), (0, x)
    )


def widens(x):
    return mg.scan(lambda h, v: (h.double(), None), x, x)


def loses_one(x):
    return mg.while_loop(lambda i, acc: i < 3, lambda i, acc: i + 1, (0, x))


def no_pair(x):
    return mg.scan(lambda h, v: h + v, 0.0, x)


def uneven(x):
    return mg.scan(lambda h, v: (h, None), 0.0, (x, x[:2]))


def negative(x):
    return mg.scan(lambda h, v: (h, None), 0.0, None, length=-1)


def constant_condition(x):
    return mg.while_loop(lambda i: True, lambda i: i + 1, 0)


def no_condition(x):
    return mg.while_loop(lambda i: None, lambda i: i + 1, 0)


def vector_condition(x):
    return mg.while_loop(lambda y: y > 0, lambda y: y - 1, x)


def number_condition(x):
    return mg.cond(x.sum(), lambda: x, lambda: x)


def nothing_returned(x):
    return mg.cond(x.sum() > 0, lambda: None, lambda: None)


def calls_backward(x):
    w = mg.tensor(1.0, requires_grad=True)

    def body(h, v):
        loss = (w * v).sum()
        loss.backward()
        return h + loss, None

    return mg.scan(body, 0.0, x)


LESSONS = [
    (grows, ShapeError, "the loop variable acc changes its shape"),
    (widens, DTypeError, "the loop variable h changes its dtype"),
    (loses_one, GraphError, "carries of another structure"),
    (no_pair, GraphError, "must return a pair"),
    (uneven, ShapeError, "how many rows"),
    (negative, ShapeError, "how many rows"),
    (constant_condition, GraphError, "this one would never change"),
    (no_condition, GraphError, "must be one bool"),
    (vector_condition, GraphError, r"got .*\(3,\) bool"),
    (number_condition, GraphError, "must be one bool"),
    (nothing_returned, GraphError, "a branch returned None"),
    (calls_backward, GradError, "inside the body of scan"),
]


@WORLDS
@pytest.mark.parametrize(
    ("fn", "kind", "text"), LESSONS, ids=[x[0].__name__ for x in LESSONS]
)
def test_a_mistake_is_explained_at_the_users_line(world, fn, kind, text):
    with pytest.raises(kind, match=text) as caught:
        vectors(world, fn)()
    assert "test_control_lessons.py" in str(caught.value)
    assert "expected" in str(caught.value)
    assert "got" in str(caught.value)


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (lambda x: x.sum(), ShapeError),
        (lambda x: x > 0, DTypeError),
        (lambda x: (x,), GraphError),
    ],
)
def test_branches_must_return_alike(other, kind):
    with pytest.raises(kind, match="the branches return different"):
        mg.jit(lambda x: mg.cond(x.sum() > 0, lambda: x, lambda: other(x)))(mg.ones(3))


@WORLDS
def test_a_body_may_not_write_to_what_is_outside(world):
    seen = mg.zeros(3)

    def into(key):
        def body(h, v):
            seen[key] = v
            return h, None

        return body

    writes = [
        lambda h, v: (seen.add_(1).sum() + h, None), into(0), into(slice(0, 2)),
        lambda h, v: (h.add_(v), None), lambda h, v: (v.mul_(2) + h, None),
    ]  # fmt: skip
    for body in writes:
        with pytest.raises(
            GraphError, match="writes to a tensor that was not made in it"
        ):
            world(mg.scan)(body, 0.0, mg.ones(4))
    assert seen.tolist() == [0, 0, 0]


@WORLDS
def test_a_body_may_write_to_what_it_made(world):
    def body(h, v):
        pair = mg.zeros(2)
        pair[0] = v
        pair.add_(h)
        return h + pair.sum(), pair

    h, pairs = world(lambda x: mg.scan(body, 0.0, x))(mg.tensor([1.0, 2.0]))
    assert h.item() == 5.0
    assert pairs.tolist() == [[1, 0], [3, 1]]


def test_values_may_not_leak_out_of_a_body():
    kept = []

    def body(h, v):
        kept.append(h * 2)
        return h + v, None

    with pytest.raises(
        GraphError, match="scan: a tensor made inside the function outlives"
    ):
        mg.jit(lambda x: mg.scan(body, 0.0, x))(mg.ones(3))
    kept.clear()
    x = mg.placeholder((3,))
    total = mg.scan(body, mg.constant(np.float32(0)), x)[0]
    with pytest.raises(GraphError, match="used outside of it"):
        mg.compile([x], total + kept[0])
    again = mg.scan(lambda h, v: (h + kept[0], None), mg.constant(np.float32(0)), x)[0]
    with pytest.raises(GraphError, match="used outside of it"):
        mg.compile([x], again)


def test_a_value_of_an_inner_body_may_not_leak_into_the_outer():
    x = mg.placeholder((3,))

    def outer(h, v):
        kept = []
        mg.scan(lambda g, u: (g + u, kept.append(g)), h, x)
        return h + kept[0], None

    with pytest.raises(GraphError, match="used outside of it"):
        mg.scan(outer, mg.constant(np.float32(0)), x)


def test_a_failed_body_leaves_the_mode_as_it_was():
    w = mg.tensor(1.0, requires_grad=True)
    for world in (lambda fn: fn, mg.jit):
        with pytest.raises(ZeroDivisionError):
            world(lambda: mg.scan(lambda h, _: (h * w, 1 // 0), 1.0, None, length=3))()
        (w * 2).backward()
        assert w.grad.item() == 2.0
        w.grad = None


def test_counting_and_profiling_see_into_an_eager_loop():
    with mg.count_ops() as counted:
        mg.scan(lambda h, v: (h * v, None), 1.0, mg.ones(5))
    assert counted.by_name["mul"] == 5


def test_rows_keep_their_structure_in_an_eager_scan():
    kinds = iter([1.0, (1.0, 2.0)])
    with pytest.raises(GraphError, match="another structure than in the first round"):
        mg.scan(lambda h, _: (h, next(kinds)), 0.0, None, length=2)
