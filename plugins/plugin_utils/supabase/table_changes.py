# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ALTER TABLE does to those who use the table meanwhile, and what a file has made itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

# Name of a kind (see effects.Kind), and what is done in words.
Change = tuple[str, str]
# They give every row the same value, the one of the transaction's begin.
_STABLE = {"now", "transaction_timestamp", "statement_timestamp", "current_user", "current_setting"}
_UNMOVED = {
    *("AT_ColumnDefault", "AT_CookedColumnDefault", "AT_ValidateConstraint", "AT_SetStatistics", "AT_SetOptions"),
    *("AT_ResetOptions", "AT_SetStorage", "AT_SetCompression", "AT_SetRelOptions", "AT_ResetRelOptions", "AT_ChangeOwner"),
    *(
        "AT_EnableTrig",
        "AT_EnableTrigAll",
        "AT_EnableTrigUser",
        "AT_EnableAlwaysTrig",
        "AT_EnableReplicaTrig",
        "AT_ReplicaIdentity",
    ),
    *("AT_ForceRowSecurity", "AT_NoForceRowSecurity", "AT_DisableRowSecurity", "AT_DropExpression", "AT_SetIdentity"),
    *("AT_AttachPartition", "AT_AlterConstraint", "AT_DropNotNull", "AT_ClusterOn", "AT_DropCluster", "AT_AddOf", "AT_DropOf"),
}
# Where the name stands of what a statement makes.
_RELATIONS = {
    "CreateStmt": "relation",
    "CreateTableAsStmt": "into",
    "ViewStmt": "view",
    "CreateSeqStmt": "sequence",
    "CompositeTypeStmt": "typevar",
}
_NAMES = {
    "CreateEnumStmt": "typeName",
    "CreateRangeStmt": "typeName",
    "CreateDomainStmt": "domainname",
    "CreateFunctionStmt": "funcname",
}
_SCANNED = {
    "CONSTR_CHECK": "a check",
    "CONSTR_FOREIGN": "a foreign key",
    "CONSTR_UNIQUE": "a unique constraint",
    "CONSTR_PRIMARY": "a primary key",
    "CONSTR_EXCLUSION": "an exclusion constraint",
}


def dotted(relation: Any) -> str:
    return ".".join(part for part in (relation.schemaname, relation.relname) if part)


def qualified(name: Any) -> tuple[str, ...]:
    """Parts of a name, in whichever of its shapes the parser gives it: functions have it below ``objname``, types ``names``."""
    if hasattr(name, "sval"):
        return (name.sval,)
    parts = getattr(name, "objname", None) or getattr(name, "names", None) or name
    return tuple(part.sval for part in parts if hasattr(part, "sval"))


def _plain(parts: tuple[str, ...]) -> tuple[str, ...]:
    return parts[1:] if len(parts) > 1 and parts[0] == "public" else parts


@dataclass
class Made:
    """Names of tables, types, functions and schemas that a file has made before the statement that is looked at."""

    names: set[tuple[str, ...]] = field(default_factory=set)

    def has(self, relation: Any) -> bool:
        return self.has_parts(tuple(part for part in (relation.schemaname, relation.relname) if part))

    def has_parts(self, parts: tuple[str, ...]) -> bool:
        """Also of what lies in a schema that the file has made."""
        return _plain(parts) in self.names or (len(parts) > 1 and parts[:1] in self.names)

    def has_any(self, name: Any) -> bool:
        return self.has(name) if hasattr(name, "relname") else self.has_parts(qualified(name))

    def note(self, node: Any) -> None:
        kind = type(node).__name__
        # What is there already is somebody's.
        if getattr(node, "if_not_exists", False) or getattr(node, "replace", False):
            return
        if kind in _RELATIONS:
            relation = getattr(node, _RELATIONS[kind])
            self._add(relation.rel if kind == "CreateTableAsStmt" else relation)
        elif kind in _NAMES:
            self.names.add(_plain(qualified(getattr(node, _NAMES[kind]))))
        elif kind == "CreateSchemaStmt" and node.schemaname:
            self.names.add((node.schemaname,))

    def _add(self, relation: Any) -> None:
        self.names.add(_plain(tuple(part for part in (relation.schemaname, relation.relname) if part)))


def changes(node: Any) -> Iterator[Change]:
    """Of an ALTER TABLE: those that are not additive."""
    table = dotted(node.relation)
    for command in node.cmds:
        name = command.subtype.name
        rule = _RULES.get(name)
        if rule:
            yield from rule(command, table)
        elif name not in _UNMOVED:
            words = name.removeprefix("AT_")
            yield "LOCKING", f"changes {table} ({words}), which may keep everybody off it for as long as it takes"


