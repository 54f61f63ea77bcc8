# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a statement does to those who use the database meanwhile, judged by its parse tree. Pure.

The worst of a file's statements is what the file is. What a file makes itself nobody uses yet, so it may do with that what it
likes. What cannot be judged counts as what could be worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import statements
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.statements import NoSqlError, Statement
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.table_changes import Made, changes, dotted, qualified


class Kind(IntEnum):
    """From harmless to harmful."""

    ADDITIVE = 0
    BACKFILL = 1
    LOCKING = 2
    DESTRUCTIVE = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Effect:
    kind: Kind
    # As in "line 3 drops the column note of orders"; empty of what is additive.
    what: str = ""


@dataclass
class Judge:
    """Of one file, whose statements it is shown in their order."""

    made: Made = field(default_factory=Made)

    def effects(self, statement: Statement) -> list[Effect]:
        """Those that are not additive."""
        return [] if statement.node is None else list(self._of(statement.node))

    def _of(self, node: Any) -> Iterator[Effect]:
        kind = type(node).__name__
        if kind == "DoStmt":
            yield from self._block(node)
            return
        if kind in ("AlterTableStmt", "CreateTableAsStmt", "CreateStmt", "ViewStmt"):
            yield from self._tables(kind, node)
            return
        rule = _RULES.get(kind)
        if rule:
            yield from rule(node, self.made)
        elif not kind.startswith(_ADDS) and kind not in _HARMLESS:
            yield Effect(Kind.LOCKING, f"is a {kind.removesuffix('Stmt')}, which is not known to be harmless")
        self.made.note(node)

    def _tables(self, kind: str, node: Any) -> Iterator[Effect]:
        if kind == "AlterTableStmt" and not self.made.has(node.relation):
            yield from (Effect(Kind[name], what) for name, what in changes(node))
        self.made.note(node)

    def _block(self, node: Any) -> Iterator[Effect]:
        for kind, content in statements.body_of_do(node):
            if kind == "PLpgSQL_stmt_execsql":
                yield from self._text(content["sqlstmt"]["PLpgSQL_expr"]["query"])
            elif kind in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"):
                yield from self._dynamic(content["query"]["PLpgSQL_expr"]["query"])
            elif kind == "PLpgSQL_stmt_call":
                yield Effect(Kind.BACKFILL, "calls a procedure")
            elif kind == "unreadable":
                yield Effect(Kind.DESTRUCTIVE, "runs a DO block that cannot be read before it runs")

    def _dynamic(self, expression: str) -> Iterator[Effect]:
        """EXECUTE in PL/pgSQL: of a plain text, or of one that is put together when it runs."""
        text = _constant(expression)
        if text is None:
            yield Effect(Kind.DESTRUCTIVE, "makes SQL and executes it, which nobody can read before it runs")
        else:
            yield from self._text(text)

    def _text(self, sql: str) -> Iterator[Effect]:
        try:
            found = statements.split(sql)
        except NoSqlError:
            # Into a variable, for example: it is PL/pgSQL's own and no SQL.
            yield Effect(Kind.BACKFILL, "runs PL/pgSQL that is no SQL by itself")
            return
        for one in found:
            yield from self.effects(one)


def _constant(expression: str) -> str | None:
    try:
        found = statements.split(f"select {expression}")
    except NoSqlError:
        return None
    targets = found[0].node.targetList if len(found) == 1 and found[0].kind == "SelectStmt" else None
    value = targets[0].val if targets and len(targets) == 1 else None
    text = getattr(getattr(value, "val", None), "sval", None)
    return text if isinstance(text, str) else None


