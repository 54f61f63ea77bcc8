"""Applies the SQL files that Supabase's ledger does not list yet, in order, each in one transaction."""

import json
import os
from pathlib import Path

import psycopg
from psycopg.rows import scalar_row
from psycopg_pool import ConnectionPool, PoolTimeout

from .database import OPTIONS, database_url

LOCK = 0x6D6F727068657573
LEDGER = """
    create schema if not exists supabase_migrations;
    create table if not exists supabase_migrations.schema_migrations
        (version text primary key, name text, statements text[])
"""


def main() -> None:
    directory = Path(os.environ.get("MIGRATIONS_DIR", "/migrations"))
    files = {path.name.partition("_")[0]: path for path in sorted(directory.glob("[0-9]*_*.sql"))}
    if not files:
        raise SystemExit(f"{directory} holds no <version>_<name>.sql")
    wait_seconds = float(os.environ.get("MIGRATE_WAIT_SECONDS", "30"))
    kwargs = {**OPTIONS, "row_factory": scalar_row}
    try:
        with ConnectionPool(database_url(), kwargs=kwargs, min_size=1) as pool, pool.connection(wait_seconds) as connection:
            applied = apply(connection, files)
            head = connection.execute("select max(version) from supabase_migrations.schema_migrations").fetchone()
    except PoolTimeout:
        raise SystemExit(f"The database of DATABASE_URL let nobody in for {wait_seconds:g} s") from None
    except psycopg.Error as error:
        raise SystemExit(f"{type(error).__name__}: {error.diag.message_primary or 'connection lost'}") from None
    print(json.dumps({"applied": applied, "head": head}))


def apply(connection: psycopg.Connection[str], files: dict[str, Path]) -> list[str]:
    # Held until the connection ends: whoever comes second waits, and finds the work done.
    connection.execute("set lock_timeout = '10s'")
    connection.execute("select pg_advisory_lock(%s)", [LOCK])
    connection.execute(LEDGER)
    known = set(connection.execute("select version from supabase_migrations.schema_migrations"))
    pending = {version: path for version, path in files.items() if version not in known}
    for version, path in pending.items():
        with connection.transaction():
            connection.execute(path.read_bytes())
            connection.execute(
                "insert into supabase_migrations.schema_migrations values (%s, %s, %s)",
                [version, path.stem.partition("_")[2], [path.read_text()]],
            )
    return list(pending)


if __name__ == "__main__":
    main()
