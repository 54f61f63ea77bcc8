# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release asks of its host, ready to be compared with what runs there."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose import advice
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import FINGERPRINT, PARTS, PORT, RELEASE
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Expectation
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService
from ansible_collections.morpheus.deploy.plugins.module_utils.service.stack import Service, Stack


@dataclass(frozen=True)
class Target:
    """A release made ready to be compared with what runs: Compose's model and the services it asks for."""

    release: str
    stack: Stack
    workspace: Workspace
    model: Mapping[str, Any]
    desired: list[DesiredService]
    # Service -> what hardens it, beside what its files say. Part of ``model`` already.
    additions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Paths in the project directory that belong to the application.
    data: Collection[str] = ()

    @property
    def services(self) -> dict[str, Service]:
        return self.stack.by_name

    @property
    def routed(self) -> set[str]:
        return {service.name for service in self.desired if service.routed}

    @property
    def most(self) -> int:
        """Replicas of the routed service that has most."""
        return max((service.replicas for service in self.desired if service.routed), default=0)

    @property
    def routes(self) -> dict[str, str]:
        """Key of each route (see haproxy.route_key) -> service."""
        return haproxy.stack_routes(self.stack.services)

    def labels(self, identity: str) -> dict[str, dict[str, str]]:
        """Service -> what its replicas are told by. ``identity``: id of the release. A job has no replica."""
        return {
            service.name: {
                FINGERPRINT: service.fingerprint,
                PARTS: json.dumps(dict(service.parts), sort_keys=True),
                RELEASE: identity,
                **({PORT: str(service.port)} if service.routed else {}),
            }
            if not service.job
            else {}
            for service in self.desired
        }

    def expectation(self, service: str) -> Expectation:
        """What a good answer to the service's health check is; any will do without one."""
        health = self.stack.health(service)
        return Expectation(health.status, health.expect, health.version, self.release) if health else Expectation()

    def advice(self, service: str, said: str, first: bool) -> str:
        """What to do about a service that failed with these words; empty for nothing. ``first``: none of its replicas ran."""
        told = [advice.advice(self.stack, self.additions, service, said)]
        told += [advice.begun(self.model, service)] if first else []
        return "\n".join(one for one in told if one)
