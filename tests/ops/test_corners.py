"""Spellings and corners of PyTorch that have no case among the committed results: live."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GradError, GraphError, MinigradError


def numbers(t, *shape, seed=0):
    values = np.random.default_rng(seed).normal(size=shape)
    return t.tensor(values.tolist(), dtype=t.float64, requires_grad=True)


def same(ours, theirs):
    ours, theirs = ours.detach().numpy(), theirs.detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12, strict=True)


def compare(torch, call, *shapes):
    """Values and gradients of `call(library, *tensors)`."""
    results = []
    for library in (mg, torch):
        xs = [numbers(library, *shape, seed=i) for i, shape in enumerate(shapes)]
        y = call(library, *xs)
        (y * y).sum().backward()
        results.append((y, *(x.grad for x in xs)))
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs)


# --- a 0-d index -------------------------------------------------------------------------

SELECTIONS = {
    "x[t]": lambda t, x: x[t.tensor(1)],
    "x[:, t]": lambda t, x: x[:, t.tensor(-1)],
    "x[t, 1:]": lambda t, x: x[t.tensor(0), 1:],
    "x[t, t]": lambda t, x: x[t.tensor(0), t.tensor(2)],
    "x[int32 t]": lambda t, x: x[t.tensor(1, dtype=t.int32)],
}


@pytest.mark.parametrize("select", SELECTIONS.values(), ids=SELECTIONS)
def test_a_0d_tensor_selects_a_view(select, torch):
    compare(torch, select, (3, 4))
    for library in (mg, torch):
        x = library.zeros(3, 4)
        select(library, x).add_(1.0)
        assert x.sum().item() == select(library, x).numel()


@pytest.mark.parametrize("select", SELECTIONS.values(), ids=SELECTIONS)
def test_a_traced_0d_tensor_selects_the_same(select):
    x = mg.randn(3, 4)
    assert mg.equal(mg.jit(lambda x: select(mg, x))(x), select(mg, x))
    node = mg.placeholder((3, 4))
    assert mg.equal(mg.compile([node], select(mg, node))(x), select(mg, x))


def test_a_traced_selection_is_refused_as_the_target_of_a_write():
    x, i = mg.zeros(3, 4), mg.tensor(1)
    with pytest.raises(GradError, match="a copy made by a traced index"):
        mg.jit(lambda: x[i].add_(1.0))()

    def through_a_name():
        row = x[i]
        row += 1.0

    with pytest.raises(GradError, match=r"x\[i\] = x\[i\] \+ y"):
        mg.jit(through_a_name)()

    @mg.jit
    def step():
        x[i] = x[i] + 1.0

    step()
    step()
    assert x.sum(1).tolist() == [0, 8, 0]


def test_a_0d_index_out_of_range_is_refused():
    with pytest.raises(IndexError):
        mg.zeros(3)[mg.tensor(3)]


# --- einsum by lists ---------------------------------------------------------------------

LISTS = {
    "matrix product": (lambda t, a, b: t.einsum(a, [0, 1], b, [1, 2], [0, 2]), (2, 3), (3, 4)),
    "implicit output": (lambda t, a, b: t.einsum(a, [5, 1], b, [1, 2]), (2, 3), (3, 4)),
    "capital letters first": (lambda t, a: t.einsum(a, [26, 0]), (2, 3)),
    "diagonal": (lambda t, a: t.einsum(a, [3, 3], [3]), (3, 3)),
    "batches": (
        lambda t, a, b: t.einsum(a, [..., 0, 1], b, [..., 1, 2], [..., 0, 2]),
        (5, 2, 3), (5, 3, 4),
    ),
    "everything": (lambda t, a: t.einsum(a, [0, 1], []), (2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("lists", LISTS.values(), ids=LISTS)
def test_einsum_takes_lists_of_labels(lists, torch):
    compare(torch, *lists)


def test_einsum_refuses_labels_beyond_the_alphabet(torch):
    for library in (mg, torch):
        with pytest.raises((RuntimeError, ValueError)):
            library.einsum(library.ones(2), [52])
        with pytest.raises((RuntimeError, ValueError)):
            library.einsum(library.ones(2), [-1])
    with pytest.raises(MinigradError, match="0 to 51"):
        mg.einsum(mg.ones(2), mg.ones(2))


# --- kron, median, norms -----------------------------------------------------------------


@pytest.mark.parametrize(
    "shapes",
    [((2, 3), (4, 2)), ((2,), (3,)), ((2, 3), (2,)), ((), (2,)), ((2,), (3, 1, 2))],
)
def test_kron(shapes, torch):
    compare(torch, lambda t, a, b: t.kron(a, b), *shapes)


@pytest.mark.parametrize(
    "call",
    [
        lambda t, x: t.median(x),
        lambda t, x: x.median(1)[0],
        lambda t, x: x.median(-2, keepdim=True).values,
        lambda t, x: x[0, 0].median(0).values,
        lambda t, x: x[0].median(),
    ],
)
def test_median(call, torch):
    compare(torch, call, (4, 5))


def test_median_is_nan_where_there_is_one(torch):
    rows = [[1.0, float("nan"), 3.0], [4.0, 6.0, 5.0]]
    for library in (mg, torch):
        values, indices = library.tensor(rows).median(1)
        assert str(values.tolist()) == "[nan, 5.0]"
        assert indices.tolist() == [1, 2]
        assert library.tensor(rows).median().isnan().item()
    assert mg.tensor([4, 1, 3, 2]).median().item() == 2


def test_median_of_nothing_is_refused():
    with pytest.raises(MinigradError, match="no middle"):
        mg.zeros(0, 2).median(0)


NORMS = {
    "nuc": lambda t, x: x.norm("nuc"),
    "2": lambda t, x: t.linalg.norm(x, 2),
    "-2": lambda t, x: t.linalg.matrix_norm(x, -2, (1, 0), keepdim=True),
    "singular values": lambda t, x: t.linalg.svdvals(x) ** 3,
}


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 5)], ids=str)
@pytest.mark.parametrize("name", NORMS)
def test_norms_by_singular_values_to_second_order(name, shape, torch):
    def first(library, x):
        y = NORMS[name](library, x).sum()
        return library.autograd.grad(y, x, create_graph=True)[0]

    compare(torch, NORMS[name], shape)
    compare(torch, first, shape)


def test_equal_singular_values_leave_finite_second_derivatives():
    x = mg.eye(3, dtype=mg.float64).requires_grad_()
    (first,) = mg.autograd.grad(x.norm("nuc"), x, create_graph=True)
    (second,) = mg.autograd.grad(first.sum(), x)
    assert second.isfinite().all()


def test_the_least_norms_of_nothing_are_refused():
    for norm in (-1, -float("inf")):
        with pytest.raises(MinigradError):
            mg.linalg.vector_norm(mg.ones(0), norm)


# --- in place: what changes the shape ----------------------------------------------------

TURNED = {
    "unsqueeze_": lambda x: x.unsqueeze_(-1),
    "squeeze_": lambda x: x.squeeze_(0),
    "t_": lambda x: x[0].t_(),
    "transpose_": lambda x: x.transpose_(0, 2),
    "swapaxes_": lambda x: x.swapaxes_(1, -1),
    "swapdims_": lambda x: x.swapdims_(0, 1),
}


@pytest.mark.parametrize("turn", TURNED.values(), ids=list(TURNED))
def test_a_tensor_turned_in_place_and_its_views_stay_right_under_autograd(turn, torch):
    found = []
    for lib in (mg, torch):
        w = lib.arange(6.0).reshape(1, 2, 3).requires_grad_()
        x = w * 2
        row = x[0, 1]  # sees x as it was
        y = turn(x)
        y.mul_(3)
        after = y[0]
        row.add_(lib.arange(3.0) * w[0, 0])
        (after**2).sum().backward()
        (row.detach() * 1).sum()
        found.append([t.detach().numpy() for t in (x, y, row, after, w.grad)])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, strict=True)


@pytest.mark.parametrize("name", ["unsqueeze_", "squeeze_"])
def test_a_leaf_is_turned_under_no_grad_only_and_stays_a_leaf(name, torch):
    for lib in (mg, torch):
        w = lib.ones(1, 3, requires_grad=True)
        with pytest.raises(RuntimeError, match="a leaf"):
            getattr(w, name)(0)
        assert tuple(w.shape) == (1, 3)
        with lib.no_grad():
            getattr(w, name)(0)
        (w * w).sum().backward()
        assert w.is_leaf
        assert tuple(w.grad.shape) == tuple(w.shape)
        with lib.no_grad():
            w -= w.grad
        assert (w == -1).all()


def test_a_dim_out_of_range_turns_nothing():
    x = mg.ones(2, 3)
    with pytest.raises(IndexError):
        x.unsqueeze_(5)
    assert x.shape == (2, 3)
    assert x.view_of is None


def test_jit_turns_its_own_tensors_but_no_state():
    x, state = mg.arange(6.0).reshape(2, 3), mg.ones(2)

    @mg.jit
    def flipped(x):
        y = x * 1
        row = y[0]
        y.t_()
        y[0] += 10
        row.mul_(2)
        return y

    assert flipped(x).tolist() == [[20.0, 13.0], [2.0, 4.0], [4.0, 5.0]]
    with pytest.raises(GraphError, match="cannot change the shape of its state"):
        mg.jit(lambda x: state.unsqueeze_(0) + x)(x)
    assert state.shape == (2,)


def test_detach_in_place_makes_a_leaf_and_refuses_views(torch):
    for lib in (mg, torch):
        w = lib.ones(2, requires_grad=True)
        h = w * 2
        h.detach_()
        assert h.is_leaf
        assert not h.requires_grad
        assert h.grad_fn is None
        with pytest.raises(RuntimeError, match="view"):
            (w * 2)[0].detach_()


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("target", ["eager", "interpreter"])
def test_large_scores_keep_their_digits(name, target):
    x = (1e6 + np.arange(12).reshape(3, 4) % 5).astype(np.float32)
    wanted = getattr(mg.tensor(x.astype(np.float64)), name)(1)
    if target == "eager":
        y = getattr(mg.tensor(x), name)(1)
    else:
        scores = mg.placeholder((3, 4))
        program = mg.compile([scores], getattr(scores, name)(1), target=target)
        y = program(x)
    np.testing.assert_allclose(y.numpy(), wanted.numpy(), rtol=1e-6)
