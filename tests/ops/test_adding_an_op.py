"""The guide's five minutes, taken at its word: its row is all that a new op needs."""

import pathlib
import re
import textwrap

import numpy as np
import pytest

import minigrad as mg
from minigrad import testing
from minigrad.ops import TABLE, elementwise

GUIDE = pathlib.Path(__file__).parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def softsign():
    section = GUIDE.read_text().partition("## Add an op in five minutes")[2]
    row = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    names = dict(vars(elementwise))
    exec(textwrap.dedent(row), names)
    yield names["softsign"]
    del TABLE["softsign"]


def test_the_guides_row_runs_every_way(softsign):
    (sample,) = testing.samples(softsign)
    outcomes = testing.every_mode(softsign, sample.args, sample.attrs)
    first, *others = outcomes.values()
    (a,) = sample.args
    np.testing.assert_allclose(first.value, a / (1 + np.abs(a)))
    for other in others:
        np.testing.assert_allclose(other.value, first.value)
        np.testing.assert_allclose(other.first[0], first.first[0])


def test_the_guides_rule_is_right_to_second_order(softsign):
    (sample,) = testing.samples(softsign)
    assert testing.gradcheck(softsign, sample.args)
    assert testing.gradgradcheck(softsign, sample.args)


def test_the_guides_op_is_drawn_and_named(softsign):
    x = mg.placeholder((2,))
    assert "softsign" in repr(softsign(x))
    assert "Softsign" in repr(softsign(mg.ones(2, requires_grad=True)).grad_fn)
