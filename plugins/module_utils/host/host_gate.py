# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate that candidates pass: asked at their own addresses, or by what Docker makes of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import Clock
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Endpoint, Expectation, Gate
from ansible_collections.morpheus.deploy.plugins.module_utils.health.http import HttpProbe
from ansible_collections.morpheus.deploy.plugins.module_utils.health.seen import Answer, Condemned, Health, Rules
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.verbs import Tell, silent
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import HealthCheck

# Without an HTTP health check Docker's verdict counts; a service without a healthcheck must at least keep running. This deadline
# is the least: a service has more when its healthcheck gives more, and whatever its inventory says.
DOCKER_RULES = Rules(successes=2, interval_seconds=0.25, timeout_seconds=5.0, deadline_seconds=120.0)
NO_HEALTHCHECK_SECONDS = 3.0
_TOO_SHORT = f"it has no healthcheck, so it has to run for {NO_HEALTHCHECK_SECONDS:g} s, and has not yet"


class _OfDocker(Expectation):
    """Nobody is asked by HTTP, so words about a status would mislead."""

    def violation(self, answer: Answer) -> str:
        verdict = answer.excerpt
        return f"docker says {verdict}, healthy is awaited" if verdict and verdict != _TOO_SHORT else verdict


@dataclass
class HostGate:
    """execute.GateVerbs: asks each replica at its own address, by HTTP or, without a health check of ours, Docker."""

    host: StackHost
    target: Target
    clock: Clock
    guard: Callable[[], None] = lambda: None
    probe: HttpProbe = field(default_factory=HttpProbe)
    # When the run began, by the clock that dates containers; and container -> how often the engine had restarted it at its gate.
    since: float = field(default_factory=time.time)
    restarts: dict[str, int] = field(default_factory=dict)
    tell: Tell = silent

    def wait(self, service: str, replicas: Sequence[Replica]) -> list[Health]:
        for replica in replicas:
            # What this run has started must never have ended; what it found may have, long ago.
            found = replica.created < int(self.since)
            self.restarts[replica.id] = self.host.engine.restarts(replica) if found else 0
        return self._gate("gate", service, replicas).wait(self._endpoints(service, replicas))

    def watch(self, service: str, replicas: Sequence[Replica], seconds: float, condemned: Condemned) -> list[Health]:
        return self._gate("watch", service, replicas).watch(self._endpoints(service, replicas), seconds, condemned)

    def _gate(self, event: str, service: str, replicas: Sequence[Replica]) -> Gate:
        by_name = {replica.name: replica for replica in replicas}

        def give_up(endpoint: Endpoint) -> str:
            self.guard()
            replica = by_name[endpoint.name]
            return self.host.engine.failure(replica, self.restarts.get(replica.id, 0))

        def docker_verdict(endpoint: Endpoint, timeout: float) -> Answer:
            return self._docker_verdict(by_name[endpoint.name])

        def seen(endpoint: Endpoint, health: Health) -> None:
            self.tell(event, service, replica=endpoint.name, attempts=health.attempts, last=health.violation or "good")

        health = self._health(service)
        if not health:
            return Gate(self._docker_rules(service, replicas), docker_verdict, self.clock, give_up, seen)
        return Gate(self._rules(health), self.probe, self.clock, give_up, seen)

    def _endpoints(self, service: str, replicas: Sequence[Replica]) -> list[Endpoint]:
        health = self._health(service)
        if not health:
            return [Endpoint(replica.name, f"docker://{replica.name}/health", expectation=_OfDocker()) for replica in replicas]
        addresses = self.host.engine.addresses(replicas)
        asked = self.target.services[service]
        headers, expectation = asked.asked_with(self.host.scheme(self.target)), self.target.expectation(service)
        return [
            Endpoint(name, f"http://{address}:{asked.asked_port}{health.path}", headers, expectation=expectation)
            for name, address in addresses.items()
        ]

    def _docker_rules(self, service: str, replicas: Sequence[Replica]) -> Rules:
        known = self.target.services.get(service)
        if known and known.deadline_seconds:
            return replace(DOCKER_RULES, deadline_seconds=known.deadline_seconds)
        seconds = [self.host.engine.seconds_to_health(replica) for replica in replicas]
        return replace(DOCKER_RULES, deadline_seconds=max([DOCKER_RULES.deadline_seconds, *seconds]))

    def _rules(self, health: HealthCheck) -> Rules:
        return Rules(health.successes, health.interval_seconds, health.timeout_seconds, health.deadline_seconds)

    def _health(self, service: str) -> HealthCheck | None:
        return self.target.stack.health(service)

    def _docker_verdict(self, replica: Replica) -> Answer:
        verdict = self.host.engine.health(replica)
        if not verdict and time.time() - replica.created < NO_HEALTHCHECK_SECONDS:
            verdict = _TOO_SHORT
        good = verdict in ("healthy", "")
        return Answer(0.0, 200 if good else 503, b"" if good else verdict.encode())
