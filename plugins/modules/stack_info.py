#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_info
short_description: Say which releases of a stack a host holds, and what runs there
version_added: 0.1.0
description:
  - Reads what is on the host. It changes nothing, waits for nobody and needs neither a registry nor a secret of the controller.
extends_documentation_fragment:
  - morpheus.deploy.attributes.read_only
  - morpheus.deploy.engine.stacks
  - morpheus.deploy.stack
seealso:
  - module: morpheus.deploy.stack_rollout
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Read what the hosts hold
  morpheus.deploy.stack_info:
    stack: morpheus
  register: info
"""

RETURN = r"""
live:
  description: Id of the live release; empty before the first deploy.
  returned: success
  type: str
  sample: 1.2.0-3f9a0c1d
live_release:
  description: Name of the live release.
  returned: success
  type: str
  sample: 1.2.0
previous:
  description: Id of the last release before it that was live and has not failed since; empty when there is none.
  returned: success
  type: str
  sample: 1.1.0-77b1e4d2
rolling:
  description: A rollout to another release that began and did not end. Empty when there is none.
  returned: success
  type: dict
  sample: {id: 1.2.0-3f9a0c1d, kind: deploy}
schema:
  description: The database's schema after the last migration from this host.
  returned: success
  type: dict
  sample: {head: "0003", compatible_since: "0001"}
migrating:
  description: A sentence for each migration that is at work on this host, with the commands that show and stop it.
  returned: success
  type: list
  elements: str
  sample: ["the migration of release 1.2.0-3f9a0c1d is still at work on this host: container shop-migrate-run-1c2d, ..."]
routes:
  description: Keys of the routes that the stack has on this host.
  returned: success
  type: list
  elements: str
  sample: [shop.example/]
releases:
  description:
    - The retained releases, with what a rollback to each would miss. C(problem) says why one cannot be gone back to at all,
      because its manifest cannot be read. C(routes) are as in RV(morpheus.deploy.stack_release#module:routes.wanted).
  returned: success
  type: list
  elements: dict
  sample:
    - id: 1.1.0-77b1e4d2
      release: 1.1.0
      status: superseded
      at: "2026-01-01T12:00:00Z"
      why: ""
      jobs: [setup]
      created: "2026-01-01T11:00:00Z"
      git_sha: 1c3a9d0e
      schema: {head: "0002", compatible_since: ""}
      missing_images: []
      missing_secrets: []
      problem: ""
      routes: {shop.example/: {here: true, guarded: false}}
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import retained as info
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    host = StackHost(module.params["stack"], engine.connect())
    found = info.releases(host)
    for note in host.releases.notes:
        module.warn(note)
    return {"changed": False, **found}


@in_words
def main() -> None:
    run_module(AnsibleModule(argument_spec={"stack": {"type": "str", "required": True}}, supports_check_mode=True), body)


if __name__ == "__main__":
    main()
