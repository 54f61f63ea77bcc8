# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data for another environment, made of a backup: restored into a server of its own, there cut to a part and masked.

Neither the database nor anything else that serves is asked. What leaves the server are rows alone, encrypted to the other
environment: no statement of the schema, no large object, no statistics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import (
    contents,
    flow,
    foreign_keys,
    make,
    masking,
    place,
    record,
)
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.flow import Pace
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.masking import KEEP, Column
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.place import Place
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import EXPORT, Record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.restore import Restoring
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.server import Scratch
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

# The marker says whose a database is, the ledger which migrations it has: both are the other environment's own.
OWN = ("morpheus_deploy", "supabase_migrations", "masking")
_COLUMNS = """
select format('%I.%I', n.nspname, c.relname), coalesce(pn.nspname || '.' || pc.relname, n.nspname || '.' || c.relname), a.attname,
    coalesce(format_type(e.oid, null), format_type(coalesce(nullif(t.typbasetype, 0), t.oid), null)),
    t.typelem <> 0 and t.typlen = -1,
    case when a.atttypmod > 4 and format_type(coalesce(e.oid, t.oid), null) like 'character%' then a.atttypmod - 4 else 0 end,
    not a.attnotnull
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
left join pg_type e on e.oid = t.typelem and t.typlen = -1
left join lateral (select pg_partition_root(c.oid) as oid) root on c.relispartition
left join pg_class pc on pc.oid = root.oid left join pg_namespace pn on pn.oid = pc.relnamespace
where c.relkind = 'r' and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and n.nspname not like 'pg\\_%'
    and n.nspname <> 'information_schema' and n.nspname not in ('{own}')
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, a.attnum
""".replace("{own}", "', '".join(OWN))
_SIZES = """
select format('%I.%I', n.nspname, c.relname), pg_table_size(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r'
"""
# Is told the table that the next statement goes through.
Touching = Callable[[str], None]
_BEGIN = "set search_path = ''; set session_replication_role = replica;\n"
_ROUNDS = 1000


@dataclass(frozen=True)
class Wanted:
    """``rules``: schema.table.column -> rule. ``subset``: schema.table -> condition of the rows that stay, in SQL."""

    name: str
    recipients: Sequence[str]
    rules: Mapping[str, str]
    subset: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exporting:
    """``place``: where exports lie; the backup's own place is ``restoring``'s, and so is the pace of all that is read."""

    restoring: Restoring
    place: Place
    spool: Path
    now: Callable[[], float] = time.time

    def export(self, backup: Record, wanted: Wanted) -> Record:
        """Raises DeployError with every column that has no rule and looks as if it needed one; then nothing is written."""

        def fill(path: Path) -> tuple[Record, str]:
            with self.restoring.scratch(backup) as scratch:
                tables = _masked(scratch, wanted, _touching(scratch, self.restoring.pace))
                _dumped(scratch, wanted.recipients, path, self.restoring.pace)
            found = Record(
                name=wanted.name,
                kind=EXPORT,
                environment=backup.environment,
                at=backup.at,
                why="staging data",
                server=backup.server,
                sha256=flow.sha256(path, self.restoring.pace),
                size=path.stat().st_size,
                tables=tables,
                versions=backup.versions,
                of=backup.name,
            )
            return found, ""

        return place.keep(self.place, self.spool, wanted.name, fill, self.now)


def columns(scratch: Scratch) -> list[Column]:
    """Those that hold values of their own, of all tables that are exported."""
    return [
        Column(table, root, name, kind, is_array == "t", int(length), nullable == "t")
        for table, root, name, kind, is_array, length, nullable in scratch.run(_COLUMNS, "the columns of the backup")
    ]


def _touching(scratch: Scratch, pace: Pace) -> Touching:
    """Takes the bytes of a table that a statement is to go through."""
    sizes = {name: int(size) for name, size in scratch.run(_SIZES, "the tables of the backup")} if pace.rate else {}
    return lambda table: pace.take(sizes.get(table, 0))


