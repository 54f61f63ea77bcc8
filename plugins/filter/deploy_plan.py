# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: deploy_plan
short_description: Put the plan of a deploy together
version_added: 0.1.0
description:
  - Joins what every host would do, migrations with their class, the lease, and all that speaks against the deploy. The callback
    P(morpheus.deploy.verdict#callback) prints it, and writes it as C(plan.json).
positional: _input, facts, prepared
options:
  _input:
    description: The configuration as the filter P(morpheus.deploy.stack_config#filter) gives it.
    type: dict
    required: true
  facts:
    description: What M(morpheus.deploy.preflight_info) returned, by host.
    type: dict
    required: true
  prepared:
    description: What M(morpheus.deploy.stack_release) returned in check mode, by host.
    type: dict
    required: true
  leases:
    description: What M(morpheus.deploy.lease) with O(morpheus.deploy.lease#module:state=read) returned, by host that keeps it.
    type: dict
    default: {}
  waits:
    description: How long a deploy would wait for the lease, in seconds.
    type: float
    default: 0.0
  migrations:
    description: What M(morpheus.deploy.supabase_migrations) returned in check mode.
    type: dict
    default: {}
  placing:
    description: What the filter P(morpheus.deploy.placing#filter) returned. Empty without a balancer.
    type: dict
    default: {}
extends_documentation_fragment:
  - morpheus.deploy.preflight
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Put the plan together
  ansible.builtin.set_fact:
    plan_report: "{{ preflight_config | morpheus.deploy.deploy_plan({'app-1': seen}, {'app-1': prepared}) }}"
"""

RETURN = r"""
_value:
  description: The plan. C(verdict) is C(ready), or C(refused) when a deploy would be.
  type: dict
  sample:
    environment: staging
    verdict: ready
    failed: false
    stack: shop
    release: 1.1.0
    release_id: 1.1.0-3f9a0c1d
    findings: []
    hosts: {app-1: {previous: 1.0.0, pending: true, plan: ["web: start 1 candidate"]}}
    batches: [[app-1]]
    migrations: {engine: "", pending: [], waiting: {}, forced: [], problem: ""}
    balancers: []
    lease: null
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def deploy_plan(
    config: Mapping[str, Any],
    facts: Mapping[str, Mapping[str, Any]],
    prepared: Mapping[str, Mapping[str, Any]],
    leases: Mapping[str, Mapping[str, Any]] | None = None,
    waits: float = 0.0,
    migrations: Mapping[str, Any] | None = None,
    database: Mapping[str, Any] | None = None,
    hosts: Sequence[str] = (),
    at_once: Sequence[int] = (1,),
    backup_hours: float = 0.0,
    placing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    # Loaded when it is needed: Ansible loads every filter of the collection at the start of each run.
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import plan
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import placed_routes
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.environment_status import EnvironmentStatus

    found = placed_routes.Placing(**(placing or {}))
    return plan.plan(
        config,
        facts,
        prepared,
        time.time(),
        lease=EnvironmentStatus.of(leases or {}, config["environment"], None).report(),
        keepers=list(leases or {}),
        waits=float(waits),
        migrations=migrations,
        database=database or {},
        environment_hosts=hosts,
        at_once=[int(size) for size in at_once],
        backup_hours=float(backup_hours),
        balancers=placed_routes.described(found) if found.tells else [],
        deaf=found.problems,
    )


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"deploy_plan": deploy_plan}
