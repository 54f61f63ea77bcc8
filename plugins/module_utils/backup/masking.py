# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that take persons out of data, as SQL. Pure: a column and its rule in, an expression out.

What is put in the place of a value depends on the value and on a key that is thrown away with the export: the same value becomes
the same everywhere, so that joins and unique constraints hold, and nobody can find out which it was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.morpheus.deploy.plugins.module_utils.backup.contents import literal, quoted

KEEP, NULL = "keep", "null"
RULES = ("email", "name", "phone", "text", "token", "path", "json", "number", "date", "address", "empty", NULL, KEEP)
_TEXTS = ("text", "character varying", "character", "citext", "name")
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision", "money")
_DATES = ("date", "timestamp without time zone", "timestamp with time zone")
_JSON = ("json", "jsonb")
_NETWORK = ("inet", "cidr")

# In a schema of its own, in the scratch database only. json_of goes through whatever a document holds: names of members may be
# of persons, too, so those that look like it are replaced as well.
FUNCTIONS = r"""
create schema masking;
create table masking.key as select
    encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex') as key;
create function masking.token(value text) returns text language sql stable set search_path = pg_catalog as
    $$ select encode(sha256(convert_to((select key from masking.key) || value, 'UTF8')), 'hex') $$;
create function masking.email(value text) returns text language sql stable set search_path = pg_catalog as
    $$ select 'user-' || left(masking.token(lower(value)), 20) || '@example.com' $$;
create function masking.name(value text) returns text language sql stable set search_path = pg_catalog as
    $$ select 'Person ' || left(masking.token(value), 12) $$;
create function masking.phone(value text) returns text language sql stable set search_path = pg_catalog as
    $$ select '+1555' || translate(left(masking.token(value), 8), 'abcdef', '012345') $$;
create function masking.text(value text) returns text language sql stable set search_path = pg_catalog as
    $$ select case when value = '' then '' else rtrim(left(repeat('lorem ipsum dolor sit amet ', length(value) / 27 + 1),
       greatest(length(value), 5))) end $$;
create function masking.path(value text) returns text language sql stable set search_path = pg_catalog as
    $$ select string_agg(left(masking.token(part), 12), '/' order by number)
       || coalesce(lower(substring(value from '\.[A-Za-z0-9]{1,5}$')), '')
       from string_to_table(value, '/') with ordinality as parts(part, number) $$;
create function masking.number(value numeric) returns numeric language sql stable set search_path = pg_catalog as
    $$ select (('x' || left(masking.token(value::text), 8))::bit(32)::bigint % 100000)::numeric $$;
create function masking.json_of(value jsonb) returns jsonb language plpgsql stable set search_path = pg_catalog as $$
begin
    case jsonb_typeof(value)
        when 'object' then return coalesce((select jsonb_object_agg(case when key ~ '^[A-Za-z_][A-Za-z0-9_-]{0,40}$' then key
            else left(masking.token(key), 12) end, masking.json_of(member)) from jsonb_each(value) as members(key, member)),
            '{}');
        when 'array' then return coalesce((select jsonb_agg(masking.json_of(member) order by number)
            from jsonb_array_elements(value) with ordinality as members(member, number)), '[]');
        when 'string' then return to_jsonb('text-' || left(masking.token(value #>> '{}'), 12));
        when 'number' then return to_jsonb(masking.number((value #>> '{}')::numeric));
        else return value;
    end case;
end $$;
"""
# Names of columns that say that they hold something of a person.
_PERSONAL = re.compile(
    r"(^|_)(e?mail|mails|\w*name|nick|login|first|last|given|middle|full|display|phone|tel|mobile|fax|msisdn|address|addr|"
    r"street|zip|postcode|postal|city|town|birth\w*|dob|age|gender|sex|ssn|passport|iban|bic|card|cvc|account|tax|vat|salary|ip|"
    r"ip_address|lat|lng|latitude|longitude|location|geo|avatar|photo|picture|bio|about|note|notes|comment|message|body|subject|"
    r"content|password|passwd|secret|token|hash|otp|recovery|session|cookie|device|agent|identity|owner_name|contact|person|"
    r"religion|nationality|signature)(s|es)?(_|$)",
    re.IGNORECASE,
)
# What values look like that are of a person, in POSIX's words: an address of mail, a number to call, an address of a network, an
# account of a bank or a card, and words that somebody may have written.
_CONTENTS = {
    "addresses of mail": r"[^[:space:]@]+@[^[:space:]@]+\.[A-Za-z]{2,}",
    "numbers to call, or of an account": r"(^|[^0-9A-Za-z-])\+?[0-9][0-9 ()./-]{7,}[0-9]([^0-9A-Za-z-]|$)",
    "addresses of a network": r"(^|[^0-9.])[0-9]{1,3}(\.[0-9]{1,3}){3}([^0-9.]|$)",
    "accounts of banks": r"(^|[^A-Z])[A-Z]{2}[0-9]{2}([ ]?[A-Z0-9]{4}){3,}",
    "text that somebody may have written": r"[^[:space:]]+[[:space:]]+[^[:space:]]+",
}
# Whatever their content is today.
_ALWAYS = {
    "json": "documents",
    "jsonb": "documents",
    "xml": "documents",
    "hstore": "documents",
    "bytea": "bytes",
    "tsvector": "words",
}
_ALWAYS |= {"inet": "addresses of a network", "cidr": "addresses of a network", "macaddr": "addresses of a network"}


