from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner, claim_problem, problems

STAGING = Owner("staging", "2026-11-24T10:00:00Z")


def test_a_host_that_nobody_has_claimed_belongs_to_nobody(tmp_path: Path) -> None:
    assert HostIdentity(tmp_path / "none").read() == Owner()


def test_a_claim_is_read_back_and_readable_by_all(tmp_path: Path) -> None:
    host = HostIdentity(tmp_path / "morpheus.deploy")
    host.write(STAGING)
    assert host.read() == STAGING
    assert json.loads(host.path.read_text()) == {"format": 1, "environment": "staging", "claimed": "2026-11-24T10:00:00Z"}
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o644
    assert stat.S_IMODE(host.path.parent.stat().st_mode) == 0o755


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '"staging"', '{"environment": ""}'])
def test_a_claim_that_says_nothing_is_nobodys_guess(tmp_path: Path, content: str) -> None:
    host = HostIdentity(tmp_path)
    host.path.write_text(content)
    with pytest.raises(DeployError) as caught:
        host.read()
    assert str(caught.value).startswith(f"{host.path} is not what a claim writes, so the owner of this host is unknown.")


def test_a_host_of_the_sandbox_has_its_mark(tmp_path: Path) -> None:
    assert not HostIdentity(tmp_path).is_sandbox
    (tmp_path / "sandbox").touch()
    assert HostIdentity(tmp_path).is_sandbox


NOBODYS = (
    "This host belongs to no environment. If it is one of staging's, claim it: "
    "playbooks/provision.yml with the inventory of staging."
)
ANOTHERS = (
    "This host belongs to staging and not to production. Take it out of this inventory; or, if it has moved, claim it: "
    "playbooks/provision.yml -e identity_release_from=staging"
)
DEMO = (
    "The secrets of this inventory are the demo's, whose password is public, and this host is not a sandbox host (it has no "
    "/etc/morpheus.deploy/sandbox). Make a vault of your own, without vault_demo."
)


HOSTS = [
    pytest.param("staging", STAGING, False, False, [], id="its own host"),
    pytest.param("staging", Owner(), False, False, [NOBODYS], id="a host that nobody has claimed"),
    pytest.param("production", STAGING, False, False, [ANOTHERS], id="a host of another environment"),
    pytest.param("staging", STAGING, True, True, [], id="demo secrets in the sandbox"),
    pytest.param("staging", STAGING, True, False, [DEMO], id="demo secrets outside the sandbox"),
    pytest.param("production", STAGING, True, False, [ANOTHERS, DEMO], id="another's host, and demo secrets"),
]


@pytest.mark.parametrize(("expected", "owner", "sandbox_only", "is_sandbox", "found"), HOSTS)
def test_a_host_is_written_to_by_its_own_environment_only(
    expected: str, owner: Owner, sandbox_only: bool, is_sandbox: bool, found: list[str]
) -> None:
    assert problems(expected, owner, sandbox_only=sandbox_only, is_sandbox=is_sandbox) == found


@pytest.mark.parametrize(
    ("environment", "owner", "release_from", "mend"),
    [
        pytest.param("staging", Owner(), "", "", id="nobody's"),
        pytest.param("staging", STAGING, "", "", id="its own"),
        pytest.param("production", STAGING, "staging", "", id="given up by the other"),
        pytest.param("production", STAGING, "", "-e identity_release_from=staging", id="another's"),
        pytest.param(
            "production", STAGING, "qa", "-e identity_release_from=staging, for it is not qa's", id="given up by whom it is not"
        ),
    ],
)
def test_a_host_of_another_environment_is_claimed_only_when_that_one_is_named(
    environment: str, owner: Owner, release_from: str, mend: str
) -> None:
    found = claim_problem(environment, owner, release_from)
    assert found == (
        mend
        and "This host belongs to staging, since 2026-11-24T10:00:00Z, and cannot become one of production. "
        f"Take it out of this inventory; or, if it has moved, run again with {mend}"
    )