_ADDS = ("Create", "Define", "Comment", "Grant", "Variable", "Import", "SecLabel")
_HARMLESS = {
    *("TransactionStmt", "SelectStmt", "ExplainStmt", "NotifyStmt", "ListenStmt", "UnlistenStmt", "CheckPointStmt", "LoadStmt"),
    *("RuleStmt", "AlterEnumStmt", "AlterDefaultPrivilegesStmt", "AlterSeqStmt", "AlterOwnerStmt", "AlterPublicationStmt"),
    *("AlterFunctionStmt", "AlterRoleStmt", "AlterRoleSetStmt", "AlterDatabaseSetStmt", "AlterExtensionStmt", "AlterPolicyStmt"),
    *("AlterSystemStmt", "AlterSubscriptionStmt", "AlterStatsStmt", "DiscardStmt", "DeclareCursorStmt", "FetchStmt"),
    *("ClosePortalStmt", "PrepareStmt", "DeallocateStmt", "ConstraintsSetStmt", "PLAssignStmt", "AlterForeignServerStmt"),
    *("AlterUserMappingStmt", "AlterFdwStmt", "AlterExtensionContentsStmt"),
}
# Code does not name them, but to take them away keeps everybody off their table for a moment.
_HELPERS = {
    "OBJECT_INDEX": "index",
    "OBJECT_TRIGGER": "trigger",
    "OBJECT_POLICY": "policy",
    "OBJECT_RULE": "rule",
    "OBJECT_STATISTIC_EXT": "statistics",
}


def _words(kind: Any) -> str:
    return str(kind.name).removeprefix("OBJECT_").replace("MATVIEW", "MATERIALIZED VIEW").replace("_", " ").lower()


def _drop(node: Any, made: Made) -> Iterator[Effect]:
    kind = node.removeType.name
    if kind in _HELPERS:
        if not node.concurrent and not all(made.has_parts(qualified(one)[:-1]) for one in node.objects):
            names = ", ".join(qualified(one)[-1] for one in node.objects)
            yield Effect(Kind.LOCKING, f"drops the {_HELPERS[kind]} {names}, which keeps everybody off its table meanwhile")
        return
    lost = [".".join(parts) for one in node.objects if not made.has_parts(parts := qualified(one))]
    if lost:
        yield Effect(Kind.DESTRUCTIVE, f"drops the {_words(node.removeType)} {', '.join(lost)}")


