# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge takes its ports over from containers that served users before it.

A port of the host leads to one container, so there is a gap: from the moment at which the old ones stop to listen until the edge
does. It is kept short: the edge's container is made before they stop, and starts at once. When it does not answer users, the old
ones get their ports back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import networks as edge_networks
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import waiting
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths, edge_settings
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.sockets import Socket
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.state import PROJECT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.settings import EdgeSettings, place
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.setup import START_SECONDS
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.engine import Engine
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica

# How long what served before may take to end what it has begun. Users wait meanwhile, so it is short.
STOP_SECONDS = 5.0


class Handover:
    """``ports``: of the edge, in Compose's short form; ``holders``: names of the containers that have them now."""

    def __init__(self, paths: EdgePaths, engine: Engine, clock: Clock, ports: Sequence[str], holders: Sequence[str]) -> None:
        self._paths = paths
        self._engine = engine
        self._clock = clock
        self._ports = tuple(ports)
        self._holders = tuple(holders)
        self._compose = Compose(PROJECT, paths.root, [paths.root / "compose.json"])

    @property
    def due(self) -> bool:
        return waiting.waits(self._paths)

    def take(self, why_not: Callable[[], str]) -> list[str]:
        """When it returns, users are served by the edge, and the names are those of what had its ports until now.

        ``why_not``: asks the edge as users do; why it does not serve them, empty when it does. EdgeError then, and what served
        before serves again.
        """
        states = self._engine.others()
        # By name: the engine takes it for an id.
        holders = [Replica(name, name, "", 0, "") for name in self._holders if states.get(name) == "running"]
        file = self._paths.root / "compose.json"
        before = file.read_text()
        settings = edge_settings(self._paths)
        try:
            place(EdgeSettings(settings["image"], settings["user"], self._ports).files(self._paths))
            self._compose.create()
            edge_networks.connect(self._engine)
            self._stop(holders)
            self._compose.up()
            self._await_answer()
            why = why_not()
            if why:
                raise EdgeError(why)
        except (DeployError, OSError) as exc:
            words = "\n".join(self._engine.last_words(one) for one in self._engine.observe(set()))
            self._give_back(holders, before)
            said = f"\nThe edge's last log lines:\n{words}" if words else ""
            who = ", ".join(one.name for one in holders)
            served = f"{who} has its ports again" if who else "it waits for its ports again"
            raise EdgeError(f"the edge does not serve users, so {served}: {exc}{said}") from exc
        for one in holders:
            # Or it would be there again after a reboot, before the edge.
            self._engine.never_again(one)
        return [one.name for one in holders]

    def _stop(self, holders: Sequence[Replica]) -> None:
        with ThreadPoolExecutor(max(1, len(holders))) as pool:
            list(pool.map(lambda one: self._engine.stop([one], STOP_SECONDS), holders))

    def _give_back(self, holders: Sequence[Replica], before: str) -> None:
        """Users first: the edge lets go of the ports, and whoever had them gets them."""
        self._engine.stop(self._engine.observe(set()), 1.0)
        for one in holders:
            self._engine.start(one)
        place({self._paths.root / "compose.json": before})
        edge_networks.bring_up(self._compose, self._engine, anew=False)

    def _await_answer(self) -> None:
        deadline = self._clock.now() + START_SECONDS
        while True:
            try:
                Socket(str(self._paths.socket)).ask("show info")
                return
            except EdgeError:
                if self._clock.now() > deadline:
                    raise
            self._clock.sleep(0.05)
