# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories with secrets in them that are gone when the work is done; and what a process leaves of them that was killed.

The kernel holds a lock on each as long as its process lives, whatever ends it, so nobody takes away what is in use.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Files of releases and their secrets, while a release is prepared. In memory.
RUN = Path("/run")
PREPARING = "morpheus.deploy."
# The edge's whole configuration, private keys included, while HAProxy looks at it. Below the edge's own directory.
CANDIDATE = "candidate."
# In names of this version. One from before held no lock, so what it made counts as left when it is an hour old.
_HELD = "held-"
_OLD_SECONDS = 3600.0


def memory() -> Path:
    return RUN if RUN.is_dir() else Path(tempfile.gettempdir())


@contextmanager
def directory(place: Path, prefix: str) -> Iterator[Path]:
    """A new directory below ``place``, for its owner alone, that is gone afterwards."""
    with _locked(place):
        made = Path(tempfile.mkdtemp(prefix=prefix + _HELD, dir=place))
        held = _open(made)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield made
    finally:
        shutil.rmtree(made)
        os.close(held)


def abandoned(place: Path, prefix: str) -> list[Path]:
    """Those that no process is at work in any more."""
    found = []
    for path in sorted(place.glob(f"{prefix}*")):
        with suppress(FileNotFoundError, NotADirectoryError):
            told_by_lock = path.name.startswith(prefix + _HELD) or time.time() - path.lstat().st_mtime > _OLD_SECONDS
            if told_by_lock and not path.is_symlink() and not _is_held(path):
                found.append(path)
    return found


def sweep(place: Path, prefix: str) -> list[str]:
    """Remove them. A sentence for each."""
    if not place.is_dir():
        return []
    # Between the making of a directory and its lock nobody may take it for abandoned.
    with _locked(place):
        found = abandoned(place, prefix)
        for path in found:
            shutil.rmtree(path)
    return [f"{path} was left by a run that was killed, with secrets in it; it is removed now" for path in found]


def sweep_halves(place: Path) -> list[str]:
    """Remove half-written files, which no name of ours looks like. Only for who alone writes there."""
    found = sorted(path for path in place.glob(".*") if path.is_file())
    for path in found:
        path.unlink(missing_ok=True)
    return [f"{path} was left half-written by a run that was killed; it is removed now" for path in found]


def _is_held(path: Path) -> bool:
    held = _open(path)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(held)
    return False


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    held = _open(place)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
