"""Supabase's own CLI is the oracle: what either of the two has applied, the other one finds applied, in the same rows."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.migrations.postgres import Cluster
from tests.migrations.project import DIRECTORY, Project, claim

# As old as they come, so each may use what stands before it.
KINDS = {
    "20260101000000_additive": (
        "-- Orders, é\ncreate table orders (id int primary key, note text);\n\ncomment on table orders is 'a; b';\n"
    ),
    "20260102000000_no_semicolon": "alter table orders add column total int",
    "20260103000000_comments": (
        "/* head */ insert into orders values (1);-- behind\ninsert into orders values (2); -- tail\n-- the end;\n"
    ),
    "20260104000000_function": (
        "create function f() returns int language plpgsql as $f$\nbegin\n  -- a ';' here\n  return 1;\nend;\n$f$;\n"
        "create function g() returns int begin atomic select 1; select 2; end;\n"
    ),
    "20260105000000_block": "do $$ begin if true then update orders set total = 3; end if; end $$;\n",
    "20260106000000_index_concurrently": "create index concurrently notes on orders (note);\n",
    "20260107000000_mixed_without_transaction": "create table lines (id int);\ncreate index concurrently ids on lines (id);\n",
    "20260108000000_enum": "create type state as enum ('new'); alter type state add value 'paid';\n",
    "20260109000000_empty": "\n",
    "20260110000000_only_a_comment": "-- nothing to do any more\n",
    "20260111000000_wrapped": "begin;\nalter table orders add column state state;\ncommit;\n",
    "20260112000000_policies": (
        "alter table orders enable row level security;;\n"
        "create policy \"read; all\" on orders for select using (note <> 'x;''y');\ncreate rule r as on insert to lines do also "
        "(select 1; select 2);\r\n"
    ),
    "20260113000000_contract": "-- contract\nalter table orders drop column total;\n",
    "20260114000000_vacuum": "vacuum orders;\n",
}
SCHEMA = """
    select table_name, column_name, data_type from information_schema.columns
    where table_schema in ('public', 'supabase_migrations') and table_name <> 'morpheus_deploy_progress' order by 1, 2
"""
INDEXES = (
    "select indexrelid::regclass::text, indisvalid from pg_index where indrelid::regclass::text in ('orders', 'lines') order by 1"
)


def ask(cli: str, project: Project, *command: str) -> str:
    result = subprocess.run(
        [cli, *command, "--db-url", f"{project.database.url}?sslmode=disable"],
        cwd=project.root,
        env={"HOME": str(project.root), "PATH": os.environ["PATH"], "DO_NOT_TRACK": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def listed(text: str) -> dict[str, str]:
    """Local version -> the one of the database, as ``migration list`` tells them."""
    return dict(re.findall(r"`(\d{14})`\s*\|\s*`(\d{14}| )`", text))


def test_rows_are_equal_and_each_finds_what_the_other_has_applied(cli: str, postgres: Cluster, tmp_path: Path) -> None:
    versions = [name.partition("_")[0] for name in KINDS]
    with postgres.database() as one, postgres.database() as other:
        ours, theirs = Project(tmp_path / "ours", one), Project(tmp_path / "theirs", other)
        for project in (ours, theirs):
            claim(project.database)
            project.write(KINDS)
        assert ours.apply()["applied"] == [f"{DIRECTORY}/{name}.sql" for name in KINDS]
        ask(cli, theirs, "migration", "up")
        assert ours.rows() == theirs.rows()
        assert ours.versions() == versions
        assert ours.database.rows(SCHEMA) == theirs.database.rows(SCHEMA)
        assert ours.database.rows(INDEXES) == theirs.database.rows(INDEXES)
        # Each is asked about the other's database.
        assert "up to date" in ask(cli, ours, "migration", "up")
        assert listed(ask(cli, ours, "migration", "list")) == {version: version for version in versions}
        assert theirs.apply()["changed"] is False


@pytest.mark.deep
def test_the_two_take_turns_on_one_database(cli: str, postgres: Cluster, tmp_path: Path) -> None:
    names = list(KINDS)
    with postgres.database() as database:
        project = Project(tmp_path, database)
        claim(database)
        for number in range(0, len(names), 4):
            project.write({name: KINDS[name] for name in names[: number + 2]})
            project.apply()
            project.write({name: KINDS[name] for name in names[: number + 4]})
            ask(cli, project, "migration", "up")
        assert project.versions() == [name.partition("_")[0] for name in names]


@pytest.mark.deep
def test_seeds_that_the_cli_has_noted_stay_as_they_are(cli: str, postgres: Cluster, tmp_path: Path) -> None:
    """Its ``seed_files`` lies beside the ledger; ``migration up`` makes none, and neither does the module."""
    first, second = list(KINDS)[:2]
    seeds = "select path, hash from supabase_migrations.seed_files"
    with postgres.database() as database:
        project = Project(tmp_path, database)
        claim(database)
        project.write({first: KINDS[first]})
        project.apply()
        assert database.value("select to_regclass('supabase_migrations.seed_files') is null")
        (tmp_path / "supabase/config.toml").write_text('project_id = "shop"\n[db.seed]\nenabled = true\n')
        (tmp_path / "supabase/seed.sql").write_text("insert into orders values (7, 'seed');\n")
        ask(cli, project, "db", "push", "--include-seed", "--yes")
        noted = database.rows(seeds)
        assert [path for path, _ in noted] == ["supabase/seed.sql"]
        assert database.rows("select note from orders where id = 7") == [("seed",)]
        project.write({name: KINDS[name] for name in (first, second)})
        assert project.apply()["applied"] == [f"{DIRECTORY}/{second}.sql"]
        assert database.rows(seeds) == noted
        assert "up to date" in ask(cli, project, "db", "push", "--include-seed", "--yes")
