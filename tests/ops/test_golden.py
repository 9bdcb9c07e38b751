"""minigrad gives what PyTorch gave when tests/golden/make.py was run: always compared."""

import operator
import warnings

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import MinigradError

BINARY = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "pow": operator.pow,
    "eq": operator.eq,
    "maximum": lambda a, b: a.maximum(b),
    "where": lambda a, b: mg.where(mg.ones(2, dtype=bool), a, b),
}
NUMBERS = {"True": True, "2": 2, "2.5": 2.5}

# Where PyTorch refuses and minigrad computes: it takes no numbers in maximum, no bool in
# a difference, and no power of two bools. Powers of bools are refused here.
PYTORCH_REFUSES_MORE = {"maximum", "sub", "pow"}


def left_out(op, left, expected):
    if op == "pow" and left.startswith("bool"):
        return True
    return expected == "raises" and op in PYTORCH_REFUSES_MORE


def operand(name):
    if name in NUMBERS:
        return NUMBERS[name]
    dtype, dims = name.split()
    return mg.tensor(np.ones((2,) if dims == "1-d" else (), dtype))


def result_dtype(op, left, right):
    try:
        return str(BINARY[op](operand(left), operand(right)).dtype)
    except (TypeError, AttributeError):
        return "raises"


def compare(case, golden, expected):
    fn, arrays, order = golden.CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # overflow is asked for
        results = golden.derive(mg, fn, arrays, order)
    assert results.keys() == expected.keys()
    for key, got in results.items():
        np.testing.assert_allclose(
            got, expected[key], rtol=1e-9, atol=1e-10, err_msg=key, strict=True
        )


def test_values_first_and_second_derivatives_are_those_of_pytorch(case, golden):
    prefix = f"{case} | "
    expected = {
        key.removeprefix(prefix): array
        for key, array in golden.results.items()
        if key.startswith(prefix)
    }
    compare(case, golden, expected)


# What is not known while tracing: a number, and how many elements a mask picks.
UNKNOWN = {
    *("allclose and equal", "x[mask]", "x[no mask]", "x[row mask]", "x[mask, 0]"),
    *("x[mask] = parts", "x[mask] += 1"),
}


def test_a_traced_call_gives_what_the_call_gives(case, golden):
    fn, arrays, _ = golden.CASES[case]

    def run(transform):
        results = transform(lambda *xs: fn(mg, *xs))(*map(mg.tensor, arrays))
        return results if isinstance(results, tuple) else (results,)

    if case in UNKNOWN:
        with pytest.raises(MinigradError):
            run(mg.jit)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        traced, plain = run(mg.jit), run(lambda call: call)
    for got, expected in zip(traced, plain, strict=True):
        np.testing.assert_allclose(
            got.numpy(), expected.numpy(), rtol=1e-12, atol=1e-14, strict=True
        )


def test_every_committed_result_belongs_to_a_case(golden):
    assert {key.split(" | ")[0] for key in golden.results} == set(golden.CASES)


def test_the_results_were_made_with_the_version_that_the_project_names(golden):
    project = (golden.folder.parents[1] / "pyproject.toml").read_text()
    version = (golden.folder / "VERSION").read_text().strip()
    assert f"torch=={version}" in project


@pytest.mark.parametrize("op", BINARY)
def test_types_are_promoted_as_in_pytorch(op, golden):
    different = {}
    for left, right, expected in golden.promotion[op]:
        got = result_dtype(op, left, right)
        if got != expected and not left_out(op, left, expected):
            different[f"{left}, {right}"] = f"{got}, PyTorch {expected}"
    assert different == {}
