# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is proved of a HAProxy before users come to it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import carry as edge_carry
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import served
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.haproxy import parse_map
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.tables import parse_accepted
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.instance import Seen
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.redirect import Port
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.upgrade_verbs import Haproxy, Wanted

START_SECONDS = 60.0
POLL_SECONDS = 0.1
# Inside of the container, for users.
HTTP, HTTPS = 8080, 8443


class Proved:
    """Whether a HAProxy serves, and what users would get from it: asked before anything is led to it."""

    def __init__(self, clock: Clock, ask: Callable[[str, int, Sequence[str], bool], Mapping[str, str]] | None) -> None:
        self._clock = clock
        self._ask = ask or answers

    def _compare(self, old: Haproxy, new: Haproxy, wanted: Wanted) -> None:
        """Ask both for every route. The new one must answer whatever the old one answers."""
        keys = sorted(parse_map(old.ask(f"show map {edge_carry.MAPS[0]}"))) or ["*/"]
        port = HTTPS if wanted.tls else HTTP
        deadline = self._clock.now() + START_SECONDS
        while True:
            before = self._ask(self._place(old).address, port, keys, wanted.tls)
            after = self._ask(self._place(new).address, port, keys, wanted.tls)
            worse = {url: why for url, why in after.items() if why and not before.get(url)}
            if not worse:
                return
            if self._clock.now() > deadline:
                raise EdgeError("; ".join(f"{url}: {why}" for url, why in sorted(worse.items())[:3]))
            self._clock.sleep(POLL_SECONDS)

    def _prove(self, haproxy: Haproxy, stand_in: Seen, ports: Sequence[Port]) -> None:
        """See that a connection to each port that users come to, as they come and by the engine's proxy, arrives there."""
        addresses = [stand_in.gateway, "127.0.0.1", *(["::1"] if stand_in.reached_by("::") else [])]
        for port in (one for one in ports if one.inside in (HTTP, HTTPS) and not one.address):
            for address in addresses:
                deadline = self._clock.now() + START_SECONDS
                while not self._arrives(haproxy, address, port.outside):
                    if self._clock.now() > deadline:
                        raise EdgeError(
                            f"a new connection to {address}:{port.outside} of this host does not arrive there; is the engine's "
                            "forwarding of ports another one than iptables?"
                        )
                    self._clock.sleep(POLL_SECONDS)

    def _arrives(self, haproxy: Haproxy, address: str, port: int) -> bool:
        before = self._connections(haproxy)
        with suppress(OSError), socket.create_connection((address, port), timeout=2.0) as connection:
            connection.settimeout(0.3)
            # Nothing is asked, so nothing comes; but by then it was taken.
            with suppress(TimeoutError):
                connection.recv(1)
        return self._connections(haproxy) > before

    @staticmethod
    def _connections(haproxy: Haproxy) -> int:
        return parse_accepted(haproxy.ask("show stat -1 1 -1"))

    def _await_answer(self, haproxy: Haproxy) -> None:
        deadline = self._clock.now() + START_SECONDS
        while not self._serves(haproxy):
            if self._clock.now() > deadline:
                raise EdgeError(f"it does not answer within {START_SECONDS:g} s")
            self._clock.sleep(POLL_SECONDS)

    @staticmethod
    def _serves(haproxy: Haproxy) -> bool:
        """Whether it runs, answers and takes new connections."""
        seen = haproxy.look()
        if not (seen and seen.running):
            return False
        with suppress(EdgeError):
            return "Stopping: 0" in haproxy.ask("show info").splitlines()
        return False

    def _place(self, haproxy: Haproxy) -> Seen:
        seen = haproxy.look()
        if seen is None or not seen.address:
            raise EdgeError('it is not on the network "edge"')
        return seen


def answers(address: str, port: int, keys: Sequence[str], tls: bool) -> Mapping[str, str]:
    """URL -> why a container at ``address`` gives users nothing for it; empty when it does."""
    asked = [replace(served.route(key, port, tls=tls), address=f"{address}:{port}") for key in keys]
    return served.ask(asked)
