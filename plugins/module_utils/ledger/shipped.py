# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The migrations that are among a release's files, as the tool of each preset names, orders and reads them. Pure.

Nothing of them is run: what a tool says in Python is read from its syntax tree.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath
from typing import Any

_FLYWAY = re.compile(r"V(?P<version>\d+(?:[._]\d+)*)__.*\.(?:sql|java)\Z")
_RAILS = re.compile(r"(?P<version>\d+)_\w*(?:\.\w*)?\.rb\Z")

Files = Mapping[str, bytes]
# What the files of each are called, in words.
FORMS: Mapping[str, str] = {
    "": "<version>_<name> file",
    "alembic": "Python file with a revision (alembic/versions)",
    "django": "<app>/migrations/<name>.py",
    "prisma": "<timestamp>_<name>/migration.sql (prisma/migrations)",
    "rails": "<version>_<name>.rb (db/migrate)",
    "flyway": "V<version>__<description>.sql",
}


@dataclass(frozen=True)
class Shipped:
    """A migration. ``after``: versions that it needs; ``replaces``: those that it stands for once all of them are applied."""

    version: str
    paths: Sequence[str]
    after: Sequence[str] = ()
    replaces: Sequence[str] = ()

    @property
    def path(self) -> str:
        return " and ".join(self.paths)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Shipped:
        return cls(str(given["version"]), *(tuple(given.get(name) or ()) for name in ("paths", "after", "replaces")))

    def as_dict(self) -> dict[str, Any]:
        more = {name: list(value) for name, value in (("after", self.after), ("replaces", self.replaces)) if value}
        return {"version": self.version, "paths": list(self.paths), **more}


def shipped(files: Files, directory: str, preset: str = "") -> list[Shipped]:
    """In the order in which they are applied; none without a directory."""
    if not directory:
        return []
    if preset:
        return _READERS[preset](files, PurePosixPath(directory))
    return _numbered(files, PurePosixPath(directory))


def problems(files: Files, directory: str, preset: str = "") -> list[str]:
    """What the tool would stop at, or would never apply."""
    found = shipped(files, directory, preset)
    said = _doubled(found)
    if preset in ("alembic", "django") and not said:
        said += _unread(files, found, PurePosixPath(directory), preset)
        said += _lost(found, preset) + _forked(found, preset)
    return said


def _doubled(found: Sequence[Shipped]) -> list[str]:
    """Versions that two files have. Up and down of one migration (``1_a.up.sql``, ``1_a.down.sql``) are one."""
    by_version: dict[str, list[str]] = {}
    for one in found:
        # Many tools read 01 and 1 as the same number.
        key = str(int(one.version)) if one.version.isdecimal() else one.version
        by_version.setdefault(key, []).extend(one.paths)
    return [
        f"{' and '.join(paths)} have the same version: a tool applies one of them and never the other; give each its own"
        for paths in by_version.values()
        if len({PurePosixPath(path).name.partition(".")[0] for path in paths}) > 1
    ]


def _below(files: Iterable[str], directory: PurePosixPath, depth: int = 1) -> Iterator[PurePosixPath]:
    """Files exactly ``depth`` levels below a directory; with 0 on any level."""
    for path in sorted(map(PurePosixPath, files)):
        if directory in path.parents and depth in (0, len(path.parts) - len(directory.parts)):
            yield path


