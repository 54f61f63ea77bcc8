"""A release that must not serve: the deploy fails, says why, and leaves the host as it was, while users are served."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from moments import Moment, observe, verdict
from testinfra.host import Host
from user import ask, asking

# Release -> verdict, and what its message must say of the reason.
REASONS = {
    "1.9.0-unhealthy": ("failed", r"morpheus-api-\d+ did not pass its gate.* 503.*unhealthy"),
    "1.9.1-crash": ("failed", r"morpheus-api-\d+ did not pass its gate.*fault: crash"),
    "1.9.2-lies": ("failed", r"morpheus-api-\d+ did not pass its gate.*1\.0\.0-other"),
    "9.9.9": ("refused", r"morpheus/(api|web):9\.9\.9 could not be pulled"),
}
# A good candidate needs about three; a bad one takes all of it.
DEADLINE_SECONDS = 12


@dataclass(frozen=True)
class Attempt:
    """A deploy of a bad release: the host before and after, what the deploy said, and what users saw meanwhile."""

    release: str
    before: Moment
    after: Moment
    status: int
    output: str
    verdict: dict[str, object]
    answers: Sequence[str]


@pytest.fixture(scope="module", params=REASONS)
def attempt(request: pytest.FixtureRequest, host: Host) -> Attempt:
    before = observe(host)
    with asking("/health") as answers:
        run = _deploy(request.param)
    return Attempt(request.param, before, observe(host), run.returncode, run.stdout, verdict(), answers)


def _deploy(release: str) -> subprocess.CompletedProcess[str]:
    """The project's own deploy, with the inventories of this scenario."""
    variables = {"stack_release": release, "gate_deadline_seconds": DEADLINE_SECONDS}
    project = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
    inventories = (Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent, project / "molecule" / "inventory")
    return subprocess.run(
        [
            *("ansible-playbook", str(project / "deploy.yml"), "--extra-vars", json.dumps(variables)),
            *(f"--inventory={inventory}" for inventory in inventories),
        ],
        cwd=os.environ["MOLECULE_SCENARIO_DIRECTORY"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_the_deploy_ends_non_zero(attempt: Attempt) -> None:
    assert attempt.status != 0, attempt.output


def test_the_message_says_why(attempt: Attempt) -> None:
    _, reason = REASONS[attempt.release]
    assert re.search(reason, " ".join(attempt.output.split())), attempt.output


def test_the_verdict_is_true(attempt: Attempt) -> None:
    word, _ = REASONS[attempt.release]
    hosts = attempt.verdict["hosts"]
    assert isinstance(hosts, dict)
    assert (attempt.verdict["verdict"], attempt.verdict["release"]) == (word, attempt.release)
    assert {name: state["release"] for name, state in hosts.items()} == {"molecule-app-1": "1.0.0"}


def test_every_container_runs_on_and_no_other_is_left(attempt: Attempt) -> None:
    assert attempt.after.started == attempt.before.started


def test_pointer_edge_and_compose_files_are_as_before(attempt: Attempt) -> None:
    assert attempt.after.live == attempt.before.live


def test_users_were_served_by_the_old_release_all_the_time(attempt: Attempt) -> None:
    assert Counter(attempt.answers) == {"200 1.0.0": len(attempt.answers)}


def test_users_are_served_by_the_old_release(attempt: Attempt) -> None:
    assert ask("/health").version == "1.0.0"
