# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The file of a run on the controller: replaced when the run begins, so that none is found with the verdict of another one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.ends import RUNNING
from ansible_collections.morpheus.deploy.plugins.module_utils.files import write_atomically

DIRECTORY = Path(".deploy")
UNKNOWN = "unknown"


def write(environment: str, name: str, content: Mapping[str, Any], *, everywhere: bool = True) -> Path:
    """``everywhere``: where nobody knows which environment was meant (""), every one that has such a file here gets this one."""
    path = DIRECTORY / (environment or UNKNOWN) / name
    found = [] if environment or not everywhere else DIRECTORY.glob(f"*/{name}")
    others = [other for other in found if other != path and not _runs(other)]
    for one in (path, *others):
        write_atomically(one, json.dumps(content, indent=2, sort_keys=True) + "\n", mode=0o644)
    return path


def _runs(path: Path) -> bool:
    """Whether it is the file of a run that is at work."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        found = json.loads(path.read_text())
        if found["verdict"] == RUNNING and found["pid"] != os.getpid():
            os.kill(found["pid"], 0)
            return True
    return False
