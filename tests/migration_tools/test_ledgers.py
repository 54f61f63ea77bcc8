"""Tables of tools that are not run here, made by the definitions that these publish, in the states that they describe."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

from tests.migration_tools.standing import rows, seen
from tests.migrations.postgres import Database

# prisma-engines, schema-engine/connectors/sql-schema-connector.
PRISMA = """
    create table _prisma_migrations (
        id varchar(36) primary key not null,
        checksum varchar(64) not null,
        finished_at timestamptz,
        migration_name varchar(255) not null,
        logs text,
        rolled_back_at timestamptz,
        started_at timestamptz not null default now(),
        applied_steps_count integer not null default 0
    )
"""
# activerecord, SchemaMigration.
RAILS = "create table schema_migrations (version character varying not null primary key)"
# flyway-database-postgresql.
FLYWAY = """
    create table flyway_schema_history (
        installed_rank int not null primary key,
        version varchar(50),
        description varchar(200) not null,
        type varchar(20) not null,
        script varchar(1000) not null,
        checksum integer,
        installed_by varchar(100) not null,
        installed_on timestamp not null default now(),
        execution_time integer not null,
        success boolean not null
    )
"""


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("select 1")


def prisma(database: Database, number: int, name: str, *, finished: bool = True, undone: bool = False) -> None:
    database.rows(
        "insert into _prisma_migrations (id, checksum, migration_name, started_at, finished_at, rolled_back_at) "
        "values (%s, 'x', %s, now() + %s * interval '1 s', case when %s then now() end, case when %s then now() end)",
        str(number),
        name,
        number,
        finished,
        undone,
    )


def test_prisma(database: Database, tmp_path: Path) -> None:
    names = ["20260101000000_a", "20260102000000_b", "20260103000000_c"]
    write(tmp_path, *(f"prisma/migrations/{name}/migration.sql" for name in names))
    assert rows(database, "prisma") == []
    database.rows(PRISMA)
    prisma(database, 1, names[0])
    prisma(database, 2, names[1], finished=False)
    found = seen(database, tmp_path, "prisma/migrations", "prisma")
    assert [one.version for one in found.pending] == names[1:]
    assert list(found.failed) == [names[1]]
    # migrate resolve --rolled-back, and the next migrate deploy.
    database.rows("update _prisma_migrations set rolled_back_at = now() where finished_at is null")
    assert list(seen(database, tmp_path, "prisma/migrations", "prisma").failed) == []
    prisma(database, 3, names[1])
    assert [one.version for one in seen(database, tmp_path, "prisma/migrations", "prisma").pending] == names[2:]


def test_rails(database: Database, tmp_path: Path) -> None:
    write(tmp_path, "db/migrate/001_create_a.rb", "db/migrate/20260102000000_b.rb", "db/migrate/20260103000000_c.rb")
    database.rows(RAILS)
    database.rows("insert into schema_migrations values ('1'), ('20260102000000'), ('20260109000000')")
    found = seen(database, tmp_path, "db/migrate", "rails")
    assert [one.path for one in found.pending] == ["db/migrate/20260103000000_c.rb"]
    assert [row.version for row in found.unknown] == ["20260109000000"]


def flyway(database: Database, rank: int, version: str | None, kind: str = "SQL", *, success: bool = True) -> None:
    database.rows(
        "insert into flyway_schema_history values (%s, %s, 'd', %s, 's', 1, 'me', now(), 1, %s)", rank, version, kind, success
    )


def test_flyway(database: Database, tmp_path: Path) -> None:
    write(tmp_path, *(f"sql/{name}" for name in ("V1__a.sql", "V1.1__b.sql", "V2__c.sql", "V3__d.sql", "R__view.sql")))
    database.rows(FLYWAY)
    flyway(database, 0, None, "SCHEMA")
    flyway(database, 1, "1.1", "BASELINE")
    flyway(database, 2, "2.0")
    flyway(database, 3, None)
    assert [one.version for one in seen(database, tmp_path, "sql", "flyway").pending] == ["3"]
    flyway(database, 4, "3", success=False)
    assert list(seen(database, tmp_path, "sql", "flyway").failed) == ["3"]
    # flyway repair takes the row away.
    database.rows("delete from flyway_schema_history where not success")
    flyway(database, 5, "2", "UNDO_SQL")
    assert [one.version for one in seen(database, tmp_path, "sql", "flyway").pending] == ["2", "3"]
    flyway(database, 6, "2")
    assert [one.version for one in seen(database, tmp_path, "sql", "flyway").pending] == ["3"]


@pytest.mark.parametrize(
    ("preset", "lacks"), [("alembic", "version_num"), ("django", "app, applied"), ("prisma", "finished_at, migration_name")]
)
def test_a_table_of_another_tool_is_told_from_an_empty_one(database: Database, preset: str, lacks: str) -> None:
    database.rows("create table other (name text)")
    with pytest.raises(DeployError, match=f"has a table public.other without {lacks}") as caught:
        rows(database, preset, "public.other")
    assert f"is not the ledger of {preset}; correct stack.migration.preset" in str(caught.value)
