# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A balancer keeps a host off while that is worked on, and takes it back: told, waited for and remembered here.

A host may be kept off for another reason, as when it was away while others got another release. So the balancer remembers whom it
keeps off for such a turn and which playbook does it, and takes nobody else back. A run that was killed in between is finished by
the next one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import write_atomically
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import UPSTREAMS
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.placed import Placed
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import Server, parse_servers
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstreams import Everybody, KeptOff

POLL_SECONDS = 0.2
_PLAYBOOK = re.compile(r"[a-z_]+")


@dataclass(frozen=True)
class Turn:
    """``done``: whether the balancer sends nobody there, or serves by it again. ``why``: why not, in words."""

    changed: bool
    done: bool
    why: str = ""


@dataclass(frozen=True)
class Off:
    """A host that the balancer sends nobody to. ``playbook``: the one whose turn it is, as far as that was noted."""

    name: str
    turn: bool
    playbook: str = ""


class Turns:
    def __init__(self, paths: EdgePaths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._socket = Socket(str(paths.socket))
        self._notes = paths.root / "turns"

    def begin(self, name: str, seconds: float, playbook: str = "") -> Turn:
        """Keep a host off. Not done where it is the last one that serves: the balancer would try it all the same."""
        hosts = self._hosts()
        if name not in hosts:
            return Turn(False, False, f"{name} is not one of the balancer's hosts ({', '.join(sorted(hosts)) or 'it has none'})")
        kept_off = self._is_off(name)
        if not kept_off:
            others = [other for other, server in hosts.items() if other != name and self._serves(other, server)]
            if not others:
                return Turn(False, False, f"no other host serves but {name}")
            if self._is_alone(name, others):
                return Turn(False, False, f"{name} has a route that no other host has which serves")
            self._notes.mkdir(exist_ok=True)
            self._note(name, playbook)
            KeptOff(self._paths, name).switch("on")
        elif (self._notes / name).exists():
            # Of another playbook that was killed.
            self._note(name, playbook)
        if self._comes(name, seconds, down=True):
            return Turn(not kept_off, True)
        if not kept_off:
            self._take_back(name)
        return Turn(not kept_off, False, f"the balancer did not call {name} down within {seconds:g} s")

    def end(self, name: str, seconds: float) -> Turn:
        """Let a host serve again that is kept off for its turn, and see that the balancer does."""
        if not (self._notes / name).exists():
            return Turn(False, True)
        self._take_back(name)
        if self._comes(name, seconds, down=False):
            return Turn(True, True)
        return Turn(True, False, f"{name} does not pass the balancer's checks within {seconds:g} s, so nobody is sent there")

    def look(self, name: str, state: str) -> bool:
        """Whether it would change anything."""
        return not self._is_off(name) if state == "off" else (self._notes / name).exists()

    def over(self, name: str) -> None:
        """It is no turn any more: the host is let in, or kept off for a reason that an upgrade does not end."""
        (self._notes / name).unlink(missing_ok=True)

    def kept_off(self) -> list[Off]:
        """Whom the balancer keeps off. None where an older version set it up, which keeps nobody off."""
        notes = {note.name: note for note in (self._notes.iterdir() if self._notes.is_dir() else ())}
        names = Everybody(self._paths).look().kept_off
        return [Off(name, name in notes, _noted(notes[name]) if name in notes else "") for name in names]

    def _note(self, name: str, playbook: str) -> None:
        write_atomically(self._notes / name, f"{playbook}\n", mode=0o644)

    def _take_back(self, name: str) -> None:
        KeptOff(self._paths, name).switch("off")
        self.over(name)

    def _is_off(self, name: str) -> bool:
        return "on" in KeptOff(self._paths, name).look().values()

    def _serves(self, name: str, server: Server) -> bool:
        return server.is_admitted and not server.is_down and not self._is_off(name)

    def _is_alone(self, name: str, others: Collection[str]) -> bool:
        """Whether a route would have nobody without it."""
        routes = [one for routes in Placed(self._paths).readable().values() for one in routes.values()]
        return any(name in one.hosts and not one.hosts & {*others} for one in routes)

    def _hosts(self) -> Mapping[str, Server]:
        servers = parse_servers(self._socket.ask("show servers state"))
        return {one.name: one for one in servers if one.backend == UPSTREAMS}

    def _comes(self, name: str, seconds: float, *, down: bool) -> bool:
        deadline = self._clock.now() + seconds
        while True:
            found = self._hosts().get(name)
            if found is not None and found.is_down == down:
                return True
            if self._clock.now() > deadline:
                return False
            self._clock.sleep(POLL_SECONDS)


def _noted(note: Path) -> str:
    """The playbook in a note; what else may stand there becomes no part of a command."""
    text = note.read_text(errors="replace").strip() if note.is_file() else ""
    return text if _PLAYBOOK.fullmatch(text) else ""
