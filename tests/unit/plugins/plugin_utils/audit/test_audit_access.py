"""What is said of a host that is not what its baseline says, and of a baseline that is not the one that was recorded."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import access as audit_access
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import secrets as audit_secrets
from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit.finding import Finding

from tests.unit.audited import ACCESS, DIGEST, access_with, bad, baseline, copied, facts, searched, settings

RECORD = "ansible-playbook playbooks/claim.yml -i inventories/staging --tags baseline"
RENEW = f"{RECORD} -e audit_renew_baseline=true"
FILE = "/etc/morpheus.deploy/baseline.json"
NO_RECORD: dict[str, Any] = {"baselines": {}}
EVE = "/etc/sudoers.d/eve: eve ALL=(ALL) NOPASSWD: ALL"
KEY = "root: ssh-rsa SHA256:y in /root/.ssh/authorized_keys"
SH = "/tmp/.x, mode 4755 of 0:0"
SU = "/usr/bin/su, mode 4755 of 0:0"
CRON = "/etc/cron.d/eve"
BIN = "/usr/local/bin, mode 1777 of 0:0"
OTHER_SU = {**ACCESS, "file-setuid": {SU: "b" * 64}}


def socket(**more: Any) -> dict[str, Any]:
    return {"engine_sockets": [{"path": "/run/docker.sock", "uid": 0, "gid": 102, "mode": 0o660, **more}]}


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, []),
        (socket(mode=0o666), [("high", "engine-socket", "/run/docker.sock")]),
        (socket(mode=0o662), [("high", "engine-socket", "/run/docker.sock")]),
        (socket(uid=1000), [("high", "engine-socket", "/run/docker.sock")]),
        (socket(gid=4), [("high", "engine-socket", "/run/docker.sock")]),
        (socket(gid=0, mode=0o600), []),
        ({"access": access_with("account-root", toor="")}, [("high", "account-root", "toor")]),
        ({"access": access_with("account-key", **{KEY: ""})}, [("high", "account-key", KEY)]),
        ({"access": access_with("account-sudo", **{EVE: ""})}, [("high", "account-sudo", EVE)]),
        ({"access": access_with("account-group", **{"eve in sudo": ""})}, [("high", "account-group", "eve in sudo")]),
        ({"access": access_with("file-setuid", **{SH: ""})}, [("high", "file-setuid", SH)]),
        ({"access": {**ACCESS, "account-sudo": {}}}, [("low", "account-sudo", next(iter(ACCESS["account-sudo"])))]),
        ({"access": OTHER_SU}, [("high", "file-setuid", SU)]),
        ({"access": OTHER_SU, "upgraded": [SU]}, []),
        ({"access": access_with("file-autostart", **{CRON: "c" * 64})}, [("high", "file-autostart", CRON)]),
        (
            {"access": {**ACCESS, "file-autostart": {"/etc/cron.d/backup": "c" * 64}}},
            [("high", "file-autostart", "/etc/cron.d/backup")],
        ),
        ({"access": access_with("file-open", **{BIN: ""})}, [("high", "file-open", BIN)]),
        # The comment of a key opens nothing.
        ({"access": {**ACCESS, "account-key": dict.fromkeys(ACCESS["account-key"], "ben@desk")}}, []),
        ({"baseline": baseline(digest="e" * 64)}, [("high", "baseline-changed", FILE)]),
        ({"baseline": baseline(trouble="mode 0666")}, [("high", "baseline-changed", FILE)]),
        ({"baseline": baseline(environment="production")}, [("high", "baseline-changed", FILE)]),
        # It was recorded, so somebody has removed it.
        ({"baseline": None}, [("high", "baseline-missing", "")]),
    ],
)
def test_what_is_not_as_the_baseline_says_is_found(changed: dict[str, Any], found: list[tuple[str, str, str]]) -> None:
    assert bad(audit_access.check("app-1", facts(**changed), settings())) == found


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"baseline": None}, [("medium", "baseline-missing", "")]),
        (
            {"baseline": None, "access": access_with("account-root", toor="")},
            [("medium", "baseline-missing", ""), ("high", "account-root", "toor")],
        ),
        (
            {"baseline": None, "access": access_with("account-login", **{"eve: uid 4001, /bin/sh, password empty": ""})},
            [("medium", "baseline-missing", ""), ("high", "account-login", "eve")],
        ),
        ({}, [("low", "baseline-changed", FILE)]),
    ],
)
def test_before_the_repository_knows_a_baseline_it_proves_less(
    changed: dict[str, Any], found: list[tuple[str, str, str]]
) -> None:
    assert bad(audit_access.check("app-1", facts(**changed), settings(**NO_RECORD))) == found


def test_without_a_baseline_nothing_has_passed_that_it_would_show() -> None:
    checks = audit_access.check("app-1", facts(baseline=None), settings(**NO_RECORD))
    assert [identity for check in checks for identity in check.ids] == ["engine-socket"]


def only(**changed: Any) -> Finding:
    [found] = [one for check in audit_access.check("app-1", facts(**changed), settings()) for one in check.findings]
    return found


def test_each_finding_says_what_was_seen_and_what_to_do() -> None:
    found = only(access=access_with("account-key", **{KEY: "eve@laptop"}))
    assert found.seen == "key that opens an account that the baseline has not (eve@laptop)"
    assert found.mend == f"take its line out of /root/.ssh/authorized_keys; when it is meant: {RENEW}"
    assert only(access=access_with("account-sudo", **{EVE: ""})).mend.startswith("take the line out of /etc/sudoers.d/eve; ")
    assert only(access=access_with("account-group", **{"eve in sudo": ""})).mend.startswith("gpasswd --delete eve sudo; ")
    assert only(access=access_with("file-setuid", **{SH: ""})).mend.startswith("chmod ug-s /tmp/.x, or remove it; ")
    assert only(access=access_with("file-autostart", **{f"{CRON} -> /x": ""})).mend.startswith(
        f"look at it, and remove it: {CRON}; "
    )
    assert only(access=access_with("file-open", **{BIN: ""})).mend.startswith(
        "chown root:root /usr/local/bin; chmod go-w /usr/local/bin; "
    )
    assert only(access=OTHER_SU).seen.endswith("whose content is neither what it was nor what its package says")
    changed = only(baseline=baseline(digest="e" * 64))
    assert changed.seen == (
        "is not the one that was recorded on 2026-01-02T00:00:00Z: its SHA-256 begins with eeeeeeee, and the repository says "
        "dddddddd"
    )
    gone = only(baseline=None)
    assert gone.seen == "the baseline that was recorded on 2026-01-02T00:00:00Z is gone from this host"
    assert gone.mend == f"find out who removed it; then {RENEW}"
    [never] = [
        one for check in audit_access.check("app-1", facts(baseline=None), settings(**NO_RECORD)) for one in check.findings
    ]
    assert never.mend == RECORD
    assert only(**socket(mode=0o666)).seen == "mode 0666, open to everybody: who may write to it is root"


def test_the_report_says_what_each_baseline_is_worth() -> None:
    [row] = audit_access.rows("app-1", facts(), settings())
    assert (row["recorded"], row["guarded"], row["counts"]["account-key"]) == ("2026-01-02T00:00:00Z", True, 1)
    assert audit_access.rows("app-1", facts(baseline=baseline(digest="e" * 64)), settings())[0]["guarded"] is False
    assert DIGEST not in str(row)


@pytest.mark.parametrize(
    ("changed", "found", "passed"),
    [
        ({}, [], ["secret-leftover", "secret-unsearched"]),
        (
            {"searched": searched(copies=[copied()])},
            [("high", "secret-leftover", "/home/deploy/.env")],
            ["secret-unsearched"],
        ),
        (
            {"searched": searched(copies=[copied(path="/root/api.env", uid=0, gid=0, mode=0o600, open=False)])},
            [("medium", "secret-leftover", "/root/api.env")],
            ["secret-unsearched"],
        ),
        (
            {"searched": searched(copies=[copied()], more=7)},
            [("high", "secret-leftover", "/home/deploy/.env"), ("high", "secret-leftover", "")],
            ["secret-unsearched"],
        ),
        ({"abandoned": ["/run/x"]}, [("medium", "secret-leftover", "/run/x")], ["secret-unsearched"]),
        ({"searched": searched(unread=["1 files"])}, [("low", "secret-unsearched", "")], ["secret-leftover"]),
        # A balancer.
        ({"secrets": {}, "searched": searched(values=0)}, [], ["secret-leftover"]),
        # Secrets that the release reads and that nobody could search for.
        ({"searched": searched(values=0)}, [], []),
    ],
)
def test_a_copy_of_a_secret_is_found_and_then_nothing_of_the_kind_has_passed(
    changed: dict[str, Any], found: list[tuple[str, str, str]], passed: list[str]
) -> None:
    check = audit_secrets.copies("app-1", facts(**changed))
    assert bad([check]) == found
    assert [identity for identity in check.ids if identity not in {one.id for one in check.findings}] == passed


def test_what_was_searched_and_what_was_not_is_said() -> None:
    check = audit_secrets.copies("app-1", facts(searched=searched(short=["api.PIN"])))
    assert check.seen == (
        "900 files, searched for the values of 2 secrets, but not of those too short to be told from other words (api.PIN); "
        "not searched: /var/lib/docker, what packages brought"
    )
    names = ["api.A", "api.B", "api.C", "api.D"]
    [one] = audit_secrets.copies("app-1", facts(searched=searched(copies=[copied(secrets=names)]))).findings
    assert one.seen == "holds the value of api.A, api.B, api.C and 1 more; mode 0644, open to deploy, group 1000, everybody"
    assert one.mend == "rm /home/deploy/.env; and rotate what it holds: playbooks/rotate_secrets.yml"
