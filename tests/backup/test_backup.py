# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real Postgres: made, lost, restored, and what is refused."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import restore
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

from tests.backup import age
from tests.backup.world import World


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


def test_an_archive_tells_nothing_without_the_key(world: World) -> None:
    world.fill()
    made = world.make()
    archive = world.place.path / "first.dump.age"
    content = archive.read_bytes()
    assert content.startswith(b"age-encryption.org/v1") and b"example.org" not in content and b"orders" not in content
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
