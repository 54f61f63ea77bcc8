# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database with what applications have, and the modules of backups as hosts run them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.backup.database import Declared
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.make import Making, Wanted
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Directory
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import Record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.restore import Restoring
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.server import Installed
from ansible_collections.morpheus.deploy.plugins.module_utils.ownership import marker

from tests import postgres
from tests.backup.age import Key
from tests.migrations.postgres import Database

# What dumps are bad at: a schema of its own, types, generated columns, views, policies, publications, sequences, partitions,
# an extension, a function, circular keys, large objects.
SHOP = """
create extension pgcrypto;
create role {role} nologin;
create schema auth;
create type public.mood as enum ('glad', 'sad');
create table auth.users (id uuid primary key default gen_random_uuid(), email text unique, meta jsonb default '{{}}');
create table public.orders (
    id bigint generated always as identity primary key, owner uuid references auth.users on delete cascade,
    note text, feeling public.mood, total numeric(10, 2), doubled numeric generated always as (total * 2) stored,
    tags text[], made timestamptz default now(), blob bytea, share double precision default random()
);
create table public.events (at date not null, what text) partition by range (at);
create table public.events_2026 partition of public.events for values from ('2026-01-01') to ('2027-01-01');
create table public.a (id int primary key, b int);
create table public.b (id int primary key, a int references public.a deferrable initially deferred);
alter table public.a add foreign key (b) references public.b deferrable initially deferred;
create view public.sums as select owner, sum(total) from public.orders group by owner;
create materialized view public.counts as select count(*) from public.orders;
create function public.touch() returns trigger language plpgsql as $$ begin new.note = new.note || '!'; return new; end $$;
create trigger touching before insert on public.orders for each row execute function public.touch();
alter table public.orders enable row level security;
create policy own on public.orders to {role} using (owner is not null);
grant select on public.orders to {role};
create publication realtime for table public.orders;
insert into auth.users (email, meta)
    select 'user' || n || '@example.org', jsonb_build_object('n', n) from generate_series(1, 50) n;
insert into public.orders (owner, note, feeling, total, tags, blob)
    select id, 'a "note"; with\\n \\\\ é €', 'glad', 1.10, array['x', null, 'y,z'], '\\x00ff' from auth.users;
insert into public.events select date '2026-03-01' + n, 'what ' || n from generate_series(1, 20) n;
set constraints all deferred; insert into public.a values (1, null); insert into public.b values (1, 1);
update public.a set b = 1;
refresh materialized view public.counts;
"""
EVERYTHING = (
    "select 'users', to_jsonb(t)::text from auth.users t union all select 'orders', to_jsonb(t)::text from public.orders t "
    "union all select 'events', to_jsonb(t)::text from public.events t union all select 'a', to_jsonb(t)::text from public.a t "
    "union all select 'sums', to_jsonb(t)::text from public.sums t "
    "union all select 'counts', to_jsonb(t)::text from public.counts t "
    "union all select 'policies', policyname || roles::text from pg_policies "
    "union all select 'publications', tablename::text from pg_publication_tables "
    "union all select 'rights', grantee || privilege_type from information_schema.role_table_grants where table_name = 'orders' "
    "union all select 'schemas', nspname || ' ' || pg_get_userbyid(nspowner) || coalesce(nspacl::text, '') from pg_namespace "
    "where nspname !~ '^pg_' union all select 'extensions', extname from pg_extension order by 1, 2"
)
NOW = 1_790_000_000.0


@dataclass
class World:
    root: Path
    database: Database
    key: Key
    now: float = NOW

    @property
    def role(self) -> str:
        return f"reader_{self.database.name}"

    def fill(self) -> None:
        with self.database.session() as session:
            marker.mark(session.connection, "production")
            for statement in SHOP.format(role=self.role).strip().split(";\n"):
                session.execute(statement)

    def everything(self) -> list[tuple[Any, ...]]:
        """All that a user of the database could see, in an order of its own."""
        return self.database.rows(EVERYTHING)

    @property
    def declared(self) -> Declared:
        return Declared(self.database.url, "backup_database_url", "production")

    @property
    def tools(self) -> Installed:
        return Installed(postgres.binaries(), postgres.user() or "postgres")

    @property
    def place(self) -> Directory:
        return Directory(self.root / "backups")

    def make(self, name: str = "first", **options: Any) -> Record:
        wanted = Wanted(**{"name": name, "why": "a test", "recipients": [self.key.recipient], **options})
        return Making(self.declared, self.tools, self.place, self.place.path, lambda: self.now).make(wanted)

    def restoring(self, identity: str = "") -> Restoring:
        return Restoring(self.tools, self.place, self.place.path, identity or self.key.identity, lambda: self.now)

    def lose(self) -> None:
        """The database as it is after somebody has made it anew."""
        own = Database(self.database.port, "postgres")
        own.rows(f'drop database "{self.database.name}" with (force)')
        own.rows(f'create database "{self.database.name}"')
