# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running replica has mounted: volumes and directories, and single files with what is to be in them."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import is_executable


@dataclass(frozen=True)
class Mounted:
    """A mount of a running container of the project. ``source``: the name of a volume, or a path of the host."""

    container: str
    service: str
    kind: str
    source: str
    target: str
    writable: bool = True


@dataclass(frozen=True)
class MountedFile:
    """A file of the host that every replica of a service reads. ``path``: in the container, where it begins with a slash.

    ``part``: of the fingerprint, which it is. ``secret``: its name among the stack's secrets; empty where it is none of them.
    ``wanted``: what ``look`` makes of it as it should be.
    """

    part: str
    path: str
    wanted: Any = field(repr=False)
    secret: str = ""
    released: bool = False
    # Whether all that counts is the content.
    plain: bool = False

    def is_at(self, path: Path) -> bool:
        """Whether the file lies there as it should. What cannot be read does not."""
        try:
            return stat.S_ISREG(path.lstat().st_mode) and self._look(path) == self.wanted
        except OSError:
            return False

    def _look(self, path: Path) -> Any:
        return content(path.read_bytes()) if self.plain else look(path, self.part, self.released)


def look(path: Path, part: str, released: bool) -> Any:
    """What of a file is part of a fingerprint. A replica goes on reading the very file that it was started with, so new rights
    need a new replica.
    """
    found = content(path.read_bytes())
    if part.startswith("secret "):
        status = path.stat()
        return [found, status.st_uid, status.st_mode & 0o777]
    return [found, is_executable(path)] if released else found


def content(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()
