"""What happens to users' statements while migrations are in trouble: no one fails, and no one waits for what is stuck."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from tests.bench.backfill import CREATE, Traffic
from tests.migrations.postgres import Database, eventually
from tests.migrations.project import A, B, C, Project, claim, path

ROWS = 1000
# As long as a user has patience: far longer than anything takes that is not stuck, and half as long as what is.
PATIENCE_SECONDS = 10.0
HELD_SECONDS = 20
AT_WORK = "select count(*) = 1 from pg_stat_activity where query like '%%/* here */%%' and pid <> pg_backend_pid()"


@pytest.fixture
def project(tmp_path: Path, database: Database) -> Project:
    """With a table that users read and write."""
    claim(database)
    found = Project(tmp_path, database)
    found.write({A: CREATE})
    assert found.apply()["applied"] == [path(A)]
    database.rows("insert into orders (note, size) select 'n', n from generate_series(1, %s) n", ROWS)
    return found


@contextmanager
def users(database: Database) -> Iterator[None]:
    """Fifty transactions a second. None of them may fail."""
    traffic = Traffic(database, ROWS, a_second=50, patience_seconds=PATIENCE_SECONDS)
    with traffic.flows():
        eventually(lambda: len(traffic.took) >= 20, "users are there")
        yield
        seen = len(traffic.took)
        eventually(lambda: len(traffic.took) >= seen + 20, "users go on")
    assert traffic.failed == []


def test_users_do_not_wait_behind_a_file_that_waits_for_a_lock_which_somebody_holds_for_long(project: Project) -> None:
    project.write({A: CREATE, B: "alter table orders add column more text;"})

    def hold() -> None:
        with project.database.session() as holder:
            holder.execute(f"begin; lock table orders in access share mode; select pg_sleep({HELD_SECONDS}) /* here */; commit")

    holder = Thread(target=hold)
    with users(project.database):
        holder.start()
        project.database.until(AT_WORK)
        assert project.apply(lock_timeout_seconds=1)["applied"] == [path(B)]
        holder.join()
    assert project.versions() == ["20260101000000", "20260102000000"]


def test_users_go_on_when_a_run_is_killed_in_the_second_of_three_files_that_has_locked_their_table(project: Project) -> None:
    lines = ["alter table orders add column more text", "update orders set more = 'x' where id = 1"]
    project.write({A: CREATE, B: ";\n".join([*lines, "select pg_sleep(600) /* here */"]), C: "create table c ();"})
    with users(project.database):
        run = project.start()
        project.database.until(AT_WORK)
        run.kill()
        # The server undoes it by itself, and nobody has waited for that too long.
        project.write({A: CREATE, B: ";\n".join(lines), C: "create table c ();"})
        assert project.apply(timeout_seconds=60)["applied"] == [path(B), path(C)]
    assert project.database.rows("select id from orders where more = 'x'") == [(1,)]


@pytest.mark.deep
def test_users_go_on_beside_two_runs_at_once(project: Project) -> None:
    project.write(
        {A: CREATE, B: "alter table orders add column more text;", C: "create index concurrently sizes on orders (size);"}
    )
    with users(project.database):
        one, other = project.start(), project.start()
        applied = [one.answer()["applied"], other.answer()["applied"]]
    assert sorted(applied, key=len) == [[], [path(B), path(C)]]
    assert project.database.value("select indisvalid from pg_index where indexrelid = 'sizes'::regclass")


@pytest.mark.deep
def test_users_go_on_when_a_file_without_a_transaction_breaks_half_way_and_is_gone_on_with(project: Project) -> None:
    project.database.rows("update orders set size = 1 where id = 2")
    project.write(
        {A: CREATE, B: "alter table orders add column more text;\ncreate unique index concurrently sizes on orders (size);"}
    )
    with users(project.database):
        assert 'could not create unique index "sizes"' in project.apply()["msg"]
        assert project.versions() == ["20260101000000"]
        project.database.rows("update orders set size = 2 where id = 2")
        assert project.apply()["applied"] == [path(B)]
    assert project.database.value("select indisvalid from pg_index where indexrelid = 'sizes'::regclass")
