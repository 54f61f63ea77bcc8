#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: ml_mode
short_description: Switch the mode of an environment's ML gateways, or say which it is
version_added: 0.1.0
description:
  - In the mode C(live) calls go where the configuration says, in C(mock) a mock answers all of them, in C(off) none begins.
  - The mode is a row in the environment's database, so one host is enough. Every gateway obeys with its next call, calls that
    run end normally, and the mode stays through restarts and releases.
  - A gateway of the tier C(production) refuses C(mock).
attributes:
  check_mode:
    support: full
    description: Looks, and says whether the mode would change.
  diff_mode:
    support: full
    description: Shows the mode before and after.
  idempotent:
    support: full
    description: Nothing is written, the history included, where the mode is as wanted.
options:
  mode:
    description: The mode to switch to. Left out, nothing is changed.
    type: str
    choices: [live, mock, "off"]
  by:
    description: Who switches it, for the history.
    type: str
    default: ""
  why:
    description: For what, for the history.
    type: str
    default: ""
  without_lease:
    description:
      - That it is meant to be done without a lease, as C(playbooks/ml_mode.yml) does, because costs are stopped while a deploy
        goes on, too. Without this, C(0) as O(token) is refused, except in check mode.
extends_documentation_fragment:
  - morpheus.deploy.engine
  - morpheus.deploy.ml_gateway
  - morpheus.deploy.token
  - morpheus.deploy.without_lease
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Stop all calls that cost money
  morpheus.deploy.ml_mode:
    stack: ml-gateway
    mode: "off"
    by: alice
    why: the bill
    without_lease: true
"""

RETURN = r"""
mode:
  description: The mode, after what this module did.
  returned: success
  type: str
  sample: "off"
history:
  description: The last ten switches, the newest first.
  returned: success
  type: list
  elements: dict
  sample: [{"at": "2026-11-26 19:33:51+00:00", "mode": "off", "by": "alice", "why": "the bill"}]
caps:
  description:
    - Each cap of C(ml.limits) for a day or a month, with what is used of it, and whether that has passed C(warn_at). Of a gateway
      that cannot say it, none.
  returned: success
  type: list
  elements: dict
  sample: [{"cap": "money_per_day", "used": "4.1", "limit": "5", "near": true, "period": "2026-11-26"}]
used:
  description: The same in sentences.
  returned: success
  type: list
  elements: str
  sample: ["money_per_day: 4.1 of 5 are used (2026-11-26), which is past warn_at"]
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.lease import leased
from ansible_collections.morpheus.deploy.plugins.module_utils.operations import ml_mode
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    given = module.params
    if given["mode"]:
        leased.require(given, check_mode=module.check_mode)
        if not (given["by"] and given["why"]):
            raise DeployError("by and why are needed: the history says who switched, and for what. Nothing was switched.")
    switch = {name: given[name] for name in ("mode", "by", "why")} if given["mode"] and not module.check_mode else {}
    found = ml_mode.mode(engine.connect(), given["stack"], given["service"], switch)
    before = found.get("before", found["mode"])
    after = given["mode"] or found["mode"]
    return {
        "changed": before != after,
        "mode": found["mode"],
        "history": found["history"],
        "caps": found.get("caps") or [],
        "used": [ml_mode.used(cap) for cap in found.get("caps") or []],
        "diff": {"before": f"{before}\n", "after": f"{after}\n"},
    }


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "mode": {"type": "str", "choices": list(ml_mode.MODES)},
            "by": {"type": "str", "default": ""},
            "why": {"type": "str", "default": ""},
            "stack": {"type": "str", "required": True},
            "service": {"type": "str", "default": "gateway"},
            "token": {"type": "int", "default": 0, "no_log": False},
            "without_lease": leased.WITHOUT_LEASE,
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
