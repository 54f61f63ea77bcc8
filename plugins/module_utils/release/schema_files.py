# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migration files of a release, by the versions that their tool knows them by (ledger/shipped.py). Pure.

A migration tool goes by versions alone. What it applied once it never looks at again: neither at an edit of the file, nor at a
second file with the version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.ledger.shipped import shipped

DIGEST_DIGITS = 12


def schema_versions(files: Mapping[str, bytes], directory: str, preset: str = "") -> list[str]:
    """Versions of the migration files of ``directory``, oldest first; none without a directory."""
    return list(_by_version(files, directory, preset))


def digests(files: Mapping[str, bytes], directory: str, preset: str = "") -> dict[str, str]:
    """Version -> SHA-256 of its file; of its files one after the other, where it has an up and a down."""
    return {
        version: hashlib.sha256(b"".join(files[path] for path in paths)).hexdigest()
        for version, paths in _by_version(files, directory, preset).items()
    }


def edited(
    applied: Mapping[str, str], files: Mapping[str, bytes], directory: str, accepted: Collection[str], preset: str = ""
) -> list[str]:
    """Files that are not what was ``applied`` (as ``digests`` gives it) and are not ``accepted`` by their version."""
    now = digests(files, directory, preset)
    return [
        f"{' and '.join(paths)}: was applied with another content (SHA-256 {applied[version][:DIGEST_DIGITS]}, now "
        f"{now[version][:DIGEST_DIGITS]}), and what is applied is never applied again. Put it back as it was, and the "
        "change into a new file. Only if the database needs no change (a comment), name it in stack.migration.accept_edited: "
        f'["{version}"]'
        for version, paths in _by_version(files, directory, preset).items()
        if version in applied and applied[version] != now[version] and version not in accepted
    ]


def read(root: Path, directory: str, preset: str = "") -> dict[str, bytes]:
    """The files of ``directory`` of a release that lies at ``root``: those directly below it, or, as tools of a preset may have
    them, on any level.
    """
    pattern = "**/*" if preset else "*"
    found = sorted((root / directory).glob(pattern)) if directory else []
    return {str(path.relative_to(root)): path.read_bytes() for path in found if path.is_file()}


def _by_version(files: Mapping[str, bytes], directory: str, preset: str = "") -> dict[str, list[str]]:
    return {one.version: list(one.paths) for one in shipped(files, directory, preset)}
