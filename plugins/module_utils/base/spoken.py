# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operating system refuses, in words for people: which path, what is wrong with it, and what mends it."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

# Of a file of ours: what is wrong with it, where ``mend`` says what brings it back.
_WHAT = {
    errno.ENOENT: "is missing",
    errno.EISDIR: "is a directory where a file belongs",
    errno.ENOTDIR: "lies below a file where a directory belongs",
    errno.EEXIST: "is a file where a directory belongs",
}
_FULL = "See what fills it with: df -h {place}; df -i {place}; docker system df. Make room, then run this again"
_BROKEN = "See what the kernel says of it with: dmesg | tail -50. Mend the disk, or take this host out of the inventory"
_RIGHTS = "See who owns it with: namei -l {path}; lsattr -d {place}. Modules of this collection need root (become: true)"
# Of the disk and of the rights, whatever the file.
_MENDS: Mapping[int, str] = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _BROKEN,
    errno.EIO: _BROKEN,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EMFILE: "This process has too many files open. See the limits with: ulimit -n; cat /proc/sys/fs/file-nr",
    errno.ENFILE: "This host has too many files open. See the limits with: cat /proc/sys/fs/file-nr",
}
_ANY = "Look at it with: namei -l {path}. Mend it, then run this again"


class FileError(DeployError, OSError):
    """A file of this host could not be read or written. The message says which, why and what to do; ``problem`` the first two."""

    def __init__(self, message: str, *, problem: str = "") -> None:
        super().__init__(message)
        self.problem = problem or message


@contextmanager
def spoken(but: type[OSError] | tuple[type[OSError], ...] = ()) -> Iterator[None]:
    """Also as a decorator. An OSError becomes a DeployError that names the path and the mend. ``but``: what stays as it is."""
    try:
        yield
    except DeployError:
        raise
    except but:
        raise
    except OSError as exc:
        raise DeployError(sentence(exc)) from exc


@contextmanager
def told(path: Path | str, what: str = "written") -> Iterator[None]:
    """An OSError becomes a FileError. ``path``: of what is at stake, where the system may not say it: a full disk does not."""
    try:
        yield
    except FileError:
        # Said already, and closer to what it is about.
        raise
    except OSError as exc:
        raise FileError(words(path, exc, what), problem=_problem(Path(path), exc, what)) from exc


def sentence(exc: OSError) -> str:
    name = exc.filename2 or exc.filename or ""
    path = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return words(path, exc, "read or written") if path else str(exc)


def words(path: Path | str, error: OSError, what: str) -> str:
    """``what``: what was to be done with the file at ``path``."""
    there, number = Path(path), error.errno or 0
    problem = _problem(there, error, what)
    if number in _WHAT:
        return f"{problem}: {mend(there, number)}"
    return f"{problem}. {_MENDS.get(number, _ANY).format(path=there, place=_existing(there))}"


def _problem(path: Path, error: OSError, what: str) -> str:
    known = _WHAT.get(error.errno or 0)
    return f"{path} {known}" if known else f"{path} could not be {what}: {error.strerror or error}"


def mend(path: Path, number: int = errno.ENOENT) -> str:
    """What brings back a file of ours, by where it lies."""
    after = _writer(path.parts)
    if number in (errno.EISDIR, errno.EEXIST):
        return f"move it away (mv {path} {path}.damaged); then {after}"
    if number == errno.ENOTDIR:
        blocking = next((one for one in (path, *path.parents) if one.is_file()), path.parent)
        return f"move {blocking} away (mv {blocking} {blocking}.damaged); then {after}"
    return after


def _existing(path: Path) -> Path:
    """The directory of ``path``, or the nearest one above it that is there."""
    for one in path.parents:
        # A broken disk does not even say that.
        with suppress(OSError):
            if one.is_dir():
                return one
    return Path("/")


def _writer(parts: tuple[str, ...]) -> str:
    if "releases" in parts[:-2]:
        identity = parts[parts.index("releases") + 1]
        return f"deploy release {identity} again to restore its files"
    if "edge" in parts:
        return "run playbooks/provision.yml for this inventory, which restores it"
    if "stacks" in parts:
        return "deploy the running release again to restore it"
    return "run this again"
