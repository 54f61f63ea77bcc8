"""The module as Ansible runs it, on leases below a temporary directory."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.held import Claim
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.lease import Lease
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.modules import lease as module

from tests.unit.module_run import run_module

ANNA = {"owner": "anna@laptop", "reason": "deploy 1.2.0", "run": "run-a"}


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lease:
    """The lease that the module sees."""
    monkeypatch.setattr(module, "Lease", lambda environment: Lease(environment, tmp_path))
    return Lease("production", tmp_path)


def run(capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    result = run_module(module, capsys, {"environment": "production"} | options)
    result.pop("invocation", None)
    return result


def test_taking_returns_the_token_and_changes_nothing_that_would_last(capsys: pytest.CaptureFixture[str], there: Lease) -> None:
    result = run(capsys, **ANNA)
    held = there.read()
    assert held
    holder = result.pop("holder")
    assert holder == held.as_dict() | {"beat_seconds": holder["beat_seconds"], "expires_seconds": holder["expires_seconds"]}
    assert result == ANNA | {
        "environment": "production",
        "changed": False,
        "token": held.record.token,
        "granted": True,
        "taken": True,
        "seen": 0,
        "kept_off": [],
        "taken_over": None,
        "database": {},
        "msg": "The lease of production was taken.",
    }


def test_taking_over_says_from_whom_and_why(capsys: pytest.CaptureFixture[str], there: Lease) -> None:
    token = there.acquire(Claim("ben@desk", "deploy 1.1.0", ttl_seconds=1.0)).token
    (there.directory / f"beat.{token}").write_text("0.0\n")
    result = run(capsys, **ANNA)
    assert (result["taken_over"]["token"], result["taken_over"]["owner"]) == (token, "ben@desk")
    assert result["msg"].startswith("The lease of production was taken. It was taken over from ben@desk: no sign of life for ")


def test_another_run_that_lives_is_named_in_the_failure(capsys: pytest.CaptureFixture[str], there: Lease) -> None:
    token = there.acquire(Claim("ben@desk", "deploy 1.1.0")).token
    beat = there.directory / f"beat.{token}"
    done = threading.Event()

    def live() -> None:
        while not done.wait(0.05):
            draft = there.directory / "draft"
            draft.write_text(f"{SystemClock().uptime()}\n")
            draft.replace(beat)

    keeper = threading.Thread(target=live)
    keeper.start()
    result = run(capsys, **ANNA)
    done.set()
    keeper.join()
    assert result["failed"]
    assert result["msg"].startswith("The lease of production is held by ben@desk (deploy 1.1.0) since ")
    assert result["holder"]["token"] == token
    assert result["owner"] == "anna@laptop"


def test_check_mode_takes_nothing_and_says_who_has_it(capsys: pytest.CaptureFixture[str], there: Lease, tmp_path: Path) -> None:
    result = run(capsys, **ANNA, _ansible_check_mode=True)
    assert (result["token"], result["holder"], result["changed"]) == (0, None, False)
    assert list(tmp_path.iterdir()) == []
    there.acquire(Claim("ben@desk"))
    result = run(capsys, **ANNA, _ansible_check_mode=True)
    assert (result["token"], result["holder"]["owner"]) == (0, "ben@desk")
    assert "failed" not in result


def test_a_token_that_another_host_has_chosen_is_taken_or_answered(capsys: pytest.CaptureFixture[str], there: Lease) -> None:
    first = run(capsys, **ANNA, token=50)
    assert (first["granted"], first["taken"], first["token"], first["seen"]) == (True, True, 50, 0)
    again = run(capsys, **ANNA, token=60)
    assert (again["granted"], again["taken"], again["token"]) == (True, False, 60)
    # The keeper goes on with the file that it knows.
    held = there.read()
    assert held
    assert held.record.token == 50
    there.release(50)
    late = run(capsys, **ANNA | {"run": "run-c"}, token=60)
    assert (late["granted"], late["token"], late["seen"], late["msg"]) == (
        False,
        0,
        60,
        "The lease was not granted: token 60 is not above 60, which this host has seen.",
    )
    assert there.read() is None


def test_the_lease_comes_with_the_hosts_that_a_run_before_has_kept_off(capsys: pytest.CaptureFixture[str], there: Lease) -> None:
    there.history.parent.mkdir()
    there.history.write_text('{"kept_off": ["app-1", "app-2"]}\n{"let_in": ["app-1"]}\n')
    assert run(capsys, **ANNA)["kept_off"] == ["app-2"]


def test_a_run_with_the_name_of_one_that_lives_is_not_taken_for_it(capsys: pytest.CaptureFixture[str], there: Lease) -> None:
    """A job of CI may give all its runs one name."""
    token = run(capsys, **ANNA, ttl_seconds=1)["token"]
    (there.directory / f"beat.{token}").write_text("0.0\n")
    second = run(capsys, **ANNA)
    assert (second["taken"], second["token"] > token) == (True, True)


def test_a_host_that_does_not_keep_the_lease_says_what_it_has_seen(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "stacks" / "shop").mkdir(parents=True)
    (tmp_path / "stacks" / "shop" / "fence.json").write_text('{"token": 77}')
    result = run(capsys, **ANNA, token=50, keeps_lease=False)
    assert (result["granted"], result["token"], result["seen"]) == (False, 0, 77)
    assert not (tmp_path / "leases").exists()


@pytest.mark.parametrize("check_mode", [True, False])
def test_giving_back_ends_the_lease_of_the_token_only(capsys: pytest.CaptureFixture[str], there: Lease, check_mode: bool) -> None:
    token = there.acquire(Claim("ben@desk")).token
    result = run(capsys, state="free", token=token - 1, _ansible_check_mode=check_mode)
    assert result["msg"] == f"The lease of production is not that of token {token - 1} any more and was left alone."
    assert there.read()
    result = run(capsys, state="free", token=token, _ansible_check_mode=check_mode)
    assert (result["msg"], result["changed"]) == ("The lease of production was given back.", False)
    assert bool(there.read()) == check_mode


def test_breaking_says_whose_it_was(capsys: pytest.CaptureFixture[str], there: Lease) -> None:
    token = there.acquire(Claim("ben@desk", "deploy 1.1.0")).token
    options = {"state": "broken", "owner": "anna@laptop", "reason": "his desk burns"}
    result = run(capsys, **options, _ansible_check_mode=True)
    assert result["changed"]
    assert result["msg"].endswith("Check mode: it was not broken.")
    assert there.read()
    result = run(capsys, **options)
    assert (result["changed"], result["holder"]["owner"], result["holder"]["token"]) == (True, "ben@desk", token)
    assert result["msg"].startswith("The lease of production was held by ben@desk (deploy 1.1.0) since ")
    assert result["msg"].endswith("It was broken.")
    assert there.read() is None
    result = run(capsys, **options)
    assert (result["changed"], result["holder"], result["msg"]) == (False, None, "Nobody holds the lease of production.")


def test_reading_says_who_has_it(capsys: pytest.CaptureFixture[str], there: Lease) -> None:
    assert run(capsys, state="read")["holder"] is None
    begun = time.monotonic()
    there.acquire(Claim("ben@desk", "deploy 1.1.0"))
    holder = run(capsys, state="read")["holder"]
    assert (holder["owner"], holder["alive"]) == ("ben@desk", True)
    # However long this machine took for it.
    assert 20 - (time.monotonic() - begun) - 0.1 <= holder["expires_seconds"] <= 20


REFUSED = [
    ({"wait_seconds": -1}, "wait_seconds must be 0 or more, ttl_seconds 1 or more"),
    ({"wait_seconds": "nan"}, "wait_seconds must be 0 or more, ttl_seconds 1 or more"),
    ({"ttl_seconds": 0}, "wait_seconds must be 0 or more, ttl_seconds 1 or more"),
    ({"state": "broken", "reason": " "}, "reason must say why the lease is broken: the next one to look will want to know"),
    ({"environment": "../x"}, "'../x' is not a valid name of an environment: letters, digits, dots, dashes and underscores"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[str(options) for options, _ in REFUSED])
def test_what_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], options: dict[str, Any], message: str) -> None:
    result = run(capsys, **options)
    assert (result["failed"], result["msg"]) == (True, message)


def test_a_directory_that_cannot_be_written_is_no_traceback(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "leases").write_text("a file where a directory should be")
    result = run(capsys, **ANNA)
    assert result["msg"].startswith("the lease of production cannot be read or written: ")


OWNERS = [
    pytest.param(Owner("production", "2026-11-24T10:00:00Z"), "", id="its own"),
    pytest.param(Owner("staging", "2026-11-24T10:00:00Z"), "This host belongs to staging and not to production.", id="another's"),
    pytest.param(Owner(), "This host belongs to no environment.", id="nobody's"),
]


@pytest.mark.parametrize(("owner", "refusal"), OWNERS)
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_host_of_another_environment_is_refused_before_the_lease_is_touched(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    there: Lease,
    owner: Owner,
    refusal: str,
    check_mode: bool,
) -> None:
    host = HostIdentity(tmp_path / "etc")
    if owner.environment:
        host.path.parent.mkdir()
        host.write(owner)
    monkeypatch.setattr(module, "HostIdentity", lambda: host)
    result = run(capsys, **ANNA, identity={}, _ansible_check_mode=check_mode)
    assert result.get("foreign", False) is bool(refusal)
    assert result["msg"].startswith(refusal or ("Check mode: " if check_mode else "The lease of production was taken."))
    assert (there.read() is None) is (check_mode or bool(refusal))
    assert not refusal or not there.directory.exists()
