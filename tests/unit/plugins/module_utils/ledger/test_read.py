"""What is told of tables that cannot be read. A real database is read by tests/migration_tools and tests/migrations."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.read import UnreadableError, rows
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import TOOLS, Ledger

LEDGER = (
    "has a ledger {} without a column version: stack.migration.ledger reads a ledger as Supabase keeps it, one "
    "row per version. For Alembic, Django, Prisma, Rails and Flyway set stack.migration.preset, which knows their tables; for "
    'another tool set the ledger to "": then the migration runs at every deploy that changes something, and the tool itself '
    "finds what is to do"
)


class RefusedError(Exception):
    """psycopg2.errors.InsufficientPrivilege."""


class Table:
    """A connection, and its cursor, to a database with one table that has these columns."""

    def __init__(self, *columns: str, readable: bool = True) -> None:
        self._columns, self._readable = columns, readable
        self._rows: list[tuple[Any, ...]] = []
        self.written: list[str] = []

    def cursor(self) -> Table:
        return self

    def execute(self, statement: str, values: Any = ()) -> None:
        words = " ".join(statement.split())
        if words.startswith(("savepoint", "rollback")):
            self.written.append(words)
        elif "from pg_class" in words:
            self._rows = [(bool(self._columns),)]
        elif not self._readable:
            raise RefusedError
        elif "from pg_attribute" in words:
            self._rows = [(name,) for name in self._columns]
        else:
            self._rows = [("1", "first", "applied")]

    def fetchone(self) -> tuple[Any, ...]:
        return self._rows[0]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


def test_before_the_first_migration_there_is_no_ledger_and_nothing_is_applied() -> None:
    assert rows(Table(), Ledger.of("s.ledger"), RefusedError) == []


def test_a_ledger_that_may_not_be_read_is_told_and_the_transaction_goes_on() -> None:
    table = Table("version", readable=False)
    with pytest.raises(UnreadableError, match=r"has a ledger s\.ledger that this user may not read"):
        rows(table, Ledger.of("s.ledger"), RefusedError)
    assert table.written == ["savepoint ledger", "rollback to savepoint ledger"]


@pytest.mark.parametrize(
    ("ledger", "column"),
    [
        ("public.alembic_version", "version_num"),
        ("public.django_migrations", "name"),
        ("public._prisma_migrations", "migration_name"),
    ],
)
def test_the_ledger_of_another_tool_is_told_from_an_empty_one_with_the_preset_as_the_way_out(ledger: str, column: str) -> None:
    with pytest.raises(DeployError) as caught:
        rows(Table(column), Ledger.of(ledger), RefusedError)
    assert str(caught.value) == LEDGER.format(ledger)


@pytest.mark.parametrize("preset", TOOLS)
def test_a_ledger_is_called_as_it_is_read(preset: str) -> None:
    ledger = Ledger.of(f"{preset}:other.table")
    assert (str(ledger), ledger.tool, ledger.problem) == (f"{preset}:other.table", TOOLS[preset], "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("s.t; drop table x", '"s.t; drop table x" is not a <schema>.<table> (letters, digits and _)'),
        ("table", '"table" is not a <schema>.<table> (letters, digits and _)'),
        ("knex:s.t", '"knex" is not one of alembic, django, prisma, rails, flyway'),
    ],
)
def test_what_is_no_ledger_is_told(text: str, problem: str) -> None:
    assert Ledger.of(text).problem == problem
