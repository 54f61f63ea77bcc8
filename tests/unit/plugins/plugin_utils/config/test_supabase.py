"""stack.migration with the engine supabase: read, completed from its files, and refused in exact words."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.config import migration, released, supabase

A = "supabase/migrations/20260101000000_a.sql"
SESSION = "postgresql://postgres.stagingproj:x@aws-0-eu-central-1.pooler.supabase.com:5432/postgres"
LIMITS = {"timeout_seconds": 300.0, "lock_timeout_seconds": 4.0, "statement_timeout_seconds": 0.0}


def config(**options: Any) -> dict[str, Any]:
    given = {"engine": "supabase", "service": "", "directory": "", "secret": "", "compatible_since": "", **LIMITS}
    given |= {"preset": "", "reader": "", **options}
    return {"migration": given, "database": {"secret": "api.DATABASE_URL", "project_ref": "stagingproj", "system_identifier": ""}}


def complete(found: dict[str, Any], sql: str = "create table a ();", secret: str = SESSION) -> tuple[dict[str, Any], list[str]]:
    problems: list[str] = []
    files = {A: base64.b64encode(sql.encode()).decode()}
    return supabase.complete(found, files, {"api.DATABASE_URL": secret}, problems), problems


def test_what_is_not_said_is_completed() -> None:
    found = config()
    told, problems = complete(found, "alter table a drop column b;")
    assert problems == []
    assert found["migration"] == config()["migration"] | {
        "directory": "supabase/migrations",
        "secret": "api.DATABASE_URL",
        "compatible_since": "20260101000000",
        "requires": "20260101000000",
        "breaking": {"20260101000000": "20260101000000"},
    }
    assert [one["path"] for one in told.pop("files")] == [A]
    assert told == {"secret": "api.DATABASE_URL", "project_ref": "stagingproj", "system_identifier": "", **LIMITS}


def test_another_engine_is_left_as_it_is() -> None:
    found = config(engine="command", service="migrate")
    assert complete(found) == ({}, [])
    assert found == config(engine="command", service="migrate")
    assert supabase.complete({"migration": None}, {}, {}, []) == {}


@pytest.mark.parametrize(
    ("options", "sql", "secret", "expected"),
    [
        ({}, "selct 1", SESSION, f'stack.migration.directory: {A}:1: syntax error at or near "selct"'),
        (
            {"secret": "api.OTHER"},
            "select 1",
            SESSION,
            'stack.migration.secret: "api.OTHER" is not a secret of this environment; there is api.DATABASE_URL',
        ),
        (
            {},
            "select 1",
            SESSION.replace("5432", "6543"),
            "stack.migration.secret: api.DATABASE_URL leads to port 6543, the transaction pooler, which gives each transaction a "
            "session of its own: neither a lock nor a setting would last. Migrations go by the session pooler: the same URL "
            "with port "
            "5432",
        ),
        (
            {},
            "select 1",
            SESSION.replace("stagingproj", "productionproj"),
            "stack.migration.secret: api.DATABASE_URL leads to the Supabase project productionproj, expected stagingproj",
        ),
        (
            {},
            "select 1",
            "mysql://x",
            "stack.migration.secret: api.DATABASE_URL is not a connection URL (postgresql://user:password@host:5432/database)",
        ),
    ],
)
def test_what_cannot_be_run_is_refused(options: dict[str, Any], sql: str, secret: str, expected: str) -> None:
    assert complete(config(**options), sql, secret)[1] == [expected]


def test_a_secret_must_be_named_somewhere() -> None:
    found = config()
    found["database"] = None
    assert complete(found)[1] == [
        "stack.migration.secret: required, because nothing says by which secret the database is reached; or set "
        "stack.database.secret"
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"service": "migrate"},
            'stack.migration.service: "migrate" runs with the engine command; take it out, or set stack.migration.engine: '
            "command",
        ),
        ({"engine": "flyway"}, 'stack.migration.engine: "flyway" is not one of command, supabase'),
        (
            {"engine": "command"},
            "stack.migration.service: required; a service of the Compose files behind a profile. Its command runs once in the "
            "new image",
        ),
    ],
)
def test_engine_and_service_fit_each_other(options: dict[str, Any], expected: str) -> None:
    given = config(**options)["migration"] | {"ledger": "", "accept_edited": []}
    assert migration.problems({"migration": given}, {}, {}, {}) == [expected]


def test_a_release_of_the_engine_command_is_the_one_that_it_was() -> None:
    given = config(engine="command", service="migrate")["migration"]
    assert released.migration(given) == {"service": "migrate", "directory": "", "compatible_since": "", "timeout_seconds": 300.0}
    assert released.migration(config()["migration"])["engine"] == "supabase"
