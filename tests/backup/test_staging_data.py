# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data for staging: nothing of a person in it, foreign keys whole, and refused while nobody has said what a column holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.morpheus.deploy.plugins.module_utils.backup import bring, flow
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.database import Declared
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.export import Exporting, Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Directory
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import Record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.restore import UnansweredError, filling
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker

from tests.backup import age
from tests.backup.world import World
from tests.migrations.postgres import Cluster, Database
from tests.unit.clock import Clock

# In each time, and in a deep run.
ROWS = [10_000, pytest.param(100_000, marks=pytest.mark.deep)]
SCHEMA = """
create schema auth;
create schema storage;
create table auth.users (
    id uuid primary key default gen_random_uuid(), email text unique not null, phone varchar(20), encrypted_password text,
    raw_user_meta_data jsonb, last_sign_in_at timestamptz
);
create table auth.identities (id bigint primary key, user_id uuid references auth.users, email text references auth.users (email),
    identity_data json);
create table storage.objects (id bigint primary key, owner uuid references auth.users, name text, metadata jsonb);
create table public.stories (
    id bigint generated always as identity primary key, owner uuid not null references auth.users on delete cascade,
    parent bigint references public.stories, title text, state text not null default 'draft', tags text[], notes text,
    search tsvector, size int default 3
);
create table public.ratings (story bigint references public.stories, rater uuid references auth.users, stars int,
    primary key (story, rater));
create view public.authors as select email from auth.users
"""
PERSON = "Zacharias Quittenbaum"
MAIL = "zacharias{n}@quittenbaum.example"
NUMBER = "+49 170 555{n:06d}"
PLANTED = ("zacharias", "quittenbaum", "49 170 555", "49170555")


def filled(users: int, rows: int) -> list[str]:
    return f"""
insert into auth.users (email, phone, encrypted_password, raw_user_meta_data, last_sign_in_at)
select 'zacharias' || n || '@quittenbaum.example', '+49 170 555' || lpad(n::text, 6, '0'), 'quittenbaum' || n, jsonb_build_object(
    'full_name', '{PERSON} ' || n, 'Zacharias Quittenbaum', jsonb_build_array('zacharias' || n || '@quittenbaum.example'),
    'number', 49170555000000 + n, 'newsletter', true), now() from generate_series(1, {users}) n;
insert into auth.identities select n, id, email, json_build_object('email', email, 'sub', id)
    from (select row_number() over () as n, * from auth.users) u;
insert into storage.objects select n, id, 'zacharias-quittenbaum/' || email || '/photo.JPG', jsonb_build_object('by', email)
    from (select row_number() over () as n, * from auth.users) u;
insert into public.stories (owner, title, tags, notes, search)
select id, 'A story of {PERSON}', array['by {PERSON}', email, null], 'Call me, ' || phone || ', or ' || email,
    to_tsvector('simple', '{PERSON}') from auth.users, generate_series(1, {(rows - 4 * users) // users});
update public.stories set parent = id - 1 where id % 7 = 0 and id > 1;
insert into public.ratings select s.id, u.id, 5 from (select id, row_number() over () n from public.stories) s
    join (select id, row_number() over () n from auth.users) u on s.n = u.n
""".strip().split(";\n")


RULES = {
    "auth.users.email": "email",
    "auth.users.phone": "phone",
    "auth.users.encrypted_password": "token",
    "auth.users.last_sign_in_at": "date",
    "auth.users.raw_user_meta_data": "json",
    "auth.identities.email": "email",
    "auth.identities.identity_data": "json",
    "storage.objects.name": "path",
    "storage.objects.metadata": "json",
    "public.stories.title": "text",
    "public.stories.tags": "text",
    "public.stories.notes": "text",
    "public.stories.search": "empty",
}


@dataclass
class Two:
    """Production with persons, and staging with a schema of its own that has one column more."""

    production: World
    staging: Database
    key: age.Key
    exports: Directory

    def export(
        self, rules: Mapping[str, str] = RULES, subset: Mapping[str, str] | None = None, pace: flow.Pace | None = None
    ) -> Record:
        backup = self.production.make()
        wanted = Wanted("export", [self.key.recipient], rules, subset or {})
        restoring = replace(self.production.restoring(), pace=pace or flow.Pace())
        return Exporting(restoring, self.exports, self.exports.path).export(backup, wanted)

    @property
    def declared(self) -> Declared:
        return Declared(self.staging.url, "staging_data_database_url", "staging")

    def bring(self, found: Record) -> None:
        restoring = replace(self.production.restoring(self.key.identity), place=self.exports, spool=self.exports.path)
        bring.bring(restoring, self.declared, found)


