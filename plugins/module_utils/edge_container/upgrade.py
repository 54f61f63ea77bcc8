# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge's container is replaced by one of another image, or with other ports, and no request fails.

Where a balancer sends nobody here any more, the container ends what it has begun and the new one takes its place. Elsewhere a
second container, of the new image, stands in: new connections are led to it until the edge's own container is the new one. The
old one takes what it has begun to its end, for a bounded time; what is cut then is counted.

Whoever is killed on the way leaves one of two that serves, and the next run goes on from what it finds.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ansible_collections.morpheus.deploy.plugins.module_utils.base.atomic import lock_file
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import carry as edge_carry
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.proved import POLL_SECONDS, Proved
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.redirect import Way, is_proxied, parse_ports
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.upgrade_verbs import (
    Haproxy,
    OwnHaproxy,
    Wanted,
    Ways,
)

# Handshakes that were under way when new connections were led elsewhere: the kernel asks again after 1, 3 and 7 s.
SETTLE_SECONDS = 8.0
MIRROR_SECONDS = 1.0
MAINTENANCE_AND_AWAY = edge_carry.MAPS[1:]


@dataclass
class Outcome:
    """``drained``: requests and tunnels that the old containers took to their end; ``cut``: what they could not."""

    drained: int = 0
    cut: int = 0
    done: list[str] = field(default_factory=list)


