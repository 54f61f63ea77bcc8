# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a release's migrations are to run on a database, from what Supabase's ledger has, or why none may. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Statement:
    """``runs``: not so a comment that stands alone. ``alone``: why it cannot run in a transaction, in the words that it is known
    by. ``sets``: it sets something for the rest of its file. ``index``, ``table``, ``gone``, ``part``: quoted names by which
    a run finds out how far a broken one has come with it.
    """

    text: str
    line: int
    runs: bool = True
    alone: str = ""
    sets: bool = False
    index: str = ""
    table: str = ""
    gone: Sequence[str] = ()
    part: str = ""


@dataclass(frozen=True)
class Backfill:
    """How a file's one statement is run in batches of so many rows. ``sql``: the statement up to where a condition on ``column``
    can be written; ``rows_of``: ``table``, with ONLY where its statement has it.
    """

    sql: str
    table: str
    rows_of: str
    key: str
    column: str
    batch: int


@dataclass(frozen=True)
class MigrationFile:
    """As the controller has read it. ``since``: what it takes away is needed by releases made for an older schema."""

    path: str
    version: str
    name: str
    kind: str
    effects: Sequence[str] = ()
    removes: Sequence[str] = ()
    contract: bool = False
    since: str = ""
    statements: Sequence[Statement] = ()
    backfill: Backfill | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> MigrationFile:
        parts = {
            "statements": tuple(Statement(**one) for one in given["statements"]),
            "backfill": Backfill(**given["backfill"]) if given.get("backfill") else None,
        }
        return cls(**{**given, **parts})

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.statements]

    @property
    def alone(self) -> str:
        """Why it cannot run in one transaction; empty when it can."""
        return next((one.alone for one in self.statements if one.alone), "")


@dataclass(frozen=True)
class Row:
    """Of the ledger. ``statements`` is None where a tool wrote that knew no such column."""

    version: str
    name: str
    statements: Sequence[str] | None


@dataclass(frozen=True)
class Release:
    """One that a rollback may lead to, or that serves now. ``head``: the version of the schema that it was made for."""

    id: str
    head: str


@dataclass
class Decision:
    """``pending``: what is to run now; ``waiting``: contract files whose turn has not come, with the reason of each."""

    problems: list[str] = field(default_factory=list)
    pending: list[MigrationFile] = field(default_factory=list)
    waiting: dict[str, str] = field(default_factory=dict)
    # Files that run only because somebody gave a reason.
    forced: list[str] = field(default_factory=list)


def decide(
    files: Sequence[MigrationFile],
    ledger: Sequence[Row],
    retained: Sequence[Release] = (),
    *,
    accept_edited: Collection[str] = (),
    force: str = "",
) -> Decision:
    """``files``: oldest first. ``retained``: releases on any host. ``force``: why what older releases need may be taken away."""
    decision = Decision()
    rows = {row.version: row for row in ledger}
    by_version = {one.version: one for one in files}
    decision.problems += _missing(rows, by_version)
    for one in files:
        if one.version in rows:
            decision.problems += _differs(one, rows[one.version], accept_edited)
    newest = max(rows, default="")
    for one in files:
        if one.version in rows:
            continue
        older = needed_by(one, retained)
        if older and not force and one.contract:
            decision.waiting[one.path] = f"{_removes(one)}, which {_named(older)} may need"
        elif older and not force:
            decision.problems.append(_destructive(one, older))
        elif one.version < newest and not one.contract:
            decision.problems.append(_out_of_order(one, newest))
        else:
            decision.pending.append(one)
            decision.forced += [one.path] if older else []
    return decision


def needed_by(one: MigrationFile, retained: Sequence[Release]) -> list[str]:
    """Ids of the releases that may need what a file takes away. One whose head is another tool's name came before all files."""
    return [release.id for release in retained if one.since and _number(release.head) < int(one.since)]


def _number(head: str) -> int:
    return int(head) if head.isdecimal() else -1


def _missing(rows: Mapping[str, Row], files: Mapping[str, MigrationFile]) -> Iterator[str]:
    for version, row in sorted(rows.items()):
        if version not in files:
            yield (
                f"the database has {version}_{row.name} applied, and this release has no such file: it was made from an older "
                "checkout, or the file was renamed or removed. Bring the file back (supabase migration fetch writes it); if the "
                "database is to forget it: "
                f"supabase migration repair --status reverted {version}"
            )


def _differs(one: MigrationFile, row: Row, accepted: Collection[str]) -> Iterator[str]:
    # From before the ledger kept statements: nobody knows what was applied.
    if row.statements is None or list(row.statements) == one.texts or one.version in accepted:
        return
    if row.name != one.name:
        yield (
            f"{one.path}: its version is applied already, of another file ({row.version}_{row.name}), so it would never run; "
            "give it "
            "a newer timestamp"
        )
        return
    pairs = zip(row.statements, one.texts, strict=False)
    first = next((number for number, (was, now) in enumerate(pairs) if was != now), min(len(row.statements), len(one.texts)))
    place = f"from its statement {first + 1} on"
    if first < len(one.statements):
        place += f" (line {one.statements[first].line})"
    yield (
        f"{one.path}: was applied with another content, {place}, and what is applied is never applied again. Put it back as it "
        "was, "
        "and the change into a new file. Only if the database needs no change (a comment), name it in "
        f'stack.migration.accept_edited: ["{one.version}"]'
    )


def _out_of_order(one: MigrationFile, newest: str) -> str:
    return (
        f"{one.path}: is older than {newest}, which is applied, so databases would get the two in different orders, as after a "
        "merge "
        f"of a branch; give it a timestamp after {newest}"
    )


def _destructive(one: MigrationFile, older: Sequence[str]) -> str:
    return (
        f"{one.path}: {_removes(one)}. {_named(older)} may need that: it serves while this runs, or a rollback leads to it. "
        "Put it "
        'into a file of its own that begins with the line "-- contract": that file waits until no release is retained that came '
        'before it, or with "-- contract <version>" before that version of the schema. Or run it now, and lose the way back, '
        "with "
        "-e migration_force=<reason>"
    )


def _removes(one: MigrationFile) -> str:
    return "; ".join(one.removes) or "is marked as a contract"


def _named(releases: Sequence[str]) -> str:
    return ("release " if len(releases) == 1 else "releases ") + ", ".join(releases)
