"""What a real database answers is seen by tests/acceptance/test_identity.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.marker import Seen, claim_problems, problems, versions

MARKER = "is marked as production's, expected staging's; correct the secret"
NO_MARKER = (
    "carries no marker, so its owner is unknown; if it is staging's, claim it: playbooks/claim.yml with the inventory of staging"
)
CLUSTER = "has the system identifier 2, expected 1"
LEDGER = (
    "has a ledger {} without a column version: stack.migration.ledger reads a ledger as Supabase keeps it, one row "
    'per version. Set it to "" for another tool (Alembic, Django, Prisma and others): then the migration runs at every '
    "deploy that changes something, and the tool itself finds what is to do"
)


DATABASES = [
    pytest.param(Seen("staging", ""), Seen("staging", "2"), [], id="its own"),
    pytest.param(Seen("staging", "2"), Seen("staging", "2"), [], id="its own, on the declared cluster"),
    pytest.param(Seen("staging", ""), Seen("", "2"), [NO_MARKER], id="a database that nobody has claimed"),
    pytest.param(Seen("staging", ""), Seen("production", "2"), [MARKER], id="a database of another environment"),
    pytest.param(Seen("staging", "1"), Seen("production", "2"), [CLUSTER, MARKER], id="another's on another cluster"),
    pytest.param(Seen("staging", "1"), Seen("staging", "2"), [CLUSTER], id="a copy of the database on another cluster"),
    pytest.param(
        Seen("staging", "1"),
        Seen("staging", ""),
        ["has the system identifier not told to this user, expected 1"],
        id="a cluster that does not tell which it is",
    ),
]


@pytest.mark.parametrize(("expected", "seen", "found"), DATABASES)
def test_a_database_that_differs_is_described(expected: Seen, seen: Seen, found: list[str]) -> None:
    assert problems(expected, seen) == found


@pytest.mark.parametrize(
    ("seen", "release_from", "found"),
    [
        pytest.param(Seen("", "1"), "", [], id="nobody's"),
        pytest.param(Seen("staging", "1"), "", [], id="its own"),
        pytest.param(Seen("production", "1"), "production", [], id="given up by the other"),
        pytest.param(
            Seen("production", "1"),
            "",
            [
                "is production's by its marker and cannot become staging's; correct the secret, or, if the database has moved or "
                "is a copy, run again with -e identity_release_from=production"
            ],
            id="another's",
        ),
        pytest.param(Seen("", "2"), "", [CLUSTER], id="on another cluster"),
    ],
)
def test_a_database_of_another_environment_is_claimed_only_when_that_one_is_named(
    seen: Seen, release_from: str, found: list[str]
) -> None:
    assert claim_problems(Seen("staging", "1"), seen, release_from) == found


class RefusedError(Exception):
    """psycopg2.errors.InsufficientPrivilege."""


class Tables:
    """A connection, and its cursor, to a database with these tables: name -> column -> its values."""

    def __init__(self, tables: dict[str, dict[str, Sequence[Any]]], *, readable: bool = True) -> None:
        self._tables = tables
        self._readable = readable
        self._rows: list[tuple[Any, ...]] = []
        self.written: list[str] = []

    def cursor(self) -> Tables:
        return self

    def execute(self, statement: str, values: Sequence[str] = ()) -> None:
        words = " ".join(statement.split())
        if words.startswith(("savepoint", "rollback")):
            self.written.append(words)
        elif words == "select to_regclass(%s) is not null":
            self._rows = [(values[0] in self._tables,)]
        elif "from pg_attribute" in words:
            self._rows = [("version" in self._tables[values[0]],)]
        else:
            if not self._readable:
                raise RefusedError
            table = words.removeprefix("select version::text from ")
            self._rows = [(str(value),) for value in self._tables[table]["version"]]

    def fetchone(self) -> tuple[Any, ...]:
        return self._rows[0]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


def test_a_ledger_lists_the_versions_that_are_applied() -> None:
    assert versions(Tables({"s.ledger": {"version": ["0002", "0001"], "name": []}}), "s.ledger", RefusedError) == ["0001", "0002"]


def test_before_the_first_migration_there_is_no_ledger_and_nothing_is_applied() -> None:
    assert versions(Tables({}), "public.alembic_version", RefusedError) == []


def test_a_ledger_that_may_not_be_read_lists_nothing_and_the_transaction_goes_on() -> None:
    tables = Tables({"s.ledger": {"version": ["1"]}}, readable=False)
    assert versions(tables, "s.ledger", RefusedError) == []
    assert tables.written == ["savepoint ledger", "rollback to savepoint ledger"]


@pytest.mark.parametrize(
    ("ledger", "column"),
    [
        ("public.alembic_version", "version_num"),
        ("public.django_migrations", "name"),
        ("public._prisma_migrations", "migration_name"),
    ],
)
def test_the_ledger_of_another_tool_is_told_from_an_empty_one(ledger: str, column: str) -> None:
    with pytest.raises(DeployError) as caught:
        versions(Tables({ledger: {column: ["ae1027a6acf"]}}), ledger, RefusedError)
    assert str(caught.value) == LEDGER.format(ledger)
