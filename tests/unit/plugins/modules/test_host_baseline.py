"""A baseline is recorded once, renewed deliberately, and never accepted when it is another one than was recorded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import baseline, walk
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.modules import host_baseline

from tests.unit.module_run import run_module

CAPSYS = pytest.CaptureFixture[str]
RENEW = "ansible-playbook playbooks/claim.yml -i inventories/staging --tags baseline -e audit_renew_baseline=true"  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host of staging with one account."""
    monkeypatch.setattr(host_baseline, "ROOT", tmp_path)
    for name, text in (("passwd", "root:x:0:0::/root:/bin/sh\n"), ("shadow", "root:*:1::::::\n"), ("group", "root:x:0:\n")):
        (tmp_path / "etc").mkdir(exist_ok=True)
        (tmp_path / "etc" / name).write_text(text)
    HostIdentity(tmp_path / "etc/morpheus.deploy").write(Owner("staging", "2026-11-24T10:00:00Z"))
    return tmp_path


def run(capsys: CAPSYS, **options: Any) -> dict[str, Any]:
    return run_module(host_baseline, capsys, {"environment": "staging", **options})


def path(root: Path) -> Path:
    return root / "etc/morpheus.deploy/baseline.json"


def sha(root: Path) -> str:
    return hashlib.sha256(path(root).read_bytes()).hexdigest()


def toor(root: Path) -> None:
    with (root / "etc/passwd").open("a") as stream:
        stream.write("toor:x:0:0::/root:/bin/sh\n")


def test_a_baseline_is_recorded_once_and_stays_whatever_changes(root: Path, capsys: CAPSYS) -> None:
    first = run(capsys)
    assert (first["changed"], first["digest"], first["differences"]) == (True, sha(root), [])
    assert path(root).stat().st_mode & 0o777 == 0o600
    assert json.loads(path(root).read_text())["format"] == 1
    toor(root)
    again = run(capsys, known=first["digest"])
    assert (again["changed"], again["digest"]) == (False, first["digest"])
    assert again["differences"] == [
        "new account-root: toor",
        "new account-login: toor: uid 0, /bin/sh, password locked",
        "new account-group: toor in root",
    ]


def test_it_is_renewed_when_somebody_says_so(root: Path, capsys: CAPSYS) -> None:
    first = run(capsys)
    toor(root)
    checked = run(capsys, renew=True, _ansible_check_mode=True)
    assert checked["changed"]
    assert sha(root) == first["digest"]
    assert "account-root: toor\n" in checked["diff"]["after"]
    assert "toor" not in checked["diff"]["before"]
    renewed = run(capsys, renew=True, known=first["digest"])
    assert (renewed["changed"], renewed["digest"]) == (True, sha(root))
    assert renewed["digest"] != first["digest"]
    assert not run(capsys, renew=True)["changed"]


def test_check_mode_records_nothing(root: Path, capsys: CAPSYS) -> None:
    assert run(capsys, _ansible_check_mode=True)["changed"]
    assert not path(root).exists()


def test_a_baseline_that_is_gone_or_another_one_is_refused(root: Path, capsys: CAPSYS) -> None:
    digest = run(capsys)["digest"]
    own = baseline.BaselineFile(root / "etc/morpheus.deploy")
    own.write("staging", "2026-11-24T10:00:00Z", {"account-root": {"root": "", "toor": ""}})
    assert run(capsys, known=digest)["msg"] == (
        f"{path(root)} is not the baseline that was recorded: its SHA-256 begins with {sha(root)[:8]}, where {digest[:8]} is "
        f"known. Find out who changed it, and look at all that the host is; then record it again: {RENEW}"
    )
    path(root).unlink()
    assert run(capsys, known=digest)["msg"] == (
        f"{path(root)} was recorded, and is gone. Find out who removed it; then record it again: {RENEW}"
    )
    assert run(capsys, known=digest, renew=True)["changed"]


def test_a_baseline_of_another_environment_is_refused(root: Path, capsys: CAPSYS) -> None:
    baseline.BaselineFile(root / "etc/morpheus.deploy").write("production", "2026-11-24T10:00:00Z", {})
    assert run(capsys)["msg"] == (f"{path(root)} was recorded for production. Look at the host; then record it again: {RENEW}")
    assert run(capsys, renew=True)["changed"]


def test_a_host_of_another_environment_is_refused_before_anything_is_read(
    root: Path, capsys: CAPSYS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "walk", lambda *arguments, **options: pytest.fail("walked"))
    HostIdentity(root / "etc/morpheus.deploy").write(Owner("production", ""))
    assert run(capsys)["msg"].startswith("This host belongs to production and not to staging.")
    assert not path(root).exists()


def test_a_damaged_baseline_says_how_to_go_on_and_a_renewal_replaces_it(root: Path, capsys: CAPSYS) -> None:
    path(root).write_text('{"format": 1')
    assert run(capsys)["msg"] == (
        f"{path(root)} cannot be read (it ends in the middle): look at the host, and record it again: playbooks/claim.yml --tags "
        "baseline -e audit_renew_baseline=true"
    )
    path(root).write_text('{"format": 1, "entries": []}')
    assert "cannot be read (it has no entries)" in run(capsys)["msg"]
    assert run(capsys, renew=True)["changed"]
    path(root).write_text('{"format": 99}')
    assert "has format 99" in run(capsys, renew=True)["msg"]


def test_a_host_that_cannot_be_walked_to_its_end_gets_no_baseline(
    root: Path, capsys: CAPSYS, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "walk", lambda *arguments, **options: walk.Walked(count=9, complete=False))
    assert run(capsys)["msg"].startswith("9 files and directories of this host were walked in 120 s, and there are more")
    assert not path(root).exists()


def test_who_else_may_change_the_file_is_told(root: Path, capsys: CAPSYS) -> None:
    run(capsys)
    path(root).chmod(0o666)
    found = baseline.BaselineFile(root / "etc/morpheus.deploy").read()
    assert found is not None
    assert found.trouble.startswith("mode 0666, of uid ")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hosts": {"a": "x"}}', '{"hosts": {"a": {"digest": 1, "recorded": ""}}}'])
def test_a_file_that_says_nothing_is_refused_by_its_path(tmp_path: Path, text: str) -> None:
    file = tmp_path / "baselines.json"
    file.write_text(text)
    with pytest.raises(DeployError) as caught:
        baseline.known(file)
    assert str(caught.value) == (
        f"{file}: is not a file of baselines; bring it back from the repository, or remove it and record the baselines again"
    )
