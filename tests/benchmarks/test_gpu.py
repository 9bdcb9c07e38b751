"""The script for a GPU works before there is one: all of it, on tiny cases."""

import datetime
import inspect
import json
from types import SimpleNamespace

import pytest

from benchmarks import gpu
from benchmarks.harness import Failed
from benchmarks.peers import on_gpu
from benchmarks.peers.on_gpu import GPU_PEERS, KINDS, GpuRunner, Sample

SLOW = {"compiled", "jax"}  # they compile for half a minute
INSTALLED = {name for name, (peer, _) in GPU_PEERS.items() if peer.installed}


def tried_out(folder, peers):
    """What `--simulate` reports of some peers; `folder` it may not write to."""
    words = ["--simulate", "--tests", "0", "--out", str(folder), "--peers", *peers]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(gpu.SIMULATE, "1")
        call = gpu.Call(gpu.parse(words))
        call.options.seconds = 0.0
        return gpu.run(call)


def check_all(report, peers):
    rows = [row for case in report["cases"].values() for row in case.items()]
    assert [x for x in rows if "refused" in x[1]] == []
    assert {name for name, _ in rows} == peers


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return tried_out(folder, INSTALLED - SLOW), folder


def test_every_peer_passes_the_gate_in_every_case_it_has(tried):
    check_all(tried[0], INSTALLED - SLOW - {"numpy"})


@pytest.mark.full
def test_so_do_those_that_compile(tmp_path):
    peers = INSTALLED & SLOW
    check_all(tried_out(tmp_path, {"eager", *peers}), {"eager", *peers})


def test_every_kind_of_case_is_tried(tried):
    kinds = {case.kind for case in gpu.CASES}
    assert kinds == set(KINDS) == set(gpu.TINY)
    assert len(tried[0]["cases"]) == len(kinds)


def test_what_is_tried_out_is_marked_and_not_kept(tried):
    report, folder = tried
    assert report["simulated"] is True
    assert report["device"] == "simulated GPU"
    assert list(folder.iterdir()) == []


def test_the_report_names_versions_and_the_date(tried):
    versions = [line.split()[0] for line in tried[0]["versions"]]
    assert {"minigrad", "driver", "CuPy", "cuBLAS", "cuDNN"} <= set(versions)
    assert tried[0]["date"] == datetime.date.today().isoformat()


def test_tf32_is_switched_on_for_the_last_case_alone():
    kinds = [case.kind for case in gpu.CASES]
    assert kinds.index("tf32") == len(kinds) - 1
    matmul, seen = SimpleNamespace(allow_tf32=False), []
    home = SimpleNamespace(
        backends=SimpleNamespace(cuda=SimpleNamespace(matmul=matmul)), where="cpu"
    )
    peer = on_gpu._peer(SimpleNamespace(net=seen.append), home)
    peer.net("exact")
    assert matmul.allow_tf32 is False
    peer.tf32("rounded")
    assert matmul.allow_tf32 is True
    assert seen == ["exact", "rounded"]


def test_the_copy_s_speed_is_that_of_whoever_copies_fastest(tmp_path):
    def runner(speed):
        answers = {"describe": {"device": "it"}, "bandwidth": speed}
        return SimpleNamespace(ask=lambda request, *_: answers[request])

    made = call(tmp_path)
    gpu.describe(made, {"eager": runner(1e12), "torch": runner(3e12)})
    assert made.report["copy_gb_s"] == 3000


def test_every_case_names_a_problem_with_the_arguments_it_takes():
    for case in gpu.CASES:
        made = case.problem
        inspect.signature(made.func).bind(*made.args, **made.keywords)


def call(tmp_path, **more):
    made = gpu.Call(gpu.parse(["--out", str(tmp_path / "new")]))
    made.report |= {"device": "NVIDIA H100 (80GB)", "date": "2026-11-01"} | more
    return made


def test_what_is_measured_is_kept_under_date_and_device(tmp_path):
    call(tmp_path, copy_gb_s=2.34567).keep()
    (path,) = (tmp_path / "new").iterdir()
    assert path.name == "2026-11-01-nvidia-h100-80gb.json"
    assert json.loads(path.read_text())["copy_gb_s"] == 2.346


