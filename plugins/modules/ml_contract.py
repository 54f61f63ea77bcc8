#!/usr/bin/python
# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: ml_contract
short_description: Ask ML endpoints for what their contracts say, through the gateway, and remember which were seen kept
version_added: 0.1.0
description:
  - A program in a container of the ML gateway asks, so each call is reserved, priced and counted as any other. Where the
    environment has a mock, it is asked for the same.
  - What was seen kept is a row in the environment's database. P(morpheus.deploy.contracts_judged#filter) says whether it was.
attributes:
  check_mode:
    support: full
    description: Asks no endpoint and remembers nothing; what was seen before is returned.
  diff_mode:
    support: none
    description: What is answered is compared with nothing that was before.
  idempotent:
    support: partial
    description: What is remembered already stays as it is. Each question is a call that costs.
options:
  ask:
    description: Calls, as P(morpheus.deploy.ml_contracts#filter) gives them.
    type: list
    elements: dict
    default: []
  keep:
    description: Contracts that were seen kept, as the same filter gives them.
    type: list
    elements: dict
    default: []
  by:
    description: Who has seen it.
    type: str
    default: ""
extends_documentation_fragment:
  - morpheus.deploy.engine
  - morpheus.deploy.ml_gateway
author:
  - The morpheus.deploy maintainers (@morpheus-deploy)
"""

EXAMPLES = r"""
- name: Ask the endpoints
  morpheus.deploy.ml_contract:
    stack: ml-gateway
    ask: "{{ contracts.ask }}"
"""

RETURN = r"""
answers:
  description: What was answered by each target, which is the environment's tier, or C(mock).
  returned: success
  type: list
  elements: dict
  sample: [{"name": "comic.yml", "target": "staging", "status": 200, "seconds": 2.1, "bytes": 812, "model": "comic-xl@1.4.0"}]
kept:
  description: All that was ever seen kept in this environment.
  returned: success
  type: list
  elements: dict
  sample: [{"endpoint": "comic", "pin": "1f2e3d4c", "contract": "0a1b2c3d4e5f6071", "by": "alice"}]
"""

import json
from typing import Any

import ansible_collections.morpheus.deploy.plugins.module_utils.base.bytecode  # noqa: F401  # pylint: disable=unused-import
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.morpheus.deploy.plugins.module_utils.engine import engine
from ansible_collections.morpheus.deploy.plugins.module_utils.operations.ml_gateway import Program
from ansible_collections.morpheus.deploy.plugins.module_utils.words.in_words import in_words, run_module


def body(module: AnsibleModule, about: dict[str, Any]) -> dict[str, Any]:
    given = module.params
    told = {name: given[name] for name in ("ask", "keep") if given[name] and not module.check_mode}
    arguments = [part for name, value in told.items() for part in (f"--{name}", json.dumps(value))]
    program = Program("ask for the contracts of ML endpoints", "Nobody knows which contracts are kept.")
    found = program.answer(engine.connect(), given["stack"], given["service"], [*arguments, "--by", given["by"]])
    return {"changed": "keep" in told, "answers": found["answers"], "kept": found["kept"]}


@in_words
def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "ask": {"type": "list", "elements": "dict", "default": []},
            "keep": {"type": "list", "elements": "dict", "default": []},
            "by": {"type": "str", "default": ""},
            "stack": {"type": "str", "required": True},
            "service": {"type": "str", "default": "gateway"},
        },
        supports_check_mode=True,
    )
    run_module(module, body)


if __name__ == "__main__":
    main()
