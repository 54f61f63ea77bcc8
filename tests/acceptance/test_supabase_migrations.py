"""The example's API with Supabase's engine and a database of its own beside the example: a file of each class while users read
and write, the way back after each, and what is refused.
"""

from __future__ import annotations

import json

import pytest

from tests.acceptance.tales import (
    CONTRACT,
    DIRECTORY,
    FILL,
    MOOD,
    NEWEST,
    STORIES,
    SUMMARY,
    Tales,
    applied,
    columns,
    sql,
    users,
    versions,
)
from tests.acceptance.world import says

pytestmark = [pytest.mark.deep, pytest.mark.lane("staging")]

NOTE, DROP_MOOD = "20261101090000_note.sql", "20261101090100_drop_mood.sql"
ROWS = 100_000


def test_files_of_every_class_run_beside_users_while_old_and_new_release_serve(tales: Tales) -> None:
    tales.ship(STORIES)
    tales.deploys("1.0.0")
    sql(f"insert into stories (title, text) select 'old', repeat('a long text ', 10) from generate_series(1, {ROWS})")

    # Additive, an index concurrently, and a backfill in batches; back without harm, and there again.
    tales.ship(SUMMARY, NEWEST, FILL)
    with users() as found:
        tales.deploys("1.1.0")
    assert set(found.releases()) == {"1.0.0", "1.1.0"}
    assert found.saw_the_old_one_after(4, "1.0.0")
    assert applied() == versions(STORIES, SUMMARY, NEWEST, FILL)
    assert sql("select count(*) from stories where title = 'old' and summary is null") == "0"
    assert sql("select indisvalid from pg_index where indexrelid = 'stories_newest'::regclass") == "t"
    with users() as found:
        back = tales.rolls_back()
    says(back, ["VERDICT rolled_back"])
    assert set(found.releases()) == {"1.0.0", "1.1.0"}
    tales.deploys("1.1.0")

    tales.ship(MOOD)
    with users() as found:
        tales.deploys("1.2.0")
    assert set(found.releases()) == {"1.1.0", "1.2.0"}

    # The contract waits for 1.1.0, which a rollback may lead to, and runs with the next release, when that is gone.
    tales.ship(CONTRACT)
    with users() as found:
        waits = tales.deploys("1.2.0")
    says(waits, ["drops the column teaser of stories", "which release 1.1.0-", "may need"])
    assert "teaser" in columns()
    tales.ship(**{NOTE.removesuffix(".sql"): "alter table stories add column note text;\n"})
    with users() as found:
        tales.deploys("1.2.0")
    assert set(found.releases()) == {"1.2.0"}
    assert "teaser" not in columns()
    assert applied() == [*versions(STORIES, SUMMARY, NEWEST, FILL, MOOD, CONTRACT), NOTE.partition("_")[0]]
    # To what came with the contract and did not need the column.
    with users():
        says(tales.rolls_back(), ["VERDICT rolled_back"])


def test_what_was_taken_away_is_refused_until_it_is_forced_and_then_the_way_back_is(tales: Tales) -> None:
    tales.ship(STORIES, SUMMARY, MOOD)
    tales.deploys("1.0.0")
    before = tales.containers()
    tales.ship(**{DROP_MOOD.removesuffix(".sql"): "alter table stories drop column mood;\n"})
    with users():
        refused = tales.environment.deploy("1.1.0")
        assert refused.code != 0
        says(refused, [f"{DIRECTORY}/{DROP_MOOD}", "drops the column mood of stories", "VERDICT refused"])
        assert (tales.containers(), "mood" in columns()) == (before, True)
        tales.deploys("1.1.0", "-e", json.dumps({"migration_force": "nobody has moods"}))
    assert "mood" not in columns()

    before = tales.containers()
    with users():
        run = tales.environment.play("rollback.yml")
    assert run.code != 0
    says(run, [f"{DIRECTORY}/{DROP_MOOD} is applied there", "the database's own ledger says so", "VERDICT refused"])
    assert (tales.containers(), tales.live()) == (before, "1.1.0")
