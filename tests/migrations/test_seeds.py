"""Seed files by the module on a real Postgres, by the rule of Supabase's CLI, which is the oracle where it is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.migrations.postgres import Cluster, Database, eventually
from tests.migrations.project import Project, claim
from tests.migrations.seeded import Seeded
from tests.migrations.test_cli import ask

FAILED = "the seeds failed: "
UNDONE = "Nothing of this file is done; files before it are. Run this again when that is mended"
AGAIN = ("./seeds/*.sql", "./last.sql")
FILES = {
    "seeds/b.sql": "insert into t values (2);",
    "seeds/a.sql": "insert into t values (1);",
    "last.sql": "insert into t values (3);",
}
PATHS = ["supabase/seeds/a.sql", "supabase/seeds/b.sql", "supabase/last.sql"]


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Seeded:
    claim(database)
    database.rows("create table t (id int primary key)")
    return Seeded(tmp_path, database)


def digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()


def ids(project: Seeded) -> list[int]:
    return [number for (number,) in project.database.rows("select id from t order by id")]


def test_files_are_run_in_the_order_of_the_patterns_and_never_again(project: Seeded) -> None:
    project.write(FILES, AGAIN)
    first = project.seed()
    assert (first["changed"], first["seeded"], first["recorded"]) == (True, PATHS, [])
    assert project.rows() == sorted((f"supabase/{name}", digest(sql)) for name, sql in FILES.items())
    again = project.seed()
    assert (again["changed"], again["seeded"], again["recorded"]) == (False, [], [])
    assert ids(project) == [1, 2, 3]


def test_a_file_that_has_changed_is_written_down_and_not_run(project: Seeded) -> None:
    project.write({"seed.sql": "insert into t values (1);"})
    project.seed()
    project.write({"seed.sql": "insert into t values (2);"})
    changed = project.seed()
    assert (changed["changed"], changed["seeded"], changed["recorded"]) == (True, [], ["supabase/seed.sql"])
    assert project.rows() == [("supabase/seed.sql", digest("insert into t values (2);"))]
    assert ids(project) == [1]
    assert project.seed()["changed"] is False


def test_check_mode_says_what_would_be_run_and_writes_nothing(project: Seeded) -> None:
    project.write(FILES, AGAIN)
    looked = project.seed(_ansible_check_mode=True)
    assert (looked["changed"], looked["seeded"]) == (True, PATHS)
    assert project.rows() == []
    assert ids(project) == []


def test_a_file_that_fails_is_undone_whole_and_those_before_it_stay(project: Seeded) -> None:
    project.write({**FILES, "seeds/b.sql": "insert into t values (7);\n\ninsert into t values (1);"}, AGAIN)
    result = project.seed()
    assert result["msg"] == (
        f'{FAILED}supabase/seeds/b.sql:3: duplicate key value violates unique constraint "t_pkey" DETAIL: Key (id)=(1) already '
        f"exists. {UNDONE}"
    )
    assert result["begun"] is True
    assert ids(project) == [1]
    project.write(FILES, AGAIN)
    assert project.seed()["seeded"] == PATHS[1:]


def test_what_fails_first_has_changed_nothing(project: Seeded) -> None:
    project.write({"seed.sql": "insert into nowhere values (1);"})
    result = project.seed()
    assert (result["failed"], result["begun"]) == (True, False)
    assert 'supabase/seed.sql:1: relation "nowhere" does not exist' in result["msg"]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        pytest.param("begin;\ninsert into t values (1);\ncommit;", [1], id="a transaction around all of it"),
        pytest.param("set search_path = '';\ninsert into public.t values (1);", [1], id="a setting", marks=pytest.mark.deep),
        pytest.param("set statement_timeout = 0; set role nobody; ", [], id="a role that may write nothing"),
        pytest.param(
            "insert into t values (1), (2) on conflict do nothing;-- tail", [1, 2], id="a comment behind", marks=pytest.mark.deep
        ),
        pytest.param("-- nothing\n", [], id="a comment alone", marks=pytest.mark.deep),
        pytest.param(
            "do $$ begin insert into t values (1); end $$; select '%s', 'a;b';",
            [1],
            id="a body and a percent",
            marks=pytest.mark.deep,
        ),
    ],
)
def test_whatever_a_file_sets_its_line_is_in_the_ledger(project: Seeded, sql: str, rows: list[int]) -> None:
    if "nobody" in sql:
        project.database.rows("do $$ begin create role nobody; exception when duplicate_object then null; end $$")
    project.write({"one.sql": sql, "two.sql": "insert into t values (9);"}, ["one.sql", "two.sql"])
    assert project.seed()["seeded"] == ["supabase/one.sql", "supabase/two.sql"]
    assert ids(project) == [*rows, 9]


@pytest.mark.parametrize("statement", [pytest.param(0, marks=pytest.mark.deep), 1, pytest.param(2, marks=pytest.mark.deep)])
def test_killed_at_any_statement_the_next_run_does_all_of_it_once(project: Seeded, statement: int) -> None:
    """The second file waits at one of its statements, or at its line in the ledger, for what another session holds."""
    lines = ["insert into t values (2)", "insert into t values (3)"]
    project.write({"a.sql": "insert into t values (1);", "b.sql": ";".join(lines)}, ["a.sql", "b.sql"])
    with project.database.session() as holder:
        if statement == 2:
            project.write({"a.sql": "select 1"}, ["a.sql"])
            project.seed()
            project.write({"a.sql": "select 1", "b.sql": ";".join(lines)}, ["a.sql", "b.sql"])
            holder.execute("begin")
            holder.execute("insert into supabase_migrations.seed_files values ('supabase/b.sql', 'x')")
        else:
            holder.execute("begin")
            holder.execute(f"insert into t values ({statement + 2})")
        process = project.start(lock_timeout_seconds=300)
        project.database.until(
            "select exists (select from pg_stat_activity where application_name = 'morpheus.deploy seeds' and wait_event_type = "
            "'Lock')"
        )
        process.kill()
        project.database.until("select count(*) = 0 from pg_stat_activity where application_name = 'morpheus.deploy seeds'")
        holder.execute("rollback")
    again = project.seed()
    assert again["seeded"] == ["supabase/b.sql"]
    assert ids(project) == ([2, 3] if statement == 2 else [1, 2, 3])


def test_of_two_runs_the_second_one_waits_and_finds_the_work_done(project: Seeded) -> None:
    project.write(FILES, AGAIN)
    with project.database.session() as holder:
        holder.execute("begin; lock table t")
        first, second = project.start(lock_timeout_seconds=300), project.start()
        waiting = "select count(*) from pg_stat_activity where application_name = 'morpheus.deploy seeds' and wait_event = %s"
        eventually(lambda: project.database.value(waiting, "advisory") == 1, "the second run waits for the first one")
        holder.execute("commit")
    done = sorted([len(first.answer()["seeded"]), len(second.answer()["seeded"])])
    assert done == [0, 3]
    assert ids(project) == [1, 2, 3]


@pytest.mark.deep
def test_a_lock_that_is_never_given_back_is_told(project: Seeded) -> None:
    project.write({"seed.sql": "insert into t values (1);"})
    with project.database.session() as holder:
        holder.execute("begin; lock table t")
        result = project.seed(lock_timeout_seconds=0.2)
    assert result["msg"] == (
        f"{FAILED}supabase/seed.sql: another session held a lock for 0.2 s (seeds_lock_timeout_seconds): canceling "
        f"statement due to lock timeout LINE 1: insert into t values (1). {UNDONE}"
    )
    assert project.seed()["seeded"] == ["supabase/seed.sql"]


def test_what_does_not_end_in_time_is_cancelled_whatever_it_set(project: Seeded) -> None:
    project.write({"seed.sql": "set statement_timeout = 0; select pg_sleep(600) /* long */;"})
    result = project.seed(timeout_seconds=3)
    assert result["msg"] == (
        f"{FAILED}supabase/seed.sql: did not end within 3 s (seeds_timeout_seconds) and was cancelled. {UNDONE}"
    )
    assert project.rows() == []


def test_the_database_of_another_environment_is_left_as_it_is(project: Seeded) -> None:
    project.write({"seed.sql": "insert into t values (1);"})
    assert "is marked as staging's, expected production's" in project.seed(environment="production")["msg"]
    assert ids(project) == []


def test_the_transaction_pooler_is_refused_with_the_way_out(project: Seeded) -> None:
    project.write({"seed.sql": "select 1"})
    url = "postgresql://postgres.abc:canary@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"
    assert "leads to port 6543, the transaction pooler" in project.seed(url=url, variable="api.DATABASE_URL")["msg"]


# --- the CLI

KINDS = {
    "seeds/1_plain.sql": "-- Two\ninsert into t values (1);\ninsert into t values (2);\n",
    "seeds/2_body.sql": "do $$ begin insert into t values (3); end; $$;",
    "seeds/3_text.sql": "insert into u values ('a;b'), ('it''s é'), ($$ x; $$);",
    "seeds/4_empty.sql": "",
    "other/[1].sql": "insert into t values (4);",
    "other/x1.sql": "insert into t values (5);",
    "other/y1.sql": "insert into t values (6);",
}
PATTERNS = ["./seeds/*.sql", "other/\\[1].sql", "other/[^y]1.sql", "seeds/1*.sql", "./none/*.sql"]


@pytest.mark.deep
def test_rows_and_ledger_are_the_clis(cli: str, postgres: Cluster, tmp_path: Path) -> None:
    with postgres.database() as one, postgres.database() as other:
        ours, theirs = Seeded(tmp_path / "ours", one), Seeded(tmp_path / "theirs", other)
        for project in (ours, theirs):
            claim(project.database)
            project.database.rows("create table t (id int primary key)")
            project.database.rows("create table u (text text)")
            project.write(KINDS, PATTERNS)
        ours.seed()
        push(cli, theirs)
        agree(ours, theirs)
        assert len(ours.rows()) == 6
        # Edited, and one more.
        for project in (ours, theirs):
            project.write(
                {**KINDS, "seeds/1_plain.sql": "insert into t values (99);", "seeds/5.sql": "insert into t values (7)"}, PATTERNS
            )
        assert ours.seed()["recorded"] == ["supabase/seeds/1_plain.sql"]
        push(cli, theirs)
        agree(ours, theirs)
        # Each finds what the other one has done.
        assert theirs.seed()["changed"] is False
        assert "up to date" in push(cli, ours)


def push(cli: str, project: Seeded) -> str:
    return ask(cli, Project(project.root, project.database), "db", "push", "--include-seed", "--yes")


def agree(ours: Seeded, theirs: Seeded) -> None:
    assert ours.rows() == theirs.rows()
    for table in ("t", "u"):
        query = f"select * from {table} order by 1"
        assert ours.database.rows(query) == theirs.database.rows(query)
