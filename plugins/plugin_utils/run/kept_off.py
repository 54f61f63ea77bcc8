# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that a balancer sends nobody to, however well they are: why, and the command that ends it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lease import away

# Playbook that works on hosts in turn -> what the lease says while it does.
REASONS = {"edge_upgrade": "upgrade the edge", "engine_upgrade": "upgrade the engine"}
# Both let in whom a run before them has left off; an older version noted no name.
UNNAMED = "edge_upgrade"


@dataclass
class AtBalancers:
    sentences: list[str] = field(default_factory=list)
    mend: list[str] = field(default_factory=list)

    def add(self, sentence: str, command: str = "") -> None:
        self.sentences.append(sentence)
        if command and command not in self.mend:
            self.mend.append(command)


def at_balancers(
    hosts: Mapping[str, Mapping[str, Any]],
    balancers: Mapping[str, Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    holder: Mapping[str, Any] | None,
    environment: str,
) -> dict[str, AtBalancers]:
    """``hosts``: results of stack_status; ``balancers``: of edge_upstream_info; ``runs``: history; ``holder``: of the lease."""
    now = str(holder["reason"]) if holder and holder["alive"] else ""
    away_once = away.kept_off(runs)
    releases = {str(host["release"]) for name, host in hosts.items() if host.get("release") and name not in away_once}
    entries = [(balancer, one) for balancer, found in sorted(balancers.items()) for one in found["kept_off"]]
    found: dict[str, AtBalancers] = {}
    for balancer, one in entries:
        name = str(one["name"])
        was_away = not one["turn"] and name in away_once
        # What is said of one that is still away tells of the balancer, too.
        if name not in hosts or (was_away and "live" not in hosts[name]):
            continue
        host = found.setdefault(name, AtBalancers())
        nobody = f"{balancer} (balancer) sends nobody there"
        # A note that was torn names a playbook that there is not.
        playbook = one["playbook"] if one["playbook"] in REASONS else UNNAMED
        if one["turn"] and REASONS.get(playbook) == now:
            host.add(f"{nobody} while {playbook}.yml works on it")
        elif one["turn"]:
            command = f"ansible-playbook playbooks/{playbook}.yml -i inventories/{environment}"
            host.add(f"{nobody}: {playbook}.yml kept it off for its turn, and was ended before it let it in again", command)
        elif was_away:
            release = next(iter(releases)) if len(releases) == 1 else "<release>"
            command = f"ansible-playbook deploy.yml -i inventories/{environment} -e stack_release={release}"
            host.add(f"{nobody}, because it was away while others got another release: a deploy lets it in", command)
        else:
            options = json.dumps({"names": [name], "state": "serving"})
            command = f"ansible {balancer} -i inventories/{environment} -b -m morpheus.deploy.edge_upstream -a '{options}'"
            host.add(f"{nobody}, and no run of the history says why: somebody did it by hand", command)
    return found
