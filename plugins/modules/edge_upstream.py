#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_upstream
short_description: Keep hosts off at a balancer, or let them serve again
version_added: 0.1.0
description:
  - A host that is kept off gets no request from the balancer, however well it is. One that was away while others got another
    release would otherwise serve the old one as soon as it comes back.
  - When no other host is up either, it is tried all the same, as each host is then.
  - Nothing is reloaded. Requests and tunnels that have begun go on to their end.
  - What was said stays, whether HAProxy reloads or restarts, and when the role C(edge) runs.
attributes:
  diff_mode:
    support: none
    description: The result names the hosts.
options:
  names:
    description: The hosts, as C(edge_upstreams) names them.
    type: list
    elements: str
    required: true
  state:
    description: Whether they are to be kept off, or to serve again.
    type: str
    choices: ["off", "serving"]
    required: true
  turn:
    description:
      - That they are worked on in turn, and come back soon. C(off) then is not done where no other host serves, and waits until
        the balancer sends nobody there; C(serving) lets only those in that are kept off for their turn, and waits until it
        serves by them.
      - What was not done is no failure. The result says it.
    type: bool
    default: false
  playbook:
    description: With O(turn=true), the playbook that works on them, so that M(morpheus.deploy.edge_upstream_info) can say it.
    type: str
    default: ""
  wait_seconds:
    description: With O(turn=true), how long the balancer's checks may take to call a host down or up, in seconds.
    type: float
    default: 30
extends_documentation_fragment:
  - morpheus.deploy.attributes.balancer
  - morpheus.deploy.attributes.switch
seealso:
  - module: morpheus.deploy.edge_maintenance
  - module: morpheus.deploy.edge_upstream_info
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Keep a host off that could not be reached
  morpheus.deploy.edge_upstream:
    names: [app-1]
    state: "off"

- name: Keep a host off while its edge is replaced
  morpheus.deploy.edge_upstream:
    names: [app-1]
    state: "off"
    turn: true
    playbook: edge_upgrade
"""

RETURN = r"""
names:
  description: The hosts that are now kept off, or serve again.
  returned: success
  type: list
  elements: str
  sample: [app-1]
state:
  description: What O(state) says.
  returned: success
  type: str
  sample: "off"
done:
  description: With O(turn=true), whether the balancer sends nobody there, or serves by them again.
  returned: with O(turn=true)
  type: bool
  sample: true
msg:
  description: Why something was not done, in words.
  returned: with O(turn=true)
  type: str
  sample: no other host serves but app-1
"""

import re
from collections.abc import Mapping
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.clock import SystemClock
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.base.places import EDGE_ROOT
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.paths import EdgePaths
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstream_turns import Turns
from ansible_collections.morpheus.deploy.plugins.module_utils.edge.upstreams import KeptOff
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module

# It becomes a word of a map and of a command.
NAME = re.compile(r"[A-Za-z0-9._-]+")


def turn(turns: Turns, params: Mapping[str, Any], *, check_mode: bool) -> dict[str, Any]:
    names, state, seconds = params["names"], params["state"], params["wait_seconds"]
    if check_mode:
        return {"changed": any(turns.look(name, state) for name in names), "done": True, "msg": ""}
    is_off, playbook = state == "off", params["playbook"]
    done = [turns.begin(name, seconds, playbook) if is_off else turns.end(name, seconds) for name in names]
    return {
        "changed": any(one.changed for one in done),
        "done": all(one.done for one in done),
        "msg": "; ".join(one.why for one in done if one.why),
    }


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    names, state = module.params["names"], module.params["state"]
    wrong = [name for name in names if not NAME.fullmatch(name)]
    if wrong:
        raise DeployError(f"names: {wrong[0]!r} is not a valid name of a host: letters, digits, dots, dashes and underscores")
    turns = Turns(EdgePaths(EDGE_ROOT), SystemClock())
    if module.params["turn"]:
        return {"names": names, "state": state, "turn": True, **turn(turns, module.params, check_mode=module.check_mode)}
    wanted = "on" if state == "off" else "off"
    changed = False
    for name in names:
        upstream = KeptOff(EdgePaths(EDGE_ROOT), name)
        if not module.check_mode:
            # First, or an upgrade that is finished later would let in what is kept off for another reason by then.
            turns.over(name)
        before = upstream.look() if module.check_mode else upstream.switch(wanted)
        changed = changed or any(found != wanted for found in before.values())
    return {"changed": changed, "names": names, "state": state}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["off", "serving"], "required": True},
            "turn": {"type": "bool", "default": False},
            "playbook": {"type": "str", "default": ""},
            "wait_seconds": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
