# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: audit_report
short_description: Judge what an audit has collected
version_added: 0.1.0
description:
  - Puts the facts of all hosts together, compares the fingerprints of the environment's secrets with those of others, and says
    what is wrong, by level. The callback P(morpheus.deploy.verdict#callback) prints and writes it.
  - Names keys, and never a value.
positional: _input, environment, stack
options:
  _input:
    description: What M(morpheus.deploy.stack_audit) returned, by host. A host without it is a finding.
    type: dict
    required: true
  stack:
    description: The stack's configuration; of it C(name) and C(database) are read.
    type: dict
    required: true
  secrets:
    description: C(stack_secrets) when the vault was opened; only names are read. Without it they come from the live release.
    type: dict
  secret_files:
    description: C(stack_secret_files) when the vault was opened; only names are read.
    type: dict
  fingerprints:
    description: C(stack_fingerprints), the environment's own file.
    type: path
    default: ""
  other_fingerprints:
    description: Files of the other environments. Without it, every directory beside the inventory's own that has C(group_vars).
    type: list
    elements: path
  shared_secrets:
    description: Names of secrets that environments may share.
    type: list
    elements: str
    default: []
  max_age_days:
    description: Days after which a secret is too old.
    type: int
    default: 180
  max_age_days_by_name:
    description: The same for single secrets, by name.
    type: dict
    default: {}
  allowed_ports:
    description: What may listen, as C(443), C(53/udp) or C(10.0.0.5:9100).
    type: list
    elements: raw
    default: [22, 80, 443]
  baselines:
    description: The environment's file with the SHA-256 of each host's baseline, as C(playbooks/claim.yml) writes it.
    type: path
    default: ""
  supabase:
    description:
      - What was seen of the environment's Supabase project and tried of others, as the role C(supabase) keeps it.
      - Empty without one.
    type: dict
    default: {}
extends_documentation_fragment:
  - morpheus.deploy.environment
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Judge
  ansible.builtin.set_fact:
    audit_report: "{{ {'app-1': facts} | morpheus.deploy.audit_report('staging', {'name': 'shop'}) }}"
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
  sample:
    environment: staging
    verdict: passed
    counts: {high: 0, medium: 1, low: 0, accepted: 0, passed: 60}
    findings: []
"""

from collections.abc import Callable, Mapping
from typing import Any


def audit_report(hosts: Mapping[str, Mapping[str, Any]], *arguments: Any, **options: Any) -> dict[str, Any]:
    # Loaded when it is needed: Ansible loads every filter of the collection at the start of each run.
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.audit import judge as audited

    return audited.audit_report(hosts, *arguments, **options)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"audit_report": audit_report}