@pytest.fixture
def two(tmp_path: Path, world: World, postgres: Cluster) -> Iterator[Two]:
    with postgres.database() as staging:
        for database, environment in ((world.database, "production"), (staging, "staging")):
            with database.session() as session:
                marker.mark(session.connection, environment)
                for statement in SCHEMA.strip().split(";\n"):
                    session.execute(statement)
        staging.rows("alter table public.stories add column pictures int not null default 0")
        yield Two(world, staging, age.key(), Directory(tmp_path / "exports"))


def everything(database: Database) -> str:
    """Every row of every table, as text."""
    tables = database.rows("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname !~ '^(pg_|inform)'")
    return "\n".join(row for (table,) in tables for (row,) in database.rows(f"select t::text from {table} t")).lower()


@pytest.mark.parametrize("rows", ROWS)
def test_of_many_rows_nothing_of_a_person_arrives_and_foreign_keys_are_whole(two: Two, rows: int) -> None:
    users = rows // 10
    for statement in filled(users, rows):
        two.production.database.rows(statement)
    assert all(planted in everything(two.production.database) for planted in ("zacharias", "quittenbaum", "49 170 555"))
    two.staging.rows("insert into auth.users (email) values ('old@example.com')")
    two.bring(two.export())
    arrived = everything(two.staging)
    assert {planted for planted in PLANTED if planted in arrived} == set()
    # Nor in what is stored of it, statistics of the planner included.
    two.staging.rows("analyze")
    assert not any(planted in str(two.staging.rows("select * from pg_stats")).lower() for planted in PLANTED)
    tables = ("auth.users", "auth.identities", "storage.objects", "public.stories", "public.ratings")
    counts = f"select {', '.join(f'(select count(*) from {table})' for table in tables)}"
    assert two.staging.rows(counts) == two.production.database.rows(counts) == [(users, users, users, rows - 4 * users, users)]
    # What was one value is one value, so joins hold; and what says nothing of a person is as it was.
    assert (
        two.staging.value("select count(*) from auth.users u join auth.identities i on i.user_id = u.id and i.email = u.email")
        == users
    )
    assert two.staging.value("select count(distinct state) || state from public.stories group by state") == "1draft"
    assert two.staging.value("select environment from morpheus_deploy.identity") == "staging"
    assert (
        two.staging.value(
            "select count(*) from public.stories s left join auth.users u on u.id = s.owner "
            "left join public.stories p on p.id = s.parent where u.id is null or (s.parent is not null and p.id is null)"
        )
        == 0
    )


def small(two: Two, users: int = 30) -> None:
    database = two.production.database
    database.rows("insert into auth.users (email) select n || '@shop.example' from generate_series(1, %s) n", users)
    database.rows("insert into public.stories (owner) select id from auth.users, generate_series(1, 3)")
    database.rows("update public.stories set parent = id - 1 where id % 4 = 0")
    database.rows("insert into public.ratings select s.id, u.id, 5 from public.stories s, auth.users u where s.id % 5 = 0")


@pytest.mark.deep
def test_a_subset_takes_along_what_it_needs_and_leaves_no_reference_behind(two: Two) -> None:
    small(two)
    found = two.export(subset={"auth.users": "email like '1%'"})
    two.bring(found)
    assert two.staging.value("select count(*) from auth.users") == 11
    rows = {name: table.rows for name, table in found.tables.items()}
    assert rows['"auth"."users"'] == 11
    assert 0 < rows['"public"."ratings"'] < 30 * 18
    assert (
        two.staging.value("select count(*) from public.ratings r left join auth.users u on u.id = r.rater where u.id is null")
        == 0
    )


class Paced(flow.Pace):
    """``taken``: what went by, each with the second in which it might."""

    def __init__(self, rate: float) -> None:
        super().__init__(rate, Clock())
        self.taken: list[tuple[float, int]] = []

    def take(self, count: int) -> None:
        super().take(count)
        self.taken += [(self.clock.now(), count)] if count else []


@pytest.mark.deep
def test_a_rate_holds_for_an_export_as_a_whole_and_not_for_each_of_its_tables(two: Two) -> None:
    small(two)
    pace = Paced(1000)
    found = two.export(pace=pace)
    whole = 0
    for second, count in pace.taken:
        # At no moment is more taken than the seconds until then allow, but for what has just begun.
        assert whole <= second * 1000 + 1e-6
        whole += count
    tables = ("auth.users", "public.stories", "public.ratings")
    sizes = [int(two.production.database.value(f"select pg_relation_size('{table}')")) for table in tables]
    counts = [count for _, count in pace.taken]
    # Read to be looked at; of these three the first two are masked, and all are counted.
    assert whole > 2 * sum(sizes)
    archive = (two.production.place.path / "first.dump.age").stat().st_size
    assert {archive, found.size} <= set(counts)
    assert pace.clock.now() * 1000 > whole - max(counts)


