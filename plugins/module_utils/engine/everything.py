# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything on this engine, of any owner: for an audit."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.engine.answers import speaking

with suppress(ImportError):
    from docker.errors import ImageNotFound, NotFound


class Everything:
    """All that is on this engine, in its own words. Holds values of variables: never return it whole."""

    def __init__(self, client: Any) -> None:
        self._api = client.api

    def containers(self) -> list[Mapping[str, Any]]:
        """Every container, as inspected: created, paused and ended ones, too."""
        found: list[Mapping[str, Any]] = []
        with speaking("list containers"):
            for item in self._api.containers(all=True):
                # One can end while it is looked at.
                with suppress(NotFound):
                    found.append(self._api.inspect_container(item["Id"]))
        return found

    def volumes(self) -> dict[str, Mapping[str, str]]:
        """Name of each volume -> options of its driver, which may lead to any directory of the host."""
        with speaking("list volumes"):
            found = self._api.volumes().get("Volumes") or []
        return {one["Name"]: one.get("Options") or {} for one in found}

    def image(self, identity: str) -> Mapping[str, Any]:
        """An image as inspected; empty when it was deleted under the containers that run it."""
        with speaking(f"look at image {identity}"), suppress(ImageNotFound):
            found: Mapping[str, Any] = self._api.inspect_image(identity)
            return found
        return {}

    def history(self, identity: str) -> list[Mapping[str, Any]]:
        with speaking(f"tell the history of image {identity}"):
            found: list[Mapping[str, Any]] = self._api.history(identity)
        return found

    def info(self) -> Mapping[str, Any]:
        with speaking("describe itself"):
            found: Mapping[str, Any] = self._api.info()
        return found
