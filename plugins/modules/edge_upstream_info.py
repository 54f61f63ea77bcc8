#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_upstream_info
short_description: Say whom a balancer keeps off, and why
version_added: 0.1.0
description:
  - A host that is kept off gets no request from the balancer, however well it is. Nothing on the host itself shows it.
  - Says, too, which files of the balancer were damaged, since nobody else looks at them.
options: {}
extends_documentation_fragment:
  - morpheus.deploy.attributes.balancer
  - morpheus.deploy.attributes.read_only
seealso:
  - module: morpheus.deploy.edge_upstream
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Ask the balancer whom it keeps off
  morpheus.deploy.edge_upstream_info:
  register: balancer
"""

RETURN = r"""
kept_off:
  description:
    - The hosts that it sends nobody to. C(turn) says that one is worked on, or was when a run was killed, and C(playbook) by
      which playbook, empty where nobody noted it. Without a turn it was away while others got another release, or
      somebody has said so.
  returned: success
  type: list
  elements: dict
  sample: [{name: app-1, turn: true, playbook: engine_upgrade}]
upstreams:
  description: The hosts that it sends requests to.
  returned: success
  type: list
  elements: str
  sample: [app-1, app-2]
knows_placed:
  description: Whether it can ask only some hosts for a route, which one that an older version set up cannot.
  returned: success
  type: bool
  sample: true
placed:
  description:
    - What it was told of routes that not all hosts have, by stack and key of the route, see M(morpheus.deploy.edge_placed). A
      stack of which that is damaged is left out.
  returned: success
  type: dict
  sample: {shop: {shop.example/reports/: {hosts: [app-2], guarded: false}}}
problems:
  description: Files of the balancer that were damaged, and hosts that it lets in by that, each with what mends it.
  returned: success
  type: list
  elements: str
  sample: []
"""

from dataclasses import asdict
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import drift
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.placed import Placed, as_given
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstream_turns import Turns
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstreams import Everybody
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    paths = EdgePaths(EDGE_ROOT)
    kept_off = Turns(paths, SystemClock()).kept_off()
    placed = Placed(paths)
    upstreams, told = placed.upstreams, placed.readable()
    problems = [*drift.problems(paths), *Everybody(paths).look().problems(), *placed.problems()]
    return {
        "changed": False,
        "kept_off": [asdict(one) for one in kept_off],
        "upstreams": sorted(upstreams.names),
        "knows_placed": upstreams.knows,
        "placed": {stack: as_given(routes) for stack, routes in told.items()},
        "problems": problems,
    }


@in_words
def main() -> None:
    run_module(AnsibleModule(argument_spec={}, supports_check_mode=True), body)


if __name__ == "__main__":
    main()
