"""Every peer that is installed computes every kind of case as hand-written NumPy does."""

import pytest

from benchmarks.cases import CASES, Case
from benchmarks.harness import admit, started
from benchmarks.peers import PEERS, REFERENCE

KINDS = {case.kind: Case(case.kind, case.kind, case.small) for case in CASES}


@pytest.fixture(scope="module")
def running():
    """All peers; each starts when it is first asked."""
    with started(PEERS, limit=300) as remotes:
        yield remotes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("peer", [name for name in PEERS if name != REFERENCE])
def test_twenty_steps_of_a_small_case_pass_the_gate(peer, kind, running):
    if not PEERS[peer].installed:
        pytest.skip(f"{PEERS[peer].title} is not installed")
    rows = admit(KINDS[kind], {name: running[name] for name in (REFERENCE, peer)})
    if peer not in rows:
        pytest.skip(f"{PEERS[peer].title} sits this out")
    reason = rows[peer].get("refused", "")
    if "leaves this to" in reason:
        pytest.skip(reason)
    assert not reason
