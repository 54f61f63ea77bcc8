# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The seed files of a project with Supabase's layout, as its CLI finds them, or every problem in them. Only reads.

``supabase/config.toml`` says which they are: ``[db.seed]``, or what ``[remotes.<name>]`` with the environment's project puts in
its place, and that one seeds nothing unless it says so.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import statements
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.statements import NoSqlError, Statement

DIRECTORY = "supabase"
CONFIG = f"{DIRECTORY}/config.toml"
USUAL = ("seed.sql",)
_MEANT_FOR = re.compile(r"--\s*seed\s+(.*)\Z")
_SPECIAL = set("*?[\\")
_NO_PGLAST = (
    "seed files are read with pglast, which is not installed on the controller; install it with: "
    f"{sys.executable} -m pip install pglast"
)


class PatternError(Exception):
    """What is wrong with a pattern of file names."""


@dataclass
class Seeds:
    """``files``: path, hash and statements, in the order in which they are run; ``notes`` are nobody's fault."""

    files: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(root: Path, environment: str, free: Collection[str], project_ref: str = "") -> Seeds:
    """``root``: where the directory ``supabase`` lies. ``free``: environments in which a file need not say that it is meant."""
    found = Seeds()
    try:
        patterns = _patterns(_config(root), project_ref, found)
        paths = _paths(root, patterns, found)
    except (PatternError, OSError) as exc:
        return Seeds(problems=[str(exc)])
    if paths and statements.import_error:
        return Seeds(problems=[_NO_PGLAST])
    for path in paths:
        try:
            _read_one(found, path, (root / path).read_bytes(), "" if environment in free else environment)
        except OSError as exc:
            found.problems.append(f"{path}: cannot be read: {exc.strerror}")
    return found


def _config(root: Path) -> Mapping[str, Any]:
    path = root / CONFIG
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise PatternError(f"{CONFIG}: is not TOML: {exc}") from exc


def _patterns(config: Mapping[str, Any], project_ref: str, found: Seeds) -> list[str]:
    """Relative to ``root``; none where seeds are switched off."""
    base = _table(config, "db", "seed")
    where, own = "[db.seed]", base
    for name, remote in _table(config, "remotes").items():
        if project_ref and isinstance(remote, Mapping) and remote.get("project_id") == project_ref:
            where = f"[remotes.{name}.db.seed]"
            own = {**base, "enabled": False, **_table(remote, "db", "seed")}
    enabled, patterns = own.get("enabled", True), own.get("sql_paths", list(USUAL))
    if not isinstance(enabled, bool):
        raise PatternError(f"{CONFIG}: {where} enabled: {enabled!r} is not true or false")
    if not isinstance(patterns, list) or not all(isinstance(one, str) and one for one in patterns):
        raise PatternError(f"{CONFIG}: {where} sql_paths: {patterns!r} is not a list of paths")
    if not enabled:
        found.notes.append(f"{CONFIG}: {where} enabled is false, so nothing is seeded")
        return []
    # The CLI takes an absolute path and finds nothing by it.
    return [posixpath.normpath(posixpath.join(DIRECTORY, one)) for one in patterns]


