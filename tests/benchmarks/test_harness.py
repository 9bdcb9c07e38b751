"""The benchmarks measure only what is right, and their table says what was measured."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from coursekit.data import split_digits

from benchmarks import report
from benchmarks.__main__ import parse
from benchmarks.cases import CASES, Case, Job, digit_images, net
from benchmarks.harness import Effort, Failed, Runner, gate_error, measure, started
from benchmarks.peers import numpy_by_hand

TINY = Case("a tiny net", "net", partial(net, 4, 3, 3, 2, 1e-3))
BRIEF = Effort(2, 0.002)


def without_the_relu(p):
    w1, w2 = (w.copy() for w in p.start)

    def step():
        h = p.x @ w1
        e = 2 * (h @ w2 - p.y)
        g1, g2 = p.x.T @ (e @ w2.T), h.T @ e
        np.subtract(w1, p.rate * g1, w1)
        np.subtract(w2, p.rate * g2, w2)

    return Job(step, lambda: [w1, w2])


def not_a_number(p):
    return Job(lambda: None, lambda: [w * np.nan for w in p.start])


def run(**peers):
    runners = {"numpy": Runner(numpy_by_hand)}
    runners |= {name: Runner(peer) for name, peer in peers.items()}
    return measure(TINY, runners, BRIEF)


@pytest.mark.parametrize("wrong", [without_the_relu, not_a_number])
def test_the_gate_refuses_a_peer_that_computes_something_else(wrong):
    rows = run(wrong=SimpleNamespace(net=wrong))
    assert "off hand-written NumPy" in rows["wrong"]["refused"]
    assert set(rows["wrong"]) == {"refused"}
    assert rows["numpy"]["ratio"] == 1


def test_a_peer_without_the_case_sits_it_out():
    assert set(run(other=SimpleNamespace())) == {"numpy"}


def test_a_peer_that_fails_is_refused_with_its_reason():
    class Broken:
        def ask(self, *request):
            raise Failed("MemoryError: too large")

    rows = measure(TINY, {"numpy": Runner(numpy_by_hand), "torch": Broken()}, BRIEF)
    assert rows["torch"] == {"refused": "MemoryError: too large"}


def test_the_error_is_a_share_of_what_the_steps_changed():
    start, want = [np.full(4, 100.0)], [np.full(4, 101.0)]
    assert gate_error([np.full(4, 101.01)], want, start) == pytest.approx(0.01)
    assert gate_error([np.full(5, 101.0)], want, start) == float("inf")


def test_minigrad_passes_the_gate_in_every_mode_from_processes_of_their_own():
    tiny = next(case for case in CASES if "tiny" in case.name)
    with started(["numpy", "eager", "static", "jit"]) as runners:
        rows = measure(tiny, runners, Effort(1, 0.001))
    assert {name: row.get("refused") for name, row in rows.items()} == dict.fromkeys(
        ["numpy", "eager", "static", "jit"]
    )


def test_the_digits_are_split_as_in_the_course():
    for ours, theirs in zip(digit_images(), split_digits(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_table_shows_ratios_and_refusals():
    figures = {"best": 2.0, "median": 3.0, "samples": 9, "first_ms": 1.0}
    peers = {
        "numpy": figures | {"ratio": 1.0},
        "eager": figures | {"ratio": 2.5},
        "torch": {"refused": "0.3 off"},
    }
    written = report.describe(["numpy"], BRIEF)
    written |= {"cases": {"a case": {"unit": "us", "peers": peers}}}
    text = report.table(written)
    assert "| a case | 1.00 | 2.50 | refused |" in text
    assert "| a case | minigrad eager | 2 us | 3 us | 2.50 | 1 |" in text
    assert "| a case | PyTorch eager | refused: 0.3 off | | | |" in text


def test_the_table_goes_between_its_markers():
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    want = f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    assert report.insert(text, "new") == want
    with pytest.raises(ValueError):
        report.insert("no markers", "new")


def test_the_committed_table_is_made_of_the_committed_results():
    text = report.README.read_text()
    assert report.insert(text, report.table(report.newest())) == text


def test_what_is_saved_comes_back(tmp_path):
    written = report.describe(["numpy"], BRIEF) | {"cases": {}}
    path = report.save(written, tmp_path)
    assert path.name == f"{written['date']}-{written['cpus']}cpu.json"
    assert report.newest(tmp_path) == written


@pytest.mark.parametrize("other", [["--quick"], ["--cases", "tiny"]])
def test_only_a_whole_run_can_be_saved(other, capsys):
    with pytest.raises(SystemExit):
        parse(["--save", *other])
    assert "measured in full" in capsys.readouterr().err
