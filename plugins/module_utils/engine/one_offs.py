# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One-off containers of a stack on this host: migrations, and jobs. Their labels are what the next run finds them by, however
the one that started them has ended.
"""

from __future__ import annotations

import calendar
import math
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import last_words, log_of, speaking
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import LABEL, ONEOFF, PROJECT, SERVICE

with suppress(ImportError):
    from docker.errors import NotFound

# Carries the id of the release whose migration it is.
MIGRATION = LABEL + "migration"
# Carries the id of the release whose job it is.
JOB = LABEL + "job"
# Enough of what a migration printed to find its last line of JSON.
OUTPUT_LINES = 200


@dataclass(frozen=True)
class OneOff:
    """``release``: id of the release that it is of; empty when a person has started it. ``since``: UTC, for people."""

    id: str
    name: str
    release: str = ""
    at_work: bool = False
    exit_code: int = 0
    since: str = ""
    started: float = 0.0
    grace_seconds: float = 10.0
    out_of_memory: bool = False
    service: str = ""


class OneOffs:
    def __init__(self, client: Any, project: str) -> None:
        self._client = client
        self._project = project

    def find(self, service: str) -> list[OneOff]:
        """Those of a migration: whatever we have started, and what a person has started of ``service``."""
        return self._those(lambda labels: MIGRATION in labels or labels.get(SERVICE) == service)

    def jobs(self, names: Collection[str]) -> list[OneOff]:
        """Those of jobs: whatever we have started, and what a person has started of these services."""
        return self._those(lambda labels: JOB in labels or labels.get(SERVICE) in names)

    def all(self) -> list[OneOff]:
        """Every one of the project, whoever has started it."""
        return self._those(lambda labels: True)

    def _those(self, meant: Callable[[Mapping[str, str]], bool]) -> list[OneOff]:
        with speaking("list containers"):
            listed = self._client.api.containers(all=True, filters={"label": [f"{PROJECT}={self._project}", f"{ONEOFF}=True"]})
        return [found for item in listed if meant(item["Labels"]) and (found := self.look(item["Id"]))]

    def look(self, identity: str) -> OneOff | None:
        """What became of one; None when it is gone."""
        with speaking(f"look at container {identity[:12]}"):
            try:
                details: Mapping[str, Any] = self._client.api.inspect_container(identity)
            except NotFound:
                return None
        state, config = details["State"], details["Config"]
        labels = config.get("Labels") or {}
        started = str(state.get("StartedAt", ""))[:19]
        return OneOff(
            id=details["Id"],
            name=details["Name"].lstrip("/"),
            release=labels.get(MIGRATION) or labels.get(JOB, ""),
            service=labels.get(SERVICE, ""),
            # A paused one runs on when somebody says so.
            at_work=bool(state["Running"] or state.get("Paused") or state.get("Restarting")),
            exit_code=int(state["ExitCode"]),
            since=f"{started}Z",
            started=float(calendar.timegm(time.strptime(started, "%Y-%m-%dT%H:%M:%S"))),
            grace_seconds=float(config.get("StopTimeout") or 10),
            out_of_memory=bool(state.get("OOMKilled")),
        )

    def stop(self, one: OneOff) -> None:
        with speaking(f"stop {one.name}"), suppress(NotFound):
            self._client.api.stop(one.id, timeout=math.ceil(one.grace_seconds))

    def remove(self, one: OneOff) -> None:
        with speaking(f"remove {one.name}"), suppress(NotFound):
            self._client.api.remove_container(one.id, v=True, force=True)

    def output(self, one: OneOff) -> str:
        """The end of what it printed to its standard output, as it stands: it is read, and not shown."""
        log = log_of(self._client, one.id, tail=OUTPUT_LINES, stdout=True, stderr=False)
        return log.decode("utf-8", "replace").strip()

    def last_words(self, one: OneOff) -> str:
        """Empty when there is none to read: it is asked for while something else is being reported."""
        return last_words(self._client, one.id)
