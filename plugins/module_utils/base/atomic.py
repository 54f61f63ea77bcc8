# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are either the old ones or the new ones, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import FileError, sentence, spoken, told

# What a watcher sees that reads the time as a float.
_YOUNGER_NS = 1_000_000


def private(path: str, flags: int) -> int:
    """An opener for open(): a file that it creates is readable by its owner alone."""
    return os.open(path, flags, 0o600)


def lock_file(path: Path) -> TextIO:
    """Open what flock() is called on. DeployError where somebody has made a directory there."""
    with spoken():
        return open(path, "a", opener=private)


def is_executable(path: Path) -> bool:
    """Of a file's mode only this counts, as in git."""
    return bool(path.stat().st_mode & 0o100)


def file_mode(executable: bool) -> int:
    """Mode of a file that containers of whatever user may read."""
    return 0o755 if executable else 0o644


def make_directories(path: Path) -> None:
    """FileError says which one cannot be made, and what to do."""
    with told(path, "made"):
        missing = [parent for parent in (path, *path.parents) if not parent.exists()]
        for directory in reversed(missing):
            directory.mkdir(exist_ok=True)
            # Whatever the umask says: files below may be mounted into containers of other users.
            directory.chmod(0o755)


def write_atomically(path: Path, content: str | bytes, *, mode: int, owner: int | None = None, group: int | None = None) -> None:
    """Write ``content`` beside ``path``, flush it to the disk, then put it in place; missing folders are made 0755.

    It is younger than what it replaces, whatever the clock says: who watches a file goes by its time of modification.

    ``owner``, ``group``: uid and gid of the file; left out, those of whoever writes. FileError says why it cannot be written, and
    what to do.
    """
    make_directories(path.parent)
    if path.is_dir() and not path.is_symlink():
        raise FileError(sentence(IsADirectoryError(errno.EISDIR, "Is a directory", str(path))))
    with told(path):
        _write(path, content.encode() if isinstance(content, str) else content, mode, (owner, group))


def put_right(path: Path, content: str | bytes, *, mode: int, owner: int | None = None, group: int | None = None) -> None:
    """Give the very file at ``path`` this content, owner and mode, writing only what differs.

    Who has mounted that file goes on seeing it, and would see another one in its place only when it is started anew. The rest is
    as in ``write_atomically``, and so is this where nobody may write to the file because it is being run.
    """
    data = content.encode() if isinstance(content, str) else content
    with told(path):
        try:
            # Never what a link leads to.
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except OSError as exc:
            if exc.errno != errno.ETXTBSY:
                raise
            _write(path, data, mode, (owner, group))
            return
        with os.fdopen(handle, "r+b") as stream:
            # Before the content, which may be a secret.
            os.fchown(handle, os.geteuid() if owner is None else owner, os.getegid() if group is None else group)
            os.fchmod(handle, mode)
            if stream.read() != data:
                stream.seek(0)
                stream.write(data)
                stream.truncate()
                stream.flush()
                os.fsync(handle)


def _write(path: Path, data: bytes, mode: int, owners: tuple[int | None, int | None]) -> None:
    # mkstemp gives 0600 from the first moment on: a secret is never readable by others, not even half-written.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if owners != (None, None):
            os.chown(name, *(-1 if one is None else one for one in owners))
        Path(name).chmod(mode)
        _make_younger(name, path)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _make_younger(name: str, path: Path) -> None:
    with suppress(FileNotFoundError):
        before = path.stat().st_mtime_ns + _YOUNGER_NS
        if Path(name).stat().st_mtime_ns < before:
            os.utime(name, ns=(before, before))
