"""One definition, four spellings: the op, a method, a function of minigrad, a twin in place."""

import inspect

import numpy as np
import pytest

import minigrad as mg
from minigrad import formulas
from minigrad.methods import Methods
from minigrad.ops import TABLE
from minigrad.testing import samples

FORMULAS = [
    name
    for name, fn in inspect.getmembers(formulas, inspect.isfunction)
    if fn.__module__ == formulas.__name__ and name[0] != "_"
]
OPS = [
    name
    for name, op in TABLE.items()
    if op.kind == "elementwise"
    and name not in ("where", "cast", "transfer", "copy", "fill")
]
OPERANDS = {
    "lerp": 3, "addcmul": 3, "addcdiv": 3, "add": 2, "sub": 2, "div": 2,
    "true_divide": 2, "isclose": 2,
}  # fmt: skip
OPERANDS |= {f"logical_{name}": 2 for name in ("and", "or", "xor")}
BOUNDS = {"clamp": (0.8, 1.2), "clamp_min": (0.8,), "clamp_max": (1.2,)}


def arguments(name):
    """Arrays and numbers that suit the function `name`."""
    if name in OPS and name not in BOUNDS:
        return samples(name)[0].args
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.5, 1.5, (3, 4)) for _ in range(OPERANDS.get(name, 1))]
    return (*arrays, *BOUNDS.get(name, ()))


def tensors(args, requires_grad=False):
    return [
        mg.tensor(a, requires_grad=requires_grad and a.dtype.kind == "f")
        if isinstance(a, np.ndarray)
        else a
        for a in args
    ]


@pytest.mark.parametrize("name", sorted({*OPS, *FORMULAS}))
def test_a_method_a_function_and_a_node_give_the_same(name):
    args = arguments(name)
    x, *rest = tensors(args)
    expected = getattr(x, name)(*rest).numpy()
    got = getattr(mg, name)(x, *rest).numpy()
    np.testing.assert_array_equal(got, expected, strict=True)
    nodes = [
        mg.placeholder(a.shape, a.dtype) if isinstance(a, np.ndarray) else a
        for a in args
    ]
    fed = {n: a for n, a in zip(nodes, args, strict=True) if isinstance(n, mg.Node)}
    node = getattr(nodes[0], name)(*nodes[1:])
    assert (node.shape, node.dtype) == (expected.shape, expected.dtype)
    ran = mg.compile(list(fed), node)(*fed.values()).numpy()
    np.testing.assert_allclose(ran, expected, rtol=1e-14, strict=True)


@pytest.mark.parametrize("name", sorted({*OPS, *FORMULAS}))
def test_a_twin_writes_what_the_method_gives_and_differentiates_alike(name):
    def run(method):
        leaves = tensors(arguments(name), requires_grad=True)
        x, *rest = leaves
        before = x * 1 if x.dtype.kind == "f" else x.clone()
        y = getattr(before, method)(*rest)
        leaves = [leaf for leaf in leaves if getattr(leaf, "requires_grad", False)]
        if method == name:
            y = y.to(x.dtype)
        else:
            assert y is before
        if not y.requires_grad:
            return y, [leaf * 0 for leaf in leaves]
        options = {"allow_unused": True}
        found = mg.autograd.grad((y * y).sum(), leaves, **options)
        pairs = zip(found, leaves, strict=True)
        return y, [leaf * 0 if g is None else g for g, leaf in pairs]

    expected, slopes = run(name)
    got, found = run(f"{name}_")
    np.testing.assert_array_equal(got.detach().numpy(), expected.detach().numpy())
    for a, b in zip(found, slopes, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-14)


@pytest.mark.parametrize("name", ["mish_", "lerp_", "add_"])
def test_a_twin_that_does_not_fit_leaves_the_tensor_as_it_was(name):
    x, rest = mg.ones(1), (mg.ones(3), 0.5) if name == "lerp_" else (mg.ones(3),)
    rest = () if name == "mish_" else rest
    x = x.long() if name == "mish_" else x
    version = x.cell.version
    with pytest.raises(mg.errors.MinigradError):
        getattr(x, name)(*rest)
    assert x.tolist() == [1]
    assert x.cell.version == version


@pytest.mark.parametrize(
    "name", ["sum", "mean", "var", "std", "prod", "softmax", "max"]
)
def test_numpys_axis_and_keepdims_are_understood(name):
    x = mg.tensor(np.arange(6.0).reshape(2, 3))
    options = {} if name == "softmax" else {"keepdims": True}
    ours = {} if name == "softmax" else {"keepdim": True}
    got, expected = (
        getattr(x, name)(axis=1, **options),
        getattr(x, name)(dim=1, **ours),
    )
    got, expected = (y.values if name == "max" else y for y in (got, expected))
    np.testing.assert_array_equal(got.numpy(), expected.numpy(), strict=True)


@pytest.mark.parametrize("name", ["sum", "std", "softmax", "exp", "norm"])
def test_an_unknown_argument_is_refused(name):
    with pytest.raises(TypeError):
        getattr(mg.ones(2), name)(foo=1)


def test_methods_stand_in_one_place_for_tensors_and_nodes():
    for name in (*OPS, *FORMULAS):
        assert hasattr(Methods, name)
        assert hasattr(mg, name)
