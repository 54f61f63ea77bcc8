# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real Postgres: made, lost, restored, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import flow, make, place, restore, server
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.database import State
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.server import Installed, Scratch
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

from tests.backup import age
from tests.backup.world import World
from tests.unit.clock import Clock


def test_a_database_that_was_destroyed_comes_back_with_equal_rows(world: World) -> None:
    world.fill()
    before = world.everything()
    made = world.make()
    assert (made.verified, made.tables['"public"."orders"'].rows) == ("2026-09-21T14:13:20Z", 50)
    world.lose()
    world.restoring().restore(world.declared, made)
    assert world.everything() == before
    assert restore.plan(world.declared, made, world.now).lost[1:] == []


def test_what_was_written_since_is_told_and_gone_after_a_restore(world: World) -> None:
    world.fill()
    before = world.everything()
    made = world.make()
    for statement in (
        "delete from auth.users where email < 'user3'",
        "update public.events set what = 'other'",
        "create table public.later as select 1",
        "create extension hstore",
        "create publication later for table public.later",
        "drop policy own on public.orders",
        "alter table public.orders add column more text",
    ):
        world.database.rows(statement)
    lost = restore.plan(world.declared, made, world.now + 7200).lost
    assert lost == [
        "whatever was written after 2026-09-21T14:13:20Z, 2.0 hours ago",
        '"auth"."users": 28 rows now, 50 rows in the backup',
        '"public"."events_2026": 20 rows now and in the backup, with other content',
        '"public"."later": 1 rows now, and no such table in the backup',
        '"public"."orders": 28 rows now, 50 rows in the backup',
    ]
    world.restoring().restore(world.declared, made)
    assert world.everything() == before
    assert world.database.value("select to_regclass('public.later') is null")


@pytest.mark.deep
def test_an_archive_tells_nothing_without_the_key(world: World) -> None:
    world.fill()
    made = world.make()
    archive = world.place.path / "first.dump.age"
    content = archive.read_bytes()
    assert content.startswith(b"age-encryption.org/v1")
    assert b"example.org" not in content
    assert b"orders" not in content
    assert archive.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DeployError, match="no identity matched any of the recipients"):
        world.restoring(age.key().identity).drill(made)
    assert world.restoring().drill(made) > 100


def test_a_damaged_archive_is_refused_before_the_database_is_touched(world: World) -> None:
    world.fill()
    made = world.make()
    archive = world.place.path / "first.dump.age"
    content = bytearray(archive.read_bytes())
    content[-100] ^= 1
    archive.write_bytes(content)
    before = world.everything()
    with pytest.raises(DeployError, match="is not the one that was made: its SHA-256 is"):
        world.restoring().restore(world.declared, made)
    assert world.everything() == before