def test_figures_are_medians_in_microseconds_and_events_where_there_are_some():
    samples = [Sample(3e-6, 2e-6), Sample(1e-6, 1e-6), Sample(2e-6, 1.5e-6)]
    row = gpu.figures(samples)
    assert row == pytest.approx(
        {"wall_us": 2, "best_us": 1, "event_us": 1.5, "samples": 3}
    )
    assert "event_us" not in gpu.figures([Sample(1e-6, None)])


def test_the_chains_share_of_the_copy_counts_what_must_move():
    rows = {"static": {"wall_us": 1000.0}, "torch": {"refused": "no"}}
    gpu.add_bandwidth(rows, 10**8, 2000.0)  # 1.6 GB in a ms are 1,600 GB/s
    assert rows["static"]["of_copy"] == pytest.approx(0.8)
    assert rows["torch"] == {"refused": "no"}


class Told:
    """A peer that answers as it is told."""

    def __init__(self, wall, error=""):
        self.wall, self.error = wall, error

    def ask(self, request, *args):
        if request == "samples" and self.error:
            raise Failed(self.error)
        case = args[0]
        start = case.problem().start
        answers = {
            "build": 0.1,
            "gate": [x + 1 for x in start],
            "samples": [Sample(self.wall, None)] * 2,
        }
        return answers[request]


def test_ratios_are_to_pytorch_and_a_failure_while_timing_costs_its_row_alone():
    runners = {
        "numpy": Told(9.0),
        "eager": Told(2e-6),
        "torch": Told(4e-6),
        "jax": Told(1e-6, "out of memory"),
    }
    case = gpu.tiny_cases()[0]
    rows = gpu.measure(case, runners, 0.0)
    assert set(rows) == {"eager", "torch", "jax"}
    assert rows["eager"]["to_torch"] == pytest.approx(0.5)
    assert rows["jax"] == {"refused": "out of memory"}


def test_no_case_begins_without_time_and_no_answer_may_outlast_the_call(tmp_path):
    late = call(tmp_path)
    late.end -= gpu.LIMIT - 5
    assert gpu.row_of(late, gpu.CASES[0], {}) == {}
    runners = {"eager": SimpleNamespace(limit=0.0)}
    gpu.allow(runners, 42.0)
    assert runners["eager"].limit == 42.0
    gpu.allow(runners, 4000.0)
    assert runners["eager"].limit == gpu.PATIENCE


def test_steps_are_timed_in_bunches_between_two_waits():
    log = []

    class Mark:
        def record(self):
            log.append("mark")

    peer = SimpleNamespace(
        wait=lambda: log.append("wait"), mark=Mark, between=lambda a, b: 0.6
    )
    runner = GpuRunner(peer)
    sample = runner._sample(lambda: log.append("step"), 3)
    assert log == ["wait", "mark", "step", "step", "step", "mark", "wait"]
    assert sample.event == pytest.approx(0.2)


def test_the_tests_result_is_part_of_the_report(monkeypatch, tmp_path):
    text = "....F\nFAILED tests/x.py::test_y - oh\n1 failed, 4 passed in 2.00s\n"
    done = SimpleNamespace(stdout=text, returncode=1)
    monkeypatch.setattr(gpu.subprocess, "run", lambda *args, **kw: done)
    told = gpu.run_tests(call(tmp_path))
    assert told["status"] == 1
    assert told["last"] == ["1 failed, 4 passed in 2.00s"]
    assert told["failures"] == ["FAILED tests/x.py::test_y - oh"]


def test_tests_that_take_too_long_are_said_to(monkeypatch, tmp_path):
    def late(*args, timeout, **kw):
        raise gpu.subprocess.TimeoutExpired("pytest", timeout, output=b"...\n")

    monkeypatch.setattr(gpu.subprocess, "run", late)
    assert gpu.run_tests(call(tmp_path))["status"] == "late"
