#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_placed
short_description: Tell a balancer which hosts have the routes of a stack
version_added: 0.1.0
description:
  - A balancer asks every host for everything, as long as every host has every route. For a route that some hosts do not have it
    asks only those that have it.
  - Which route a request meets is decided as the hosts' own edges decide it. So the balancer is told all routes of the stack.
  - HAProxy has to accept the configuration before it is put in place, and loads it without dropping a request. When it does not
    load it, all is as it was before.
attributes:
  check_mode:
    support: full
    description: Says whether anything would change, without asking HAProxy.
  diff_mode:
    support: full
    description: Shows the routes with their hosts, as the balancer was told before and is told now.
options:
  stack:
    description: The stack whose routes these are.
    type: str
    required: true
  routes:
    description:
      - The routes of the stack by their keys, as the edges of its hosts have them (host or C(*), path and a slash). Each with its
        C(hosts), as C(edge_upstreams) names them, and C(guarded), whether it says who may come. Empty when the balancer is to
        know nothing of the stack.
    type: dict
    required: true
  settle:
    description:
      - Whether to wait until connections that were open before are closed, 80 seconds at most, because one request of each may
        yet go by what the balancer was told before. For hosts that are going to lose a route.
    type: bool
    default: false
extends_documentation_fragment:
  - morpheus.deploy.attributes.balancer
  - morpheus.deploy.attributes.differences
  - morpheus.deploy.token.fenced
  - morpheus.deploy.run
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.edge_upstream
  - module: morpheus.deploy.edge_upstream_info
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Ask one host alone for a service that runs there
  morpheus.deploy.edge_placed:
    stack: shop
    routes:
      shop.example/:
        hosts: [app-1, app-2]
      shop.example/reports/:
        hosts: [app-2]
    token: "{{ lease_taken.token }}"
    run: "{{ lease_taken.run }}"
"""

RETURN = r"""
stack:
  description: What O(stack) says.
  returned: success
  type: str
  sample: shop
"""

import json
import re
from pathlib import Path
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT, STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state as edge_state
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.configuration import EdgeConfiguration
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths, edge_settings
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.placed import Placed, Routes, as_given, routes_of
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.validation import validate_edge
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

# It becomes the name of a file.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")


def tell(params: dict[str, Any], routes: Routes) -> bool:
    paths = EdgePaths(EDGE_ROOT)
    settings = edge_settings(paths)
    fence = Fence.of_host(STACKS_ROOT, params["token"], params["run"])
    fence.enter()
    own = engine.Engine(engine.connect(), edge_state.PROJECT)
    edge_state.require_whole(own)

    def validate(candidate: Path) -> str:
        fence.check()
        return validate_edge(own, settings, candidate)

    configuration = EdgeConfiguration(paths, validate)
    return Placed(paths).tell(configuration, params["stack"], routes, SystemClock(), settle=params["settle"])


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    leased.require(params, check_mode=module.check_mode)
    if not _NAME.match(params["stack"]):
        raise DeployError(f'stack: "{params["stack"]}" may hold only lower-case letters, digits, - and _')
    try:
        routes = routes_of(params["routes"])
    except (KeyError, TypeError) as exc:
        raise DeployError(f"routes: each must say its hosts, a list of names ({exc})") from exc
    placed = Placed(EdgePaths(EDGE_ROOT))
    before = placed.readable().get(params["stack"], {})
    changed = placed.differs(params["stack"], routes) if module.check_mode else tell(params, routes)
    return {"changed": changed, "stack": params["stack"], "diff": {"before": _shown(before), "after": _shown(routes)}}


def _shown(routes: Routes) -> str:
    return json.dumps(as_given(routes), indent=2) + "\n"


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "routes": {"type": "dict", "required": True},
            "settle": {"type": "bool", "default": False},
            "token": {"type": "int", "default": 0, "no_log": False},
            "run": {"type": "str", "default": ""},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
