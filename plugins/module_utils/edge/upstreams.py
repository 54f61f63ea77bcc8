# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that a balancer keeps off, although they may be well: one that was away comes back with the release that it had.

The balancer's own check of such a host fails, in every worker and whenever HAProxy restarts. Nothing is reloaded.
"""

from __future__ import annotations

from contextlib import suppress

from ansible_collections.morpheus.deploy.plugins.module_utils.base.formats import EDGE_BASE
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import HAPROXY_DIRECTORY
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import Maintenance
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths

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

    @classmethod
    def names(cls, paths: EdgePaths) -> set[str]:
        """Hosts that were ever kept off, as far as the map's file says; an older version has none."""
        with suppress(FileNotFoundError):
            return {line.split()[0] for line in EDGE_BASE.commented(paths.conf / cls.map).splitlines() if line.strip()}
        return set()
