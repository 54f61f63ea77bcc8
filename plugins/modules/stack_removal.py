#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_removal
short_description: Take a stack off a host
version_added: 0.1.0
description:
  - When the module returns, the host has neither routes nor containers, networks, releases, secrets and images of the stack. Its
    users are let go of as by any rollout, requests that have begun end within C(drain_seconds) of its live release.
  - Data stays unless O(data) asks for it. That is volumes that Compose has made, and what lies in the project directory and no
    release has brought.
  - A stack is refused whose migration or job is at work.
attributes:
  check_mode:
    support: full
    description: Says what would be removed and what would stay, and removes nothing.
  diff_mode:
    support: none
    description: What goes is in RV(plan).
  idempotent:
    support: full
    description: A host that has nothing of the stack is left as it is. One that was killed half-way is finished by the next.
options:
  data:
    description: Whether its data goes, too.
    type: bool
    default: false
extends_documentation_fragment:
  - morpheus.deploy.engine.stacks
  - morpheus.deploy.stack
  - morpheus.deploy.token.fenced
  - morpheus.deploy.run
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.stack_rollout
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Take the stack away, and leave its data
  morpheus.deploy.stack_removal:
    stack: gateway
    token: "{{ lease_taken.token }}"
    run: "{{ lease_taken.run }}"
"""

RETURN = r"""
here:
  description: Whether the host had anything of the stack.
  returned: success
  type: bool
  sample: true
release:
  description: Name of the release that was live; empty when there was none.
  returned: success
  type: str
  sample: 1.2.0
plan:
  description: What was removed, or would be, a sentence each.
  returned: success
  type: list
  elements: str
  sample: ["remove the network edge.gateway", "remove releases, secrets and files"]
routes:
  description: For those who tell balancers, as RV(morpheus.deploy.stack_release#module:routes). Nothing is wanted.
  returned: success
  type: dict
  sample: {now: [shop.example/], wanted: {}}
kept:
  description: Data that is still there.
  returned: success
  type: list
  elements: str
  sample: ["volume gateway_cache"]
drained:
  description: Requests that have ended by themselves.
  returned: success
  type: int
  sample: 3
cut:
  description: Requests and tunnels that had to be cut.
  returned: success
  type: int
  sample: 0
"""

import re
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import hosted
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.host.host import StackHost
from ansible_collections.morpheus.deploy.plugins.module_utils.host.lock import alone
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import measured
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.removal import Left, Removal
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

# It becomes a path that is removed.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    about["begun"] = False
    leased.require(params, check_mode=module.check_mode)
    if not _NAME.match(params["stack"]):
        raise DeployError(f'stack: "{params["stack"]}" may hold only lower-case letters, digits, - and _')
    host = StackHost(params["stack"], engine.connect())
    removal = Removal(host)
    routes = hosted.now(host.edge_paths, host.stack)
    found = removal.look()
    if module.check_mode or not found.plan(with_data=params["data"]):
        return _result(found, routes, data=params["data"])
    with alone(host, params["token"], params["run"]) as fence:
        # Whoever was at work before may have changed it.
        found = removal.look()
        about["begun"] = True
        done = removal.execute(found, fence, with_data=params["data"])
        measured.forget(host.releases)
    for note in host.engine.kept:
        module.warn(note)
    return _result(found, routes, data=params["data"], **done)


def _result(found: Left, routes: list[str], *, data: bool, drained: int = 0, cut: int = 0) -> dict[str, Any]:
    plan = found.plan(with_data=data)
    return {
        "changed": bool(plan),
        "here": bool(plan),
        "release": found.release,
        "plan": plan,
        "routes": {"now": routes, "wanted": {}},
        "kept": [] if data else found.stays,
        "drained": drained,
        "cut": cut,
    }


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "data": {"type": "bool", "default": False},
            "token": {"type": "int", "default": 0, "no_log": False},
            "run": {"type": "str", "default": ""},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
