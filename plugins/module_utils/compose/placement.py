# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Compose says of where a service runs: honoured, or refused with the lines to write instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.compose.rules import replicas, well_formed

_JOBS = {"replicated-job": "one", "global-job": "each"}
_RUNS = ("replicated", "global")
_HOST = re.compile(r"\s*node\.hostname\s*==\s*([\w.-]+)\s*\Z")


def problems(name: str, service: Mapping[str, Any]) -> list[str]:
    """Findings about one service, each beginning with its path below ``services``.

    To be asked of what is deployed, not of what a host has: a release that an older version accepted can be rolled back to.
    """
    return list(_problems(name, service.get("deploy") or {}, replicas(service))) if well_formed(service) else []


def _problems(name: str, deploy: Mapping[str, Any], wanted: int) -> Iterator[str]:
    path, mode = f"services.{name}.deploy", deploy.get("mode")
    if mode in _JOBS:
        yield (
            f'{path}.mode: "{mode}" is a mode of Swarm alone; remove it, write restart: "no" beside it, and in the inventory '
            f"stack.jobs: {{{name}: {{hosts: {_JOBS[mode]}}}}}"
        )
    elif mode == "global" and wanted != 1:
        yield f"{path}.replicas: {wanted} are wanted, and mode: global is one on each host; remove one of the two"
    elif mode not in (None, "", *_RUNS) and "$" not in str(mode):
        yield f'{path}.mode: "{mode}" is not one of {", ".join(_RUNS)}'
    placement = deploy.get("placement")
    if not isinstance(placement, Mapping):
        return
    constraints = [str(one) for one in placement.get("constraints") or []]
    if constraints:
        host = next((found[1] for one in constraints if (found := _HOST.match(one))), "<host or group>")
        yield (
            f"{path}.placement.constraints: {'; '.join(constraints)} is for Swarm alone; remove it, and in the inventory write "
            f"stack.services: [{{name: {name}, hosts: {host}}}]"
        )
    if placement.get("preferences"):
        yield f"{path}.placement.preferences: is for Swarm alone; every host runs all replicas, so remove it"
    most = placement.get("max_replicas_per_node")
    if isinstance(most, int) and 0 < most < wanted:
        yield (
            f"{path}.placement.max_replicas_per_node: {most}, and every host runs all {wanted} replicas; set deploy.replicas to "
            f"{most}"
        )
