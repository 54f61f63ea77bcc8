# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollout is doing at this moment, one JSON line each, for whoever follows it from the controller.

Each rollout begins the file anew. Nothing depends on it: a line that cannot be written is one that nobody sees.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import private

NAME = "progress.jsonl"
# What is asked many times a second is told no more often, unless what it says has changed.
TELL_SECONDS = 0.5
_OFTEN = ("gate", "watch", "requests", "users")
# Beside the numbers, which count up.
_WORDS = "last"
LONGEST = 300


class Progress:
    """``masked``: a text as it may leave this host."""

    def __init__(
        self, directory: Path, masked: Callable[[str], str], *, clock: Callable[[], float] = time.monotonic, **context: Any
    ) -> None:
        self._path = directory / NAME
        self._masked = masked
        self._clock = clock
        self._context = context
        self._lock = Lock()
        self._told: dict[tuple[str, ...], tuple[float, str]] = {}
        self._works = False

    def begin(self, **details: Any) -> None:
        """Before it nothing is written, so a run that only looks leaves the file of the last rollout."""
        with self._lock:
            try:
                self._path.unlink(missing_ok=True)
                self._works = True
            except OSError:
                return
        # By these a reader knows which rollout the file is of, when it began in seconds of this host, and whether it is at work.
        self.tell("begin", began=round(self._clock(), 3), pid=os.getpid(), **self._context, **details)

    def tell(self, event: str, service: str = "", **details: Any) -> None:
        if not self._works or (event in _OFTEN and not self._is_due(event, service, details)):
            return
        line = json.dumps({"event": event, "service": service, **{key: self._said(value) for key, value in details.items()}})
        with self._lock:
            try:
                with open(self._path, "a", opener=private) as stream:
                    stream.write(line + "\n")
            except OSError:
                self._works = False

    def _is_due(self, event: str, service: str, details: dict[str, Any]) -> bool:
        key, said = (event, service, str(details.get("replica", ""))), str(details.get(_WORDS, ""))
        with self._lock:
            when, before = self._told.get(key, (float("-inf"), ""))
            now = self._clock()
            if said == before and now - when < TELL_SECONDS:
                return False
            self._told[key] = now, said
            return True

    def _said(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._masked(value)[:LONGEST]
        return [self._said(one) for one in value] if isinstance(value, list | tuple) else value
