#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: log_shipping
short_description: Bring the program that sends a host's logs to a syslog server or to Loki
version_added: 0.1.0
description:
  - Writes the program and its configuration. The role P(morpheus.deploy.logs#role) runs it as a service.
  - The program reads the logs of replicas, jobs and the edge from the engine, masks the secrets of this host in them, and says of
    each line environment, host, stack, service, replica and release.
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: none
    description: There is nothing to show but a program and a login.
  idempotent:
    support: full
    description: Nothing is written when nothing changed.
extends_documentation_fragment:
  - morpheus.deploy.engine
options:
  target:
    description: V(syslog) or V(loki). Empty where logs are not sent; then program and configuration are removed.
    type: str
    choices: ["", syslog, loki]
    default: ""
  environment:
    description: Name of the environment.
    type: str
    required: true
  host:
    description: What this host is called in the logs.
    type: str
    required: true
  address:
    description: Host and port of the syslog server, as C(logs.example.com:6514).
    type: str
    default: ""
  tls:
    description: Whether the syslog server is spoken to by TLS.
    type: bool
    default: true
  url:
    description: URL of the Loki, without C(/loki/api/v1/push).
    type: str
    default: ""
  tenant:
    description: Tenant of the Loki (C(X-Scope-OrgID)).
    type: str
    default: ""
  user:
    description: User of the Loki.
    type: str
    default: ""
  password:
    description: Password of the user.
    type: str
    default: ""
  ca:
    description: Certificate, in PEM, of the authority that signed the target's own; those that the host trusts when it is empty.
    type: str
    default: ""
  retention_days:
    description: How long the target is asked to keep lines; each carries it as C(retention). 0 where that is not said.
    type: int
    default: 0
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Send the logs to Loki
  morpheus.deploy.log_shipping:
    target: loki
    environment: staging
    host: "{{ inventory_hostname }}"
    url: https://loki.example.com
    retention_days: 14
"""

RETURN = r"""
changes:
  description: Names of the files that were written or removed.
  returned: success
  type: list
  elements: str
  sample: [config.json, shipper.pyz]
program:
  description: Path of the program; empty where logs are not sent.
  returned: success
  type: str
  sample: /var/lib/morpheus.deploy/logs/shipper.pyz
python:
  description: The Python that it runs with, which has the library of the engine.
  returned: success
  type: str
  sample: /usr/bin/python3
"""

import sys
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import LOGS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import options
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    files = options.wanted(module.params, LOGS_ROOT)
    changed = options.changes(files, LOGS_ROOT)
    if not module.check_mode:
        options.apply(files, LOGS_ROOT)
    place = str(LOGS_ROOT / options.PROGRAM) if files else ""
    return {"changed": bool(changed), "changes": changed, "program": place, "python": sys.executable}


@in_words
def main() -> None:
    spec: dict[str, Any] = {
        "target": {"type": "str", "choices": ["", "syslog", "loki"], "default": ""},
        "environment": {"type": "str", "required": True},
        "host": {"type": "str", "required": True},
        "address": {"type": "str", "default": ""},
        "tls": {"type": "bool", "default": True},
        "url": {"type": "str", "default": ""},
        "tenant": {"type": "str", "default": ""},
        "user": {"type": "str", "default": ""},
        "password": {"type": "str", "default": "", "no_log": True},
        "ca": {"type": "str", "default": ""},
        "retention_days": {"type": "int", "default": 0},
    }
    run_module(AnsibleModule(argument_spec=spec, supports_check_mode=True), body)


if __name__ == "__main__":
    main()
