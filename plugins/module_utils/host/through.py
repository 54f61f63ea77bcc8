# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers of one stack are let through to (stack.egress), although this host keeps containers away from it."""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.morpheus.deploy.plugins.module_utils.egress.egress_filter import EgressFilter
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.labels import PROJECT
from ansible_collections.morpheus.deploy.plugins.module_utils.engine.networks import Networks
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import stack_network


class Through:
    def __init__(self, stack: str, networks: Networks, egress: EgressFilter | None = None) -> None:
        self._stack = stack
        self._networks = networks
        self._egress = egress or EgressFilter()

    def let(self, kinds: Collection[str], *, beside: bool = False) -> None:
        """To ``kinds`` and to nothing else; with ``beside`` also to what they reached before. Again when a network was made."""
        wanted = {*kinds, *self._egress.admitted_to(self._stack)} if beside else {*kinds}
        self._egress.admit(self._stack, wanted, self._subnets(wanted))

    def troubles(self, kinds: Collection[str]) -> list[str]:
        if self._egress.admits(self._stack, kinds, self._subnets(kinds)):
            return []
        words = " and ".join(sorted(kinds)) or "nothing"
        return [f"containers of {self._stack} are not let through to what stack.egress of the live release says: {words}"]

    def _subnets(self, kinds: Collection[str]) -> set[str]:
        """Of every network of the stack's own. Nobody is asked where nothing is let through."""
        names = [*self._networks.networks(f"{PROJECT}={self._stack}"), stack_network(self._stack)] if kinds else []
        pools = [((self._networks.network(name) or {}).get("IPAM") or {}).get("Config") or [] for name in names]
        return {str(pool["Subnet"]) for found in pools for pool in found}
