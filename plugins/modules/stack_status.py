#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_status
short_description: Say what a host runs of a stack, and how it differs from the live release
version_added: 0.1.0
description:
  - Asks every replica that serves, at its own address, asks this host's edge as users do, and compares containers, networks,
    images, volumes and files with the live release.
  - Changes nothing and waits for no rollout that is at work.
attributes:
  diff_mode:
    description: What differs is in RV(ignore:drift).
extends_documentation_fragment:
  - morpheus.deploy.attributes.read_only
  - morpheus.deploy.engine.stacks
  - morpheus.deploy.stack
seealso:
  - module: morpheus.deploy.stack_info
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Ask what runs
  morpheus.deploy.stack_status:
    stack: morpheus
  register: status
"""

RETURN = r"""
live:
  description: Id of the live release; empty before the first deploy.
  returned: success
  type: str
  sample: 1.2.0-3f9a0c1d
release:
  description: Name of the live release.
  returned: success
  type: str
  sample: 1.2.0
since:
  description: When it went live, UTC.
  returned: success
  type: str
  sample: "2026-01-01T12:00:00Z"
rolling:
  description: Id of a release to which a rollout has begun that did not end; empty when there is none.
  returned: success
  type: str
  sample: ""
environment:
  description: The environment that the host belongs to; empty when none has claimed it.
  returned: success
  type: str
  sample: production
edge:
  description: C(up), C(maintenance), C(down), or C(cut off) when it runs and reaches no replica.
  returned: success
  type: str
  sample: up
services:
  description: Per service the replicas that are wanted, that run and that are well and serve.
  returned: success
  type: list
  elements: dict
  sample: [{name: api, wanted: 2, running: 2, healthy: 2}]
drift:
  description:
    - How containers, networks, images, volumes, the edge and files differ from the live release, and what keeps users from being
      served although they do not. A sentence each.
  returned: success
  type: list
  elements: str
  sample: ["morpheus-api-9 was started by hand"]
dependencies:
  description:
    - What services depend on and call down in the answer of their health endpoint, well or not. A sentence each. It is no drift.
  returned: success
  type: list
  elements: str
  sample: ["api: 2 of 2 replicas say that ml is not well: down: HTTP 401"]
pins:
  description: The ML endpoints that the live release is pinned to, by name.
  returned: success
  type: dict
  sample: {"comic": {"id": "abc123", "model": "comic-xl", "version": "1.4.0", "called": "comic@1f2e3d4c"}}
mend:
  description: Commands that mend the drift, where commands do, in the order in which they are to be typed.
  returned: success
  type: list
  elements: str
  sample: ["ansible-playbook deploy.yml -i inventories/production -e stack_release=1.2.0"]
backups:
  description: What this host remembers of the last verified backup, the last drill and the data that it has brought.
  returned: success
  type: dict
  sample: {backup: {at: "2026-11-27T02:00:03Z", name: 20261127t020000z}}
versions:
  description: Versions of operating system, engine, Compose and the HAProxy that serves. One that does not answer is left out.
  returned: success
  type: dict
  sample: {os: Debian GNU/Linux 13 (trixie), engine: 26.1.5, compose: 2.26.1, edge: 3.0.11}
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.news import News
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine, everything
from ansible_collections.morpheus.deploy.plugins.module_utils.facts import readiness
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import status
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    client = engine.connect()
    host = StackHost(module.params["stack"], client)
    found = status.look(host)
    for note in host.releases.notes:
        module.warn(note)
    return {"changed": False, **found, "backups": _backups(module), "versions": readiness.versions(everything.Everything(client))}


def _backups(module: AnsibleModule) -> dict[str, Any]:
    """Nothing of the stack is unknown because of them."""
    try:
        return News().read()
    except DeployError as exc:
        module.warn(str(exc))
        return {}


@in_words
def main() -> None:
    run_module(AnsibleModule(argument_spec={"stack": {"type": "str", "required": True}}, supports_check_mode=True), body)


if __name__ == "__main__":
    main()
