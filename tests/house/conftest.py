"""What the tests of the house itself share: the repository's folder and its files."""

import subprocess
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root():
    return Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def repo_files(root):
    """Every file that is, or is about to be, committed."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(listing, cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = [root / name for name in names.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]
