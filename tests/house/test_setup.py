"""The set-up is what the README says it is."""

import re
import tomllib

import pytest

EXTRAS = {
    "browser",
    "course",
    "gpu",
    "mpi",
    "native",
    "onnx",
    "save",
    "test",
    "reference",
    "bench",
}


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def guides(root):
    return "\n".join(
        (root / name).read_text() for name in ("README.md", "CONTRIBUTING.md")
    )


@pytest.fixture(scope="module")
def targets(root):
    makefile = (root / "Makefile").read_text()
    return set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))


def test_numpy_is_the_only_runtime_dependency(project):
    assert project["dependencies"] == ["numpy>=2.0"]


def test_extras_are_the_documented_ones(project):
    assert set(project["optional-dependencies"]) == EXTRAS


def test_every_requirement_of_an_extra_is_well_formed(project):
    from packaging.requirements import Requirement

    for requirements in project["optional-dependencies"].values():
        for requirement in requirements:
            Requirement(requirement)


def test_the_tests_do_not_need_torch(project):
    extras = project["optional-dependencies"]
    assert not any("torch" in line for line in extras["test"] + extras["course"])


def test_every_make_command_of_the_guides_exists(guides, targets):
    named = set(re.findall(r"\bmake ([a-z]+)(?=[`\s])", _code(guides)))
    assert {"lab", "test"} <= named <= targets


def test_every_extra_of_the_guides_exists(guides):
    named = set(re.findall(r"\.\[([a-z]+)\]", guides))
    assert {"course", "test"} <= named <= EXTRAS


def test_every_path_of_the_guides_exists(root, guides):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", guides)
    assert [link for link in links if not (root / link).exists()] == []


def _code(markdown):
    """Only what is in backticks or fences: prose may use the word `make` freely."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", markdown, flags=re.DOTALL))
