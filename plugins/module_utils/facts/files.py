# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files on a host hold secrets, and whom owner and mode let read them. Never what stands in them."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import ROOT

SECRET, LEFTOVER, PRIVATE_KEY, SETTINGS, OTHER = "secret", "half-written secret", "private key", "settings", "other"
SECRET_KINDS = (SECRET, LEFTOVER, PRIVATE_KEY)
NO_LOGIN = ("nologin", "false", "sync")
_CERTIFICATES = ("edge", "conf", "certs")
_KEY_SUFFIXES = (".pem", ".key")
_KEY_MARK = b"PRIVATE KEY-----"
_READ_AT_MOST = 1 << 20
# stacks/<stack>/secrets
_IN_SECRETS = 3


def kind(path: Path, holds_key: Callable[[Path], bool]) -> str:
    """``path``: relative to ROOT. ``holds_key`` is asked of files that may hold a private key."""
    parts = path.parts
    if parts[0] == "stacks" and parts[2:3] == ("secrets",) and len(parts) > _IN_SECRETS:
        return LEFTOVER if path.name.startswith(".") else SECRET
    if len(parts) == 3 and parts[0] == "stacks" and path.name == "fingerprint.key":
        return SECRET
    if parts[:3] == _CERTIFICATES and path.name.startswith("."):
        return LEFTOVER
    if path.suffix in _KEY_SUFFIXES and holds_key(path):
        return PRIVATE_KEY
    return SETTINGS if path.suffix == ".env" or path.name == ".env" else OTHER


def look(root: Path = ROOT) -> dict[str, Any]:
    """``count`` of all files, and ``files`` with those that hold secrets or settings or that somebody else may change."""
    found, count = [], 0
    for path in _walk(root):
        with suppress(FileNotFoundError):
            about = path.lstat()
            count += 1
            what = kind(path.relative_to(root), lambda relative: _holds_key(root / relative)) if path.is_file() else OTHER
            if what != OTHER or about.st_mode & 0o022:
                found.append(
                    {
                        "path": str(path),
                        "kind": what,
                        "uid": about.st_uid,
                        "gid": about.st_gid,
                        "mode": _mode(path, root) if what in SECRET_KINDS else stat.S_IMODE(about.st_mode),
                    }
                )
    return {"count": count, "files": sorted(found, key=lambda one: str(one["path"]))}


def accounts(passwd: str, group: str, sudoers: Mapping[str, str]) -> dict[str, Any]:
    """From the texts of /etc/passwd, /etc/group and sudoers files: who belongs to what makes root, and names by id."""
    users = [line.split(":") for line in passwd.splitlines() if line.count(":") == 6]
    groups = [line.split(":") for line in group.splitlines() if line.count(":") == 3]
    members = {name: {*filter(None, listed.split(","))} for name, _, _, listed in groups}
    for name, _, gid, _ in groups:
        members[name] |= {user[0] for user in users if user[3] == gid}
    return {
        "users": {user[2]: user[0] for user in users},
        "logins": sorted(user[0] for user in users if user[6].rpartition("/")[2] not in NO_LOGIN),
        "groups": {gid: name for name, _, gid, _ in groups},
        "docker": sorted(members.get("docker", set()) - {"root"}),
        "sudo": sorted({*_sudoers(sudoers, members)} - {"root"}),
    }


def _sudoers(texts: Mapping[str, str], members: Mapping[str, set[str]]) -> Iterator[str]:
    """Accounts that some rule names, by themselves or by their group; an alias stands as it is."""
    for text in texts.values():
        for line in text.replace("\\\n", " ").splitlines():
            words = line.split()
            if not words or "=" not in line or words[0].startswith(("#", "Defaults", "@")) or words[0].endswith("_Alias"):
                continue
            if words[0].startswith("%"):
                yield from members.get(words[0][1:], set())
            else:
                yield words[0]


def _mode(path: Path, root: Path) -> int:
    """Of a secret that containers of any user may read: below a directory that nobody else enters, it is closed on the host."""
    mode = stat.S_IMODE(path.lstat().st_mode)
    above = path.relative_to(root).parts[:-1]
    if len(above) > _IN_SECRETS and above[0] == "stacks" and not path.parent.stat().st_mode & 0o011:
        mode &= 0o700
    return mode


def _walk(directory: Path) -> Iterator[Path]:
    """Every directory, file and socket below, links aside."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in directory.iterdir():
            if path.is_symlink():
                continue
            yield path
            if path.is_dir():
                yield from _walk(path)


def _holds_key(path: Path) -> bool:
    with path.open("rb") as stream:
        return _KEY_MARK in stream.read(_READ_AT_MOST)
