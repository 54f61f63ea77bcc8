# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are meant to change under running containers, such as feature flags. No release holds them.

Services mount the directory, which stays the same. Each file in it is the old one or the new one, whole; several are not
changed at the same moment. New files come first and what is gone goes last, so that a file may name another one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import (
    file_mode,
    is_executable,
    make_directories,
    write_atomically,
)


class LiveFiles:
    def __init__(self, root: Path) -> None:
        self.root = root

    def changed(self, directories: Collection[str], files: Mapping[str, bytes], executable: Collection[str] = ()) -> list[str]:
        """Names of the files that ``write`` would write or remove."""
        differs = [name for name in files if self._read(name) != (files[name], name in executable)]
        return sorted([*differs, *(self._present(directories) - files.keys())])

    def write(self, directories: Collection[str], files: Mapping[str, bytes], executable: Collection[str] = ()) -> None:
        """Make ``directories`` hold ``files`` and nothing else. Directories stay: a container may have mounted one.

        Others are left, because releases from before may mount them.
        """
        changed = self.changed(directories, files, executable)
        gone = [name for name in changed if name not in files]
        for directory in directories:
            make_directories(self.root / directory)
        for name in changed:
            if name in files:
                self._make_room(name, gone)
                write_atomically(self.root / name, files[name], mode=file_mode(name in executable))
        for name in gone:
            # It may have made room already.
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                (self.root / name).unlink()

    def _make_room(self, name: str, gone: Collection[str]) -> None:
        """A file that became a directory goes first, and so does a directory that became a file."""
        path = self.root / name
        for one in gone:
            if (self.root / one) in path.parents or path in (self.root / one).parents:
                (self.root / one).unlink(missing_ok=True)
        if path.is_dir() and not path.is_symlink():
            for directory in sorted(path.rglob("*"), reverse=True):
                directory.rmdir()
            path.rmdir()

    def _present(self, directories: Collection[str]) -> set[str]:
        found = (path for one in directories for path in (self.root / one).rglob("*") if path.is_symlink() or not path.is_dir())
        return {str(path.relative_to(self.root)) for path in found}

    def _read(self, name: str) -> tuple[bytes, bool] | None:
        path = self.root / name
        return (path.read_bytes(), is_executable(path)) if path.is_file() else None
