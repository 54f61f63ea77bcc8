# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that containers mount, at a path that says what they are: what a container was started with never changes under it.

<root>/<hash>/<name>    a file, or a directory with all that is in it. The hash is over names, contents and executable bits, so
                        what did not change keeps its path from release to release.

Everything can be recreated from a release's files, so only what containers mount has to be kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import (
    file_mode,
    is_executable,
    make_directories,
    put_right,
    write_atomically,
)

HASH_DIGITS = 32
_DIRECTORY_MODE = 0o755


@dataclass(frozen=True)
class Content:
    """``name``: of the file or directory. ``files``: path, beginning with ``name`` -> where its content lies now, or the content.

    ``directories`` and ``points`` (files): empty ones, over which the service mounts something else. Nobody can make them later.
    """

    name: str
    files: Mapping[str, Path | bytes]
    directories: Collection[str] = ()
    points: Collection[str] = ()

    def hash(self) -> str:
        listed = [
            [path, hashlib.sha256(_read(source)).hexdigest(), _can_run(source)] for path, source in sorted(self.files.items())
        ]
        text = json.dumps([self.name, listed, sorted(self.directories), sorted(self.points)])
        return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]

    def written(self) -> dict[str, tuple[bytes, int]]:
        """Each file -> its content and mode."""
        points = dict.fromkeys(self.points, (b"", file_mode(False)))
        return {**points, **{name: (_read(source), file_mode(_can_run(source))) for name, source in self.files.items()}}

    def folders(self) -> set[str]:
        """Every directory, the one that holds all of it too."""
        inside = (*self.files, *self.points, *self.directories)
        return {*self.directories, *(str(one) for path in inside for one in PurePosixPath(path).parents)}


class ContentStore:
    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, content: Content) -> Path:
        """Where ``content`` lies from now on. What somebody edited there by hand is put right, also for who has mounted it."""
        place = self.root / content.hash()
        if place.is_dir():
            _fill(place, content)
            return place / content.name
        make_directories(self.root)
        # Seen whole or not at all: the hash must not name what a crash left half-written.
        begun = Path(tempfile.mkdtemp(dir=self.root, prefix="."))
        begun.chmod(0o755)
        _fill(begun, content)
        begun.rename(place)
        return place / content.name

    def unused(self, mounted: Collection[str]) -> list[Path]:
        """What is below none of the paths in ``mounted``, and what a crash left half-written."""
        kept = {Path(path).relative_to(self.root).parts[0] for path in mounted if self.root in Path(path).parents}
        return [path for path in sorted(self.root.glob("*")) if path.name not in kept]

    def prune(self, mounted: Collection[str]) -> None:
        for path in self.unused(mounted):
            shutil.rmtree(path, ignore_errors=True)


class LookingStore(ContentStore):
    """Places nothing. ``differing``: what would be placed and does not lie there as it should."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.differing: list[Path] = []

    def place(self, content: Content) -> Path:
        place = self.root / content.hash()
        if not _is_filled(place, content):
            self.differing.append(place / content.name)
        return place / content.name


def _read(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _can_run(source: Path | bytes) -> bool:
    return not isinstance(source, bytes) and is_executable(source)


def _is_filled(place: Path, content: Content) -> bool:
    """Whether ``_fill`` would change nothing."""
    written = content.written()
    there = {str(path.relative_to(place)) for path in place.rglob("*") if path.is_symlink() or not path.is_dir()}
    return (
        there == {*written}
        and all(_is_open(place / name) for name in content.folders())
        and all(_is_as_written(place / name, data, mode) for name, (data, mode) in written.items())
    )


def _is_open(directory: Path) -> bool:
    return directory.is_dir() and not directory.is_symlink() and directory.stat().st_mode & 0o7777 == _DIRECTORY_MODE


def _is_as_written(path: Path, data: bytes, mode: int) -> bool:
    status = path.lstat()
    rights = (status.st_mode & 0o7777, status.st_uid)
    return path.is_file() and not path.is_symlink() and rights == (mode, os.geteuid()) and path.read_bytes() == data


def _fill(place: Path, content: Content) -> None:
    """Make ``place`` hold ``content`` and nothing else, writing only what differs. A file that is there stays the same inode."""
    written, folders = content.written(), content.folders()
    for path in sorted(place.rglob("*"), reverse=True):
        name = str(path.relative_to(place))
        if path.is_dir() and not path.is_symlink():
            if name not in folders:
                path.rmdir()
        elif name not in written or path.is_symlink() or not path.is_file():
            path.unlink()
    for name in sorted(folders):
        (place / name).mkdir(exist_ok=True)
        # Whatever the umask says: containers of other users read it.
        (place / name).chmod(_DIRECTORY_MODE)
    for name, (data, mode) in written.items():
        if not (place / name).exists():
            write_atomically(place / name, data, mode=mode)
        elif not _is_as_written(place / name, data, mode):
            put_right(place / name, data, mode=mode)
