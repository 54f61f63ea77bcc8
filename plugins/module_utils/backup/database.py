# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The database that is backed up or restored, by a driver: whose it is, and what it holds at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import contents
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import Table
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, missing_library
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership.marker import Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import url as connection_url
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres.url import Address

import_error: ImportError | None = None
try:
    import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore] # on hosts only
except ImportError as exc:
    import_error = exc

CONNECT_SECONDS = 10
LEDGER = "supabase_migrations.schema_migrations"


@dataclass(frozen=True)
class Declared:
    """What the inventory says of the database. ``variable``: what messages call the URL."""

    url: str = field(repr=False)
    variable: str
    environment: str
    project_ref: str = ""
    system_identifier: str = ""

    def address(self) -> Address:
        """Raises DeployError when the URL is not one that a backup can go by; nothing is contacted."""
        try:
            address = connection_url.parse(self.url)
        except DeployError as exc:
            raise DeployError(f"{self.variable} {exc}") from None
        problem = connection_url.project_problem(address, self.project_ref) or connection_url.pooler_problem(address)
        if problem:
            raise DeployError(f"{self.variable} {problem}; nothing was contacted")
        return address

    def scrubbed(self, text: str) -> str:
        return connection_url.scrubbed(text, self.url)


@dataclass(frozen=True)
class State:
    """What a database holds at one moment."""

    tables: Mapping[str, Table]
    schemas: Sequence[str]
    roles: Sequence[str]
    versions: Sequence[str]


class Database:
    """One connection, whose owner was asked. ``is_marked``: it says that it is the environment's."""

    def __init__(self, connection: Any, schemas: Sequence[str]) -> None:
        self._connection = connection
        self._schemas = schemas
        self.server = int(connection.server_version) // 10000
        self.is_marked = False

    def snapshot(self) -> str:
        """Begins the moment that ``state`` speaks of; its name, for programs that are to see the same."""
        return str(self._value("select pg_export_snapshot()"))

    def state(self) -> State:
        names = [contents.quoted(*row) for row in self.rows(contents.tables(self._schemas))]
        found = [row for query in contents.digests(names) for row in self.rows(query)]
        schemas = [name for (name,) in self.rows(contents.SCHEMAS) if not self._schemas or name in self._schemas]
        return State(contents.found(found), schemas, [name for (name,) in self.rows(contents.ROLES)], self._versions())

    def is_empty(self) -> bool:
        """Whether it has no table at all, as after it was made."""
        return not self.rows(f"{contents.tables()} limit 1")

    def rows(self, query: str) -> list[tuple[str, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def _value(self, query: str) -> Any:
        return self.rows(query)[0][0]

    def _versions(self) -> list[str]:
        if not self._value(f"select to_regclass('{LEDGER}') is not null"):
            return []
        return [version for (version,) in self.rows(f"select version::text from {LEDGER} order by 1")]


@contextmanager
def connected(declared: Declared, schemas: Sequence[str] = (), *, may_be_new: bool = False) -> Iterator[Database]:
    """A transaction that only reads. Raises DeployError when the database is not the environment's.

    ``may_be_new``: one without a marker is taken where it has no table either, as after the old one was lost.
    """
    if import_error:
        raise missing_library("psycopg2")
    address = declared.address()
    try:
        connection = psycopg2.connect(
            connect_timeout=CONNECT_SECONDS, application_name="morpheus.deploy backup", keepalives_idle=10, **address.keywords()
        )
    except psycopg2.Error as exc:
        why = declared.scrubbed(str(exc))
        raise DeployError(f"{declared.variable} leads to a database that cannot be used from this host: {why}") from None
    try:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        database = Database(connection, schemas)
        seen = marker.look(connection, psycopg2.errors.InsufficientPrivilege)
        # What it has set for its transaction ends, and no snapshot can be told of within a savepoint.
        connection.rollback()
        with connection.cursor() as cursor:
            cursor.execute(contents.SETTINGS)
        expected = Seen(declared.environment, declared.system_identifier)
        if may_be_new and not seen.environment and database.is_empty():
            problems = marker.identifier_problems(expected, seen)
        else:
            problems = marker.problems(expected, seen)
            database.is_marked = True
        if problems:
            raise DeployError(f"{declared.variable} leads to a database that {', and '.join(problems)}")
        yield database
    except psycopg2.Error as exc:
        why = declared.scrubbed(str(exc))
        raise DeployError(
            f"{declared.variable} leads to a database that cannot be read as a whole: {why}{_rights(exc)}"
        ) from None
    finally:
        connection.close()


def _rights(error: Any) -> str:
    if not isinstance(error, psycopg2.errors.InsufficientPrivilege):
        return ""
    return ". Let backup_database_url log in as one that may read everything: grant pg_read_all_data to it, with BYPASSRLS"
