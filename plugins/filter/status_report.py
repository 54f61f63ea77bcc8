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
positional: _input, leases, environment, balancers, ages, supabase, ledgers
options:
  _input:
    description: What M(morpheus.deploy.stack_status) returned, by host.
    type: dict
    required: true
  ledgers:
    description: Which migrations the database has, as M(morpheus.deploy.stack_ledger) said on some hosts, by host.
    type: dict
    default: {}
extends_documentation_fragment:
  - morpheus.deploy.environment
  - morpheus.deploy.environment_status
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
    balancers_damaged: {}
    backups: []
    schema: {}
    supabase: {declared: true, drift: [], waiting: [], rotation: [], problem: ""}
    runs: []
"""

from collections.abc import Callable, Mapping
from typing import Any


def status_report(
    hosts: Mapping[str, Mapping[str, Any]],
    leases: Mapping[str, Mapping[str, Any]],
    environment: str,
    balancers: Mapping[str, Mapping[str, Any]] | None = None,
    ages: Mapping[str, float] | None = None,
    supabase: Mapping[str, Any] | None = None,
    ledgers: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    from ansible_collections.morpheus.deploy.plugins.module_utils.lease import away
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import backups, environment_status, schema_status
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.environment_status import EnvironmentStatus

    whole = EnvironmentStatus.of(leases, environment, balancers, supabase)
    shown = {name: environment_status.shown(host) for name, host in hosts.items()}
    for name, sentence in away.sentences(hosts, whole.runs).items():
        shown[name]["away"] = sentence
    for name, found in whole.kept_off(hosts).items():
        shown[name]["kept_off"] = found.sentences
        shown[name]["mend"] = [*shown[name].get("mend", []), *found.mend]
    return {
        **whole.report(),
        "backups": backups.told(hosts, ages or {}),
        "schema": schema_status.told(ledgers or {}),
        "hosts": shown,
        "unknown": sorted(environment_status.unknown(hosts)),
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status_report": status_report}
