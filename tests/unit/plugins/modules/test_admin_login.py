"""A rotation's login with admin's rights is asked whose database it leads to, before a role is looked at or changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.morpheus.deploy.plugins.modules import postgres_login

ADMIN = "postgresql://admin:canary-admin@db.example.com/app"
URL = "postgresql://app_b:canary-new@db.example.com/app"
OPTIONS: dict[str, Any] = {
    "url": URL,
    "admin_url": ADMIN,
    "environment": "staging",
    "owner": "app",
    "token": 7,
    "wait_seconds": 0,
}


class PrivilegeError(Exception):
    """psycopg2.errors.InsufficientPrivilege."""


class Database:
    """Postgres as far as the module asks it. ``said``: every statement of admin's, in order; None: it has no marker."""

    def __init__(self, marker: str | None, identifier: str = "7") -> None:
        self.marker, self.identifier = marker, identifier
        self.said: list[str] = []
        # Logins that work -> the role that they act as.
        self.logins: dict[str, str] = {"app_a": "app"}

    def connect(self, *, user: str, **options: Any) -> Any:
        if user != "admin" and user not in self.logins:
            raise Driver.Error(f'password authentication failed for user "{user}"')
        return Connection(self, user)


class Connection:
    def __init__(self, database: Database, user: str) -> None:
        self._database, self._user = database, user
        self._answer: tuple[Any, ...] = ()
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *unused: object) -> None:
        """The transaction ends."""

    def close(self) -> None: ...

    def cursor(self) -> Connection:
        return self

    def execute(self, statement: Any, values: Sequence[Any] = ()) -> None:
        words = " ".join(str(statement).split())
        if self._user == "admin":
            self._database.said.append(words)
        answers: dict[str, tuple[Any, ...]] = {
            "select to_regclass('morpheus_deploy.identity') is not null": (self._database.marker is not None,),
            "select environment from morpheus_deploy.identity": (self._database.marker,),
            "select system_identifier from pg_control_system()": (self._database.identifier,),
            "select current_user": (self._database.logins.get(self._user),),
        }
        self._answer = answers.get(words, (False, "", False))
        self._rows = []

    def fetchone(self) -> tuple[Any, ...]:
        return self._answer

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


class Driver:
    class Error(Exception):
        """Of psycopg2."""

    errors = SimpleNamespace(InsufficientPrivilege=PrivilegeError)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def ran(database: Database, **options: Any) -> dict[str, Any]:
        driver = SimpleNamespace(connect=database.connect, Error=Driver.Error, errors=Driver.errors)
        monkeypatch.setattr(postgres_login, "psycopg2", driver)
        monkeypatch.setattr(
            postgres_login, "extensions", SimpleNamespace(encrypt_password=lambda *a, **k: "SCRAM"), raising=False
        )
        given = {**OPTIONS, **options}
        with patch_module_args(given), pytest.raises(SystemExit):
            postgres_login.main()
        out = capsys.readouterr().out
        assert "canary" not in out
        found: dict[str, Any] = json.loads(out)
        return found

    return ran


FOREIGN = "is marked as production's, expected staging's; correct the secret"
UNMARKED = (
    "carries no marker, so its owner is unknown; if it is staging's, claim it: playbooks/claim.yml with the inventory of staging"
)
OTHER_CLUSTER = "has the system identifier 7, expected 8"


@pytest.mark.parametrize(
    ("marker", "options", "problem"),
    [
        ("production", {}, FOREIGN),
        ("production", {"may_be_unmarked": True}, FOREIGN),
        (None, {}, UNMARKED),
        ("staging", {"system_identifier": "8"}, OTHER_CLUSTER),
        (None, {"system_identifier": "8", "may_be_unmarked": True}, OTHER_CLUSTER),
    ],
)
@pytest.mark.parametrize("act", [{}, {"_ansible_check_mode": True}, {"state": "closed"}], ids=["open", "check mode", "close"])
def test_no_role_of_a_database_that_is_not_ours_is_looked_at_or_changed(
    run: Callable[..., dict[str, Any]], marker: str | None, options: dict[str, Any], problem: str, act: dict[str, Any]
) -> None:
    database = Database(marker)
    result = run(database, **options, **act)
    assert result["failed"]
    assert result["msg"] == f"admin_url leads to a database that {problem}. No role was looked at or changed"
    assert [words for words in database.said if "role" in words or "pg_stat" in words or "pg_auth" in words] == []


@pytest.mark.parametrize(("marker", "options"), [("staging", {}), (None, {"may_be_unmarked": True})])
def test_each_connection_to_a_database_of_ours_is_asked_before_anything_else(
    run: Callable[..., dict[str, Any]], marker: str | None, options: dict[str, Any]
) -> None:
    database = Database(marker)
    # The login is opened, and acts as nobody: what matters is what was said before.
    run(database, **options)
    changes = [number for number, words in enumerate(database.said) if "role" in words]
    asked = [number for number, words in enumerate(database.said) if "morpheus_deploy.identity" in words]
    assert changes
    assert min(asked) < min(changes)
