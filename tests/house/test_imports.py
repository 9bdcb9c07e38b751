"""What importing the library costs, and which way its modules may look."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOREIGN_MODULES = """
import sys, numpy, numpy.random
before = set(sys.modules)
import minigrad
new = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(new - set(sys.stdlib_module_names) - {"minigrad", "numpy"}))
"""


def test_import_minigrad_loads_no_third_party_module_but_numpy():
    run = subprocess.run(
        [sys.executable, "-I", "-c", FOREIGN_MODULES],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_import_minigrad_loads_no_printer_of_programs():
    program = "import sys, minigrad; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    late = {"minigrad.native.codegen", "minigrad.gpu.program", "minigrad.gpu.shim"}
    assert late & set(run.stdout.split()) == set()


def lint_imports(folder, **env):
    command = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [command, "--no-cache"],
        cwd=folder,
        env=os.environ | env,
        capture_output=True,
        text=True,
    )


def test_imports_run_downwards_only(root):
    run = lint_imports(root)
    assert run.returncode == 0, run.stdout


def test_an_import_that_runs_upwards_is_found(root, tmp_path):
    caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(root / "minigrad", tmp_path / "minigrad", ignore=caches)
    shutil.copy(root / "pyproject.toml", tmp_path)
    with (tmp_path / "minigrad" / "errors.py").open("a") as low:
        low.write("\n\ndef peek():\n    from minigrad.ops import op\n    return op\n")
    run = lint_imports(tmp_path, PYTHONPATH=str(tmp_path))
    assert run.returncode == 1, run.stdout + run.stderr
    assert "minigrad.errors -> minigrad.ops.op" in run.stdout
