"""How many connections a real Postgres lets a login have."""

from __future__ import annotations

import psycopg2  # type: ignore[import-untyped,unused-ignore] # the stubs are not needed here
import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import database as declared
from ansible_collections.morpheus.deploy.plugins.module_utils.postgres import room

from tests.migrations.postgres import Database, eventually
from tests.migrations.project import claim


def look(database: Database, user: str = "postgres") -> dict[str, int]:
    connection = psycopg2.connect(database.url.replace("postgres:canary", f"{user}:canary"))
    try:
        return room.look(connection.cursor())
    finally:
        connection.close()


@pytest.fixture
def app(database: Database) -> str:
    name = f"app_{database.name}"
    database.rows(f"create role {name} login")
    return name


def test_what_is_kept_back_and_who_has_the_others(database: Database, app: str) -> None:
    most = int(database.value("show max_connections"))
    kept = int(database.value("show superuser_reserved_connections"))
    # Whoever has closed a connection has not waited for the server's process to end: until then it counts.
    eventually(lambda: look(database, app)["others"] == 0, "others have gone")
    seen = look(database, app)
    assert (seen["max"], seen["reserved"], seen["limit"]) == (most, kept, -1)
    with database.session():
        assert look(database, app)["others"] == 1
    other = psycopg2.connect(database.url.replace("postgres:canary", f"{app}:canary"))
    eventually(lambda: look(database, app)["others"] == 0, "its own are none of others")
    other.close()


def test_the_least_limit_of_role_and_database_counts(database: Database, app: str) -> None:
    database.rows(f"alter role {app} connection limit 20")
    assert look(database, app)["limit"] == 20
    database.rows(f"alter database {database.name} connection limit 7")
    assert look(database, app)["limit"] == 7


def test_whoever_asks_whose_a_database_is_learns_it(database: Database) -> None:
    claim(database)
    options = {
        "url": database.url,
        "variable": "u",
        "project_ref": "",
        "system_identifier": "",
        "ledger": "",
        "timeout_seconds": 5,
    }
    assert declared.check(options, "staging").as_result()["connections"] == look(database)