def test_columns_that_look_like_persons_are_refused_all_at_once(two: Two) -> None:
    small(two, 3)
    database = two.production.database
    database.rows(
        "alter table public.stories add column code text, add column spoken text[], add column extra jsonb, "
        "add column serial text"
    )
    database.rows("update public.stories set code = 'x@y.example', spoken = array['hello you'], serial = '0170 5551234'")
    with pytest.raises(DeployError) as refused:
        two.export({"public.stories.gone": "text", "public.stories.size": "email", "auth.users.email": "nonsense"})
    said = str(refused.value)
    none = "has no rule, and"
    for line in (
        "public.stories.gone: there is no such column; remove its rule, or correct it",
        "public.stories.size: the rule email does not fit a integer; those that do are number, null, keep",
        'auth.users.email: "nonsense" is not one of',
        f"auth.users.phone: {none} sounds like something of a person",
        f"auth.users.raw_user_meta_data: {none} holds documents",
        f"public.stories.code: {none} 9 rows hold addresses of mail",
        f"public.stories.spoken: {none} 9 rows hold text that somebody may have written",
        f"public.stories.extra: {none} holds documents",
        f"public.stories.serial: {none} 9 rows hold numbers to call, or of an account",
        f"storage.objects.name: {none} sounds like something of a person",
    ):
        assert line in said, said
    assert "public.stories.state" not in said
    assert "public.stories.id:" not in said
    assert list(two.exports.path.iterdir()) == []


@pytest.mark.deep
def test_two_rules_that_tear_a_foreign_key_are_refused(two: Two) -> None:
    small(two, 3)
    two.production.database.rows("insert into auth.identities select row_number() over (), id, email from auth.users")
    with pytest.raises(DeployError, match=r"masking breaks foreign keys: identities_email_fkey of auth\.identities, in 3 rows"):
        two.export({**RULES, "auth.identities.email": "token"})


def test_a_backup_is_never_brought_into_another_environment(two: Two) -> None:
    small(two, 3)
    before = everything(two.staging)
    with pytest.raises(DeployError, match="first is a backup of production, with persons in it"):
        two.bring(two.production.make())
    found = two.export()
    two.staging.rows("drop table public.ratings")
    with pytest.raises(
        DeployError, match=r'has no table "public"\."ratings", and export brings rows for it; nothing was changed'
    ):
        two.bring(found)
    assert everything(two.staging) == before


@pytest.mark.deep
def test_an_import_that_fails_changes_nothing(two: Two) -> None:
    small(two, 3)
    two.staging.rows("insert into auth.users (email) values ('old@example.com')")
    two.staging.rows("alter table auth.users add column needed int not null default 1")
    two.staging.rows("alter table auth.users alter column needed drop default")
    before = everything(two.staging)
    about: dict[str, Any] = {"begun": False}
    with (
        pytest.raises(DeployError, match="the export export was not restored, and the database is as it was: psql ended with 3"),
        filling(about),
    ):
        two.bring(two.export())
    assert not about["begun"]
    assert everything(two.staging) == before


@pytest.mark.deep
def test_an_export_says_nothing_of_the_schema(two: Two) -> None:
    small(two, 1)
    two.production.database.rows("comment on table auth.users is 'Zacharias'")
    found = two.export()
    text = json.dumps(json.loads(found.text())).lower()
    assert "zacharias" not in text
    assert found.of == "first"
    assert found.kind == "export"


def test_a_database_that_is_lost_when_it_is_to_commit_may_hold_the_export(two: Two) -> None:
    small(two, 3)
    found = two.export()
    for statement in (
        "create function public.goes() returns trigger language plpgsql as $$ begin "
        "perform pg_terminate_backend(pg_backend_pid()); return null; end $$",
        "create constraint trigger goes after insert on auth.users deferrable initially deferred for each row "
        "execute function public.goes()",
        "alter table auth.users enable always trigger goes",
    ):
        two.staging.rows(statement)
    about: dict[str, Any] = {"begun": False}
    with (
        pytest.raises(UnansweredError, match=r"the export export was written, and no answer came .*: .*terminating connection"),
        filling(about),
    ):
        two.bring(found)
    assert about["begun"]
