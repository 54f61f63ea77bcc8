#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: ml_costs
short_description: Say what calls of an environment's ML endpoints have cost
version_added: 0.1.0
description:
  - Reads the books of the ML gateways, which are in the environment's database, by a program in the container of one of them.
    One host answers for the whole environment.
attributes:
  check_mode:
    support: full
    description: Changes nothing anyway.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Changes nothing.
options:
  days:
    description: How many days back it goes. It always goes back to the beginning of the month.
    type: int
    default: 30
extends_documentation_fragment:
  - morpheus.deploy.engine
  - morpheus.deploy.ml_gateway
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: See what was spent
  morpheus.deploy.ml_costs:
    stack: ml-gateway
"""

RETURN = r"""
books:
  description:
    - The environment and the tier of the gateway; C(calls) by day, endpoint, model, provider and caller; and C(caps), each with
      what is used of it. Of the money of C(calls), C(unsettled) is reserved and not yet known.
  returned: success
  type: dict
  sample:
    environment: staging
    tier: staging
    calls:
      - day: "2026-11-26"
        endpoint: comic
        model: comic-xl@1.4.0
        provider: runpod
        caller: api
        requests: 12
        money: "0.0412"
        unsettled: "0"
    caps: [{"cap": "money_per_day", "used": "4.1", "limit": "5", "near": true, "period": "2026-11-26"}]
"""

from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.ml_gateway import Program
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    given = module.params
    program = Program("read the books of the ML gateway", "What was spent is not known.")
    said = program.answer(engine.connect(), given["stack"], given["service"], ["--days", str(given["days"])])
    return {"changed": False, "books": {name: said[name] for name in ("environment", "tier", "calls", "caps")}}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "days": {"type": "int", "default": 30},
            "stack": {"type": "str", "required": True},
            "service": {"type": "str", "default": "gateway"},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
