"""Backfills in batches on a real Postgres: beside others, killed and gone on with, and by two at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.migrations.postgres import Database, eventually
from tests.migrations.project import A, B, C, Project, claim, path

FAILED = "the migrations failed, and no host was switched: "
TABLE = "create table orders (id bigint generated always as identity primary key, note text, total int, writes int default 0);"
FILL = "update orders set total = length(note), writes = writes + 1 where note like '%o%';"
PROGRESS = "select read, changed, batches from supabase_migrations.morpheus_deploy_backfills"
HALTED = "select count(*) = 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'update orders%%'"


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Project:
    claim(database)
    return Project(tmp_path, database)


def filled(project: Project, rows: int, statement: str = FILL, mark: str = "key=id batch=100") -> dict[str, str]:
    """A table with so many rows, of which every second one is to be changed; the files with the backfill behind it."""
    project.write({A: TABLE})
    project.apply()
    project.database.rows(
        "insert into orders (note) select case when n %% 2 = 0 then 'no' else 'x' end from generate_series(1, %s) n", rows
    )
    sources = {A: TABLE, B: f"-- backfill {mark}\n{statement}", C: "create table c ();"}
    project.write(sources)
    return sources


def test_rows_are_written_in_batches_and_the_ledger_has_what_the_cli_would_write(project: Project) -> None:
    sources = filled(project, 1050)
    result = project.apply()
    assert result["applied"] == [path(B), path(C)]
    assert result["backfills"] == {path(B): "525 of 1050 rows changed in 11 batches"}
    assert project.rows()[1] == ("20260102000000", "b", [sources[B].removesuffix(";")])
    assert project.database.rows("select note, total, writes, count(*) from orders group by 1, 2, 3 order by 1") == [
        ("no", 2, 1, 525),
        ("x", None, 0, 525),
    ]
    assert project.database.rows(PROGRESS) == []
    assert project.apply()["changed"] is False


@pytest.mark.parametrize("rows", [0, 100, 101, *(pytest.param(rows, marks=pytest.mark.deep) for rows in (1, 99, 200))])
def test_each_row_is_written_once_where_batches_end(project: Project, rows: int) -> None:
    filled(project, rows, "update only orders o set writes = writes + 1")
    assert path(B) in project.apply()["applied"]
    assert project.database.rows("select count(*), coalesce(min(writes), 1), coalesce(max(writes), 1) from orders") == [
        (rows, 1, 1)
    ]


def test_a_batch_is_a_transaction_that_keeps_nobody_from_other_rows(project: Project) -> None:
    filled(project, 1000)
    with project.database.session() as holder:
        holder.execute("begin; select from orders where id = 500 for update")
        process = project.start(lock_timeout_seconds=0.3)
        # It is tried again and again, in a transaction that is another one each time.
        seen: set[str] = set()

        def tried() -> bool:
            rows = project.database.rows(f"select xact_start::text from ({HALTED.replace('count(*) = 1', '*')}) as waiting")
            seen.update(start for (start,) in rows)
            return len(seen) >= 2

        eventually(tried, "the batch was tried twice")
        assert project.database.rows(PROGRESS) == [(400, 200, 4)]
        project.database.rows("update orders set note = 'mine' where id in (399, 501)")
        holder.execute("commit")
    assert process.answer()["backfills"] == {path(B): "500 of 1000 rows changed in 10 batches"}


def test_killed_in_a_batch_the_next_run_goes_on_behind_the_one_before(project: Project) -> None:
    sources = filled(project, 1000)
    with project.database.session() as holder:
        holder.execute("begin; select from orders where id = 750 for update")
        process = project.start(lock_timeout_seconds=60)
        project.database.until(HALTED)
        process.kill()
        project.database.until("select count(*) = 0 from pg_stat_activity where application_name = 'morpheus.deploy migrations'")
        holder.execute("commit")
    assert project.versions() == ["20260101000000"]
    assert project.database.rows(PROGRESS) == [(700, 350, 7)]
    # Another size of batches is no other backfill.
    project.write({**sources, B: sources[B].replace("batch=100", "batch=150")})
    looked = project.apply(_ansible_check_mode=True)
    words = "in batches of at most 150 rows by id, behind an attempt that broke off: 350 of 700 rows changed in 7 batches"
    assert (looked["applied"], looked["backfills"]) == ([path(B), path(C)], {path(B): words})
    assert project.database.rows(PROGRESS) == [(700, 350, 7)]
    # The first one of a run has 100.
    assert project.apply()["backfills"] == {path(B): "500 of 1000 rows changed in 10 batches"}
    assert project.database.rows("select writes, count(*) from orders group by 1 order by 1") == [(0, 500), (1, 500)]


def test_what_was_begun_is_not_gone_on_with_by_another_statement(project: Project) -> None:
    sources = filled(project, 300, "update orders set writes = 1 / (id - 250)")
    broken = project.apply()["msg"]
    assert broken.startswith(f"{FAILED}{path(B)}:2: division by zero")
    assert broken.endswith("Of this backfill is done: 200 of 200 rows changed in 2 batches; the next run goes on behind that")
    project.write({**sources, B: "-- backfill key=id batch=100\nupdate orders set writes = 2"})
    assert project.apply()["msg"] == (
        f"{FAILED}{path(B)}: an attempt that broke off has 200 of 200 rows changed in 2 batches, and its statement stands "
        "otherwise in it now. Put it back as it was; only the number of rows in a batch may be changed. Or let it begin anew: "
        "delete from supabase_migrations.morpheus_deploy_backfills where version = '20260102000000'"
    )
    assert project.database.value("select max(writes) from orders where id > 200") == 0


def test_of_two_runners_one_fills_and_the_other_finds_it_done(project: Project) -> None:
    filled(project, 2000, "update orders set writes = writes + 1")
    one, other = project.start(), project.start()
    applied = sorted([one.answer()["applied"], other.answer()["applied"]], key=len)
    assert applied == [[], [path(B), path(C)]]
    assert project.database.rows("select writes, count(*) from orders group by 1") == [(1, 2000)]


def test_time_that_is_over_ends_it_between_two_batches_too_and_more_time_goes_on(project: Project) -> None:
    sources = filled(project, 300, "update orders set writes = writes + 1 where pg_sleep(0.01) is not null")
    result = project.apply(timeout_seconds=2)
    assert "did not end within 2 s (stack.migration.timeout_seconds) and was cancelled" in result["msg"]
    done = re.search(
        r"Of this backfill is done: (\d+) of \1 rows changed in \d batch(es)?; the next run goes on behind", result["msg"]
    )
    assert done
    assert int(done[1]) < 300
    project.write(sources)
    assert path(B) in project.apply()["applied"]
    assert project.database.rows("select writes, count(*) from orders group by 1") == [(1, 300)]


@pytest.mark.parametrize(
    ("statement", "key", "expected"),
    [
        pytest.param(
            "update orders set total = 1",
            "none",
            'there is no column none in a table "orders"; name one as its key',
            id="no column",
        ),
        pytest.param(
            "update orders set total = 1",
            "note",
            'its key, note of "orders", may be empty, and rows without one would be left out; name a column that is NOT NULL, as '
            "the primary key",
            id="may be empty",
        ),
        pytest.param(
            "update orders set total = 1",
            "place",
            'its key, place of "orders", is the first column of no btree index, so each batch would read the whole table; name '
            "the primary key, or build an index CONCURRENTLY in a file before it",
            id="no index",
        ),
    ],
)
def test_a_key_by_which_rows_cannot_be_walked_is_refused(project: Project, statement: str, key: str, expected: str) -> None:
    filled(project, 10, statement, f"key={key} batch=5")
    project.database.rows("alter table orders add column place int not null default 0")
    assert project.apply()["msg"] == f"{FAILED}{path(B)}: {expected}"
    assert project.database.value("select count(total) from orders") == 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uuid", "gen_random_uuid()"),
        pytest.param("text", "'é''%%' || n", marks=pytest.mark.deep),
        pytest.param("timestamptz", "now() + n * interval '1 microsecond'", marks=pytest.mark.deep),
        pytest.param("numeric(10, 3)", "n / 7.0", marks=pytest.mark.deep),
        pytest.param("float8", "n / 7.0", marks=pytest.mark.deep),
        ('"Size"', "case n %% 3 when 0 then 's' when 1 then 'm' else 'l' end::\"Size\""),
    ],
)
def test_keys_of_every_kind_are_walked(project: Project, kind: str, value: str) -> None:
    """Also keys that are not unique: a batch ends behind all rows of one."""
    table = f"""create type "Size" as enum ('s', 'm', 'l');
        create table "Some Orders" ("createdBy" {kind} not null, writes int default 0);"""
    index = 'create index concurrently keys on "Some Orders" ("createdBy");'
    project.write({A: table, B: index})
    project.apply()
    project.database.rows(f'insert into "Some Orders" ("createdBy") select {value} from generate_series(1, %s) n', 95)
    fill = "-- backfill key=createdBy batch=10\nupdate \"Some Orders\" as \"O\" set writes = writes + 1 where 'é%' <> '' -- all"
    project.write({A: table, B: index, C: fill})
    assert project.apply()["applied"] == [path(C)]
    assert project.database.rows('select writes, count(*) from "Some Orders" group by 1') == [(1, 95)]


def test_rows_are_deleted_in_batches(project: Project) -> None:
    filled(project, 1000, "delete from orders using (values ('no')) as gone (note) where orders.note = gone.note")
    assert project.apply()["backfills"] == {path(B): "500 of 1000 rows changed in 10 batches"}
    assert project.database.value("select count(*) from orders") == 500


def test_rows_that_are_added_meanwhile_do_not_keep_it_from_its_end(project: Project) -> None:
    """Each statement of it adds a row at the end."""
    filled(project, 500, "update orders set writes = 1")
    project.database.rows(
        "create function more() returns trigger language plpgsql as "
        "$$ begin insert into orders (note) select 'x' from generate_series(1, 5); return null; end $$;"
        "create trigger more after update on orders for each statement execute function more()"
    )
    assert path(B) in project.apply()["applied"]


def test_batches_grow_to_what_the_file_says_and_no_further(project: Project) -> None:
    """Counted where they end: a trigger notes how many rows each statement has written."""
    filled(project, 3000, "update orders set writes = writes + 1", "key=id batch=250")
    project.database.rows(
        "create table sizes (n bigint generated always as identity, rows bigint);"
        "create function counted() returns trigger language plpgsql as "
        "$$ begin insert into sizes (rows) select count(*) from changed; return null; end $$;"
        "create trigger counted after update on orders referencing new table as changed for each statement "
        "execute function counted()"
    )
    project.apply()
    first, *rest, last = [rows for (rows,) in project.database.rows("select rows from sizes order by n")]
    assert first == 100
    assert all(100 <= rows <= 250 for rows in rest)
    assert last <= 250
    assert project.database.rows("select writes, count(*) from orders group by 1") == [(1, 3000)]


def test_batches_of_rows_that_take_long_stay_small(project: Project) -> None:
    """5 ms each, of which 5,000 would keep who wants one of them waiting for half a minute."""
    filled(project, 600, "update orders set writes = writes + 1 where pg_sleep(0.005) is not null", "key=id batch=5000")
    assert project.apply()["backfills"] == {path(B): "600 of 600 rows changed in 6 batches"}


@pytest.mark.deep
def test_where_each_commit_takes_long_batches_grow_all_the_same(project: Project) -> None:
    """50 ms each, for the disk is busy. Batches of 100 rows would be 50, and nobody would wait less for it."""
    sources = filled(project, 5000, mark="key=id batch=5000")
    project.apply()
    project.database.rows(
        "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.05); return null; end $$;"
        "create constraint trigger slow after update on supabase_migrations.morpheus_deploy_backfills "
        "deferrable initially deferred for each row execute function slow()"
    )
    again = "20260104000000_again"
    project.write({**sources, again: "-- backfill key=id batch=5000\nupdate orders set writes = writes + 1"})
    words = project.apply()["backfills"][path(again)]
    assert words.startswith("5000 of 5000 rows changed in ")
    assert int(words.split()[-2]) < 25


@pytest.mark.deep
def test_a_hundred_thousand_rows(project: Project) -> None:
    filled(project, 100_000, mark="key=id batch=5000")
    assert project.apply()["backfills"][path(B)].startswith("50000 of 100000 rows changed in ")
    assert project.database.rows("select writes, count(*) from orders group by 1 order by 1") == [(0, 50_000), (1, 50_000)]
