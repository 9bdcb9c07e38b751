"""The ground floor."""

import os
import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import minigrad as mg

def step():
    x = mg.ones(1_000_000)
    return [x + 1 for _ in range(8)]

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

step()
before = faults()
step()
print(faults() - before)
"""


def pages_fetched_by_a_second_step(**environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    run = [sys.executable, "-c", FAULTS]
    answer = subprocess.run(
        run, env={**kept, **environment}, check=True, capture_output=True, text=True
    )
    return int(answer.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc")
def test_the_memory_of_large_arrays_is_used_again_unless_glibc_is_told_otherwise():
    assert pages_fetched_by_a_second_step() < 100
    assert pages_fetched_by_a_second_step(MALLOC_TRIM_THRESHOLD_="131072") > 1000