def _table(config: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        config = config.get(key, {})
        if not isinstance(config, Mapping):
            raise PatternError(f"{CONFIG}: {'.'.join(keys)} is not a table")
    return config


def _paths(root: Path, patterns: Sequence[str], found: Seeds) -> list[str]:
    """Pattern by pattern, each in the order of names, and each file once."""
    paths: dict[str, None] = {}
    for pattern in patterns:
        matches = sorted(_matching(root, "", pattern.split("/")))
        if not matches:
            found.notes.append(f"{CONFIG}: sql_paths: no file matches {pattern}")
        paths.update(dict.fromkeys(matches))
    return list(paths)


def _matching(root: Path, above: str, segments: Sequence[str]) -> Iterator[str]:
    segment, *rest = segments
    if segment in ("", ".."):
        return
    if not _SPECIAL & set(segment):
        names = [segment] if (root / above / segment).exists() else []
    else:
        rule = re.compile(_rule(segment), re.DOTALL)
        directory = root / above
        names = [one.name for one in directory.iterdir() if rule.fullmatch(one.name)] if directory.is_dir() else []
    for name in names:
        path = posixpath.join(above, name)
        if not rest:
            yield path
        elif (root / path).is_dir():
            yield from _matching(root, path, rest)


def _rule(segment: str) -> str:
    """As Go's path.Match has it: ``*`` and ``?``, ``[a-z]``, ``[^a-z]``, and ``\\`` before what is meant as it is."""
    found, place = "", 0
    bad = PatternError(f"{CONFIG}: sql_paths: {segment}: is not a pattern of file names ([ without ], or nothing behind \\)")
    while place < len(segment):
        char = segment[place]
        place += 1
        if char == "*":
            found += ".*"
        elif char == "?":
            found += "."
        elif char == "[":
            end = segment.find("]", place + 1)
            if end < 0:
                raise bad
            inner = segment[place:end]
            negated = "^" if inner.startswith("^") else ""
            inner = "-".join(re.escape(part) for part in inner.removeprefix("^").split("-"))
            found += f"[{negated}{inner}]"
            place = end + 1
        else:
            if char == "\\":
                if place == len(segment):
                    raise bad
                char = segment[place]
                place += 1
            found += re.escape(char)
    return found


def _read_one(found: Seeds, path: str, content: bytes, guarded: str) -> None:
    """``guarded``: the environment that a file must name before it is run there; empty where any is."""
    try:
        sql = content.decode()
        all_of_it = _split(sql)
        comments = statements.leading_comments(sql)
    except UnicodeDecodeError as exc:
        found.problems.append(f"{path}: is not UTF-8 (byte {exc.start + 1}); save it as UTF-8")
        return
    except NoSqlError as exc:
        found.problems.append(f"{path}:{exc.line}: {exc}")
        return
    meant = {name for line in comments if (match := _MEANT_FOR.match(line)) for name in re.split(r"[\s,]+", match[1].strip())}
    if guarded and guarded not in meant:
        found.problems.append(
            f"{path}: does not say that it is meant for {guarded}. What is seeded there stays among people's data; if that is "
            f'meant, begin the file with the line "-- seed {guarded}"'
        )
    inner = _unwrapped([one for one in all_of_it if one.node is not None])
    found.problems += [f"{path}:{one.line}: {why}" for one in inner for why in _problems(one)]
    told = [{"text": one.text, "line": one.line} for one in inner]
    found.files.append({"path": path, "hash": hashlib.sha256(content).hexdigest(), "statements": told})


def _split(sql: str) -> list[Statement]:
    if sql.startswith("\ufeff"):
        raise NoSqlError("begins with a byte order mark, which Postgres does not take; save it as UTF-8 without one", 1)
    if "\0" in sql:
        raise NoSqlError("holds a NUL byte, which Postgres does not take; remove it", sql.count("\n", 0, sql.index("\0")) + 1)
    return statements.split(sql)


def _unwrapped(found: list[Statement]) -> list[Statement]:
    """Without BEGIN and COMMIT around all of it, as each file has them anyway."""
    return found[1:-1] if len(found) > 1 and found[0].begins and found[-1].commits else found


def _problems(one: Statement) -> Iterator[str]:
    if one.controls:
        yield (
            "begins or ends a transaction. Each file has one of its own, in which its line in the ledger is written; take it out"
        )
    if why := statements.alone(one.node):
        yield f"{why} cannot run in a transaction, and a seed file is one; put it into a migration"
    if one.kind == "CopyStmt" and one.node.is_from and not one.node.filename:
        yield "COPY FROM STDIN has nobody who sends it rows; write them as INSERT"
