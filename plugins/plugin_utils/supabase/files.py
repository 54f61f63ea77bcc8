# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of Supabase's migrations, read into what hosts need to run it, or every problem in it. Pure."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import backfills, statements
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.effects import Judge, Kind
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.statements import NoSqlError, Statement
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.table_changes import qualified

# As the CLI has it, and the first file that it leaves out although it is named well.
_NAME = re.compile(r"([0-9]+)_(.*)\.sql\Z", re.DOTALL)
_OLD_INIT = re.compile(r"([0-9]{14})_init\.sql\Z")
_FIRST_INIT = "20211209000000"
_CONTRACT = re.compile(r"--\s*contract(?:\s+([0-9]+))?\s*\Z")
NO_PGLAST = (
    "stack.migration.engine: supabase reads migrations with pglast, which is not installed on the controller; install it with: "
    f"{sys.executable} -m pip install pglast"
)


@dataclass
class MigrationFile:
    """``since``: what contract files name, the version from which on no release needs what they remove."""

    path: str
    version: str
    name: str
    found: list[Statement] = field(default_factory=list)
    kind: Kind = Kind.ADDITIVE
    # (how bad, number of the line, what is done there), worst first; none of what only adds.
    effects: list[tuple[Kind, int, str]] = field(default_factory=list)
    is_contract: bool = False
    since: str = ""
    backfill: backfills.Mark | None = None

    @property
    def removes(self) -> bool:
        """Whether an older release may need what it takes away."""
        return self.is_contract or self.kind is Kind.DESTRUCTIVE

    def as_dict(self) -> dict[str, Any]:
        """What hosts are told."""
        is_wrapped = self._is_wrapped
        last = len(self.found) - 1
        backfill = {"backfill": backfills.told(self.backfill, self.found)} if self.backfill else {}
        return {
            "path": self.path,
            "version": self.version,
            "name": self.name,
            "kind": str(self.kind),
            "effects": [f"{what} (line {line})" for _, line, what in self.effects],
            "removes": [f"{what} (line {line})" for kind, line, what in self.effects if kind is Kind.DESTRUCTIVE],
            "contract": self.is_contract,
            "since": (self.since or self.version) if self.removes else "",
            "statements": [
                _told(statement, runs=not (is_wrapped and (number == self._first or number == last)))
                for number, statement in enumerate(self.found)
            ],
            **backfill,
        }

    @property
    def _first(self) -> int:
        return next((number for number, one in enumerate(self.found) if one.node is not None), 0)

    @property
    def _is_wrapped(self) -> bool:
        """Whether BEGIN and COMMIT stand around all of it, as each file has them anyway."""
        return bool(self.found) and self.found[self._first].begins and self.found[-1].commits

    def problems(self) -> Iterator[str]:
        if self.backfill:
            unfit = backfills.problems(self.backfill, self.found, is_contract=self.is_contract)
            yield from (f"{self.path}:{line}: {words}" for line, words in unfit)
        inner = self.found[self._first + 1 : -1] if self._is_wrapped else self.found
        lonely = [(one, why) for one in self.found if one.node is not None and (why := statements.alone(one.node))]
        for one in inner:
            if one.controls:
                yield (
                    f"{self.path}:{one.line}: begins or ends a transaction. Each file has one of its own, in which its line in "
                    "the "
                    "ledger is written; take it out, or put what is to be committed apart into a file of its own"
                )
        if lonely and self._is_wrapped:
            one, why = lonely[0]
            yield (
                f"{self.path}:{one.line}: {why} cannot run in a transaction, and BEGIN stands above it; take BEGIN and COMMIT out"
            )
        for one in self.found:
            if one.kind == "IndexStmt" and one.node.concurrent and not one.node.idxname:
                yield (
                    f"{self.path}:{one.line}: CREATE INDEX CONCURRENTLY without a name: an attempt that broke off could not be "
                    "found again; give the index a name"
                )
            if one.kind == "CopyStmt" and one.node.is_from and not one.node.filename:
                yield f"{self.path}:{one.line}: COPY FROM STDIN has nobody who sends it rows; write them as INSERT"


@dataclass
class Directory:
    """``files``, oldest first; ``problems`` are those of all of them."""

    files: list[MigrationFile] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def compatible_since(self) -> str:
        """Releases made for an older schema do not run once all files are applied that do not wait; empty when all run."""
        return max((one.since or one.version for one in self.files if one.removes and not one.is_contract), default="")

    @property
    def requires(self) -> str:
        """The version that must be applied before a release with these files runs: what waits need not be."""
        return max((one.version for one in self.files if not one.is_contract), default="")

    def as_list(self) -> list[dict[str, Any]]:
        return [one.as_dict() for one in self.files]


