# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds, as SQL that a driver and psql understand alike: rows and a digest of each table, roles, migrations.

The digest is a sum over rows, so the order of rows does not count. Pure: text in, text out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import Table

# So that a row is the same text on every server, and that nobody is kept from reading by a policy without an error.
SETTINGS = (
    "set standard_conforming_strings = on; "
    "set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; "
    "set extra_float_digits = 1; set search_path = ''; set row_security = off; set statement_timeout = 0; "
    "set idle_in_transaction_session_timeout = 0; set lock_timeout = '60s'"
)
_OWN = "n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'"
_FREE = "not exists (select from pg_depend d where d.classid = {catalogue}::regclass and d.objid = {oid} and d.deptype = 'e')"
SCHEMAS = (
    f"select n.nspname from pg_namespace n where {_OWN} and "
    + _FREE.format(catalogue="'pg_namespace'", oid="n.oid")
    + " order by 1"
)
_TABLES = (
    "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
    f"where c.relkind = 'r' and c.relpersistence <> 't' and {_OWN} and " + _FREE.format(catalogue="'pg_class'", oid="c.oid")
)
ROLES = "select rolname from pg_roles where rolname not like 'pg\\_%' order by 1"
_AT_ONCE = 100


def tables(schemas: Sequence[str] = ()) -> str:
    """Query for schema and name of each table. ``schemas``: only of these."""
    only = f" and n.nspname in ({', '.join(map(literal, schemas))})" if schemas else ""
    return f"{_TABLES}{only} order by 1, 2"


def quoted(*names: str) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def block(body: str) -> str:
    """A statement that runs ``body``. Not between dollar signs: a name in it may hold those that would end it."""
    return f"do {literal(body)};"


def digests(names: Sequence[str]) -> list[str]:
    """Queries for name, rows and digest of tables with quoted names; none of them is too long for a server."""
    one = (
        "select {0}, count(*)::text, coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint::numeric), 0)::text "
        "from only {1} as t"
    )
    lines = [one.format(literal(name), name) for name in names]
    return [" union all ".join(lines[start : start + _AT_ONCE]) for start in range(0, len(lines), _AT_ONCE)]


def found(rows: Iterable[Sequence[str]]) -> dict[str, Table]:
    """What ``digests`` answered."""
    return {name: Table(int(count), digest) for name, count, digest in rows}


def proof(wanted: Mapping[str, Table]) -> str:
    """A statement that fails unless each table holds what it should; the last one of a restore's transaction."""
    seen = " union all ".join(digests(list(wanted)))
    if not seen:
        return ""
    values = ", ".join(f"({literal(name)}, '{one.rows}', '{one.digest}')" for name, one in wanted.items())
    return block(
        "declare wrong text; begin "
        "select string_agg(wanted.name || ' has ' || seen.rows || ' rows where ' || wanted.rows || ' are expected', '; ') "
        f"into wrong from (values {values}) as wanted(name, rows, digest) join ({seen}) as seen(name, rows, digest) using (name) "
        "where (seen.rows, seen.digest) is distinct from (wanted.rows, wanted.digest); "
        "if wrong is not null then raise exception 'what was restored is not what the backup holds: %', wrong; end if; "
        "end"
    )


_OUTSIDE = """
do $outside$ declare one record; begin
for one in select format('drop publication %I', pubname) as what from pg_publication
union all select format('drop event trigger %I', evtname) from pg_event_trigger t where not exists (
    select from pg_depend where classid = 'pg_event_trigger'::regclass and objid = t.oid and deptype = 'e')
loop execute one.what; end loop;
for one in select format('drop extension if exists %I cascade', extname) as what from pg_extension where extname <> 'plpgsql'
loop execute one.what; end loop;
for one in select format('drop foreign data wrapper if exists %I cascade', fdwname) as what from pg_foreign_data_wrapper
loop execute one.what; end loop;
perform lo_unlink(oid) from pg_largeobject_metadata;
end $outside$;
"""
_PUBLIC = "create schema public authorization pg_database_owner; grant usage on schema public to public;"


def counted(wanted: Mapping[str, Table]) -> str:
    """A statement that fails unless each table has as many rows as it should, whatever columns it has besides."""
    checks = " union all ".join(f"select {literal(name)}, count(*), {one.rows} from only {name}" for name, one in wanted.items())
    if not checks:
        return ""
    return block(
        "declare wrong text; begin "
        "select string_agg(name || ' has ' || seen || ' rows where ' || wanted || ' are expected', '; ') into wrong "
        f"from ({checks}) as counts(name, seen, wanted) where seen <> wanted; "
        "if wrong is not null then raise exception 'what was brought is not what was sent: %', wrong; end if; end"
    )


def emptied(schemas: Iterable[str], *, whole: bool) -> str:
    """Statements that take schemas away with all that is in them.

    ``whole``: of the whole database, so what is in no schema goes, too, and ``public`` is left as a database begins with it.
    """
    statements = [f"drop schema if exists {quoted(name)} cascade;" for name in schemas]
    return "\n".join([*([_OUTSIDE] if whole else []), *statements, *([_PUBLIC] if whole else [])])
