"""Options that every test shares: which sizes run, and what a missing PyTorch means."""

import signal
import warnings

import pytest

import minigrad


def pytest_addoption(parser):
    group = parser.getgroup("minigrad")
    group.addoption("--full", action="store_true", help="run the full sizes too")
    group.addoption(
        "--require-torch",
        action="store_true",
        help="a comparison skipped for lack of PyTorch is a failure",
    )


@pytest.fixture(scope="session")
def torch():
    """PyTorch itself, on one thread so that its sums come out the same every time."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.set_num_threads(1)
    return torch


@pytest.fixture(scope="session")
def op_database(torch):
    """PyTorch's own samples. For each draw it would read the source of the whole stack.

    There it looks for a TestCase, whose name it notes. Here is none.
    """
    pytest.importorskip("expecttest", reason="torch's op database wants expecttest")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal import common_utils
        from torch.testing._internal.common_methods_invocations import op_db
        from torch.testing._internal.opinfo import core
    with pytest.MonkeyPatch.context() as patch:
        for module in (common_utils, core):
            patch.setattr(module, "extract_test_fn", lambda: None)
        yield op_db


@pytest.fixture
def no_gpu(monkeypatch):
    """As on a machine without a driver, whatever this one has."""
    why = "there is no NVIDIA driver on this machine"
    monkeypatch.setattr(minigrad.gpu.device, "_find", lambda: why)


@pytest.fixture(params=["cpu", "cuda", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request):
    """Where tensors are: the CPU, the simulated GPU, and the real one where it is."""
    if request.param == "cpu":
        yield "cpu"
    elif request.param == "gpu":
        yield "cuda"
    else:
        with minigrad.cuda.simulate():
            yield "cuda"


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(config, items):
    for item in items:
        if "torch" in getattr(item, "fixturenames", ()):
            item.add_marker("torch")
    left_out = [] if config.getoption("--full") else ["full"]
    left_out += [] if minigrad.cuda.is_available() else ["gpu"]
    for marker in left_out:
        out = {item for item in items if item.get_closest_marker(marker)}
        items[:] = [item for item in items if item not in out]
        config.hook.pytest_deselected(items=list(out))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and item.get_closest_marker("torch"):
        _fail_if_torch_is_required(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    if report.skipped and "torch" in str(report.longrepr):
        _fail_if_torch_is_required(report, collector.config)
    return report


def _fail_if_torch_is_required(report, config):
    expected_failure = hasattr(report, "wasxfail")
    if config.getoption("--require-torch") and not expected_failure:
        report.outcome = "failed"
        report.longrepr = f"skipped under --require-torch: {report.longrepr[2]}"


@pytest.fixture
def interruptible():
    """Who starts the tests in the background may have made them deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
