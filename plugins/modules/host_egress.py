#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: host_egress
short_description: Keep containers of a host away from SSH of the hosts, metadata of the cloud and metrics of the edge
version_added: 0.1.0
description:
  - When the module returns, packets of containers to these places are dropped in the kernel of this host, before rules of the
    engine or of a firewall are asked, and the same rules lie in C(/var/lib/morpheus.deploy/egress) for the next boot.
  - What a release admits (C(stack.egress)) is not the module's business; M(morpheus.deploy.stack_rollout) keeps it beside this.
  - It drops nothing that the host itself sends, nothing from one container to another, and nothing that reaches the published
    ports of the edge. A resolver of the cloud that stands among its metadata can be asked.
  - A host whose kernel or programs cannot do that is refused, and nothing is changed on it.
attributes:
  check_mode:
    support: full
    description: Says what would change, without asking the kernel whether it takes the rules.
  diff_mode:
    support: full
    description: Shows the rules.
  idempotent:
    support: full
    description: Nothing is loaded or written when nothing changed. Rules that somebody else has changed are put back.
  platform:
    support: full
    platforms: posix
    description: Linux with iptables, which the engine needs, too.
options:
  name:
    description: This host, as O(hosts) names it.
    type: str
    required: true
  hosts:
    description:
      - Names of all hosts of the environment, this one included, whether they were asked or not. Of one that was not, what is
        known from earlier stays. Left empty, nothing is changed, and what this host says of itself is returned.
    type: list
    elements: str
    default: []
  reached:
    description: Host to the address or name that it is reached by, where that is another one than its own name.
    type: dict
    default: {}
  ports:
    description: Host to the port of SSH that it is reached by. It counts where the host's sshd does not say its ports itself.
    type: dict
    default: {}
  metrics:
    description: Host to the address and port on which the metrics of its edge are published, C(127.0.0.1:8405).
    type: dict
    default: {}
  looked:
    description: Host to what this module returned there as RV(looked).
    type: dict
    default: {}
seealso:
  - module: morpheus.deploy.stack_rollout
  - module: morpheus.deploy.stack_audit
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Learn how the hosts are reached
  morpheus.deploy.host_egress:
    name: "{{ inventory_hostname }}"
  register: egress

- name: Keep containers away from them
  morpheus.deploy.host_egress:
    name: "{{ inventory_hostname }}"
    hosts: [app-1, app-2]
    reached: {app-1: app-1.example.com, app-2: 203.0.113.6}
    metrics: {app-1: "127.0.0.1:8405", app-2: "127.0.0.1:8405"}
    looked: {app-1: "{{ hostvars['app-1'].egress.looked }}"}
"""

RETURN = r"""
looked:
  description: Addresses of this host, ports of its sshd, and bridges of its own whose names begin as the engine's do.
  returned: success
  type: dict
  sample: {addresses: [203.0.113.5], ssh_ports: [22], bridges: []}
changes:
  description: What changed, or would change in check mode.
  returned: success
  type: list
  elements: str
  sample: ["rules.v4, loaded"]
"""

from collections.abc import Mapping
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.egress import addresses
from ansible_collections.morpheus.deploy.plugins.module_utils.egress.egress_filter import EgressFilter
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: Any, about: dict[str, Any]) -> Mapping[str, Any]:
    params: dict[str, Any] = module.params
    looked = addresses.looked()
    if not params["hosts"]:
        return {"changed": False, "looked": looked, "changes": []}
    found = EgressFilter()
    before = found.text()
    hosts = addresses.asked({**params, "looked": {**params["looked"], params["name"]: looked}})
    base = addresses.merged(params["name"], hosts, found.base())
    changes = found.differences(base) if module.check_mode else found.apply(base)
    diff = {"before": before, "after": found.text(base)}
    return {"changed": bool(changes), "looked": looked, "changes": changes, "diff": diff}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "hosts": {"type": "list", "elements": "str", "default": []},
            **{name: {"type": "dict", "default": {}} for name in ("reached", "ports", "metrics", "looked")},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
