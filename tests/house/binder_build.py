"""Do Binder's steps by hand: is what `binder/` installs enough for the notebooks?

Unpacks HEAD with `git archive` (as Binder, without .git), makes a clean environment with
what Binder's image brings, installs `binder/requirements.txt`, runs `postBuild`, and runs
every fourth notebook through `start` (a browser runs them all elsewhere). `.ci/run` does
this; it downloads too much for `make test`.
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from fresh_clone import ROOT, clean_environment

BASE_IMAGE = ["ipykernel", "nbclient"]  # of JupyterLab, what runs notebooks
RUN_NOTEBOOKS = """
import pathlib, nbclient, nbformat
for path in sorted(pathlib.Path("course/notebooks").glob("*.ipynb"))[::4]:
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(notebook, timeout=60, resources=folder).execute()
    print("binder runs", path.name, flush=True)
"""


def main():
    with tempfile.TemporaryDirectory(prefix="binder-build-") as folder:
        source, home, venv = (Path(folder, name) for name in ("source", "home", "venv"))
        home.mkdir()
        archive = subprocess.run(
            ["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(source, filter="data")
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        env = clean_environment(home)
        env["PATH"] = f"{venv / 'bin'}{os.pathsep}{env['PATH']}"

        def run(*command):
            subprocess.run(command, cwd=source, env=env, check=True)

        run("pip", "install", "--quiet", *BASE_IMAGE)
        run("pip", "install", "--quiet", "-r", "binder/requirements.txt")
        run("binder/postBuild")
        run("binder/start", "python", "-c", RUN_NOTEBOOKS)
    print("binder build: 1 passed, 0 failed")


if __name__ == "__main__":
    main()
