"""Shapes, positions, order, contractions: memory, other modes, and what is refused."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import MinigradError

# --- memory ------------------------------------------------------------------------------

VIEWS = {
    "view": lambda x: x.view(6, 4),
    "unflatten": lambda x: x.unflatten(2, (2, 2)),
    "expand_as": lambda x: x[:1].expand_as(x),
    "movedim": lambda x: x.movedim(0, 2),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "mT": lambda x: x.mT,
    "diagonal": lambda x: x.diagonal(1, 2, 0),
    "select": lambda x: x.select(1, 2),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "split": lambda x: x.split(1, 1)[1],
    "chunk": lambda x: x.chunk(2, 2)[0],
    "unbind": lambda x: x.unbind(1)[2],
    "meshgrid": lambda x: mg.meshgrid(x[0, 0], x[0, :, 0])[0],
    "the diagonal of a view that reads backwards": lambda x: x[:, ::-1].mT.diagonal(),
}
COPIES = {
    "repeat once": lambda x: x.repeat(1, 1, 1),
    "tile once": lambda x: x.tile(1),
    "flip of no dim": lambda x: x.flip(()),
    "roll by 0": lambda x: x.roll(0, 0),
    "diag of a matrix": lambda x: x[0].diag(),
    "cat of one": lambda x: mg.cat([x]),
    "tril": lambda x: x.tril(9),
    "index_select": lambda x: x.index_select(0, mg.tensor([0, 1])),
    "masked_fill": lambda x: x.masked_fill(x > 9, 0),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
def test_views_share_memory_and_their_writes_are_seen(view):
    x = mg.rand(2, 3, 4)
    y = view(x)
    assert np.shares_memory(x.numpy(), y.numpy())
    if y.numpy().flags.writeable:
        y.fill_(7)
        assert (x == 7).sum().item() == y.numel()


@pytest.mark.parametrize("copy", COPIES.values(), ids=list(COPIES))
def test_copies_have_memory_of_their_own(copy):
    x = mg.rand(2, 3, 4)
    assert not np.shares_memory(x.numpy(), copy(x).numpy())


def test_a_write_into_one_of_several_views_has_the_right_gradient():
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * x
    first, rest = y.split([1, 2])
    rest.mul_(10)
    first.copy_(rest[0])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 80, 60])


# --- other modes -------------------------------------------------------------------------

UNKNOWN = {"masked_select", "nonzero", "unique", "unique rows"}
MASKS = ("mask ", "mask]", "bools")  # to a graph a tensor is a variable
WRITES = ("write", "= 2", "scatter_ ", "index_add_", "masked_fill_", "tril_")


def has(case, words):
    return any(word in case for word in words)


def as_tuple(ys):
    return tuple(ys) if isinstance(ys, (tuple, list)) else (ys,)


def derived(fn, xs, gradients):
    """The results, and the gradients of the sum of their squares."""
    ys = as_tuple(fn(mg, *xs))
    floats = [
        (y * y).sum() for y in ys if getattr(y, "requires_grad", y.dtype.kind == "f")
    ]
    leaves = [x for x in xs if x.dtype.kind == "f"]
    total = sum(floats)
    if not leaves or not floats:
        return ys
    return (*ys, *(g for g in gradients(total, leaves) if g is not None))


def on_tape(fn, xs):
    def gradients(total, leaves):
        return mg.autograd.grad(total, leaves, allow_unused=True)

    return derived(fn, xs, gradients)


def leaves(arrays):
    return [mg.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]


def equal(got, expected):
    for a, b in zip(got, expected, strict=True):
        a, b = a.detach().numpy(), b.detach().numpy()
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, strict=True)


def test_every_call_is_the_same_under_jit(shape_case, golden):
    fn, arrays, _ = golden.CASES[shape_case]
    if shape_case in UNKNOWN:
        pytest.skip("how large the result is depends on numbers")
    program = mg.jit(lambda *xs: on_tape(fn, xs))
    equal(program(*leaves(arrays)), on_tape(fn, leaves(arrays)))


def test_every_call_is_the_same_on_nodes(shape_case, golden):
    fn, arrays, _ = golden.CASES[shape_case]
    if shape_case in UNKNOWN or has(shape_case, MASKS + WRITES):
        pytest.skip("nodes are not written, and their shapes are known")
    nodes = [mg.placeholder(a.shape, a.dtype) for a in arrays]
    ys = derived(fn, nodes, mg.gradients)
    equal(mg.compile(nodes, list(ys))(*arrays), on_tape(fn, leaves(arrays)))


DATA_DEPENDENT = {
    "masked_select": lambda x: x.masked_select(x > 0),
    "x[mask]": lambda x: x[x > 0],
    "nonzero": lambda x: mg.nonzero(x),
    "x.nonzero": lambda x: x.nonzero(),
    "unique": lambda x: mg.unique(x),
    "x.unique": lambda x: x.unique(),
    "one_hot without a number": lambda x: mg.one_hot(x.long()),
}


@pytest.mark.parametrize("call", DATA_DEPENDENT.values(), ids=list(DATA_DEPENDENT))
def test_shapes_that_depend_on_numbers_are_a_lesson_in_graphs(call):
    with pytest.raises(MinigradError):
        call(mg.placeholder((3,)))
    with pytest.raises(MinigradError):
        mg.jit(call)(mg.ones(3))


def test_one_hot_counts_classes_and_checks_them(torch):
    index = np.array([[0, 2], [1, 0]])
    for classes in (-1, 3, 5):
        theirs = torch.nn.functional.one_hot(torch.tensor(index), classes)
        ours = mg.one_hot(mg.tensor(index), classes)
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), strict=True)
    with pytest.raises(MinigradError):
        mg.one_hot(mg.tensor(index), 2)
    with pytest.raises(MinigradError):
        mg.one_hot(mg.tensor([-1]), 2)


# --- what both refuse --------------------------------------------------------------------


def ones(t, *shape):
    return t.ones(*shape)


def ints(t, *values):
    return t.tensor(list(values))


REFUSED = {
    "a view that would copy": lambda t: ones(t, 3, 4).t().view(12),
    "a view of another size": lambda t: ones(t, 3, 4).view(5),
    "unflatten that does not fit": lambda t: ones(t, 2, 3).unflatten(1, (2, 2)),
    "mT of a vector": lambda t: ones(t, 2).mT,
    "movedim to one place twice": lambda t: ones(t, 2, 3).movedim((0, 1), (0, 0)),
    "movedim of unlike counts": lambda t: ones(t, 2, 3).movedim((0, 1), 0),
    "diagonal of one dim": lambda t: ones(t, 2, 3).diagonal(0, 1, 1),
    "diagonal of a vector": lambda t: ones(t, 2).diagonal(),
    "select out of range": lambda t: ones(t, 2, 3).select(1, -4),
    "narrow out of range": lambda t: ones(t, 2, 3).narrow(0, 1, 2),
    "narrow by a negative": lambda t: ones(t, 2, 3).narrow(0, 1, -1),
    "split by 0": lambda t: ones(t, 2, 3).split(0),
    "split that does not add up": lambda t: ones(t, 5).split([2, 2]),
    "split of a 0-d": lambda t: t.tensor(1.0).split(1),
    "chunk in 0": lambda t: ones(t, 5).chunk(0),
    "unbind of a 0-d": lambda t: t.tensor(1.0).unbind(),
    "flip of a dim twice": lambda t: ones(t, 2, 2).flip(0, 0),
    "roll of unlike counts": lambda t: ones(t, 2, 2).roll((1, 2), 0),
    "repeat of too few": lambda t: ones(t, 2, 2).repeat(2),
    "repeat by a negative": lambda t: ones(t, 2).repeat(-1),
    "tril of a vector": lambda t: ones(t, 3).tril(),
    "diag of three dims": lambda t: t.diag(ones(t, 2, 2, 2)),
    "diag of a 0-d": lambda t: t.diag(t.tensor(1.0)),
    "cat of a 0-d": lambda t: t.cat([t.tensor(1.0)]),
    "stack of nothing": lambda t: t.stack([]),
    "cat of numbers": lambda t: t.cat([1, 2]),
    "meshgrid of matrices": lambda t: t.meshgrid(ones(t, 2, 2), indexing="ij"),
    "meshgrid of two dtypes": lambda t: t.meshgrid(
        ones(t, 2), ints(t, 1), indexing="ij"
    ),
    "meshgrid in no order": lambda t: t.meshgrid(ones(t, 2), indexing="yx"),
    "scatter at a negative": lambda t: ones(t, 2).scatter(0, ints(t, -1), 1.0),
    "scatter out of range": lambda t: ones(t, 2).scatter(0, ints(t, 2), 1.0),
    "scatter_add at a negative": lambda t: ones(t, 2).scatter_add(
        0, ints(t, -1), ones(t, 1)
    ),
    "scatter of too few": lambda t: ones(t, 2).scatter(0, ints(t, 0, 1), ones(t, 1)),
    "scatter of another dtype": lambda t: ones(t, 2).scatter(0, ints(t, 0), ints(t, 1)),
    "scatter by floats": lambda t: ones(t, 2).scatter(0, ones(t, 1), 1.0),
    "gather by bools": lambda t: ones(t, 2).gather(0, ones(t, 2) > 0),
    "index_select by a matrix": lambda t: ones(t, 2).index_select(0, t.tensor([[0]])),
    "index_select at a negative": lambda t: ones(t, 2).index_select(0, ints(t, -1)),
    "index_select by bools": lambda t: ones(t, 2).index_select(0, ones(t, 2) > 0),
    "index_add of unlike counts": lambda t: ones(t, 2).index_add(
        0, ints(t, 0), ones(t, 2)
    ),
    "index_add that broadcasts": lambda t: ones(t, 2, 3).index_add(
        0, ints(t, 0), ones(t, 1, 1)
    ),
    "index_add of another dtype": lambda t: ones(t, 2).index_add(
        0, ints(t, 0), ints(t, 1)
    ),
    "take_along_dim of another rank": lambda t: ones(t, 2, 2).take_along_dim(
        ints(t, 0), 0
    ),
    "masked_fill by integers": lambda t: ones(t, 3).masked_fill(ints(t, 1, 0, 1), 2.0),
    "masked_fill of several": lambda t: ones(t, 3).masked_fill(
        ones(t, 3) > 0, ones(t, 3)
    ),
    "masked_fill_ that grows": lambda t: ones(t, 3).masked_fill_(
        ones(t, 2, 3) > 0, 1.0
    ),
    "masked_select by integers": lambda t: ones(t, 2).masked_select(ints(t, 1, 0)),
    "masks that do not broadcast": lambda t: ones(t, 2).masked_select(ones(t, 3) > 0),
    "topk of too many": lambda t: ones(t, 3).topk(4),
    "sort out of range": lambda t: ones(t, 3).sort(1),
    "putting another dtype": lambda t: ones(t, 2).__setitem__([0], ones(t, 1).double()),
    "outer of matrices": lambda t: t.outer(ones(t, 2, 2), ones(t, 2)),
    "addmm of vectors": lambda t: t.addmm(ones(t, 2), ones(t, 2), ones(t, 2, 2)),
    "addmm that grows": lambda t: t.addmm(
        ones(t, 3, 2, 2), ones(t, 2, 2), ones(t, 2, 2)
    ),
    "tensordot of unlike sizes": lambda t: t.tensordot(ones(t, 2, 3), ones(t, 2, 3), 1),
    "tensordot of unlike counts": lambda t: t.tensordot(
        ones(t, 2, 3), ones(t, 2, 3), ([0, 1], [0])
    ),
    "einsum of unlike sizes": lambda t: t.einsum("ij,jk", ones(t, 2, 3), ones(t, 2, 3)),
    "einsum of too few": lambda t: t.einsum("ij,jk", ones(t, 2, 3)),
    "einsum of another rank": lambda t: t.einsum("ij", ones(t, 2)),
    "einsum to a letter twice": lambda t: t.einsum("i->ii", ones(t, 2)),
    "einsum to an unknown letter": lambda t: t.einsum("i->j", ones(t, 2)),
    "einsum with a digit": lambda t: t.einsum("1", ones(t, 2)),
    "a diagonal of unlike sizes": lambda t: t.einsum("ii", ones(t, 2, 3)),
    "norm of integers": lambda t: t.linalg.norm(ints(t, 1)),
    "norm of three dims with ord": lambda t: t.linalg.norm(ones(t, 2, 2, 2), 2),
    "no such norm": lambda t: t.linalg.norm(ones(t, 2, 2), 3),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_refuses_is_refused_with_an_error_that_explains(torch, name):
    kinds = (RuntimeError, TypeError, IndexError, ValueError)
    with pytest.raises(kinds):
        REFUSED[name](torch)
    with pytest.raises(MinigradError):
        REFUSED[name](mg)


def test_bytes_are_no_index_because_numpy_and_pytorch_read_them_differently():
    with pytest.raises(MinigradError, match="bytes"):
        mg.ones(3)[mg.tensor([1, 0, 1], dtype=mg.uint8)]


def test_errors_name_the_call_that_the_user_made():
    x = mg.ones(2, 3)
    with pytest.raises(MinigradError, match="einsum: the dtypes differ"):
        mg.einsum("ij,jk", x, x.t().double())


def test_one_position_in_a_vector_gives_a_0d_tensor():
    x, at = mg.tensor([1.0, 2.0]), mg.tensor(1)
    assert x[at].shape == ()
    assert mg.placeholder((2,))[mg.placeholder((), "int64")].shape == ()