def read(contents: Mapping[str, bytes], directory: str) -> Directory:
    """``contents``: path -> content of what a release ships; those directly below ``directory`` whose names end in .sql count."""
    if statements.import_error:
        return Directory(problems=[NO_PGLAST])
    found = Directory()
    inside = sorted(path for path in contents if Path(path).parent == Path(directory) and path.endswith(".sql"))
    for number, path in enumerate(inside):
        match = _NAME.match(Path(path).name)
        if not match:
            found.problems.append(f"{path}: is not named <timestamp>_<name>.sql, so nobody would apply it")
        elif number == 0 and (old := _OLD_INIT.search(Path(path).name)) and old[1] < _FIRST_INIT:
            found.problems.append(f"{path}: Supabase's CLI leaves this file out for its name; call it other than init")
        else:
            _read_one(found, MigrationFile(path, match[1], match[2]), contents[path])
    found.problems += _order(found.files)
    known = {one.version for one in found.files}
    found.problems += [
        f'{one.path}: "-- contract {one.since}" names a version that is not in {directory}, or comes after this file; name the '
        "one of the release that stopped using what this file removes, or none"
        for one in found.files
        if one.since and (one.since not in known or int(one.since) > int(one.version))
    ]
    return found


def _read_one(directory: Directory, one: MigrationFile, content: bytes) -> None:
    try:
        sql = content.decode()
        _parse(one, sql)
    except UnicodeDecodeError as exc:
        directory.problems.append(f"{one.path}: is not UTF-8 (byte {exc.start + 1}); save it as UTF-8")
        return
    except NoSqlError as exc:
        directory.problems.append(f"{one.path}:{exc.line}: {exc}")
        return
    problems = list(one.problems())
    if problems:
        # Nobody runs it, and what is wrong with it may be what it says of batches.
        one.backfill = None
    directory.problems += problems
    directory.files.append(one)


def _parse(one: MigrationFile, sql: str) -> None:
    if sql.startswith("\ufeff"):
        raise NoSqlError("begins with a byte order mark, which Postgres does not take; save it as UTF-8 without one", 1)
    if "\0" in sql:
        raise NoSqlError("holds a NUL byte, which Postgres does not take; remove it", sql.count("\n", 0, sql.index("\0")) + 1)
    one.found = statements.split(sql)
    comments = statements.leading_comments(sql)
    marks = [match for line in comments if (match := _CONTRACT.match(line))]
    one.is_contract = bool(marks)
    one.since = (marks[0][1] or "") if marks else ""
    one.backfill = backfills.mark(comments)
    judge = Judge()
    seen = [(effect.kind, statement.line, effect.what) for statement in one.found for effect in judge.effects(statement)]
    one.kind = max((kind for kind, _, _ in seen), default=Kind.ADDITIVE)
    one.effects = sorted(seen, key=lambda item: (-item[0], item[1]))
    if one.backfill:
        how = f", in batches of {one.backfill.batch} by {one.backfill.key}"
        one.effects = [(kind, line, what + how if kind is Kind.BACKFILL else what) for kind, line, what in one.effects]


def _order(files: Sequence[MigrationFile]) -> list[str]:
    """Versions that come in one order as text, by which the CLI goes, and in another one as numbers."""
    return [
        f"{one.path} and {other.path}: {one.version} comes before {other.version} as a name and after it as a number; give both "
        "the same number of digits"
        for one, other in pairwise(files)
        if int(one.version) > int(other.version)
    ]


def _told(statement: Statement, *, runs: bool) -> dict[str, Any]:
    node = statement.node
    if node is None or not runs:
        return {"text": statement.text, "line": statement.line, "runs": False}
    told: dict[str, Any] = {"text": statement.text, "line": statement.line, "alone": statements.alone(node)}
    if statement.kind == "VariableSetStmt" and not node.is_local:
        told["sets"] = True
    if told["alone"] == "CREATE INDEX CONCURRENTLY":
        schema = (node.relation.schemaname,) if node.relation.schemaname else ()
        told |= {"index": _quoted((*schema, node.idxname)), "table": _quoted((*schema, node.relation.relname))}
    elif told["alone"] == "DROP INDEX CONCURRENTLY":
        told["gone"] = [_quoted(qualified(one)) for one in node.objects]
    elif told["alone"] == "DETACH PARTITION CONCURRENTLY":
        part = node.cmds[0].def_.name
        told |= {"table": _relation(node.relation), "part": _relation(part)}
    return told


def _relation(relation: Any) -> str:
    return _quoted(tuple(part for part in (relation.schemaname, relation.relname) if part))


def _quoted(parts: Sequence[str]) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)
