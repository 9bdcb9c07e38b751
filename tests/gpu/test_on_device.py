"""The tests of the tape pass on a device too: see on_device.py for the others."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_tape_s_own_tests_pass_on_a_device():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.gpu.on_device"]
    command += ["-m", "not torch", "tests/eager/test_tape.py"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout
    assert " passed" in run.stdout
