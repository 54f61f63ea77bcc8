#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_maintenance
short_description: Switch maintenance of a host's edge on or off without cutting a connection
version_added: 0.1.0
description:
  - While maintenance is on, the edge answers every request with status 503 and C(Retry-After), browsers with a page and
    programs with JSON. Exempt paths, such as that of health checks, are answered as ever.
  - Nothing is reloaded. Requests and tunnels that have begun go on to their end.
  - What was switched stays, whether HAProxy reloads or restarts, through deploys, and when the role C(edge) runs.
  - The page, C(Retry-After) and the exempt paths are variables of the role.
attributes:
  diff_mode:
    support: full
    description: Shows the state in the file and in each of HAProxy's workers.
options:
  state:
    description: Whether maintenance is to be on or off.
    type: str
    choices: ["on", "off"]
    required: true
  without_lease:
    description:
      - That it is meant to be done without a lease, as C(playbooks/maintenance.yml) does, because a deploy may go on meanwhile.
        Without this, C(0) as O(token) is refused, except in check mode.
      - Whoever says so has made sure that the host is the environment's.
extends_documentation_fragment:
  - morpheus.deploy.attributes.edge
  - morpheus.deploy.attributes.switch
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.edge_config
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Show users the maintenance page
  morpheus.deploy.edge_maintenance:
    state: "on"
    without_lease: true
"""

RETURN = r"""
changes:
  description: Where the state was another, or is, in check mode. The file for when HAProxy restarts, and its workers.
  returned: success
  type: list
  elements: str
  sample: [maintenance.map, worker 12]
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.maintenance import Maintenance, describe
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    leased.require(module.params, check_mode=module.check_mode)
    state = module.params["state"]
    maintenance = Maintenance(EdgePaths(EDGE_ROOT))
    before = maintenance.look() if module.check_mode else maintenance.switch(state)
    changes = [place for place, found in before.items() if found != state]
    diff = {"before": describe(before), "after": describe(dict.fromkeys(before, state))}
    return {"changed": bool(changes), "changes": changes, "diff": diff}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["on", "off"], "required": True},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
