# Copyright (c) The morpheus.deploy authors
# SPDX-License-Identifier: MIT
"""Hosts that a balancer keeps off, although they may be well: one that was away comes back with the release that it had.

The balancer's own check of such a host fails, in every worker and whenever HAProxy starts anew. Nothing is reloaded.
"""

from __future__ import annotations

from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import Maintenance
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import HAPROXY_DIRECTORY, EdgePaths

MAP = "away.map"
IN_HAPROXY = f"{HAPROXY_DIRECTORY}/{MAP}"


class KeptOff(Maintenance):
    """Whether the balancer keeps ``upstream`` off: "on" or "off"."""

    map = MAP
    default = "off"
    what = "hosts that are kept off"

    def __init__(self, paths: EdgePaths, upstream: str) -> None:
        super().__init__(paths)
        self.key = upstream
