"""Every op that PyTorch's own tests draw samples for and that is here as well, on them."""

import itertools

import numpy as np
import pytest

import minigrad as mg

# PyTorch's op database, under its names. tests/nn does the same for nn.functional.
NAMES = """
    abs acos add addcdiv addcmul addmm all allclose amax amin any arange argmax argmin
    argsort asin atan atan2 bitwise_and bitwise_not bitwise_or bitwise_xor bmm
    broadcast_to cat ceil chunk clamp clamp_max clamp_min clone contiguous cos cosh
    count_nonzero cumprod cumsum diag diagonal div dot einsum eq equal erf exp exp2 expand
    expand_as expm1 eye flatten flip floor floor_divide frac full full_like gather ge gt
    index_add index_select isclose isfinite isinf isnan item kron le lerp linalg.matrix_norm
    linalg.norm linalg.svdvals linalg.vector_norm linspace log log10 log1p log2 log_softmax
    logical_and logical_not logical_or logical_xor logsumexp lt masked_fill masked_select
    matmul max maximum mean median meshgrid min minimum mm movedim mul mv narrow ne neg
    nonzero norm ones ones_like outer permute pow prod reciprocal remainder repeat reshape
    roll round rsqrt scatter scatter_add searchsorted select sigmoid sign sin sinh softmax
    sort split sqrt square squeeze stack hstack vstack std sub sum t take_along_dim tan tanh
    tensordot tile topk transpose tril triu true_divide trunc unbind unflatten unique
    unsqueeze var view where zero_ zeros zeros_like __getitem__ __radd__ __rand__ __rmatmul__
    __rmod__ __rmul__ __ror__ __rpow__ __rsub__ __rxor__
""".split()
OTHERWISE = {  # called, or judged, in another way
    "einsum": lambda operands, equation: mg.einsum(equation, *operands),
    "where": lambda x, condition, other: mg.where(condition, x, other),
    "zero_": lambda x: x.clone().zero_(),
}
NOT_COMPARED = """
    bernoulli empty empty_like multinomial normal rand_like randint randn randn_like byte to
""".split()  # random, or any memory, or with memory formats, which are not here
UNSTABLE = ("sort", "argsort", "topk", "unique")  # indices of ties are theirs to choose
DTYPES = ["float32", "int64", "int32", "uint8", "bool"]
KNOWN = ("float64", *DTYPES)


def not_here(name, sample, dtype):
    """What is deliberately another, or absent (then the call is refused)."""
    options = sample.kwargs
    if "memory_format" in options or "reduce" in options:
        return True
    if name in ("all", "any"):
        return dtype == "uint8"  # bytes, for PyTorch's older programs
    if name in ("sign", "square"):
        return dtype == "bool"  # a bool, and an integer; here no number
    if name == "__rpow__":
        return "int" in dtype  # 0 where an integer's power would be a fraction
    return name == "gather" and sample.args[1].numel() == 0  # an index of any dtype


# --- samples -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database(op_database):
    found = {}
    for info in op_database:
        found.setdefault(info.name, []).append(info)
    return found


def ours_of(name):
    if name in OTHERWISE:
        return OTHERWISE[name]
    place, _, last = name.rpartition(".")
    if place:
        return getattr(getattr(mg, place, None), last, None)
    return getattr(mg, name, None) or getattr(mg.Tensor, name, None)


def plain(array):
    return array.copy()


def reversed_in_memory(array):
    back = (*[np.s_[::-1]] * array.ndim, ...)
    return array[back].copy()[back]


def columns_in_memory(array):
    return np.array(array, order="F")


LAYOUTS = [plain, reversed_in_memory, columns_in_memory]