class EdgeUpgrade(Proved):
    def __init__(
        self,
        paths: EdgePaths,
        own: OwnHaproxy,
        stand_in: Haproxy,
        ways: Ways,
        clock: Clock,
        guard: Callable[[], None] = lambda: None,
        ask: Callable[[str, int, Sequence[str], bool], Mapping[str, str]] | None = None,
    ) -> None:
        """``guard`` raises when another run has the lease; ``ask``: see ``answers``."""
        super().__init__(clock, ask)
        self._paths = paths
        self._own = own
        self._stand_in = stand_in
        self._ways = ways
        self._guard = guard
        self._outcome = Outcome()

    def due(self, wanted: Wanted) -> bool:
        """Whether ``run`` would do anything, as far as the host knows."""
        own = self._own.look()
        if own is None or own.image != wanted.identity or not self._serves(self._own) or self._stand_in.look() is not None:
            return True
        return self._has_other_ports(wanted)

    def _has_other_ports(self, wanted: Wanted) -> bool:
        settings = self._own.settings()
        return settings != settings.published(wanted.ports)

    def run(self, wanted: Wanted) -> Outcome:
        """When it returns, the edge's own container runs the wanted image and serves, and nothing else is left."""
        with self._alone():
            if self._serves(self._own) and (self._stand_in.look() or self._ways.there()):
                # Whoever was killed: the edge's own serves, so nobody needs another one.
                self._give_back(wanted)
            if self._is_done(wanted):
                return self._outcome
            if self._ways.there() and not self._serves(self._stand_in):
                self._ways.end()
            if self._serves(self._own):
                if wanted.hands_over:
                    self._hand_over(wanted)
                self._guard()
                self._settle(self._own)
            if self._own.look():
                self._drain(self._own, wanted.drain_seconds)
            self._replace(wanted)
            if self._stand_in.look() or self._ways.there():
                self._give_back(wanted)
            return self._outcome

    def _is_done(self, wanted: Wanted) -> bool:
        own = self._own.look()
        if own is None or own.image != wanted.identity or not self._serves(self._own) or self._has_other_ports(wanted):
            return False
        settings = self._own.settings()
        if settings.image != wanted.image:
            # The same image by another name.
            self._own.write(replace(settings, image=wanted.image))
            self._did(f"the image is called {wanted.image} now")
        return True

    def _hand_over(self, wanted: Wanted) -> None:
        """Let a container of the new image take new connections. When it cannot, all is as it was."""
        self._guard()
        try:
            self._stand_in.remove()
            self._stand_in.write(replace(self._own.settings(), image=wanted.image))
            self._stand_in.start()
            self._await_answer(self._stand_in)
            self._carry(self._own, self._stand_in)
            self._compare(self._own, self._stand_in, wanted)
            self._lead(wanted)
            self._did("a container of the new image stands in")
        except DeployError as exc:
            words = self._stand_in.last_words()
            self._ways.end()
            # What came to it meanwhile ends there as anywhere else.
            if self._stand_in.look():
                self._drain(self._stand_in, wanted.drain_seconds)
            self._stand_in.remove()
            said = f"\nIts last log lines:\n{words}" if words else ""
            raise EdgeError(f"the new edge does not serve, and the one before goes on as it was: {exc}{said}") from exc

    def _lead(self, wanted: Wanted) -> None:
        new, ports = self._place(self._stand_in), parse_ports(self._own.settings().ports)
        loopback, gateway, six = (new.reached_by(address) for address in ("127.0.0.1", new.gateway, "::"))
        self._ways.lead(Way(wanted.bridge, new.address, ports, loopback, gateway, six, is_proxied(wanted.bridge)))
        self._prove(self._stand_in, new, ports)

    def _give_back(self, wanted: Wanted) -> None:
        """New connections go to the edge's own container again, and the one that stood in ends."""
        self._ways.end()
        seen = self._stand_in.look()
        if seen and seen.running:
            self._prove(self._own, seen, parse_ports(self._own.settings().ports))
            self._settle(self._stand_in)
            self._drain(self._stand_in, wanted.drain_seconds)
        self._stand_in.remove()

    def _replace(self, wanted: Wanted) -> None:
        self._guard()
        before, settings = self._own.text(), self._own.settings()
        old = self._own.look()
        try:
            self._own.write(replace(settings, image=wanted.image).published(wanted.ports))
            self._own.start()
            self._await_answer(self._own)
            if self._serves(self._stand_in):
                self._carry(self._stand_in, self._own)
                self._compare(self._stand_in, self._own, wanted)
        except DeployError as exc:
            words = self._own.last_words()
            self._own.put(before)
            said = f"\nIts last log lines:\n{words}" if words else ""
            self._bring_back(wanted, f"the new edge does not serve: {exc}{said}", had_one=old is not None)
            raise EdgeError(f"the one before is back and serves. The new edge does not serve: {exc}{said}") from exc
        ports = self._own.settings().ports
        self._did(f"the edge runs {wanted.image}" + (f" on {', '.join(ports)}" if ports != settings.ports else ""))

    def _bring_back(self, wanted: Wanted, why: str, *, had_one: bool) -> None:
        """The container of before, by files that are in place again. EdgeError when it does not serve either."""
        try:
            self._own.start(anew=True)
            self._await_answer(self._own)
        except DeployError as exc:
            serves = self._serves(self._stand_in)
            who = "The container that stands in serves all users; leave it there" if serves else "Nobody is served on this host"
            before = "the one before does not come back either" if had_one else "there was none before"
            raise EdgeError(f"{why}\nAnd {before}: {exc}\n{who}, and run this again") from exc
        if self._stand_in.look():
            self._give_back(wanted)

    def _drain(self, haproxy: Haproxy, seconds: float) -> None:
        """Let it answer what it has begun, at most for so long, and then end it."""
        seen = haproxy.look()
        if seen and seen.running:
            begun = self._sessions(haproxy)
            last, left = begun, 0
            haproxy.soft_stop()
            mirrored = self._clock.now()
            deadline = mirrored + seconds
            while (now := haproxy.look()) and now.running and now.pid == seen.pid:
                last = left = self._sessions(haproxy, last)
                if self._clock.now() > deadline:
                    break
                if haproxy is self._own and self._clock.now() > mirrored + MIRROR_SECONDS:
                    self._mirror()
                    mirrored = self._clock.now()
                self._clock.sleep(POLL_SECONDS)
            else:
                left = 0
            self._outcome.cut += left
            self._outcome.drained += max(0, begun - left)
        haproxy.end()

    def _mirror(self) -> None:
        """Maintenance, and hosts that a balancer keeps off, are switched without a lease. Whoever stands in learns it, too."""
        if not self._serves(self._stand_in):
            return
        with suppress(EdgeError, OSError):
            files = {name: self._paths.conf / Path(name).name for name in MAINTENANCE_AND_AWAY}
            wanted = {name: _entries(path.read_text()) for name, path in files.items() if path.exists()}
            found = self._stand_in.known()
            said = edge_carry.Known({name: {**found.maps.get(name, {}), **entries} for name, entries in wanted.items()}, {})
            self._stand_in.tell(*edge_carry.commands(said, found))

    def _settle(self, haproxy: Haproxy) -> None:
        """Until it has taken every connection that the kernel has for it: one that listens no more loses them."""
        deadline = self._clock.now() + SETTLE_SECONDS
        quiet = 0
        while quiet < 3 and self._clock.now() < deadline:
            self._clock.sleep(POLL_SECONDS)
            quiet = 0 if haproxy.waiting() else quiet + 1

    def _carry(self, old: Haproxy, new: Haproxy) -> None:
        new.tell(*edge_carry.commands(old.known(), new.known()))

    @staticmethod
    def _sessions(haproxy: Haproxy, otherwise: int = 0) -> int:
        try:
            return haproxy.sessions()
        except (EdgeError, KeyError):
            return otherwise

    def _did(self, what: str) -> None:
        self._outcome.done.append(what)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with lock_file(self._paths.root / "upgrade.lock") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EdgeError(
                    "the edge of this host is being upgraded by a run that has not ended there; wait for its end and run this "
                    "again"
                ) from None
            yield


def _entries(text: str) -> dict[str, str]:
    words = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {one[0]: one[1] for one in words if len(one) == 2}
