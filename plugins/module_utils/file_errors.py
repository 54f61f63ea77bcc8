# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What the system says against a file, in words that name the path and what to do: a full disk says "[Errno 28]" and no more."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.errors import DeployError

_FULL = "See what fills it with: df -h {place}; df -i {place}; docker system df. Make room, then run this again"
_BROKEN = "See what the kernel says of it with: dmesg | tail -50. Mend the disk, or take this host out of the inventory"
_RIGHTS = "See whose it is with: namei -l {path}; lsattr -d {place}. Modules of this collection need root (become: true)"
_MENDS: Mapping[int, str] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _BROKEN,
    errno.EIO: _BROKEN,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EMFILE: "This process has too many files open. See the limits with: ulimit -n; cat /proc/sys/fs/file-nr",
    errno.ENFILE: "This host has too many files open. See the limits with: cat /proc/sys/fs/file-nr",
    errno.EISDIR: "A directory lies where a file belongs. Look at it with: ls -la {path}. Move it away, then run this again",
    errno.ENOTDIR: "A file lies where a directory belongs. Look at it with: namei -l {path}. Move it away, then run this again",
}
_ANY = "Look at it with: namei -l {path}. Mend it, then run this again"


class FileError(DeployError, OSError):
    """A file of this host could not be read or written. The message says which, why and what to do."""


def words(path: Path | str, error: OSError, what: str = "written") -> str:
    """``what``: what was to be done with the file at ``path``."""
    there = Path(path)
    mend = _MENDS.get(error.errno or 0, _ANY).format(path=there, place=_existing(there))
    return f"{there} could not be {what}: {error.strerror or error}. {mend}"


@contextmanager
def told(path: Path | str, what: str = "written") -> Iterator[None]:
    """Turn an OSError into a FileError. ``path``: of what is at stake, where the system does not say it itself."""
    try:
        yield
    except FileError:
        # Said already, and closer to what it is about.
        raise
    except OSError as exc:
        raise FileError(words(path, exc, what)) from exc


def _existing(path: Path) -> Path:
    """The directory of ``path``, or the nearest one above it that is there."""
    return next((one for one in path.parents if os.path.isdir(one)), Path("/"))  # noqa: PTH112 - a broken disk must not raise
