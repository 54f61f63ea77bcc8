# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of one host's edge: people get a page, programs JSON, both with status 503; exempt paths are answered as ever.

One entry of a map says whether it is on. It is switched at run time, without a reload, and in the map's file first:
whenever HAProxy restarts it does what it did.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_BASE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths, edge_settings
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket, current_workers, parse_old_workers

MAP = "maintenance.map"
# What HAProxy calls the map is the path by which its configuration names it.
IN_HAPROXY = f"{HAPROXY_DIRECTORY}/{MAP}"
KEY = "state"
_NO_SUCH_MAP = "Unknown map identifier"
_NO_SUCH_ENTRY = "entry not found"
_NO_SUCH_WORKER = "Can't find the target PID"
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.05


def render_state(state: str) -> str:
    """The content of the map's file."""
    return f"{KEY} {state}\n"


def describe(seen: Mapping[str, str]) -> str:
    """One line for each place that ``Maintenance.look`` has looked at."""
    return "".join(f"{place}: {state}\n" for place, state in seen.items())


class Maintenance:
    map = MAP
    key = KEY
    # What a map means that has no entry.
    default = ""
    what = "maintenance"

    def __init__(self, paths: EdgePaths) -> None:
        self._paths = paths
        self._file = paths.conf / self.map
        # What HAProxy calls the map is the path by which its configuration names it.
        self._in_haproxy = f"{HAPROXY_DIRECTORY}/{self.map}"
        self._master = Socket(str(paths.master))

    def look(self) -> dict[str, str]:
        """Place -> "on" or "off", or "" where neither is said: the file, and each worker that can show the page."""
        edge_settings(self._paths)
        try:
            lines = self._lines()
        except FileNotFoundError:
            raise self._too_old(self._file) from None
        workers = {f"worker {pid}": state for pid, state in self._workers().items()}
        return {self.map: self._entry("".join(f"file {line}\n" for line in lines)), **workers}

    def switch(self, state: str) -> dict[str, str]:
        """Make it ``state`` everywhere; what ``look`` said before. What cannot be switched is refused before it is begun."""
        before = self.look()
        if before[self.map] != state:
            # What is no entry goes: HAProxy would not load it.
            entries = [line for line in self._lines() if len(line.split()) == 2 and "\ufffd" not in line]
            others = [line for line in entries if line.split()[0] != self.key]
            write_atomically(self._file, "\n".join([*others, f"{self.key} {state}\n"]), mode=0o644)
        deadline = time.monotonic() + PATIENCE_SECONDS
        # Until all of them say it: a reload may meanwhile have started a worker that had read the file before.
        while pending := {pid: found for pid, found in self._workers().items() if found != state}:
            if time.monotonic() > deadline:
                raise EdgeError(
                    f"HAProxy did not switch {self.what} {state} within {PATIENCE_SECONDS:g} s. It will when it restarts; "
                    "run this again. Does somebody else switch it at the same time?"
                )
            for pid in pending:
                self.tell(pid, state)
        return before

    def entries(self) -> dict[int, dict[str, str]]:
        """Process id -> all that the map says, of workers whose configuration names it."""
        return {pid: _entries(answer) for pid, answer in self._answers(known=False).items() if _NO_SUCH_MAP not in answer}

    def tell(self, pid: int, state: str) -> None:
        """Make it ``state`` in one worker, if that has not ended."""
        answer = self._ask(f"@!{pid} set map {self._in_haproxy} {self.key} {state}")
        if _NO_SUCH_ENTRY in answer:
            # Not asked twice: a second time would add a second entry.
            answer = self._master.ask(f"@!{pid} add map {self._in_haproxy} {self.key} {state}")
        if answer and _NO_SUCH_WORKER not in answer:
            raise EdgeError(f"HAProxy refused to switch {self.what} {state}: {answer}")

    def _workers(self) -> dict[int, str]:
        """Process id -> state."""
        return {pid: self._entry(answer) for pid, answer in self._answers().items() if _NO_SUCH_MAP not in answer}

    def _answers(self, *, known: bool = True) -> dict[int, str]:
        """Process id -> the map as it prints it, of the current worker and of those that a reload left behind: these still answer
        on connections that were open. ``known``: EdgeError where the current one does not know the map.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            table = self._ask("show proc")
            old = parse_old_workers(table)
            answers = {pid: self._ask(f"@!{pid} show map {self._in_haproxy}") for pid in [*current_workers(table), *old]}
            alive = {pid: answer for pid, answer in answers.items() if _NO_SUCH_WORKER not in answer}
            if known and any(_NO_SUCH_MAP in answer for pid, answer in alive.items() if pid not in old):
                raise self._too_old()
            # In the middle of a reload there may be none that is current.
            if alive.keys() - set(old):
                return alive
            if time.monotonic() > deadline:
                raise EdgeError(f"HAProxy has no worker at work. See why with: docker logs edge-haproxy-1\n{table}")
            time.sleep(POLL_SECONDS)

    def _lines(self) -> list[str]:
        return [line for line in EDGE_BASE.commented(self._file).splitlines() if line.strip()]

    def _entry(self, text: str) -> str:
        return entry(text, self.key) or self.default

    def _too_old(self, missing: Path | None = None) -> EdgeError:
        lost = f", or {missing} was lost" if missing else ""
        return EdgeError(
            f"the edge of this host knows no {self.what} yet, because an older version set it up{lost}: run "
            "playbooks/provision.yml for this inventory first. Nothing was changed"
        )

    def _ask(self, command: str) -> str:
        """The master's answer, waited for: while it loads a configuration it takes no connection."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._master.ask(command)
            except EdgeError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)


def entry(text: str, key: str = KEY) -> str:
    """The map's entry in lines of reference, key and value, as HAProxy prints them."""
    return _entries(text).get(key, "")


def _entries(text: str) -> dict[str, str]:
    # Of two with one key HAProxy goes by the first.
    lines = [line.split() for line in reversed(text.splitlines())]
    return {words[1]: words[2] for words in lines if len(words) == 3}