def test_a_backup_that_cannot_be_restored_is_kept_and_does_not_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the image lacks an extension that the database uses."""
    world.fill()
    prepare = make.prepare
    monkeypatch.setattr(
        make, "prepare", lambda scratch, roles, schemas: prepare(scratch, [one for one in roles if one != world.role], schemas)
    )
    with pytest.raises(DeployError) as refused:
        world.make()
    said = str(refused.value)
    assert said.startswith("the backup first was made and kept, and could not be verified: pg_restore ended with 1: ")
    assert f'role "{world.role}" does not exist' in said
    assert said.endswith("It does not count as one")
    [kept] = world.place.records()
    assert (kept.name, kept.verified) == ("first", "")
    monkeypatch.undo()
    assert world.restoring().drill(kept) > 100


@pytest.mark.deep
def test_rows_that_did_not_come_back_are_noticed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fill()
    held = make.held

    def damaged(scratch: Scratch, tables: Sequence[str]) -> State:
        scratch.run("update public.events set what = 'x' where what = 'what 1'", "damage")
        return held(scratch, tables)

    monkeypatch.setattr(make, "held", damaged)
    with pytest.raises(DeployError, match=r'"public"\."events_2026": 20 rows restored and in the database, with other content'):
        world.make()


def test_a_restore_whose_rows_differ_from_the_record_is_undone(world: World) -> None:
    world.fill()
    made = world.make()
    world.database.rows("insert into public.events values ('2026-07-01', 'later')")
    before = world.everything()
    table = made.tables['"public"."orders"']
    wrong = replace(made, tables={**made.tables, '"public"."orders"': replace(table, rows=table.rows + 1)})
    with pytest.raises(
        DeployError, match=r"what was restored is not what the backup holds: .*orders. has 50 rows where 51 are expected"
    ):
        world.restoring().restore(world.declared, wrong)
    assert world.everything() == before


def test_the_database_of_another_environment_is_neither_read_nor_written(world: World) -> None:
    world.fill()
    made = world.make()
    before = world.everything()
    other = replace(world.declared, environment="staging")
    for act in (lambda: world.restoring().restore(other, made), lambda: restore.plan(other, made, world.now)):
        with pytest.raises(DeployError, match="is marked as production's, expected staging's; correct the secret"):
            act()
    with pytest.raises(DeployError, match="first is backup of production, and a backup of staging is needed"):
        restore.refuse_other(made, "staging", "backup")
    assert world.everything() == before


@pytest.mark.deep
def test_roles_that_a_new_server_lacks_are_named_before_anything_is_changed(world: World) -> None:
    world.fill()
    made = replace(world.make(), roles=["postgres", "gone"])
    before = world.everything()
    with pytest.raises(DeployError, match='Make them first, with the rights to log in that they need: create role "gone"'):
        world.restoring().restore(world.declared, made)
    assert world.everything() == before


@pytest.mark.deep
def test_only_the_named_schemas_are_taken_and_put_back(world: World) -> None:
    world.fill()
    made = world.make(schemas=["public", "auth"])
    assert {name.split(".")[0] for name in made.tables} == {'"public"', '"auth"'}
    world.database.rows("create schema other")
    world.database.rows("create table other.mine as select 1")
    world.database.rows("delete from public.orders")
    world.restoring().restore(world.declared, made)
    assert world.database.value("select count(*) from public.orders") == 50
    assert world.database.value("select count(*) from other.mine") == 1
    assert world.database.value("select environment from morpheus_deploy.identity") == "production"


def test_programs_of_another_version_than_the_server_are_refused(world: World, tmp_path: Path) -> None:
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n")
    program.chmod(0o755)
    with pytest.raises(DeployError, match=f"pg_dump of {tmp_path} is version 9, and the server is version"):
        server.refuse_other(Installed(tmp_path), 17)
    with pytest.raises(DeployError, match=r"backup\.programs: pg_dump of"):
        server.refuse_other(Installed(tmp_path), 17)


def test_while_one_is_at_work_another_waits_and_then_says_so(tmp_path: Path) -> None:
    with (
        place.alone(tmp_path, 0),
        pytest.raises(DeployError, match="another run is at work with backups on this host, and was for 0 s"),
        place.alone(tmp_path, 0),
    ):
        pass
    with place.alone(tmp_path, 0):
        pass


def test_a_pace_is_one_for_all_streams_and_what_was_not_used_is_not_caught_up() -> None:
    clock = Clock()
    pace = flow.Pace(1 << 18, clock)

    def moved() -> int:
        return flow.pump(flow.Paced(io.BytesIO(bytes(1 << 20)), pace), io.BytesIO())

    # The first 256 KiB come at once, and what comes next waits for their second.
    assert moved() == 1 << 20
    assert clock.now() == pytest.approx(3.0)
    assert moved() == 1 << 20
    assert clock.now() == pytest.approx(7.0)
    clock.sleep(100)
    assert moved() == 1 << 20
    assert clock.now() == pytest.approx(110.0)


def test_without_a_rate_nobody_waits() -> None:
    clock = Clock()
    flow.pump(flow.Paced(io.BytesIO(bytes(1 << 20)), flow.Pace(0, clock)), io.BytesIO())
    assert clock.now() == 0
