# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes on this host: looked at, and removed where somebody has asked for that."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import speaking

with suppress(ImportError):
    from docker.errors import NotFound


class Volumes:
    """Volumes on this host."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def volume(self, name: str) -> Mapping[str, Any] | None:
        """The volume as the engine inspects it, or None."""
        with speaking(f"look at volume {name}"):
            try:
                found: Mapping[str, Any] = self._client.api.inspect_volume(name)
            except NotFound:
                return None
        return found

    def volumes(self, label: str) -> list[str]:
        """Names of those that carry ``label``."""
        with speaking("list volumes"):
            found = self._client.api.volumes(filters={"label": [label]}).get("Volumes") or []
        return sorted(str(one["Name"]) for one in found)

    def remove_volume(self, name: str) -> None:
        with speaking(f"remove the volume {name}"), suppress(NotFound):
            self._client.api.remove_volume(name)
