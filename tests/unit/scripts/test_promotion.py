"""A record that staging signed, and everything that keeps one away from production."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.scripts.programs import program

promotion = program("scripts/promotion.py")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
API = f"ghcr.io/shop/api@sha256:{'a' * 64}"
WEB = f"ghcr.io/shop/web@sha256:{'b' * 64}"


def key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


class Staging:
    """Signs a record, and asks production's question of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = key(directory / "key")
        self.record = directory / "record.json"
        self.signers = directory / "allowed_signers"
        self.signers.write_text(f'staging namespaces="promotion@morpheus.deploy" {(directory / "key.pub").read_text()}')

    def write(self, **changed: str) -> int:
        said = {"commit": COMMIT, "images": json.dumps({"API_IMAGE": API, "WEB_IMAGE": WEB}), "verdict": "deployed"} | changed
        named = [word for name, value in said.items() for word in (f"--{name}", value)]
        proofs = ["--proof", "test=success", "--proof", f"smoke={changed.get('smoke', 'success')}"]
        named = [word for pair in zip(named[::2], named[1::2], strict=True) if pair[0] != "--smoke" for word in pair]
        words = ["write", "--record", str(self.record), "--key", str(self.key), "--repository", "shop/shop", "--release", COMMIT]
        result: int = promotion.main([*words, *named, *proofs])
        return result

    def sign_again(self, **changed: Any) -> None:
        """As if staging itself had written it so."""
        self.record.write_text(json.dumps(json.loads(self.record.read_text()) | changed))
        promotion.sign(self.record, self.key)

    def verify(self, *more: str, commit: str = COMMIT, repository: str = "shop/shop") -> int:
        words = ["verify", "--record", str(self.record), "--allowed-signers", str(self.signers), "--repository", repository]
        result: int = promotion.main([*words, "--commit", commit, "--require", "test", "--require", "smoke", *more])
        return result


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    made = Staging(tmp_path)
    assert made.write() == 0
    return made


def test_what_staging_proved_is_printed(staging: Staging, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert staging.verify("--found", json.dumps({"API_IMAGE": f"sha256:{'a' * 64}"})) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["release"], record["images"]) == (COMMIT, {"API_IMAGE": API, "WEB_IMAGE": WEB})
    assert record["proofs"] == {"test": "success", "smoke": "success"}


@pytest.mark.parametrize(
    ("write", "verify", "said"),
    [
        pytest.param({"smoke": "failure"}, {}, "proofs.smoke: ended as 'failure' in staging", id="failed"),
        pytest.param({}, {"more": ["--require", "load"]}, "proofs.load: was not tried in staging", id="not tried"),
        pytest.param(
            {"verdict": "rolled_back"},
            {},
            "verdict: staging's deploy ended as 'rolled_back', where deployed or unchanged is needed",
            id="verdict",
        ),
        pytest.param(
            {}, {"commit": "f" * 40}, f"commit: staging ran '{COMMIT}' where '{'f' * 40}' is to be deployed", id="another commit"
        ),
        pytest.param(
            {},
            {"repository": "other/shop"},
            "repository: staging ran 'shop/shop' where 'other/shop' is to be deployed",
            id="fork",
        ),
        pytest.param(
            {},
            {"more": ["--found", json.dumps({"API_IMAGE": f"sha256:{'c' * 64}"})]},
            f"images.API_IMAGE: staging ran {API}, and the registry has sha256:{'c' * 64} under its release now",
            id="another digest",
        ),
        pytest.param(
            {},
            {"more": ["--found", '{"API_IMAGE": ""}']},
            f"images.API_IMAGE: staging ran {API}, and the registry has nothing under its release now",
            id="digest gone",
        ),
    ],
)
def test_what_was_not_proved_is_refused(
    staging: Staging, capsys: pytest.CaptureFixture[str], write: dict[str, str], verify: dict[str, Any], said: str
) -> None:
    assert staging.write(**write) == 0
    capsys.readouterr()
    assert staging.verify(*verify.pop("more", []), **verify) == 2
    assert capsys.readouterr().err == f"promotion: {COMMIT} must not go to production:\n  - {said}\n"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param(
            {"time": "2020-01-01T00:00:00Z"},
            "days ago, at most 14 are allowed. Run the staging workflow of this commit again",
            id="old",
        ),
        pytest.param({"time": "2999-01-01T00:00:00Z"}, "time: 2999-01-01T00:00:00Z lies in the future", id="future"),
        pytest.param({"time": "yesterday"}, "time: 'yesterday' is no time such as 2026-01-31T12:00:00Z", id="no time"),
        pytest.param({"images": {}}, "images: the record names none", id="no image"),
        pytest.param(
            {"images": {"A": "shop/api:1.0"}}, "images.A: 'shop/api:1.0' names no digest (name@sha256:...)", id="by tag"
        ),
        pytest.param(
            {"environment": "laptop"}, "environment: staging ran 'laptop' where 'staging' is to be deployed", id="laptop"
        ),
        pytest.param({"format": 2}, "format: 2 where 1 is expected; was it written by another version?", id="format"),
        pytest.param({"verdict": None}, "the record has no, or no sound, verdict", id="missing"),
        pytest.param({"approved": True}, "the record has no, or no sound, approved", id="unknown"),
    ],
)
def test_a_record_that_says_something_else_is_refused(
    staging: Staging, capsys: pytest.CaptureFixture[str], changed: dict[str, Any], said: str
) -> None:
    staging.sign_again(**changed)
    capsys.readouterr()
    assert staging.verify() == 2
    assert said in capsys.readouterr().err


