# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that refer to a row that there is not, as SQL. Triggers and constraints need not be at work for it. Pure."""

from __future__ import annotations

_ORPHANS = """
create function {schema}.orphans(remove boolean) returns table(name text, child text, missing bigint) language plpgsql as $$
declare one record; gone bigint;
begin
    for one in
        select conname, conrelid::regclass as child, confrelid::regclass as parent,
            (select string_agg(format('child.%I is not null', attname), ' and ') from unnest(conkey) num
                join pg_attribute on attrelid = conrelid and attnum = num) as filled,
            (select string_agg(format('parent.%I = child.%I', p.attname, k.attname), ' and ')
                from unnest(conkey, confkey) as both_of(num, other)
                join pg_attribute k on k.attrelid = conrelid and k.attnum = num
                join pg_attribute p on p.attrelid = confrelid and p.attnum = other) as same
        from pg_constraint where contype = 'f' and conparentid = 0
    loop
        if remove then
            execute format('delete from %s as child where %s and not exists (select from %s as parent where %s)',
                one.child, one.filled, one.parent, one.same);
            get diagnostics gone = row_count;
        else
            execute format('select count(*) from %s as child where %s and not exists (select from %s as parent where %s)',
                one.child, one.filled, one.parent, one.same) into gone;
        end if;
        if gone > 0 then name := one.conname; child := one.child::text; missing := gone; return next; end if;
    end loop;
end $$;
"""


def function(schema: str) -> str:
    """A statement that makes ``orphans(remove)`` in ``schema``: foreign keys with such rows, and how many they are.

    With ``remove`` these rows go, and whatever refers to them is found the next time.
    """
    return _ORPHANS.replace("{schema}", schema)


def proof() -> str:
    """Statements that fail while a foreign key is broken."""
    return function("pg_temp") + (
        "do $whole$ declare wrong text; begin "
        "select string_agg(name || ' of ' || child || ', in ' || missing || ' rows', '; ') into wrong "
        "from pg_temp.orphans(false); "
        "if wrong is not null then raise exception 'foreign keys are broken: %', wrong; end if; end $whole$;"
    )
