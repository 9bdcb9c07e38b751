"""--require-torch turns a skipped comparison into a failure, and nothing else."""

import os
import shutil
import subprocess
import sys

import pytest

SUITE = """
import pytest

def test_compares(torch): pytest.skip("torch is not installed")

def test_elsewhere(): pytest.skip("no GPU")
"""


@pytest.fixture
def outcome(root, tmp_path):
    shutil.copy(root / "tests" / "conftest.py", tmp_path)
    shutil.copy(root / "pyproject.toml", tmp_path)
    (tmp_path / "torch.py").write_text("def set_num_threads(n): pass")
    (tmp_path / "test_suite.py").write_text(SUITE)

    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # half of the time

    def run(*options):
        command = [sys.executable, "-m", "pytest", "-q", "test_suite.py", *options]
        return subprocess.run(
            command, cwd=tmp_path, env=alone, capture_output=True, text=True
        )

    return run


def test_without_it_a_skip_is_a_skip(outcome):
    run = outcome()
    assert run.returncode == 0, run.stdout
    assert "2 skipped" in run.stdout


def test_with_it_only_the_comparison_fails(outcome):
    run = outcome("--require-torch")
    assert run.returncode == 1, run.stdout
    assert "1 failed, 1 skipped" in run.stdout


def test_a_test_that_asks_for_torch_bears_the_marker(outcome):
    run = outcome("-m", "torch")
    assert "1 skipped, 1 deselected" in run.stdout
