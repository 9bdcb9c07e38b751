"""What becomes of bools, bytes, integers and floats: all as in PyTorch, live."""

import operator

import numpy as np
import pytest

import minigrad as mg

DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
LEFT = {
    "bool": [True, False, True], "uint8": [3, 250, 1],
    "int32": [-3, 7, 2], "int64": [-5, 4, 3],
    "float32": [-1.5, 2.5, 0.5], "float64": [-2.5, 1.5, 0.25],
}  # fmt: skip
RIGHT = {
    "bool": [True, True, False], "uint8": [2, 7, 200],
    "int32": [2, -2, 3], "int64": [3, 2, -1],
    "float32": [2.0, -0.5, 1.5], "float64": [1.5, 3.0, -2.0],
}  # fmt: skip
NUMBERS = (True, 2, -1, 300, 2.5, 0)

UNARY = """
    abs neg sign square sqrt rsqrt reciprocal exp exp2 expm1 log log2 log10 log1p erf sin
    cos tan asin acos atan sinh cosh floor ceil round trunc frac tanh sigmoid relu isnan
    isinf isfinite logical_not bitwise_not sum mean prod var std amax amin max min argmax
    argmin all any count_nonzero norm
""".split()
ALONG = "cumsum cumprod logsumexp softmax".split()
BINARY = """
    add sub mul div floor_divide remainder pow atan2 maximum minimum eq ne lt le gt ge
    logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor
""".split()
OPERATORS = {
    name: getattr(operator, name)
    for name in """
        add sub mul truediv floordiv mod pow and_ or_ xor lt eq
        iadd isub imul itruediv ifloordiv imod ipow iand ior ixor
    """.split()
}

# Where minigrad computes and PyTorch refuses, or has no such method.
WIDER = {
    *("abs_ bool", "argmax bool", "argmin bool", "clamp bool True"),
    *(
        f"{name}_ {dtype}"
        for name in ("isnan", "isinf", "isfinite")
        for dtype in DTYPES
    ),
}
# Where minigrad refuses: powers of bools; integer powers that are no integers; numbers
# that a byte cannot hold, as a bound or to fill with (PyTorch takes 255 for -1).
NARROWER = {
    *("sign bool", "sign_ bool", "square bool", "pow bool True", "ipow bool True"),
    *("pow bool 2", "clamp uint8 -1", "fill_ uint8 -1"),
}
# Bytes were PyTorch's bools once, and these two still answer in bytes.
OTHERWISE = {"all uint8", "any uint8"}


def tensor(library, dtype, values=LEFT):
    kind = getattr(library, "bool_" if (library, dtype) == (mg, "bool") else dtype)
    return library.tensor(values[dtype], dtype=kind)


def outcome(call):
    try:
        y = call()
    except (RuntimeError, TypeError, AttributeError) as error:
        return str(error)
    return str(y.dtype).removeprefix("torch."), y.numpy()


def differs(what, call, torch):
    """A line that says how minigrad and PyTorch differ, or nothing."""
    ours, theirs = outcome(lambda: call(mg)), outcome(lambda: call(torch))
    if isinstance(ours, str) or isinstance(theirs, str):
        allowed = {str: NARROWER, tuple: WIDER}[type(ours)]
        same = type(ours) is type(theirs) or what in allowed
        same = same or (isinstance(ours, str) and "negative integer powers" in ours)
    else:
        same = ours[0] == theirs[0] or what in OTHERWISE
        same = same and np.allclose(ours[1], theirs[1], rtol=1e-5, equal_nan=True)
    return [] if same else [f"{what}: {ours}, PyTorch {theirs}"]


@pytest.mark.parametrize("name", UNARY + [f"{name}_" for name in UNARY] + ALONG)
def test_of_one_tensor(name, torch):
    options = {"dim": 0} if name in ALONG else {}
    if not hasattr(mg.Tensor, name):
        assert not hasattr(torch.Tensor, name)
    found = []
    for dtype in DTYPES:

        def call(lib, dtype=dtype):
            return getattr(tensor(lib, dtype), name)(**options)

        found += differs(f"{name} {dtype}", call, torch)
    assert found == []


def pairs(name, call, torch):
    return [
        line
        for a in DTYPES
        for b in DTYPES
        for line in differs(
            f"{name} {a} {b}",
            lambda lib, a=a, b=b: call(lib, tensor(lib, a), tensor(lib, b, RIGHT)),
            torch,
        )
    ]


@pytest.mark.parametrize("name", BINARY)
def test_methods_of_two_tensors(name, torch):
    assert pairs(name, lambda lib, a, b: getattr(a, name)(b), torch) == []


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_between_tensors(name, torch):
    assert pairs(name, lambda lib, a, b: OPERATORS[name](a, b), torch) == []


@pytest.mark.parametrize("mode", ["trunc", "floor"])
def test_division_rounded(mode, torch):
    def call(lib, a, b):
        return a.div(b, rounding_mode=mode)

    assert pairs("div", call, torch) == []


def test_choices(torch):
    def call(lib, a, b):
        return lib.where(lib.tensor([True, False, True]), a, b)

    assert pairs("where", call, torch) == []


@pytest.mark.parametrize("name", [*OPERATORS, "clamp", "fill_"])
def test_with_numbers(name, torch):
    fn = OPERATORS.get(name) or (lambda x, number: getattr(x, name)(number))
    found = []
    for dtype in DTYPES:
        for number in NUMBERS:

            def right(lib, dtype=dtype, number=number):
                return fn(tensor(lib, dtype), number)

            def left(lib, dtype=dtype, number=number):
                return fn(number, tensor(lib, dtype))

            found += differs(f"{name} {dtype} {number}", right, torch)
            if name in OPERATORS and name[0] != "i":
                found += differs(f"{name} {number} {dtype}", left, torch)
    assert found == []


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_graph_computes_with_numbers_what_the_tape_does(dtype, number):
    for name in ("add", "mul", "lt", "eq"):
        x = tensor(mg, dtype)
        node = mg.placeholder(x.shape, x.dtype)
        got = mg.compile([node], OPERATORS[name](node, number))(x)
        expected = OPERATORS[name](x, number)
        np.testing.assert_array_equal(got.numpy(), expected.numpy(), strict=True)
