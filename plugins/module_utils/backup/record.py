# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a backup, in a file beside it; and which backups are to be kept. Pure."""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base import others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

FORMAT = 1
ARCHIVE, RECORD = ".dump.age", ".json"
BACKUP, EXPORT, OBJECTS = "backup", "export", "objects"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,120}\Z")
# As contents.quoted writes them, and contents.digests sums them up: both become a part of statements.
_TABLE = re.compile(r'"(?:[^"\0]|"")+"\."(?:[^"\0]|"")+"\Z')
_DIGEST = re.compile(r"-?[0-9]{1,60}\Z", re.ASCII)
_LISTS = ("roles", "schemas", "versions")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_DAY = 86400


@dataclass(frozen=True)
class Table:
    """``digest``: a sum over its rows that does not depend on their order."""

    rows: int
    digest: str


@dataclass(frozen=True)
class Held:
    """What is of a bucket. ``sha256``: of the paths, types, sizes and sums of its objects."""

    objects: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Record:
    """``at``: the moment that the data are of. ``verified``: when it was restored and found to be whole; empty when it was not.

    ``tables``: quoted name -> what is in it. ``versions``: migrations that the ledger lists. ``of``: the backup that an export
    was made of. ``buckets``: name -> what of it an archive of objects holds.
    """

    name: str
    kind: str
    environment: str
    at: str
    why: str
    server: str
    sha256: str
    size: int
    verified: str = ""
    roles: Sequence[str] = ()
    schemas: Sequence[str] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    versions: Sequence[str] = ()
    of: str = ""
    buckets: Mapping[str, Held] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """Without what the tables hold, which may be long, and without names of roles."""
        return {name: value for name, value in asdict(self).items() if name not in ("tables", "roles")}

    def text(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @property
    def seconds(self) -> float:
        return seconds(self.at)


def parse(text: str, where: str) -> Record:
    """Raises DeployError when it is not the record of a backup, or one of a newer version."""
    try:
        found = others_json.loads(text)
    except ValueError as exc:
        raise DeployError(f"{where} is not the record of a backup: {exc}; remove it together with its archive") from None
    return of(found, where)


def listed(texts: Iterable[tuple[str, str]], now: float) -> list[Record]:
    """Oldest first, of what a place holds: (where, what stands there). Raises DeployError for what no backup put there."""
    found = []
    for where, text in texts:
        one = parse(text, where)
        if where.rpartition("/")[2] != f"{one.name}{RECORD}":
            raise DeployError(
                f"{where} is the record of {one.name}, and would stand for it; remove it, and look who may write there"
            )
        if one.seconds > now + _DAY:
            raise DeployError(
                f"{where} is of {one.at}, which is to come: it would be the last backup until then. See whether the clock of the "
                "host that made it is right; remove it together with its archive, and look who may write there"
            )
        found.append(one)
    return sorted(found, key=lambda one: one.seconds)


def of(document: Any, where: str) -> Record:
    """The same of what was read already."""
    found = dict(document) if isinstance(document, Mapping) else {}
    number = found.pop("format", None)
    if isinstance(number, int) and number > FORMAT:
        raise DeployError(
            f"{where} has format {number}, and this version of morpheus.deploy knows records of backups only up to format "
            f"{FORMAT}: run this with the newer version that wrote it"
        )
    names = {one.name for one in fields(Record)}
    if number != FORMAT or not {"name", "kind", "environment", "at", "sha256", "size"} <= set(found) <= names:
        raise DeployError(f"{where} is not the record of a backup; remove it together with its archive")
    if problem := name_problem(str(found["name"])):
        raise DeployError(f"{where}: {problem}")
    if wrong := _not_of_a_record(found):
        raise DeployError(
            f"{where} is not a record as backups are written: {', '.join(wrong)} cannot be read. Somebody else has written it, "
            "or it was damaged; remove it together with its archive, and look who may write there"
        )
    tables = {name: Table(**one) for name, one in (found.pop("tables", None) or {}).items()}
    buckets = {name: Held(**one) for name, one in (found.pop("buckets", None) or {}).items()}
    return Record(**found, tables=tables, buckets=buckets)


def _not_of_a_record(found: Mapping[str, Any]) -> list[str]:
    """Keys whose values no backup has."""
    wrong = [key for key in _LISTS if not _is_list_of_texts(found.get(key) or [])]
    tables = found.get("tables") or {}
    if not isinstance(tables, Mapping) or not all(_is_table(name, one) for name, one in tables.items()):
        wrong.append("tables")
    buckets = found.get("buckets") or {}
    if not isinstance(buckets, Mapping) or not all(_is_bucket(name, one) for name, one in buckets.items()):
        wrong.append("buckets")
    if not _is_count(found["size"]):
        wrong.append("size")
    not_texts = (*_LISTS, "tables", "buckets", "size")
    wrong += [key for key, value in found.items() if key not in not_texts and not isinstance(value, str)]
    wrong += [key for key in ("at", "verified") if (found.get(key) or key == "at") and not seconds(str(found.get(key)))]
    return sorted(set(wrong))


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one and "\0" not in one for one in value)


def _is_table(name: str, one: Any) -> bool:
    if not isinstance(one, Mapping) or set(one) != {"rows", "digest"} or not isinstance(one["digest"], str):
        return False
    return bool(_is_count(one["rows"]) and _TABLE.match(name) and _DIGEST.match(one["digest"]))


def _is_bucket(name: str, one: Any) -> bool:
    if not isinstance(one, Mapping) or set(one) != {"objects", "bytes", "sha256"} or not isinstance(one["sha256"], str):
        return False
    return bool(_is_count(one["objects"]) and _is_count(one["bytes"]) and _NAME.match(name))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def name_problem(name: str) -> str:
    return (
        "" if _NAME.match(name) and ".." not in name else f'"{name}" is not the name of a backup; list them with backup_do=list'
    )


def seconds(at: str) -> float:
    try:
        return float(calendar.timegm(time.strptime(at, _TIME)))
    except ValueError:
        return 0.0


def said(now: float) -> str:
    return time.strftime(_TIME, time.gmtime(now))


def expired(records: Sequence[Record], now: float, *, keep_days: float, keep_at_least: int) -> list[Record]:
    """Those that may be removed: older than ``keep_days``, and not of the ``keep_at_least`` youngest of their kind that were
    verified.

    While none of a kind is verified, none is removed.
    """
    found = []
    for kind in sorted({one.kind for one in records}):
        youngest = sorted((one for one in records if one.kind == kind), key=lambda one: one.seconds, reverse=True)
        verified = [one for one in youngest if one.verified]
        held = {one.name for one in verified[:keep_at_least]}
        found += [one for one in youngest if verified and one.name not in held and now - one.seconds > keep_days * _DAY]
    return found


def differences(wanted: Mapping[str, Table], seen: Mapping[str, Table], *, now: str, then: str) -> list[str]:
    """How tables differ, in sentences. ``then``: what ``wanted`` is called, ``now``: what ``seen`` is."""
    found = []
    for name in sorted({*wanted, *seen}):
        one, other = wanted.get(name), seen.get(name)
        if one is None and other is not None:
            found.append(f"{name}: {other.rows} rows {now}, and no such table {then}")
        elif other is None and one is not None:
            found.append(f"{name}: no such table {now}, and {one.rows} rows {then}")
        elif one and other and one.rows != other.rows:
            found.append(f"{name}: {other.rows} rows {now}, {one.rows} rows {then}")
        elif one and other and one.digest != other.digest:
            found.append(f"{name}: {one.rows} rows {now} and {then}, with other content")
    return found
