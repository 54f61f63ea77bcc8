"""What the collection says is pending in a database, by the files of a directory."""

from __future__ import annotations

from pathlib import Path

import psycopg2  # type: ignore[import-untyped,unused-ignore] # the stubs are not needed here
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger import read, shipped
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.applied import Row, Standing, standing
from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.tools import TOOLS, Ledger

from tests.migrations.postgres import Database


def files(root: Path) -> dict[str, bytes]:
    """As a release ships them."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def rows(database: Database, preset: str, table: str = "") -> list[Row]:
    connection = psycopg2.connect(database.url)
    try:
        connection.set_session(readonly=True)
        return read.rows(connection, Ledger(preset, table or TOOLS[preset].table), psycopg2.errors.InsufficientPrivilege)
    finally:
        connection.close()


def seen(database: Database, root: Path, directory: str, preset: str) -> Standing:
    found = files(root)
    assert shipped.problems(found, directory, preset) == []
    return standing(rows(database, preset), shipped.shipped(found, directory, preset), preset)


def pending(database: Database, root: Path, directory: str, preset: str) -> list[str]:
    return [one.version for one in seen(database, root, directory, preset).pending]
