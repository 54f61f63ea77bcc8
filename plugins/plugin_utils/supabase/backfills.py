# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backfills: files that begin with ``-- backfill key=<column> batch=<rows>``, cut so that a host can run them in batches. Pure.

What such a file says is one UPDATE or DELETE, which Supabase's CLI runs whole. A host runs it again and again, each time with a
further condition: keys behind those that are done, and up to another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import statements as parser
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.statements import Statement

FORM = "-- backfill key=<column> batch=<rows>"
LARGEST = 100_000
_MARK = re.compile(r"--\s*backfill\b(.*)\Z")
_OPTION = re.compile(r"(key|batch)=(\S+)\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}\Z")
_VERBS = {"UpdateStmt": "UPDATE", "DeleteStmt": "DELETE"}


@dataclass(frozen=True)
class Mark:
    """What a line of comment says, and what is wrong with that."""

    key: str
    batch: str
    problem: str = ""


def mark(comments: Sequence[str]) -> Mark | None:
    """Of the comments above a file's first statement."""
    lines = [line for line in comments if _MARK.match(line)]
    if not lines:
        return None
    found = [_OPTION.match(word) for word in _MARK.sub(r"\1", lines[0]).split()]
    options = {one[1]: one[2] for one in found if one}
    key, batch = options.get("key", ""), options.get("batch", "")
    if len(lines) > 1:
        return Mark(key, batch, f'"{FORM}" stands {len(lines)} times; a backfill has one key, so keep one of them')
    if not all(found) or len(found) != 2 or set(options) != {"key", "batch"}:
        other = "write it so, or begin the comment with another word when none is meant"
        return Mark(key, batch, f'"{lines[0]}" is not "{FORM}"; {other}')
    if not _NAME.match(key):
        return Mark(key, batch, f'key={key} is not the name of a column, expected letters, digits and "_"')
    if not batch.isascii() or not batch.isdigit() or not 1 <= int(batch) <= LARGEST:
        return Mark(key, batch, f"batch={batch} is not a number of rows from 1 to {LARGEST}")
    return Mark(key, batch)


def problems(found: Mark, statements: Sequence[Statement], *, is_contract: bool) -> Iterator[tuple[int, str]]:
    """Why a file cannot be run in batches: number of the line, and why."""
    if found.problem:
        yield 1, found.problem
        return
    if is_contract:
        yield 1, 'is marked as a contract, too; put the rows into a file of their own with "-- backfill", before the contract'
    run = [one for one in statements if one.node is not None]
    if len(run) != 1:
        line = run[1].line if run else 1
        yield line, f"a backfill has {len(run)} statements, expected one UPDATE or DELETE; put others into files of their own"
        return
    one = run[0]
    if one.kind not in _VERBS:
        yield one.line, f"a backfill is one UPDATE or DELETE, and this is another statement ({one.kind.removesuffix('Stmt')})"
        return
    yield from ((one.line, why) for why in _unfit(found, one))


def _unfit(found: Mark, one: Statement) -> Iterator[str]:
    node, verb = one.node, _VERBS[one.kind]
    if node.withClause:
        yield f"WITH above {verb} would be run anew in each batch; write it as a subquery in WHERE"
    if getattr(node, "returningList", None) or getattr(node, "returningClause", None):
        yield "RETURNING has nobody who reads it; take it out"
    if type(node.whereClause).__name__ == "CurrentOfExpr":
        yield "WHERE CURRENT OF names one row and no condition; write a condition"
    if one.kind == "UpdateStmt" and found.key in {target.name for target in node.targetList}:
        yield f"sets {found.key}, by which its batches are cut; name another unique column as key"
    if node.relation.catalogname:
        yield "names the table with its database; write schema.table"


def told(found: Mark, statements: Sequence[Statement]) -> dict[str, Any]:
    """What hosts need. ``sql`` ends where the condition on the key goes on."""
    one = next(one for one in statements if one.node is not None)
    relation = one.node.relation
    named = relation.alias.aliasname if relation.alias else relation.relname
    only = "" if relation.inh else "only "
    table = ".".join(map(_quoted, filter(None, (relation.schemaname, relation.relname))))
    return {
        "sql": _open(one.text),
        "table": table,
        "rows_of": f"{only}{table}",
        "key": found.key,
        "column": f"{_quoted(named)}.{_quoted(found.key)}",
        "batch": int(found.batch),
    }


def _open(text: str) -> str:
    """The statement without the comments above it, up to where another condition can be written behind it."""
    tokens = parser.tokens(text)
    first = next(token.start for token in tokens if token.name not in ("SQL_COMMENT", "C_COMMENT"))
    depth = 0
    for token in tokens:
        depth += {"ASCII_40": 1, "ASCII_41": -1}.get(token.name, 0)
        if token.name == "WHERE" and depth == 0:
            return f"{text[first : token.end + 1]} (\n{text[token.end + 1 :].strip()}\n) and"
    return f"{text[first:]}\nwhere"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
