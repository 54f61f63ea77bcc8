# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backfill in batches, each a transaction of its own in which how far it has come is written, too. So whenever it is killed,
the next run goes on behind the last batch that has ended, and no row is written twice.

Knows a cursor by DB-API's verbs only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase import ledger
from ansible_collections.morpheus.deploy.plugins.module_utils.supabase.plan import Backfill, MigrationFile

PROGRESS = "supabase_migrations.morpheus_deploy_backfills"
_MAKE = (
    f"create table if not exists {PROGRESS} (version text primary key, statement text not null, reached text, "
    "read bigint not null default 0, changed bigint not null default 0, batches bigint not null default 0, "
    "begun_at timestamptz not null default now(), at timestamptz not null default now())"
)
_KEY = """
    select format_type(atttypid, atttypmod), attnotnull, exists (
        select from pg_index join pg_class c on c.oid = indexrelid join pg_am m on m.oid = c.relam
        where indrelid = attrelid and indkey[0] = attnum and indisvalid and indpred is null and m.amname = 'btree'
    ) from pg_attribute where attrelid = to_regclass(%s) and attname = %s and attnum > 0 and not attisdropped
"""


@dataclass(frozen=True)
class Progress:
    """``read``: rows that its batches went through, of which the condition let it change ``changed``."""

    statement: str
    reached: str | None = None
    read: int = 0
    changed: int = 0
    batches: int = 0

    def __str__(self) -> str:
        return f"{self.changed} of {self.read} rows changed in {self.batches} {'batch' if self.batches == 1 else 'batches'}"


def progress(cursor: Any, version: str, *, lock: bool = False) -> Progress | None:
    """Of an attempt that has not come to its end. ``lock``: until the end of the transaction nobody else goes on."""
    cursor.execute("select to_regclass(%s) is not null", [PROGRESS])
    if not cursor.fetchone()[0]:
        return None
    way = " for update" if lock else ""
    cursor.execute(f"select statement, reached, read, changed, batches from {PROGRESS} where version = %s{way}", [version])
    row = cursor.fetchone()
    return Progress(*row) if row else None


def begin(cursor: Any, one: MigrationFile) -> None:
    """Raises DeployError when its rows cannot be walked, or are walked already with another statement."""
    backfill = _of(one)
    found = progress(cursor, one.version)
    if found and found.statement != _statement(backfill):
        raise DeployError(
            f"{one.path}: an attempt that broke off has {found}, and its statement stands otherwise in it now. Put it back as it "
            "was; only the number of rows in a batch may be changed. Or let it begin anew: "
            f"delete from {PROGRESS} where version = '{one.version}'"
        )
    _type(cursor, one, backfill)
    cursor.execute("select to_regclass(%s) is null", [PROGRESS])
    if cursor.fetchone()[0]:
        cursor.execute(_MAKE)
    cursor.execute(
        f"insert into {PROGRESS} (version, statement) values (%s, %s) on conflict (version) do nothing",
        [one.version, _statement(backfill)],
    )


@dataclass(frozen=True)
class Step:
    """``is_over``: there are no more rows, and the ledger has the file. ``seconds``: for its rows, without notes about them."""

    now: Progress
    is_over: bool
    seconds: float


def step(cursor: Any, one: MigrationFile, rows: int, clock: Clock) -> Step:
    """One batch of so many rows, in the caller's transaction."""
    backfill = _of(one)
    before = progress(cursor, one.version, lock=True)
    if not before:
        raise DeployError(f"{one.path}: its line in {PROGRESS} was taken away while this ran; run this again")
    kind = _type(cursor, one, backfill)
    began = clock.now()
    reached, read = _page(cursor, backfill, kind, before.reached, rows)
    changed = _change(cursor, backfill, kind, before.reached, reached) if read else 0
    seconds = clock.now() - began
    now = Progress(
        before.statement,
        reached if read else before.reached,
        before.read + read,
        before.changed + changed,
        before.batches + bool(read),
    )
    # Fewer than there is room for: the end, however many others add meanwhile.
    is_over = read < rows
    if is_over:
        ledger.write(cursor, one)
        cursor.execute(f"delete from {PROGRESS} where version = %s", [one.version])
    else:
        cursor.execute(
            f"update {PROGRESS} set reached = %s, read = %s, changed = %s, batches = %s, at = clock_timestamp() "
            "where version = %s",
            [now.reached, now.read, now.changed, now.batches, one.version],
        )
    return Step(now, is_over, seconds)


def most_rows(one: MigrationFile) -> int:
    """That a batch of it may have."""
    return _of(one).batch


def would(cursor: Any, one: MigrationFile) -> str:
    """What there is to do of it, in words."""
    backfill = _of(one)
    found = progress(cursor, one.version)
    words = f"in batches of at most {backfill.batch} rows by {backfill.key}"
    return f"{words}, behind an attempt that broke off: {found}" if found else words


def _page(cursor: Any, backfill: Backfill, kind: str, behind: str | None, rows: int) -> tuple[str | None, int]:
    key = f'"{backfill.key}"'
    condition = f"where {key} > %s::{kind}" if behind is not None else ""
    cursor.execute(
        f"with page as (select {key} as k from {backfill.rows_of} {condition} order by {key} limit {rows}) "
        "select page.k::text, (select count(*) from page) from page order by page.k desc limit 1",
        [behind] if behind is not None else None,
    )
    row = cursor.fetchone()
    return (row[0], int(row[1])) if row else (None, 0)


def _change(cursor: Any, backfill: Backfill, kind: str, behind: str | None, upto: str | None) -> int:
    column = backfill.column.replace("%", "%%")
    above = f"{column} > %s::{kind} and " if behind is not None else ""
    bounds = [upto] if behind is None else [behind, upto]
    cursor.execute(f"{backfill.sql.replace('%', '%%')} {above}{column} <= %s::{kind}", bounds)
    return int(cursor.rowcount)


def _type(cursor: Any, one: MigrationFile, backfill: Backfill) -> str:
    """Of the key, by which rows must be found fast and each once."""
    cursor.execute(_KEY, [backfill.table, backfill.key])
    row = cursor.fetchone()
    if not row:
        raise DeployError(f"{one.path}: there is no column {backfill.key} in a table {backfill.table}; name one as its key")
    kind, is_filled, is_indexed = row
    if not is_filled:
        raise DeployError(
            f"{one.path}: its key, {backfill.key} of {backfill.table}, may be empty, and rows without one would be left out; "
            "name a column that is NOT NULL, as the primary key"
        )
    if not is_indexed:
        raise DeployError(
            f"{one.path}: its key, {backfill.key} of {backfill.table}, is the first column of no btree index, so each batch "
            "would read the whole table; name the primary key, or build an index CONCURRENTLY in a file before it"
        )
    return str(kind).replace("%", "%%")


def _statement(backfill: Backfill) -> str:
    """By which an attempt is known again: not by the number of rows in a batch."""
    return f"{backfill.sql} {backfill.column}"


def _of(one: MigrationFile) -> Backfill:
    if one.backfill is None:
        raise AssertionError("only backfills come here")
    return one.backfill
