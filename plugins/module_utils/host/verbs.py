# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the executor does with engine and edge, on the real ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.admission import Edge
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.compose_command import Compose
from ansible_collections.morpheus.deploy.plugins.module_utils.health.user_errors import Answered
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.cut import Count
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.verbs import Busy
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica


@dataclass(frozen=True)
class HostEngine:
    """execute.EngineVerbs on the real engine."""

    host: StackHost
    compose: Compose
    edge: Edge
    job: Callable[[str], None]
    # What the containers may reach: see stack.egress.
    egress: Sequence[str] = ()
    # See Target.advice.
    advise: Callable[[str, str, bool], str] = lambda service, said, first: ""

    def observe(self) -> list[Replica]:
        return self.host.observe(self.edge)

    def start(self, service: str, total: int) -> None:
        if self.egress:
            # The first replica brings its networks, and may ask at once for what it is let through to.
            self.compose.scale_up(service, total, started=False)
            self.host.through.let(self.egress, beside=True)
        self.compose.scale_up(service, total)

    def run_job(self, service: str) -> None:
        self.job(service)

    def stop(self, replicas: Sequence[Replica], grace_seconds: float | None) -> list[Killed]:
        return self.host.engine.stop(replicas, grace_seconds)

    def remove(self, replicas: Sequence[Replica]) -> None:
        self.host.engine.remove(replicas)

    def last_words(self, replica: Replica) -> str:
        return self.host.engine.last_words(replica)

    def advice(self, service: str, said: str, *, first: bool) -> str:
        return self.advise(service, said, first)

    def ended_at(self, replica: Replica) -> float | None:
        return self.host.engine.ended_at(replica)


@dataclass(frozen=True)
class HostEdge:
    """execute.EdgeVerbs on the real edge."""

    host: StackHost
    edge: Edge
    # Service -> port of replicas that do not say it, because an older version started them.
    ports: Mapping[str, int] = field(default_factory=dict)

    def admit(self, service: str, replicas: Sequence[Replica]) -> None:
        if replicas:
            addresses = self.host.engine.addresses(replicas)
            places = {replica.name: haproxy.Place(addresses[replica.name], replica.port) for replica in replicas}
            self.edge.admit(service, places, self.ports.get(service, 0))

    def routes(self) -> dict[str, str]:
        return self.edge.routes()

    def route(self, routes: Mapping[str, str]) -> None:
        self.edge.route(routes)

    def drain(self, service: str, replicas: Sequence[Replica]) -> None:
        self.edge.drain(service, [replica.name for replica in replicas])

    def forget(self, service: str, replicas: Sequence[Replica]) -> None:
        self.edge.forget(service, [replica.name for replica in replicas])

    def busy(self, service: str, replica: Replica) -> Busy:
        requests, tunnels = self.edge.load(service, replica.name)
        return Busy(requests.sessions, tunnels.sessions, self.edge.may_come(service, replica.name))

    def counts(self, service: str, replica: Replica) -> dict[int, Count]:
        return {
            pid: Count(requests.sessions, tunnels.sessions, requests.broken_off)
            for pid, (requests, tunnels) in self.edge.load_by_worker(service, replica.name).items()
        }

    def answered(self, service: str, names: Sequence[str]) -> dict[str, Answered]:
        return {name: Answered(load.answers, load.bad_answers) for name, load in self.edge.answered(service, names).items()}
