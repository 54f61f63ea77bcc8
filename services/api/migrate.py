"""Applies the SQL files that Supabase's ledger does not list yet, in order, each in one transaction where it can run in one."""

import json
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import scalar_row
from psycopg_pool import ConnectionPool

from .database import OPTIONS, URL

DIRECTORY = Path("/migrations")
LOCK = 0x6D6F727068657573
LEDGER = """
    create schema if not exists supabase_migrations;
    create table if not exists supabase_migrations.schema_migrations
        (version text primary key, name text, statements text[])
"""
# Without its statements, which only Supabase's CLI and the engine supabase tell apart: they take such a line as it is.
NOTE = "insert into supabase_migrations.schema_migrations (version, name) values (%s, %s)"


def main() -> None:
    files = {path.name.partition("_")[0]: path for path in sorted(DIRECTORY.glob("[0-9]*_*.sql"))}
    options = {**OPTIONS, "row_factory": scalar_row}
    try:
        with ConnectionPool(URL, kwargs=options, min_size=1) as pool, pool.connection(30) as connection:
            applied = apply(connection, files)
            head = connection.execute("select max(version) from supabase_migrations.schema_migrations").fetchone()
    except psycopg.Error as error:
        raise SystemExit(f"{type(error).__name__}: {error.diag.message_primary or 'no connection by DATABASE_URL'}") from None
    print(json.dumps({"applied": applied, "head": head}))


def apply(connection: psycopg.Connection[Any], files: dict[str, Path]) -> list[str]:
    # Held until the connection ends: whoever comes second waits, and finds the work done.
    connection.execute("set lock_timeout = '10s'")
    # A migration that is stopped stops its statement, too.
    connection.execute("set client_connection_check_interval = '1s'")
    connection.execute("select pg_advisory_lock(%s)", [LOCK])
    connection.execute(LEDGER)
    known = set(connection.execute("select version from supabase_migrations.schema_migrations"))
    pending = [version for version in files if version not in known]
    for version in pending:
        run(connection, files[version].read_text(), [version, files[version].stem.partition("_")[2]])
    return pending


def run(connection: psycopg.Connection[Any], sql: str, row: list[str]) -> None:
    try:
        with connection.transaction():
            connection.execute(sql.encode())
            connection.execute(NOTE, row)
    except psycopg.errors.ActiveSqlTransaction:
        # An index CONCURRENTLY, which stands alone in its file.
        connection.execute(sql.encode())
        connection.execute(NOTE, row)


if __name__ == "__main__":
    main()
