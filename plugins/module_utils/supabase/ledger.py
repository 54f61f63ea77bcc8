# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Supabase's ledger in a database, as its CLI makes, reads and writes it; and how far a broken run has come, beside it.

Knows a cursor by DB-API's verbs only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.plan import MigrationFile, Row

LEDGER = "supabase_migrations.schema_migrations"
SEEDS = "supabase_migrations.seed_files"
_PROGRESS = "supabase_migrations.morpheus_deploy_progress"
# In this order, each where it is not there: the table of an old CLI had versions only.
_MAKE = (
    "create schema if not exists supabase_migrations",
    f"create table if not exists {LEDGER} (version text not null primary key)",
    f"alter table {LEDGER} add column if not exists statements text[]",
    f"alter table {LEDGER} add column if not exists name text",
)
_COLUMNS = "select attname::text from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"


@dataclass(frozen=True)
class Progress:
    """Of a file that cannot run in one transaction: statements that have ended, and the one that had begun."""

    done: Sequence[str] = ()
    begun: str = ""


def read(cursor: Any) -> list[Row]:
    """What is applied, oldest first; nothing where there is no ledger."""
    columns = _columns(cursor, LEDGER)
    if not columns:
        return []
    name = "coalesce(name, '')" if "name" in columns else "''"
    texts = "statements" if "statements" in columns else "null::text[]"
    cursor.execute(f"select version, {name}, {texts} from {LEDGER} order by version")
    return [Row(version, said, found) for version, said, found in cursor.fetchall()]


def make(cursor: Any) -> None:
    """Only where something is missing: to make what is there takes rights that a migration's user may not have."""
    if not {"version", "statements", "name"} <= _columns(cursor, LEDGER):
        for statement in _MAKE:
            cursor.execute(statement)


def write(cursor: Any, one: MigrationFile) -> None:
    """In the transaction of the file's last statement."""
    cursor.execute(
        f"insert into {LEDGER} (version, name, statements) values (%s, %s, %s::text[])", [one.version, one.name, one.texts]
    )


def progress(cursor: Any, version: str) -> Progress:
    if not _columns(cursor, _PROGRESS):
        return Progress()
    cursor.execute(f"select done, begun from {_PROGRESS} where version = %s", [version])
    row = cursor.fetchone()
    return Progress(tuple(row[0]), row[1]) if row else Progress()


def note(cursor: Any, version: str, found: Progress) -> None:
    cursor.execute(
        f"insert into {_PROGRESS} (version, done, begun) values (%s, %s::text[], %s) "
        "on conflict (version) do update set done = excluded.done, begun = excluded.begun",
        [version, list(found.done), found.begun],
    )


def make_progress(cursor: Any) -> None:
    if not _columns(cursor, _PROGRESS):
        cursor.execute(
            f"create table if not exists {_PROGRESS} (version text primary key, done text[] not null, begun text not null)"
        )


def forget(cursor: Any, version: str) -> None:
    cursor.execute(f"delete from {_PROGRESS} where version = %s", [version])


def way_to_forget(version: str) -> str:
    return f"delete from {_PROGRESS} where version = '{version}'"


def _columns(cursor: Any, table: str) -> set[str]:
    cursor.execute(_COLUMNS, [table])
    return {str(name) for (name,) in cursor.fetchall()}
