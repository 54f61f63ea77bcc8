# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever may make tables, or write to the store, is no root of the host that restores."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import contents
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.make import Making, Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.server import Installed
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker

from tests.backup.world import World


@pytest.mark.parametrize(
    ("name", "standard"),
    [("$proof$\n\\! touch {}\n", "on"), pytest.param("\\'\n\\! touch {}\n", "off", marks=pytest.mark.deep)],
)
def test_a_name_of_a_table_runs_no_program_where_it_is_restored(world: World, name: str, standard: str) -> None:
    """psql obeys a backslash wherever it stands in no quotes."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="m") as directory:
        planted = Path(directory, "p")
        table = f"public.{contents.quoted(name.format(planted))}"
        with world.database.session() as session:
            marker.mark(session.connection, "production")
            session.execute(f"create table {table} as select 1 as one".replace("%", "%%"))
            session.execute(f'alter database "{world.database.name}" set standard_conforming_strings = {standard}')
        made = world.make()
        world.database.rows(f"update {table} set one = 2")
        problem = ""
        try:
            world.restoring().restore(world.declared, made)
        except Exception as exc:
            problem = str(exc)
        assert not planted.exists(), problem
        assert not problem
        assert world.database.value(f"select one from {table}") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a server as somebody else")
def test_what_a_function_of_the_database_starts_where_it_is_looked_at_runs_as_nobody(world: World) -> None:
    """Its server lets it start programs, and the user postgres is the owner of every other database of a host."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="m") as directory:
        Path(directory).chmod(0o777)
        started = Path(directory, "p")
        with world.database.session() as session:
            marker.mark(session.connection, "production")
            session.execute(
                "create function public.f(x int) returns boolean language plpgsql as $$ begin if current_database() = 'scratch' "
                f"then execute $x$copy (select 1) to program 'id > {started}'$x$; end if; return true; end $$"
            )
            session.execute("create table public.c (x int check (public.f(x)))")
            session.execute("insert into public.c values (1)")
        tools = Installed(world.tools.directory)
        Making(world.declared, tools, world.place, world.place.path).make(Wanted("first", "a test", [world.key.recipient]))
        assert started.read_text().startswith("uid=65534(nobody) ")
