"""A signing key rotated from the legacy secret to its end, with the vendor's client: who is accepted, and who no longer."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.client import Api
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase_api.project import Project
from ansible_collections.morpheus.deploy.plugins.modules import supabase_project
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import supabase_status

from tests.supabase.standin import STAGING, STAGING_TOKEN, StandIn, jwt_secret, keys, node, publishable
from tests.unit.module_run import run_module
from tests.unit.scripts.programs import program

HERE = Path(__file__).parent
PERSON = {"email": "ida@users.example", "password": "a long password"}
WAITS = "another signing key is on standby, and can be used in 20 min"
LEGACY = "the signing key before is still good, because the API keys anon and service_role are signed with it; "
GOOD, BAD = ("", ""), ("bad_jwt", "bad_jwt")


class Rotation:
    """Staging's. Time passes when a test says so, for the stand-in and for the module."""

    def __init__(self, supabase: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.supabase, self._capsys, self.key = supabase, capsys, keys(STAGING)["anon"]
        self._at = float(int(time.time()))
        self.passes(0)
        monkeypatch.setattr(supabase_project, "Project", partial(Project, now=self.now))

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._at, timezone.utc)  # noqa: UP017 - as the code

    def passes(self, minutes: float) -> None:
        self._at += minutes * 60
        self.supabase.is_at(self._at)

    def run(self, **more: Any) -> dict[str, Any]:
        wanted = {"algorithm": "ES256", "max_age_days": 90}
        return run_module(supabase_project, self._capsys, self.supabase.options(**{"signing_key": wanted, **more}))

    def step(self) -> str:
        """What check mode says, and then is done, in one sentence; empty when nothing is."""
        writes = len(self.supabase.writes())
        planned = self.run(_ansible_check_mode=True)
        assert len(self.supabase.writes()) == writes
        done = self.run()
        assert done["differences"] == planned["differences"]
        assert len(self.supabase.writes()) == writes + len(done["differences"])
        return "; ".join(one["sentence"] for one in done["differences"])

    def waiting(self) -> list[str]:
        found = self.run()
        assert not found["changed"]
        return list(found["waiting"])

    def states(self) -> list[tuple[str, str]]:
        found = self.supabase.ask("GET", f"/v1/projects/{STAGING}/config/auth/signing-keys", STAGING_TOKEN)["keys"]
        return [(one["algorithm"], one["status"]) for one in found]

    def client(self, **wanted: Any) -> dict[str, Any]:
        url = f"{self.supabase.project_url(STAGING)}/auth/v1"
        found: dict[str, Any] = node(HERE / "tokens.mjs", url, self.key, json.dumps(wanted))
        return found

    def accepts(self, **tokens: str) -> dict[str, tuple[str, str]]:
        """Name -> why the service, and the client itself, refuses the token."""
        return {name: (one["byServer"], one["byClaims"]) for name, one in self.client(tokens=tokens).items()}

    def refreshed(self, session: dict[str, str]) -> dict[str, str]:
        found: dict[str, str] = self.client(refresh=session["refresh"])["session"]
        return found


@pytest.fixture
def rotation(supabase: StandIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Rotation:
    supabase.drift("auth", mailer_autoconfirm=True)
    return Rotation(supabase, capsys, monkeypatch)


def part(token: str, number: int) -> dict[str, Any]:
    """Header or claims."""
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.split(".")[number] + "=="))
    return found


