# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: status_report
short_description: Put the status of an environment together
version_added: 0.1.0
description:
  - Joins what the hosts say, the lease and the last runs. The callback P(morpheus.deploy.verdict#callback) prints it.
positional: _input, leases, environment, balancers
options:
  _input:
    description: What M(morpheus.deploy.stack_status) returned, by host.
    type: dict
    required: true
  leases:
    description: What M(morpheus.deploy.lease) returned with C(state=read), by host that keeps the lease.
    type: dict
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
  balancers:
    description: What M(morpheus.deploy.edge_upstream_info) returned, by balancer.
    type: dict
    default: {}
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Put the status together
  ansible.builtin.set_fact:
    status_report: "{{ {'app-1': status} | morpheus.deploy.status_report({'app-1': lease}, 'staging') }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  sample:
    environment: staging
    hosts: {app-1: {live: 1.2.0-3f9a0c1d, release: 1.2.0}}
    lease: null
    lease_problem: ""
    lease_unread: {}
    balancers_unread: {}
    runs: []
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.lease import away, history
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import kept_off

KEYS = ("environment", "live", "release", "since", "rolling", "edge", "services", "drift", "dependencies", "mend", "msg")
RUNS = 5


def status_report(
    hosts: Mapping[str, Mapping[str, Any]],
    leases: Mapping[str, Mapping[str, Any]],
    environment: str,
    balancers: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """``lease_unread``: why hosts that keep the lease did not say who has it, by host; ``balancers_unread`` likewise."""
    read = {name: lease for name, lease in leases.items() if "holder" in lease and not lease.get("failed")}
    unread = {name: _why(lease) for name, lease in leases.items() if name not in read}
    runs = history.merged(lease.get("history") or [] for lease in read.values())
    shown = {name: {key: host[key] for key in KEYS if key in host} for name, host in hosts.items()}
    for name, sentence in away.sentences(hosts, runs).items():
        shown[name]["away"] = sentence
    holder = _holder([lease["holder"] for lease in read.values() if lease["holder"]])
    asked = {name: found for name, found in (balancers or {}).items() if "kept_off" in found}
    for name, found in kept_off.at_balancers(hosts, asked, runs, holder, environment).items():
        shown[name]["kept_off"] = found.sentences
        shown[name]["mend"] = [*shown[name].get("mend", []), *found.mend]
    return {
        "environment": environment,
        "hosts": shown,
        # Where nobody knows what runs.
        "unknown": sorted(name for name, host in hosts.items() if "live" not in host),
        "lease": holder,
        # Nobody knows whether a lease is free that could not be read.
        "lease_problem": "" if read else "; ".join(f"{name} {why}" for name, why in unread.items()),
        "lease_unread": unread,
        "balancers_unread": {name: _why(found) for name, found in (balancers or {}).items() if name not in asked},
        "runs": runs[-RUNS:],
    }


def _holder(holders: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of several the one that lives, and of those the one that most hosts name."""
    runs = [holder["run"] for holder in holders]
    return max(holders, key=lambda holder: (holder["alive"], runs.count(holder["run"])), default=None)


def _why(lease: Mapping[str, Any]) -> str:
    return "could not be reached" if lease.get("unreachable") else str(lease.get("msg") or "gave no answer")


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status_report": status_report}
