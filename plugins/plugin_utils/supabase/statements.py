# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements of a migration file, as Postgres's own parser sees them. Pure.

Cut as Supabase's CLI cuts them, because its ledger keeps their text and is compared by it: what stands between two ``;`` that end
a statement is one, with the comments before it and without the white space around it. A comment behind the last ``;`` counts,
too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import_error: ImportError | None = None
try:
    import pglast
except ImportError as exc:
    import_error = exc

# What the CLI, which is written in Go, takes for white space.
_BLANK = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_BEGINS = ("TRANS_STMT_BEGIN", "TRANS_STMT_START")
_ENDS = ("TRANS_STMT_COMMIT",)
_WITHIN = ("TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO")
_NEVER_IN_ONE = {
    "CreatedbStmt": "CREATE DATABASE",
    "DropdbStmt": "DROP DATABASE",
    "CreateTableSpaceStmt": "CREATE TABLESPACE",
    "DropTableSpaceStmt": "DROP TABLESPACE",
    "AlterSystemStmt": "ALTER SYSTEM",
    "CreateSubscriptionStmt": "CREATE SUBSCRIPTION",
    "DropSubscriptionStmt": "DROP SUBSCRIPTION",
}


class NoSqlError(Exception):
    """What Postgres's parser says of a text, and the number of the line where it stopped."""

    def __init__(self, words: str, line: int) -> None:
        super().__init__(words)
        self.line = line


@dataclass(frozen=True)
class Statement:
    """``node``: its root in the parse tree; None of a comment that stands alone. ``line``: where it begins, without comments."""

    text: str
    line: int
    node: Any = None

    @property
    def kind(self) -> str:
        return type(self.node).__name__ if self.node is not None else ""

    @property
    def begins(self) -> bool:
        return self._transaction in _BEGINS

    @property
    def commits(self) -> bool:
        return self._transaction in _ENDS

    @property
    def controls(self) -> bool:
        """Whether it begins or ends a transaction; savepoints live within one."""
        return bool(self._transaction) and self._transaction not in _WITHIN

    @property
    def _transaction(self) -> str:
        return str(self.node.kind.name) if self.kind == "TransactionStmt" else ""


def _span(root: Any, length: int) -> tuple[int, int, Any]:
    """Where it begins and ends, and what it is. Postgres leaves out what is nought, and the length of what goes to the end."""
    begin = root.stmt_location or 0
    return begin, begin + root.stmt_len if root.stmt_len else length, root.stmt


def split(sql: str) -> list[Statement]:
    """Raises NoSqlError."""
    try:
        roots = pglast.parse_sql(sql)
        scanned = tokens(sql)
    except pglast.parser.ParseError as exc:
        words, place = exc.args
        raise NoSqlError(str(words), sql.count("\n", 0, max(place or 0, 0)) + 1) from None
    spans = [_span(root, len(sql)) for root in roots]
    ends = _ends([token.start for token in scanned if token.name == "ASCII_59"], [(first, last) for first, last, _ in spans])
    found, begin = [], 0
    waiting = iter(spans)
    following = next(waiting, None)
    for end in [*ends, len(sql)]:
        text = sql[begin : end + 1].rstrip(";").strip(_BLANK)
        node, place = None, begin
        if following and following[0] < end + 1:
            place, _, node = following
            following = next(waiting, None)
        if text:
            found.append(Statement(text, sql.count("\n", 0, place) + 1, node))
        begin = end + 1
    return found


def tokens(sql: str) -> list[Any]:
    """With ``name``, and ``start`` and ``end``, its last character."""
    return list(pglast.parser.scan(sql))


def leading_comments(sql: str) -> list[str]:
    """Lines of comment (``-- ...``) above the first statement."""
    found = []
    for token in tokens(sql):
        if token.name == "SQL_COMMENT":
            found.append(sql[token.start : token.end + 1].strip())
        elif token.name != "C_COMMENT":
            break
    return found


def alone(node: Any) -> str:
    """Why a statement cannot run in a transaction, in the words that it is known by; empty when it can."""
    kind = type(node).__name__
    if kind in _NEVER_IN_ONE:
        return _NEVER_IN_ONE[kind]
    rule = _RULES.get(kind)
    return rule(node) if rule else ""


def _ends(semicolons: Sequence[int], spans: Sequence[tuple[int, int]]) -> list[int]:
    """Those that end a statement: not those in the body of a function or of a rule."""
    found, number = [], 0
    for place in semicolons:
        while number < len(spans) and spans[number][1] <= place:
            number += 1
        if number == len(spans) or place < spans[number][0]:
            found.append(place)
    return found


def _options(node: Any) -> set[str]:
    return {option.defname for option in getattr(node, "params", None) or getattr(node, "options", None) or ()}


def _index(node: Any) -> str:
    return "CREATE INDEX CONCURRENTLY" if node.concurrent else ""


def _drop(node: Any) -> str:
    return "DROP INDEX CONCURRENTLY" if node.concurrent else ""


def _reindex(node: Any) -> str:
    if "concurrently" in _options(node):
        return "REINDEX CONCURRENTLY"
    whole = node.kind.name in ("REINDEX_OBJECT_SCHEMA", "REINDEX_OBJECT_SYSTEM", "REINDEX_OBJECT_DATABASE")
    return "REINDEX of a schema or a database" if whole else ""


def _vacuum(node: Any) -> str:
    return "VACUUM" if node.is_vacuumcmd else ""


def _enum(node: Any) -> str:
    # It can since Postgres 12, but what comes after it in the same transaction may not use the value.
    return "ALTER TYPE ... ADD VALUE" if node.newVal and not node.oldVal else ""


def _table(node: Any) -> str:
    detached = any(one.subtype.name == "AT_DetachPartition" and one.def_.concurrent for one in node.cmds)
    return "DETACH PARTITION CONCURRENTLY" if detached else ""


def _cluster(node: Any) -> str:
    return "" if node.relation else "CLUSTER of the whole database"


def _discard(node: Any) -> str:
    return "DISCARD ALL" if node.target.name == "DISCARD_ALL" else ""


def _do(node: Any) -> str:
    source = body_of_do(node)
    return "DO with COMMIT in it" if any(kind in ("PLpgSQL_stmt_commit", "PLpgSQL_stmt_rollback") for kind, _ in source) else ""


_RULES = {
    "IndexStmt": _index,
    "DropStmt": _drop,
    "ReindexStmt": _reindex,
    "VacuumStmt": _vacuum,
    "AlterEnumStmt": _enum,
    "AlterTableStmt": _table,
    "ClusterStmt": _cluster,
    "DiscardStmt": _discard,
    "DoStmt": _do,
}


def body_of_do(node: Any) -> list[tuple[str, Mapping[str, Any]]]:
    """Kind and content of each statement in a DO block of PL/pgSQL; ``unreadable`` when its body cannot be read."""
    options = {option.defname: option.arg for option in node.args}
    language = options["language"].sval if "language" in options else "plpgsql"
    if language != "plpgsql":
        return [("unreadable", {})]
    source = options["as"].sval
    tag = next(mark for number in range(len(source) + 1) if (mark := f"$q{number}$") not in source)
    try:
        parsed = pglast.parse_plpgsql(f"do {tag}{source}{tag}")
    except pglast.parser.ParseError:
        return [("unreadable", {})]
    return list(_plpgsql(parsed))


def _plpgsql(node: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(node, list):
        for one in node:
            yield from _plpgsql(one)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key.startswith("PLpgSQL_stmt_") and isinstance(value, Mapping):
                yield key, value
            yield from _plpgsql(value)
