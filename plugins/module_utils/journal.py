# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What was meant and what was done, one JSON line each, on the host. Read by people and by status; never by the planner."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from threading import Lock
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.file_errors import told
from ansible_collections.morpheus.deploy.plugins.module_utils.files import private

KEEP_BYTES = 1_000_000


class Journal:
    """Appends to ``path``; one older file is kept beside it. Lines reach the disk before the step they speak of begins."""

    def __init__(self, path: Path, **context: Any) -> None:
        self._path = path
        self._context = context
        self._lock = Lock()
        with told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size > KEEP_BYTES:
                path.replace(path.with_suffix(".1.jsonl"))

    def write(self, event: str, **details: Any) -> None:
        line = json.dumps({"at": round(time.time(), 3), "event": event, **self._context, **details}, sort_keys=True)
        with self._lock, told(self._path), open(self._path, "a", opener=private) as stream:
            stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())
