# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migration files of a release: ``<version>_<name>`` directly below a directory. Pure.

A migration tool goes by versions alone. What it applied once it never looks at again: neither at an edit of the file, nor at a
second file with the version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

DIGEST_DIGITS = 12


def schema_versions(files: Iterable[str], directory: str) -> list[str]:
    """Versions of the migration files directly below ``directory``, oldest first; none without a directory."""
    return list(_by_version(files, directory))


def problems(files: Iterable[str], directory: str) -> list[str]:
    """Versions that two files have. Up and down of one migration (``1_a.up.sql``, ``1_a.down.sql``) are one."""
    found: dict[int, list[str]] = {}
    for version, paths in _by_version(files, directory).items():
        # Many tools read 01 and 1 as the same number.
        found.setdefault(int(version), []).extend(paths)
    return [
        f"{' and '.join(paths)} have the same version: a tool applies one of them and never the other; give each its own"
        for paths in found.values()
        if len({Path(path).name.partition(".")[0] for path in paths}) > 1
    ]


def digests(files: Mapping[str, bytes], directory: str) -> dict[str, str]:
    """Version -> SHA-256 of its file; of its files one after the other, where it has an up and a down."""
    return {
        version: hashlib.sha256(b"".join(files[path] for path in paths)).hexdigest()
        for version, paths in _by_version(files, directory).items()
    }


def edited(applied: Mapping[str, str], files: Mapping[str, bytes], directory: str, accepted: Collection[str]) -> list[str]:
    """Files that are not what was ``applied`` (as ``digests`` gives it) and are not ``accepted`` by their version."""
    now = digests(files, directory)
    return [
        f"{' and '.join(paths)}: was applied with another content (SHA-256 {applied[version][:DIGEST_DIGITS]}, now "
        f"{now[version][:DIGEST_DIGITS]}), and what is applied is never applied again. Put it back as it was, and the "
        "change into a new file. Only if the database needs no change (a comment), name it in stack.migration.accept_edited: "
        f'["{version}"]'
        for version, paths in _by_version(files, directory).items()
        if version in applied and applied[version] != now[version] and version not in accepted
    ]


def read(root: Path, directory: str) -> dict[str, bytes]:
    """The files directly below ``directory`` of a release that lies at ``root``."""
    found = sorted((root / directory).glob("*")) if directory else []
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path.is_file()}


def _by_version(files: Iterable[str], directory: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(map(Path, files)):
        version, underscore, _ = path.name.partition("_")
        if directory and path.parent == Path(directory) and underscore and version.isdecimal():
            found.setdefault(version, []).append(str(path))
    return dict(sorted(found.items(), key=lambda item: int(item[0])))
