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
positional: _input, names, hosts, leases, environment, balancers, ages, supabase, ledgers
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
    required: true
  ledgers:
    description: What a loop of M(morpheus.deploy.stack_ledger) over the stacks registered on some hosts, by host.
    type: dict
    default: {}
extends_documentation_fragment:
  - morpheus.deploy.environment
  - morpheus.deploy.environment_status
  - morpheus.deploy.several_stacks
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
  description: >-
    What P(morpheus.deploy.status_report#filter) returns, with C(hosts) empty and the hosts of each stack in C(stacks), and in the
    place of C(schema) that of each stack that has one in C(schemas).
  type: dict
  sample:
    hosts: {}
    stacks: {web: {app-1: {live: 1.2.0-3f9a0c1d, release: 1.2.0}}}
    schemas: {web: {source: live, host: app-1, head: "20260101000000"}}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.environment_status import EnvironmentStatus


def stacks_status_report(
    asked: Mapping[str, Mapping[str, Any]],
    names: Sequence[str],
    hosts: Mapping[str, Sequence[str]],
    leases: Mapping[str, Mapping[str, Any]],
    environment: str,
    balancers: Mapping[str, Mapping[str, Any]] | None = None,
    ages: Mapping[str, float] | None = None,
    supabase: Mapping[str, Any] | None = None,
    ledgers: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """``stacks``: stack -> host -> what is shown of it; ``schemas``: stack -> what its database has."""
    from ansible_collections.morpheus.deploy.plugins.module_utils.lease import away
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import (
        backups,
        environment_status,
        schema_status,
        stacks_status,
    )
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run.environment_status import EnvironmentStatus

    whole = EnvironmentStatus.of(leases, environment, balancers, supabase)
    answers = stacks_status.by_stack(asked, names, hosts)
    shown: dict[str, dict[str, dict[str, Any]]] = {}
    for name, said in answers.items():
        shown[name] = {host: environment_status.shown(one) for host, one in said.items()}
        for one in shown[name].values():
            one |= {"mend": stacks_status.mend(name, one["mend"])} if one.get("mend") else {}
        for host, sentence in away.sentences(said, stacks_status.runs_of(name, whole.runs)).items():
            shown[name][host]["away"] = sentence
    _tell_balancers(shown, answers, whole)
    told = {f"{name} on {host}": one for name, said in answers.items() for host, one in said.items()}
    unknown = set[str]().union(*map(environment_status.unknown, answers.values()))
    schemas = {name: schema_status.told(said) for name, said in stacks_status.by_stack(ledgers or {}, names, hosts).items()}
    return {
        **whole.report(),
        "backups": backups.told(told, ages or {}),
        "schemas": {name: schema for name, schema in schemas.items() if schema},
        "hosts": {},
        "stacks": shown,
        "unknown": sorted(unknown),
    }


def _tell_balancers(
    shown: dict[str, dict[str, dict[str, Any]]],
    answers: Mapping[str, Mapping[str, Mapping[str, Any]]],
    whole: EnvironmentStatus,
) -> None:
    """Whom balancers keep off is so of the host, so it is said with the first stack that it has."""
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.run import stacks_status

    told: set[str] = set()
    for name, said in answers.items():
        for host, found in whole.kept_off(said).items():
            if host not in told:
                told.add(host)
                one = shown[name][host]
                one["kept_off"] = found.sentences
                one["mend"] = [*one.get("mend", []), *stacks_status.mend_all(found.mend)]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"stacks_status_report": stacks_status_report}
