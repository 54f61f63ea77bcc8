# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a plan replaces replicas, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.morpheus.deploy.plugins.module_utils.service.desired import DesiredService, trouble
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica


def outlives(replica: Replica, service: DesiredService, staying: Mapping[str, Sequence[Replica]]) -> str:
    """Which of the services that it follows was replaced since it was made, or is going to be; in words, empty for none.

    ``staying``: service -> those of its replicas that stay. By the age of containers, so that a run that was killed between the
    two is found as well.
    """
    for name in (one for one in service.follows if one in staying):
        if not staying[name]:
            return f"follows {name}, which is replaced"
        if replica.created < min(one.created for one in staying[name]):
            return f"is older than {name}, which it follows"
    return ""


def why(service: DesiredService, stale: Sequence[Replica], missing: int, alive: int) -> str:
    """Of a service whose ``stale`` replicas go and that lacks ``missing``; empty when there is nothing to say."""
    if not stale:
        return f"{alive} of {service.replicas} run" if missing else ""
    seen = stale[0]
    if seen.fingerprint == service.fingerprint:
        what = trouble(seen, service)
        return f"{seen.name} {what}" if what else "restart"
    changed = sorted(name for name in service.parts.keys() | seen.parts.keys() if service.parts.get(name) != seen.parts.get(name))
    if not changed or not seen.parts:
        return "configuration changed"
    words = [_changed(name, seen, service) for name in changed]
    return f"changed: {', '.join(words)}"


def _changed(part: str, seen: Replica, service: DesiredService) -> str:
    if part == "image":
        if seen.image == service.image:
            return f"the content of image {service.image}"
        return f"image {seen.image or 'unknown'} -> {service.image}"
    if part == "port":
        return f"port {seen.port or 'none'} -> {service.port or 'none'}"
    return part
