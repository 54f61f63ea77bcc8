# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: stacks_status_report
short_description: Put the status of an environment with several stacks together
version_added: 0.1.0
description:
  - Like P(morpheus.deploy.status_report#filter), with what the hosts say of each stack.
positional: _input, names, hosts, leases, environment, balancers
options:
  _input:
    description: What a loop of M(morpheus.deploy.stack_status) over the stacks registered, by host.
    type: dict
    required: true
  names:
    description: The stacks, in order.
    type: list
    elements: str
    required: true
  hosts:
    description: Hosts by stack, of those that do not run on every one.
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
    status_report: "{{ answers | morpheus.deploy.stacks_status_report(['gateway', 'web'], {}, leases, 'staging') }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  sample:
    environment: staging
    hosts: {}
    stacks: {web: {app-1: {live: 1.2.0-3f9a0c1d, release: 1.2.0}}}
    lease: null
    lease_problem: ""
    lease_unread: {}
    balancers_unread: {}
    runs: []
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.morpheus.deploy.plugins.filter import status_report as of_one
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import away, history
from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import kept_off, stacks_status


def stacks_status_report(
    asked: Mapping[str, Mapping[str, Any]],
    names: Sequence[str],
    hosts: Mapping[str, Sequence[str]],
    leases: Mapping[str, Mapping[str, Any]],
    environment: str,
    balancers: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """``stacks``: stack -> host -> what is shown of it."""
    whole = of_one.status_report({}, leases, environment, balancers)
    runs = history.merged(
        lease.get("history") or [] for lease in leases.values() if "holder" in lease and not lease.get("failed")
    )
    answers = stacks_status.by_stack(asked, names, hosts)
    shown: dict[str, dict[str, dict[str, Any]]] = {}
    for name, said in answers.items():
        shown[name] = {host: {key: one[key] for key in of_one.KEYS if key in one} for host, one in said.items()}
        for one in shown[name].values():
            one |= {"mend": stacks_status.mend(name, one["mend"])} if one.get("mend") else {}
        for host, sentence in away.sentences(said, stacks_status.runs_of(name, runs)).items():
            shown[name][host]["away"] = sentence
    _tell_balancers(shown, answers, balancers or {}, runs, whole["lease"], environment)
    unknown = {host for said in answers.values() for host, one in said.items() if "live" not in one}
    return {**whole, "stacks": shown, "unknown": sorted(unknown)}


def _tell_balancers(
    shown: dict[str, dict[str, dict[str, Any]]],
    answers: Mapping[str, Mapping[str, Mapping[str, Any]]],
    balancers: Mapping[str, Mapping[str, Any]],
    runs: Sequence[Mapping[str, Any]],
    holder: Mapping[str, Any] | None,
    environment: str,
) -> None:
    """Whom balancers keep off is so of the host, so it is said with the first stack that it has."""
    asked = {name: found for name, found in balancers.items() if "kept_off" in found}
    told: set[str] = set()
    for name, said in answers.items():
        for host, found in kept_off.at_balancers(said, asked, runs, holder, environment).items():
            if host not in told:
                told.add(host)
                one = shown[name][host]
                one["kept_off"] = found.sentences
                one["mend"] = [*one.get("mend", []), *stacks_status.mend_all(found.mend)]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"stacks_status_report": stacks_status_report}
