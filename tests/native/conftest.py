"""What tests of native code share: a cache of their own, a reason where none can be made."""

import pytest

from minigrad.native import build


@pytest.fixture(scope="session", autouse=True)
def compiled():
    """Skip where there is no compiler."""
    if why := build.explain_absence():
        pytest.skip(why)
