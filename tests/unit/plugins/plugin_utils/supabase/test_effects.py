"""What a migration file does to releases that serve meanwhile: additive, backfill, locking or destructive, and in which words."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import statements
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.effects import Judge, Kind

ADDITIVE = [
    "create table a (b int not null, c int references d)",
    "create table if not exists a (b int)",
    "alter table a add column b int",
    "alter table a add column b int not null default 3",
    "alter table a add column b timestamptz not null default now()",
    "alter table a add column b jsonb not null default '{}'::jsonb",
    "alter table a add constraint c check (b > 0) not valid",
    "alter table a add foreign key (b) references c not valid",
    "alter table a add constraint u unique using index i",
    "alter table a validate constraint c",
    "alter table a alter column b set default 3",
    "alter table a alter column b drop not null",
    "create index concurrently i on a (b)",
    "drop index concurrently i",
    "create view v as select 1",
    "create or replace function f() returns int language sql as 'select 1'",
    "create policy p on a using (true)",
    "create trigger t before insert on a execute function f()",
    "create type t as enum ('a')",
    "alter type t add value 'b'",
    "create extension if not exists pgcrypto",
    "grant select on a to b",
    "comment on table a is 'b'",
    "insert into a values (1), (2)",
    "insert into a default values",
    "select set_config('search_path', '', false)",
    "set local lock_timeout = '1s'",
    "vacuum a",
    "analyze a",
    "alter index i rename to j",
    "alter default privileges in schema s grant select on tables to b",
    "do $$ begin create type t as enum ('a'); exception when duplicate_object then null; end $$",
    "do $$ begin execute 'create table b (c int)'; end $$",
    # What a file makes itself nobody uses yet.
    "create table a (b int); alter table a drop column b; alter table a add primary key (c); create index i on a (b)",
    "create table a (b int); update a set b = 1; delete from a; truncate a; drop table a",
    "create table public.a (b int); drop table a",
    "create table a (b int); drop table public.a",
    "create schema s; create table if not exists s.a (b int); alter table s.a add unique (b); drop schema s",
    "create function f() returns int language sql as 'select 1'; revoke all on function f() from public; drop function f()",
    "create table a as select 1; drop table a",
    "create type t as enum ('a'); alter type t rename value 'a' to 'b'; alter type t rename to u",
]


@pytest.mark.parametrize("sql", ADDITIVE)
def test_what_only_adds(sql: str) -> None:
    assert found(sql) == []


LESS = "which an older release may leave it"
CASES = [
    (Kind.BACKFILL, "update a set b = 1", "writes rows of a"),
    (Kind.BACKFILL, "delete from s.a where b", "deletes rows of s.a"),
    (Kind.BACKFILL, "insert into a select * from b", "writes rows of a"),
    (Kind.BACKFILL, "merge into a using b on a.c = b.c when matched then do nothing", "writes rows of a"),
    (Kind.BACKFILL, "call p()", "calls a procedure"),
    (Kind.BACKFILL, "do $$ begin update a set b = 1; end $$", "writes rows of a"),
    (
        Kind.LOCKING,
        "create unique index i on a (b)",
        "builds an index on a and lets nobody write to it meanwhile; CREATE INDEX CONCURRENTLY does not",
    ),
    (
        Kind.LOCKING,
        "alter table a add constraint c check (b > 0)",
        "adds a check to a and reads it all, and lets nobody write meanwhile; NOT VALID, and VALIDATE CONSTRAINT in a file of "
        "its "
        "own, do not",
    ),
    (
        Kind.LOCKING,
        "alter table a add unique (b)",
        "adds a unique constraint to a and reads it all, and lets nobody write meanwhile; USING INDEX, of an index that was made "
        "CONCURRENTLY, does not",
    ),
    (
        Kind.LOCKING,
        "alter table a add column b uuid default gen_random_uuid()",
        "adds the column b with another value for each row, so that a is written anew; add it empty and fill it by a backfill",
    ),
    (
        Kind.LOCKING,
        "alter table a add column b bigserial",
        "adds the column b with another value for each row, so that a is written anew; add it empty and fill it by a backfill",
    ),
    (
        Kind.LOCKING,
        "alter table a add column b text default lower(random()::text)",
        "adds the column b with another value for each row, so that a is written anew; add it empty and fill it by a backfill",
    ),
    (
        Kind.LOCKING,
        "alter table a add column b int references c",
        "adds a foreign key on the new column b to a and reads it all meanwhile",
    ),
    (Kind.LOCKING, "drop index i", "drops the index i, which keeps everybody off its table meanwhile"),
    (Kind.LOCKING, "drop policy p on a", "drops the policy p, which keeps everybody off its table meanwhile"),
    (
        Kind.LOCKING,
        "alter table a enable row level security",
        "lets row security decide who sees rows of a: without a policy nobody but its owner does",
    ),
    (Kind.LOCKING, "lock table a", "locks a"),
    (
        Kind.LOCKING,
        "vacuum full a",
        "writes whole tables anew (VACUUM FULL) and keeps everybody off them meanwhile",
    ),
    (
        Kind.LOCKING,
        "reindex table a",
        "builds indexes anew and lets nobody write meanwhile; REINDEX (CONCURRENTLY) does not",
    ),
    (Kind.LOCKING, "refresh materialized view m", "makes m anew and lets nobody read it meanwhile"),
    (
        Kind.LOCKING,
        "alter table a set unlogged",
        "changes a (SetUnLogged), which may keep everybody off it for as long as it takes",
    ),
    (Kind.DESTRUCTIVE, "drop table a, s.b", "drops the table a, s.b"),
    (Kind.DESTRUCTIVE, "drop materialized view m", "drops the materialized view m"),
    (Kind.DESTRUCTIVE, "drop function f(int)", "drops the function f"),
    (Kind.DESTRUCTIVE, "drop type if exists s.t", "drops the type s.t"),
    (Kind.DESTRUCTIVE, "drop schema s cascade", "drops the schema s"),
    (Kind.DESTRUCTIVE, "alter table a drop column b", "drops the column b of a"),
    (Kind.DESTRUCTIVE, "alter table if exists only s.a drop column if exists b cascade", "drops the column b of s.a"),
    (Kind.DESTRUCTIVE, "alter table a rename column b to c", "renames the column b of a"),
    (Kind.DESTRUCTIVE, "alter table a rename to c", "renames the table a"),
    (Kind.DESTRUCTIVE, "alter view v rename to c", "renames the view v"),
    (Kind.DESTRUCTIVE, "alter table a set schema s", "moves the table a into the schema s"),
    (Kind.DESTRUCTIVE, "alter type t rename to u", "renames the type t"),
    (Kind.DESTRUCTIVE, "alter type t rename value 'a' to 'b'", "renames the value a of the type t"),
    (
        Kind.DESTRUCTIVE,
        "alter table a alter column b type bigint",
        "changes the type of the column b of a, and may write the whole table anew",
    ),
    (Kind.DESTRUCTIVE, "alter table a alter b set not null", f"lets the column b of a be empty no more, {LESS}"),
    (
        Kind.DESTRUCTIVE,
        "alter table a alter b drop default",
        "drops the default of the column b of a, which an older release may rely on",
    ),
    (
        Kind.DESTRUCTIVE,
        "alter table a add column b int not null",
        "adds the column b to a, which an older release leaves empty and may not",
    ),
    (Kind.DESTRUCTIVE, "alter table a detach partition b", "takes the partition b out of a"),
    (Kind.DESTRUCTIVE, "truncate a, b", "empties a, b"),
    (Kind.DESTRUCTIVE, "delete from a", "empties a"),
    (Kind.DESTRUCTIVE, "revoke select on a from b", "revokes rights that an older release may use"),
    (Kind.DESTRUCTIVE, "drop role r", "drops roles or what they own"),
    (Kind.DESTRUCTIVE, "do $$ begin if true then drop table a; end if; end $$", "drops the table a"),
    (Kind.DESTRUCTIVE, "do $$ begin execute 'drop table a'; end $$", "drops the table a"),
    (
        Kind.DESTRUCTIVE,
        "do $$ begin execute format('drop table %I', 'a'); end $$",
        "makes SQL and executes it, which nobody can read before it runs",
    ),
    (
        Kind.DESTRUCTIVE,
        "do language plpython3u 'x'",
        "runs a DO block that cannot be read before it runs",
    ),
    # Somebody may have made it before.
    (Kind.DESTRUCTIVE, "create table if not exists a (b int); alter table a drop column b", "drops the column b of a"),
    (Kind.DESTRUCTIVE, "create or replace view v as select 1; drop view v", "drops the view v"),
    (Kind.DESTRUCTIVE, "create table s.a (b int); drop table a", "drops the table a"),
]


@pytest.mark.parametrize(("kind", "sql", "words"), CASES, ids=[sql for _, sql, _ in CASES])
def test_what_does_more(kind: Kind, sql: str, words: str) -> None:
    assert found(sql) == [(kind, words)]


def test_every_change_of_one_statement_is_told() -> None:
    assert [kind for kind, _ in found("alter table a drop column b, add column c int, add unique (d), alter e set not null")] == [
        Kind.DESTRUCTIVE,
        Kind.LOCKING,
        Kind.DESTRUCTIVE,
    ]


def test_a_text_that_is_a_statement_is_none() -> None:
    assert (
        found(
            "select 'drop table a'; comment on table a is 'drop table b'; create function f() returns int language sql as $$ "
            "drop table a $$"
        )
        == []
    )


def found(sql: str) -> list[tuple[Kind, str]]:
    judge = Judge()
    return [(effect.kind, effect.what) for one in statements.split(sql) for effect in judge.effects(one)]
