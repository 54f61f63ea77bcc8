# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How replicas end: requests that they hold are waited for, and what is cut by the stop is counted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.cut import Cut
from ansible_collections.morpheus.deploy.plugins.module_utils.rollout.verbs import Means
from ansible_collections.morpheus.deploy.plugins.module_utils.service.killed import Killed
from ansible_collections.morpheus.deploy.plugins.module_utils.service.replica import Replica

POLL_SECONDS = 0.05
# A little more than "timeout http-keep-alive" of the edge.
IDLE_SECONDS = 80.0


def let_end(means: Means, service: str, replicas: Sequence[Replica], seconds: float) -> int:
    """Wait until ``replicas`` hold no request, or ``seconds`` have passed; how many sessions ended meanwhile.

    Idle connections are waited for as long as the edge keeps them: their requests have not even begun.
    """
    start = means.clock.now()
    deadline, patience = start + seconds, start + max(seconds, IDLE_SECONDS)
    most = left = 0
    quiet = 0
    while quiet < 2:
        means.guard()
        busy = [means.edge.busy(service, replica) for replica in replicas]
        left = sum(one.total for one in busy)
        means.tell("requests", service, replicas=[replica.name for replica in replicas], left=left)
        most = max(most, left)
        idle = any(one.idle for one in busy)
        quiet = 0 if idle or any(one.requests for one in busy) else quiet + 1
        if means.clock.now() >= (patience if idle else deadline):
            break
        if quiet < 2:
            means.clock.sleep(POLL_SECONDS)
    return most - left


def stop(
    means: Means, service: str, replicas: Sequence[Replica], grace: float | None, *, watched: bool
) -> tuple[int, list[Killed]]:
    """Stop with the grace period; how many sessions were cut, and who had to be killed. ``watched``: whether any may be cut."""
    by_name = {replica.name: replica for replica in replicas}
    cut = Cut(
        lambda name: means.edge.counts(service, by_name[name]),
        list(by_name),
        lambda name: means.engine.ended_at(by_name[name]),
    )
    with cut if watched else nullcontext():
        killed = means.engine.stop(replicas, grace)
    return cut.total, killed
