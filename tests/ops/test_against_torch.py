"""minigrad beside PyTorch itself: the committed calls live, dtypes, and what is refused."""

import operator

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import MinigradError

DTYPES = ["uint8", "int32", "int64", "float32", "float64", "bool"]


def test_the_committed_results_are_what_pytorch_gives(torch, case, golden):
    fn, arrays, order = golden.CASES[case]
    live = golden.derive(torch, fn, arrays, order)
    for key, array in live.items():
        kept = golden.results[f"{case} | {key}"]
        np.testing.assert_allclose(array, kept, rtol=1e-12, atol=1e-12, strict=True)


# --- dtypes ------------------------------------------------------------------------------

CREATED = {
    "a float": lambda t: t.tensor(1.0),
    "an int": lambda t: t.tensor(1),
    "a bool": lambda t: t.tensor(True),
    "mixed numbers": lambda t: t.tensor([1, 2.5]),
    "nested": lambda t: t.tensor([[1, 2], [3, 4]]),
    "an array of float64": lambda t: t.tensor(np.ones(2)),
    "an array of float32": lambda t: t.tensor(np.ones(2, np.float32)),
    "arange": lambda t: t.arange(3),
    "arange of floats": lambda t: t.arange(0, 1, 0.25),
    "arange from to": lambda t: t.arange(2, 5),
    "arange down": lambda t: t.arange(5, 0, -2),
    "zeros": lambda t: t.zeros(2, 3),
    "ones of a tuple": lambda t: t.ones((2, 3)),
    "full of ints": lambda t: t.full((2,), 3),
    "full of floats": lambda t: t.full((2,), 3.5),
    "full of bools": lambda t: t.full((2,), True),
    "eye": lambda t: t.eye(3),
    "zeros_like": lambda t: t.zeros_like(t.tensor([1, 2])),
    "ones_like": lambda t: t.ones_like(t.tensor([1.5])),
    "from_numpy": lambda t: t.from_numpy(np.ones(2)),
    "as_tensor": lambda t: t.as_tensor([1.0, 2.0]),
    "nothing": lambda t: t.tensor([]),
    "with dtype": lambda t: t.tensor([1, 2], dtype=t.float64),
    "zeros with dtype": lambda t: t.zeros(2, dtype=t.int32),
}


@pytest.mark.parametrize("make", CREATED.values(), ids=list(CREATED))
def test_created_tensors_have_pytorch_s_dtype_shape_and_values(torch, make):
    ours, theirs = make(mg), make(torch)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy(), strict=True)


METHODS = (
    "abs neg sign square sqrt rsqrt reciprocal exp exp2 expm1 log log2 log10 log1p sin "
    "cos tan asin acos atan sinh cosh tanh sigmoid erf relu floor ceil round trunc frac "
    "isnan isinf isfinite logical_not sum mean prod var std norm amax amin max min "
    "argmax argmin all any count_nonzero float double long"
)
ONE = {name: operator.methodcaller(name) for name in METHODS.split()} | {
    "softmax": lambda x: x.softmax(0),
    "cumsum": lambda x: x.cumsum(0),
    "cumprod": lambda x: x.cumprod(0),
    "x // 2": lambda x: x // 2,
    "x // 2.0": lambda x: x // 2.0,
    "7 % x": lambda x: 7 % (x + 1),
    "x % x": lambda x: x % (x + 1),
    "atan2": lambda x: x.atan2(x),
    "xor": lambda x: x ^ x,
    "logical_and": lambda x: x.logical_and(x),
    "isclose": lambda x: x.isclose(x),
    "add alpha": lambda x: x.add(x, alpha=2),
    "addcmul": lambda x: x.addcmul(x, x),
    "addcdiv": lambda x: x.addcdiv(x, x + 1),
    "lerp": lambda x: x.lerp(x, 0.5),
    "div trunc": lambda x: x.div(2, rounding_mode="trunc"),
    "logsumexp": lambda x: x.logsumexp(0),
    "invert": lambda x: ~x,
    "and": lambda x: x & x,
    "x ** 2": lambda x: x**2,
    "x ** 2.0": lambda x: x**2.0,
    "2 ** x": lambda x: 2**x,
    "x / x": lambda x: x / x,
    "clamp": lambda x: x.clamp(min=1),
    "clamp 0.5": lambda x: x.clamp(min=0.5),
    "x @ x": lambda x: x @ x,
}
# In PyTorch squares and bounds of bools are integers, the sign of a bool is a bool, and
# so is one bool plus twice another; all and any of bytes are bytes.
LEFT_OUT = {
    *((n, "bool") for n in ("square", "x ** 2", "x ** 2.0", "add alpha")),
    *((n, "bool") for n in ("clamp", "clamp 0.5", "sign")),
    *(("all", "uint8"), ("any", "uint8")),
}
UNARY_CALLS = [
    pytest.param(fn, dtype, id=f"{name}-{dtype}")
    for name, fn in ONE.items()
    for dtype in DTYPES
    if (name, dtype) not in LEFT_OUT
]