def refusals(scratch: Scratch, found: Sequence[Column], rules: Mapping[str, str], touching: Touching) -> list[str]:
    """Every reason not to export, each with the column it is about."""
    wrong = masking.rules_problems(rules, found)
    free = [column for column in found if column.path not in rules]
    reasons: dict[str, list[str]] = {}
    for column in free:
        if why := masking.suspicion(column):
            reasons.setdefault(column.path, []).append(why)
    tables = dict.fromkeys(column.table for column in free)
    for table in tables:
        looked = [one for one in free if one.table == table and masking.has_text(one)]
        if not looked:
            continue
        touching(table)
        for number, what, rows in scratch.run(masking.question(table, looked), f"the content of {table}"):
            reasons.setdefault(looked[int(number)].path, []).append(f"{rows} rows hold {what}")
    wrong += [
        f"{path}: has no rule, and {'; '.join(dict.fromkeys(why))}. Give it one, or {KEEP} if nothing of a person can be in it"
        for path, why in sorted(reasons.items())
    ]
    return wrong


def _masked(scratch: Scratch, wanted: Wanted, touching: Touching) -> dict[str, record.Table]:
    """What is left in the scratch database, in which nothing of a person is any more."""
    found = columns(scratch)
    wrong = refusals(scratch, found, wanted.rules, touching)
    roots = {column.root: column.table for column in found}
    wrong += [f"subset.{table}: there is no such table" for table in sorted(set(wanted.subset) - set(roots))]
    if wrong:
        raise DeployError(
            "nothing was exported, because of these columns (staging_data.masking):\n" + "\n".join(f"  - {one}" for one in wrong)
        )
    scratch.run(masking.FUNCTIONS + foreign_keys.function("masking"), "the rules could not be made")
    for root, condition in sorted(wanted.subset.items()):
        # Of a partitioned table each part has the same columns.
        for table in dict.fromkeys(column.table for column in found if column.root == root):
            touching(table)
            scratch.run(f"{_BEGIN}delete from {table} where not coalesce(({condition}), false)", f"subset.{root}: {condition}")
    _without_orphans(scratch)
    for table in dict.fromkeys(column.table for column in found):
        changes = [
            change
            for column in found
            if column.table == table and (rule := wanted.rules.get(column.path)) and (change := masking.masked(column, rule))
        ]
        if changes:
            touching(table)
            scratch.run(f"{_BEGIN}update only {table} set {', '.join(changes)}", f"{table} could not be masked")
    broken = scratch.run("set search_path = ''; select * from masking.orphans(false)", "the foreign keys could not be looked at")
    if broken:
        raise DeployError(
            "nothing was exported, because masking breaks foreign keys: "
            + "; ".join(f"{name} of {child}, in {rows} rows" for name, child, rows in broken)
            + ". Give both columns of each the same rule"
        )
    names = list(dict.fromkeys(column.table for column in found))
    for name in names:
        touching(name)
    return dict(
        make.held(scratch, [contents.quoted(*name) for name in _plain(scratch) if name[0] not in OWN] if names else []).tables
    )


def _plain(scratch: Scratch) -> list[list[str]]:
    return scratch.run(contents.tables(), "the tables of the backup")


def _without_orphans(scratch: Scratch) -> None:
    for _ in range(_ROUNDS):
        if not scratch.run(f"{_BEGIN}select * from masking.orphans(true)", "the foreign keys could not be kept"):
            return
    raise DeployError(f"rows without the rows that they refer to were left after {_ROUNDS} rounds; is a foreign key circular?")


def _dumped(scratch: Scratch, recipients: Sequence[str], path: Path, pace: Pace) -> None:
    options = ["--format=custom", "--data-only", "--no-password", "-B", *(f"--exclude-schema={name}" for name in OWN)]
    with flow.programs() as at_work:
        encrypted = flow.encrypting(at_work, recipients, path)
        dump = at_work.start(scratch.command("pg_dump", *options))
        flow.pump(flow.Paced(dump.output, pace), encrypted.input)
        encrypted.close()
        at_work.finish()
