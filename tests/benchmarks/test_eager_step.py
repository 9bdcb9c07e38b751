"""The eager step taken apart: each part does what the one before does, and more."""

import numpy as np
import pytest

from benchmarks.cases import elements, net
from benchmarks.eager_step import calls_of, element_parts, net_parts
from benchmarks.peers import numpy_by_hand

NET, ELEMENTS = net(4, 5, 6, 3, 1e-4), elements(10)


def test_each_part_of_the_step_calls_all_that_the_part_before_calls():
    parts = net_parts(NET)
    for run in parts.values():
        run()  # what happens once only is over
    order = ("arrays forward", "no tape", "back", "step")
    counts = [calls_of(parts[name]) for name in order]
    for event in ("call", "c_call"):
        rising = [count[event] for count in counts]
        assert rising == sorted(set(rising)), event
    assert calls_of(parts["arrays"])["c_call"] < counts[-1]["c_call"]


@pytest.mark.parametrize(
    ("parts", "job"),
    [
        (net_parts(NET), numpy_by_hand.net(NET)),
        (element_parts(ELEMENTS), numpy_by_hand.elements(ELEMENTS)),
    ],
    ids=["net", "elements"],
)
def test_the_numpy_calls_alone_take_the_step_that_is_taken_by_hand(parts, job):
    job.step()
    for ours, by_hand in zip(parts["arrays"](), job.result(), strict=True):
        np.testing.assert_allclose(ours, by_hand, rtol=1e-5)