def _drop_column(command: Any, table: str) -> Iterator[Change]:
    yield "DESTRUCTIVE", f"drops the column {command.name} of {table}"


def _type(command: Any, table: str) -> Iterator[Change]:
    yield "DESTRUCTIVE", f"changes the type of the column {command.name} of {table}, and may write the whole table anew"


def _not_null(command: Any, table: str) -> Iterator[Change]:
    yield "DESTRUCTIVE", f"lets the column {command.name} of {table} be empty no more, which an older release may leave it"


def _default(command: Any, table: str) -> Iterator[Change]:
    if command.def_ is None:
        yield "DESTRUCTIVE", f"drops the default of the column {command.name} of {table}, which an older release may rely on"


def _detach(command: Any, table: str) -> Iterator[Change]:
    yield "DESTRUCTIVE", f"takes the partition {dotted(command.def_.name)} out of {table}"


def _drop_identity(command: Any, table: str) -> Iterator[Change]:
    yield "DESTRUCTIVE", f"lets the column {command.name} of {table} number rows no more"


def _security(command: Any, table: str) -> Iterator[Change]:
    yield "LOCKING", f"lets row security decide who sees rows of {table}: without a policy nobody but its owner does"


def _constraint(command: Any, table: str) -> Iterator[Change]:
    constraint = command.def_
    words = _SCANNED.get(constraint.contype.name)
    if words and not constraint.skip_validation and not constraint.indexname:
        way = " NOT VALID, and VALIDATE CONSTRAINT in a file of its own, do not"
        if constraint.contype.name in ("CONSTR_UNIQUE", "CONSTR_PRIMARY"):
            way = " USING INDEX, of an index that was made CONCURRENTLY, does not"
        elif constraint.contype.name == "CONSTR_EXCLUSION":
            way = ""
        yield "LOCKING", f"adds {words} to {table} and reads it all, and lets nobody write meanwhile{';' if way else ''}{way}"


def _add_column(command: Any, table: str) -> Iterator[Change]:
    column = command.def_
    kinds = {one.contype.name: one for one in column.constraints or ()}
    default = kinds.get("CONSTR_DEFAULT")
    filled = default or {"CONSTR_IDENTITY", "CONSTR_GENERATED"} & set(kinds) or _serial(column)
    if {"CONSTR_NOTNULL", "CONSTR_PRIMARY"} & set(kinds) and not filled:
        yield "DESTRUCTIVE", f"adds the column {column.colname} to {table}, which an older release leaves empty and may not"
    volatile = default is not None and _is_volatile(default.raw_expr)
    if volatile or {"CONSTR_IDENTITY", "CONSTR_GENERATED"} & set(kinds) or _serial(column):
        yield (
            "LOCKING",
            f"adds the column {column.colname} with another value for each row, so that {table} is written anew; add it empty "
            "and "
            "fill it by a backfill",
        )
    for kind in sorted(set(kinds) & set(_SCANNED)):
        if not kinds[kind].skip_validation:
            yield "LOCKING", f"adds {_SCANNED[kind]} on the new column {column.colname} to {table} and reads it all meanwhile"


def _serial(column: Any) -> bool:
    return bool(column.typeName) and qualified(column.typeName)[-1] in {
        "serial",
        "bigserial",
        "smallserial",
        "serial4",
        "serial8",
    }


def _is_volatile(node: Any) -> bool:
    """Whether each row may get another value: a function that is not known never to give one."""
    if type(node).__name__ == "FuncCall":
        return qualified(node.funcname)[-1] not in _STABLE or any(map(_is_volatile, node.args or ()))
    parts = [getattr(node, name, None) for name in ("arg", "lexpr", "rexpr", "args")]
    return any(
        any(map(_is_volatile, part)) if isinstance(part, tuple) else _is_volatile(part) for part in parts if part is not None
    )


_RULES: dict[str, Callable[[Any, str], Iterator[Change]]] = {
    "AT_DropColumn": _drop_column,
    "AT_AlterColumnType": _type,
    "AT_SetNotNull": _not_null,
    "AT_ColumnDefault": _default,
    "AT_DetachPartition": _detach,
    "AT_DropIdentity": _drop_identity,
    "AT_EnableRowSecurity": _security,
    "AT_AddConstraint": _constraint,
    "AT_AddColumn": _add_column,
}
