# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One walk over all local files of a host: which of them give the rights of another user, which of those that root runs and
obeys others may change, and which may hold a copy of a secret.

Reads names and rights, and no content. What is not walked is said in ``Walked.left_out``, never passed over.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.facts.access import printable

SECONDS = 120.0
# The engine's own, which only root enters: layers of images, volumes, and the configuration of containers with their variables.
ENGINE = ("/var/lib/docker", "/var/lib/containerd", "/run/docker", "/run/containerd", "/run/runc")
_KERNEL = ("autofs", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "efivarfs", "fusectl", "hugetlbfs", "mqueue")
_NO_FILES = (*_KERNEL, "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "sysfs", "tracefs", "binfmt_misc")
_LOCAL = (
    *("bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs", "nilfs2", "ntfs3", "overlay", "ramfs", "reiserfs"),
    *("tmpfs", "devtmpfs", "vfat", "xfs", "zfs", "squashfs", "erofs", "iso9660"),
)
# What root runs and obeys.
_ROOTS = ("/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/root", "/sbin", "/usr", "/var/spool/cron")
_ROOTS_BELOW = tuple(f"{path}/" for path in _ROOTS)
# Accounts and groups with lower numbers are of programs, which keep settings below /etc; users is everybody.
_FIRST_OF_PEOPLE, _USERS, _NOBODY = 1000, 100, 65534
_SET_ID = stat.S_ISUID | stat.S_ISGID
_EXECUTABLE = 0o111
_CHUNK = 1 << 20
_CAPABILITIES = "security.capability"


@dataclass(frozen=True)
class File:
    """``open``: whether somebody else than root can come to it and read it."""

    path: str
    size: int
    uid: int
    gid: int
    mode: int
    open: bool


@dataclass
class Walked:
    """``count`` of all files and directories; ``privileged``: entry of the baseline -> SHA-256 of the program."""

    count: int = 0
    files: list[File] = field(default_factory=list)
    privileged: dict[str, str] = field(default_factory=dict)
    # Of what root runs and obeys, what somebody else may change.
    changeable: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    complete: bool = True


def walk(
    root: Path = Path("/"),
    skip: Collection[str] = ENGINE,
    wanted: Callable[[str], bool] = lambda path: True,
    seconds: float = SECONDS,
) -> Walked:
    """``skip``: directories that are left out. ``wanted``: of which files, by path, ``files`` tells."""
    base = str(root).rstrip("/")
    kinds = mounts(root)
    found = Walked(left_out=sorted(path for path in skip if os.path.isdir(base + path)))  # noqa: PTH112 - as all paths here
    deadline = time.monotonic() + seconds
    seen: set[tuple[int, int]] = set()
    # Path as the host has it, and whether somebody else than root comes as far as that.
    waiting = [("", True)]
    while waiting:
        if time.monotonic() > deadline:
            found.complete = False
            break
        path, passable = waiting.pop()
        if path in skip or not _is_walked(path, kinds, found.left_out):
            continue
        try:
            about = os.stat(base + (path or "/"))  # noqa: PTH116
            # A directory that is mounted in two places is walked once.
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            within = passable and _others(about, 0o001, 0o010)
            with os.scandir(base + (path or "/")) as entries:
                for entry in entries:
                    found.count += 1
                    with suppress(FileNotFoundError):
                        _look(entry, f"{path}/{entry.name}", within, found, waiting, wanted)
        except (FileNotFoundError, NotADirectoryError):
            # Gone since.
            continue
        except OSError as exc:
            found.left_out.append(printable(f"{path} ({exc.strerror})"))
    return found


def _others(about: os.stat_result, everybody: int, group: int) -> bool:
    """Whether somebody else than root, who looks, has one of these rights. An owner can give himself any."""
    by_group = about.st_gid != os.getegid() and bool(about.st_mode & group)
    return about.st_uid != os.geteuid() or bool(about.st_mode & everybody) or by_group


def _look(
    entry: os.DirEntry[str],
    path: str,
    passable: bool,
    found: Walked,
    waiting: list[tuple[str, bool]],
    wanted: Callable[[str], bool],
) -> None:
    if path in _ROOTS or path.startswith(_ROOTS_BELOW):
        _look_at_rights(entry, path, found)
    if entry.is_dir(follow_symlinks=False):
        waiting.append((path, passable))
    elif entry.is_file(follow_symlinks=False):
        about = entry.stat(follow_symlinks=False)
        mode = about.st_mode
        if mode & _SET_ID and mode & _EXECUTABLE:
            words = f"{path}, mode {stat.S_IMODE(mode):04o} of {about.st_uid}:{about.st_gid}"
            found.privileged[printable(words)] = digest(entry.path)
        if mode & _EXECUTABLE and (capabilities := _capabilities(entry.path)):
            found.privileged[printable(f"{path}, capabilities {capabilities}")] = digest(entry.path)
        if about.st_size and wanted(path):
            is_open = passable and _others(about, 0o004, 0o040)
            found.files.append(File(path, about.st_size, about.st_uid, about.st_gid, stat.S_IMODE(mode), is_open))


def _look_at_rights(entry: os.DirEntry[str], path: str, found: Walked) -> None:
    about = entry.stat(follow_symlinks=False)
    mode = about.st_mode
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        return
    by_group = mode & stat.S_IWGRP and about.st_gid != os.getegid() and (_is_of_people(about.st_gid) or about.st_gid == _USERS)
    by_owner = about.st_uid != os.geteuid() and _is_of_people(about.st_uid)
    if mode & stat.S_IWOTH or by_group or by_owner:
        found.changeable[printable(f"{path}, mode {stat.S_IMODE(mode):04o} of {about.st_uid}:{about.st_gid}")] = ""


def _is_of_people(number: int) -> bool:
    return number >= _FIRST_OF_PEOPLE and number != _NOBODY


def _is_walked(path: str, kinds: Mapping[str, str], left_out: list[str]) -> bool:
    kind = kinds.get(path)
    if kind is None or kind in _LOCAL:
        return True
    if kind not in _NO_FILES:
        left_out.append(f"{path} ({kind})")
    return False


def mounts(root: Path = Path("/")) -> dict[str, str]:
    """Where something is mounted -> the kind of its file system."""
    found = {}
    with suppress(OSError):
        for line in (root / "proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
            before, _, after = line.partition(" - ")
            path = before.split()[4].replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
            found["" if path == "/" else path] = after.split()[0]
    return found


def digest(path: str, method: Callable[[], Any] = hashlib.sha256) -> str:
    """SHA-256 of a program, or another hash; empty when it cannot be read."""
    found = method()
    with suppress(OSError), open(path, "rb") as stream:  # noqa: PTH123
        while chunk := stream.read(_CHUNK):
            found.update(chunk)
        return str(found.hexdigest())
    return ""


def _capabilities(path: str) -> str:
    with suppress(OSError):
        return os.getxattr(path, _CAPABILITIES, follow_symlinks=False).hex()
    return ""


def packaged(root: Path = Path("/")) -> set[str]:
    """Paths that Debian's packages have brought; empty on a host of another kind."""
    found: set[str] = set()
    for listed in (root / "var/lib/dpkg/info").glob("*.list"):
        with suppress(OSError):
            found.update(listed.read_text(errors="surrogateescape").splitlines())
    # Where /bin is a link to /usr/bin, packages still say /bin.
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        if (root / name).is_symlink():
            found.update({f"/usr{path}" for path in found if path.startswith(f"/{name}/")})
    return found


def is_of_package(path: str, root: Path = Path("/")) -> bool:
    """Whether a file's content is what the Debian package says that brought it."""
    names = (path.lstrip("/"), path.removeprefix("/usr/"))
    said = {
        line.partition("  ")[0]
        for listed in (root / "var/lib/dpkg/info").glob("*.md5sums")
        for line in _lines(listed)
        if line.partition("  ")[2] in names
    }
    try:
        content = (root / path.lstrip("/")).read_bytes()
    except OSError:
        return False
    return hashlib.md5(content, usedforsecurity=False).hexdigest() in said


def _lines(path: Path) -> list[str]:
    with suppress(OSError):
        return path.read_text(errors="surrogateescape").splitlines()
    return []