def changed_text(staging: Staging) -> None:
    staging.record.write_text(staging.record.read_text().replace("a" * 64, "c" * 64))


def another_key(staging: Staging) -> None:
    promotion.sign(staging.record, key(staging.directory / "other"))


def no_signature(staging: Staging) -> None:
    staging.record.with_name("record.json.sig").unlink()


def another_purpose(staging: Staging) -> None:
    """Signed by the right key as something else, such as a commit."""
    staging.record.with_name("record.json.sig").unlink()
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(staging.key), str(staging.record)]
    subprocess.run(words, check=True, capture_output=True)


@pytest.mark.parametrize("spoil", [changed_text, another_key, no_signature, another_purpose])
def test_only_the_allowed_signer_is_believed(
    staging: Staging, capsys: pytest.CaptureFixture[str], spoil: Callable[[Staging], None]
) -> None:
    spoil(staging)
    capsys.readouterr()
    assert staging.verify() == 2
    assert f"{staging.record}.sig is no signature of 'staging' in {staging.signers}: " in capsys.readouterr().err


def test_all_problems_are_told_at_once(staging: Staging, capsys: pytest.CaptureFixture[str]) -> None:
    staging.sign_again(time="2020-01-01T00:00:00Z", proofs={}, verdict="failed")
    capsys.readouterr()
    assert staging.verify() == 2
    assert capsys.readouterr().err.count("\n  - ") == 4


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"commit": "main"}, "--commit: 'main' is no whole commit"),
        ({"images": '{"API_IMAGE": "shop/api:latest"}'}, "images.API_IMAGE: 'shop/api:latest' names no digest (name@sha256:...)"),
    ],
)
def test_staging_signs_no_nonsense(
    staging: Staging, capsys: pytest.CaptureFixture[str], changed: dict[str, str], said: str
) -> None:
    capsys.readouterr()
    assert staging.write(**changed) == 2
    assert capsys.readouterr().err == f"promotion: nothing was written:\n  - {said}\n"


def data_of(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "data: staging was tried with data of nobody knows when (none are told of). Run playbooks/export_data.yml"),
        (data_of(31.5), "31.5 days ago, at most 30 are allowed. Run playbooks/export_data.yml for production"),
        ("yesterday", "data: staging was tried with data of nobody knows when (yesterday)"),
    ],
    ids=["none", "old", "no time"],
)
def test_old_data_of_staging_keep_a_release_away_where_somebody_asks(
    staging: Staging, capsys: pytest.CaptureFixture[str], data: str, said: str
) -> None:
    staging.write(data=data)
    assert staging.verify("--max-data-days", "30") == 2
    assert said in capsys.readouterr().err
    assert staging.verify() == 0
    assert staging.verify("--max-data-days", "") == 0
    staging.write(data=data_of(29))
    assert staging.verify("--max-data-days", "30") == 0


def test_a_record_from_before_data_were_told_of_is_read(staging: Staging) -> None:
    record = json.loads(staging.record.read_text())
    del record["data"]
    staging.record.write_text(json.dumps(record))
    promotion.sign(staging.record, staging.key)
    assert staging.verify() == 0
    assert staging.verify("--max-data-days", "30") == 2
