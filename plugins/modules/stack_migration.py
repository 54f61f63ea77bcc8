#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_migration
short_description: Bring the database's schema to what a prepared release needs
version_added: 0.1.0
description:
  - Runs the stack's migration service once, in a one-off container of the release's own image, before any of its replicas
    gets traffic. When the module returns, that container has ended with exit code 0.
  - When it has not ended in time, the container is stopped with its grace period. Whether it failed or was stopped, its last
    log lines are in the message, and the container is removed.
  - The container does not depend on this module. When that is killed the migration works on, and the next run of this module or
    of M(morpheus.deploy.stack_release) on the host finds it; a migration of the same release is waited for, another one refused.
  - The migration itself must be idempotent and must hold a lock of its own while it works, which also keeps one apart that a
    host outside of the run has left; running the module again runs it again.
attributes:
  check_mode:
    support: none
    description: What a migration would do cannot be known without running it.
  diff_mode:
    support: none
    description: The database tells nothing about what it was before.
  idempotent:
    support: partial
    description: As idempotent as the migration is.
options:
  release_id:
    description: Id of a release that M(morpheus.deploy.stack_release) prepared on this host.
    type: str
    required: true
  without_lease:
    description: That it is meant to be done without a lease. Without this, C(0) as O(token) is refused.
extends_documentation_fragment:
  - morpheus.deploy.engine.stacks
  - morpheus.deploy.stack
  - morpheus.deploy.token.fenced
  - morpheus.deploy.run
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.stack_release
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Migrate before any host is switched
  run_once: true
  morpheus.deploy.stack_migration:
    stack: morpheus
    release_id: "{{ prepared.id }}"
    token: "{{ lease_taken.token }}"
"""

RETURN = r"""
result:
  description: What the migration printed as one line of JSON, when it did.
  returned: success
  type: dict
  sample: {applied: ["0001"], head: "0001"}
answered:
  description: True. A failure without it is one of a module that was killed, and its migration may still be at work.
  returned: on failure
  type: bool
  sample: true
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base import others_json
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, FencedError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrate import migrate
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.migrations import Migrations
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import explained, in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    about["answered"] = True
    leased.require(module.params, check_mode=False)
    try:
        host = StackHost(module.params["stack"], engine.connect())
        with alone(host, module.params["token"], module.params["run"]) as fence:
            output = migrate(host, module.params["release_id"], Migrations(host.one_offs, fence.check))
    except (DeployError, FencedError, OSError) as exc:
        raise DeployError(f"the migration failed, and no host was switched: {explained(exc)}") from exc
    result = _last_json(output)
    return {"changed": bool(result.get("applied", True)), "result": result}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "release_id": {"type": "str", "required": True},
            "token": {"type": "int", "default": 0, "no_log": False},
            "run": {"type": "str", "default": ""},
            "without_lease": leased.WITHOUT_LEASE,
        },
    )
    run_module(module, body)


def _last_json(output: str) -> dict[str, object]:
    for line in reversed(output.splitlines()):
        try:
            found = others_json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}


if __name__ == "__main__":
    main()
