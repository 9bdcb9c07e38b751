"""Spellings and corners of PyTorch that have no case among the committed results: live."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GradError, MinigradError


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


@pytest.mark.parametrize(
    "norm", [lambda x: x.norm("nuc"), lambda x: mg.linalg.norm(x, 2)]
)
def test_norms_by_singular_values_say_that_they_are_missing(norm):
    with pytest.raises(NotImplementedError, match="singular values"):
        norm(mg.ones(2, 2))


# --- what is not there -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["unsqueeze_", "squeeze_", "t_", "transpose_", "swapaxes_"]
)
def test_a_tensor_keeps_its_shape_for_life(name):
    with pytest.raises(NotImplementedError, match=f"write x = x.{name[:-1]}"):
        getattr(mg.ones(2, 1), name)(0, 1)
