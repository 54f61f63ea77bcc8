# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was meant and what was done, one JSON line each, on the host. Read by people, and by who rebuilds a lost lineage."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import private
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import JOURNAL
from ansible_collections.morpheus.deploy.plugins.module_utils.base.spoken import told

KEEP_BYTES = 1_000_000


class Journal:
    """Appends to ``path``; one older file is kept beside it. Lines reach the disk before the step they speak of begins."""

    def __init__(self, path: Path, **context: Any) -> None:
        self._path = path
        self._context = context
        self._lock = Lock()
        with told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise JOURNAL.damaged(path, "it is a directory")
            if path.exists() and path.stat().st_size > KEEP_BYTES:
                with told(_older(path)):
                    path.replace(_older(path))
            # One that a crash has torn gets an end, so that the next event has a line of its own.
            self._start = "" if _ends_well(path) else "\n"

    def write(self, event: str, **details: Any) -> None:
        found = JOURNAL.numbered({"at": round(time.time(), 3), "event": event, **self._context, **details})
        line = json.dumps(found, sort_keys=True)
        with self._lock, told(self._path), open(self._path, "a", opener=private) as stream:
            stream.write(self._start + line + "\n")
            self._start = ""
            stream.flush()
            os.fsync(stream.fileno())


def events(path: Path) -> list[dict[str, Any]]:
    """What the journal at ``path`` and the older one beside it tell, oldest first. Lines that cannot be read are left out.

    Raises NewerFormatError.
    """
    found = []
    for one in (_older(path), path):
        for line in one.read_bytes().splitlines() if one.is_file() else []:
            with suppress(ValueError):
                found.append(JOURNAL.current(one, json.loads(line)))
    return found


def _older(path: Path) -> Path:
    return path.with_suffix(".1.jsonl")


def _ends_well(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return True
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read() == b"\n"