def _rename(node: Any, made: Made) -> Iterator[Effect]:
    kind = node.renameType.name
    if kind in ("OBJECT_INDEX", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE"):
        return
    if node.relation:
        if not made.has(node.relation):
            old = f"{node.subname} of {dotted(node.relation)}" if node.subname else dotted(node.relation)
            yield Effect(Kind.DESTRUCTIVE, f"renames the {_words(node.renameType)} {old}")
        return
    parts = qualified(node.object) if node.object else (str(node.subname),)
    if not made.has_parts(parts):
        yield Effect(Kind.DESTRUCTIVE, f"renames the {_words(node.renameType)} {'.'.join(parts)}")


def _move(node: Any, made: Made) -> Iterator[Effect]:
    parts = (dotted(node.relation),) if node.relation else qualified(node.object)
    if not (made.has(node.relation) if node.relation else made.has_parts(parts)):
        yield Effect(Kind.DESTRUCTIVE, f"moves the {_words(node.objectType)} {'.'.join(parts)} into the schema {node.newschema}")


def _enum(node: Any, made: Made) -> Iterator[Effect]:
    if node.oldVal and not made.has_parts(qualified(node.typeName)):
        yield Effect(Kind.DESTRUCTIVE, f"renames the value {node.oldVal} of the type {'.'.join(qualified(node.typeName))}")


def _domain(node: Any, made: Made) -> Iterator[Effect]:
    name = ".".join(qualified(node.typeName))
    if made.has_parts(qualified(node.typeName)):
        return
    if node.subtype.name == "AD_SetNotNull" if hasattr(node.subtype, "name") else node.subtype == "O":
        yield Effect(Kind.DESTRUCTIVE, f"lets the domain {name} be empty no more, which an older release may leave it")
    else:
        yield Effect(Kind.LOCKING, f"changes the domain {name}, for which each table that uses it is read")


def _index(node: Any, made: Made) -> Iterator[Effect]:
    if not node.concurrent and not made.has(node.relation):
        yield Effect(
            Kind.LOCKING,
            f"builds an index on {dotted(node.relation)} and lets nobody write to it meanwhile; CREATE INDEX CONCURRENTLY does "
            "not",
        )


def _truncate(node: Any, made: Made) -> Iterator[Effect]:
    names = [dotted(one) for one in node.relations if not made.has(one)]
    if names:
        yield Effect(Kind.DESTRUCTIVE, f"empties {', '.join(names)}")


def _delete(node: Any, made: Made) -> Iterator[Effect]:
    if made.has(node.relation):
        return
    if node.whereClause:
        yield Effect(Kind.BACKFILL, f"deletes rows of {dotted(node.relation)}")
    else:
        yield Effect(Kind.DESTRUCTIVE, f"empties {dotted(node.relation)}")


def _update(node: Any, made: Made) -> Iterator[Effect]:
    if not made.has(node.relation):
        yield Effect(Kind.BACKFILL, f"writes rows of {dotted(node.relation)}")


def _insert(node: Any, made: Made) -> Iterator[Effect]:
    is_plain = node.selectStmt is None or node.selectStmt.valuesLists
    if not is_plain and not made.has(node.relation):
        yield Effect(Kind.BACKFILL, f"writes rows of {dotted(node.relation)}")


def _call(node: Any, made: Made) -> Iterator[Effect]:
    yield Effect(Kind.BACKFILL, "calls a procedure")


def _revoke(node: Any, made: Made) -> Iterator[Effect]:
    if node.is_grant or (node.objects and all(made.has_any(one) for one in node.objects)):
        return
    yield Effect(Kind.DESTRUCTIVE, "revokes rights that an older release may use")


def _drop_role(node: Any, made: Made) -> Iterator[Effect]:
    yield Effect(Kind.DESTRUCTIVE, "drops roles or what they own")


def _reindex(node: Any, made: Made) -> Iterator[Effect]:
    if not statements.alone(node).endswith("CONCURRENTLY"):
        yield Effect(Kind.LOCKING, "builds indexes anew and lets nobody write meanwhile; REINDEX (CONCURRENTLY) does not")


def _vacuum(node: Any, made: Made) -> Iterator[Effect]:
    if "full" in {option.defname for option in node.options or ()}:
        yield Effect(Kind.LOCKING, "writes whole tables anew (VACUUM FULL) and keeps everybody off them meanwhile")


def _cluster(node: Any, made: Made) -> Iterator[Effect]:
    yield Effect(Kind.LOCKING, "writes whole tables anew (CLUSTER) and keeps everybody off them meanwhile")


def _lock(node: Any, made: Made) -> Iterator[Effect]:
    yield Effect(Kind.LOCKING, f"locks {', '.join(map(dotted, node.relations))}")


def _refresh(node: Any, made: Made) -> Iterator[Effect]:
    if not node.concurrent and not made.has(node.relation):
        yield Effect(Kind.LOCKING, f"makes {dotted(node.relation)} anew and lets nobody read it meanwhile")


_RULES: dict[str, Callable[[Any, Made], Iterator[Effect]]] = {
    "DropStmt": _drop,
    "RenameStmt": _rename,
    "AlterObjectSchemaStmt": _move,
    "AlterEnumStmt": _enum,
    "AlterDomainStmt": _domain,
    "IndexStmt": _index,
    "TruncateStmt": _truncate,
    "DeleteStmt": _delete,
    "UpdateStmt": _update,
    "MergeStmt": _update,
    "CopyStmt": _update,
    "InsertStmt": _insert,
    "CallStmt": _call,
    "GrantStmt": _revoke,
    "GrantRoleStmt": _revoke,
    "AlterDefaultPrivilegesStmt": lambda node, made: _revoke(node.action, made),
    "DropRoleStmt": _drop_role,
    "DropOwnedStmt": _drop_role,
    "DropdbStmt": _drop_role,
    "DropSubscriptionStmt": _drop_role,
    "DropUserMappingStmt": _drop_role,
    "DropTableSpaceStmt": _drop_role,
    "ReindexStmt": _reindex,
    "VacuumStmt": _vacuum,
    "ClusterStmt": _cluster,
    "LockStmt": _lock,
    "RefreshMatViewStmt": _refresh,
}
