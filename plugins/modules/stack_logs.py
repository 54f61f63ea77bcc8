#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_logs
short_description: Read what the replicas of a host, its jobs and its edge have logged lately
version_added: 0.1.0
description:
  - Asks the engine, so a log is read that the driver C(json-file), C(local) or C(journald) keeps.
  - Secrets of this host are masked and what acts on a terminal is made visible, before a line leaves the host.
  - Changes nothing and waits for no rollout that is at work.
extends_documentation_fragment:
  - morpheus.deploy.attributes.read_only
  - morpheus.deploy.engine.stacks
options:
  stack:
    description: Name of a stack; all stacks of the host when it is empty. The edge is no stack's and is read with each.
    type: str
    default: ""
  services:
    description: Names of services, C(edge) for the edge; all when it is empty.
    type: list
    elements: str
    default: []
  since:
    description: How far back, as C(90s), C(10m), C(2h) or C(1d).
    type: str
    default: 10m
  request:
    description: Only lines that name this id of a request.
    type: str
    default: ""
  lines:
    description: How many lines are returned at most, the newest ones.
    type: int
    default: 2000
seealso:
  - module: morpheus.deploy.stack_status
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Follow one request through the logs of a host
  morpheus.deploy.stack_logs:
    request: 7d1f2a36-95b4-4c5e-8f3e-2b8f6f6f1d11
    since: 1h
  register: logs
"""

RETURN = r"""
lines:
  description: What was logged, oldest first, with the engine's time, UTC.
  returned: success
  type: list
  elements: dict
  sample:
    - time: "2026-01-01T12:00:00.123456789Z"
      stack: morpheus
      service: api
      replica: morpheus-api-3
      release: 1.2.0
      text: '{"level": "info", "message": "request"}'
left_out:
  description: How many older lines there are beside these.
  returned: success
  type: int
  sample: 0
unread:
  description: Which logs cannot be read, and why. A sentence each.
  returned: success
  type: list
  elements: str
  sample: []
services:
  description: What can be asked for on this host, C(<stack>.<service>) and C(edge).
  returned: success
  type: list
  elements: str
  sample: [edge, morpheus.api]
"""

import time
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.logs import lines, recent, sources
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    options = module.params
    seconds = lines.seconds(options["since"])
    if not seconds:
        raise DeployError(f'since: "{options["since"]}" is no time; write 90s, 10m, 2h or 1d')
    if options["request"] and not lines.REQUEST_ID.fullmatch(options["request"]):
        raise DeployError(
            "request: an id has 8 to 64 letters, digits, dots, - and _, as the header X-Request-Id of an answer says"
        )
    if options["lines"] < 1:
        raise DeployError(f"lines: {options['lines']} must be at least 1")
    client = engine.connect()
    every = sources.every(client)
    chosen = sources.chosen(every, options["stack"], options["services"])
    found, left_out, unread = recent.read(client, chosen, time.time() - seconds, options["request"], options["lines"])
    known = sorted({one.service if one.service == sources.EDGE else f"{one.stack}.{one.service}" for one in every})
    return {"changed": False, "lines": found, "left_out": left_out, "unread": unread, "services": known}


@in_words
def main() -> None:
    spec: dict[str, Any] = {
        "stack": {"type": "str", "default": ""},
        "services": {"type": "list", "elements": "str", "default": []},
        "since": {"type": "str", "default": "10m"},
        "request": {"type": "str", "default": ""},
        "lines": {"type": "int", "default": 2000},
    }
    run_module(AnsibleModule(argument_spec=spec, supports_check_mode=True), body)


if __name__ == "__main__":
    main()
