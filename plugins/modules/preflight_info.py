#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_info
short_description: Read what a host shows before a deploy
version_added: 0.1.0
description:
  - Reads clock, memory, disks, versions of engine, Compose and HAProxy, certificates without their keys, and what the host
    remembers of backups; and, where that is asked for, the alerts that fire.
  - Judges nothing. The filter P(morpheus.deploy.preflight_findings#filter) does.
options:
  asked:
    description: The controller's time when it asks, in seconds since the epoch. Given back, so that clocks can be compared.
    type: float
    default: 0.0
  alerts:
    description: Whether the alerts are read that fire.
    type: bool
    default: false
  alertmanager_url:
    description: Where Alertmanager answers. Empty for the container of a service C(alertmanager) on this host.
    type: str
    default: ""
attributes:
  diff_mode:
    description: Changes nothing.
extends_documentation_fragment:
  - morpheus.deploy.attributes.read_only
  - morpheus.deploy.engine.stacks
seealso:
  - module: morpheus.deploy.stack_audit
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Look at the host
  morpheus.deploy.preflight_info:
    asked: "{{ now().timestamp() }}"
  register: seen
"""

RETURN = r"""
asked:
  description: What O(asked) says.
  returned: success
  type: float
  sample: 1764000000.0
time:
  description: The host's time, in seconds since the epoch.
  returned: success
  type: float
  sample: 1764000000.4
synchronised:
  description: Whether the kernel says that something keeps its clock right. Null where it does not say.
  returned: success
  type: bool
  sample: true
memory:
  description: Bytes that programs can still get, and that there are. Empty where the kernel does not say.
  returned: success
  type: dict
  sample: {available: 2147483648, total: 4294967296}
disks:
  description: File systems of this collection's files and of the engine's.
  returned: success
  type: list
  elements: dict
  sample: [{path: /var/lib/docker, free: 5000000000, total: 20000000000, inodes_free: 900000, inodes: 1000000}]
versions:
  description: Versions of engine, Compose and the HAProxy that serves. Empty where one does not answer.
  returned: success
  type: dict
  sample: {engine: 26.1.5, compose: 2.26.1, edge: 3.0.11}
certificates:
  description: Certificates that the edge serves with, by name, in PEM.
  returned: success
  type: dict
  sample: {www.example.com: "-----BEGIN CERTIFICATE-----"}
backups:
  description: What the host was last told of backups, by kind.
  returned: success
  type: dict
  sample: {backup: {at: "2026-11-27T02:00:03Z", name: 20261127t020000z}}
alerts:
  description: Alerts that fire and that nobody has silenced. Null where none were asked for, or nobody answered.
  returned: success
  type: list
  elements: dict
  sample: [{name: HighErrorRate, severity: page, host: app-1, since: "2026-11-27T02:00:03", summary: 5 % of requests fail}]
trouble:
  description: What could not be looked at, with the reason.
  returned: success
  type: dict
  sample: {}
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine, everything
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import readiness
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    here = everything.Everything(engine.connect())
    found, alerts = readiness.look(here), None
    if params["alerts"]:
        try:
            alerts = readiness.firing(params["alertmanager_url"] or readiness.alertmanager(here))
        except DeployError as exc:
            found["trouble"]["alerts"] = str(exc)
    return {"changed": False, "asked": params["asked"], **found, "alerts": alerts}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "asked": {"type": "float", "default": 0.0},
            "alerts": {"type": "bool", "default": False},
            "alertmanager_url": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
