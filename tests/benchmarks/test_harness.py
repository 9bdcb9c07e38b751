"""The benchmarks measure only what is right, and their table says what was measured."""

import os
import sys
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from coursekit.data import split_digits

from benchmarks import report
from benchmarks.__main__ import parse
from benchmarks.cases import NETS, Case, Job, digit_images, elements, net
from benchmarks.harness import (
    Effort,
    Failed,
    Remote,
    Runner,
    gate_error,
    measure,
    measure_first_calls,
    measure_imports,
    measure_once,
    started,
)
from benchmarks.peers import PEERS, numpy_by_hand

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


def sleep_for_ever():
    time.sleep(1000)


def die():
    os._exit(3)


def test_a_peer_that_hangs_is_ended_and_given_up_after_the_second_time():
    with started(["numpy"], limit=3) as remotes:
        remote = remotes["numpy"]
        assert remote.ask("build", TINY) > 0
        for reason in ("took more than 3 s", "took more than 3 s", "given up"):
            with pytest.raises(Failed, match=reason):
                remote.ask("build", Case("hangs", "net", sleep_for_ever))
    assert remote.process is None


def test_a_peer_that_dies_starts_anew_with_the_next_case():
    with started(["numpy"]) as remotes:
        with pytest.raises(Failed, match="died with status 3"):
            remotes["numpy"].ask("build", Case("dies", "net", die))
        assert remotes["numpy"].ask("build", TINY) > 0


def needs_bytecode():
    assert not sys.dont_write_bytecode
    return TINY.problem()


def test_peers_keep_bytecode_as_they_do_for_their_users(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    with started(["numpy"]) as remotes:
        assert remotes["numpy"].ask("build", Case("kept", "net", needs_bytecode)) > 0


def test_a_peer_that_cannot_be_imported_says_why(monkeypatch):
    monkeypatch.setitem(PEERS, "torch", PEERS["torch"]._replace(module="nowhere"))
    remote = Remote("torch")
    with pytest.raises(Failed, match="No module named"):
        remote.ask("build", TINY)
    remote.end()


def test_a_package_whose_import_fails_is_refused_and_the_others_are_measured(
    monkeypatch,
):
    monkeypatch.setitem(PEERS, "torch", PEERS["torch"]._replace(package="nowhere"))
    rows = measure_imports(["numpy", "torch"], BRIEF)
    assert rows["numpy"]["best"] > 0
    assert "No module named 'nowhere'" in rows["torch"]["refused"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_counts_what_a_step_takes_and_not_what_came_before():
    wide = Case("wide", "elements", partial(elements, 1_000_000))
    (row,) = measure_once("peak", wide, ["numpy"]).values()
    assert 5.5 * 4 < row["best"] < 8 * 4  # MiB: weights and five arrays of 4 MB


def test_first_calls_start_with_an_empty_cache_and_then_with_what_was_kept():
    cold, cached = measure_first_calls(TINY, ["numpy", "again", "native"])
    assert set(cold) == {"numpy", "native"}
    assert set(cached) == {name for name in cold if "best" in cold[name]}


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


@pytest.mark.parametrize(
    ("path", "made"), [(report.README, report.table), (report.FRONT, report.front)]
)
def test_the_committed_tables_are_made_of_the_committed_results(path, made):
    text = path.read_text()
    assert report.insert(text, made(report.newest())) == text


def test_the_front_page_names_the_best_of_the_other_libraries():
    ratios = {"numpy": 1.0, "c": 0.5, "native": 0.6, "torch": 0.9, "jax": 0.7}
    rows = {name: {"ratio": ratio} for name, ratio in ratios.items()}
    rows["tf"] = {"refused": "0.3 off"}
    written = report.describe(["numpy"], BRIEF)
    written |= {"cases": {NETS[0]: {"unit": "us", "peers": rows}}}
    line = f"| {NETS[0]} | 1.00 | 0.50 | 0.70 jax.jit | 0.60 | - | - |"
    assert line in report.front(written)
    assert f"| {NETS[1]} | - | - | - | - | - | - |" in report.front(written)


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
