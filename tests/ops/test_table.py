"""What every entry of the op table promises, checked for all of them alike."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import MinigradError
from minigrad.ops import TABLE
from minigrad.ops.op import Op
from minigrad.ops.shapes import elementwise as elementwise_shapes
from minigrad.testing import (
    DerivativeError,
    evaluate,
    every_mode,
    gradcheck,
    gradgradcheck,
    samples,
    wanted,
)

KINDS = {"elementwise", "reduce", "movement", "contraction", "indexing", "random"}
KINDS |= {"matrix", "fact", "effect"}
DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool"]

ops = pytest.mark.parametrize("op", TABLE.values(), ids=list(TABLE))
ALL_CALLS = [
    (f"{name}-{i}", op, sample)
    for name, op in TABLE.items()
    for i, sample in enumerate(samples(op))
]


def every_call(where=lambda op, sample: True):
    """Run a test for each sample of each op, or of those ops that `where` picks."""
    return pytest.mark.parametrize(
        ("op", "sample"),
        [pytest.param(op, s, id=name) for name, op, s in ALL_CALLS if where(op, s)],
    )


calls = every_call()
differentiable = every_call(lambda op, sample: wanted(op, sample.args))
computing = every_call(lambda op, sample: not op.view)
on_numbers = every_call(
    lambda op, sample: op.dtype != "integral" and op.kind not in ("random", "matrix")
)
elementwise = pytest.mark.parametrize(
    "op",
    [op for op in TABLE.values() if op.kind == "elementwise"],
    ids=[name for name, op in TABLE.items() if op.kind == "elementwise"],
)


def tensors(arrays):
    return [mg.from_numpy(np.asarray(a)) for a in arrays]


def placeholders(arrays):
    return [mg.placeholder(a.shape, a.dtype) for a in arrays]


def cast(sample, dtype):
    """The sample's data in `dtype`, whole and positive unless floats.

    Index arrays stay what they are, and so does a mask beside floats.
    """
    dtype, some_floats = np.dtype(dtype), any(a.dtype.kind == "f" for a in sample.args)

    def whole(a):
        return np.ceil(np.abs(a) * 3 + 1) if dtype.kind in "iu" else a

    return [
        a if some_floats and a.dtype.kind != "f" else whole(a).astype(dtype)
        for a in sample.args
    ]


def takes(op, args, attrs):
    """Does the tape compute this? If not, it must say why."""
    try:
        op(*tensors(args), **attrs)
    except MinigradError:
        return False
    return True


# --- what an entry must have -------------------------------------------------------------


@ops
def test_every_op_has_samples_a_kind_and_a_line_that_says_what_it_computes(op):
    assert samples(op)
    assert op.kind in KINDS
    assert op.doc.strip()
    assert "\n" not in op.doc


@ops
def test_samples_are_the_same_for_the_same_seed(op):
    for one, two in zip(samples(op, 3), samples(op, 3), strict=True):
        assert repr(one.attrs) == repr(two.attrs)
        for a, b in zip(one.args, two.args, strict=True):
            np.testing.assert_array_equal(a, b)


@calls
def test_samples_fit_the_op(op, sample):
    if not callable(op.vjp):
        rest = len(sample.args) - op.named
        assert rest == 0 or op.kind == "indexing"


# --- values, shapes and dtypes -----------------------------------------------------------


@calls
def test_a_tensor_gives_what_the_array_function_gives(op, sample):
    expected = np.asarray(op.fn(*sample.args, **sample.attrs))
    got = op(*tensors(sample.args), **sample.attrs)
    np.testing.assert_array_equal(got.numpy(), expected, strict=True)


@pytest.mark.parametrize("dtype", DTYPES)
@calls
def test_the_shape_and_dtype_known_while_building_are_those_computed(op, sample, dtype):
    args = cast(sample, dtype)
    if not takes(op, args, sample.attrs):
        with pytest.raises(TypeError) as caught:
            op(*placeholders(args), **sample.attrs)
        assert isinstance(caught.value, MinigradError)
        return
    ran = op(*tensors(args), **sample.attrs)
    noted = op(*placeholders(args), **sample.attrs)
    assert (noted.shape, noted.dtype) == (ran.shape, ran.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@on_numbers
def test_a_program_computes_the_dtype_that_was_known_while_building(op, sample, dtype):
    args = cast(sample, dtype)
    expected = op(*tensors(args), **sample.attrs).numpy()
    nodes = placeholders(args)
    got = mg.compile(nodes, op(*nodes, **sample.attrs))(*args).numpy()
    np.testing.assert_array_equal(got, expected, strict=True)


SHAPES = [(), (1,), (0,), (2, 0, 3), (2, 1, 3)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@elementwise
def test_elementwise_ops_take_every_shape_the_empty_and_the_0d_too(op, shape):
    sample = samples(op)[0]
    args = [np.resize(a, shape).astype(a.dtype) for a in sample.args]
    expected = np.asarray(op.fn(*args, **sample.attrs))
    got = op(*tensors(args), **sample.attrs)
    np.testing.assert_array_equal(got.numpy(), expected, strict=True)
    noted = op(*placeholders(args), **sample.attrs)
    assert (noted.shape, noted.dtype) == (got.shape, got.dtype)


@elementwise
def test_elementwise_ops_do_not_mind_how_memory_is_laid_out(op):
    sample = samples(op)[0]
    args = [np.asfortranarray(np.broadcast_to(a, (3, 4))) for a in sample.args]
    plain = [a.copy(order="C") for a in args]
    got = op(*tensors(args), **sample.attrs)
    expected = np.asarray(op.fn(*plain, **sample.attrs))
    np.testing.assert_array_equal(got.numpy(), expected, strict=True)
    assert got.numpy().flags.c_contiguous


# --- memory that a plan hands out --------------------------------------------------------


@computing
def test_ops_compute_into_memory_they_are_given(op, sample):
    expected = np.asarray(op.fn(*sample.args, **sample.attrs))
    out = np.empty(expected.shape, expected.dtype)
    result = op.fn(*sample.args, **sample.attrs, out=out)
    assert result is out
    np.testing.assert_array_equal(out, expected)


@elementwise
def test_elementwise_ops_may_overwrite_any_operand_of_the_result_s_shape(op):
    sample = samples(op)[0]
    full = np.broadcast_shapes(*(a.shape for a in sample.args))
    args = [np.broadcast_to(a, full).copy() for a in sample.args]
    expected = np.asarray(op.fn(*args, **sample.attrs))
    for i, arg in enumerate(args):
        if arg.dtype == expected.dtype:
            trial = [a.copy() for a in args]
            op.fn(*trial, **sample.attrs, out=trial[i])
            np.testing.assert_array_equal(trial[i], expected)


@calls
def test_ops_leave_their_operands_as_they_were(op, sample):
    kept = [a.copy() for a in sample.args]
    op.fn(*sample.args, **sample.attrs)
    for a, before in zip(sample.args, kept, strict=True):
        np.testing.assert_array_equal(a, before)


@calls
def test_views_share_memory_and_everything_else_has_its_own(op, sample):
    x, *others = tensors(sample.args)
    y = op(x, *others, **sample.attrs)
    assert np.shares_memory(x.array, y.array) == op.view
    assert (y.cell is x.cell) == op.view


# --- derivatives -------------------------------------------------------------------------


@differentiable
def test_first_derivatives_equal_difference_quotients(op, sample):
    gradcheck(lambda *args: op(*args, **sample.attrs), sample.args)


@differentiable
def test_second_derivatives_equal_difference_quotients(op, sample):
    gradgradcheck(lambda *args: op(*args, **sample.attrs), sample.args)


@calls
def test_a_result_that_is_not_a_float_says_that_it_has_no_derivative(op, sample):
    y = op(*tensors(sample.args), **sample.attrs)
    if y.dtype.kind == "f" and op.kind != "random":
        assert wanted(op, sample.args), "a float result, and no rule"
    else:
        assert not callable(op.vjp)
        assert all(rule is None for rule in op.vjp)


@calls
def test_arguments_that_are_not_floats_have_no_rule(op, sample):
    for i, a in enumerate(sample.args):
        if a.dtype.kind != "f":
            assert op.rule(i) is None


@calls
def test_an_op_without_rules_leaves_no_record_on_the_tape(op, sample):
    args = [mg.tensor(a, requires_grad=a.dtype.kind == "f") for a in sample.args]
    y = op(*args, **sample.attrs)
    assert y.requires_grad == bool(wanted(op, sample.args))


# --- one entry, every reader -------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@calls
def test_every_mode_agrees_in_values_first_and_second_derivatives(op, sample, dtype):
    args, attrs = sample.astype(dtype)
    outcomes = every_mode(op, args, attrs)
    expected = outcomes["nodes"]
    close = {"rtol": 1e-12, "atol": 1e-12}
    if dtype == "float32":
        close = {"rtol": 2e-5, "atol": 2e-5}
    for mode, got in outcomes.items():
        np.testing.assert_array_equal(got.value, expected.value, mode, strict=True)
        for order in ("first", "second"):
            ours, theirs = getattr(got, order), getattr(expected, order)
            if ours is None:
                continue
            assert all(a.dtype == dtype for a in ours), f"{mode}: a dtype drifts"
            for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                where = f"{mode}: {order} derivative {i}"
                np.testing.assert_allclose(a, b, **close, err_msg=where, strict=True)


# --- the tools themselves ----------------------------------------------------------------


@pytest.fixture
def wrong():
    """An entry whose rule has a sign wrong."""
    op = Op(
        "wrong_tanh",
        np.tanh,
        (lambda g, y: g * (1 + y * y),),
        infer=elementwise_shapes,
        kind="elementwise",
        doc="tanh, with a mistake",
        dtype="float",
        sample=TABLE["tanh"].sample,
    )
    yield op
    del TABLE[op.name]


def test_a_wrong_rule_is_found_and_the_message_says_where(wrong):
    with pytest.raises(DerivativeError) as caught:
        gradcheck(wrong, [np.array([0.0, 0.5])])
    lines = str(caught.value).splitlines()
    assert lines[:5] == [
        "gradcheck: wrong_tanh is wrong",
        "  function  wrong_tanh",
        "  inputs    [0. , 0.5]",
        "  argument  0",
        "  index     (1,), where the argument is 0.5",
    ]
    label, expected, *how = lines[5].split()
    assert (label, how) == ("expected", ["(central", "differences)"])
    label, got = lines[6].split()
    assert label == "got"
    slope = 1 - np.tanh(0.5) ** 2
    assert float(got) / float(expected) == pytest.approx((2 - slope) / slope)


def test_a_wrong_second_derivative_is_found(wrong):
    x = np.array([0.3, 0.5])
    assert gradcheck(lambda a: a.tanh(), [x])
    with pytest.raises(DerivativeError, match="the first derivative of wrong_tanh"):
        gradgradcheck(wrong, [x])


def test_difference_quotients_ask_for_float64():
    with pytest.raises(TypeError, match="argument 0 of tanh is float32"):
        gradcheck(TABLE["tanh"], [np.ones(2, np.float32)])


def test_outputs_that_do_not_depend_on_an_input_have_derivative_zero():
    assert gradcheck(lambda a, b: a * 2, [np.ones(2), np.ones(3)])
    assert gradgradcheck(lambda a, b: (a * 2, b * b), [np.ones(2), np.ones(3)])


def test_evaluate_reads_constants_variables_and_feeds():
    x, w = mg.placeholder((2,)), mg.variable([3.0, 4.0])
    y = x * w + mg.constant(np.float32([1, 1]))
    (value,) = evaluate([y], {x: np.float32([1, 2])})
    np.testing.assert_array_equal(value, np.float32([4, 9]), strict=True)