def result_or_none(fn, x, refusals):
    try:
        with np.errstate(all="ignore"):
            return fn(x).numpy()
    except refusals:
        return None


@pytest.mark.parametrize(("fn", "dtype"), UNARY_CALLS)
def test_every_dtype_gives_what_pytorch_gives_or_is_refused_by_both(torch, fn, dtype):
    values = np.array([1, 0, 3]).astype(dtype)
    theirs = result_or_none(fn, torch.tensor(values), (RuntimeError, TypeError))
    ours = result_or_none(fn, mg.tensor(values), MinigradError)
    if theirs is not None:
        assert ours is not None, f"only minigrad refuses; PyTorch gives {theirs.dtype}"
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, strict=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", [True, 2, 2.5, np.float32(2.5), np.float64(2.5)])
def test_numbers_do_not_widen_a_tensor(torch, dtype, number):
    x = np.ones(2, dtype)
    for fn in (operator.add, operator.mul, operator.truediv, operator.pow):
        ours = fn(mg.tensor(x), number)
        theirs = fn(torch.tensor(x), float(number))
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), strict=True)
        ours = fn(number, mg.tensor(x))
        theirs = fn(float(number), torch.tensor(x))
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), strict=True)


# --- what both refuse --------------------------------------------------------------------


def ones(t, *shape):
    return t.ones(*shape)


