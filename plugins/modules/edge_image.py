#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_image
short_description: Bring an image of HAProxy to a host, and see whether its edge can run with it
version_added: 0.1.0
description:
  - When the module returns, the image is on the host, and HAProxy in it has accepted the configuration of the edge. When the
    image cannot be had, or HAProxy rejects the configuration, the module fails with its words.
  - Nothing that runs is touched. M(morpheus.deploy.edge_upgrade) replaces the edge.
attributes:
  check_mode:
    support: full
    description: Asks the registry whether it has another image of this name, and pulls nothing.
  diff_mode:
    support: none
    description: The result says it in a sentence.
  idempotent:
    support: full
    description: Nothing is pulled twice.
options:
  image:
    description: HAProxy's image that the edge is to run with.
    type: str
    required: true
  ports:
    description: Published ports in Compose's short form, for which the edge would be replaced, too. Left empty, they stay.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - morpheus.deploy.attributes.edge
  - morpheus.deploy.engine
seealso:
  - module: morpheus.deploy.edge_upgrade
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See whether the edge can run with the image
  morpheus.deploy.edge_image:
    image: haproxy:3.0
  register: edge_found
"""

RETURN = r"""
due:
  description: Whether the edge would be replaced for the image or the ports.
  returned: success
  type: bool
  sample: true
plan:
  description: What would be done, in a sentence. Empty when nothing is to do.
  returned: success
  type: str
  sample: "replace the edge: HAProxy 3.0.10 (haproxy:3.0, 0123456789ab) -> HAProxy 3.0.11 (haproxy:3.0, ba9876543210)"
before:
  description: HAProxy's version that runs, and its image.
  returned: success
  type: str
  sample: HAProxy 3.0.10 (haproxy:3.0, 0123456789ab)
after:
  description: HAProxy's version in the image, and which one it is.
  returned: success
  type: str
  sample: HAProxy 3.0.11 (haproxy:3.0, ba9876543210)
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge import state as edge_state
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.image import EdgeImage
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    there = engine.Engine(engine.connect(), edge_state.PROJECT)
    before = there.image(module.params["image"])
    found = EdgeImage(there, EdgePaths(EDGE_ROOT)).look(
        module.params["image"], module.params["ports"], look_only=module.check_mode
    )
    after = there.image(module.params["image"])
    for warning in found.warnings:
        module.warn(warning)
    changed = before != after or (module.check_mode and found.due)
    return {"changed": changed, "due": found.due, "plan": found.plan, "before": found.before, "after": found.after}


@in_words
def main() -> None:
    specification = {"image": {"type": "str", "required": True}, "ports": {"type": "list", "elements": "str", "default": []}}
    run_module(AnsibleModule(argument_spec=specification, supports_check_mode=True), body)


if __name__ == "__main__":
    main()
