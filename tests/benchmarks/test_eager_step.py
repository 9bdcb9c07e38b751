"""The eager step taken apart: each part does what the one before does, and more."""

from benchmarks.cases import net
from benchmarks.eager_step import calls_of, parts_of


def test_each_part_of_the_step_calls_all_that_the_part_before_calls():
    parts = parts_of(net(4, 5, 6, 3, 1e-4))
    for run in parts.values():
        run()  # what happens once only is over
    order = ("arrays forward", "no tape", "back", "step")
    counts = [calls_of(parts[name]) for name in order]
    for event in ("call", "c_call"):
        rising = [count[event] for count in counts]
        assert rising == sorted(set(rising)), event
    assert calls_of(parts["arrays"])["c_call"] < counts[-1]["c_call"]