REFUSED = {
    "floor of bools": lambda t: (ones(t, 2) > 0).floor(),
    "frac of integers": lambda t: t.tensor([1]).frac(),
    "lerp of integers": lambda t: t.tensor([1]).lerp(t.tensor([1]), 0.5),
    "lerp of unlike dtypes": lambda t: ones(t, 2).lerp(ones(t, 2).double(), 0.5),
    "lerp to a number": lambda t: ones(t, 2).lerp(2.0, 0.5),
    "addcdiv of integers": lambda t: t.tensor([1]).addcdiv(
        t.tensor([1]), t.tensor([1])
    ),
    "a float alpha of integers": lambda t: t.tensor([1]).add(t.tensor([1]), alpha=1.5),
    "an unknown rounding_mode": lambda t: ones(t, 2).div(2, rounding_mode="up"),
    "% of bools": lambda t: t.tensor([True]) % t.tensor([True]),
    "an integer % 0": lambda t: t.tensor([1]) % 0,
    "an integer // 0": lambda t: t.tensor([1]) // 0,
    "^ of floats": lambda t: ones(t, 2) ^ ones(t, 2),
    "isclose of unlike dtypes": lambda t: ones(t, 2).isclose(ones(t, 2).double()),
    "isclose to a number": lambda t: ones(t, 2).isclose(1.0),
    "a negative tolerance": lambda t: ones(t, 2).allclose(ones(t, 2), rtol=-1.0),
    "var of integers": lambda t: t.tensor([1, 2]).var(),
    "std out of range": lambda t: ones(t, 2).std(1),
    "var with correction and unbiased": lambda t: ones(t, 2).var(
        0, unbiased=True, correction=1
    ),
    "norm of integers": lambda t: t.tensor([1, 2]).norm(),
    "norm of an unknown order": lambda t: ones(t, 2).norm("most"),
    "the greatest norm of nothing": lambda t: ones(t, 0).norm(float("inf")),
    "prod along several dims": lambda t: ones(t, 2, 2).prod((0, 1)),
    "cumsum along several dims": lambda t: ones(t, 2, 2).cumsum((0, 1)),
    "cumsum along no dim": lambda t: ones(t, 2).cumsum(),
    "cumprod out of range": lambda t: ones(t, 2).cumprod(1),
    "max along several dims": lambda t: ones(t, 2, 2).max((0, 1)),
    "argmax along several dims": lambda t: ones(t, 2, 2).argmax((0, 1)),
    "softmax of integers": lambda t: t.tensor([1, 2]).softmax(0),
    "amax with dtype": lambda t: ones(t, 2).amax(dtype=t.float64),
    "// in place of integers by a float": lambda t: t.tensor([3]).floor_divide_(2.5),
    "lerp_ that would grow": lambda t: ones(t, 1).lerp_(ones(t, 3), 0.5),
    "shapes that do not broadcast": lambda t: ones(t, 3) + ones(t, 2),
    "an inner size": lambda t: ones(t, 2, 3) @ ones(t, 2, 3),
    "mm of a vector": lambda t: ones(t, 2, 3).mm(ones(t, 3)),
    "mv of a matrix": lambda t: ones(t, 2, 3).mv(ones(t, 3, 1)),
    "dot of matrices": lambda t: ones(t, 2, 2).dot(ones(t, 2, 2)),
    "dot of unlike sizes": lambda t: ones(t, 2).dot(ones(t, 3)),
    "bmm of matrices": lambda t: ones(t, 2, 2).bmm(ones(t, 2, 2)),
    "a product with a 0-d": lambda t: ones(t, 2, 2) @ t.tensor(1.0),
    "mm of unlike dtypes": lambda t: ones(t, 2, 2).mm(t.ones(2, 2, dtype=t.float64)),
    "reshape": lambda t: ones(t, 6).reshape(4),
    "reshape with two -1": lambda t: ones(t, 6).reshape(-1, -1),
    "reshape -1 that does not divide": lambda t: ones(t, 6).reshape(-1, 4),
    "permute with a dim twice": lambda t: ones(t, 2, 3).permute(0, 0),
    "permute with a dim missing": lambda t: ones(t, 2, 3).permute(0),
    "transpose out of range": lambda t: ones(t, 2, 3).transpose(0, 2),
    "expand of another size": lambda t: ones(t, 2, 3).expand(2, 4),
    "expand to fewer dims": lambda t: ones(t, 2, 3).expand(3),
    "expand -1 in front": lambda t: ones(t, 3).expand(-1, 3),
    "unsqueeze out of range": lambda t: ones(t, 2).unsqueeze(3),
    "squeeze out of range": lambda t: ones(t, 2).squeeze(2),
    "flatten out of range": lambda t: ones(t, 2).flatten(1),
    "flatten backwards": lambda t: ones(t, 2, 3, 4).flatten(2, 1),
    "t of three dims": lambda t: ones(t, 2, 3, 4).t(),
    "sum out of range": lambda t: ones(t, 2, 3).sum(2),
    "sum far out of range": lambda t: ones(t, 2, 3).sum(-3),
    "sum over a dim twice": lambda t: ones(t, 2, 3).sum((0, 0)),
    "max of nothing": lambda t: ones(t, 0).max(),
    "amax of nothing": lambda t: ones(t, 0, 3).amax(0),
    "argmax of nothing": lambda t: ones(t, 0).argmax(),
    "max over an empty dim": lambda t: ones(t, 2, 0).max(1),
    "mean of integers": lambda t: t.tensor([1, 2]).mean(),
    "softmax out of range": lambda t: ones(t, 2).softmax(1),
    "cat of unlike sizes": lambda t: t.cat([ones(t, 2, 3), ones(t, 2, 4)]),
    "cat of unlike ranks": lambda t: t.cat([ones(t, 2, 3), ones(t, 2)]),
    "cat of nothing": lambda t: t.cat([]),
    "cat out of range": lambda t: t.cat([ones(t, 2)], 1),
    "stack of unlike shapes": lambda t: t.stack([ones(t, 2), ones(t, 3)]),
    "an index out of range": lambda t: ones(t, 2)[2],
    "a negative index out of range": lambda t: ones(t, 2)[-3],
    "too many indices": lambda t: ones(t, 2)[0, 0],
    "an index into a 0-d": lambda t: t.tensor(1.0)[0],
    "a float as an index": lambda t: ones(t, 3)[1.5],
    "floats as an index": lambda t: ones(t, 3)[t.tensor([1.0])],
    "a list out of range": lambda t: ones(t, 2)[[0, 5]],
    "a mask of another size": lambda t: ones(t, 2)[t.tensor([True, False, True])],
    "lists that do not broadcast": lambda t: ones(t, 3, 3)[[0, 1], [0, 1, 2]],
    "gather out of range": lambda t: ones(t, 2, 2).gather(0, t.tensor([[5, 0]])),
    "gather of negatives": lambda t: ones(t, 2, 2).gather(0, t.tensor([[-1, 0]])),
    "gather by floats": lambda t: ones(t, 2).gather(0, ones(t, 1)),
    "gather of another rank": lambda t: ones(t, 2, 2).gather(0, t.tensor([0])),
    "gather beyond another dim": lambda t: ones(t, 2, 1).gather(0, t.tensor([[0, 1]])),
    "assigning another shape": lambda t: ones(t, 2, 3).__setitem__(0, ones(t, 2)),
    "assigning more rows": lambda t: ones(t, 3).__setitem__([0, 1], ones(t, 3)),
    "copy_ of another shape": lambda t: ones(t, 2).copy_(ones(t, 3)),
    "copy_ of more dims": lambda t: ones(t, 2).copy_(ones(t, 1, 2)),
    "add_ that would grow": lambda t: ones(t, 1).add_(ones(t, 3)),
    "int becoming float in place": lambda t: t.tensor([1, 2]).mul_(0.5),
    "int divided in place": lambda t: t.tensor([1, 2]).div_(2),
    "exp of ints in place": lambda t: t.tensor([1, 2]).exp_(),
    "& of floats": lambda t: ones(t, 2) & ones(t, 2),
    "~ of floats": lambda t: ~ones(t, 2),
    "bools subtracted": lambda t: t.tensor([True]) - t.tensor([True]),
    "a bool negated": lambda t: -t.tensor([True]),
    "an integer to a negative power": lambda t: t.tensor([2]) ** -1,
    "item of several": lambda t: ones(t, 2).item(),
    "truth of several": lambda t: bool(ones(t, 2)),
    "len of a 0-d": lambda t: len(t.tensor(1.0)),
    "iterating over a 0-d": lambda t: list(t.tensor(1.0)),
    "clamp without bounds": lambda t: ones(t, 2).clamp(),
    "requires_grad of integers": lambda t: t.tensor([1, 2], requires_grad=True),
    "where of unlike shapes": lambda t: t.where(ones(t, 3) > 0, ones(t, 2), 0.0),
    "where by floats": lambda t: t.where(ones(t, 2), 1.0, 0.0),
}


# Python's own protocols keep Python's own errors.
PROTOCOLS = {
    "cumsum along no dim",
    "len of a 0-d",
    "iterating over a 0-d",
    "a float as an index",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pytorch_refuses_is_refused_with_an_error_that_explains(torch, name):
    kinds = (RuntimeError, TypeError, IndexError, ValueError)
    with pytest.raises(kinds) as theirs:
        REFUSED[name](torch)
    with pytest.raises(kinds if name in PROTOCOLS else MinigradError) as ours:
        REFUSED[name](mg)
    # Whoever catches PyTorch's error for a dim or an index catches ours.
    if theirs.type is IndexError and "nothing" not in name and "empty" not in name:
        assert issubclass(ours.type, IndexError)
