from __future__ import annotations

import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import measured
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease

from tests.hangs import HANGS_AFTER_SECONDS

ANNA = Claim("anna@laptop", "deploy 1.2.0", "run-a")
ENDED: dict[str, Any] = {
    "at": "2026-11-24T10:00:00Z",
    "environment": "production",
    "what": "deploy 1.2.0",
    "to": "1.2.0",
    "verdict": "rolled_back",
    "seconds": 16.0,
}


@pytest.fixture
def lease(tmp_path: Path) -> Lease:
    """Below a directory that the shell must quote."""
    return Lease("production", tmp_path / "it's $here")


def told(lease: Lease) -> dict[str, str]:
    """File -> its last line."""
    directory = lease.directory.parents[1] / "metrics"
    return {path.name: path.read_text().splitlines()[-1] for path in sorted(directory.iterdir())}


def end(lease: Lease, token: int, record: dict[str, Any], *, only_if_held: bool = False) -> int:
    command = ["sh", "-c", lease.return_(token, record, only_if_held=only_if_held)]
    return subprocess.run(command, capture_output=True, timeout=HANGS_AFTER_SECONDS).returncode


def test_a_lease_is_told_of_while_it_is_held(lease: Lease) -> None:
    token = lease.acquire(ANNA).token
    assert list(told(lease)) == ["lease-production.prom"]
    name, since = told(lease)["lease-production.prom"].split("} ")
    assert name == 'deploy_lease_held_since_seconds{environment="production",what="deploy 1.2.0"'
    assert float(since) == pytest.approx(token, abs=HANGS_AFTER_SECONDS)
    lease.release(token)
    assert told(lease) == {}


def test_the_end_of_a_run_is_told_by_its_kind_and_word(lease: Lease) -> None:
    assert end(lease, lease.acquire(ANNA).token, ENDED) == 0
    file = "run-production-deploy-rolled_back.prom"
    labels = '{environment="production",kind="deploy",word="rolled_back",release="1.2.0"}'
    path = lease.directory.parents[1] / "metrics" / file
    assert [line for line in path.read_text().splitlines() if not line.startswith("#")] == [
        f"deploy_run_timestamp_seconds{labels} 1795514400",
        f"deploy_run_seconds{labels} 16",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(told(lease)) == [file], "the lease is given back"


def test_a_broken_lease_is_told_of_no_more(lease: Lease) -> None:
    lease.acquire(ANNA)
    lease.break_("her laptop was lost", "ben@desk")
    assert told(lease) == {}


def test_a_run_that_has_lost_its_lease_leaves_that_of_the_next_one_alone(lease: Lease) -> None:
    old = lease.acquire(ANNA).token
    lease.break_("why not", "ben@desk")
    lease.acquire(Claim("ben@desk", "rollback", "run-b"))
    assert end(lease, old, ENDED) == 0
    assert list(told(lease)) == ["lease-production.prom", "run-production-deploy-rolled_back.prom"]


def test_a_lease_is_taken_and_given_back_where_nothing_can_be_told(lease: Lease) -> None:
    directory = lease.directory.parents[1] / "metrics"
    directory.parent.mkdir(parents=True)
    directory.write_text("a file where a directory belongs")
    token = lease.acquire(ANNA).token
    assert end(lease, token, ENDED, only_if_held=True) == 0
    assert lease.read() is None


def test_a_line_without_a_time_tells_nothing() -> None:
    assert measured.run({"verdict": "deployed"}) == ""
    assert measured.run({**ENDED, "at": "yesterday"}) == ""


def test_a_run_of_an_unknown_kind_has_one_all_the_same() -> None:
    assert measured.kind({}) == "run"
