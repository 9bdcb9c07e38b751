"""Binder builds its image from `binder/` alone; `binder_build.py` runs the same steps."""

import os
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IN_THE_BASE_IMAGE = {"ipykernel", "jupyterlab"}


def package(requirement):
    return re.match(r"[\w-]+", requirement).group()


def test_requirements_are_those_of_the_course():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    course = project["optional-dependencies"]["course"] + project["dependencies"]
    wanted = {line for line in course if package(line) not in IN_THE_BASE_IMAGE}
    lines = (ROOT / "binder/requirements.txt").read_text().splitlines()
    assert {line for line in lines if not line.startswith("#")} == wanted


@pytest.mark.parametrize("name", ["postBuild", "start"])
def test_scripts_can_be_run(name):
    assert os.access(ROOT / "binder" / name, os.X_OK)


def test_repo2docker_reads_the_folder_as_we_mean_it(monkeypatch):
    buildpacks = pytest.importorskip("repo2docker.buildpacks")
    monkeypatch.chdir(ROOT)
    pack = buildpacks.PythonBuildPack("buildpack-deps:jammy")
    pack.platform = "linux/amd64"
    assert pack.detect()
    assert pack.python_version == "3.12"
    steps = pack.render({})
    order = [
        'pip install --no-cache-dir -r "binder/requirements.txt"',
        "RUN ./binder/postBuild",
        'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"',
    ]
    found = [steps.find(step) for step in order]
    assert -1 not in found, steps
    assert found == sorted(found)