def ours(torch, value, layout):
    """What PyTorch is given, as minigrad is given it."""
    if isinstance(value, torch.Tensor):
        t = mg.from_numpy(layout(value.detach().numpy()))
        return t.requires_grad_() if value.requires_grad else t
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, torch.dtype):
        return np.dtype(str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return "cpu"
    if isinstance(value, dict):
        return {key: ours(torch, x, layout) for key, x in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(ours(torch, x, layout) for x in value)
    return value


def tensors(value, kind):
    """The tensors in an argument or a result."""
    if isinstance(value, kind):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    parts = value if isinstance(value, (tuple, list)) else ()
    return [t for part in parts for t in tensors(part, kind)]


def calls(torch, infos, dtype, most):
    """A variant, a sample, and what PyTorch gives; at most so many of each variant."""
    for info in infos:
        kind = getattr(torch, dtype)
        if not info.supports_dtype(kind, "cpu"):
            continue
        grad = dtype == "float64" and info.supports_autograd
        drawn = info.sample_inputs("cpu", kind, requires_grad=grad)
        samples = list(itertools.islice(drawn, 8 * most))
        for sample in samples[:: -(-len(samples) // most) or 1]:
            if known(torch, (sample.args, sample.kwargs)):
                torch.manual_seed(0)
                yield info, sample, info.op(sample.input, *sample.args, **sample.kwargs)


def known(torch, value):
    """Are all dtypes among the arguments here too?"""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return all(known(torch, x) for x in value)
    if isinstance(value, torch.Tensor) and value.ndim > 64:  # NumPy's limit
        return False
    dtype = value.dtype if isinstance(value, torch.Tensor) else value
    return not isinstance(dtype, torch.dtype) or str(dtype)[6:] in KNOWN


# --- comparing ---------------------------------------------------------------------------


def derivatives(library, kind, outputs, inputs, order):
    """First and second derivatives of a weighted sum of the outputs."""
    found, ys = [], [y for y in outputs if y.requires_grad]
    for k in range(order):
        if not ys or not inputs:
            break
        total = sum(
            (y * library.tensor(weights(y, i + k))).sum() for i, y in enumerate(ys)
        )
        grads = library.autograd.grad(
            total,
            inputs,
            retain_graph=True,
            create_graph=k + 1 < order,
            allow_unused=True,
        )
        found += [
            np.zeros(tuple(x.shape)) if g is None else g.detach().clone().numpy()
            for x, g in zip(inputs, grads, strict=True)
        ]
        ys = [g for g in grads if g is not None and g.requires_grad]
    return found


def weights(y, seed):
    return np.random.default_rng(seed).uniform(0.5, 1.5, tuple(y.shape))


def compare(torch, name, sample, expected, layout, order):
    what = f"{name} of {sample.summary()}"
    given = ours(torch, (sample.input, *sample.args), layout)
    options = ours(torch, sample.kwargs, layout)
    got = ours_of(name)(*given, **options)
    results, targets = tensors(got, mg.Tensor), tensors(expected, torch.Tensor)
    assert len(results) == len(targets), what
    if not targets:
        assert got == expected, what
    close = {"rtol": 1e-8, "atol": 1e-9}
    if not all(t.dtype == torch.float64 for t in targets):
        close = {"rtol": 2e-5, "atol": 1e-5}
    for i, (y, target) in enumerate(zip(results, targets, strict=True)):
        a, b = y.detach().numpy(), target.detach().numpy()
        if name in UNSTABLE and (i or name == "argsort"):
            assert (a.dtype, a.shape) == (b.dtype, b.shape), what
        else:
            np.testing.assert_allclose(a, b, **close, err_msg=what, strict=True)
    inputs = [
        [t for t in tensors(x, kind) if t.requires_grad]
        for x, kind in (
            ((given, options), mg.Tensor),
            (((sample.input, *sample.args), sample.kwargs), torch.Tensor),
        )
    ]
    mine = derivatives(mg, mg.Tensor, results, inputs[0], order)
    theirs = derivatives(torch, torch.Tensor, targets, inputs[1], order)
    for g, h in itertools.zip_longest(mine, theirs):
        if g is not None and h is not None:  # without a tape the derivative is 0
            np.testing.assert_allclose(g, h, 1e-7, 1e-9, err_msg=what, strict=True)
        else:
            assert not np.any(g if h is None else h), what


@pytest.fixture
def most(request):
    return 150 if request.config.getoption("--full") else 4


pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", NAMES)
def test_samples_give_pytorch_s_values_and_derivatives(torch, database, most, name):
    compared = 0
    layouts = itertools.cycle(LAYOUTS)
    for info, sample, expected in calls(torch, database[name], "float64", most):
        if not_here(name, sample, "float64"):
            continue
        # PyTorch's second derivatives of norms at 0 are nan.
        second = info.supports_gradgrad and "zero" not in info.variant_test_name
        layout = plain if name == "view" else next(layouts)
        compare(torch, name, sample, expected, layout, 1 + second)
        compare(torch, name, sample, expected, plain, 1)  # the rules fed arrays
        compared += 1
    assert compared or not any(
        info.supports_dtype(torch.float64, "cpu") for info in database[name]
    )


@pytest.mark.parametrize("name", NAMES)
def test_samples_of_other_dtypes_give_pytorch_s_values(torch, database, most, name):
    for dtype in DTYPES:
        for _, sample, expected in calls(torch, database[name], dtype, most):
            if not not_here(name, sample, dtype):
                compare(torch, name, sample, expected, plain, 0)


# --- what is refused ---------------------------------------------------------------------

# A number in the place of a second tensor, as NumPy and Theano take it.
NUMBERS_TOO = """
    atan2 maximum minimum logical_and logical_or logical_xor __radd__ __rmul__ __rand__
    __ror__ __rxor__
""".split()


@pytest.mark.parametrize("name", NAMES)
def test_what_pytorch_refuses_is_refused(torch, database, name):
    refusals = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)
    for info in database[name]:
        for wrong in info.error_inputs("cpu") if info.error_inputs_func else ():
            sample = wrong.sample_input
            given = (sample.input, *sample.args)
            if not known(torch, (given, sample.kwargs)) or "out" in sample.kwargs:
                continue
            if any(isinstance(x, int) for x in given) and name in NUMBERS_TOO:
                continue
            try:
                info.op(*given, **sample.kwargs)
            except Exception:
                args, options = ours(torch, (given, sample.kwargs), plain)
                with pytest.raises(refusals):
                    ours_of(name)(*args, **options)


def test_no_shared_op_goes_uncompared(database):
    shared = {
        name
        for name in database
        if callable(ours_of(name)) and not name.startswith("nn.functional.")
    }
    assert shared == {*NAMES, *NOT_COMPARED}
