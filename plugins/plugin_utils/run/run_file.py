# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a run on the controller, for whoever ran it and nobody else: they say what applications have printed.

That of the run itself is replaced when the run begins, so that none is found with the verdict of another one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import FileError
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.ends import RUNNING

DIRECTORY = Path(".deploy")
UNKNOWN = "unknown"
# Of an environment, and of a stack in it.
_PLACE = re.compile(r"[^/.\0][^/\0]*(/[^/.\0][^/\0]*)?\Z")


def write(environment: str, name: str, content: Mapping[str, Any], *, everywhere: bool = True) -> Path:
    """``everywhere``: where nobody knows which environment was meant (""), every one that has such a file here gets this one."""
    path = _directory(environment) / name
    found = [] if environment or not everywhere else DIRECTORY.glob(f"*/{name}")
    others = [other for other in found if other != path and not _runs(other)]
    for one in (path, *others):
        keep(one, json.dumps(content, indent=2, sort_keys=True) + "\n")
    return path


def read(environment: str, name: str) -> dict[str, Any]:
    """What stands in the file of a run; nothing when it cannot be read."""
    with suppress(OSError, ValueError):
        found = json.loads((_directory(environment) / name).read_text())
        return found if isinstance(found, dict) else {}
    return {}


def _directory(environment: str) -> Path:
    """A run that is refused for the name of its environment leads nowhere else."""
    return DIRECTORY / (environment if _PLACE.match(environment) else UNKNOWN)


def keep(path: Path, text: str) -> None:
    """Write a file below DIRECTORY. Directories that an older version has left open are closed.

    FileError says why it cannot be written. It sends nobody to repeat the run, as that of a host's file does: no deploy needs it.
    """
    for directory in (DIRECTORY, *[one for one in reversed(path.parents) if DIRECTORY in one.parents]):
        directory.mkdir(mode=0o700, exist_ok=True)
        # Somebody else's stays as it is.
        with suppress(PermissionError):
            directory.chmod(0o700)
    try:
        write_atomically(path, text, mode=0o600)
    except FileError as exc:
        raise FileError(f"{exc.problem}. See it on this controller with: df -h {DIRECTORY}; ls -la {path.parent}") from exc


def _runs(path: Path) -> bool:
    """Whether it is the file of a run that is at work."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_text())
        if found["verdict"] == RUNNING and found["pid"] != os.getpid():
            os.kill(found["pid"], 0)
            return True
    return False
