# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks on this host: looked at, made, and joined by replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import speaking
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica

with suppress(ImportError):
    from docker.errors import NotFound


class Networks:
    """Networks on this host."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def make_network(self, name: str, labels: Mapping[str, str]) -> None:
        """A bridge that leads nowhere but to the containers on it and to this host."""
        with speaking(f"make the network {name}"):
            self._client.api.create_network(name, driver="bridge", internal=True, labels=dict(labels), check_duplicate=True)

    def networks(self, label: str) -> list[str]:
        """Names of those that carry ``label``."""
        with speaking("list networks"):
            return sorted(str(one["Name"]) for one in self._client.api.networks(filters={"label": [label]}))

    def network(self, name: str) -> Mapping[str, Any] | None:
        """The network of this very name as the engine inspects it, or None."""
        with speaking(f"look at network {name}"):
            try:
                found: Mapping[str, Any] = self._client.api.inspect_network(name)
            except NotFound:
                return None
        # The engine takes the beginning of an id for a name, too.
        return found if found["Name"] == name else None

    def remove_network(self, name: str) -> None:
        """Whoever is on it is taken off first, ended containers too."""
        with speaking(f"remove the network {name}"), suppress(NotFound):
            for identity in self._client.api.inspect_network(name).get("Containers") or {}:
                with suppress(NotFound):
                    self._client.api.disconnect_container_from_network(identity, name, force=True)
            self._client.api.remove_network(name)

    def connect(self, network: str, replicas: Sequence[Replica]) -> None:
        for replica in replicas:
            with speaking(f"connect {replica.name} to the network {network}"):
                self._client.api.connect_container_to_network(replica.id, network)
