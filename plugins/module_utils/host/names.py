# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that Compose gives to new replicas, and strangers that have them already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.morpheus.deploy.plugins.module_utils.host.target import Target
from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import Order
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica, State


def next_names(stack: str, target: Target, observed: Sequence[Replica], counts: Mapping[str, int]) -> set[str]:
    """Names that Compose may give to the candidates of services (``counts``: how many), which it numbers upwards."""
    found = set()
    for service in (one for one in target.desired if one.name in counts):
        fixed = target.model.get("services", {}).get(service.name, {}).get("container_name")
        numbers = [one.number for one in observed if one.service == service.name]
        # What goes first may take the highest number along.
        first = (
            1
            if service.policy.order is Order.STOP_FIRST
            else 1
            + max((one.number for one in observed if one.service == service.name and one.state is not State.DEAD), default=0)
        )
        last = max(numbers, default=0) + counts[service.name]
        found |= {fixed} if fixed else {f"{stack}-{service.name}-{number}" for number in range(first, last + 1)}
    return found


def taken(names: Sequence[str]) -> str:
    listed, first = ", ".join(names), names[0]
    what = (
        f"the container {listed} has the name that a new replica gets"
        if len(names) == 1
        else f"the containers {listed} have the names that new replicas get"
    )
    return (
        f"{what}, and not a replica of this stack. On this host: docker rename {first} {first}-other, or, when nobody needs "
        f"it, docker rm -f {first}; then run this again. Nothing was changed"
    )
