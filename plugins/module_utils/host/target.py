# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""What a release asks of its host, ready to be compared with what runs there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.edge import haproxy
from ansible_collections.morpheus.deploy.plugins.module_utils.health.gate import Expectation
from ansible_collections.morpheus.deploy.plugins.module_utils.release.workspace import Workspace
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService


@dataclass(frozen=True)
class Target:
    """A release made ready to be compared with what runs: Compose's model and the services it asks for."""

    release: str
    stack: Mapping[str, Any]
    workspace: Workspace
    model: Mapping[str, Any]
    desired: list[DesiredService]
    # Service -> what hardens it, beside what its files say. Part of ``model`` already.
    additions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Paths in the project directory that belong to the application.
    data: Collection[str] = ()

    @property
    def services(self) -> dict[str, Mapping[str, Any]]:
        return {service["name"]: service for service in self.stack["services"]}

    @property
    def routed(self) -> set[str]:
        return {service.name for service in self.desired if service.routed}

    @property
    def routes(self) -> dict[str, str]:
        """Key of each route (see haproxy.route_key) -> service."""
        return haproxy.stack_routes(self.stack["services"])

    def expectation(self, service: str) -> Expectation:
        health = self.services[service]["health"]
        return Expectation(health["status"], health["expect"], health["version"], self.release)
