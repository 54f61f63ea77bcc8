# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: preflight_findings
short_description: Judge what hosts show before a deploy
version_added: 0.1.0
description:
  - Says what speaks against a deploy, all of it at once. C(errors) refuse it, C(warnings) are only told.
positional: _input, limits, backup_hours, config, database, hosts, at_once
options:
  _input:
    description: What M(morpheus.deploy.preflight_info) returned, by host. A host without it is a finding.
    type: dict
    required: true
  limits:
    description: C(limits) as the filter P(morpheus.deploy.stack_config#filter) gives them.
    type: dict
    required: true
  config:
    description: The configuration, whose pools are counted, as the filter P(morpheus.deploy.stack_config#filter) gives it.
    type: dict
    default: {}
extends_documentation_fragment:
  - morpheus.deploy.preflight
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Judge
  ansible.builtin.set_fact:
    found: "{{ {'app-1': seen} | morpheus.deploy.preflight_findings(preflight_config.limits) }}"
"""

RETURN = r"""
_value:
  description: Sentences.
  type: dict
  sample:
    errors: []
    warnings: ["app-1: clock: the kernel says that nothing synchronises it; expected a clock that is kept right"]
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def preflight_findings(
    facts: Mapping[str, Mapping[str, Any]],
    limits: Mapping[str, Any],
    backup_hours: float = 0.0,
    config: Mapping[str, Any] | None = None,
    database: Mapping[str, Any] | None = None,
    hosts: Sequence[str] = (),
    at_once: Sequence[int] = (1,),
) -> dict[str, list[str]]:
    # Loaded when it is needed: Ansible loads every filter of the collection at the start of each run.
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight import judge
    from ansible_collections.morpheus.deploy.plugins.plugin_utils.preflight.finding import ERROR, Limits

    sizes = [int(size) for size in at_once]
    of_database = judge.database_findings(config, database or {}, hosts, sizes) if config and config.get("stack") else []
    found = judge.findings(facts, Limits.of(limits), time.time(), float(backup_hours), of_database)
    return {
        "errors": [one.text for one in found if one.level == ERROR],
        "warnings": [one.text for one in found if one.level != ERROR],
    }


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"preflight_findings": preflight_findings}