@dataclass(frozen=True)
class Column:
    """``table``: quoted, of the table that holds rows; ``root``: name as people write it, of the partitioned one if it is a part.

    ``kind``: its type without a length; of an array that of what is in it. ``length``: at most so many letters; 0 for any.
    """

    table: str
    root: str
    name: str
    kind: str
    is_array: bool = False
    length: int = 0
    nullable: bool = True

    @property
    def path(self) -> str:
        return f"{self.root}.{self.name}"


def looks_personal(name: str) -> bool:
    """By its name alone; ``createdBy`` and ``created_by`` are one name."""
    return bool(_PERSONAL.search(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)))


def suspicion(column: Column) -> str:
    """Why a column without a rule is not exported, whatever is in it; empty when its content decides."""
    if column.kind in _ALWAYS:
        return f"holds {_ALWAYS[column.kind]}"
    if looks_personal(column.name) and column.kind not in ("boolean", "uuid"):
        return "sounds like something of a person"
    return ""


def question(table: str, columns: Sequence[Column]) -> str:
    """A query over all of a table: number of the column in ``columns``, what was found in it, and in how many rows."""
    counts, rows = [], []
    for number, column in enumerate(columns):
        name = quoted(column.name)
        value = f"array_to_string({name}, ' | ')" if column.is_array else f"{name}::text"
        if column.is_array:
            # Words of one element, and not two elements side by side.
            value = f"array_to_string({name}, '|')"
        for place, (what, pattern) in enumerate(_CONTENTS.items()):
            counts.append(f"count(*) filter (where {value} ~ {literal(pattern)}) as c{number}_{place}")
            rows.append(f"({number}, {literal(what)}, c{number}_{place})")
    return (
        f"select found.* from (select {', '.join(counts)} from only {table}) as counted, "
        f"lateral (values {', '.join(rows)}) as found(number, what, rows) where found.rows > 0 order by 1, 2"
    )


def has_text(column: Column) -> bool:
    """Whether its content is looked at. Numbers and times have names that say what they are."""
    return column.kind in _TEXTS or column.kind not in (
        *_NUMBERS,
        *_DATES,
        *_ALWAYS,
        "boolean",
        "uuid",
        "interval",
        "time",
        "oid",
    )


def problem(column: Column, rule: str) -> str:
    """Why ``rule`` cannot be the column's; empty when it can."""
    if rule == KEEP:
        return ""
    if rule == NULL:
        return "" if column.nullable else f"{column.path}: may not be null, so its rule cannot be null"
    if _expression(column, rule, "x"):
        return ""
    what = f"{column.kind}[]" if column.is_array else column.kind
    fitting = [one for one in RULES if one in (NULL, KEEP) or _expression(column, one, "x")]
    return f"{column.path}: the rule {rule} does not fit a {what}; those that do are {', '.join(fitting)}"


def masked(column: Column, rule: str) -> str:
    """What the column is set to, for UPDATE; empty when it stays."""
    if rule == KEEP:
        return ""
    name = quoted(column.name)
    if rule == NULL:
        return f"{name} = null"
    if column.is_array and rule != "empty":
        one = _expression(column, rule, "one")
        return (
            f"{name} = case when {name} is null then null else array(select {one} from unnest({name}) with ordinality "
            f"as all_of(one, number) order by number) end"
        )
    return f"{name} = {_expression(column, rule, name)}"


def _expression(column: Column, rule: str, value: str) -> str:
    """Empty when the rule does not fit the column's type."""
    kind = column.kind
    if rule == "empty":
        if column.is_array:
            return "'{}'"
        return {"json": "'{}'", "jsonb": "'{}'", "bytea": "''", "hstore": "''", "tsvector": "''"}.get(
            kind, "''" if kind in _TEXTS else ""
        )
    if rule in ("email", "name", "phone", "text", "token", "path") and kind in _TEXTS:
        found = f"masking.{rule}({value}::text)"
        return f"left({found}, {column.length})" if column.length else found
    if rule == "json" and kind in _JSON:
        return f"masking.json_of({value}::jsonb)::{kind}"
    if rule == "number" and kind in _NUMBERS:
        return (
            f"masking.number({value}::text::numeric)::{kind}"
            if kind != "smallint"
            else f"(masking.number({value}::numeric) % 30000)::smallint"
        )
    if rule == "date" and kind in _DATES:
        return f"date_trunc('year', {value})::{kind}"
    if rule == "address" and kind in _NETWORK:
        return f"case when {value} is null then null else '192.0.2.1'::{kind} end"
    return ""


def rules_problems(rules: Mapping[str, str], columns: Sequence[Column]) -> list[str]:
    """What is wrong with rules. ``rules``: path of a column -> its rule."""
    by_path = {column.path: column for column in columns}
    found = [f"{path}: there is no such column; remove its rule, or correct it" for path in sorted(set(rules) - set(by_path))]
    for path, rule in sorted(rules.items()):
        if rule not in RULES:
            found.append(f'{path}: "{rule}" is not one of {", ".join(RULES)}')
        elif path in by_path and (wrong := problem(by_path[path], rule)):
            found.append(wrong)
    return found