def algorithm(token: str) -> str:
    return str(part(token, 0)["alg"])


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(session: dict[str, str]) -> str:
    """By somebody who has seen the legacy secret, and good for ten years."""
    claims = part(session["access"], 1)
    claims["exp"] += 315_360_000
    head = ".".join(encoded(json.dumps(one).encode()) for one in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{head}.{encoded(hmac.digest(jwt_secret(STAGING).encode(), head.encode(), 'sha256'))}"


def test_a_rotation_goes_its_whole_way_and_nobody_is_signed_out(rotation: Rotation) -> None:
    first = rotation.client(register=PERSON)["session"]
    stolen = forged(first)
    assert "the project signs with its legacy secret" in rotation.step()
    assert rotation.waiting() == [WAITS]
    assert rotation.accepts(first=first["access"], stolen=stolen) == {"first": GOOD, "stolen": GOOD}
    rotation.passes(19)
    assert rotation.waiting() == ["another signing key is on standby, and can be used in 1 min"]
    # The last one that the old key signs.
    second = rotation.refreshed(first)
    assert algorithm(second["access"]) == "HS256"
    rotation.passes(1)
    assert rotation.step() == "signing_key is tokens are signed with HS256, expected the key on standby in use"
    third = rotation.refreshed(second)
    assert algorithm(third["access"]) == "ES256"
    assert rotation.accepts(second=second["access"], third=third["access"]) == {"second": GOOD, "third": GOOD}
    assert rotation.waiting() == ["the signing key before can be revoked in 75 min"]
    rotation.passes(58)
    assert rotation.accepts(second=second["access"]) == {"second": GOOD}
    rotation.passes(16)
    assert rotation.waiting() == ["the signing key before can be revoked in 1 min"]
    rotation.passes(1)
    # Every token of the old key has ended, but the one that should never have been.
    fourth = rotation.refreshed(third)
    assert rotation.accepts(second=second["access"], stolen=stolen) == {"second": BAD, "stolen": GOOD}
    [why] = rotation.waiting()
    assert why.startswith(LEGACY)
    rotation.supabase.ask("PUT", f"/v1/projects/{STAGING}/api-keys/legacy?enabled=false", STAGING_TOKEN)
    rotation.key = publishable(STAGING)
    assert rotation.step() == "signing_key is the signing key before is still good, expected it is revoked"
    assert rotation.states() == [("HS256", "revoked"), ("ES256", "in_use")]
    assert rotation.accepts(stolen=stolen, fourth=fourth["access"]) == {"stolen": BAD, "fourth": GOOD}
    assert rotation.waiting() == []
    # The next one, when this key is old enough.
    rotation.passes(91 * 24 * 60)
    assert rotation.step() == "signing_key is the signing key is 91 days old (at most 90), expected a key ES256 on standby"
    rotation.passes(20)
    fifth = rotation.refreshed(fourth)
    assert "the key on standby in use" in rotation.step()
    sixth = rotation.refreshed(fifth)
    assert rotation.accepts(fifth=fifth["access"], sixth=sixth["access"]) == {"fifth": GOOD, "sixth": GOOD}
    rotation.passes(75)
    assert "it is revoked" in rotation.step()
    # Its public half is gone as well, so the client asks the service, which says no.
    assert rotation.accepts(fifth=fifth["access"]) == {"fifth": BAD}
    assert rotation.states() == [("HS256", "revoked"), ("ES256", "revoked"), ("ES256", "in_use")]


@pytest.mark.deep
def test_each_night_is_told_which_step_is_due_until_the_rotation_is_over(rotation: Rotation) -> None:
    """By the nightly look, which changes nothing; the command that it names does the step."""

    def night() -> list[str]:
        writes = len(rotation.supabase.writes())
        seen = {"declared": True, "asked": True, "project": rotation.run(_ansible_check_mode=True)}
        assert len(rotation.supabase.writes()) == writes
        report = {"environment": "staging", "hosts": {}, "supabase": supabase_status.told(seen)}
        end = "; go on with ansible-playbook playbooks/supabase.yml -i inventories/staging"
        found = list(program("scripts/night.py").of_status(report))
        assert all(one.endswith(end) for one in found)
        return [one.removeprefix("rotation of the signing key: ").removesuffix(end) for one in found]

    rotation.supabase.ask("PUT", f"/v1/projects/{STAGING}/api-keys/legacy?enabled=false", STAGING_TOKEN)
    assert night() == [
        "due now: signing_key is the project signs with its legacy secret, expected which becomes a key that can be rotated",
        "due now: signing_key is no signing key is in use, expected a key ES256 on standby",
    ]
    rotation.run()
    assert night() == [WAITS]
    rotation.passes(20)
    assert night() == ["due now: signing_key is tokens are signed with HS256, expected the key on standby in use"]
    rotation.run()
    assert night() == ["the signing key before can be revoked in 75 min"]
    rotation.passes(75)
    assert night() == ["due now: signing_key is the signing key before is still good, expected it is revoked"]
    rotation.run()
    assert rotation.states() == [("HS256", "revoked"), ("ES256", "in_use")]
    assert night() == []


def dies_before(send: Callable[[], Any]) -> Any:
    raise DeployError("killed")


def dies_after(send: Callable[[], Any]) -> Any:
    send()
    raise DeployError("killed")


@pytest.mark.parametrize("dies", [dies_before, dies_after])
@pytest.mark.deep
def test_a_rotation_that_is_killed_at_each_of_its_writes_is_gone_on_with_by_the_same_command(
    rotation: Rotation, monkeypatch: pytest.MonkeyPatch, dies: Callable[[Callable[[], Any]], Any]
) -> None:
    rotation.supabase.ask("PUT", f"/v1/projects/{STAGING}/api-keys/legacy?enabled=false", STAGING_TOKEN)
    write, killed = Api.write, set()

    def writes(api: Api, method: str, path: str, body: Any = None) -> Any:
        what = (method, path.rpartition("/")[2] if method == "POST" else "", json.dumps(body))
        if what not in killed:
            killed.add(what)
            return dies(lambda: write(api, method, path, body))
        return write(api, method, path, body)

    monkeypatch.setattr(Api, "write", writes)
    for _ in range(20):
        assert rotation.run().get("msg") in (None, "killed")
        used = [status for _, status in rotation.states()].count("in_use")
        assert used == (1 if rotation.states() else 0)
        rotation.passes(10)
    assert len(killed) == 4
    assert rotation.states() == [("HS256", "revoked"), ("ES256", "in_use")]
    assert rotation.waiting() == []


@pytest.mark.deep
def test_a_key_on_standby_of_another_algorithm_makes_room(rotation: Rotation) -> None:
    rotation.supabase.ask("PUT", f"/v1/projects/{STAGING}/api-keys/legacy?enabled=false", STAGING_TOKEN)
    rotation.run(signing_key={"algorithm": "RS256"})
    assert "the key on standby is one for RS256, expected it makes room for one for ES256" in rotation.step()
    for _ in range(20):
        rotation.passes(10)
        assert "msg" not in rotation.run()
    assert sorted(rotation.states()) == [("ES256", "in_use"), ("HS256", "revoked"), ("RS256", "revoked")]
