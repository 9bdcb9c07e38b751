"""What no file of the repository may say."""

import re

import pytest

# Spelled in pieces, so that this file does not say them either.
MACHINE_PATHS = ["/" + name + "/" for name in ("work", "root", "tmp", "home", "opt")]
REGISTRY_HOSTS = [
    name + ".org" for name in ("pypi", "files.pythonhosted", "registry.npmjs")
] + ["deb.debian" + ".org"]
INVENTED = {"tests/course/test_lint.py"}  # its examples of what a notebook may not say
PICTURE = re.compile(r"base64,[A-Za-z0-9+/=]+")  # random letters may spell anything


@pytest.fixture(scope="module")
def texts(root, repo_files):
    texts = {}
    for path in repo_files:
        if str(path.relative_to(root)) in INVENTED:
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            texts[path] = PICTURE.sub("base64,", content.decode())
    return texts


@pytest.mark.parametrize("path", MACHINE_PATHS)
def test_no_file_names_a_path_of_one_machine(texts, path):
    # A path starts a word: `and/or/not` and `course/work/` are prose.
    spelled = re.compile(r"(?<![\w.})~])" + path + r"\w")
    assert [str(name) for name, text in texts.items() if spelled.search(text)] == []


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_no_file_names_a_package_registry(texts, host):
    assert [str(name) for name, text in texts.items() if host in text] == []


def test_no_remedy_installs_a_package_called_minigrad(texts, root):
    # That name on the package index is somebody else's.
    installs = re.compile(r"pip install (?:-U )?minigrad")
    with_extra = re.compile(r"minigrad\[[a-z]+\]")
    for path, text in texts.items():
        assert not installs.search(text), path
        if path.is_relative_to(root / "minigrad"):
            assert not with_extra.search(text), path
