"""Migrations by the module on a real Postgres: in order, each once, whoever is killed or in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.migrations.postgres import Database, eventually
from tests.migrations.project import A, B, C, Project, claim, path

FAILED = "the migrations failed, and no host was switched: "


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Project:
    claim(database)
    return Project(tmp_path, database)


def test_files_are_applied_in_their_order_and_never_again(project: Project) -> None:
    project.write({B: "insert into orders values (1);", A: "-- the first\ncreate table orders (id int);\n"})
    result = project.apply()
    assert (result["changed"], result["applied"]) == (True, [path(A), path(B)])
    assert project.rows() == [
        ("20260101000000", "a", ["-- the first\ncreate table orders (id int)"]),
        ("20260102000000", "b", ["insert into orders values (1)"]),
    ]
    again = project.apply()
    assert (again["changed"], again["applied"]) == (False, [])
    assert project.database.value("select count(*) from orders") == 1


def test_check_mode_lists_what_would_run_and_writes_nothing(project: Project) -> None:
    project.write({A: "create table orders ();", B: "vacuum orders"})
    result = project.apply(_ansible_check_mode=True)
    assert (result["changed"], result["applied"]) == (True, [path(A), path(B)])
    assert project.database.value("select to_regnamespace('supabase_migrations') is null")


def test_a_file_that_fails_is_undone_whole_and_told_with_its_line(project: Project) -> None:
    project.write(
        {
            A: "create table orders (id int primary key);",
            B: "create table b ();\n\ninsert into orders\nvalues (1), (1);",
            C: "select 1",
        }
    )
    result = project.apply()
    assert result["msg"] == (
        f'{FAILED}{path(B)}:3: duplicate key value violates unique constraint "orders_pkey" DETAIL: Key (id)=(***) already exists'
        ". Nothing of this file is done; files before it are applied"
    )
    assert project.versions() == ["20260101000000"]
    assert project.database.value("select to_regclass('b') is null")


def test_what_a_file_sets_ends_with_it(project: Project) -> None:
    project.write({A: "set search_path = ''; set lock_timeout = 0;", B: "create table orders ();"})
    assert project.apply()["applied"] == [path(A), path(B)]
    assert project.database.value("select to_regclass('public.orders') is not null")


@pytest.mark.parametrize("statement", [pytest.param(0, marks=pytest.mark.deep), 1, pytest.param(2, marks=pytest.mark.deep)])
def test_killed_in_the_second_of_three_files_the_next_run_does_the_rest(project: Project, statement: int) -> None:
    """At every statement of it: the one at work is recognised by what it runs."""
    lines = ["create table b (id int)", "insert into b values (1)", "insert into b values (2)"]
    lines.insert(statement, "select pg_sleep(600) /* here */")
    project.write({A: "create table a ();", B: ";\n".join(lines), C: "create table c ();"})
    process = project.start()
    project.database.until(
        "select count(*) = 1 from pg_stat_activity where query like '%%/* here */%%' and pid <> pg_backend_pid()"
    )
    process.kill()
    assert project.versions() == ["20260101000000"]
    # A server sees within a second that its client is gone, so nothing is at work any more.
    project.database.until(
        "select count(*) = 0 from pg_stat_activity where query like '%%/* here */%%' and pid <> pg_backend_pid()"
    )
    assert project.database.value("select to_regclass('b') is null")
    project.write({A: "create table a ();", B: ";\n".join(line for line in lines if "here" not in line), C: "create table c ();"})
    assert project.apply()["applied"] == [path(B), path(C)]
    assert project.database.rows("select id from b order by id") == [(1,), (2,)]
    assert project.database.value("select to_regclass('c') is not null")


def test_of_two_runners_one_applies_and_the_other_finds_it_done(project: Project) -> None:
    project.write({A: "create table a (id int); insert into a values (1); select pg_sleep(1);", B: "insert into a values (2);"})
    one, other = project.start(), project.start()
    applied = [one.answer()["applied"], other.answer()["applied"]]
    assert sorted(applied, key=len) == [[], [path(A), path(B)]]
    assert project.database.rows("select id from a order by id") == [(1,), (2,)]


def test_a_runner_that_waits_too_long_says_for_whom(project: Project) -> None:
    project.write({A: "select pg_sleep(600) /* holder */"})
    holder = project.start()
    project.database.until(
        "select count(*) = 1 from pg_stat_activity where query like '%%/* holder */%%' and pid <> pg_backend_pid()"
    )
    result = project.apply(timeout_seconds=1)
    assert (
        "another run of migrations is at work on this database, and was for 1 s (stack.migration.timeout_seconds): session "
        in result["msg"]
    )
    assert " of morpheus.deploy migrations from 127.0.0.1, for 00:00:" in result["msg"]
    assert result["msg"].endswith("Nothing was done; run this again when it has ended")
    holder.kill()


def test_a_lock_that_another_session_holds_is_waited_for_without_a_queue_behind_it(project: Project) -> None:
    project.write({A: "create table orders (id int);"})
    project.apply()
    project.write({A: "create table orders (id int);", B: "create table b (); alter table orders add column note text;"})
    with project.database.session() as holder:
        holder.execute("begin; lock table orders in access share mode")
        process = project.start(lock_timeout_seconds=0.3)
        # Twice refused: seen in another transaction each time.
        seen: set[str] = set()

        def tried() -> bool:
            rows = project.database.rows(
                "select xact_start::text from pg_stat_activity where wait_event_type = 'Lock' and query like 'alter table "
                "orders%%'"
            )
            seen.update(start for (start,) in rows)
            return len(seen) >= 2

        eventually(tried, "the statement was tried twice")
        # Who only reads was let through in between.
        assert project.database.value("select count(*) from orders") == 0
        assert project.versions() == ["20260101000000"]
        holder.execute("commit")
    assert process.answer()["applied"] == [path(B)]
    assert project.database.value("select count(*) from information_schema.columns where table_name = 'orders'") == 2


def test_a_lock_that_is_never_given_back_is_told(project: Project) -> None:
    project.write({A: "create table orders (id int);"})
    project.apply()
    project.write({A: "create table orders (id int);", B: "alter table orders add column note text;"})
    with project.database.session() as holder:
        holder.execute("begin; lock table orders in access share mode")
        result = project.apply(lock_timeout_seconds=0.2, timeout_seconds=3)
    assert result["msg"].startswith(f"{FAILED}{path(B)}: another session was in the way ")
    assert result["msg"].endswith(
        "canceling statement due to lock timeout. Nothing of this file is done that was not noted; end that session and run "
        "this again"
    )
    assert project.versions() == ["20260101000000"]


def test_what_does_not_end_in_time_is_cancelled_whatever_it_set(project: Project) -> None:
    project.write({A: "create table a ();", B: "set statement_timeout = 0; select pg_sleep(600) /* long */;"})
    result = project.apply(timeout_seconds=10)
    assert result["msg"] == (
        f"{FAILED}{path(B)}:1: did not end within 10 s (stack.migration.timeout_seconds) and was cancelled; nothing is at work "
        "in the "
        "database any more. Files before this one are applied; run this again with more time, and it goes on from there"
    )
    assert (
        project.database.value(
            "select count(*) from pg_stat_activity where query like '%%/* long */%%' and pid <> pg_backend_pid()"
        )
        == 0
    )
    assert project.versions() == ["20260101000000"]


# --- files that cannot run in one transaction


def test_a_file_without_a_transaction_that_breaks_goes_on_behind_what_has_ended(project: Project) -> None:
    broken = (
        "create table orders (id int);\ninsert into orders values (1), (1);\n"
        "create unique index concurrently one on orders (id);\ninsert into orders values (2);"
    )
    project.write({A: broken, B: "create table b ();"})
    result = project.apply()
    assert result["msg"] == (
        f'{FAILED}{path(A)}:3: could not create unique index "one" DETAIL: Key (id)=(***) is duplicated. CREATE INDEX '
        "CONCURRENTLY cannot run in a transaction, so the statements before this one stay done and are noted; mend this one or "
        "what it meets, and the next run goes on with it"
    )
    assert project.versions() == []
    assert project.database.value("select to_regclass('one') is null"), "an invalid index was left"
    project.database.rows("delete from orders where ctid = (select min(ctid) from orders)")
    assert project.apply()["applied"] == [path(A), path(B)]
    assert project.database.rows("select id from orders order by id") == [(1,), (2,)]
    assert project.database.value("select indisvalid from pg_index where indexrelid = 'one'::regclass")
    assert project.database.value("select count(*) from supabase_migrations.morpheus_deploy_progress") == 0
    assert project.rows()[0][2] == [line.removesuffix(";") for line in broken.split("\n")]


def test_what_comes_after_the_break_may_be_mended_and_what_has_ended_may_not(project: Project) -> None:
    project.write({A: "create table orders (id int);\nselect 1/0;\nvacuum orders;"})
    assert f"{path(A)}:2: division by zero" in project.apply()["msg"]
    project.write({A: "create table orders (id bigint);\nvacuum orders;"})
    assert project.apply()["msg"] == (
        f"{FAILED}{path(A)}: 1 of its statements have run in an attempt that broke off (VACUUM cannot run in a transaction), "
        "and they "
        "stand otherwise in it now. Put them back as they were; what comes after them may be changed. Or undo by hand what "
        "they did "
        "and let it begin anew: delete from supabase_migrations.morpheus_deploy_progress where version = '20260101000000'"
    )
    project.write({A: "create table orders (id int);\nvacuum orders;"})
    assert project.apply()["applied"] == [path(A)]


def test_killed_while_an_index_is_built_the_next_run_builds_it(project: Project) -> None:
    project.write({A: "create table orders (id int); insert into orders values (1);"})
    project.apply()
    project.write(
        {
            A: "create table orders (id int); insert into orders values (1);",
            B: "create index concurrently i on orders (id);\nvacuum orders;",
        }
    )
    with project.database.session() as holder:
        # It waits for transactions that may still see the table as it was.
        holder.execute("begin; insert into orders values (2)")
        process = project.start()
        project.database.until("select exists (select from pg_index where indexrelid = to_regclass('i') and not indisvalid)")
        process.kill()
        project.database.until("select count(*) = 0 from pg_stat_activity where application_name = 'morpheus.deploy migrations'")
        holder.execute("commit")
    assert project.database.value("select indisvalid from pg_index where indexrelid = 'i'::regclass") is False
    assert project.versions() == ["20260101000000"]
    assert project.apply()["applied"] == [path(B)]
    assert project.database.value("select indisvalid from pg_index where indexrelid = 'i'::regclass")
    assert project.database.value("select count(*) from pg_index where indrelid = 'orders'::regclass") == 1


@pytest.mark.deep
def test_an_index_that_outlives_the_timeout_is_cancelled_and_built_by_the_next_run(project: Project) -> None:
    """C23: nothing is at work afterwards, and the invalid index that is left is not passed over."""
    table = "create table orders (id int); insert into orders values (1);"
    project.write({A: table})
    project.apply()
    project.write({A: table, B: "create index concurrently if not exists i on orders (id);"})
    with project.database.session() as holder:
        # It waits for transactions that may still see the table as it was.
        holder.execute("begin; insert into orders values (2)")
        assert f"{path(B)}:1: did not end within 3 s" in project.apply(timeout_seconds=3)["msg"]
        project.database.until("select count(*) = 0 from pg_stat_activity where application_name = 'morpheus.deploy migrations'")
        assert project.database.value("select indisvalid from pg_index where indexrelid = 'i'::regclass") is False
        holder.execute("commit")
    assert project.versions() == ["20260101000000"]
    assert project.apply()["applied"] == [path(B)]
    assert project.database.value("select indisvalid from pg_index where indexrelid = 'i'::regclass")


@pytest.mark.parametrize("done", [pytest.param(0, marks=pytest.mark.deep), 1, pytest.param(2, marks=pytest.mark.deep)])
def test_killed_between_statements_of_such_a_file_each_runs_once(project: Project, done: int) -> None:
    """What stands when a run is killed right after a statement and before the note of its end."""
    lines = ["create table orders (id int)", "create index concurrently i on orders (id)", "drop index concurrently i"]
    project.write({A: ";".join([*lines, "insert into orders values (1)"])})
    with project.database.session() as session:
        session.execute("create schema supabase_migrations")
        session.execute(
            "create table supabase_migrations.morpheus_deploy_progress (version text primary key, done text[] not null, begun "
            "text not null)"
        )
        for line in lines[: done + 1 if done else 0]:
            session.execute(line)
        if done:
            session.execute(
                "insert into supabase_migrations.morpheus_deploy_progress values (%s, %s, %s)",
                ["20260101000000", lines[:done], lines[done]],
            )
    assert project.apply()["applied"] == [path(A)]
    assert project.database.value("select to_regclass('i') is null")
    assert project.database.value("select count(*) from orders") == 1


@pytest.mark.deep
def test_an_index_that_somebody_else_has_left_invalid_is_not_passed_over(project: Project) -> None:
    project.write({A: "create table orders (id int);", B: "create index concurrently if not exists i on orders (id)"})
    project.database.rows("create table orders (id int)")
    project.database.rows("insert into orders values (1), (1)")
    with project.database.session() as session, pytest.raises(Exception, match="could not create unique index"):
        session.execute("create unique index concurrently i on orders (id)")
    project.write({B: "create index concurrently if not exists i on orders (id)"})
    assert project.apply()["applied"] == [path(B)]
    assert project.database.value("select indisvalid from pg_index where indexrelid = 'i'::regclass")


@pytest.mark.deep
def test_a_new_value_of_a_type_can_be_used_in_the_file_that_adds_it(project: Project) -> None:
    project.write(
        {A: "create type t as enum ('a'); create table o (k t); alter type t add value 'b'; insert into o values ('b');"}
    )
    assert project.apply()["applied"] == [path(A)]
    assert project.database.value("select k::text from o") == "b"


@pytest.mark.deep
def test_what_such_a_file_sets_holds_behind_a_break(project: Project) -> None:
    project.write({A: "create schema s;set search_path = s;create table o (id int);select 1/0;vacuum o;"})
    assert "division by zero" in project.apply()["msg"]
    project.write(
        {A: "create schema s;set search_path = s;create table o (id int);create index concurrently i on o (id);vacuum o;"}
    )
    assert project.apply()["applied"] == [path(A)]
    assert project.database.value("select to_regclass('s.i') is not null")


# --- what is refused


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param(
            {A: "create table a (id bigint);", B: "select 1"},
            f"{path(A)}: was applied with another content, from its statement 1 on (line 1), and what is applied is never "
            "applied again. "
            "Put it back as it was, and the change into a new file. Only if the database needs no change (a comment), name it in "
            'stack.migration.accept_edited: ["20260101000000"]',
            id="edited",
        ),
        pytest.param(
            {B: "select 1"},
            "the database has 20260101000000_a applied, and this release has no such file: it was made from an older checkout, "
            "or the "
            "file was renamed or removed. Bring the file back (supabase migration fetch writes it); if the database is to "
            "forget it: "
            "supabase migration repair --status reverted 20260101000000",
            id="missing",
        ),
        pytest.param(
            {"20260101000000_other": "create table x ();", B: "select 1"},
            f"{path('20260101000000_other')}: its version is applied already, of another file (20260101000000_a), so it would "
            "never run; "
            "give it a newer timestamp",
            id="doubled",
        ),
        pytest.param(
            {A: "create table a ();", "20260101120000_late": "select 1", B: "select 1"},
            f"{path('20260101120000_late')}: is older than 20260102000000, which is applied, so databases would get the two in "
            "different "
            "orders, as after a merge of a branch; give it a timestamp after 20260102000000",
            id="out of order",
        ),
    ],
)
def test_files_that_do_not_fit_the_ledger_are_refused_before_anything_runs(
    project: Project, sources: dict[str, str], expected: str
) -> None:
    """C22, with the ledger of a database: a file that was edited, and a second one with its version."""
    project.write({A: "create table a ();", B: "select 1"})
    project.apply()
    project.write({**sources, C: "create table c ();"})
    for options in ({}, {"_ansible_check_mode": True}):
        result = project.apply(**options)
        assert result["msg"] == f"{FAILED}nothing was run, because these migrations cannot be:\n  - {expected}"
    assert project.database.value("select to_regclass('c') is null")


def test_an_edit_that_is_accepted_is_no_edit(project: Project) -> None:
    project.write({A: "create table a ();"})
    project.apply()
    project.write({A: "-- said better\ncreate table a ();"})
    assert project.apply(accept_edited=["20260101000000"])["changed"] is False


def test_the_transaction_pooler_is_refused_with_the_way_out(project: Project) -> None:
    project.write({A: "select 1"})
    url = "postgresql://postgres.abc:canary@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"
    assert project.apply(url=url, variable="api.DATABASE_URL")["msg"] == (
        f"{FAILED}api.DATABASE_URL leads to port 6543, the transaction pooler, which gives each transaction a session of its "
        "own: neither a "
        "lock nor a setting would last. Migrations go by the session pooler: the same URL with port 5432"
    )


def test_the_database_of_another_environment_is_left_as_it_is(project: Project) -> None:
    project.write({A: "create table a ();"})
    assert "is marked as staging's, expected production's" in project.apply(environment="production")["msg"]
    assert project.versions() == []


# --- what older releases need

OLD, NEW = {"id": "1.0.0-aa", "head": "20260101000000"}, {"id": "1.1.0-bb", "head": "20260102000000"}


def test_what_an_older_release_may_need_is_not_taken_away(project: Project) -> None:
    project.write({A: "create table a (x int);", B: "alter table a drop column x;"})
    result = project.apply(retained=[OLD])
    assert result["msg"] == (
        f"{FAILED}nothing was run, because these migrations cannot be:\n  - {path(B)}: drops the column x of a (line 1). "
        "release 1.0.0-aa may "
        "need that: it serves while this runs, or a rollback leads to it. Put it into a file of its own that begins with the "
        "line "
        '"-- contract": that file waits until no release is retained that came before it, or with "-- contract <version>" '
        "before that "
        "version of the schema. Or run it now, and lose the way back, with -e migration_force=<reason>"
    )
    assert project.versions() == []
    forced = project.apply(retained=[OLD], force="the column was never used")
    assert (forced["applied"], forced["forced"]) == ([path(A), path(B)], [path(B)])


def test_a_contract_waits_and_what_comes_after_it_does_not(project: Project) -> None:
    project.write({A: "create table a (x int);", B: "-- contract\nalter table a drop column x;", C: "create table c ();"})
    result = project.apply(retained=[OLD])
    assert result["applied"] == [path(A), path(C)]
    assert result["waiting"] == {path(B): "drops the column x of a (line 2), which release 1.0.0-aa may need"}
    assert project.apply(retained=[OLD, NEW])["changed"] is False
    later = project.apply(retained=[NEW])
    assert (later["applied"], later["waiting"]) == ([path(B)], {})
    assert project.versions() == ["20260101000000", "20260102000000", "20260103000000"]


def test_a_contract_that_names_a_version_waits_for_that(project: Project) -> None:
    project.write({A: "create table a (x int);", B: "-- contract 20260101000000\nalter table a drop column x;"})
    assert project.apply(retained=[OLD])["applied"] == [path(A), path(B)]
