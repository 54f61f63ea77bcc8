# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""The fence of a host: it remembers the highest lease token that it has seen and refuses whoever comes with an older one.

A run that lost its lease (its controller was stopped, or out of reach) may wake up and go on. It learns here that another
run has taken over, before its next write.
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.errors import FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.files import private, write_atomically


class Fence:
    """``token`` 0 stands for a run without a lease: it neither raises the fence nor is stopped by it."""

    def __init__(self, root: Path, token: int) -> None:
        self._path = root / "fence.json"
        self._lock = root / "fence.lock"
        self.token = token

    def enter(self) -> None:
        """Raise the fence to this run's token. Raises FencedError when a newer run has been here."""
        if not self.token:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._lock, "a", opener=private) as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            self.check()
            if self._seen() < self.token:
                write_atomically(self._path, json.dumps({"token": self.token}) + "\n", mode=0o600)

    def check(self) -> None:
        """Raise FencedError when a newer run has been here since: from then on this one may write nothing."""
        if self.token and self._seen() > self.token:
            raise FencedError(
                f"this run has lost its lease: its token is {self.token}, and a run with token {self._seen()} has been on this "
                "host since. Nothing more was written here. Look at what runs before you do anything else: playbooks/status.yml"
            )

    def _seen(self) -> int:
        try:
            return int(json.loads(self._path.read_text())["token"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0
