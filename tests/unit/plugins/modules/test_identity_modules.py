"""The modules as Ansible runs them: hosts below a temporary directory, databases that must not be asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger import read as ledger_rows
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import Row
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import Ledger
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database as declared_database
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker as database_identity_of
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.host import HostIdentity, Owner
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.marker import Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import room
from ansible_collections.morpheus.deploy.plugins.modules import database_identity, host_identity

from tests.unit.module_run import run_module

URL = "postgresql://postgres:hunter2-canary@db.abc.supabase.co/postgres"
ROOM = {"max": 100, "reserved": 3, "others": 4, "limit": -1}


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostIdentity:
    """The host that the module sees."""
    monkeypatch.setattr(host_identity, "HostIdentity", lambda: HostIdentity(tmp_path))
    return HostIdentity(tmp_path)


def run(module: Any, capsys: pytest.CaptureFixture[str], **options: Any) -> dict[str, Any]:
    return run_module(module, capsys, options)


def test_a_claim_is_written_once(capsys: pytest.CaptureFixture[str], host: HostIdentity) -> None:
    first = run(host_identity, capsys, environment="staging", state="claimed")
    assert (first["changed"], first["environment"]) == (True, "staging")
    assert first["diff"] == {"before": "\n", "after": "staging\n"}
    assert host.read() == Owner("staging", first["claimed"])
    again = run(host_identity, capsys, environment="staging", state="claimed")
    assert (again["changed"], again["claimed"]) == (False, first["claimed"])


def test_check_mode_claims_nothing(capsys: pytest.CaptureFixture[str], host: HostIdentity) -> None:
    assert run(host_identity, capsys, environment="staging", state="claimed", _ansible_check_mode=True)["changed"]
    assert host.read() == Owner()


def test_a_host_moves_when_its_environment_gives_it_up(capsys: pytest.CaptureFixture[str], host: HostIdentity) -> None:
    host.write(Owner("staging", "2026-11-24T10:00:00Z"))
    refused = run(host_identity, capsys, environment="production", state="claimed")
    assert refused["msg"].startswith(
        "This host belongs to staging, since 2026-11-24T10:00:00Z, and cannot become one of production."
    )
    assert host.read().environment == "staging"
    moved = run(host_identity, capsys, environment="production", state="claimed", release_from="staging")
    assert moved["diff"] == {"before": "staging\n", "after": "production\n"}
    assert host.read().environment == "production"


def test_looking_writes_nothing_and_says_all_that_is_wrong(capsys: pytest.CaptureFixture[str], host: HostIdentity) -> None:
    result = run(host_identity, capsys, environment="staging", sandbox_only=True)
    assert [line.split(",")[0] for line in result["msg"].splitlines()] == [
        "This host belongs to no environment. If it is one of staging's",
        "The secrets of this inventory are the demo's",
    ]
    assert list(host.path.parent.iterdir()) == []


def test_a_host_of_the_environment_passes(capsys: pytest.CaptureFixture[str], host: HostIdentity) -> None:
    host.write(Owner("staging", "2026-11-24T10:00:00Z"))
    assert run(host_identity, capsys, environment="staging")["changed"] is False


def test_a_broken_claim_is_no_traceback(capsys: pytest.CaptureFixture[str], host: HostIdentity) -> None:
    host.path.write_text("{")
    assert "is not what a claim writes" in run(host_identity, capsys, environment="staging")["msg"]


def test_an_environment_without_a_name_claims_nothing(capsys: pytest.CaptureFixture[str], host: HostIdentity) -> None:
    assert run(host_identity, capsys, environment="", state="claimed")["msg"] == "environment must not be empty"


class DriverError(Exception):
    """psycopg2.Error."""


def drive(monkeypatch: pytest.MonkeyPatch, connect: Callable[..., Any]) -> None:
    """A driver that connects so; the real one is on hosts only."""
    monkeypatch.setattr(declared_database, "import_error", None)
    monkeypatch.setattr(room, "look", lambda cursor: ROOM)
    errors = SimpleNamespace(InsufficientPrivilege=DriverError)
    driver = SimpleNamespace(Error=DriverError, errors=errors, connect=connect)
    monkeypatch.setattr(declared_database, "psycopg2", driver, raising=False)


def connection(**keywords: str) -> SimpleNamespace:
    return SimpleNamespace(set_session=lambda readonly: None, cursor=lambda: None, close=lambda: None)


def unreachable(**keywords: str) -> None:
    raise DriverError(f'connection to "{keywords["host"]}" failed for "{keywords["password"]}"\n  of {URL}')


@pytest.mark.parametrize("state", ["checked", "claimed"])
def test_a_database_of_another_project_is_not_even_contacted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    def connect(**keywords: str) -> None:
        pytest.fail("it was contacted")

    drive(monkeypatch, connect)
    options = {"url": URL, "variable": "api.DATABASE_URL", "environment": "staging", "project_ref": "xyz", "state": state}
    assert run(database_identity, capsys, **options)["msg"] == (
        "api.DATABASE_URL leads to the Supabase project abc, expected xyz; nothing was contacted"
    )


NO_ANSWER = (
    "api.DATABASE_URL leads to a database that cannot be used from this host: "
    'connection to "db.abc.supabase.co" failed for "***" of ***'
)


def test_a_database_that_does_not_answer_is_described_without_the_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(monkeypatch, unreachable)
    result = run(database_identity, capsys, url=URL, variable="api.DATABASE_URL", environment="staging")
    assert result["msg"] == NO_ANSWER


def test_a_host_without_the_driver_is_told_what_installs_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declared_database, "import_error", ImportError())
    message = run(database_identity, capsys, url=URL, environment="staging")["msg"]
    assert message == str(missing_library("psycopg2"))


ASKED = {"url": URL, "variable": "api.DATABASE_URL", "project_ref": "abc"}
SAYS = [
    pytest.param(Seen("staging", "7"), "", id="its own"),
    pytest.param(
        Seen("production", "7"),
        "api.DATABASE_URL leads to a database that is marked as production's, expected staging's; correct the secret",
        id="another",
    ),
]


@pytest.mark.parametrize(("seen", "refusal"), SAYS)
def test_a_host_is_checked_together_with_the_database(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, host: HostIdentity, seen: Seen, refusal: str
) -> None:
    host.write(Owner("staging", "2026-11-24T10:00:00Z"))
    drive(monkeypatch, connection)
    monkeypatch.setattr(database_identity_of, "look", lambda connection, refusal: seen)
    monkeypatch.setattr(ledger_rows, "rows", lambda connection, ledger, refusal: [Row("2"), Row("1"), Row("3", "", "failed")])
    result = run(host_identity, capsys, environment="staging", database={**ASKED, "ledger": "public.ledger"})
    if refusal:
        assert result["msg"] == refusal
    else:
        database = result["database"]
        assert (database["environment"], database["system_identifier"], database["versions"]) == ("staging", "7", ["1", "2"])
        assert [row["state"] for row in database["ledger"]] == ["applied", "applied", "failed"]
        assert database["connections"] == ROOM


def unreadable(connection: Any, ledger: Ledger, refusal: type[Exception]) -> list[str]:
    raise DriverError(f"canceling statement due to lock timeout in {URL}")


def another_tools(connection: Any, ledger: Ledger, refusal: type[Exception]) -> list[str]:
    raise DeployError(f"has a ledger {ledger} without a column version")


LEDGERS = [
    pytest.param(
        unreadable,
        "api.DATABASE_URL leads to a database with an unreadable ledger, public.ledger: canceling statement due to lock timeout "
        "in ***. A migration that is at work may have locked it",
        id="a ledger that is locked",
    ),
    pytest.param(
        another_tools,
        "api.DATABASE_URL leads to a database that has a ledger public.ledger without a column version",
        id="a ledger of another tool",
    ),
]


@pytest.mark.parametrize(("read", "words"), LEDGERS)
def test_a_ledger_that_cannot_be_read_is_no_database_of_unknown_identity(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, host: HostIdentity, read: Any, words: str
) -> None:
    host.write(Owner("staging", "2026-11-24T10:00:00Z"))
    drive(monkeypatch, connection)
    monkeypatch.setattr(database_identity_of, "look", lambda connection, refusal: Seen("staging", "7"))
    monkeypatch.setattr(ledger_rows, "rows", read)
    result = run(host_identity, capsys, environment="staging", database={**ASKED, "ledger": "public.ledger"})
    assert result["msg"] == words


def test_without_a_ledger_none_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, host: HostIdentity
) -> None:
    host.write(Owner("staging", "2026-11-24T10:00:00Z"))
    drive(monkeypatch, connection)
    monkeypatch.setattr(database_identity_of, "look", lambda connection, refusal: Seen("staging", "7"))
    monkeypatch.setattr(ledger_rows, "rows", unreadable)
    assert run(host_identity, capsys, environment="staging", database={**ASKED, "ledger": ""})["database"]["versions"] == []


def test_a_host_of_another_environment_asks_no_database(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, host: HostIdentity
) -> None:
    host.write(Owner("production", "2026-11-24T10:00:00Z"))
    drive(monkeypatch, lambda **keywords: pytest.fail("it was contacted"))
    assert run(host_identity, capsys, environment="staging", database=ASKED)["msg"].startswith("This host belongs to production")


def test_a_claim_of_a_host_asks_no_database(capsys: pytest.CaptureFixture[str], host: HostIdentity) -> None:
    message = run(host_identity, capsys, environment="staging", state="claimed", database=ASKED)["msg"]
    assert message == "database: only with state=checked; morpheus.deploy.database_identity claims a database"
    assert host.read() == Owner()
