#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_upgrade
short_description: Replace the container of a host's edge by one of another image, or with other ports, without dropping a request
version_added: 0.1.0
description:
  - When the module returns, HAProxy of the given image serves as the edge of the host, with the configuration, the routes and the
    servers that it had before, and with what was told to it by hand, weights and drains. It is published on O(ports).
  - Unless O(drained=true) a second container of the new image stands in. It must answer for every route as the one that runs
    does; then new connections are led to it, by rules of the kernel. The old container takes no new connection, answers what it
    has begun and ends; the edge's own container is recreated, and new connections are led back to it.
  - Requests that have begun are waited for, and so are idle connections of users, which live for 75 s at most. WebSockets and
    other tunnels do not end by themselves. What is still open after O(drain_seconds) is cut and counted.
  - When the new edge does not serve, the one before goes on, or comes back, and the module fails.
  - A run that was killed leaves one container that serves. The next one goes on from there.
attributes:
  check_mode:
    support: full
    description: Says whether the edge would be replaced.
  diff_mode:
    support: none
    description: The result says what was done.
  idempotent:
    support: full
    description: An edge that runs the image, with these ports, is left alone.
  platform:
    description: Linux, where the role C(edge) has run, and an engine that forwards ports by iptables.
options:
  image:
    description: HAProxy's image, which M(morpheus.deploy.edge_image) has brought to the host.
    type: str
    required: true
  ports:
    description:
      - Published ports in Compose's short form. Left empty, they stay as they are; so they do while the edge waits for those of
        a project that is adopted. A port that changes is another one from the moment at which the own container is back.
    type: list
    elements: str
    default: []
  drained:
    description: Whether nobody comes to this host any more, because each balancer keeps it off. Then no container stands in.
    type: bool
    default: false
  drain_seconds:
    description:
      - How long each container that is replaced may take to end what it has begun, in seconds. Not less than 80, because idle
        connections live for 75 s; and less than C(edge_hard_stop_after_seconds), at which HAProxy ends by itself.
    type: float
    default: 120
requirements:
  - iptables and iptables-restore, on the host
extends_documentation_fragment:
  - morpheus.deploy.engine
  - morpheus.deploy.token
  - morpheus.deploy.run
  - morpheus.deploy.without_lease
seealso:
  - module: morpheus.deploy.edge_image
  - module: morpheus.deploy.edge_upstream
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Replace the edge
  morpheus.deploy.edge_upgrade:
    image: haproxy:3.0
    token: "{{ lease_taken.token }}"
    run: "{{ lease_taken.run }}"
"""

RETURN = r"""
done:
  description: What was done, in order.
  returned: success
  type: list
  elements: str
  sample: [a container of the new image stands in, "the edge runs haproxy:3.0"]
drained:
  description: Requests and tunnels that were under way and were waited for.
  returned: success
  type: int
  sample: 3
cut:
  description: Requests and tunnels that did not end in time.
  returned: success
  type: int
  sample: 0
begun:
  description: Whether anything on the host may have changed before the module failed.
  returned: failure
  type: bool
  sample: true
"""

from collections.abc import Sequence
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError, EdgeError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_NETWORK, EDGE_ROOT, STACKS_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.own_edge import OwnEdge
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.state import PROJECT, STAND_IN
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container import upgrade as edge_upgrade
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container import upgrade_verbs
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.instance import Own, StandIn
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.redirect import Redirect, bridge_of
from ansible_collections.morpheus.deploy.plugins.module_utils.edge_container.upgrade import Outcome
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.lease.fence import Fence
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

# An idle connection of a user lives for 75 s (timeout http-keep-alive).
LEAST_SECONDS = 80


class Upgrade:
    """``begun``: whether anything may have changed."""

    def __init__(
        self, paths: EdgePaths, image: str, ports: Sequence[str], drain_seconds: float, *, drained: bool, fence: Fence
    ) -> None:
        client = engine.connect()
        own_engine = engine.Engine(client, PROJECT, EDGE_NETWORK)
        self._fence = fence
        self.begun = False
        found = own_engine.image(image)
        if found is None:
            raise EdgeError(f"image {image} is not on this host: the module edge_image brings it. Nothing was changed")
        network = own_engine.network(EDGE_NETWORK)
        if network is None:
            raise EdgeError(
                'this host has no network "edge": playbooks/provision.yml --tags edge for this inventory brings it back. Nothing '
                "was changed"
            )
        bridge = "" if drained else bridge_of(network)
        tls = OwnEdge.of(paths).tls
        self._wanted = upgrade_verbs.Wanted(image, found.id, drain_seconds, not drained, bridge, tls, ports)
        stand_in = StandIn(engine.Engine(client, STAND_IN, EDGE_NETWORK), paths)
        self._upgrade = edge_upgrade.EdgeUpgrade(paths, Own(own_engine, paths), stand_in, Redirect(), SystemClock(), self._guard)

    @property
    def due(self) -> bool:
        return self._upgrade.due(self._wanted)

    def run(self) -> Outcome:
        self._fence.enter()
        return self._upgrade.run(self._wanted)

    def _guard(self) -> None:
        self._fence.check()
        self.begun = True


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    params = module.params
    about["begun"] = False
    leased.require(params, check_mode=module.check_mode)
    seconds = params["drain_seconds"]
    if seconds < LEAST_SECONDS:
        raise DeployError(
            f"drain_seconds: {seconds:g} is less than {LEAST_SECONDS}, and idle connections of users live "
            "for 75 s, so that requests could be lost; give more. Nothing was changed"
        )
    fence = Fence.of_host(STACKS_ROOT, 0 if module.check_mode else params["token"], params["run"])
    upgrade = Upgrade(EdgePaths(EDGE_ROOT), params["image"], params["ports"], seconds, drained=params["drained"], fence=fence)
    try:
        due = upgrade.due
        outcome = Outcome() if module.check_mode or not due else upgrade.run()
    finally:
        about["begun"] = upgrade.begun
    return {"changed": due, "done": outcome.done, "drained": outcome.drained, "cut": outcome.cut}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "image": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "str", "default": []},
            "drained": {"type": "bool", "default": False},
            "drain_seconds": {"type": "float", "default": 120},
            "token": {"type": "int", "default": 0, "no_log": False},
            "run": {"type": "str", "default": ""},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
