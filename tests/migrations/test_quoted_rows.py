# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of an error quotes rows, and rows are of persons: of no error are they in what a run says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import server
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

from tests.migrations.postgres import Cluster, Database
from tests.migrations.project import Project, claim
from tests.postgres import binaries

TABLES = """
create table people (id int primary key, email text, note text);
insert into people values (1, 'canary@example.com', E'canary (of line\\n1).'), (2, 'canary@example.com', '12');
create table orders (id int, person int references people);
insert into orders values (1, 1);
"""
# What is tried -> what the message says all the same.
STATEMENTS = {
    "alter table people add unique (email)": "Key (email)=(***) is duplicated",
    "create unique index on people (email)": "Key (email)=(***) is duplicated",
    "alter table people alter note type int using note::int": "invalid input syntax for type integer",
    "alter table people alter note type timestamptz using email::timestamptz": "invalid input syntax for type timestamp",
    "alter table people alter note type jsonb using email::jsonb": "invalid input syntax for type json",
    "alter table people alter note type uuid using note::uuid": "invalid input syntax for type uuid",
    "alter table people add check (id > 1)": "people_id_check",
    "alter table people add phone text; update people set id = null": 'null value in column "id" of relation "people"',
    "update people set email = null; alter table people alter email set not null": "contains null values",
    "delete from people": 'violates foreign key constraint "orders_person_fkey"',
    "update orders set person = 4711000": 'Key (person)=(***) is not present in table "people"',
    "create domain short as text check (value ~ 'zz'); alter table people alter email type short": "violates check constraint",
    "alter table people add what text check (email ~ '^x') not null default ''": "people_",
    "create type mood as enum ('a'); alter table people alter email type mood using email::mood": "value for enum mood",
    "create view seen as select email from people; alter table people drop email": "view seen depends on column email",
    "select 'mine'::int": 'invalid input syntax for type integer: "mine"',
}


@pytest.fixture(scope="module")
def database(postgres: Cluster) -> Iterator[Database]:
    """One for all: whatever is tried fails, and is undone whole."""
    with postgres.database() as found:
        claim(found)
        found.rows(TABLES)
        yield found


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_migration_that_fails_tells_no_row(tmp_path: Path, database: Database, statement: str) -> None:
    project = Project(tmp_path, database)
    project.write({"20260101000000_a": statement + ";"})
    message = project.apply()["msg"]
    assert STATEMENTS[statement] in message
    assert "of line" not in message
    assert "4711000" not in message


@pytest.mark.parametrize("data", ["1\tcanary@example.com\tx", "canary\tcanary\tx", "7\tcanary", "3\tx\tcanary\tcanary"])
def test_what_a_program_of_a_backup_says_tells_none_either(database: Database, data: str) -> None:
    def wrap(program: str, arguments: object) -> list[str]:
        return [str(binaries() / program), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname", database.url]

    with pytest.raises(DeployError) as refused:
        server.Scratch(wrap).run(f"copy people from stdin;\n{data}\n\\.\n", "the rows could not be put back")
    assert "canary" not in str(refused.value).replace(database.url, "")
    assert "people" in str(refused.value)


def test_the_server_does_quote_them(database: Database) -> None:
    """Were it not so, the others would show nothing."""
    command = [str(binaries() / "psql"), "--no-psqlrc", "--dbname", database.url, "--command"]
    for statement in STATEMENTS:
        if "seen" in statement or "mine" in statement or "not null" in statement or "4711000" in statement:
            continue
        done = subprocess.run([*command, statement], capture_output=True, text=True, check=False)
        quoted = ("canary", "(id)=(1)", '"12"', "people_id_check", "constraint")
        assert any(one in done.stderr for one in quoted), (statement, done.stderr)