def _grouped(pairs: Iterable[tuple[str, PurePosixPath]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for version, path in pairs:
        found.setdefault(version, []).append(str(path))
    return found


def _numbered(files: Files, directory: PurePosixPath) -> list[Shipped]:
    """``<version>_<name>`` directly below the directory; the version is a number."""
    named = [(path.name.partition("_"), path) for path in _below(files, directory)]
    found = _grouped((version, path) for (version, underscore, _), path in named if underscore and version.isdecimal())
    return [Shipped(version, paths) for version, paths in sorted(found.items(), key=lambda item: int(item[0]))]


def _rails(files: Files, directory: PurePosixPath) -> list[Shipped]:
    """``db/migrate/<version>_<name>.rb``; the ledger has the version as a number, without leading zeros."""
    named = [(_RAILS.match(path.name), path) for path in _below(files, directory)]
    found = _grouped((str(int(match["version"])), path) for match, path in named if match)
    return [Shipped(version, paths) for version, paths in sorted(found.items(), key=lambda item: int(item[0]))]


def _prisma(files: Files, directory: PurePosixPath) -> list[Shipped]:
    """``prisma/migrations/<timestamp>_<name>/migration.sql``; the ledger has the name of its directory."""
    return [Shipped(path.parent.name, [str(path)]) for path in _below(files, directory, depth=2) if path.name == "migration.sql"]


def _flyway(files: Files, directory: PurePosixPath) -> list[Shipped]:
    """``V<version>__<description>.sql`` on any level below the directory."""
    named = [(_FLYWAY.match(path.name), path) for path in _below(files, directory, depth=0)]
    found = _grouped((flyway_version(match["version"]), path) for match, path in named if match)
    return [Shipped(version, paths) for version, paths in sorted(found.items(), key=lambda item: flyway_key(item[0]))]


def flyway_key(version: str) -> tuple[int, ...]:
    """1.0 and 1 are the same version."""
    numbers = [int(part) for part in re.split(r"[._]", version) if part.isdecimal()]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def flyway_version(version: str) -> str:
    return ".".join(map(str, flyway_key(version)))


def _alembic(files: Files, directory: PurePosixPath) -> list[Shipped]:
    """``versions/<revision>_<name>.py``; each says its revision and the one before it."""
    found = []
    for path in _below(files, directory):
        said = _assigned(files[str(path)]) if path.suffix == ".py" else {}
        if isinstance(said.get("revision"), str):
            after = [*_names(said.get("down_revision")), *_names(said.get("depends_on"))]
            found.append(Shipped(said["revision"], [str(path)], tuple(after)))
    return _ordered(_merged(found))


def _django(files: Files, directory: PurePosixPath) -> list[Shipped]:
    """``<app>/migrations/<name>.py`` on any level; the ledger has the app and the name."""
    found = []
    for path in _below(files, directory, depth=0):
        if path.suffix != ".py" or path.parent.name != "migrations" or path.name[0] in "_~":
            continue
        app = path.parent.parent.name
        said = _assigned(files[str(path)], "Migration")
        if said:
            pairs = {name: _pairs(said.get(name)) for name in ("dependencies", "replaces")}
            found.append(Shipped(f"{app}.{path.stem}", [str(path)], pairs["dependencies"], pairs["replaces"]))
    return _ordered(_merged(found))


def _merged(found: Iterable[Shipped]) -> list[Shipped]:
    by_version: dict[str, Shipped] = {}
    for one in found:
        other = by_version.get(one.version)
        by_version[one.version] = replace(other, paths=[*other.paths, *one.paths]) if other else one
    return list(by_version.values())


def _ordered(found: Sequence[Shipped]) -> list[Shipped]:
    by_version = {one.version: one for one in sorted(found, key=lambda one: one.path)}
    graph = {one.version: [name for name in one.after if name in by_version] for one in by_version.values()}
    try:
        return [by_version[version] for version in TopologicalSorter(graph).static_order()]
    except CycleError:
        return list(by_version.values())


def _assigned(content: bytes, of_class: str = "") -> dict[str, Any]:
    """Name -> value of what is assigned at the top of a file, or in a class there, as far as it is written out. Of a class
    that is there at least its name.
    """
    try:
        body: Sequence[ast.stmt] = ast.parse(content).body
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, Any] = {}
    if of_class:
        classes = [node for node in body if isinstance(node, ast.ClassDef) and node.name == of_class]
        body = classes[-1].body if classes else ()
        found = {"class": of_class} if classes else {}
    for node in body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        value = getattr(node, "value", None)
        if value is not None:
            found |= {target.id: _literal(value) for target in targets if isinstance(target, ast.Name)}
    return found


def _literal(node: ast.expr) -> Any:
    """What is written out; of a list or tuple those parts that are."""
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(one) for one in node.elts]
    return node.value if isinstance(node, ast.Constant) else None


def _names(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _pairs(value: Any) -> tuple[str, ...]:
    """Django's (app, name). ``__first__`` and ``__latest__`` are nobody's name."""
    entries = value if isinstance(value, list) else []
    pairs = [one for one in entries if isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one)]
    return tuple(f"{app}.{name}" for app, name in pairs if not name.startswith("__"))


def _unread(files: Files, found: Sequence[Shipped], directory: PurePosixPath, preset: str) -> list[str]:
    """Python files where migrations lie that no one can read."""
    depth = 1 if preset == "alembic" else 0
    known = {path for one in found for path in one.paths}
    there = [path for path in _below(files, directory, depth) if path.suffix == ".py" and path.name[0] not in "_~"]
    there = [path for path in there if preset == "alembic" or path.parent.name == "migrations"]
    says = "a revision that is written out" if preset == "alembic" else "a class Migration"
    return [f"{path}: has no {says.removeprefix('a ')}; take it out of the directory" for path in there if str(path) not in known]


def _lost(found: Sequence[Shipped], preset: str) -> list[str]:
    known = {one.version for one in found} | {name for one in found for name in one.replaces}
    apps = {one.version.partition(".")[0] for one in found}
    # Of other apps the files are in packages of the image.
    of_ours = [(one, name) for one in found for name in one.after if preset == "alembic" or name.partition(".")[0] in apps]
    return [f"{one.path}: comes after {name}, which no file is; ship that file too" for one, name in of_ours if name not in known]


def _forked(found: Sequence[Shipped], preset: str) -> list[str]:
    """Where two people have added a migration behind the same one, tools stop."""
    inner = {name for one in found for name in one.after}
    replaced = {name for one in found for name in one.replaces}
    heads = [one for one in found if one.version not in inner | replaced]
    apps: dict[str, list[str]] = {}
    for one in heads:
        apps.setdefault(one.version.partition(".")[0] if preset == "django" else "", []).append(one.path)
    mend = "python manage.py makemigrations --merge" if preset == "django" else "alembic merge heads"
    return [
        f"{' and '.join(paths)} both come last, and the tool does not choose between them; join them with: {mend}"
        for paths in apps.values()
        if len(paths) > 1
    ]


_READERS: Mapping[str, Callable[[Files, PurePosixPath], list[Shipped]]] = {
    "alembic": _alembic,
    "django": _django,
    "prisma": _prisma,
    "rails": _rails,
    "flyway": _flyway,
}
